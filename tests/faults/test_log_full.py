"""Redis has no more room: on the disk, or in memory."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from redis import Redis

from tellers_runtime import keys
from tests.faults.report import Report, size
from tests.faults.writers import GA, WRITERS, Kept, begin, kept, more, until, writing
from tests.servers import RedisServer
from tests.services.ingest import Clerk, hall, refusal, running

KIB = size(256, 1024)
NOT_VOTES = ("version", "seq")  # all else in these roll calls' hashes
ROOM = 1_500_000  # bytes of memory left to write to


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of so few KiB; skips the test where we may not mount one."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system to fill")
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={KIB}k", "tmpfs", str(folder)]
    mounted = subprocess.run(["mount", *options], check=False, capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"no small file system to fill: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


async def vote(clerk: Clerk, number: int) -> httpx.Response:
    """A vote that differs from the one before, with a key of its own."""
    key = {"Idempotency-Key": f"vote-{number}"}
    return await clerk.vote("FRA", ("yes", "no")[number % 2], headers=key)


@pytest.mark.parametrize("fsync", ["always", "everysec"])
async def test_f4_the_disk_is_full(tmp_path: Path, report: Report, fsync: str) -> None:
    asyncio.get_running_loop().set_debug(False)  # slower than the disk
    with small_disk(tmp_path / "small") as folder:
        server = RedisServer(folder, options={"appendfsync": fsync})
        server.log = tmp_path / "redis.log"
        with server:
            async with (
                running(server.url) as url,
                hall(server.url, [url]) as at,
            ):
                await at.clerk.open()
                acked: list[int] = []
                while (answer := await vote(at.clerk, len(acked))).is_success:
                    acked.append(answer.json()["seq"])
                assert refusal(answer) == (503, "log_unavailable")
                assert answer.headers["Retry-After"] == "1"
                if fsync == "always":  # the server ends rather than promise
                    await until(lambda: not server.running, "Redis to end")
                    ready = await at.clerk.http.get("/readyz")
                    assert ready.status_code == 503
                server.kill()

                shutil.copytree(folder, tmp_path / "large")
                server.directory = tmp_path / "large"
                await asyncio.to_thread(server.start)
                stored = [entry.seq for entry in await at.entries()][2:]
                lost = sorted(set(acked) - set(stored))
                figures = {
                    "acked": len(acked),
                    "stored": len(stored),
                    "false_201": len(lost),
                }
                if fsync == "everysec":
                    report.control("F4", "appendfsync always", **figures)
                    assert lost
                    return
                report.figures("F4 disk full", **figures)
                assert acked == stored
                # The one that was refused is taken now, once.
                for _ in range(2):
                    again = await vote(at.clerk, len(acked))
                    assert again.json()["seq"] == acked[-1] + 1
                assert len(await at.entries()) == len(acked) + 3


def partial(redis: Redis) -> int:
    """Events that only some of log, roll calls and answers tell of."""
    length = redis.xlen(keys.events(GA))
    versions = [
        int(redis.hget(keys.roll_call("ga", f"w{number}"), "version") or 0)
        for number in range(WRITERS)
    ]
    votes = [
        int(redis.hlen(name)) - len(NOT_VOTES)
        for name in redis.scan_iter(match=keys.roll_call("ga", "*"))
    ]
    answers = sum(1 for _ in redis.scan_iter(match=keys.idempotency("ga", "*")))
    said = (int(redis.hget(keys.meta(GA), "seq") or 0), sum(versions), sum(votes))
    return sum(abs(length - number) for number in (*said, answers))


@pytest.mark.parametrize("policy", ["noeviction", "allkeys-lru"])
async def test_f5_memory_is_full(tmp_path: Path, report: Report, policy: str) -> None:
    options = {"maxmemory-policy": policy}
    with (
        RedisServer(tmp_path, options=options) as server,
        server.client() as redis,
    ):
        begin(redis)
        redis.config_set("maxmemory", redis.info("memory")["used_memory"] + ROOM)

        def evicted() -> int:
            return int(redis.info("stats")["evicted_keys"])

        async with writing(server.url) as ledger:
            await until(lambda: ledger.in_vain > 50 or evicted() > 0, "no more room")
            refused, gone = ledger.in_vain, evicted()
            if policy == "allkeys-lru":
                report.control("F5", "noeviction", refused=refused, evicted=gone)
                assert gone > 0
                return
            halves = partial(redis)
            redis.config_set("maxmemory", 0)
            await more(ledger, 50)
        found = kept(redis, ledger)
        halves += partial(redis)
        report.figures(
            "F5 memory full",
            acked=len(ledger.acked),
            refused=refused,
            partial=halves,
            evicted=gone,
            **found._asdict(),
        )
        assert (halves, gone, found) == (0, 0, Kept(lost=0, dup=0, gaps=0))
