"""Ten thousand pollers of one tally, with and without the caching proxy.

Each asks every five seconds, so together 2,000 times a second, over 32 connections that
are kept open; votes go on meanwhile. Counted: what the cache answered, how often a
gateway was asked, and the gateway's processor time. Baseline of the same run: the same
pollers at the gateway itself. Pollers, nginx and all services share this machine.
"""

import asyncio
import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import uvloop

from tests.bench.report import quantile, table
from tests.deploy.nginx import Nginx, find_nginx
from tests.e2e.stack import Stack
from tests.faults.voting import Voting
from tests.servers import HOST

POLLERS = 10_000
POLL_SECONDS = 5.0
CONNECTIONS = 32
SECONDS = 15.0
VOTE_EVERY_SECONDS = 0.2
PATH = "/v1/ga/roll-calls/bench/tally"


class Polled(NamedTuple):
    """What came of it: answers by X-Cache, milliseconds of each, processor seconds of
    the gateway, and how long it took."""

    answers: Counter[str]
    milliseconds: list[float]
    gateway_seconds: float
    seconds: float


async def _connection(
    port: int, number: int, answers: Counter[str], times: list[float]
) -> None:
    """Its share of the pollers, evenly in time; late requests are sent at once."""
    reader, writer = await asyncio.open_connection(HOST, port)
    request = f"GET {PATH} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    step = POLL_SECONDS / POLLERS * CONNECTIONS
    loop = asyncio.get_running_loop()
    began = loop.time()
    due = began + step * number / CONNECTIONS
    while due < began + SECONDS:
        await asyncio.sleep(max(0.0, due - loop.time()))
        sent = loop.time()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:-2])
        await reader.readexactly(int(fields["content-length"]))
        times.append((loop.time() - sent) * 1000)
        good = head.startswith("http/1.1 200")
        answers[fields.get("x-cache", "none") if good else head[9:12]] += 1
        due += step
    writer.close()
    await writer.wait_closed()


async def _poll(port: int) -> tuple[Counter[str], list[float]]:
    answers: Counter[str] = Counter()
    times: list[float] = []
    await asyncio.gather(
        *(_connection(port, n, answers, times) for n in range(CONNECTIONS))
    )
    return answers, times


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _measure(stack: Stack, port: int) -> Polled:
    before, began = _processor_seconds(stack.gateway.pid), time.monotonic()
    with Voting(stack, "bench", VOTE_EVERY_SECONDS):
        answers, times = uvloop.run(_poll(port))
    used = _processor_seconds(stack.gateway.pid) - before
    return Polled(answers, times, used, time.monotonic() - began)


def run() -> None:
    """Print the table; says so where there is no nginx."""
    if find_nginx() is None:
        print("SKIPPED: no nginx on the path; Debian's package is nginx-light")
        return
    with tempfile.TemporaryDirectory() as name, Stack(Path(name)) as stack:
        stack.clerk().open("bench")
        gateways = [f"{HOST}:{stack.gateway.port}"]
        ingests = [f"{HOST}:{stack.ingest.port}"]
        with Nginx(Path(name) / "nginx", gateways, ingests) as nginx:
            direct = _measure(stack, stack.gateway.port)
            proxied = _measure(stack, nginx.port)
    table(
        f"{POLLERS:,} pollers of one tally, each every {POLL_SECONDS:g} s, "
        f"s-maxage=1 ({SECONDS:g} s, {1 / VOTE_EVERY_SECONDS:g} votes/s)",
        [
            *("what", "answers/s", "hit rate", "to a gateway/s", "p50 ms", "p99 ms"),
            *("gateway ms of CPU for 1,000 answers", "ratio"),
        ],
        [
            _row("at the gateway itself", direct, direct),
            _row("through the proxy", proxied, direct),
        ],
    )
    bad = {
        status: many
        for found in (direct, proxied)
        for status, many in found.answers.items()
        if status.isdigit()
    }
    if bad:
        print(f"  refused: {bad}")


def _row(name: str, some: Polled, baseline: Polled) -> list[str]:
    total = sum(some.answers.values())
    hits = some.answers["hit"]
    return [
        name,
        f"{total / some.seconds:,.0f}",
        f"{hits / total:.4f}",
        f"{(total - hits) / some.seconds:,.1f}",
        f"{quantile(some.milliseconds, 0.5):.1f}",
        f"{quantile(some.milliseconds, 0.99):.1f}",
        f"{_each(some):,.1f}",
        f"{_each(some) / _each(baseline):.3f}",
    ]


def _each(some: Polled) -> float:
    return some.gateway_seconds * 1e6 / sum(some.answers.values())
