"""What a request is answered, and what it shows: that a token was touched, a browser, or a plain request."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from decnet.decoys.canary.bait import CALL_BACK, PIXEL, bait_file
from decnet.decoys.canary.connection import Request, Response, plain_error
from decnet.decoys.canary.fingerprint import derived
from decnet.decoys.canary.pages import fingerprint_page
from decnet.decoys.canary.posts import Piece, Posts, Refusal
from decnet.decoys.canary.visits import Shown
from decnet.models.canary import BROWSER_IDENTITY, FILE_KINDS, KEY_KINDS, PAGE_KINDS, CanaryPayload, is_slug
from decnet.models.event import CANARY, CANARY_FINGERPRINT, FINGERPRINT, HTTP_REQUEST, FingerprintPayload, HttpPayload
from decnet.models.text import canonical_text
from decnet.sources.records import without_credentials

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from decnet.models.canary import CanaryToken, Trigger
    from decnet.models.secret import SecretDigest

FOLDER = "/c/"
"""Where tokens live: ``/c/<slug>``."""
MAX_URL_CHARS = 4_096
MAX_HEADER_CHARS = 8_192
MAX_BODY_CHARS = 8_192
"""What is kept of a request; the rest is cut."""
MAX_DETAIL_CHARS = 512
_NONCE_BYTES = 16
_READS = frozenset({"GET", "HEAD"})
_PIECE_PARTS = 3
_MAX_DIGITS = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """``response`` goes to the client, ``shown`` becomes events; ``blob`` is kept as an artifact."""

    response: Response
    shown: tuple[Shown, ...] = ()
    blob: bytes | None = None


class Here(NamedTuple):
    """How this server is reached: ``origin`` (``http://host``) by bait that calls back, ``port`` by STUN."""

    origin: str
    port: int


@dataclass(frozen=True, slots=True)
class Site:
    """Answers requests. ``find_token`` gives the active token of a slug; ``clock_s`` only goes forward."""

    find_token: Callable[[str], Awaitable[CanaryToken | None]]
    digest: SecretDigest
    posts: Posts
    clock_s: Callable[[], float]

    async def answer(self, request: Request, source: str, here: Here) -> Answer:
        """What ``source`` gets.

        :raises StorageError: tokens cannot be looked up.
        """
        slug, slash, rest = _below_folder(request.target)
        token = await self.find_token(slug) if is_slug(slug) else None
        found = self._of_token(token, request, source, here, slash + rest) if token is not None else None
        return found or Answer(plain_page(request), (plain_request(request, self.digest),))

    def _of_token(self, token: CanaryToken, request: Request, source: str, here: Here, rest: str) -> Answer | None:
        """The answer of a token, None where there is nothing at that place below it."""
        path = f"{FOLDER}{token.slug}"
        place = rest.partition("?")[0]
        is_read, is_whole = request.method in _READS, place == ""
        if token.kind in KEY_KINDS and not (is_read and is_whole and not request.header("authorization")):
            return Answer(_refusal_of_secret(token), (_touched(token, "used", request, rest),))
        if token.kind in KEY_KINDS | FILE_KINDS and is_read and is_whole:
            return Answer(_download(token, here.origin + path), (_touched(token, "downloaded", request, rest),))
        is_call_back = token.kind in FILE_KINDS and place == f"/{CALL_BACK}"
        if is_read and (token.kind == "image" or is_call_back):
            return Answer(Response(200, PIXEL, "image/gif", _FRESH), (_touched(token, "opened", request, rest),))
        if token.kind in PAGE_KINDS and is_read and is_whole:
            return Answer(self._page(token, path, source, here.port), (_touched(token, "opened", request, rest),))
        if token.kind in PAGE_KINDS and request.method == "POST" and (piece := _piece(place, request.body)):
            return self._posted(token, source, piece)
        return None

    def _page(self, token: CanaryToken, path: str, source: str, stun_port: int) -> Response:
        nonce, script_nonce = secrets.token_urlsafe(_NONCE_BYTES), secrets.token_urlsafe(_NONCE_BYTES)
        self.posts.serve(nonce, token.slug, source, self.clock_s())
        return fingerprint_page(token, path, nonce, script_nonce, stun_port)

    def _posted(self, token: CanaryToken, source: str, piece: Piece) -> Answer:
        taken = self.posts.take(token.slug, source, piece, self.clock_s())
        if isinstance(taken, Refusal):
            return Answer(plain_error(429 if taken is Refusal.TOO_MANY else 404))
        found = derived(taken, token.token) if taken is not None else None
        if found is None:
            return Answer(Response(204))
        shown = [Shown(CANARY_FINGERPRINT, found, (found.token, found.blob_sha256))]
        if found.identity:
            fingerprint = FingerprintPayload(BROWSER_IDENTITY, found.identity)
            shown.append(Shown(FINGERPRINT, fingerprint, (BROWSER_IDENTITY, found.identity)))
        return Answer(Response(204), tuple(shown), taken)


_FRESH = (("Cache-Control", "no-store"),)


def plain_page(request: Request) -> Response:
    """What a web server without content says."""
    return plain_error(404) if request.method in {"GET", "HEAD", "POST"} else plain_error(405)


def plain_request(request: Request, digest: SecretDigest) -> Shown:
    """``request`` as an event: capped, and without credentials."""
    lines = "\n".join(f"{name}: {value}" for name, value in request.headers)[:MAX_HEADER_CHARS]
    payload = HttpPayload(
        method=_kept(request.method, MAX_DETAIL_CHARS),
        raw_url=_kept(request.target, MAX_URL_CHARS),
        host=_kept(request.header("host"), MAX_DETAIL_CHARS),
        user_agent=_kept(request.header("user-agent"), MAX_DETAIL_CHARS),
        headers=without_credentials(_kept(lines, MAX_HEADER_CHARS), digest),
        body=canonical_text(request.body[:MAX_BODY_CHARS]),
    )
    return Shown(HTTP_REQUEST, payload, (payload.method, payload.raw_url, payload.headers, payload.body))


def _below_folder(target: str) -> tuple[str, str, str]:
    """Slug, separator and rest of ``target``; an empty slug where it is no token's. Nothing is decoded or resolved."""
    if not target.startswith(FOLDER):
        return "", "", ""
    below = target.removeprefix(FOLDER)
    end = next((place for place, char in enumerate(below) if char in "/?"), len(below))
    return below[:end], below[end : end + 1], below[end + 1 :]


def _touched(token: CanaryToken, trigger: Trigger, request: Request, rest: str) -> Shown:
    """A file with a secret in it that is only fetched is bait of the kind ``document``."""
    kind = "document" if trigger == "downloaded" and token.kind in KEY_KINDS else token.kind
    payload = CanaryPayload(
        token=token.token,
        token_kind=kind,
        trigger=trigger,
        method=_kept(request.method, MAX_DETAIL_CHARS),
        detail=_kept(rest, MAX_DETAIL_CHARS),
        user_agent=_kept(request.header("user-agent"), MAX_DETAIL_CHARS),
    )
    return Shown(CANARY, payload, (payload.token, trigger, payload.method, payload.detail, payload.user_agent))


def _kept(text: str, most: int) -> str:
    """Text of HTTP, which is bytes as Latin-1, cut and canonical."""
    return canonical_text(text[:most].encode("latin-1", "replace"))


def _download(token: CanaryToken, address: str) -> Response:
    file = bait_file(token, address)
    assert file is not None  # noqa: S101 - only kinds that are files come here
    disposition = ("Content-Disposition", f'attachment; filename="{file.name}"')
    return Response(200, file.content, file.media_type, (disposition, *_FRESH))


def _refusal_of_secret(token: CanaryToken) -> Response:
    """What the service that the secret seems to be for says to a secret that it does not know."""
    if token.kind == "aws_key":
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InvalidAccessKeyId</Code><Message>The AWS Access Key '
            "Id you provided does not exist in our records.</Message></Error>"
        )
        return Response(403, body.encode(), "application/xml")
    if token.kind == "kubeconfig":
        body = (
            '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized",'
            '"reason":"Unauthorized","code":401}'
        )
        return Response(401, body.encode(), "application/json")
    return Response(401, b'{"error":"invalid_token"}', "application/json")


def _piece(place: str, body: bytes) -> Piece | None:
    """``/<nonce>/<number>/<total>``."""
    parts = place.removeprefix("/").split("/")
    if len(parts) != _PIECE_PARTS:
        return None
    nonce, number, total = parts
    if not all(part.isascii() and part.isdigit() and len(part) <= _MAX_DIGITS for part in (number, total)):
        return None
    return Piece(nonce, int(number), int(total), body)
