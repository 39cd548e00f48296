"""What people read of a message: its text, its links, its pictures; and digests that tell texts apart or alike."""

from __future__ import annotations

import html
import re  # possessive patterns and single characters only: their time is linear in the text
from functools import lru_cache
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, NamedTuple

from decnet.models.mail import Pixel
from decnet.sources.mail.headers import host_text
from decnet.sources.mail.mime import decoded_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from decnet.models.mail import Limit
    from decnet.sources.mail.mime import Part

MAX_TEXT_BYTES = 512 << 10
"""Of all texts of a message together, this much is looked at."""
MAX_LINKS = 500
MAX_PIXELS = 8
MAX_LINK_CHARS = 2_000

_MAX_SIDE = 9_999
_MAX_SIDE_DIGITS = 5
_MAX_PICTURES = 200
_MAX_TAG_CHARS = 8_000
_BEFORE_LINK = 24
_LEAST_RUN = 40
_TAG = re.compile(r"<[^<>]*+>")
_HIDDEN = re.compile(r"<(script|style|head)\b")
_ATTRIBUTE = re.compile(r"""\b([a-z-]{1,20}+)\s{0,5}+=\s{0,5}+("[^"]*+"|'[^']*+'|[^\s"'>]++)""", re.IGNORECASE)
_REST_OF_LINK = re.compile(r"[^\s<>\"'\])}]{1,2000}+")
_AUTHORITY = re.compile(r"[^/?#\\]*+")
_LONG_REFERENCE = re.compile(r"&#[xX]?[0-9a-fA-F]{8,}+;?")
_BASE64_RUN = re.compile(r"[A-Za-z0-9+/]{40,}+")
_SIZE_IN_STYLE = re.compile(r"\b(width|height)\s{0,5}+:\s{0,5}+(\d{1,4}+)", re.IGNORECASE)
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{8,}+")
_LEADS_TO = ("href=", "action=")


class Shown(NamedTuple):
    """The texts of a message as one, its links as written, and the pictures that it loads from elsewhere."""

    text: str
    links: tuple[str, ...]
    pixels: tuple[Pixel, ...]
    limits: frozenset[Limit]


def shown_of(leaves: Iterable[Part]) -> Shown:
    """What ``leaves``, the parts with text, show."""
    texts: list[str] = []
    links: dict[str, None] = {}
    pixels: list[Pixel] = []
    limits: set[Limit] = set()
    room = MAX_TEXT_BYTES
    for part in leaves:
        if len(part.content) > room:
            limits.add("text")
        written = decoded_text(part.content[:room], part.charset)
        room -= min(len(part.content), room)
        is_page = part.kind == "text/html"
        links |= dict.fromkeys(_links_in(written, is_page=is_page))
        if is_page:
            lower = written.lower()
            lower = lower if len(lower) == len(written) else written  # a letter whose lower case is two
            pixels += _pixels_of(written, lower)
            written = _text_of_page(written, lower)
        texts.append(written)
    if len(links) > MAX_LINKS:
        limits.add("links")
    return Shown("\n".join(texts), tuple(links)[:MAX_LINKS], tuple(pixels[:MAX_PIXELS]), frozenset(limits))


def _text_of_page(page: str, lower: str) -> str:
    """The text of an HTML page without tags, head, scripts and styles; one that is not closed goes on to the end."""
    kept, at = [], 0
    while (hidden := _HIDDEN.search(lower, at)) is not None:
        kept.append(page[at : hidden.start()])
        end = lower.find(f"</{hidden[1]}", hidden.end())
        if end < 0:
            at = len(page)
            break
        at = end
    return _unescaped(_TAG.sub(" ", " ".join([*kept, page[at:]])))


def _unescaped(text: str) -> str:
    """``text`` with character references resolved; numbers that are no characters are left out."""
    if "&" not in text:
        return text
    return html.unescape(_LONG_REFERENCE.sub(" ", text) if "&#" in text else text)


def _links_in(written: str, *, is_page: bool) -> Iterator[str]:
    """Absolute links, one more than :data:`MAX_LINKS` at most; of a page those that readers or forms follow."""
    at, found = written.find("://"), 0
    while at >= 0 and found <= MAX_LINKS:
        start = at - (5 if written[at - 1 : at] in {"s", "S"} else 4)
        rest = _REST_OF_LINK.match(written, at + 3)
        if start >= 0 and rest is not None and written[start : start + 4].lower() == "http":
            before = written[max(start - _BEFORE_LINK, 0) : start] if is_page else ""
            if not is_page or _is_followed(before):
                found += 1
                link = written[start : rest.end()].rstrip(".,;:!?")[:MAX_LINK_CHARS]
                yield _unescaped(link) if is_page else link
        at = written.find("://", at + 3)


def _is_followed(before: str) -> bool:
    """Whether a link of a page that stands behind ``before`` is to be read or followed, and no name or picture."""
    bare = "".join(before.split())
    if bare[-1:] not in {'"', "'", "=", "("}:
        return True
    return bare.rstrip("\"'").lower().endswith(_LEADS_TO)


