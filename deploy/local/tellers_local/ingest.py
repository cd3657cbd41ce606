"""Commands to the ingest API, each sent until it is certain that it counted once.

Every command has an idempotency key of its own. Whatever leaves the outcome open (no
connection, no answer, 503) is answered by sending the same command with the same key.
"""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

import httpx

from tellers_client.reading import detail_of, http_client
from tellers_local.failure import Failure

GIVE_UP_SECONDS = 60.0
FIRST_WAIT_SECONDS = 0.1
MAX_WAIT_SECONDS = 2.0
TRY_AGAIN = frozenset({429, 502, 503, 504})


class CommandRefused(Exception):
    """The ingest service says no; `code` is the problem's stable code."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"ingest answers {status}: {detail}")
        self.status = status
        self.code = code


class IngestClient:
    """Sends commands to one chamber over one connection that is kept open.

    Args:
        waiting: told why, when a command has to be sent again.
    """

    def __init__(
        self,
        url: str,
        token: str,
        chamber: str,
        waiting: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.url = url
        self._chamber = f"/v1/{chamber}"
        self._base = f"{self._chamber}/roll-calls"
        self._http = http_client(url)
        self._http.headers["Authorization"] = f"Bearer {token}"
        self._waiting = waiting

    async def aclose(self) -> None:
        await self._http.aclose()

    async def is_there(self) -> bool:
        """Whether anything listens at the address."""
        try:
            await self._http.get("/healthz")
        except httpx.TransportError:
            return False
        return True

    async def post(self, path: str, body: dict[str, Any] | None = None) -> None:
        """POST a command; `path` follows `/v1/{chamber}/roll-calls`."""
        await self._send("POST", self._base + path, json=body)

    async def put(self, path: str, body: dict[str, Any]) -> None:
        """PUT a command; `path` follows `/v1/{chamber}/roll-calls`."""
        await self._send("PUT", self._base + path, json=body)

    async def import_lines(self, lines: bytes) -> bytes:
        """POST whole roll calls, a line each; the answer's body."""
        path = f"{self._chamber}/imports"
        return await self._send(
            "POST", path, content=lines, media_type="application/x-ndjson"
        )

    async def _send(
        self,
        method: str,
        path: str,
        *,
        json: dict[str, Any] | None = None,
        content: bytes | None = None,
        media_type: str | None = None,
    ) -> bytes:
        """Raises CommandRefused, or Failure when there was no answer for a minute."""
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        if media_type is not None:
            headers["Content-Type"] = media_type
        request = self._http.build_request(
            method, path, json=json, content=content, headers=headers
        )
        loop = asyncio.get_running_loop()
        deadline = loop.time() + GIVE_UP_SECONDS
        wait = FIRST_WAIT_SECONDS
        while True:
            asked_to_wait = 0.0
            try:
                response = await self._http.send(request)
            except httpx.TransportError as error:
                trouble = str(error) or type(error).__name__
            else:
                if response.status_code not in TRY_AGAIN:
                    return _checked(response)
                trouble = detail_of(response)
                asked_to_wait = _retry_after(response)
            pause = max(wait, asked_to_wait)
            if loop.time() + pause > deadline:
                raise Failure(
                    f"ingest at {self.url} cannot take the command: {trouble}"
                )
            self._waiting(trouble)
            await asyncio.sleep(pause)
            wait = min(2 * wait, MAX_WAIT_SECONDS)


def _retry_after(response: httpx.Response) -> float:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else 0.0


def _checked(response: httpx.Response) -> bytes:
    if response.is_success:
        return response.content
    try:
        problem = response.json()
        code = str(problem["code"])
        errors = "".join(
            f"; {error.get('line', error.get('pointer'))}: {error['detail']}"
            for error in problem.get("errors", ())[:1]
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        code, errors = "", ""
    detail = detail_of(response) + errors
    raise CommandRefused(response.status_code, code, detail)
