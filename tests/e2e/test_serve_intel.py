"""``decnet serve`` with a provider switched on: from a line of a log, over a provider's answer, to the tag."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import CommandLine
from tests.e2e.test_serve import Host, stop, until
from tests.intel.provider_server import abuseipdb_check, provider_server, told

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]
ADDRESS = "118.25.6.39"


def test_an_attacker_is_asked_about_while_tagging_goes_on(tmp_path: Path) -> None:
    host = Host(tmp_path)
    with provider_server() as site:
        site.replies["/check"] = told(abuseipdb_check(ADDRESS, 100, [18]))
        settings = {"DECNET_ABUSEIPDB_API_KEY": "key", "DECNET_ABUSEIPDB_URL": f"{site.url}/check"}
        with host.running("serve", str(host.log), **settings) as process:
            with host.log.open("a") as log:
                log.write(line("cowrie.command.input", 0, input="cat /etc/shadow") + "\n")
                log.write(line("cowrie.session.closed", 1, duration=2.0) + "\n")
            until(lambda: host.tagged_events() == 1)
            until(lambda: bool(host.rows("SELECT 1 FROM tag WHERE rule_id = 'R0054'")))
            stop(process)
    assert [asked.query["ipAddress"] for asked in site.asked] == [[ADDRESS]]


def test_without_a_provider_there_is_nobody_to_ask(tmp_path: Path) -> None:
    done = CommandLine(tmp_path).run("worker", "enrich")

    assert done.returncode == 2
    assert "no provider of threat intelligence is switched on" in done.stderr


def line(event: str, second: int, **more: object) -> str:
    """A line of Cowrie's log."""
    record = {"eventid": event, "message": "", "sensor": "svr04", "src_ip": ADDRESS, "session": "0123456789ab"}
    return json.dumps(record | {"timestamp": f"2026-11-18T12:00:{second:02}.000000Z", "protocol": "ssh"} | more)
