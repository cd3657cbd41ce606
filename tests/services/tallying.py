"""Words for the tests of the tally service: a log to write to, an archive to look at,
and processes or tasks that carry the one into the other."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self, cast

import httpx
from msgspec.structs import replace
from redis.asyncio import Redis
from sqlalchemy import Engine, select, text
from sqlmodel import SQLModel

from tellers_core import tally
from tellers_core.codec import LogName, decode, encode
from tellers_core.events import (
    Event,
    Vote,
    VoteChanged,
    VoteRecorded,
    VoteWithdrawn,
)
from tellers_core.members import general_assembly
from tellers_core.tally import Projection, Tally, decode_tally
from tellers_runtime import keys
from tellers_runtime.archive.engine import migrate, open_engine
from tellers_runtime.archive.tables import EventRow, LogRow, RollCallRow, VoteRow
from tellers_runtime.fields import changes
from tellers_runtime.log import (
    Append,
    Appended,
    Entry,
    LogReader,
    LogWriter,
    TallyChannel,
    connect,
)
from tellers_tally.lease import lead_when_ours
from tellers_tally.projector import stored
from tellers_tally.settings import TallySettings
from tellers_tally.store import Store
from tellers_tally.worker import Worker
from tests.e2e.stack import Service, Stack
from tests.scenario import AT, recorded_roll_call, scheduled

GA = LogName("ga")
LEASE = "tally:ga"
# Short enough for a quick test, long enough for a busy machine's beat to be heard.
LEASE_SECONDS = 0.5
NONSENSE = b"not JSON"
ASSEMBLY = scheduled("two_thirds", general_assembly().codes)
# All 193 answer.
VOTES: tuple[Event, ...] = tuple(
    VoteRecorded(row.code, row.vote or Vote.ABSTAIN)
    for row in recorded_roll_call("es-11-1")
)


async def until(holds: Callable[[], Any], what: str, seconds: float = 60.0) -> None:
    """Return as soon as it holds, sync or async. Raises TimeoutError naming `what`."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                answer = holds()
                if asyncio.iscoroutine(answer):
                    answer = await answer
                if answer:
                    return
                await asyncio.sleep(0.01)
    except TimeoutError as error:
        raise TimeoutError(f"waited {seconds:g} s for {what}") from error


def silent(_: int, __: int) -> None:
    """Tell nobody how far it is."""


# ---- entries and the log


def entries(
    history: Iterable[Event],
    name: str = "r1",
    first_seq: int = 1,
    first_version: int = 1,
    log: LogName = GA,
) -> list[Entry]:
    """The events as they stand in a log, one after the other."""
    return [
        Entry(
            first_seq + n,
            encode(log, name, event, AT).filled(name, first_seq + n, first_version + n),
        )
        for n, event in enumerate(history)
    ]


def reworded(entry: Entry, old: bytes, new: bytes) -> Entry:
    """The entry with something else in it."""
    assert old in entry.body
    return Entry(entry.seq, entry.body.replace(old, new))


class Logbook:
    """A real log in Redis, written as ingest writes it."""

    def __init__(self, url: str, log: LogName = GA) -> None:
        self.log = log
        self.redis = connect(url, "logbook")
        self.reader = LogReader(self.redis, log)
        self.channel = TallyChannel(self.redis, log)
        self._writer = LogWriter(self.redis)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.redis.aclose()

    async def append(self, name: str, *events: Event) -> int:
        """Append the events at once; returns the seq of the last."""
        appended = await self._writer.append(
            Append(
                self.log,
                name,
                {},
                [encode(self.log, name, event, AT) for event in events],
                {k: v for event in events for k, v in changes(event).items()},
                b"",
                b"",
            )
        )
        assert isinstance(appended, Appended)
        return appended.seq

    async def poison(self, body: bytes) -> int:
        """Append bytes that ingest never would, and let ingest go on after them."""
        seq = await self.reader.head() + 1
        await self.redis.xadd(keys.events(self.log), {"e": body}, id=f"{seq}-0")
        await self.redis.hset(keys.meta(self.log), "seq", str(seq))
        return seq

    async def entries(self) -> list[Entry]:
        """The whole log."""
        return await self.reader.range(0, 1_000_000)

    async def raw(self) -> object:
        """The stream as Redis has it."""
        return await self.redis.xrange(keys.events(self.log))

    async def published(self, name: str | None = None) -> list[Tally]:
        """What was published, in order: all, or of one roll call."""
        tallies = map(decode_tally, (await self.channel.recent()).tallies)
        return [one for one in tallies if name in (None, one.roll_call)]

    async def projected(self) -> int:
        """The seq up to which the tally service says it has published."""
        return (await self.channel.recent()).seq

    async def hashes(self) -> dict[bytes, dict[bytes, bytes]]:
        """What ingest knows of each roll call, by key."""
        found: dict[bytes, dict[bytes, bytes]] = {}
        pattern = keys.roll_call(self.log.chamber, "*")
        async for key in self.redis.scan_iter(pattern):
            found[key] = cast(Any, await self.redis.hgetall(key))
        return found

    async def known(self) -> dict[bytes, dict[bytes, bytes]]:
        """The same, but for the epoch that a restored log gives them."""
        found = await self.hashes()
        for fields in found.values():
            fields.pop(b"epoch", None)
        return found

    async def saved(self) -> dict[bytes, bytes]:
        """All of Redis, for `put_back`."""
        names = [key async for key in self.redis.scan_iter()]
        return {name: cast(bytes, await self.redis.dump(name)) for name in names}

    async def put_back(self, saved: dict[bytes, bytes]) -> None:
        """Redis as it was, at once."""
        pipe = self.redis.pipeline(transaction=True)
        pipe.flushall()
        for key, value in saved.items():
            pipe.restore(key, 0, value)
        await pipe.execute()


