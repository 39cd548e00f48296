from __future__ import annotations

import json
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from decnet.bus.topics import TAGGED
from decnet.db.engine import open_database
from decnet.db.journal import StoredLetter, add_letter
from decnet.db.outbox import backlog

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine


def test_what_could_not_be_handled_is_listed_and_handed_out_again(decnet: CommandLine) -> None:
    assert json.loads(decnet.run("ttp", "deadletters", "list", "--json").stdout) == []
    letter = StoredLetter(0, "ttp", 3, TAGGED.pattern, b"\x80", "it \x1b[31mfailed", 5, 1_000)
    with closing(open_database(f"sqlite:///{decnet.folder / 'data' / 'decnet.sqlite'}")) as database:
        database.write(partial(add_letter, letter=letter))
        listed = decnet.run("ttp", "deadletters", "list")
        assert "ttp.tagged" in listed.stdout
        assert "\x1b[31m" not in listed.stdout
        (told,) = json.loads(decnet.run("ttp", "deadletters", "list", "--json").stdout)
        assert (told["durable"], told["tries"]) == ("ttp", 5)
        assert decnet.run("ttp", "deadletters", "replay", told["id"]).returncode == 0
        assert database.read(backlog)[0] == 1
    again = decnet.run("ttp", "deadletters", "replay", told["id"])
    assert (again.returncode, "does not exist" in again.stderr) == (1, True)
