"""Settings: what is taken, what is refused and in which words, and that documents name none that do not exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from decnet.config import PREFIX, Settings, SyslogAddress, load_settings, unknown_settings
from decnet.errors import SettingsError

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "settings.md"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs/how-to").glob("*.md"))]


def test_addresses_for_syslog_are_read() -> None:
    settings = Settings(syslog="udp://127.0.0.1:5514, tcp://[::1]:5514,tcp://logs.example.net:601,")
    assert settings.syslog_addresses == (
        SyslogAddress("udp", "127.0.0.1", 5514),
        SyslogAddress("tcp", "::1", 5514),
        SyslogAddress("tcp", "logs.example.net", 601),
    )
    assert [str(address) for address in settings.syslog_addresses][1] == "tcp://[::1]:5514"
    assert Settings().syslog_addresses == ()


@pytest.mark.parametrize(
    "text",
    [
        "5514",
        "127.0.0.1:5514",
        "udp://127.0.0.1",
        "udp://:5514",
        "tls://h:6514",
        "udp://h:0",
        "udp://h:70000",
        "udp://[::1:5514",
        "udp://h:x",
        "tcp://h:1/path",
        "tcp://me@h:1",
        "tcp://h:1;udp://h:1",
    ],
)
def test_what_is_no_address_for_syslog_is_refused_in_words(text: str) -> None:
    with pytest.raises(SettingsError, match=r"DECNET_SYSLOG: .* is no address to listen on; write udp://HOST:PORT"):
        _ = Settings(syslog=text).syslog_addresses


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_name_settings_that_exist(document: Path) -> None:
    names = set(re.findall(r"DECNET_[A-Z_]+[A-Z]", document.read_text("utf-8")))
    assert unknown_settings(dict.fromkeys(names, "")) == []


def rows() -> dict[str, str]:
    """Default by name, as the page says."""
    cells = [line.split("|") for line in PAGE.read_text("utf-8").splitlines() if line.startswith(f"| `{PREFIX}")]
    return {row[1].strip(" `"): row[2].strip(" `") for row in cells}


def test_every_setting_is_on_the_page_and_no_other() -> None:
    assert set(rows()) == {PREFIX + name.upper() for name in Settings.model_fields}


def test_the_page_says_the_defaults_of_what_is_a_word_or_a_url() -> None:
    page = rows()
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, str) and field.default:
            assert page[PREFIX + name.upper()] == field.default


@pytest.mark.parametrize("limit", ["", "1000", "0/day", "-1/day", "1000/fortnight", "1e3/day", "1000/day/day"])
def test_a_limit_is_a_number_and_a_window(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setenv("DECNET_ABUSEIPDB_LIMIT", limit)
    with pytest.raises(SettingsError, match="DECNET_ABUSEIPDB_LIMIT"):
        load_settings()


def test_keys_are_not_shown() -> None:
    keys = [name for name in Settings.model_fields if name.endswith("_api_key")]
    settings = Settings.model_validate(dict.fromkeys(keys, "s3cret"))
    assert keys
    assert all(isinstance(getattr(settings, name), SecretStr) for name in keys)
    assert "s3cret" not in repr(settings)
