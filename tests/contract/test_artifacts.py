"""What every artifact store promises."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from decnet.db.artifacts import FileArtifacts, RowArtifacts
from decnet.db.engine import open_database
from decnet.errors import ArtifactTooLarge, StorageError
from decnet.models import artifact
from decnet.models.artifact import ArtifactStore, digest_of
from tests.databases import ready_database, run
from tests.events import NOON, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAIL = b"Subject: invoice\r\n\r\n\0\xff body"


@pytest.fixture(params=["files", "sqlite", "mariadb", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ArtifactStore]:
    """An empty store."""
    if request.param == "files":
        yield FileArtifacts(tmp_path / "artifacts")
    elif request.param == "sqlite":
        database = open_database(f"sqlite:///{tmp_path / 'decnet.sqlite'}")
        yield RowArtifacts(database)
        database.close()
    else:
        with ready_database(request.param) as database:
            yield RowArtifacts(database)


@pytest.mark.parametrize("content", [b"", MAIL, bytes(3_000_000)])
def test_the_very_bytes_come_back(store: ArtifactStore, content: bytes) -> None:
    digest = store.put(content, now=NOON)
    assert digest == digest_of(content)
    assert store.get(digest) == content
    assert store.put(content, now=NOON + SECOND) == digest
    assert store.get(digest) == content


def test_an_unknown_digest_gives_nothing(store: ArtifactStore) -> None:
    assert store.get(digest_of(b"never put")) is None


def test_retention_counts_from_the_last_put(store: ArtifactStore) -> None:
    old, young = store.put(b"old", now=NOON), store.put(b"young", now=NOON)
    store.put(b"young", now=NOON + 10 * SECOND)
    assert store.drop_before(NOON + 5 * SECOND) == 1
    assert store.get(old) is None
    assert store.get(young) == b"young"


def test_what_is_too_large_is_refused(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decnet.db.artifacts.MAX_ARTIFACT_BYTES", 10)
    with pytest.raises(ArtifactTooLarge, match="limit is 10"):
        store.put(b"x" * 11, now=NOON)
    assert store.get(digest_of(b"x" * 11)) is None
    assert artifact.MAX_ARTIFACT_BYTES > 10


def test_files_are_for_the_owner_alone_and_never_executable(tmp_path: Path) -> None:
    FileArtifacts(tmp_path / "artifacts").put(MAIL, now=NOON)
    (path,) = (tmp_path / "artifacts").glob("??/*")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_bytes_that_were_changed_behind_our_back_are_refused(tmp_path: Path) -> None:
    files = FileArtifacts(tmp_path / "artifacts")
    digest = files.put(MAIL, now=NOON)
    (path,) = (tmp_path / "artifacts").glob("??/*")
    path.write_bytes(b"other")
    with pytest.raises(StorageError, match="not what was kept"):
        files.get(digest)
    database = open_database(f"sqlite:///{tmp_path / 'decnet.sqlite'}")
    rows = RowArtifacts(database)
    rows.put(MAIL, now=NOON)
    run(database, "UPDATE artifact_part SET body = :body", body=b"other")
    with pytest.raises(StorageError, match="not what was kept"):
        rows.get(digest)
    database.close()
