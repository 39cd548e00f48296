"""A process that is killed while it changes a state: ``python -m tests.contract.state_setter PLACE``.

``PLACE`` is the URL of a database, or a folder with rules and states. Prints a number before it sets the state of that
number, without end.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from decnet.db.engine import open_database
from decnet.models.rule_state import RuleState
from decnet.ttp.store.database import DatabaseRuleStore
from decnet.ttp.store.filesystem import FilesystemRuleStore
from tests.ttp.store.rule_texts import NOON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from decnet.ttp.store.base import RuleStore

RULE = "R0900"


@contextmanager
def store_at(place: str) -> Iterator[RuleStore]:
    """The store in that place."""
    if "://" not in place:
        yield FilesystemRuleStore(Path(place) / "pack", None, Path(place) / "data")
        return
    database = open_database(place)
    yield DatabaseRuleStore(database)
    database.close()


def numbered_state(number: int) -> RuleState:
    """A state all of whose parts tell its number."""
    return RuleState("clipped", 1 / (number + 1), reason=str(number), set_by=f"child {number}", set_at=NOON + number)


async def main(place: str) -> None:
    """Change the state until killed."""
    with store_at(place) as store:
        for number in count():
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()
            await store.set_state(RULE, numbered_state(number))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
