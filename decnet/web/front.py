"""The dashboard's files: built ahead, part of the wheel, served beside the API.

Every address that is not the API's gets the one page, which finds its way by the address itself.
"""

from __future__ import annotations

import mimetypes
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, Response

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

    from starlette.types import ASGIApp, Receive, Scope, Send

_READING = frozenset({"GET", "HEAD"})
_FOLDER = "dashboard"
_PAGE = "index.html"
_NAMED_BY_CONTENT = "assets/"
_FOREVER = "public, max-age=31536000, immutable"
_ASK_EACH_TIME = "no-cache"
_MISSING = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>DECNET TTP</title>
<p>The API runs, but the dashboard was not built.
In a source checkout run <code>make dashboard</code> (it needs Node 20) and start again;
installed packages have it inside.</p></html>
"""


class _File(NamedTuple):
    """A file as it is sent: plain, and packed with gzip where that was done ahead."""

    plain: bytes
    packed: bytes | None
    media_type: str
    keep: str


class Front:
    """Serves the built dashboard in ``folder`` (default: the one in this package), or says that it is missing.

    Stands behind the routes of the API: what is not below ``/api`` and only to be read is its own, all else goes on to
    ``refuse``. Files are read once: no path of a request is ever looked up on the disk.
    """

    def __init__(self, refuse: ASGIApp, folder: Traversable | None = None) -> None:
        self._refuse = refuse
        self._files = dict(_files(folder if folder is not None else resources.files("decnet.web") / _FOLDER))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        answer = self._refuse
        if scope["type"] == "http" and scope["method"] in _READING and not _is_of_api(scope["path"]):
            answer = self._answer(scope["path"].removeprefix("/"), Headers(scope=scope)) or self._refuse
        await answer(scope, receive, send)

    def _answer(self, path: str, headers: Headers) -> Response | None:
        file = self._files.get(path)
        if file is None and path.startswith(_NAMED_BY_CONTENT):
            return None  # of an older build: the page in its place would only confuse
        file = file or self._files.get(_PAGE)
        if file is None:
            return HTMLResponse(_MISSING, status_code=503)
        return _sent(file, is_gzip_welcome="gzip" in headers.get("Accept-Encoding", ""))


def _is_of_api(path: str) -> bool:
    return path == "/api" or path.startswith("/api/")


def _sent(file: _File, *, is_gzip_welcome: bool) -> Response:
    headers = {"Cache-Control": file.keep, "Vary": "Accept-Encoding"}
    if file.packed is not None and is_gzip_welcome:
        headers["Content-Encoding"] = "gzip"
        return Response(file.packed, media_type=file.media_type, headers=headers)
    return Response(file.plain, media_type=file.media_type, headers=headers)


def _files(folder: Traversable, under: str = "") -> Iterator[tuple[str, _File]]:
    if not folder.is_dir():
        return
    entries = {entry.name: entry for entry in folder.iterdir()}
    for name, entry in entries.items():
        path = f"{under}{name}"
        if entry.is_dir():
            yield from _files(entry, f"{path}/")
        elif not name.endswith(".gz"):
            packed = entries.get(f"{name}.gz")
            yield (
                path,
                _File(
                    plain=entry.read_bytes(),
                    packed=packed.read_bytes() if packed is not None else None,
                    media_type=mimetypes.guess_type(name)[0] or "application/octet-stream",
                    keep=_FOREVER if path.startswith(_NAMED_BY_CONTENT) else _ASK_EACH_TIME,
                ),
            )
