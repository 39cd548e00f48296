"""Lists, page by page, as a client reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

MOST_PAGES = 1_000


def got(client: httpx.Client, path: str, **query: Any) -> Any:
    """The JSON of an answer that is one."""
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def all_items(client: httpx.Client, path: str, **query: Any) -> list[Any]:
    """Every item of a list, from all its pages."""
    found: list[Any] = []
    cursor: dict[str, str] = {}
    for _ in range(MOST_PAGES):
        page = got(client, path, **query, **cursor)
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}
    raise AssertionError(f"{path} has no end")


def refused(client: httpx.Client, path: str, **query: Any) -> int:
    """The status of a refusal, which is a problem."""
    answer = client.get(path, params=query)
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code
