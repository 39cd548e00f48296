from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest

from decnet.models.canary import TOKEN_KINDS, is_slug

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import CommandLine

pytestmark = pytest.mark.timeout(60)  # programs are started, several in a test
URL = "https://files.example.org"


def made(decnet: CommandLine, *arguments: str) -> dict[str, object]:
    done = decnet.run("canary", "new", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_new_bait_has_an_address_that_nobody_guesses(decnet: CommandLine) -> None:
    tokens = [made(decnet, "image") for _ in range(3)]
    slugs = {str(token["address"]).removeprefix("/c/") for token in tokens}
    assert len(slugs) == 3
    assert all(map(is_slug, slugs))


def test_bait_is_listed_until_and_after_it_is_revoked(decnet: CommandLine) -> None:
    address = str(made(decnet, "pdf", "--label", "file share, HR")["address"])
    assert decnet.run("canary", "revoke", f"{URL}{address}").stdout == "revoked\n"
    again = decnet.run("canary", "revoke", address)
    (listed,) = json.loads(decnet.run("canary", "list", "--json").stdout)
    assert again.returncode == 1
    assert "no such bait acts" in again.stderr
    assert (listed["address"], listed["kind"], listed["label"]) == (address, "pdf", "file share, HR")
    assert isinstance(listed["revoked_at"], int)


def test_a_label_cannot_move_the_cursor(decnet: CommandLine) -> None:
    made(decnet, "image", "--label", "\x1b[2J\u202eevil")
    printed = decnet.run("canary", "list").stdout
    assert "\x1b" not in printed
    assert "\u202e" not in printed
    assert "evil" in printed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("dns",), "names that are looked up are not offered"),
        (("rootkit",), "no bait of that kind is offered"),
        (("redirect",), "a redirect needs a web address"),
        (("redirect", "--target", "javascript:alert(1)"), "a redirect needs a web address"),
        (("image", "--target", URL), "only a redirect has one"),
        (("image", "--label", "x" * 300), "at most 200"),
        (("document", "--file", "list.docx"), "DECNET_CANARY_URL"),
    ],
)
def test_what_cannot_be_made_is_refused_in_words(decnet: CommandLine, arguments: tuple[str, ...], words: str) -> None:
    done = decnet.run("canary", "new", *arguments)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.replace("│", " ").split())
    assert json.loads(decnet.run("canary", "list", "--json").stdout) == []


def test_every_kind_is_named_in_the_help(decnet: CommandLine) -> None:
    printed = decnet.run("canary", "new", "--help").stdout
    assert [kind for kind in TOKEN_KINDS if kind not in printed] == []


def test_bait_is_written_to_a_new_file_that_calls_back(decnet: CommandLine, tmp_path: Path) -> None:
    there = type(decnet)(decnet.folder, {"DECNET_CANARY_URL": URL})
    token = made(there, "aws_key", "--file", "credentials")
    content = (tmp_path / "credentials").read_text()
    again = there.run("canary", "new", "aws_key", "--file", "credentials")
    assert f"endpoint_url = {token['address']}/v1" in content
    assert str(token["address"]).startswith(f"{URL}/c/")
    assert again.returncode == 1
    assert "credentials: File exists; nothing was made" in again.stderr


def test_bait_that_is_no_file_is_not_written(decnet: CommandLine) -> None:
    done = type(decnet)(decnet.folder, {"DECNET_CANARY_URL": URL}).run("canary", "new", "image", "--file", "x.gif")
    assert done.returncode == 2
    assert "is no file" in done.stderr


@pytest.mark.parametrize(
    ("settings", "listen", "words"),
    [
        ({}, "nowhere", "is no place to listen at; write HOST:PORT"),
        ({}, "192.0.2.1:8080", "cannot listen at 192.0.2.1:8080"),
        ({"DECNET_TRUSTED_PROXIES": "10.0.0.1, proxy"}, "127.0.0.1:0", "trusted proxy 'proxy' is no address"),
    ],
)
def test_a_decoy_that_cannot_start_says_why(
    decnet: CommandLine, settings: dict[str, str], listen: str, words: str
) -> None:
    done = type(decnet)(decnet.folder, settings).run("decoy", "canary", "--listen", listen)
    assert done.returncode == 1
    assert words in done.stderr


def test_the_decoy_serves_what_was_made_until_it_is_told_to_stop(decnet: CommandLine) -> None:
    path = str(made(decnet, "image")["address"])
    command = [sys.executable, "-m", "decnet", "decoy", "canary", "--listen", "127.0.0.1:0", "--json"]
    with subprocess.Popen(command, env=decnet.environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        serving = json.loads(process.stdout.readline())
        with urllib.request.urlopen(f"http://127.0.0.1:{serving['port']}{path}", timeout=10) as reply:
            assert reply.read(3) == b"GIF"
        process.send_signal(signal.SIGTERM)
        assert json.loads(process.stdout.readline()) == {"stopped": ["canary"]}
    assert process.returncode == 0
