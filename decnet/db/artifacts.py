"""The two artifact stores: owner-only files beside the database, or rows in it where hosts share nothing else."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select

from decnet.db.dialect import Merge, dialect_of
from decnet.db.tables import artifact, artifact_part
from decnet.errors import ArtifactTooLarge, StorageError
from decnet.models.artifact import MAX_ARTIFACT_BYTES, Digest, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database

_PART_BYTES = 1 << 20  # well below what a server takes in one packet
_NS_PER_US = 1_000


class FileArtifacts:
    """An artifact per file, ``<folder>/ab/abcdef…``, readable by the owner alone and never executable."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content: bytes, *, now: int) -> Digest:
        """Keep ``content``; a file is whole or not there."""
        digest = _checked(content)
        path = self._path(digest)
        scratch = path.with_name(f".{secrets.token_hex(8)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not path.exists():
                _write_whole(scratch, content)
                scratch.replace(path)
                _sync_folder(path.parent)
            os.utime(path, ns=(now * _NS_PER_US, now * _NS_PER_US))
        except OSError as error:
            with suppress(OSError):
                scratch.unlink()
            raise StorageError(f"{path}: {error.strerror}; the artifact was not kept") from None
        return digest

    def get(self, digest: Digest) -> bytes | None:
        """The bytes under ``digest``, checked against it."""
        path = self._path(digest)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}") from None
        if digest_of(content) != digest:
            raise StorageError(f"{path}: the file is not what was kept; remove it")
        return content

    def drop_before(self, time: int) -> int:
        """Delete files that were last put before ``time``."""
        dropped = 0
        for path in self._folder.glob("??/*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime_ns < time * _NS_PER_US:
                    path.unlink()
                    dropped += 1
        return dropped

    def _path(self, digest: Digest) -> Path:
        name = digest.hex()
        return self._folder / name[:2] / name


class RowArtifacts:
    """An artifact in rows of up to 1 MiB, for hosts that share a database server."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, content: bytes, *, now: int) -> Digest:
        """Keep ``content``, all rows or none."""
        digest = _checked(content)

        def work(connection: Connection) -> None:
            rules = {"size_bytes": Merge.GIVEN, "stored_at": Merge.GREATEST}
            dialect_of(connection).merge(connection, artifact, ("digest",), rules, [(digest, len(content), now)])
            kept = connection.execute(
                select(func.count()).select_from(artifact_part).where(artifact_part.c.digest == digest)
            ).scalar_one()
            if not kept:
                for number, body in enumerate(_parts(content)):
                    connection.execute(insert(artifact_part), {"digest": digest, "number": number, "body": body})

        self._database.write(work)
        return digest

    def get(self, digest: Digest) -> bytes | None:
        """The bytes under ``digest``, checked against it."""
        query = select(artifact_part.c.body).where(artifact_part.c.digest == digest).order_by(artifact_part.c.number)
        parts = self._database.read(lambda connection: connection.execute(query).scalars().all())
        if not parts:
            return None
        content = b"".join(parts)
        if digest_of(content) != digest:
            raise StorageError(f"artifact {digest.hex()}: the rows are not what was kept; delete them")
        return content

    def drop_before(self, time: int) -> int:
        """Delete rows that were last put before ``time``."""
        old = delete(artifact).where(artifact.c.stored_at < time)
        return self._database.write(lambda connection: connection.execute(old).rowcount)


def _checked(content: bytes) -> Digest:
    if len(content) > MAX_ARTIFACT_BYTES:
        raise ArtifactTooLarge(
            f"an artifact of {len(content):,} bytes is not kept; the limit is {MAX_ARTIFACT_BYTES:,}"
        )
    return digest_of(content)


def _parts(content: bytes) -> Iterator[bytes]:
    """``content`` in pieces; an empty one is one empty piece."""
    for start in range(0, max(1, len(content)), _PART_BYTES):
        yield content[start : start + _PART_BYTES]


def _write_whole(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
