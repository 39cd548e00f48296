"""The parts of a message (RFC 5322, 2045 to 2047, 2231), read as tolerantly as mail programs do and bounded.

Everything is bounded by bytes and counts and not by a clock, so the same message gives the same parts on every machine.
Python's own ``email`` package is four times as slow, and on hostile nesting slower by orders.
"""

from __future__ import annotations

import binascii
import re  # possessive patterns only: their time is linear in the text
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from decnet.models.mail import Limit

MAX_MESSAGE_BYTES = 32 << 20
"""Of a longer message only this much is looked at."""
MAX_HEADER_BYTES = 128 << 10
MAX_HEADERS = 500
MAX_PARTS = 200
MAX_DEPTH = 10

_MAX_VALUE_CHARS = 8_192
_MAX_CHARSET_CHARS = 40
_MAX_BOUNDARY_CHARS = 200  # RFC 2046 5.1.1 allows 70
_MAX_PADDING = 80
_ENCODED_WORD = re.compile(r"=\?([\w.:*-]{1,60}+)\?([bqBQ])\?([^?\s]{0,2000}+)\?=(?:\s{1,10}+(?==\?))?")
_PARAMETER = re.compile(
    r""";\s{0,80}+([\w!#$&+.^-]{1,60}+(?:\*\d{0,3}+)?+\*?+)\s{0,10}+=\s{0,10}+("[^"]*+"|[^;\s]*+)"""
)
_BASE64, _QUOTED = "base64", "quoted-printable"
_END_OF_HEADERS = b"\n\n"


class Headers:
    """The headers of a message or part, in order; names in lower case, values unfolded and as text."""

    def __init__(self, lines: list[tuple[str, str]]) -> None:
        self.lines = lines
        self._first = dict(reversed(lines))

    def get(self, name: str) -> str:
        """The first value of that name; empty where there is none."""
        return self._first.get(name, "")

    def all(self, name: str) -> list[str]:
        """Every value of that name."""
        return [value for key, value in self.lines if key == name]

    @property
    def names(self) -> list[str]:
        """Distinct names, in order."""
        return list(dict.fromkeys(name for name, _ in self.lines))


class ContentType(NamedTuple):
    """``multipart/mixed``, and its parameters by name."""

    kind: str
    parameters: dict[str, str]


class Part(NamedTuple):
    """A part that holds no other parts, decoded; ``filename`` is empty where none is given."""

    kind: str
    charset: str
    filename: str
    is_attachment: bool
    content: bytes


class Message(NamedTuple):
    """A message taken apart. ``parts`` counts all, containers too; ``limits`` names what there was too much of."""

    headers: Headers
    leaves: list[Part]
    parts: int
    limits: frozenset[Limit]


def read_message(content: bytes) -> Message:
    """The headers and the parts of ``content``; raises nothing, whatever it holds."""
    limits: set[Limit] = set()
    if len(content) > MAX_MESSAGE_BYTES:
        content = content[:MAX_MESSAGE_BYTES]
        limits.add("size")
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n")
    headers, body = _split(content, limits)
    walk = _Walk(limits)
    leaves = list(walk.leaves(headers, body, 0))
    return Message(headers, leaves, walk.parts, frozenset(limits))


def read_headers(content: bytes) -> Headers:
    """The headers of ``content`` alone."""
    head = content[:MAX_HEADER_BYTES].replace(b"\r\n", b"\n")
    return _split(head, set())[0]


class _Walk:
    """One way through the parts of a message; ``parts`` counts those that were met."""

    def __init__(self, limits: set[Limit]) -> None:
        self.parts = 0
        self._limits = limits

    def leaves(self, headers: Headers, body: bytes, depth: int) -> Iterator[Part]:
        """The parts that hold no others, in order."""
        if self.parts >= MAX_PARTS:
            self._limits.add("parts")
            return
        self.parts += 1
        content_type = content_type_of(headers.get("content-type"))
        boundary = content_type.parameters.get("boundary", "")
        is_message = content_type.kind == "message/rfc822"
        is_container = is_message or (content_type.kind.startswith("multipart/") and bool(boundary))
        if is_container and depth >= MAX_DEPTH:
            self._limits.add("depth")
            return
        if is_message:
            yield from self.leaves(*_split(_decoded(headers, body).lstrip(b"\n"), self._limits), depth + 1)
        elif is_container:
            for piece in _pieces(body, boundary[:_MAX_BOUNDARY_CHARS].encode("utf-8", "surrogateescape")):
                yield from self.leaves(*_split(piece, self._limits), depth + 1)
                if "parts" in self._limits:
                    return
        else:
            yield _leaf(headers, content_type, body)


def _leaf(headers: Headers, content_type: ContentType, body: bytes) -> Part:
    disposition = content_type_of(headers.get("content-disposition"))
    filename = disposition.parameters.get("filename") or content_type.parameters.get("name", "")
    charset = content_type.parameters.get("charset", "")
    return Part(content_type.kind, charset, filename, disposition.kind == "attachment", _decoded(headers, body))


