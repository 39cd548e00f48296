"""A file of NATS credentials, as ``nsc generate creds`` writes it: a user's JWT and the seed that signs for it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from nats.aio.client import RawCredentials

from decnet.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

_JWT, _SEED = "BEGIN NATS USER JWT", "BEGIN USER NKEY SEED"
_MAX_BYTES = 64 * 1024


def read_credentials(path: Path) -> RawCredentials:
    """What the file at ``path`` holds.

    Read and checked here, once: nats-py reads a file again at each connection, and one without a JWT for ever.

    :raises SettingsError: there is no such file, others may read it, or it holds no credentials.
    """
    try:
        mode = path.stat().st_mode
        with path.open("rb") as file:
            lines = file.read(_MAX_BYTES).decode("ascii", "replace").splitlines()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; name a file of NATS credentials") from None
    if mode & 0o077:
        raise SettingsError(f"{path}: others may read these credentials; run chmod 600 {path}")
    if not _after(lines, _JWT) or not _is_seed(_after(lines, _SEED)):
        raise SettingsError(
            f"{path}: there is no user's JWT and seed in this file; make one with nsc generate creds, or put a "
            "password or token into DECNET_BUS_URL"
        )
    return RawCredentials("\n".join(lines) + "\n")


def _after(lines: list[str], mark: str) -> str:
    """The line after the one with ``mark``, empty for none."""
    return next((line for before, line in pairwise(lines) if mark in before), "")


def _is_seed(line: str) -> bool:
    import nkeys

    try:
        nkeys.from_seed(bytearray(line.encode()))
    except (nkeys.NkeysError, ValueError):
        return False
    return True