# ---- the archive


class Archive:
    """What is in the database, row by row."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine: Engine = open_engine(url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.dispose()

    def rows(self, table: type[SQLModel], log: LogName = GA) -> list[dict[str, Any]]:
        """All columns of all rows of a log, in the primary key's order."""
        columns = table.__table__  # type: ignore[attr-defined]
        log_column = "name" if table is LogRow else "log"
        query = (
            select(*columns.columns)
            .where(columns.c[log_column] == str(log))
            .order_by(*columns.primary_key)
        )
        with self.engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    def lease(self) -> dict[str, Any]:
        """Who leads."""
        with self.engine.connect() as connection:
            row = connection.execute(text("SELECT * FROM lease")).one()
            return dict(row._mapping)

    def projections(self, log: LogName = GA) -> tuple[object, object]:
        """Every column of every roll call and vote."""
        return self.rows(RollCallRow, log), self.rows(VoteRow, log)

    def everything(self, log: LogName = GA) -> tuple[object, ...]:
        """Events and position too."""
        return (
            self.rows(LogRow, log),
            self.rows(EventRow, log),
            *self.projections(log),
        )

    def seq(self, log: LogName = GA) -> int:
        """How far it is; -1 when it has not begun."""
        found = self.rows(LogRow, log)
        return int(found[0]["seq"]) if found else -1

    def roll_call(self, name: str) -> dict[str, Any]:
        """One roll call's row."""
        (row,) = (row for row in self.rows(RollCallRow) if row["id"] == name)
        return row

    def tampered(self, statement: str) -> None:
        """Do to it what nobody should."""
        with self.engine.begin() as connection:
            assert connection.exec_driver_sql(statement).rowcount > 0

    def must_equal_a_recount(self, log: list[Entry], name: LogName = GA) -> None:
        """Every entry archived once, in order, byte for byte, and the projections what
        a count of the log from its beginning gives; held roll calls at the last good.
        """
        assert self.seq(name) == (log[-1].seq if log else 0)
        archived = [
            Entry(r["seq"], r["body"].encode()) for r in self.rows(EventRow, name)
        ]
        assert archived == log
        counted = recount(log)
        assert {row["id"] for row in self.rows(RollCallRow, name)} == set(counted)
        for row in self.rows(RollCallRow, name):
            expected = counted[row["id"]]
            shown = replace(tally.tally(expected.projection, ""), confirmed=True)
            found = decode_tally(row["tally"].encode())
            assert found.held is None
            assert row["tally"] == stored(shown)
            assert row["scheduled_seq"] == expected.scheduled
            assert (row["seq"], row["version"]) == (shown.seq, shown.version)
            assert (row["phase"], row["status"]) == (shown.phase, shown.verdict.status)
            assert row["held_seq"] is None
            counts = {field: row[field] for field in shown.counts.__struct_fields__}
            assert counts == {f: getattr(shown.counts, f) for f in counts}
        votes: dict[str, dict[str, tuple[str, int]]] = defaultdict(dict)
        for row in self.rows(VoteRow, name):
            votes[row["roll_call"]][row["delegation"]] = row["vote"], row["seq"]
        assert votes == {n: c.votes for n, c in counted.items() if c.votes}


