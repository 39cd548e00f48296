"""States of rules in a small owner-only file, and every change of them in another: what outlives a restart.

``rule_state.json`` is replaced whole (new file, fsync, rename, fsync of the folder), so that after ``kill -9`` it is
the old one or the new one. ``rule_audit.jsonl`` has one line per change, written first: a line may tell of a change
that a crash prevented; no change is without its line. Programs on one folder take turns by a lock.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from decnet.errors import DecnetError, RuleError
from decnet.models.rule_state import RuleState
from decnet.ttp.store.base import StateRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

STATE_NAME = "rule_state.json"
AUDIT_NAME = "rule_audit.jsonl"
MAX_FILE_BYTES = 8 << 20
_LOCK_NAME = ".rule_state.lock"
_OWNER_ONLY = 0o600
_OWNER_ONLY_FOLDER = 0o700


class StateFile:
    """The states in one folder. Every call reads what is on disk: other programs write there too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / STATE_NAME
        self._audit = folder / AUDIT_NAME

    def read(self) -> dict[str, RuleState]:
        """The state of every rule that anybody touched; what has expired is still there.

        :raises RuleError: the file cannot be read or is not ours; a rule that was switched off must not come back.
        """
        try:
            with self.path.open("rb") as file:
                return msgspec.json.decode(file.read(MAX_FILE_BYTES), type=dict[str, RuleState])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError, DecnetError) as error:
            raise RuleError(
                [f"{self.path}:1: states of rules cannot be read: {error}; mend the file, or remove it to enable all"]
            ) from None

    def write(self, rule_id: str, state: RuleState) -> None:
        """Give ``rule_id`` that state, durably.

        :raises RuleError: the folder cannot be written, or the file there is broken.
        """
        with self._turn():
            self._store({**self.read(), rule_id: state}, [StateRecord(rule_id, state)])

    def settle(self, now: int) -> None:
        """Write down what has expired as the enabled state that it has become; idempotent."""
        with self._turn():
            states = self.read()
            ended = [
                StateRecord(rule_id, state.in_force(now))
                for rule_id, state in states.items()
                if state.in_force(now) is not state
            ]
            if ended:
                self._store(states | {record.rule_id: record.state for record in ended}, ended)

    def history(self, rule_id: str | None = None) -> list[StateRecord]:
        """The audit trail, oldest first; a line that a crash cut short is left out."""
        try:
            lines = self._audit.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RuleError([f"{self._audit}:1: cannot be read: {error.strerror}"]) from None
        records = (record for line in lines if (record := _record(line)) is not None)
        return [record for record in records if rule_id in {None, record.rule_id}]

    def _store(self, states: Mapping[str, RuleState], records: list[StateRecord]) -> None:
        with _opened(self._audit, os.O_APPEND) as audit:
            whole = not os.fstat(audit.fileno()).st_size or _ends_line(self._audit)
            audit.write((b"" if whole else b"\n") + b"".join(msgspec.json.encode(record) + b"\n" for record in records))
            audit.flush()
            os.fsync(audit.fileno())
        scratch = self.path.with_name(f".{STATE_NAME}.{os.getpid()}")
        with _opened(scratch, os.O_TRUNC) as file:
            file.write(msgspec.json.format(msgspec.json.encode(dict(sorted(states.items()))), indent=1))
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(self.path)
        self._sync_folder()

    def _sync_folder(self) -> None:
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One program at a time."""
        try:
            self.folder.mkdir(mode=_OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
            with _opened(self.folder / _LOCK_NAME, os.O_APPEND) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise RuleError([f"{self.folder}:1: states of rules cannot be kept here: {error.strerror}"]) from None


def _opened(path: Path, how: int) -> BinaryIO:
    """``path`` for writing, made for the owner alone."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | how, _OWNER_ONLY), "wb")


def _ends_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _record(line: bytes) -> StateRecord | None:
    try:
        return msgspec.json.decode(line, type=StateRecord)
    except (msgspec.DecodeError, DecnetError):
        return None
