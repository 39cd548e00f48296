"""What a command prints, where its words and its input tell: the layers between an ``echo`` and a shell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from . import decode
from .escapes import to_bytes, to_text, unescape
from .limits import MAX_STEP_TEXT, Budget
from .view import DecodeStep

if TYPE_CHECKING:
    from collections.abc import Callable


class Output(Struct, frozen=True, gc=False):
    """Printed bytes and the layers that were taken off on the way."""

    data: bytes
    steps: tuple[DecodeStep, ...] = ()

    def text(self) -> str:
        """The bytes as text."""
        return to_text(self.data)


class _Call(Struct, frozen=True, gc=False):
    argv: list[str]
    given: Output | None
    budget: Budget

    def options(self) -> set[str]:
        """Short option letters and long option names."""
        found: set[str] = set()
        for word in self.argv:
            if word.startswith("--"):
                found.add(word[2:].partition("=")[0])
            elif word.startswith("-"):
                found.update(word[1:])
        return found

    def operands(self) -> list[str]:
        """The words that are no options."""
        return [word for word in self.argv if not word.startswith("-") or word == "-"]


Result = tuple[bytes, str] | None  # what is printed, and the kind of the layer taken off ("" for none)


def output_of(program: str, argv: list[str], given: Output | None, budget: Budget) -> tuple[Output, bool] | None:
    """What a command prints, and whether it took a layer off; None when that is not known."""
    printer = _PRINTERS.get(program)
    if printer is None:
        return None
    result = printer(_Call(argv, given, budget))
    if result is None:
        return None
    data, kind = result
    data = data[: budget.grant(len(data))]
    steps = given.steps if given is not None and program not in _SOURCES else ()
    if not kind:
        return Output(data, steps), False
    return Output(data, (*steps, decode_step(kind, to_text(data)))), True


def decode_step(kind: str, text: str) -> DecodeStep:
    """A step with as much of its result as evidence keeps."""
    return DecodeStep(kind, text[:MAX_STEP_TEXT])


def _echo(call: _Call) -> Result:
    index, is_escaped, newline = 0, False, b"\n"
    while (
        index < len(call.argv) and (word := call.argv[index])[:1] == "-" and len(word) > 1 and not word[1:].strip("neE")
    ):
        newline = b"" if "n" in word else newline
        is_escaped = "e" in word or (is_escaped and "E" not in word)
        index += 1
    text = " ".join(call.argv[index:])
    if not is_escaped:
        return to_bytes(text) + newline, ""
    if _LINES.fullmatch(text):  # nearly every one: a third of the time that all escapes take
        return to_bytes(text.replace("\\n", "\n")) + newline, ""
    return unescape(text) + newline, _escape_kind(text)


def _escape_kind(text: str) -> str:
    r"""``hex`` for ``\x77``, ``octal`` for ``\167``; none for line breaks, which plain typing uses."""
    if "\\x" in text:
        return "hex"
    return "octal" if any(text[index + 1 : index + 2].isdigit() for index in _backslashes(text)) else ""


def _backslashes(text: str) -> list[int]:
    found: list[int] = []
    index = text.find("\\")
    while index >= 0 and len(found) < 64:  # noqa: PLR2004 (the first few tell)
        found.append(index)
        index = text.find("\\", index + 2)
    return found


def _printf(call: _Call) -> Result:
    argv = call.argv[2:] if call.argv[:1] == ["-v"] else call.argv
    argv = argv[1:] if argv[:1] == ["--"] else argv
    if not argv:
        return None
    parts = argv[0].split("%")
    values = argv[1:]
    out = bytearray()
    while True:
        rest = _format(parts, values, out)
        if len(rest) == len(values) or not rest or len(out) > call.budget.decoded:
            break
        values = rest
    return bytes(out), _escape_kind(" ".join(argv))


def _format(parts: list[str], values: list[str], out: bytearray) -> list[str]:
    """One round of printf's format; returns the values that are left."""
    out += unescape(parts[0])
    index = 1
    used = 0
    while index < len(parts):
        part = parts[index]
        if not part:  # %%
            out += b"%"
            index += 1
            out += unescape(parts[index]) if index < len(parts) else b""
        else:
            letter = part.lstrip("0123456789.-+ #")[:1]
            tail = part.lstrip("0123456789.-+ #")[1:]
            value = values[used] if used < len(values) else ""
            used += 1
            out += _converted(letter, value) + unescape(tail)
        index += 1
    return values[used:]


def _converted(letter: str, value: str) -> bytes:
    if letter == "b":
        return unescape(value)
    if letter == "c":
        return to_bytes(value[:1])
    if letter in {"x", "X", "o"} and value.isascii() and value.isdecimal() and len(value) < 10:  # noqa: PLR2004
        return format(int(value), letter).encode()
    return to_bytes(value)


def _pass_on(call: _Call) -> Result:
    """``cat``, ``tee``: standard input as it is."""
    if call.given is None or any(word != "-" for word in call.operands()):
        return None
    return call.given.data, ""


def _tee(call: _Call) -> Result:
    return None if call.given is None else (call.given.data, "")


