"""Commands are served without FastAPI's machinery, and nobody can tell."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import Request
from fastapi.responses import Response
from starlette.types import ASGIApp

from tellers_core.events import Vote
from tellers_core.members import general_assembly
from tellers_core.roll_call import CastVote
from tellers_ingest import app, routes
from tellers_ingest.auth import Recording
from tellers_ingest.cache import Place
from tellers_ingest.direct import CommandRoute, Direct
from tellers_ingest.handler import Asked, Idempotency, Recorder, Sender
from tellers_runtime.log import LogWriter, connect_writer
from tellers_runtime.tokens import Scope, TokenStore
from tests.security.routes import COMMANDS
from tests.servers import RedisServer
from tests.services.ingest import Hall, hall, running

NOON = datetime(2026, 11, 23, 17, 0, 1, 234_000, tzinfo=UTC)
CODES = general_assembly().codes
VOTE = "/v1/ga/roll-calls/es-11-1/votes"
TOO_LONG = b" " * 20_000

# Method, path, body, headers: everything a vote, or a request like one, can meet. In
# order, on one log, so that each finds what those before it left.
Sent = tuple[str, str, bytes, dict[str, str]]
ASKED: list[Sent] = [
    ("PUT", f"{VOTE}/FRA", b'{"vote":"yes"}', {"Idempotency-Key": "k"}),
    ("PUT", f"{VOTE}/FRA", b'{"vote":"yes"}', {"Idempotency-Key": "k"}),
    ("PUT", f"{VOTE}/FRA", b'{"vote":"no"}', {"Idempotency-Key": "k"}),
    ("PUT", f"{VOTE}/FRA", b'{"vote":"no"}', {"If-Match": '"3"'}),
    ("PUT", f"{VOTE}/FRA", b'{"vote":"no"}', {"If-Match": '"3"'}),
    ("PUT", f"{VOTE}/FRA", b'{"vote":"no"}', {"If-Match": "3"}),
    ("PUT", f"{VOTE}/FRA", b'{"vote":"no"}', {"Idempotency-Key": "\u00fc"}),
    ("PUT", f"{VOTE}/FRA", b'{"vote":"no"}', {"Idempotency-Key": '"quo\\"ted"'}),
    ("PUT", f"{VOTE}/FRA", b'{"vote":"no"}', {}),
    ("PUT", f"{VOTE}/FRA", b'{"vote":"maybe","x":1}', {}),
    ("PUT", f"{VOTE}/FRA", b'{"vote":', {}),
    ("PUT", f"{VOTE}/FRA", b"", {}),
    ("PUT", f"{VOTE}/FRA", TOO_LONG, {}),
    ("PUT", f"{VOTE}/FRA", b"vote=yes", {"Content-Type": "text/plain"}),
    ("PUT", f"{VOTE}/FRA", b"{}", {"Content-Encoding": "gzip"}),
    ("PUT", f"{VOTE}/fra", b'{"vote":"yes"}', {}),
    ("PUT", f"{VOTE}/XXX", b'{"vote":"yes"}', {}),
    ("PUT", f"{VOTE}/%46RA", b'{"vote":"yes"}', {}),
    ("PUT", f"{VOTE}/FRA%0A", b'{"vote":"yes"}', {}),
    ("PUT", f"{VOTE}/FRA?x=1", b'{"vote":"abstain"}', {}),
    ("PUT", f"{VOTE}/FRA/", b'{"vote":"yes"}', {}),
    ("PUT", f"{VOTE}/FRA/x", b'{"vote":"yes"}', {}),
    ("PUT", VOTE, b'{"vote":"yes"}', {}),
    ("PUT", "/v1/xx/roll-calls/es-11-1/votes/FRA", b'{"vote":"yes"}', {}),
    ("PUT", "/v1/ga/roll-calls/none/votes/FRA", b'{"vote":"yes"}', {}),
    ("PUT", "/v1/sc/roll-calls/es-11-1/votes/FRA", b'{"vote":"yes"}', {}),
    ("PUT", f"{VOTE}/FRA", b"{}", {"Authorization": ""}),
    ("PUT", f"{VOTE}/FRA", b"{}", {"Authorization": "Basic eDp5"}),
    ("PUT", f"{VOTE}/FRA", b"{}", {"Authorization": "Bearer tlr_00000000_x"}),
    ("PUT", f"{VOTE}/FRA", b"{}", {"Authorization": "{presiding}"}),
    ("GET", f"{VOTE}/FRA", b"", {}),
    ("HEAD", f"{VOTE}/FRA", b"", {}),
    ("POST", f"{VOTE}/FRA", b"", {}),
    ("OPTIONS", f"{VOTE}/FRA", b"", {}),
    ("DELETE", f"{VOTE}/FRA", b"", {}),
    ("DELETE", f"{VOTE}/FRA", b"", {}),
    ("POST", VOTE, b'{"votes":[{"delegation":"FRA","vote":"x"}]}', {}),
    ("POST", VOTE, b"delegation,vote\nFRA,yes\n", {"Content-Type": "text/csv"}),
    ("POST", "/v1/ga/roll-calls/es-11-1/lock", b"", {}),
    ("PUT", f"{VOTE}/PER", b'{"vote":"yes"}', {}),
    ("PUT", f"{VOTE}/FRA", b'{"vote":"yes"}', {"Idempotency-Key": "k"}),
    ("POST", "/v1/ga/roll-calls/es-11-1/close", b'{"announced":{"yes":9}}', {}),
    (
        "POST",
        "/v1/ga/roll-calls/es-11-1/close",
        b'{"announced":{"yes":9,"no":0,"abstain":0}}',
        {},
    ),
    ("POST", "/v1/ga/roll-calls/es-11-1/close", b"", {}),
    ("PUT", f"{VOTE}/PER", b'{"vote":"yes"}', {}),
]
Answered = tuple[int, list[tuple[bytes, bytes]], bytes]


def without_direct(inner: ASGIApp, _: Iterable[Any], __: Mapping[Any, Any]) -> ASGIApp:
    """All of it through FastAPI."""
    return inner


async def answers(redis_url: str) -> list[Answered]:
    """What a service on an empty log says to all of it: status, headers, body."""
    async with (
        running(redis_url, clock=lambda: NOON) as url,
        hall(redis_url, [url]) as at,
    ):
        await at.clerk.open()
        presiding = await TokenStore(at.redis).create("p", [Scope.PRESIDE])
        return [await _answer(at, asked, presiding) for asked in ASKED]


async def _answer(at: Hall, asked: Sent, presiding: str) -> Answered:
    method, path, body, headers = asked
    if "Authorization" in headers:
        text = headers["Authorization"].replace("{presiding}", f"Bearer {presiding}")
        headers = headers | {"Authorization": text}
    sent = {k.encode(): v.encode("latin-1") for k, v in headers.items()}
    answer = await at.clerk.http.request(method, path, content=body, headers=sent)
    changing = (b"date", b"request-id")
    assert answer.headers["Request-Id"]
    raw = [(k.lower(), v) for k, v in answer.headers.raw if k.lower() not in changing]
    return answer.status_code, raw, answer.content


async def test_both_ways_give_the_same_answers_byte_by_byte(
    redis_server: RedisServer, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    direct = await answers(redis_url)
    with redis_server.client() as client:
        client.flushall()
    monkeypatch.setattr(app, "Direct", without_direct)
    generic = await answers(redis_url)
    for asked, one, other in zip(ASKED, direct, generic, strict=True):
        assert one == other, asked
    assert {status for status, _, _ in direct} >= {
        200, 201, 400, 401, 403, 404, 405, 409, 412, 413, 415, 422
    }  # fmt: skip


async def test_every_command_is_served_directly(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, str]] = []

    class Noting(CommandRoute):
        async def respond(self, request: Request) -> Response:
            seen.append((request.method, self.path))
            return await super().respond(request)

    async def refuse(*_: object) -> None:
        raise AssertionError("it came to FastAPI")

    for route in routes.router.routes:
        assert isinstance(route, CommandRoute)
        monkeypatch.setattr(route, "__class__", Noting)
    of_roll_calls = [c for c in COMMANDS if c.below.startswith("/roll-calls")]
    async with hall(redis_url) as at:
        for method, path, body, _ in of_roll_calls:
            await at.clerk.send(method, path, body)
    assert len(set(seen)) == len(of_roll_calls) == len(routes.router.routes)


async def test_what_nobody_expected_is_answered_and_raised() -> None:
    """As FastAPI does: the server logs it."""
    answered: list[dict[str, Any]] = []

    async def fails(request: Request, token: Recording) -> Response:
        raise ZeroDivisionError

    async def unexpected(_: Request, __: Exception) -> Response:
        return Response(b"sorry", 500)

    async def admit(_: Request) -> None:
        return None

    async def send(message: Any) -> None:
        answered.append(message)

    route = CommandRoute("/x", fails, methods=["PUT"])
    route._admit = admit  # type: ignore[assignment]
    direct = Direct(Response(), [route], {Exception: unexpected})
    scope = {"type": "http", "method": "PUT", "path": "/x", "headers": []}
    with pytest.raises(ZeroDivisionError):
        await direct(scope, None, send)  # type: ignore[arg-type]
    assert answered[0]["status"] == 500
    assert answered[1]["body"] == b"sorry"


def test_a_command_takes_what_a_command_is_given() -> None:
    async def without_token(request: Request, chamber: str) -> Response:
        raise NotImplementedError

    async def with_more(
        request: Request, token: Recording, chamber: str, limit: int = 3
    ) -> Response:
        raise NotImplementedError

    for endpoint in (without_token, with_more):
        with pytest.raises(TypeError, match="must take request, token, chamber"):
            CommandRoute("/v1/{chamber}", endpoint, methods=["PUT"])


async def test_a_thousand_votes_at_once(redis_url: str) -> None:
    """Each has a place of its own, few round trips, and the roll calls are whole."""
    names = [f"r{number}" for number in range(10)]
    async with hall(redis_url) as at, connect_writer(redis_url, "test") as redis:
        asyncio.get_running_loop().set_debug(False)  # a stack each is too slow
        recorder = Recorder(LogWriter(redis))

        async def vote(name: str, code: str) -> int:
            asked = Asked(
                Place("ga", name),
                CastVote(code, Vote.YES),
                Sender("0badcafe", "desk", "127.0.0.1"),
                Idempotency(f"{name}-{code}", "f" * 64),
            )
            answer = await recorder.record(asked)
            assert answer.status == 201
            return int(json.loads(answer.body)["seq"])

        for name in names:
            await at.clerk.open(name)
            await vote(name, CODES[0])  # now it is kept, and not read again
        before, reads = await at.length(), await _reads(at)
        places = await asyncio.gather(
            *(vote(name, code) for name in names for code in CODES[1:101])
        )
        assert sorted(places) == list(range(before + 1, before + 1001))
        # Each by itself would be a thousand; Redis takes some 16 KiB at a time.
        assert await _reads(at) - reads < 500
        for name in names:
            assert (await at.state(name)).yes == 101


async def _reads(at: Hall) -> int:
    return int((await at.redis.info("stats"))["total_reads_processed"])
