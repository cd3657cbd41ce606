"""Redis ends at any instant: killed, without power, or in the middle of a write."""

import asyncio
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from tellers_runtime import keys
from tellers_runtime.log import Appended, Duplicate, LogWriter, connect
from tests.faults.powercut import cut_power, noticed, powercut_server
from tests.faults.proxy import FaultProxy
from tests.faults.report import FULL, Report, size
from tests.faults.writers import (
    GA,
    Kept,
    Ledger,
    begin,
    kept,
    more,
    until,
    vote,
    writing,
)
from tests.servers import RedisServer

KILLS = size(4, 20)
EACH = size(120, 1000)  # commands acknowledged between two of them


async def storm(
    server: RedisServer,
    end: Callable[[], object],
    *,
    rounds: int = KILLS,
    each: int = EACH,
    keyed: bool = True,
) -> Ledger:
    """Writers at a server that ends again and again.

    Every other time its replies of the last moment are lost as well, and every third
    time it is rewriting its append-only file.
    """

    def restart() -> None:
        end()
        server.start()

    async with (
        FaultProxy(server.port) as proxy,
        writing(proxy.redis_url, keyed=keyed) as ledger,
    ):
        for number in range(rounds):
            await more(ledger, each)
            if number % 3 == 2:
                await asyncio.to_thread(rewrite, server)
            if number % 2 == 0:
                await lose_replies(proxy, ledger)
            await asyncio.sleep(random.uniform(0, 0.05))
            await asyncio.to_thread(restart)
            proxy.reset()
            proxy.half = False
        await more(ledger, each)
    return ledger


async def lose_replies(proxy: FaultProxy, ledger: Ledger) -> None:
    """What is sent now is carried out, and nobody hears of it."""
    before = ledger.in_vain
    proxy.half = True
    await asyncio.sleep(0.05)
    proxy.reset()
    await until(lambda: ledger.in_vain > before, "replies to be lost")


def rewrite(server: RedisServer) -> None:
    """Have it rewrite its append-only file, unless that is switched off."""
    with server.client() as client:
        if client.config_get("auto-aof-rewrite-percentage") == {
            "auto-aof-rewrite-percentage": "0"
        }:
            return
        with suppress(ResponseError):  # it is at it already
            client.bgrewriteaof()


def begun(server: RedisServer) -> RedisServer:
    """The server, started, with a log."""
    server.start()
    with server.client() as client:
        begin(client)
    return server


def judged(server: RedisServer, ledger: Ledger) -> Kept:
    with server.client() as client:
        return kept(client, ledger)


async def test_f1_redis_is_killed(tmp_path: Path, report: Report) -> None:
    with begun(RedisServer(tmp_path / "keyed")) as server:
        ledger = await storm(server, server.kill)
        found = judged(server, ledger)
    report.figures(
        "F1 kill -9 of Redis",
        kills=KILLS,
        acked=len(ledger.acked),
        replayed=ledger.replayed,
        **found._asdict(),
    )
    assert found == Kept(lost=0, dup=0, gaps=0)
    assert ledger.replayed > 0  # some were stored and not answered
    assert not FULL or len(ledger.acked) >= 20_000

    with begun(RedisServer(tmp_path / "bare")) as server:
        ledger = await storm(server, server.kill, rounds=2, keyed=False)
        found = judged(server, ledger)
    report.control("F1", "idempotency keys", dup=found.dup)
    assert found.dup > 0


@pytest.mark.parametrize("fsync", ["always", "everysec"])
async def test_f2_the_power_is_cut(tmp_path: Path, report: Report, fsync: str) -> None:
    taken: list[int] = []
    rounds, each = (KILLS, EACH) if fsync == "always" else (3, 400)
    with begun(powercut_server(tmp_path, fsync)) as server:
        await until(lambda: noticed(server), "the log's beginning to be on the disk")
        ledger = await storm(
            server, lambda: taken.append(cut_power(server)), rounds=rounds, each=each
        )
        found = judged(server, ledger)
    figures = {
        "cuts": len(taken),
        "acked": len(ledger.acked),
        "bytes_cut": sum(taken),
        **found._asdict(),
    }
    if fsync == "always":
        report.figures("F2 power cut", **figures)
        assert found == Kept(lost=0, dup=0, gaps=0)
    else:
        report.control("F2", "appendfsync always", **figures)
        assert found.lost > 0


# ---- F3


def two_commands(url: str) -> None:
    """What the script does, without the script."""
    with Redis.from_url(url) as redis:
        redis.xadd(keys.events(GA), {"e": "x" * 300}, id="3-0")
        redis.hset(keys.meta(GA), "seq", "3")


def by_the_script(url: str) -> None:
    asyncio.run(append(url, "third"))


async def append(url: str, command: str) -> Appended | Duplicate:
    redis = connect(url, "torn")
    try:
        result = await LogWriter(redis).append(vote("torn", command))
    finally:
        await redis.aclose()
    assert isinstance(result, Appended | Duplicate)
    return result


def consistent(url: str) -> bool:
    """Whether log, meta, roll call and keys tell of the same events, and the third
    command is taken once, whether it was kept or not."""
    with Redis.from_url(url) as redis:
        length = int(redis.xlen(keys.events(GA)))
        said = [
            int(redis.hget(keys.meta(GA), "seq") or 0),
            *map(int, redis.hmget(keys.roll_call("ga", "torn"), "seq", "version")),
            len(list(redis.scan_iter(match=keys.idempotency("ga", "*")))),
        ]
        if said != [length] * 4:
            return False
        again = asyncio.run(append(url, "third"))
        right = Duplicate if length == 3 else Appended
        return isinstance(again, right) and redis.xlen(keys.events(GA)) == 3


def torn(whole: Path, begins: int, ends: int, folder: Path) -> list[bool]:
    """Whether each is consistent, of the logs cut within the last append."""
    step = 1 if FULL else (ends - begins) // 12
    found = []
    for length in range(begins, ends, step):
        shutil.copytree(whole, folder)
        (file,) = folder.rglob("*.incr.aof")
        with file.open("r+b") as opened:
            opened.truncate(length)
        with RedisServer(folder) as server:
            found.append(consistent(server.url))
            server.kill()
        shutil.rmtree(folder)
    return found


@pytest.mark.parametrize("last", [by_the_script, two_commands])
def test_f3_the_log_ends_within_an_append(
    tmp_path: Path, report: Report, last: Callable[[str], None]
) -> None:
    with begun(RedisServer(tmp_path / "whole")) as server:
        for command in ("first", "second"):
            asyncio.run(append(server.url, command))
        (file,) = server.directory.rglob("*.incr.aof")
        begins = file.stat().st_size
        last(server.url)
        ends = file.stat().st_size
        server.kill()
    found = torn(server.directory, begins, ends, tmp_path / "cut")
    inconsistent = found.count(False)
    if last is by_the_script:
        report.figures("F3 torn file", cuts=len(found), inconsistent=inconsistent)
        assert inconsistent == 0
        assert len(found) >= size(10, 100)
    else:
        report.control("F3", "the script", cuts=len(found), inconsistent=inconsistent)
        assert inconsistent > 0
