"""The archive under load: SQLite beside PostgreSQL.

A log of 50,000 events is there when the tally service starts; it counts and archives
them all. Meanwhile four readers ask a gateway for pages of roll calls, and for roll
calls in full, which come from the archive. Both databases sync to this machine's disk.
Baseline of the same run: SQLite.
"""

import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
from redis import Redis

from tellers_runtime import keys
from tellers_runtime.archive.engine import open_engine
from tellers_runtime.archive.reading import ArchiveReader
from tellers_runtime.log import Entry
from tests.bench.history import LOG, entries
from tests.bench.report import quantile, table
from tests.e2e.stack import Service, Stack
from tests.servers import PostgresServer, find_postgres, wait_until

EVENTS = 50_000
READERS = 4
PATIENCE_SECONDS = 600.0


class SyncedPostgres(PostgresServer):
    """PostgreSQL that keeps what it has committed: the tests' own does not."""

    def _popen(self, command: list[str], output: int) -> "subprocess.Popen[bytes]":
        synced = ["fsync=on" if word == "fsync=off" else word for word in command]
        return super()._popen(synced, output)


class Measured(NamedTuple):
    """Seconds until all was archived, bytes that it takes then; milliseconds of each
    read meanwhile."""

    seconds: float
    pages: list[float]
    details: list[float]
    bytes: int = 0


class _Waiting(Stack):
    """A stack whose tally service is started last."""

    @property
    def services(self) -> list[Service]:
        return [self.ingest, self.gateway, self.tally]

    def wait_ready(self, seconds: float = 15.0) -> None:
        """Not before there is something to be ready for."""


def _fill(redis: "Redis", log: list[Entry]) -> None:
    pipe = redis.pipeline(transaction=False)
    for entry in log:
        pipe.xadd(keys.events(LOG), {"e": entry.body}, id=f"{entry.seq}-0")
        if len(pipe) >= 1000:
            pipe.execute()
    pipe.hset(keys.meta(LOG), mapping={"seq": len(log), "epoch": "bench"})
    pipe.execute()


def _archived(reader: ArchiveReader) -> int:
    position = reader.position(LOG)
    return position.seq if position else 0


@contextmanager
def _reading(url: str, measured: Measured) -> Iterator[None]:
    """Readers, until the block ends."""
    stop = threading.Event()

    def read() -> None:
        with httpx.Client(base_url=url, verify=False, timeout=30) as http:
            while not stop.is_set():
                began = time.monotonic()
                answer = http.get("/v1/ga/roll-calls?limit=20&phase=closed")
                if not answer.is_success or not answer.json()["items"]:
                    stop.wait(0.05)  # nothing is archived yet
                    continue
                measured.pages.append((time.monotonic() - began) * 1000)
                oldest = answer.json()["items"][-1]["roll_call"]
                began = time.monotonic()
                http.get(f"/v1/ga/roll-calls/{oldest}").raise_for_status()
                measured.details.append((time.monotonic() - began) * 1000)
                stop.wait(0.02)

    threads = [threading.Thread(target=read) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _measure(folder: Path, database_url: str | None, log: list[Entry]) -> Measured:
    measured = Measured(0.0, [], [])
    folder.mkdir()
    stack = _Waiting(folder, database_url)
    with stack.redis:
        with stack.redis.client() as redis:
            _fill(redis, log)
        with stack:
            reader = ArchiveReader(open_engine(stack.database_url))
            began = time.monotonic()
            with _reading(stack.gateway_url, measured):
                wait_until(
                    lambda: _archived(reader) == len(log),
                    PATIENCE_SECONDS,
                    "the archive",
                )
            seconds = time.monotonic() - began
            size = _size(stack.database_url)
            return measured._replace(seconds=seconds, bytes=size)


def _size(database_url: str) -> int:
    engine = open_engine(database_url)
    query = "SELECT pg_database_size(current_database())"
    if engine.dialect.name == "sqlite":
        query = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    with engine.connect() as connection:
        found = connection.exec_driver_sql(query).scalar_one()
    engine.dispose()
    return int(found)


def run() -> None:
    """Print the table."""
    log = entries(EVENTS)
    with ExitStack() as everything:
        folder = Path(everything.enter_context(tempfile.TemporaryDirectory()))
        found = {"SQLite (WAL, synchronous=FULL)": _measure(folder / "s", None, log)}
        if find_postgres():
            server = everything.enter_context(SyncedPostgres())
            url = server.new_database()
            found["PostgreSQL (fsync)"] = _measure(folder / "p", url, log)
        else:
            print("SKIPPED: no PostgreSQL, neither Debian's nor the wheel's")
    baseline, *_ = found.values()
    table(
        f"{EVENTS:,} events counted twice and archived, {READERS} readers meanwhile",
        [
            *("archive", "events/s", "ratio", "bytes an event"),
            *("page p50", "p99", "roll call p50", "p99 ms"),
        ],
        [_row(name, one, baseline) for name, one in found.items()],
    )


def _row(name: str, one: Measured, baseline: Measured) -> list[str]:
    reads = [
        f"{quantile(some, q):.1f}" if some else "-"
        for some in (one.pages, one.details)
        for q in (0.5, 0.99)
    ]
    rate = f"{EVENTS / one.seconds:,.0f}"
    ratio = f"{baseline.seconds / one.seconds:.2f}"
    return [name, rate, ratio, f"{one.bytes / EVENTS:,.0f}", *reads]
