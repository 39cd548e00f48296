"""Evidence without secrets: passwords in known positions of a command are starred out, length kept.

Lengths stay, so that byte ranges into the original line hold. What is masked: ``user:password`` fed to chpasswd,
``scheme://user:password@host``, and the value of well-known password options.
"""

from __future__ import annotations

from functools import lru_cache

import re2

from decnet.ttp.match import find_pattern

_SECRET_POSITIONS: tuple[tuple[tuple[bytes, ...], str], ...] = (
    ((b"://",), r"://[^\s/:@]*:([^\s/@]+)@"),
    ((b"chpasswd",), r"(?:^|[\s\"'])[\w.-]{1,32}:([^\s\"'|:]+)[\"']?\s*\|\s*(?:sudo\s+)?(?:/[\w/]*)?chpasswd"),
    ((b"mysql", b"mariadb"), r"\b(?:mysql|mysqldump|mysqladmin|mariadb)\b[^|;&]*?\s-p[\"']?([^\s\"']+)"),
    ((b"sshpass",), r"\bsshpass\s+-p\s*[\"']?([^\s\"']+)"),
    (
        (b"-pass", b"-token", b"-secret", b"-api-key"),
        r"--?(?:password|passwd|pass|token|secret|api-key)[= ][\"']?([^\s\"']+)",
    ),
    (
        (b"PASSWORD=", b"_PWD=", b"SSHPASS=", b"AWS_SECRET_ACCESS_KEY="),
        r"\b(?:PASSWORD|MYSQL_PWD|PGPASSWORD|SSHPASS|AWS_SECRET_ACCESS_KEY)=[\"']?([^\s\"';|&]+)",
    ),
    ((b"curl",), r"\bcurl\b[^|;&]*?\s(?:-u|--user)\s*[\"']?[^\s:\"']*:([^\s\"']+)"),
    (
        (b"redis-cli",),
        r"(?:\s-a|AUTH)\s+[\"']?([^\s\"']+)[\"']?.{0,200}\bredis-cli|\bredis-cli\b[^|;&]*?\s-a\s*[\"']?([^\s\"']+)",
    ),
    ((b"openssl",), r"\bopenssl\b[^|;&]*?\s-(?:k|K)\s+[\"']?([^\s\"']+)"),
)
"""Where a secret stands: what a text must hold before it is worth a look, and a pattern whose groups are secrets."""


_ANY_SIGN = "|".join(re2.escape(sign.decode()) for signs, _ in _SECRET_POSITIONS for sign in signs)
_ANY_SECRET = "|".join(pattern for _, pattern in _SECRET_POSITIONS)

REMEMBERED = 256
"""Several rules quote one text."""


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[tuple[bytes, ...], re2._Regexp], ...]:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    return tuple((signs, re2.compile(pattern.encode(), options)) for signs, pattern in _SECRET_POSITIONS)


@lru_cache(maxsize=REMEMBERED)
def mask_secrets(data: bytes) -> bytes:
    """``data`` with every secret in a known position replaced by as many ``*``."""
    if find_pattern(_ANY_SIGN)(data) is None:  # nearly every text
        return data
    if find_pattern(_ANY_SECRET)(data) is None:  # one search for all of them costs a tenth of one for each
        return data
    masked = data
    for signs, pattern in _patterns():
        if not any(sign in data for sign in signs):
            continue
        for found in pattern.finditer(data):
            for group in range(1, pattern.groups + 1):
                start, end = found.span(group)
                if start >= 0:
                    masked = masked[:start] + b"*" * (end - start) + masked[end:]
    return masked
