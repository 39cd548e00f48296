"""Evidence without secrets: passwords in known positions of a command are starred out, length kept.

Lengths stay, so that byte ranges into the original line hold. What is masked: ``user:password`` fed to chpasswd,
``scheme://user:password@host``, and the value of well-known password options.
"""

from __future__ import annotations

from functools import lru_cache

import re2

from decnet.ttp.match import find_pattern

_SECRET_POSITIONS = (
    r"://[^\s/:@]*:([^\s/@]+)@",
    r"(?:^|[\s\"'])[\w.-]{1,32}:([^\s\"'|:]+)[\"']?\s*\|\s*(?:sudo\s+)?(?:/[\w/]*)?chpasswd",
    r"\b(?:mysql|mysqldump|mysqladmin|mariadb)\b[^|;&]*?\s-p[\"']?([^\s\"']+)",
    r"\bsshpass\s+-p\s*[\"']?([^\s\"']+)",
    r"--?(?:password|passwd|pass|token|secret|api-key)[= ][\"']?([^\s\"']+)",
    r"\b(?:PASSWORD|MYSQL_PWD|PGPASSWORD|SSHPASS|AWS_SECRET_ACCESS_KEY)=[\"']?([^\s\"';|&]+)",
    r"\bcurl\b[^|;&]*?\s(?:-u|--user)\s*[\"']?[^\s:\"']*:([^\s\"']+)",
    r"(?:\s-a|AUTH)\s+[\"']?([^\s\"']+)[\"']?.{0,200}\bredis-cli|\bredis-cli\b[^|;&]*?\s-a\s*[\"']?([^\s\"']+)",
    r"\bopenssl\b[^|;&]*?\s-(?:k|K)\s+[\"']?([^\s\"']+)",
)


_ANY_POSITION = "|".join(_SECRET_POSITIONS)
"""Nearly every text has no secret: one search tells, at a tenth of what all of them cost."""


@lru_cache(maxsize=1)
def _patterns() -> tuple[re2._Regexp, ...]:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    return tuple(re2.compile(pattern.encode(), options) for pattern in _SECRET_POSITIONS)


def mask_secrets(data: bytes) -> bytes:
    """``data`` with every secret in a known position replaced by as many ``*``."""
    if find_pattern(_ANY_POSITION)(data) is None:
        return data
    masked = data
    for pattern in _patterns():
        for found in pattern.finditer(data):
            for group in range(1, pattern.groups + 1):
                start, end = found.span(group)
                if start >= 0:
                    masked = masked[:start] + b"*" * (end - start) + masked[end:]
    return masked
