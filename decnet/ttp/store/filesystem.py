"""The pack on disk: one rule per file, found next to the installed package from any working directory."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import re2

import decnet
from decnet.attack import catalog
from decnet.errors import RuleError
from decnet.ttp.store.compile import compile_pack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from decnet.ttp.pack import Pack
    from decnet.ttp.store.compile import RuleFile

MAX_FILE_BYTES = 1 << 20


def default_rules_folder() -> Path:
    """The folder of the pack that ships with the package: inside the wheel, or beside the package in a checkout."""
    package = Path(decnet.__file__).parent
    inside = package / "pack"
    return inside if inside.is_dir() else package.parent / "rules"


@cache
def load_pack(folder: Path | None = None) -> Pack:
    """The compiled rules of ``folder`` (default: the shipped pack); each folder is read once per process.

    :raises RuleError: the folder has no rules, or with every fault of every rule.
    """
    rules = (folder or default_rules_folder()) / "ttp"
    files = list(rule_files(rules))
    if not files:
        raise RuleError([f"{rules}: no rule files here; a pack has files like ttp/R0012.yaml"])
    return compile_pack(files, catalog.load)


def rule_files(folder: Path) -> Iterator[RuleFile]:
    """Path and text of every rule file in ``folder``; a name that is no rule file's is invisible.

    :raises RuleError: a file cannot be read, or is no UTF-8 text.
    """
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if not is_rule_name(path.name) or not path.is_file():
            continue
        try:
            with path.open("rb") as file:
                yield path, file.read(MAX_FILE_BYTES).decode()
        except OSError as error:
            raise RuleError([f"{path}:1: cannot be read: {error.strerror}"]) from None
        except UnicodeDecodeError as error:
            raise RuleError([f"{path}:1: byte {error.start} is not UTF-8; save the file as UTF-8"]) from None


def is_rule_name(name: str) -> bool:
    r"""Whether ``name`` fully matches ``[A-Za-z0-9_]+\.ya?ml``: editor scratch files and hidden files do not."""
    return re2.fullmatch(r"[A-Za-z0-9_]+\.ya?ml", name) is not None
