"""The vote route beside the same thing as it is usually written (`usual.py`).

Both are one process on one Redis with `appendfsync always`, taken in turn; all of them
and the load (`voters.py`) share this machine's cores. What travels to another machine
is the ratio of votes a CPU-second of the server.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import httpx
from redis.asyncio import Redis

from tellers_core.members import general_assembly
from tellers_runtime.tokens import Scope, TokenStore
from tests.bench import voters
from tests.bench.report import median, quantile, table
from tests.e2e.stack import Clerk, Service
from tests.faults.writers import begin
from tests.servers import RedisServer, free_port

RUNS = 5
ROUNDS = 60
VOTES = ROUNDS * voters.CONNECTIONS * voters.EACH
BATCHES = 40
CODES = general_assembly().codes
_TICKS = os.sysconf("SC_CLK_TCK")


class Run(NamedTuple):
    """What one run took: seconds, CPU seconds of the server, of Redis and of the load,
    and the milliseconds of every vote."""

    seconds: float
    server: float
    redis: float
    load: float
    took: list[float]


class Usual(Service):
    """The baseline as a process."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        super().__init__("usual", free_port(), folder, dict(os.environ))
        self._redis_url = redis_url

    def _spawn(self, output: int) -> subprocess.Popen[bytes]:
        command = ["-m", "tests.bench.usual", str(self.port), self._redis_url]
        return subprocess.Popen(
            [sys.executable, *command],
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


def _cpu(pid: int) -> float:
    """CPU seconds of a process until now."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS


async def _new_token(redis_url: str) -> str:
    async with Redis.from_url(redis_url) as redis:
        return await TokenStore(redis).create("bench", [Scope.ADMIN])


class Bench:
    """Both routes, on one log."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.redis = stack.enter_context(RedisServer(folder / "redis"))
        with self.redis.client() as client:
            begin(client)
        self.token = asyncio.run(_new_token(self.redis.url))
        env = {
            **os.environ,
            "TELLERS_REDIS_URL": self.redis.url,
            # The limit is asked for every vote, and never reached.
            "TELLERS_COMMANDS_PER_SECOND": "1000000",
        }
        port = free_port()
        env["TELLERS_INGEST_PORT"] = str(port)
        self.ours = stack.enter_context(Service("ingest", port, folder, env))
        self.usual = stack.enter_context(Usual(folder, self.redis.url))
        self.clerk = Clerk(self.ours.url, self.token)
        stack.enter_context(self.clerk.http)
        self._rounds = {self.ours: 0, self.usual: 0}
        for name in ("ours", "usual", "batch"):
            self.clerk.open(name)

    def run(self, name: str) -> Run:
        """All votes at that route, once."""
        server: Service = getattr(self, name)
        before = self._rounds[server]
        self._rounds[server] += ROUNDS
        command = [str(server.port), self.token, name, str(ROUNDS), str(before)]
        at_server, at_redis = _cpu(server.pid), _cpu(self.redis.pid)
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.voters", *command],
            check=True,
            stdout=subprocess.PIPE,
        )
        said = json.loads(done.stdout)
        assert len(said["took"]) == VOTES
        return Run(
            said["seconds"],
            _cpu(server.pid) - at_server,
            _cpu(self.redis.pid) - at_redis,
            said["cpu"],
            said["took"],
        )

    def batches(self) -> list[float]:
        """Milliseconds of each batch of the whole assembly."""
        took = []
        path = f"{self.ours.url}/v1/ga/roll-calls/batch/votes"
        headers = {"Authorization": f"Bearer {self.token}"}
        with httpx.Client(headers=headers) as http:
            for n in range(BATCHES):
                vote = voters.VOTES[n % 3]
                votes = [{"delegation": code, "vote": vote} for code in CODES]
                body = json.dumps({"votes": votes})
                keyed = {"Content-Type": "application/json", "Idempotency-Key": f"b{n}"}
                sent = time.perf_counter()
                answer = http.post(path, content=body, headers=keyed)
                took.append((time.perf_counter() - sent) * 1000)
                assert len(answer.json()["events"]) == len(CODES)
        return took


def _row(name: str, runs: list[Run], usual: list[Run]) -> list[str]:
    def us(of: list[Run], part: str) -> float:
        return median([getattr(run, part) for run in of]) / VOTES * 1e6

    return [
        name,
        f"{1e6 / us(runs, 'server'):,.0f}",
        f"{us(usual, 'server') / us(runs, 'server'):.2f}",
        f"{1e6 / us(runs, 'seconds'):,.0f}",
        f"{us(runs, 'server'):.0f}",
        f"{us(runs, 'redis'):.0f}",
        f"{us(runs, 'load'):.0f}",
        f"{median([run.load / run.seconds for run in runs]):.0%}",
        f"{median([quantile(run.took, 0.5) for run in runs]):.1f}",
        f"{median([quantile(run.took, 0.99) for run in runs]):.1f}",
    ]


def run() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        bench = Bench(Path(name), stack)
        runs: dict[str, list[Run]] = {"usual": [], "ours": []}
        for _ in range(RUNS):
            for route, of_route in runs.items():
                of_route.append(bench.run(route))
        batches = bench.batches()
    table(
        f"Votes at {voters.CONNECTIONS} connections, each with its Idempotency-Key, "
        f"appendfsync always ({RUNS} x {VOTES:,}, medians)",
        [
            "route",
            "votes/CPU-s",
            "ratio",
            "votes/s",
            "server us",
            "redis us",
            "load us",
            "load busy",
            "p50 ms",
            "p99 ms",
        ],
        [_row(route, of_route, runs["usual"]) for route, of_route in runs.items()],
    )
    table(
        f"A batch of {len(CODES)} changed votes, ms ({BATCHES}, one after the other)",
        ["p50", "p99"],
        [[f"{quantile(batches, 0.5):.1f}", f"{quantile(batches, 0.99):.1f}"]],
    )
