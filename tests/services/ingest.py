"""A running ingest service, and a clerk who sends it commands over a real socket."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import httpx
import uvicorn
from redis.asyncio import Redis

from tellers_core.codec import LogName, Recorded, decode
from tellers_core.roll_call import RollCall, replay
from tellers_ingest.app import create_app
from tellers_ingest.settings import IngestSettings
from tellers_runtime import fields, keys
from tellers_runtime.clock import Clock, utc_now
from tellers_runtime.log import LogReader, LogWriter, connect
from tellers_runtime.server import configuration, listen
from tellers_runtime.tokens import Scope, TokenStore

GA = LogName("ga")
LOGS = (GA, LogName("ga", rehearsal=True), LogName("sc"), LogName("sc", rehearsal=True))
PROBLEM = "application/problem+json"


@asynccontextmanager
async def running(
    redis_url: str, clock: Clock = utc_now, **settings: Any
) -> AsyncIterator[str]:
    """An ingest service on a port of its own; its address."""
    sock = listen("127.0.0.1", 0)
    read = IngestSettings(redis_url=redis_url, **settings)
    server = uvicorn.Server(configuration(create_app(read, clock), read.limits))
    serving = asyncio.create_task(server._serve(sockets=[sock]))
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


@contextmanager
def in_thread(redis_url: str, **settings: Any) -> Iterator[str]:
    """The same in a thread of its own, to be shared by tests; its address."""
    with asyncio.Runner() as runner, ThreadPoolExecutor(1) as pool:
        service = running(redis_url, **settings)
        url = pool.submit(runner.run, service.__aenter__()).result()
        loop = runner.get_loop()
        pool.submit(loop.run_forever)
        try:
            yield url
        finally:
            loop.call_soon_threadsafe(loop.stop)
            pool.submit(runner.run, service.__aexit__(None, None, None)).result()


class Clerk:
    """Sends commands with one token to one address."""

    def __init__(self, http: httpx.AsyncClient, chamber: str = "ga") -> None:
        self.http = http
        self.chamber = chamber

    async def send(
        self, method: str, path: str, json: object = None, **options: Any
    ) -> httpx.Response:
        """A request below `/v1/<chamber>/roll-calls`."""
        if json is not None:
            options["json"] = json
        url = f"/v1/{self.chamber}/roll-calls{path}"
        return await self.http.request(method, url, **options)

    async def done(
        self, method: str, path: str, json: object = None, **options: Any
    ) -> dict[str, Any]:
        """The answer to a command that is not refused."""
        response = await self.send(method, path, json, **options)
        assert response.status_code in (200, 201), response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def schedule(self, roll_call: str = "es-11-1", **more: object) -> None:
        body = {"id": roll_call, "title": "A title", "rule": "two_thirds", **more}
        await self.done("POST", "", body)

    async def open(self, roll_call: str = "es-11-1", **more: object) -> None:
        """Schedule and open."""
        await self.schedule(roll_call, **more)
        await self.done("POST", f"/{roll_call}/open")

    async def vote(
        self, delegation: str, vote: str, roll_call: str = "es-11-1", **options: Any
    ) -> httpx.Response:
        path = f"/{roll_call}/votes/{delegation}"
        return await self.send("PUT", path, {"vote": vote}, **options)

    async def bring(self, phase: str, roll_call: str = "es-11-1") -> None:
        """A new roll call, brought to that phase."""
        await self.schedule(roll_call)
        for step in STEPS[phase]:
            await self.done("POST", f"/{roll_call}/{step}")


STEPS: dict[str, Sequence[str]] = {
    "scheduled": (),
    "open": ("open",),
    "locked": ("open", "lock"),
    "closed": ("open", "lock", "close"),
    "annulled": ("annul",),
}


class Hall:
    """One Redis with its logs, and clerks at one or more ingest services."""

    def __init__(self, redis: Redis, urls: Sequence[str], token: str) -> None:
        self.redis = redis
        self.urls = urls
        self.token = token
        self.clerks: list[Clerk] = []

    @property
    def clerk(self) -> Clerk:
        return self.clerks[0]

    async def entries(self, log: LogName = GA) -> list[Recorded]:
        """The whole log, which has no gaps."""
        return [decode(e.body) for e in await LogReader(self.redis, log).range(0, 9999)]

    async def length(self) -> int:
        """Events in all logs."""
        return sum([await self.redis.xlen(keys.events(log)) for log in LOGS])

    async def state(self, roll_call: str = "es-11-1", log: LogName = GA) -> RollCall:
        """The roll call as its events make it, which is as the hash says; its versions
        are 1, 2, 3, ..."""
        entries = [e for e in await self.entries(log) if e.roll_call == roll_call]
        assert [e.version for e in entries] == list(range(1, len(entries) + 1))
        state = replay(e.event for e in entries)
        hashed = await LogWriter(self.redis).load(log.chamber, roll_call)
        loaded = fields.load(hashed)
        assert loaded is not None
        assert (loaded.version, loaded.seq) == (entries[-1].version, entries[-1].seq)
        assert loaded.roll_call.votes == state.votes
        assert (loaded.roll_call.phase, loaded.roll_call.rule) == (
            state.phase,
            state.rule,
        )
        assert loaded.roll_call.counts == state.counts
        return state


@asynccontextmanager
async def hall(
    redis_url: str, services: int | Sequence[str] = 1
) -> AsyncIterator[Hall]:
    """Logs begun, a clerk with every scope at each of the services: so many new ones,
    or those at these addresses."""
    redis = connect(redis_url, "test")
    for log in LOGS:
        await LogReader(redis, log).create()
    token = await TokenStore(redis).create("test", [Scope.ADMIN])
    headers = {"Authorization": f"Bearer {token}"}
    async with AsyncExitStack() as stack:
        stack.push_async_callback(redis.aclose)
        if isinstance(services, int):
            new = [running(redis_url) for _ in range(services)]
            urls: Sequence[str] = [await stack.enter_async_context(s) for s in new]
        else:
            urls = services
        found = Hall(redis, urls, token)
        for url in urls:
            http = httpx.AsyncClient(base_url=url, headers=headers, timeout=30)
            found.clerks.append(Clerk(await stack.enter_async_context(http)))
        yield found


def refusal(response: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem document, which is well-formed."""
    assert response.headers["content-type"] == PROBLEM, response.text
    body = response.json()
    assert body["status"] == response.status_code
    assert body["type"] == f"urn:tellers:problem:{body['code']}"
    assert body["title"]
    assert body["detail"]
    return response.status_code, body["code"]


def places(response: httpx.Response) -> list[str | int]:
    """The bad places that a problem document names."""
    return [e.get("pointer", e.get("line")) for e in response.json()["errors"]]
