"""What ``decnet serve`` and ``decnet worker`` refuse, and in which words."""

from __future__ import annotations

import pytest

from decnet.config import Settings, bus_of
from decnet.errors import SettingsError
from tests.cli.conftest import CommandLine

SERVER = "postgresql+asyncpg://postgres@127.0.0.1/decnet"
NATS = "nats://127.0.0.1:4222"


def test_the_journal_is_the_bus_of_a_sqlite_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DECNET_BUS_URL", raising=False)
    assert bus_of(Settings()) == "journal"
    assert bus_of(Settings(bus_url="journal")) == "journal"


def test_nats_is_the_bus_of_a_server_with_rules_in_the_database() -> None:
    assert bus_of(Settings(bus_url=NATS, db_url=SERVER, ttp_rule_store_type="database")) == "nats"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings(db_url=SERVER), "the journal needs SQLite. Set DECNET_BUS_URL=nats://"),
        (Settings(db_url=SERVER, bus_url="journal"), "the journal needs SQLite"),
        (Settings(bus_url=NATS, ttp_rule_store_type="database"), "Set DECNET_DB_URL to a database server"),
        (Settings(bus_url=NATS, db_url=SERVER), "Set DECNET_TTP_RULE_STORE_TYPE=database"),
        (Settings(bus_url="redis://127.0.0.1"), "DECNET_BUS_URL is no bus; write journal or nats://HOST:4222"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_way_out(settings: Settings, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        bus_of(settings)


def test_a_bus_address_in_a_refusal_shows_no_password() -> None:
    with pytest.raises(SettingsError) as refused:
        bus_of(Settings(bus_url="redis://root:hunter2@127.0.0.1"))
    assert "hunter2" not in str(refused.value)


@pytest.mark.e2e
@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("worker", "intake"), "DECNET_LOGS"),
        (("worker", "relay"), "the journal needs no relay"),
        (("worker", "clock"), "is no worker; choose one of intake"),
    ],
)
def test_a_worker_without_work_is_a_usage_error(decnet: CommandLine, arguments: tuple[str, ...], words: str) -> None:
    result = decnet.run(*arguments)
    assert result.returncode == 2
    assert words in result.stderr


@pytest.mark.e2e
@pytest.mark.timeout(60)
def test_a_server_database_with_the_journal_is_refused_before_anything_starts(decnet: CommandLine) -> None:
    result = CommandLine(decnet.folder, {"DECNET_DB_URL": SERVER}).run("serve")
    assert result.returncode == 1
    assert "the journal needs SQLite" in result.stderr
