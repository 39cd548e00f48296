"""Compiled databases on disk, so that a start with a known pack costs milliseconds instead of seconds.

A database is machine code in all but name: whoever writes it decides what the scanner does. So a file is used only
when it and its folder belong to this user and nobody else can write to them, and its digest is right; anything else is
compiled anew. Files lie in the user's cache folder and are never taken from elsewhere.
"""

from __future__ import annotations

import os
import platform
import stat
import tempfile
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_FILE_BYTES = 512 << 20
KEPT_FILES = 256
"""A database of the past is of no use; the newest are kept: a pack has about twenty, and packs take turns."""

_MAGIC = b"decnet-scan-1\n"
_DIGEST_BYTES = 32
_OWNER_ONLY_FOLDER = 0o700
_OTHERS = 0o077


class ScanCache:
    """Compiled databases by key, in one owner-only folder. Never raises: a cache that cannot be used is empty."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_cache_folder()
        self.is_complete = True
        """Whether everything that was asked for by :meth:`has` is there."""

    def has(self, key: str) -> bool:
        """Whether there is a file under ``key``; :meth:`read` tells whether it can be trusted."""
        is_there = self._path(key).exists()
        self.is_complete = self.is_complete and is_there
        return is_there

    def read(self, key: str) -> bytes | None:
        """The database stored under ``key``, or None where there is none that can be trusted."""
        try:
            self._check_folder()
            with os.fdopen(os.open(self._path(key), os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
                _check_owner(os.fstat(file.fileno()))
                content = file.read(min(os.fstat(file.fileno()).st_size, MAX_FILE_BYTES))  # not a buffer of the most
        except (OSError, AttributeError):  # AttributeError: a system without owners gets no cache
            return None
        head = _MAGIC + key.encode() + b"\n"
        digest, body = content[len(head) : len(head) + _DIGEST_BYTES], content[len(head) + _DIGEST_BYTES :]
        return body if content.startswith(head) and digest == _digest(key, body) else None

    def write(self, key: str, body: bytes) -> None:
        """Keep ``body`` under ``key``: a reader sees the whole file or none, however many write."""
        with suppress(OSError, AttributeError):
            self.folder.mkdir(mode=_OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
            self._check_folder()
            handle, name = tempfile.mkstemp(dir=self.folder, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_MAGIC + key.encode() + b"\n" + _digest(key, body) + body)
                Path(name).replace(self._path(key))
            except OSError:
                Path(name).unlink(missing_ok=True)
                raise
            self._forget_oldest()

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.hs"

    def _check_folder(self) -> None:
        _check_owner(self.folder.lstat())

    def _forget_oldest(self) -> None:
        files = sorted(self.folder.glob("*.hs"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in files[KEPT_FILES:]:
            path.unlink(missing_ok=True)


def default_cache_folder() -> Path:
    """``decnet`` in the user's cache folder."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(named) if named.startswith("/") else Path.home() / ".cache"
    return base / "decnet"


def cache_key(engine: str, parts: Iterable[bytes]) -> str:
    """A name for what ``engine`` (its name and version) makes of ``parts`` on this kind of processor."""
    digest = blake2b(digest_size=24)
    for part in (engine.encode(), _processor(), *parts):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _check_owner(status: os.stat_result) -> None:
    """:raises PermissionError: someone else owns the file or folder, or may read or write it."""
    if status.st_uid != os.geteuid() or status.st_mode & _OTHERS or stat.S_ISLNK(status.st_mode):
        raise PermissionError("not ours alone")


def _digest(key: str, body: bytes) -> bytes:
    return blake2b(key.encode() + body, digest_size=_DIGEST_BYTES).digest()


@cache
def _processor() -> bytes:
    """What decides which instructions a database may use."""
    about = [platform.machine(), platform.processor()]
    with suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
        about += sorted({line for line in file if line.startswith(("flags", "Features", "model name"))})
    return "\n".join(about).encode()
