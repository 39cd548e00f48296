from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from decnet.db.canaries import active_token, add_token, all_tokens, revoke_token
from decnet.errors import StorageError
from decnet.models.canary import CanaryToken
from tests.databases import run
from tests.events import NOON, SECOND

if TYPE_CHECKING:
    from decnet.db.engine import Database

ONE = CanaryToken("aB_-" * 6, "redirect", "in the wiki, 'ops' ␛0", NOON, "https://example.org/")
OTHER = CanaryToken("Ab_-" * 6, "image", "", NOON + SECOND)


def add(database: Database, *tokens: CanaryToken) -> None:
    for token in tokens:
        database.write(partial(add_token, token=token))


def test_a_token_is_found_by_its_slug_and_by_no_other_spelling(database: Database) -> None:
    add(database, ONE)
    assert database.read(partial(active_token, slug=ONE.slug)) == ONE
    for slug in (ONE.slug.lower(), ONE.slug + " ", ONE.slug[:-1], ""):
        assert database.read(partial(active_token, slug=slug)) is None


def test_slugs_that_differ_in_case_are_two_tokens(database: Database) -> None:
    add(database, OTHER, ONE)
    assert database.read(all_tokens) == [ONE, OTHER]


def test_a_revoked_token_acts_no_more_and_is_still_listed(database: Database) -> None:
    add(database, ONE)
    revoke = partial(revoke_token, slug=ONE.slug, now=NOON + 5)
    assert [database.write(revoke), database.write(revoke)] == [True, False]
    assert database.read(partial(active_token, slug=ONE.slug)) is None
    assert [token.revoked_at for token in database.read(all_tokens)] == [NOON + 5]


def test_a_token_of_a_later_version_is_refused(database: Database) -> None:
    add(database, ONE)
    run(database, "UPDATE canary_token SET kind = 'hologram'")
    with pytest.raises(StorageError, match=r"'hologram'.*update decnet-ttp"):
        database.read(partial(active_token, slug=ONE.slug))
