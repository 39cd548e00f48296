"""Settings, read once where a program starts and passed down from there.

Every setting is an environment variable ``DECNET_…``. A name that starts like ours but is none of ours is reported,
so that a typing error does not pass for a default.
"""

from __future__ import annotations

import os
import secrets
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from decnet.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

PREFIX = "DECNET_"
_KEY_BYTES = 32

Rate = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}/(minute|hour|day|week)$")]
"""So many requests in such a time: ``1000/day``."""


class SyslogAddress(NamedTuple):
    """Where to listen for syslog: ``udp`` or ``tcp``, a host's name or address, a port."""

    transport: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}://{host}:{self.port}"


class Settings(BaseSettings):
    """What an operator can choose."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    data_dir: Path = Path("~/.local/state/decnet")
    """Where the database and the secret key live (default: the user's state folder)."""
    db_url: str = ""
    """Which database (default: SQLite in the data folder)."""
    bus_url: str = ""
    """How workers hear of each other: ``journal`` (default; on one host, in the SQLite database) or ``nats://…``."""
    bus_credentials: Path | None = None
    """A file with a NATS user's JWT and seed."""
    logs: str = ""
    """The logs that the intake follows, with ``:`` between them, as in ``PATH``."""
    syslog: str = ""
    """Where the intake listens for records over syslog: ``udp://HOST:PORT`` and ``tcp://HOST:PORT``, commas between."""
    rules_dir: Path | None = None
    """The rule pack (default: the one that ships); ``rules/`` in the data folder lies over it."""
    ttp_rule_store_type: Literal["filesystem", "database"] = "filesystem"
    """Where rules and their states are looked up: in files of this host, or in the database that hosts share."""
    mode: Literal["master", "agent"] = "master"
    """Whether this host's rule files are those of all hosts (master), or it follows what is in the database (agent)."""
    secret_key: str = ""
    """The key of the HMAC that replaces passwords, 64 hex digits, where several hosts share one database."""
    canary_listen: str = "0.0.0.0:8080"
    """Where the canary decoy listens, ``HOST:PORT``."""
    canary_url: str = ""
    """How attackers reach the canary decoy, ``https://files.example.org``: bait calls back there."""
    smtp_listen: str = "0.0.0.0:2525"
    """Where the SMTP decoy listens, ``HOST:PORT``."""
    smtp_host: str = "mail.example.org"
    """What the SMTP decoy calls itself; mail for this name and the domain it is in is its own."""
    smtp_flavour: Literal["postfix", "exim", "exchange"] = "postfix"
    """Which mail server the SMTP decoy speaks like."""
    smtp_relay: Literal["open", "auth", "closed"] = "open"
    """For whom the SMTP decoy takes mail to others: anybody, whoever logs in, nobody. It delivers none."""
    web_listen: str = "127.0.0.1:8000"
    """Where the API listens, ``HOST:PORT``."""
    web_url: str = ""
    """How browsers and programs reach the API, ``https://decnet.example.org`` (default: by the name of this host)."""
    trusted_proxies: str = ""
    """Addresses and networks of proxies whose ``X-Forwarded-For`` is believed, with commas between them."""
    webhook_networks: str = ""
    """Addresses and networks that alerts may go to although they are private, with commas between them."""
    store_secrets: Literal["digest", "clear"] = "digest"
    """Whether passwords are stored as digests only, or what they stand for as well, in a table of its own."""
    abuseipdb_api_key: SecretStr = SecretStr("")
    """A key switches AbuseIPDB on; it is told the public addresses of attackers, and nothing else."""
    abuseipdb_url: str = "https://api.abuseipdb.com/api/v2/check"
    """Where AbuseIPDB is asked."""
    abuseipdb_limit: Rate = "1000/day"
    """How often AbuseIPDB may be asked (default: what its free plan allows)."""
    greynoise_api_key: SecretStr = SecretStr("")
    """A key switches GreyNoise on; it is told the public addresses of attackers, and nothing else."""
    greynoise_url: str = "https://api.greynoise.io/v3/community/"
    """Where GreyNoise is asked; with a paid plan ``https://api.greynoise.io/v3/ip/``, which also has tags."""
    greynoise_limit: Rate = "50/week"
    """How often GreyNoise may be asked (default: what its free plan allows)."""
    greynoise_tags_url: str = "https://api.greynoise.io/v3/tags"
    """The catalogue of GreyNoise's tags, for ``decnet ttp drift``."""
    threatfox_api_key: SecretStr = SecretStr("")
    """A key switches ThreatFox on; it is told the public addresses of attackers, and nothing else."""
    threatfox_url: str = "https://threatfox-api.abuse.ch/api/v1/"
    """Where ThreatFox is asked."""
    threatfox_limit: Rate = "60/minute"
    """How often ThreatFox may be asked."""
    feodo: bool = False
    """Whether the list of Feodo Tracker is fetched, once an hour at most; it is told no address."""
    feodo_url: str = "https://feodotracker.abuse.ch/downloads/ipblocklist.json"
    """Where that list is."""
    malwarebazaar_api_key: SecretStr = SecretStr("")
    """A key switches the list of known malware on, fetched once a day; MalwareBazaar is told no digest."""
    malwarebazaar_url: str = "https://mb-api.abuse.ch/v2/files/exports/{key}/sha256_full.txt.zip"
    """Where that list is: CSV, plain digests, or a zip of either; ``{key}`` stands for the key."""
    tor_exits: str = ""
    """Exits of Tor: a file or a URL with an address per line, such as ``https://check.torproject.org/torbulkexitlist``."""
    vpn_exits: str = ""
    """Exits of commercial VPNs: a file or a URL with an address or a network (``203.0.113.0/24``) per line."""

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

    @property
    def keeps_secrets(self) -> bool:
        """Whether passwords are stored as they were typed."""
        return self.store_secrets == "clear"

    @property
    def uses_intel(self) -> bool:
        """Whether any provider of threat intelligence is switched on, or any list that is kept up to date."""
        keys = (self.abuseipdb_api_key, self.greynoise_api_key, self.threatfox_api_key, self.malwarebazaar_api_key)
        has_key = any(key.get_secret_value() for key in keys)
        return self.feodo or has_key or bool(self.tor_exits or self.vpn_exits)

    @property
    def intel_folder(self) -> Path:
        """Where lists of third parties are kept."""
        return self.folder / "intel"

    @property
    def log_paths(self) -> tuple[str, ...]:
        """The logs that the intake follows."""
        return tuple(path for path in self.logs.split(os.pathsep) if path)

    @property
    def syslog_addresses(self) -> tuple[SyslogAddress, ...]:
        """Where the intake listens for syslog.

        :raises SettingsError: something in the setting is no address.
        """
        return tuple(_syslog_address(part.strip()) for part in self.syslog.split(",") if part.strip())

    @property
    def proxies(self) -> tuple[str, ...]:
        """The proxies that are trusted, as written."""
        return tuple(name.strip() for name in self.trusted_proxies.split(",") if name.strip())

    @property
    def alert_networks(self) -> tuple[str, ...]:
        """The networks that alerts may go to although they are private, as written."""
        return tuple(name.strip() for name in self.webhook_networks.split(",") if name.strip())


def load_settings() -> Settings:
    """The settings of this process.

    :raises SettingsError: a value cannot be used.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("; ".join(map(_sentence, error.errors()))) from None


def _sentence(fault: ErrorDetails) -> str:
    """What is wrong with one setting; a value is repeated only where it is one of a few words, and so no secret."""
    name = f"{PREFIX}{str(fault['loc'][0]).upper()}"
    if fault["type"] == "literal_error":
        return f"{name} {fault['input']!r} is not among the choices; use {fault['ctx']['expected']}"
    return f"{name}: {fault['msg']}"


def bus_of(settings: Settings) -> Literal["journal", "nats"]:
    """Which bus workers use.

    :raises SettingsError: it does not go with the database or the rule store, or there is no such bus.
    """
    url = settings.bus_url
    scheme = url.partition("://")[0]
    is_server = not settings.database_url.startswith("sqlite")
    if url in {"", "journal"}:
        if is_server:
            raise SettingsError(
                f"{PREFIX}DB_URL names a database server and {PREFIX}BUS_URL no bus for it: the journal needs SQLite. "
                f"Set {PREFIX}BUS_URL=nats://HOST:4222, or leave {PREFIX}DB_URL empty"
            )
        return "journal"
    if scheme not in {"nats", "tls"}:
        raise SettingsError(f"{PREFIX}BUS_URL is no bus; write journal or nats://HOST:4222")
    if not is_server:
        raise SettingsError(
            f"{PREFIX}BUS_URL is a NATS server and the database is a SQLite file, which other hosts do not see. Set "
            f"{PREFIX}DB_URL to a database server, or leave {PREFIX}BUS_URL empty"
        )
    if settings.ttp_rule_store_type != "database":
        raise SettingsError(
            f"{PREFIX}BUS_URL is a NATS server and rules are files of this host, so hosts would tag by different "
            f"rules. Set {PREFIX}TTP_RULE_STORE_TYPE=database"
        )
    return "nats"


def _syslog_address(text: str) -> SyslogAddress:
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError:  # brackets that do not match, or a port that is no number
        url, host, port = urlsplit(""), None, None
    is_bare = not (url.username or url.password or url.path or url.query or url.fragment)
    if url.scheme not in {"udp", "tcp"} or not host or not port or not is_bare:
        raise SettingsError(
            f"{PREFIX}SYSLOG: {text!r} is no address to listen on; write udp://HOST:PORT or tcp://HOST:PORT, several "
            "with commas between them, for example udp://127.0.0.1:5514,tcp://127.0.0.1:5514"
        )
    return SyslogAddress(url.scheme, host, port)


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
