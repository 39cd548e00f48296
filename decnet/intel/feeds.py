"""Lists that are fetched whole and made into compact files: known malware, exits, networks.

A list comes from a URL or from a file of the operator. What is made of it takes the place of the old file in one step,
so readers see the one or the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from decnet.errors import InputRefused, ProviderFailed
from decnet.intel.digests import write_digests
from decnet.intel.exits import write_exits
from decnet.intel.http import Site
from decnet.intel.kept import DIGESTS_NAME, exits_path
from decnet.intel.malwarebazaar import digests_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

MAX_DOWNLOAD_BYTES = 2 << 30
LONGEST_S = 1_800.0
"""How long one list may take."""

Progress = Callable[[int, int | None], None]
"""Is told how many bytes are there, and of how many, where the server says so."""


@dataclass(frozen=True, slots=True)
class Feed:
    """A list to keep up to date. ``make`` writes ``path`` from the fetched file and returns the number of entries."""

    name: str
    source: str = field(repr=False)
    path: Path
    make: Callable[[Path], int]
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def malwarebazaar_feed(folder: Path, source: str, key: str) -> Feed:
    """The digests of known malware; ``{key}`` in the source stands for the key, which goes along as a header too."""
    path, whole = folder / DIGESTS_NAME, source.replace("{key}", key)
    headers = {"Auth-Key": key}
    return Feed("malwarebazaar", whole, path, lambda list_: write_digests(path, digests_in(list_)), headers)


def exits_feed(folder: Path, kind: str, source: str) -> Feed:
    """The exits of that kind."""
    path = exits_path(folder, kind)
    return Feed(f"{kind}_exits", source, path, lambda list_: write_exits(path, list_, kind))


async def update_feed(feed: Feed, on_progress: Progress) -> int:
    """Fetch a list and put what is made of it in place; returns how many entries it has.

    :raises ProviderFailed: it cannot be fetched.
    :raises InputRefused: it is not what it should be; the old one stays.
    :raises OSError: it cannot be read or written.
    """
    async with fetched(feed.name, feed.source, feed.path.parent, feed.headers, on_progress) as path:
        return await asyncio.to_thread(feed.make, path)


@asynccontextmanager
async def fetched(
    name: str, source: str, folder: Path, headers: Mapping[str, str], on_progress: Progress
) -> AsyncIterator[Path]:
    """``source`` as a file: itself, or fetched into ``folder`` for as long as the context lasts.

    :raises ProviderFailed: it cannot be fetched.
    :raises InputRefused: there is no such file.
    """
    if not is_url(source):
        yield _own_file(source)
        return
    with _scratch(folder) as scratch:
        path = Path(scratch) / "list"
        site = Site(name, source, headers)
        try:
            async with asyncio.timeout(LONGEST_S):
                await _download(site, path, on_progress)
        except TimeoutError:
            raise ProviderFailed(f"{name}: not whole within {LONGEST_S:.0f} s") from None
        finally:
            await site.aclose()
        yield path


def is_url(source: str) -> bool:
    """Whether ``source`` is to be fetched."""
    return source.startswith(("https://", "http://"))


def _own_file(source: str) -> Path:
    path = Path(source).expanduser()
    if not path.is_file():
        raise InputRefused(f"{path}: no such file; give a file or a URL")
    return path


def _scratch(folder: Path) -> TemporaryDirectory[str]:
    """A folder beside what is to be replaced, so that nothing has to be copied over file systems."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return TemporaryDirectory(prefix=".fetching-", dir=folder)


async def _download(site: Site, path: Path, on_progress: Progress) -> None:
    async with site.answering("GET", site.url) as response:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isascii() and length.isdigit() and len(length) < len("9" * 16) else None
        done = 0
        with path.open("wb") as file:
            async for part in response.aiter_bytes():
                done += len(part)
                if done > MAX_DOWNLOAD_BYTES:
                    raise ProviderFailed(f"{site.provider}: the list is longer than {MAX_DOWNLOAD_BYTES:,} bytes")
                file.write(part)
                on_progress(done, total)
