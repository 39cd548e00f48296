"""The connection to the server: opened, lost, back again; and what goes wrong on it, in our words."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nats import errors as nats_errors
from nats.aio.client import Client
from nats.js import errors as js_errors

from decnet.errors import BusError, BusUnavailable
from decnet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from nats.aio.client import RawCredentials
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription as NatsSubscription
    from nats.js import JetStreamContext

    from decnet.bus.nats.settings import NatsSettings

AWAY = (nats_errors.Error, OSError, TimeoutError)
"""What nats-py raises when the server is out of reach or refuses."""
_REQUEST_S = 5.0
_FIRST_CONNECT_S = 5
_STORE_FULL = frozenset({10047, 10077})
"""JSStorageResourcesExceeded, JSStreamStoreFailed (a limit was met): nats-server, server/errors.json."""
_NO_JETSTREAM = (js_errors.NoStreamResponseError, js_errors.ServiceUnavailableError, nats_errors.NoRespondersError)
_log = logger(__name__)


class Connection:
    """One connection to the server at ``url``. Nothing but :meth:`close` is of use before :meth:`open`.

    :raises BusError: ``url`` is none.
    """

    def __init__(self, url: str, settings: NatsSettings) -> None:
        self._url = url
        self.settings = settings
        self.place = _place(url)
        self._client = Client()
        self.js: JetStreamContext = self._client.jetstream(timeout=_REQUEST_S)
        self._on_return: set[Callable[[], None]] = set()
        self._last_error = ""
        self._is_closing = False

    async def open(self, credentials: RawCredentials | None) -> None:
        """Connect: a first time only once, then so that the connection comes back by itself.

        :raises BusUnavailable: there is no server.
        :raises BusError: the server refuses the credentials.
        """
        try:
            await self._client.connect(
                self._url,
                user_credentials=credentials,
                allow_reconnect=False,
                connect_timeout=_FIRST_CONNECT_S,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                error_cb=self._on_error,
            )
            await self._client.close()
            self._client = Client()
            await self._client.connect(
                self._url,
                user_credentials=credentials,
                allow_reconnect=True,
                max_reconnect_attempts=-1,
                reconnect_time_wait=self.settings.reconnect_s,  # type: ignore[arg-type] # any number of seconds
                error_cb=self._on_error,
                disconnected_cb=self._on_disconnect,
                reconnected_cb=self._on_reconnect,
                name="decnet",
            )
        except (*AWAY, ValueError) as error:
            raise self.in_words(self._client.last_error or error, "connecting") from None
        self.js = self._client.jetstream(timeout=_REQUEST_S)

    async def close(self) -> None:
        """The connection is closed; closing twice is harmless."""
        self._is_closing = True
        if not self._client.is_closed:
            with contextlib.suppress(*AWAY):
                await self._client.close()

    async def _on_error(self, error: Exception) -> None:
        if str(error) != self._last_error:
            self._last_error = str(error)
            _log.warning("bus at %s: %s", self.place, type(error).__name__)

    async def _on_disconnect(self) -> None:
        if not self._is_closing:
            _log.warning("bus at %s: connection lost; it is tried again until it is back", self.place)

    async def _on_reconnect(self) -> None:
        self._last_error = ""
        _log.warning("bus at %s: connected again", self.place)
        for ask_again in self._on_return:
            ask_again()

    @contextlib.contextmanager
    def returning(self, ask_again: Callable[[], None]) -> Iterator[None]:
        """``ask_again`` is called when the connection is back."""
        self._on_return.add(ask_again)
        try:
            yield
        finally:
            self._on_return.discard(ask_again)

    @property
    def max_payload(self) -> int:
        """How many bytes the server takes in one message."""
        return self._client.max_payload

    async def request(self, subject: str, body: bytes, doing: str) -> None:
        """Send ``body`` and wait until the server has taken it.

        :raises BusUnavailable: it did not answer.
        """
        async with self.asking(doing):
            await self._client.request(subject, body, timeout=_REQUEST_S)

    async def tell(self, subject: str, body: bytes, doing: str) -> None:
        """Send ``body``, to arrive soon.

        :raises BusUnavailable: there is no connection.
        """
        async with self.asking(doing):
            await self._client.publish(subject, body)

    async def ask(self, subject: str, body: bytes, inbox: str) -> None:
        """Send ``body``; answers go to ``inbox``. Raises what is in :data:`AWAY`."""
        await self._client.publish(subject, body, inbox)

    async def open_inbox(self, take: Callable[[Msg], Awaitable[None]]) -> tuple[str, NatsSubscription]:
        """An address of our own, and what ends it. Raises what is in :data:`AWAY`."""
        inbox = self._client.new_inbox()
        return inbox, await self._client.subscribe(inbox, cb=take)

    async def listen(self, subjects: list[str], take: Callable[[Msg], Awaitable[None]]) -> list[NatsSubscription]:
        """From here on ``take`` gets what is published to ``subjects``, whoever stores it.

        :raises BusUnavailable: there is no connection.
        """
        async with self.asking("subscribing"):
            subscriptions = [await self._client.subscribe(subject, cb=take) for subject in subjects]
            await self._client.flush()
        return subscriptions

    @contextlib.asynccontextmanager
    async def asking(self, doing: str) -> AsyncIterator[None]:
        """Errors of the server, and its absence, in our words."""
        try:
            yield
        except AWAY as error:
            raise self.in_words(error, doing) from None

    def in_words(self, error: Exception, doing: str) -> BusError:
        """``error`` of ``doing`` something; nats-py's texts hold no credentials."""
        if isinstance(error, nats_errors.AuthorizationError) or "authorization" in str(error).lower():
            return BusError(
                f"bus at {self.place}: the server refused the credentials; check DECNET_BUS_URL, or the file of "
                "credentials"
            )
        if isinstance(error, _NO_JETSTREAM):
            return BusUnavailable(
                f"bus at {self.place}: {doing}: JetStream does not answer; start nats-server with -js, or wait until "
                "it is ready"
            )
        if isinstance(error, js_errors.APIError):
            words = f"bus at {self.place}: {doing}: {error.description} (error {error.err_code})"
            if error.err_code in _STORE_FULL:
                return BusUnavailable(f"{words}; free some space on the server or raise its limits")
            return BusUnavailable(words) if (error.code or 0) >= 500 else BusError(words)  # noqa: PLR2004 - as HTTP
        reason = str(error) or type(error).__name__
        return BusUnavailable(f"bus at {self.place}: {doing}: {reason}; check that the server runs and can be reached")


def _place(url: str) -> str:
    """Where the server is, without credentials."""
    try:
        parsed = urlsplit(url)
        port = parsed.port or 4222
    except ValueError:
        raise BusError("the URL of the bus is none: write nats://host:4222") from None
    return f"{parsed.scheme}://{parsed.hostname}:{port}"