def _split(content: bytes, limits: set[Limit]) -> tuple[Headers, bytes]:
    """Headers and body of a message or part."""
    if content.startswith(b"\n"):
        return Headers([]), content[1:]
    end = content.find(_END_OF_HEADERS)
    block, body = (content, b"") if end < 0 else (content[:end], content[end + len(_END_OF_HEADERS) :])
    if len(block) > MAX_HEADER_BYTES:
        block = block[:MAX_HEADER_BYTES]
        limits.add("headers")
    lines = _header_lines(block)
    if len(lines) > MAX_HEADERS:
        del lines[MAX_HEADERS:]
        limits.add("headers")
    return Headers(lines), body


def _header_lines(block: bytes) -> list[tuple[str, str]]:
    """Name and value of each header; a line that is none is passed over."""
    text = block.decode("utf-8", "replace")
    if "\n " in text or "\n\t" in text:
        text = text.replace("\n ", " ").replace("\n\t", " ")
    found = []
    for line in text.split("\n"):
        name, colon, value = line.partition(":")
        if colon and name and " " not in (name := name.rstrip(" \t")):
            found.append((name.lower(), value[:_MAX_VALUE_CHARS].strip()))
    return found


def _pieces(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """What stands between the delimiter lines of ``boundary``; a last piece may lack its end."""
    delimiter = b"\n--" + boundary
    text = b"\n" + body
    start = -1
    at = text.find(delimiter)
    while at >= 0:
        behind = at + len(delimiter)
        is_last = text.startswith(b"--", behind)
        end_of_line = text.find(b"\n", behind, behind + _MAX_PADDING)
        if is_last or (end_of_line >= 0 and not text[behind:end_of_line].strip()):
            if start >= 0:
                yield text[start:at]
            start = -1 if is_last else end_of_line + 1
            if is_last:
                return
            behind = end_of_line
        at = text.find(delimiter, behind)
    if start >= 0:
        yield text[start:]


def _decoded(headers: Headers, body: bytes) -> bytes:
    """``body`` without its transfer encoding; what is no such encoding stays as it is."""
    encoding = headers.get("content-transfer-encoding").lower()
    if encoding == _BASE64:
        return _from_base64(body)
    return binascii.a2b_qp(body) if encoding == _QUOTED else body


def _from_base64(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text)
    except binascii.Error:
        clean = bytes(text).translate(None, b"=\n\r\t ")
        try:
            return binascii.a2b_base64(clean[: len(clean) // 4 * 4])
        except binascii.Error:
            return b""


@lru_cache(1_024)
def content_type_of(value: str) -> ContentType:
    """A structured value: ``text/plain; charset=utf-8``, or ``attachment; filename*0*=utf-8''a``."""
    kind, separator, _ = value.partition(";")
    parameters: dict[str, str] = {}
    for name, written in _PARAMETER.findall(value) if separator else ():
        base, star, _ = name.partition("*")
        text = written.strip('"')
        if star:
            text = _extended(text, is_encoded=name.endswith("*"))
        key = base.lower()
        parameters[key] = parameters[key] + text if star and key in parameters else text
    if "=?" in value:
        parameters = {name: decoded_words(text) for name, text in parameters.items()}
    return ContentType(kind.strip().lower(), parameters)


def _extended(text: str, *, is_encoded: bool) -> str:
    """A value of RFC 2231: ``utf-8'en'a%20b``."""
    if not is_encoded:
        return text
    head, _, tail = text.partition("'")
    if "'" not in tail:
        return decoded_text(unquote_to_bytes(text), "utf-8")
    return decoded_text(unquote_to_bytes(tail.partition("'")[2]), head)


def decoded_words(value: str) -> str:
    """``value`` with its encoded words (RFC 2047) as what they stand for."""
    return _ENCODED_WORD.sub(_decoded_word, value) if "=?" in value else value


def _decoded_word(found: re.Match[str]) -> str:
    charset, encoding, text = found[1].partition("*")[0], found[2].lower(), found[3]
    raw = text.encode("utf-8", "surrogateescape")
    decoded = _from_base64(raw) if encoding == "b" else binascii.a2b_qp(raw, header=True)
    return decoded_text(decoded, charset)


_TEXT_CHARSETS = {"ascii": "utf-8", "us-ascii": "utf-8", "": "utf-8", "utf8": "utf-8", "iso-8859-1": "cp1252"}


def decoded_text(raw: bytes, charset: str) -> str:
    """``raw`` as text. A charset that is wrong, unknown or no charset costs single characters, never the text."""
    name = charset.strip().lower()[:_MAX_CHARSET_CHARS]
    try:
        return raw.decode(_TEXT_CHARSETS.get(name, name), "replace")
    except (
        LookupError,
        UnicodeError,
        ValueError,
        TypeError,
        AssertionError,
    ):  # codecs of no text: zlib, idna, undefined
        return raw.decode("utf-8", "replace")
