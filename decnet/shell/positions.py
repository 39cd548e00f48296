"""Character positions of the original text as byte positions of its UTF-8 form."""

from __future__ import annotations

from typing import Final

_STRIDE: Final = 512


class Positions:
    """Byte ranges for character ranges; costs nothing on ASCII text."""

    __slots__ = ("marks", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.marks: list[int] | None = None if text.isascii() else _marks(text)

    def range(self, start: int, end: int) -> tuple[int, int]:
        """The byte range of a character range."""
        if self.marks is None:
            return start, end
        return self.byte(start), self.byte(end)

    def byte(self, index: int) -> int:
        """The byte position of a character."""
        if self.marks is None:
            return index
        stride = index // _STRIDE
        return self.marks[stride] + _size(self.text[stride * _STRIDE : index])


def _marks(text: str) -> list[int]:
    """Byte positions of every 512th character."""
    marks = [0]
    for start in range(0, len(text), _STRIDE):
        marks.append(marks[-1] + _size(text[start : start + _STRIDE]))
    return marks


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
