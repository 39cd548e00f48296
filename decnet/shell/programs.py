"""The name of a program without what hides it: folders, versions, ``.exe``, the dash of a log-in shell."""

from __future__ import annotations

from functools import lru_cache
from typing import Final


def names(text: str) -> frozenset[str]:
    """The words of ``text``, for tables of names."""
    return frozenset(text.split())


_VERSIONED: Final = names(
    "python pypy perl ruby php node nodejs lua luajit tclsh wish java gcc g++ clang cc bash zsh ksh ghc guile"
)
_VERSION: Final = "0123456789.-"
SHELLS: Final = names("sh bash dash ash zsh ksh mksh pdksh lksh rbash rzsh csh tcsh fish hush")
INTERPRETERS: Final = names("python pypy perl ruby php node nodejs lua luajit tclsh")


@lru_cache(maxsize=4096)
def program_name(word: str) -> str:  # noqa: PLR0911 (one per disguise)
    """``python`` for ``/usr/bin/python3.11``, ``bash`` for ``-bash``, ``busybox`` for ``/proc/self/exe``.

    What runs as /proc/self/exe in a honeypot's shell is the shell's own binary, which bots take for busybox.
    """
    if word.startswith("/proc/") and word.endswith("/exe"):
        return "busybox"
    if word.startswith("<("):
        return word
    name = word.rstrip("/").rpartition("/")[2] or word
    if name.startswith("-") and name[1:] in SHELLS:
        return name[1:]
    lowered = name.lower()
    if lowered.endswith(".exe") and len(name) > 4:  # noqa: PLR2004
        return lowered.removesuffix(".exe")
    if name[-1:].isdigit() and (stem := name.rstrip(_VERSION)) in _VERSIONED:
        return stem
    if name.startswith("ld-linux") or (name.startswith("ld-musl") and ".so" in name):
        return "ld.so"
    return name
