"""A file that is replaced whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """``path`` now holds ``data``; a reader sees the old bytes or the new ones, after a power cut too.

    The part file is made beside ``path`` (a rename is atomic within one file system only), never through a link that
    somebody else put there, and with the permissions that the user's umask gives.

    :raises OSError: the folder is missing or read-only, the disk is full; ``path`` is as it was.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