class Counted(NamedTuple):
    """A roll call as counted from the log by the core alone."""

    projection: Projection
    scheduled: int
    votes: dict[str, tuple[str, int]]


def recount(log: list[Entry]) -> dict[str, Counted]:
    """Count a log of good entries from its beginning."""
    found: dict[str, Counted] = {}
    for entry in log:
        recorded = decode(entry.body)
        name, event = recorded.roll_call, recorded.event
        before = found.get(name)
        if before is None:
            projection = tally.absorb(None, recorded)
            found[name] = Counted(projection, recorded.seq, {})
            continue
        tally.absorb(before.projection, recorded)
        match event:
            case VoteRecorded(delegation, vote) | VoteChanged(delegation, vote):
                before.votes[delegation] = str(vote), recorded.seq
            case VoteWithdrawn(delegation):
                del before.votes[delegation]
            case _:
                pass
    return found


# ---- the tally service, in this process


def settings_for(redis_url: str, database_url: str) -> TallySettings:
    """The settings of a tally service of one chamber."""
    return TallySettings(
        redis_url=redis_url,
        database_url=database_url,
        chambers="ga",
        lease_seconds=LEASE_SECONDS,
    )


class Leader(NamedTuple):
    """A tally service in a task of this process, with a worker for each log."""

    workers: list[Worker]
    store: Store
    task: "asyncio.Task[None]"

    @property
    def worker(self) -> Worker:
        """The first log's."""
        return self.workers[0]


@asynccontextmanager
async def candidate(
    redis_url: str,
    database_url: str,
    logs: Iterable[LogName] = (GA,),
    lease_seconds: float = LEASE_SECONDS,
) -> AsyncIterator[Leader]:
    """A tally service that leads as soon as it may, until the end of the `with`."""
    engine = open_engine(database_url)
    redis: Redis = connect(redis_url, "tellers-tally")
    store = Store(engine, LEASE, "here")
    workers = [
        Worker(LogReader(redis, log), TallyChannel(redis, log), store) for log in logs
    ]
    task = asyncio.create_task(lead_when_ours(store, workers, lease_seconds))
    try:
        yield Leader(workers, store, task)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await redis.aclose()
        engine.dispose()


@asynccontextmanager
async def leading(
    redis_url: str,
    database_url: str,
    logs: Iterable[LogName] = (GA,),
    lease_seconds: float = LEASE_SECONDS,
) -> AsyncIterator[Leader]:
    """A tally service that leads."""
    async with candidate(redis_url, database_url, logs, lease_seconds) as leader:
        await until(
            lambda: leader.task.done() or not any(w.trouble for w in leader.workers),
            "the lead",
        )
        yield leader


@asynccontextmanager
async def tallied(
    redis_url: str, database_url: str
) -> AsyncIterator[tuple[Logbook, Archive, Leader]]:
    """A log, its archive, and a tally service that carries the one into the other."""
    migrate(database_url)
    async with (
        Logbook(redis_url) as log,
        leading(redis_url, database_url) as leader,
    ):
        with Archive(database_url) as archive:
            yield log, archive, leader


# ---- the tally service, as processes


def stack_of_tallies(folder: Path, database_url: str) -> Stack:
    """Redis and archive for tally processes; what else a stack has is not started."""
    settings = {
        "TELLERS_CHAMBERS": "ga",
        "TELLERS_LEASE_SECONDS": str(LEASE_SECONDS),
    }
    stack = Stack(folder, database_url, settings)
    stack.redis.start()
    migrate(database_url)
    return stack


def not_ready(service: Service) -> str:
    """Why /readyz says 503; "" when it says 200 or nothing."""
    try:
        answer = httpx.get(f"{service.url}/readyz", timeout=2)
    except httpx.HTTPError:
        return ""
    return " ".join(answer.json().get("missing", {}).values())


def metric(service: Service, name: str) -> float:
    """A metric of the log `ga`, or of the process; nan when it does not answer."""
    try:
        lines = httpx.get(f"{service.url}/metrics", timeout=2).text.splitlines()
    except httpx.HTTPError:
        return float("nan")
    for line in lines:
        if line.startswith((f'{name}{{log="ga"}} ', f"{name} ")):
            return float(line.rpartition(" ")[2])
    return float("nan")