def _decoder(kind: str, function: Callable[[bytes], bytes | None]) -> Callable[[_Call], Result]:
    def run(call: _Call) -> Result:
        if call.given is None or not call.options() & {"d", "D", "decode"}:
            return None
        data = function(call.given.data)
        return None if data is None else (data, kind)

    return run


def _xxd(call: _Call) -> Result:
    letters = call.options()
    if call.given is None or "r" not in letters or "p" not in letters:
        return None
    data = decode.hex_bytes(call.given.data)
    return None if data is None else (data, "hex")


def _openssl(call: _Call) -> Result:
    words = set(call.argv)
    if call.given is None or "-d" not in words or not words & {"base64", "-base64", "-a"}:
        return None
    if "enc" in words and any(word.startswith(("-aes", "-des", "-k", "-pass", "-bf")) for word in words):
        return None
    data = decode.base64_bytes(call.given.data)
    return None if data is None else (data, "base64")


def _inflater(kind: str, *, needs_option: bool) -> Callable[[_Call], Result]:
    def run(call: _Call) -> Result:
        if call.given is None or (needs_option and not call.options() & {"d", "decompress", "uncompress"}):
            return None
        if any(word != "-" for word in call.operands()):
            return None
        data = decode.inflate(call.given.data, kind, call.budget)
        return None if data is None else (data, kind)

    return run


def _rev(call: _Call) -> Result:
    if call.given is None or call.operands():
        return None
    lines = call.given.text().split("\n")
    return to_bytes("\n".join(line[::-1] for line in lines)), "reverse"


def _tac(call: _Call) -> Result:
    if call.given is None or call.operands():
        return None
    lines = call.given.data.rstrip(b"\n").split(b"\n")
    return b"\n".join(reversed(lines)) + b"\n", "reverse"


def _tr(call: _Call) -> Result:
    sets = [unescape(word) for word in call.argv if not word.startswith("-") or len(word) == 1]
    if call.given is None or not sets:
        return None
    if "d" in call.options():
        return decode.delete(call.given.data, sets[0]), "translate"
    return (decode.translate(call.given.data, sets[0], sets[1]), "translate") if len(sets) > 1 else None


def _sed(call: _Call) -> Result:
    """One ``s/old/new/g`` of plain letters."""
    scripts = call.operands()
    if call.given is None or len(scripts) != 1 or scripts[0][:1] != "s" or len(scripts[0]) < 4:  # noqa: PLR2004
        return None
    pieces = scripts[0][1:].split(scripts[0][1])
    if len(pieces) != 4 or any(mark in pieces[1] + pieces[2] for mark in "\\.*[]^$&+?(){}|"):  # noqa: PLR2004
        return None
    old, new, flags = to_bytes(pieces[1]), to_bytes(pieces[2]), pieces[3]
    if not old or call.given.data.count(old) * len(new) > call.budget.decoded:
        return None
    return call.given.data.replace(old, new, -1 if "g" in flags else 1), "translate"


def _seq(call: _Call) -> Result:
    """The first numbers of ``seq FIRST LAST``; enough for a loop's first round."""
    numbers = [word for word in call.operands() if word.isascii() and word.isdecimal() and len(word) < 7]  # noqa: PLR2004
    if not numbers or len(numbers) != len(call.argv):
        return None
    first = 1 if len(numbers) == 1 else int(numbers[0])
    return b"".join(b"%d\n" % value for value in range(first, min(int(numbers[-1]), first + 3) + 1)), ""


def _python(call: _Call) -> Result:
    """``python -m base64 -d``."""
    is_base64 = call.argv[:3] in (["-m", "base64", "-d"], ["-mbase64", "-d"])
    data = decode.base64_bytes(call.given.data) if is_base64 and call.given is not None else None
    return None if data is None else (data, "base64")


_LINES: Final = re.compile(r"(?:[^\\]++|\\n)*+")  # plain text and line breaks
_SOURCES: Final = frozenset(("echo", "printf", "seq"))
_BASE64_READER: Final = _decoder("base64", decode.base64_bytes)

_PRINTERS: Final[dict[str, Callable[[_Call], Result]]] = {
    "echo": _echo,
    "printf": _printf,
    "seq": _seq,
    "cat": _pass_on,
    "dd": lambda call: None if any(word.startswith("if=") for word in call.argv) else _tee(call),
    "tee": _tee,
    "base64": _BASE64_READER,
    "gbase64": _BASE64_READER,
    "base32": _decoder("base32", decode.base32_bytes),
    "basenc": _decoder("base64", decode.base64_bytes),
    "xxd": _xxd,
    "openssl": _openssl,
    "gzip": _inflater("gzip", needs_option=True),
    "gunzip": _inflater("gzip", needs_option=False),
    "zcat": _inflater("gzip", needs_option=False),
    "bzip2": _inflater("bzip2", needs_option=True),
    "bunzip2": _inflater("bzip2", needs_option=False),
    "bzcat": _inflater("bzip2", needs_option=False),
    "xz": _inflater("xz", needs_option=True),
    "unxz": _inflater("xz", needs_option=False),
    "xzcat": _inflater("xz", needs_option=False),
    "rev": _rev,
    "tac": _tac,
    "tr": _tr,
    "sed": _sed,
    "python": _python,
}
