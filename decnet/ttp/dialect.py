r"""RE2 patterns in the spelling of Hyperscan, so that whatever RE2 finds, Hyperscan proposes.

The two read most patterns alike. Where they differ, the pattern is rewritten:

=============  =========================  =====================================
in the rule    RE2 over Latin-1 bytes     written for Hyperscan
=============  =========================  =====================================
``$``          end of the text only       ``\z`` (theirs also stops before \n)
``\s``         tab, LF, FF, CR, space     that class (theirs has VT as well)
``\d``, ``\w``  ASCII                      those classes
``\v``         VT                         ``\x0b`` (theirs is a class)
``(?P<n>…)``   a group                    ``(?:…)``
``\Q…\E``      literal text               its bytes
=============  =========================  =====================================

What cannot be written so that both agree (``(?i)`` over bytes above 127, ``\C``, ``\pL``, ``(?U)``) is refused.
"""

from __future__ import annotations

import re  # reads the patterns of rules here, never attacker text
from dataclasses import dataclass

from decnet.ttp.match import PatternRefused
from decnet.ttp.remembered import Remembered

_CLASSES = {
    "d": "0-9",
    "D": r"\x00-\x2f\x3a-\xff",
    "s": r"\x09\x0a\x0c\x0d\x20",
    "S": r"\x00-\x08\x0b\x0e-\x1f\x21-\xff",
    "w": "0-9A-Z_a-z",
    "W": r"\x00-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\xff",
}
"""What RE2's classes hold, over bytes."""
_FIRST_NON_ASCII = 0x80
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ /,;:=!@%&~'\"`<>")
_CONTROLS = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}

_REPEAT = re.compile(r"[*+?]\??|\{\d+(?:,\d*)?\}\??")
_GROUP = re.compile(r"\(\?(?:P?<\w+>|(-?[imsU]*(?:-[imsU]+)?)([:)]))")
_POSIX_CLASS = re.compile(r"\[:\^?\w+:\]")


@dataclass(frozen=True, slots=True)
class HyperscanForm:
    """A pattern as Hyperscan reads it.

    ``is_exact``: all that it is made of is spelt out and means the same in both engines, so that Hyperscan's word is
    enough. Left out are line anchors (``(?m)``) and POSIX classes, whose spelling we leave to the engine.
    ``has_inner_anchor``: something precedes a ``^`` or follows a ``$``, which Hyperscan takes in rare cases only.
    """

    expression: bytes
    is_exact: bool = True
    has_inner_anchor: bool = False


def literal_form(text: bytes, *, at_start: bool = False, at_end: bool = False) -> HyperscanForm:
    """The form of literal bytes, anywhere or at an end of the field."""
    quoted = "".join(map(_byte, text))
    return HyperscanForm(((r"\A" if at_start else "") + quoted + (r"\z" if at_end else "")).encode())


@Remembered
def pattern_form(pattern: str) -> HyperscanForm:
    """The form of a pattern that RE2 takes.

    :raises PatternRefused: the two engines cannot be made to agree on it; says what to write instead.
    """
    reader = _Reader(pattern.encode().decode("latin-1"))
    reader.alternation(_Flags())
    return HyperscanForm("".join(reader.out).encode(), reader.is_exact, reader.has_inner_anchor)


@dataclass(frozen=True, slots=True)
class _Flags:
    fold: bool = False
    multi_line: bool = False


@dataclass(frozen=True, slots=True)
class _Anchors:
    """Which anchors a piece of a pattern holds; ``only``: it is an anchor and nothing else."""

    start: bool = False
    end: bool = False
    only: bool = False


_NO_ANCHORS = _Anchors()


