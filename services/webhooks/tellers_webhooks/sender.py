"""One try of one delivery over HTTP: bounded in time and in what is read."""

import asyncio
import ssl
from collections.abc import Awaitable, Mapping
from typing import Self

import httpcore

from tellers_runtime.clock import Clock, utc_now
from tellers_webhooks.guard import Blocked, GuardedBackend
from tellers_webhooks.schedule import Answer, retry_after

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
TRY_SECONDS = 15.0
MAX_ANSWER_BYTES = 65_536
REQUEST_ORIGIN = "WebHook-Request-Origin"
OURS = {
    "User-Agent": "Tellers-Webhooks/1",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}
# Shorter than most servers keep a connection that nothing is said on.
IDLE_SECONDS = 3.0


class Sender:
    """Posts to one endpoint, over one connection that is kept while it is used."""

    def __init__(
        self,
        backend: GuardedBackend,
        tls: ssl.SSLContext,
        clock: Clock = utc_now,
        try_seconds: float = TRY_SECONDS,
    ) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=1,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=backend,
        )
        self._clock = clock
        self._try_seconds = try_seconds

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.aclose()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Post these bytes. A redirect is an answer like any other: not followed."""
        return await self._bounded(self._once_or_again(url, headers, body))

    async def ask(self, url: str, origin: str) -> Answer:
        """Ask whether deliveries are wanted there (CloudEvents webhooks 1.0.2, 4):
        without trouble they are. The status says nothing, since any server may answer
        OPTIONS: only the header does."""
        return await self._bounded(self._ask(url, origin))

    async def _bounded(self, work: Awaitable[Answer]) -> Answer:
        try:
            async with asyncio.timeout(self._try_seconds):
                return await work
        except TimeoutError:
            return Answer(None, f"no answer within {self._try_seconds:g} s")
        except Blocked as error:
            return Answer(None, f"blocked: {error}")
        except (httpcore.NetworkError, httpcore.TimeoutException) as error:
            return Answer(None, f"no connection: {_said(error)}")
        except (httpcore.ProtocolError, OSError) as error:
            return Answer(None, f"no HTTP answer: {_said(error)}")

    async def _once_or_again(
        self, url: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        # A connection that was kept may be closed by the other side just now. Whether
        # it read the request is unknown; the same webhook-id makes it harmless.
        was_kept = bool(self._pool.connections)
        try:
            return await self._post(url, headers, body)
        except (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError):
            if not was_kept:
                raise
            return await self._post(url, headers, body)

    async def _ask(self, url: str, origin: str) -> Answer:
        sent = {REQUEST_ORIGIN: origin, **OURS}
        async with self._pool.stream("OPTIONS", url, headers=[*sent.items()]) as answer:
            allowed = _header(answer, b"webhook-allowed-origin")
        return Answer(answer.status, _refusal(answer.status, allowed, origin))

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        sent = [
            *headers.items(),
            ("Content-Type", CONTENT_TYPE),
            *OURS.items(),
        ]
        async with self._pool.stream(
            "POST", url, headers=sent, content=body
        ) as response:
            read = 0
            async for chunk in response.aiter_stream():
                read += len(chunk)
                if read > MAX_ANSWER_BYTES:
                    break  # and the connection with it: nobody knows what follows
            header = _header(response, b"retry-after")
            wait = retry_after(response.status, header, self._clock().timestamp())
            trouble = "" if 200 <= response.status < 300 else f"HTTP {response.status}"  # noqa: PLR2004
            return Answer(response.status, trouble, wait)


def _header(response: httpcore.Response, wanted: bytes) -> str | None:
    for name, value in response.headers:
        if name.lower() == wanted:
            return value.decode("latin-1")
    return None


def _refusal(status: int, allowed: str | None, origin: str) -> str:
    """Why these words do not allow deliveries from that origin; "" when they do."""
    if allowed is None:
        return f"HTTP {status} to OPTIONS, without WebHook-Allowed-Origin"
    if allowed.strip().lower() in ("*", origin.lower()):
        return ""
    return f"it allows the origin {allowed.strip()[:80]!r}, ours is {origin!r}"


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
