"""Code handed to an interpreter (``python -c``, ``perl -e``, ``php -r`` …): shell text and encoded text inside it.

The code is not parsed: string literals behind the names of calls that run programs are taken, whatever the language.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from .decode import base64_bytes, hex_bytes
from .escapes import ansi_c, to_bytes, to_text
from .limits import MAX_COMMANDS, MAX_DEPTH
from .outputs import decode_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .limits import Budget
    from .view import DecodeStep

_FLAGS: Final = {
    "python": "c",
    "pypy": "c",
    "perl": "eE",
    "ruby": "e",
    "php": "r",
    "node": "ep",
    "nodejs": "ep",
    "lua": "e",
    "luajit": "e",
    "tclsh": "",
}
_VALUES: Final = {"python": "mWX", "pypy": "mWX", "perl": "MmIFlx0", "ruby": "rIE", "php": "dfcz", "node": "r"}
_AWKS: Final = frozenset(("awk", "gawk", "mawk", "nawk"))
CODE_RUNNERS: Final = _AWKS | frozenset(_FLAGS)
"""Programs that may run code which stands in their words or in their input."""
_CALLS: Final = re.compile(
    r"\b(?:system|popen[234]?|exec[lv]?p?e?|shell_exec|passthru|proc_open|spawn[lv]?p?e?|spawnSync|execSync|execFile"
    r"|Popen|run|call|check_call|check_output|getoutput|getstatusoutput|execute|qx|backtick)\b[ \t]*+\(?[ \t]*+",
)
_LITERAL: Final = re.compile(
    r"""[rbuf]?(?:"((?:[^"\\]++|\\.)*+)"?+|'((?:[^'\\]++|\\.)*+)'?+)""",  # an open one matches too: else O(n²)
    re.DOTALL,
)
_SEPARATOR: Final = re.compile(r"\s*+,\s*+")
_BACKTICKS: Final = re.compile(r"`([^`]++)`")
_BASE64_NAMES: Final = (
    "b64decode",
    "base64_decode",
    "decode_base64",
    "decode64",
    "decodebytes",
    "decodestring",
    "base64",
)
_HEX_NAMES: Final = ("fromhex", "unhexlify", "hex2bin", "a2b_hex", "pack('H", 'pack("H', "pack(q")
_SHORTEST: Final = 8  # characters of an encoded literal worth decoding


@dataclass(slots=True)
class Snippet:
    """What a piece of code would run, as far as its literals tell."""

    texts: list[str] = field(default_factory=list)  # for a shell
    words: list[list[str]] = field(default_factory=list)  # a program with its arguments
    steps: tuple[DecodeStep, ...] = ()


def code_of(program: str, argv: Sequence[str]) -> str | None:
    """The code in the words of an interpreter's call; None when it runs a file or its input."""
    if program in _AWKS:
        return next((word for word in argv if "system(" in word or "|" in word), None)
    flags = _FLAGS.get(program)
    if flags is None:
        return None
    for index, word in enumerate(argv):
        if word[:1] != "-" or word.startswith("--"):
            if word in {"--eval", "--print", "--run"}:
                return argv[index + 1] if index + 1 < len(argv) else None
            continue
        position = _flag_position(word, flags, _VALUES.get(program, ""))
        if position:
            attached = word[position + 1 :]
            return attached or (argv[index + 1] if index + 1 < len(argv) else None)
    return None


def _flag_position(word: str, flags: str, values: str) -> int:
    """Where the letter that takes code stands in ``-ne``; 0 when the word has none, as ``-MMIME::Base64``."""
    for position, letter in enumerate(word[1:], 1):
        if letter in flags:
            return position
        if letter in values:
            break
    return 0


def reads_input(program: str, argv: Sequence[str]) -> bool:
    """True when an interpreter takes its code from standard input."""
    return program in _FLAGS and not [word for word in argv if word != "-" and not word.startswith("-")]


def read_snippet(code: str, budget: Budget) -> Snippet:
    """The programs that ``code`` names in its literals, with encoded layers taken off."""
    snippet = Snippet()
    for _ in range(MAX_DEPTH):
        _find_calls(code, snippet)
        decoded = _decoded(code, budget)
        if decoded is None:
            return snippet
        kind, code = decoded
        snippet.steps = (*snippet.steps, decode_step(kind, code))
    budget.hit("depth")
    return snippet


def _find_calls(code: str, snippet: Snippet) -> None:
    for count, call in enumerate(_CALLS.finditer(code)):
        if count >= MAX_COMMANDS:
            return
        opening = code[call.end() : call.end() + 1]
        literals = _literals(code, call.end() + (opening in {"[", "(", "{"}))
        if opening == "[" or (len(literals) > 1 and call[0].startswith(("exec", "spawn", "system"))):
            words = literals[1:] if call[0].startswith(("execl", "execv")) else literals
            snippet.words += [words] if words else []
        elif literals:
            snippet.texts.append(literals[0])
    if "b64" not in code:
        snippet.texts += [found[1] for found in _BACKTICKS.finditer(code)][:MAX_COMMANDS]


def _literals(code: str, pos: int) -> list[str]:
    """The string literals from ``pos`` on, joined by commas."""
    found: list[str] = []
    while (literal := _LITERAL.match(code, pos)) and len(found) < 32:  # noqa: PLR2004 (arguments of one call)
        found.append(ansi_c(literal[1] if literal[1] is not None else literal[2]))
        separator = _SEPARATOR.match(code, literal.end())
        if separator is None:
            break
        pos = separator.end()
    return found


def _decoded(code: str, budget: Budget) -> tuple[str, str] | None:
    """The longest encoded literal of code that decodes such literals: kind and text."""
    is_base64 = any(name in code for name in _BASE64_NAMES)
    if not is_base64 and not any(name in code for name in _HEX_NAMES):
        return None
    literals = [found[1] or found[2] or "" for found in _LITERAL.finditer(code)]
    longest = max(literals, key=len, default="")
    if len(longest) < _SHORTEST:
        return None
    raw = base64_bytes(to_bytes(longest)) if is_base64 else hex_bytes(to_bytes(longest))
    if raw is None:
        return None
    return ("base64" if is_base64 else "hex"), to_text(raw[: budget.grant(len(raw))])
