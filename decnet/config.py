"""Settings, read once where a program starts and passed down from there.

Every setting is an environment variable ``DECNET_…``. A name that starts like ours but is none of ours is reported,
so that a typing error does not pass for a default.
"""

from __future__ import annotations

import os
import secrets
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from decnet.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "DECNET_"
_KEY_BYTES = 32


class Settings(BaseSettings):
    """What an operator can choose."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    data_dir: Path = Path("~/.local/state/decnet")
    """Where the database and the secret key live (default: the user's state folder)."""
    db_url: str = ""
    """Which database (default: SQLite in the data folder)."""
    secret_key: str = ""
    """The key of the HMAC that replaces passwords, 64 hex digits, where several hosts share one database."""

    @property
    def folder(self) -> Path:
        """The data folder, ``~`` and ``XDG_STATE_HOME`` resolved."""
        if "data_dir" not in self.model_fields_set and (state := os.environ.get("XDG_STATE_HOME")):
            return Path(state) / "decnet"
        return self.data_dir.expanduser()

    @property
    def database_url(self) -> str:
        """The URL of the database in force."""
        return self.db_url or f"sqlite:///{(self.folder / 'decnet.sqlite').absolute()}"


def load_settings() -> Settings:
    """The settings of this process.

    :raises SettingsError: a value cannot be used.
    """
    try:
        return Settings()
    except ValidationError as error:
        faults = "; ".join(f"{PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors())
        raise SettingsError(faults) from None


def unknown_settings(environment: Mapping[str, str]) -> list[str]:
    """One sentence per ``DECNET_…`` name in ``environment`` that is no setting of ours."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    faults = []
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known and not name.startswith(f"{PREFIX}TEST_"):
            close = get_close_matches(name, known, n=1)
            faults.append(f"{name} is no setting" + (f"; did you mean {close[0]}?" if close else ""))
    return faults


def installation_key(settings: Settings) -> bytes:
    """The key under which secrets are digested: the setting, else an owner-only file made at first use.

    :raises SettingsError: the setting is no 64 hex digits, or the file cannot be made or read, or is not a key.
    """
    if settings.secret_key:
        return _key_from(settings.secret_key, f"{PREFIX}SECRET_KEY")
    path = settings.folder / "secret.key"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            _write_new_key(path)
        return _key_from(path.read_text("ascii").strip(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}; choose another folder with {PREFIX}DATA_DIR") from None


def _write_new_key(path: Path) -> None:
    """Make the key file in one step: two programs that start together agree on whichever came first."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(_KEY_BYTES) + "\n")
    try:
        os.link(scratch, path)
    except FileExistsError:
        pass
    finally:
        scratch.unlink()


def _key_from(text: str, place: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise SettingsError(f"{place}: the key must be {2 * _KEY_BYTES} hex digits")
    return key