def _pixels_of(page: str, lower: str) -> Iterator[Pixel]:
    """Pictures from elsewhere whose size is stated."""
    at = lower.find("<img")
    for _ in range(_MAX_PICTURES):
        if at < 0:
            return
        end = lower.find(">", at, at + _MAX_TAG_CHARS)
        tag = page[at : end if end >= 0 else at + _MAX_TAG_CHARS]
        pixel = _pixel_of({name.lower(): value.strip("\"'") for name, value in _ATTRIBUTE.findall(tag)})
        if pixel is not None:
            yield pixel
        at = lower.find("<img", at + len(tag))


def _pixel_of(attributes: dict[str, str]) -> Pixel | None:
    """A picture from elsewhere whose size is stated."""
    source = attributes.get("src", "")
    host = host_of(source)
    styled = {name.lower(): value for name, value in _SIZE_IN_STYLE.findall(attributes.get("style", "")[:1_000])}
    sides = [_side(attributes.get(name) or styled.get(name, "")) for name in ("width", "height")]
    stated = [side for side in sides if side is not None]
    if not host or not stated:
        return None
    return Pixel(host, max(stated), has_identifier=_has_identifier(source))


def _side(text: str) -> int | None:
    digits = text.strip().removesuffix("px").strip()
    if not digits.isascii() or not digits.isdecimal() or len(digits) > _MAX_SIDE_DIGITS:
        return None
    return min(int(digits), _MAX_SIDE)


def _has_identifier(link: str) -> bool:
    """Whether path or query hold a word of letters and digits that is long enough to tell readers apart."""
    _, _, rest = link.partition("://")
    words = _IDENTIFIER.findall(rest.partition("/")[2][:MAX_LINK_CHARS])
    return any(any(map(str.isdigit, word)) for word in words)


@lru_cache(8_192)
def host_of(link: str) -> str:
    """The host of an absolute link, in lower case, without user, password and port; empty where there is none."""
    scheme, _, rest = link.partition("://")
    named = _AUTHORITY.match(rest)
    if scheme.strip().lower() not in {"http", "https"} or named is None:
        return ""
    host = named[0].rpartition("@")[2]
    if host.startswith("["):
        inner = host[1:].partition("]")[0].lower()
        return inner if inner.replace(":", "").isalnum() else ""
    return host_text(host.partition(":")[0])


def path_of(link: str) -> str:
    """What stands behind the host of an absolute link, in lower case."""
    _, _, rest = link.partition("://")
    return rest[len(rest.partition("/")[0]) :].lower()


class Words:
    """A text cut at its white space: what digests are made of. ``even`` has each run of white space as one space."""

    def __init__(self, text: str) -> None:
        self._all = text.split()
        self.even = " ".join(self._all)

    def digest(self) -> str:
        """SHA-256 of :attr:`even`; empty for a text without words."""
        return sha256(self.even.encode("utf-8", "surrogatepass")).hexdigest() if self._all else ""

    def simhash(self) -> str:
        """64 bits, as 16 hex digits, of which texts with mostly the same words share most (Charikar 2002).

        Over distinct words at the beginning, case, digits and punctuation evened out; empty for a text without words.
        """
        chosen = list(dict.fromkeys(self._all[: 2 * _MAX_WORDS]))[:_MAX_WORDS]
        if not chosen:
            return ""
        counts = sum(map(_spread, chosen)).to_bytes(_LANES, "big")
        return f"{int(counts.translate(_majority(len(chosen) // 2)), 2):016x}"

    def base64_bytes(self) -> int:
        """How many bytes the long runs of base64 stand for: lines of forty characters and more."""
        if max(map(len, self._all), default=0) < _LEAST_RUN:
            return 0
        long = [word for word in self._all if len(word) >= _LEAST_RUN]
        return sum(len(run) * 3 // 4 for word in long for run in _BASE64_RUN.findall(word))


_MAX_WORDS = 255
"""What a lane of a byte can count."""
_LANES = 64
_PUNCTUATION = ".,;:!?()[]{}<>\"'«»„“”…-–—*_"
_ONE_DIGIT = str.maketrans("123456789", "000000000")
_SPREAD = tuple(sum((byte >> bit & 1) << (bit * 8) for bit in range(8)) for byte in range(256))
"""The bits of a byte, each in a lane of its own."""


@lru_cache(_MAX_WORDS)
def _majority(half: int) -> bytes:
    """A table from a count to ``1`` where it is more than ``half``, else ``0``."""
    return bytes(b"01"[count > half] for count in range(256))


@lru_cache(65_536)
def _spread(word: str) -> int:
    """64 bits of hash of a word, bit by bit in lanes, so that one addition counts all of them."""
    spread = 0
    plain = word.lower().strip(_PUNCTUATION).translate(_ONE_DIGIT)
    for byte in blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=_LANES // 8).digest():
        spread = spread << _LANES | _SPREAD[byte]
    return spread
