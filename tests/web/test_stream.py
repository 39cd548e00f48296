from __future__ import annotations

import json
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from decnet.bus.topics import TAGGED
from decnet.db.engine import open_database
from decnet.db.outbox import add_messages
from decnet.db.tag_pages import tag_page
from decnet.models.announcement import Tagged, packed_announcement
from decnet.models.message import bulk_messages
from decnet.models.stored_tag import TagFilter
from decnet.web import feed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from decnet.models.stored_tag import StoredTag
    from tests.web.conftest import Api


def announce(api: Api, tags: list[StoredTag]) -> None:
    """Say on the bus that these stored tags are new, as a worker does, which is another process."""
    items = [
        packed_announcement(
            Tagged(tag.attacker_uuid, None, tag.session_uuid, ((tag.observed_at, tag.uuid),), (tag.attack_id,))
        )
        for tag in tags
    ]
    messages = list(bulk_messages(TAGGED.pattern, 0, items))
    with closing(open_database(api.place.database.url.render_as_string())) as others:
        others.write(partial(add_messages, messages=messages, now=api.place.clock()))


def newest(api: Api, count: int) -> list[StoredTag]:
    return api.place.database.read(partial(tag_page, wanted=TagFilter(min_confidence=0.0), limit=count))


def events(answer: httpx.Response) -> Iterator[tuple[str, str, Any]]:
    """Id, kind and data of each event, as they come."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            yield fields.get("id", ""), fields["event"], json.loads(fields["data"])
            fields = {}
        else:
            fields = {}


def test_a_new_tag_is_told_with_what_is_needed_to_show_it(api: Api, viewer: httpx.Client) -> None:
    tag = newest(api, 1)[0]
    with viewer.stream("GET", "/stream") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = events(answer)
        announce(api, [tag])
        _, kind, told = next(lines)
    assert kind == "tag"
    assert (told["technique_id"], told["rule_id"], told["address"]) == (tag.technique_id, tag.rule_id, tag.address)


def test_a_reader_that_comes_back_goes_on_where_it_was(api: Api, viewer: httpx.Client) -> None:
    tags = newest(api, 3)
    with viewer.stream("GET", "/stream") as answer:
        announce(api, tags[:1])
        seen, _, _ = next(events(answer))
    with viewer.stream("GET", "/stream") as other:
        announce(api, tags[1:])
        lines = events(other)
        next(lines), next(lines)
    with viewer.stream("GET", "/stream", headers={"Last-Event-ID": seen}) as answer:
        lines = events(answer)
        found = {json.dumps(next(lines)[2]["uuid"]) for _ in range(2)}
    assert len(found) == 2


@pytest.mark.parametrize("last", ["nobody-1", "x", "-", "0-99999999999999999999", "\x7f"])
def test_a_place_that_is_not_known_means_to_load_anew(viewer: httpx.Client, last: str) -> None:
    with viewer.stream("GET", "/stream", headers={"Last-Event-ID": last}) as answer:
        assert next(events(answer))[1] == "reset"


def test_a_flood_is_counted_and_not_shown(api: Api, viewer: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_TAGS_PER_SECOND", 5)
    tags = newest(api, 50)
    with viewer.stream("GET", "/stream") as answer:
        announce(api, tags)
        lines = events(answer)
        kinds: list[str] = []
        while not kinds or kinds[-1] != "more":
            _, kind, told = next(lines)
            kinds.append(kind)
    assert kinds.count("tag") <= 10
    assert told["tags"] >= 40


def test_only_so_many_may_read(viewer: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MOST_READERS", 1)
    with viewer.stream("GET", "/stream") as first:
        pieces = first.iter_bytes()
        next(pieces)
        assert viewer.get("/stream").status_code == 503


def test_a_slow_reader_is_told_what_it_lost() -> None:
    reader = feed.Reader()
    for number in range(feed._WAITING + 3):
        reader.offer(feed.FeedEvent(number, "tag", b"{}"))
    assert (len(reader.waiting), reader.lost) == (feed._WAITING, 3)
