"""Rule files in folders that lie over each other: the pack that ships, and over it the operator's own.

Files are written by strangers and by editors: only names that are a rule file's are seen, and of these only plain files
within the folder, whole, of a size that a rule has.
"""

from __future__ import annotations

import os
import re  # reads file names, never attacker text
import stat
from typing import TYPE_CHECKING, NamedTuple

from decnet.errors import RuleError
from decnet.ttp.store.compile import Fault
from decnet.ttp.store.yaml_file import MAX_FILE_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAX_RULE_FILES = 20_000
"""Files of one folder that are looked at; ten times the largest rule set that we know of."""
SUFFIXES = (".yaml", ".yml")
_RULE_NAME = re.compile(r"[A-Za-z0-9_]+\.ya?ml", re.ASCII)


class Found(NamedTuple):
    """A rule file: its text, or what is wrong with it, and when it was last written (ns; 0 where that is not known)."""

    path: Path
    text: str | None
    fault: Fault | None = None
    written_at: int = 0


def is_rule_name(name: str) -> bool:
    """Whether ``name`` is that of a rule file; editors' scratch files are not."""
    return _RULE_NAME.fullmatch(name) is not None


def rule_stems(folder: Path) -> set[str]:
    """The names, without suffix, of all rule files in ``folder``; empty where there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            names = (entry.name for entry in entries if is_rule_name(entry.name))
            return {name.rpartition(".")[0] for name, _ in zip(names, range(MAX_RULE_FILES), strict=False)}
    except OSError:
        return set()


def candidates(folders: Sequence[Path], stem: str) -> list[list[Found]]:
    """The files of that name: one list per folder that has some, the uppermost folder first."""
    layers = (
        [found for suffix in SUFFIXES if (found := read_rule_file(folder / f"{stem}{suffix}"))] for folder in folders
    )
    return [layer for layer in layers if layer]


def read_rule_file(path: Path) -> Found | None:
    """What stands in ``path``, or why that is not used; None where there is no such file (any longer)."""
    try:
        text, written_at = _text_in(path)
    except FileNotFoundError:
        return None if not path.is_symlink() else _refused(path, "is a link to a file that is not there")
    except OSError as error:
        return _refused(path, f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        return _refused(path, f"byte {error.start} is not UTF-8; save the file as UTF-8")
    except RuleError as error:
        return _refused(path, str(error))
    return Found(path, text, None, written_at)


def _text_in(path: Path) -> tuple[str, int]:
    """Text and time of the last change.

    :raises RuleError: it is not a file that we read.
    """
    real = os.path.realpath(path, strict=True)  # first: most names that are asked for are not there
    folder = os.path.realpath(path.parent)
    if os.path.commonpath((folder, real)) != folder:
        raise RuleError(["is a link to a file outside of the folder; copy the file instead"])
    handle = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe would keep us waiting
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise RuleError(["is no plain file; put a file there"])
        if status.st_size > MAX_FILE_BYTES:
            raise RuleError([f"file is larger than {MAX_FILE_BYTES // 1024} KiB; split it"])
        return file.read(MAX_FILE_BYTES + 1).decode(), status.st_mtime_ns


def _refused(path: Path, message: str) -> Found:
    return Found(path, None, Fault(path, 1, message))