class _Reader:
    """One pass over a pattern, writing what Hyperscan shall read to ``out``."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.out: list[str] = []
        self.is_exact = True
        self.has_inner_anchor = False

    def alternation(self, flags: _Flags) -> _Anchors:
        """Branches up to the end of the group or pattern."""
        anchors = []
        while True:
            branch, flags = self._branch(flags)
            anchors.append(branch)
            if self.at >= len(self.text) or self.text[self.at] == ")":
                return _Anchors(any(found.start for found in anchors), any(found.end for found in anchors))
            self.at += 1
            self.out.append("|")

    def _branch(self, flags: _Flags) -> tuple[_Anchors, _Flags]:
        """Pieces up to ``|``, ``)`` or the end; flags that a piece sets hold for what follows, next branches too."""
        start = end = has_pieces = False
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            if (changed := self._flag_change(flags)) is not None:
                flags = changed
                continue
            piece = self._repeated(self._piece(flags))
            if (end and not (piece.only and piece.end)) or (piece.start and has_pieces):
                self.has_inner_anchor = True
            has_pieces = has_pieces or not (piece.only and piece.start)
            start, end = start or piece.start, end or piece.end
        return _Anchors(start, end), flags

    def _flag_change(self, flags: _Flags) -> _Flags | None:
        """The flags after ``(?i)`` or its like at this place, or None if there is none."""
        found = _GROUP.match(self.text, self.at)
        if not found or found[2] != ")":
            return None
        self.at = found.end()
        self.out.append(found[0])
        return self._flags(found[1], flags)

    def _flags(self, letters: str, flags: _Flags) -> _Flags:
        if "U" in letters:
            raise PatternRefused("(?U) changes which text is found first, never whether; leave it out")
        on, _, off = letters.partition("-")
        if "m" in on:
            self.is_exact = False
        return _Flags(
            fold=(flags.fold or "i" in on) and "i" not in off,
            multi_line=(flags.multi_line or "m" in on) and "m" not in off,
        )

    def _repeated(self, piece: _Anchors) -> _Anchors:
        while found := _REPEAT.match(self.text, self.at):
            self.at = found.end()
            self.out.append(found[0])
            self.has_inner_anchor = self.has_inner_anchor or piece.start or piece.end
            piece = _Anchors(piece.start, piece.end)
        return piece

    def _piece(self, flags: _Flags) -> _Anchors:
        char = self.text[self.at]
        if char == "(":
            return self._group(flags)
        if char == "\\":
            return self._escape(flags)
        self.at += 1
        if char == "[":
            self._class(flags)
        elif char == ".":
            self.out.append(".")
        elif char == "^":
            self.out.append("^")
            return _Anchors(start=True, only=True)
        elif char == "$":
            self.out.append("$" if flags.multi_line else r"\z")
            return _Anchors(end=True, only=True)
        else:
            self._literal(char, flags)
        return _NO_ANCHORS

    def _group(self, flags: _Flags) -> _Anchors:
        found = _GROUP.match(self.text, self.at)
        self.at = found.end() if found else self.at + 1
        letters = found[1] if found and found[1] else ""
        self.out.append(f"(?{letters}:")
        anchors = self.alternation(self._flags(letters, flags) if letters else flags)
        self.at += 1
        self.out.append(")")
        return anchors

    def _escape(self, flags: _Flags) -> _Anchors:
        char = self.text[self.at + 1]
        if char == "Q":
            self._quoted(flags)
        elif char in "Az":
            self.at += 2
            self.out.append("\\" + char)
            return _Anchors(start=char == "A", end=char == "z", only=True)
        elif char in "bB":
            self.at += 2
            self.out.append("\\" + char)
        elif char in _CLASSES:
            self.at += 2
            self.out.append(f"[{_CLASSES[char]}]")
        else:
            self._literal(self._escaped_char(), flags)
        return _NO_ANCHORS

    def _quoted(self, flags: _Flags) -> None:
        quoted, _, _ = self.text[self.at + 2 :].partition("\\E")
        self.at = min(self.at + len(quoted) + len("\\Q\\E"), len(self.text))
        for char in quoted:
            self._literal(char, flags)

    def _escaped_char(self) -> str:
        r"""The one character that an escape stands for: ``\.``, ``\n``, ``\x1b``, ``\x{1b}``, ``\033``."""
        char = self.text[self.at + 1]
        self.at += 2
        if char == "x":
            return self._hex_char()
        if char in _CONTROLS:
            return chr(_CONTROLS[char])
        if char.isdigit():
            digits = char
            while self.at < len(self.text) and len(digits) < len("377") and self.text[self.at] in "01234567":
                digits += self.text[self.at]
                self.at += 1
            return _latin1(int(digits, 8))
        if char.isalpha():
            raise PatternRefused(rf"\{char} is not the same in every engine; write the characters as a class")
        return char

    def _hex_char(self) -> str:
        if self.text[self.at] == "{":
            digits, _, _ = self.text[self.at + 1 :].partition("}")
            self.at += len(digits) + len("{}")
            return _latin1(int(digits, 16))
        digits = self.text[self.at : self.at + 2]
        self.at += 2
        return _latin1(int(digits, 16))

    def _class(self, flags: _Flags) -> None:
        """A bracketed class, from behind its ``[``."""
        self.out.append("[")
        if self.text[self.at] == "^":
            self.at += 1
            self.out.append("^")
        is_first = True
        while is_first or self.text[self.at] != "]":
            is_first = False
            self._class_item(flags)
        self.at += 1
        self.out.append("]")

    def _class_item(self, flags: _Flags) -> None:
        char = self.text[self.at]
        if found := _POSIX_CLASS.match(self.text, self.at):
            self.at = found.end()
            self.out.append(found[0])
            self.is_exact = False
        elif char == "\\" and (kind := self.text[self.at + 1]) in _CLASSES:
            self.at += 2
            self.out.append(_CLASSES[kind])
        else:
            self._literal(self._class_char(), flags)
            if self.text[self.at] == "-" and self.text[self.at + 1] != "]":
                self.at += 1
                self.out.append("-")
                self._literal(self._class_char(), flags)

    def _class_char(self) -> str:
        char = self.text[self.at]
        if char == "\\":
            return self._escaped_char()
        self.at += 1
        return char

    def _literal(self, char: str, flags: _Flags) -> None:
        if flags.fold and ord(char) >= _FIRST_NON_ASCII:
            raise PatternRefused("(?i) folds ASCII letters only; write both cases, as (?:é|É), outside (?i)")
        self.out.append(_byte(ord(char)))


def _byte(value: int) -> str:
    char = chr(value)
    return char if char in _PLAIN else f"\\x{value:02x}"


def _latin1(value: int) -> str:
    if value > 0xFF:  # noqa: PLR2004 - the last byte
        raise PatternRefused(
            f"\\x{{{value:x}}} is no byte; write the character itself, which stands for its UTF-8 bytes"
        )
    return chr(value)
