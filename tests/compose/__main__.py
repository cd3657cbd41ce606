"""`python -m tests.compose [--no-build]`: ES-11/1 through docker-compose.yml, under
fire.

Builds and starts everything, replays the roll call over HTTP through the proxy, and
meanwhile kills each gateway, the tally service that leads, the Redis primary, and in
the end loses the primary with its disk and promotes the replica as docs/runbook.md
says. Prints a line of figures for each, and ends with 1 when one is not right.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import httpx

from tellers_core.members import general_assembly
from tellers_local.failure import Failure
from tellers_local.ingest import IngestClient
from tellers_local.recorded import load, own_file, rule_as_json
from tests.compose.engine import ROOT, Engine, Ports, missing, started
from tests.compose.hardening import HARDENED, figures_of_containers
from tests.compose.watching import EventWatcher, TallyReader
from tests.faults.writers import until
from tests.servers import HOST, free_port

ROLL_CALL = "es-11-1"
COUNTS = {"yes": 141, "no": 5, "abstain": 35, "not_voting": 12}
EVENTS = 1 + 1 + 181 + 1 + 1  # scheduled, opened, votes, locked, closed
VOTE_EVERY_SECONDS = 0.1
SOON_SECONDS = 180.0
# What podman said, in case something is wrong.
LOG = ROOT / "build" / "compose-test.log"
OURS = ("ingest-1", "ingest-2", "tally-1", "tally-2", "gateway-1", "gateway-2")


class Trial:
    """One replay with its faults, and what is found at its end."""

    def __init__(self, engine: Engine, token: str) -> None:
        self.failed: list[str] = []
        self._engine = engine
        ports = engine.ports
        self._public = f"http://{HOST}:{ports.public}"
        self._operators = f"http://{HOST}:{ports.operators}"
        self._prometheus = f"http://{HOST}:{ports.prometheus}"
        self._http = httpx.AsyncClient(timeout=10, verify=False)
        self._repeated = 0
        self._sent = 0
        self._ingest = IngestClient(self._operators, token, "ga", self._again)

    def _again(self, _: str) -> None:
        self._repeated += 1

    def report(self, what: str, right: bool = True, **figures: object) -> None:
        """A line; what is not right is remembered."""
        words = " ".join(f"{name}={value}" for name, value in figures.items())
        print(f"{what}: {words}{'' if right else '   WRONG'}", flush=True)
        if not right:
            self.failed.append(what)

    async def run(self) -> None:
        """The replay, then every figure."""
        events = EventWatcher(self._public)
        tally = TallyReader(self._public, ROLL_CALL)
        async with self._http, events, tally:
            await self._replay()
            await self._check(events, tally)
        await self._ingest.aclose()

    async def _replay(self) -> None:
        (recording,) = load([own_file(ROLL_CALL)], general_assembly(), None, ROLL_CALL)
        body = {"id": ROLL_CALL, "title": recording.title, "symbol": recording.symbol}
        rule = rule_as_json(recording.rule)
        await self._ingest.post("", {**body, "rule": rule})
        await self._ingest.post(f"/{ROLL_CALL}/open")
        faults: dict[int, Callable[[], Awaitable[None]]] = {
            20: lambda: self._gateway("gateway-1"),
            50: lambda: self._gateway("gateway-2"),
            80: self._leader,
            110: self._primary,
            140: self._promotion,
        }
        fault: asyncio.Task[None] | None = None
        for number, (code, vote) in enumerate(recording.votes, 1):
            if number in faults:
                if fault is not None:
                    await fault
                fault = asyncio.ensure_future(faults[number]())
            await self._vote(code, vote)
            self._sent += 1
            await asyncio.sleep(VOTE_EVERY_SECONDS)
        assert fault is not None
        await fault
        await self._ingest.post(f"/{ROLL_CALL}/lock")
        announced = {name: COUNTS[name] for name in ("yes", "no", "abstain")}
        await self._ingest.post(f"/{ROLL_CALL}/close", {"announced": announced})

    async def _vote(self, code: str, vote: str) -> None:
        """Until it is taken: who gave up after a minute tries again, as people do."""
        for last in (False, False, True):
            try:
                await self._ingest.put(f"/{ROLL_CALL}/votes/{code}", {"vote": vote})
            except Failure:
                if last:
                    raise
            else:
                return

    # Faults

    async def _gateway(self, name: str) -> None:
        before = self._sent
        await asyncio.to_thread(self._engine.kill, name)
        await asyncio.sleep(2)
        await asyncio.to_thread(self._engine.start, name)
        self.report(f"{name} killed", votes_meanwhile=self._sent - before)

    async def _leader(self) -> None:
        old = await self._leading()
        await asyncio.to_thread(self._engine.kill, old)
        loop = asyncio.get_running_loop()
        began = loop.time()
        new = await self._leading(other_than=old)
        seconds = loop.time() - began
        await asyncio.to_thread(self._engine.start, old)
        self.report(f"{old} killed while it led", led_by=new, after_s=f"{seconds:.1f}")

    async def _primary(self) -> None:
        before = self._repeated
        await asyncio.to_thread(self._engine.kill, "redis-primary")
        await until(lambda: self._repeated > before, "a refusal", SOON_SECONDS)
        taken = self._sent
        await asyncio.to_thread(self._engine.start, "redis-primary")
        await until(lambda: self._sent > taken, "a vote taken again", SOON_SECONDS)
        self.report("redis-primary killed", repeated=self._repeated - before)

    async def _promotion(self) -> None:
        """As in the runbook, "The primary is lost"."""
        engine, before = self._engine, self._repeated
        await asyncio.to_thread(engine.kill, "redis-primary")
        await asyncio.to_thread(engine.lose, "redis-primary")
        said = await asyncio.to_thread(
            engine.inside,
            "redis-replica",
            *("sh", "-c"),
            "REDISCLI_AUTH=$(cat /run/secrets/redis_failover)"
            " redis-cli --user tellers-failover replicaof no one",
        )
        taken = self._sent
        turned = {"TELLERS_REDIS_HOST": "redis-replica", "TELLERS_REPLICAS": "0"}
        for some in (OURS[:2], OURS[2:4], (*OURS[4:], "webhooks")):
            await asyncio.to_thread(partial(engine.recreate, some, **turned))
        await until(lambda: self._sent > taken, "a vote taken again", SOON_SECONDS)
        repeated = self._repeated - before
        right = said.strip() == "OK"
        self.report("redis-primary lost, replica promoted", right, repeated=repeated)

    async def _leading(self, other_than: str = "") -> str:
        """Which tally service leads, as Prometheus knows."""
        async with asyncio.timeout(SOON_SECONDS):
            while True:
                for found in await self._query("tellers_tally_leading == 1"):
                    name = str(found["metric"]["instance"]).partition(":")[0]
                    if name != other_than:
                        return name
                await asyncio.sleep(0.2)

    async def _query(self, expression: str) -> list[dict[str, dict[str, str]]]:
        answer = await self._http.get(
            f"{self._prometheus}/api/v1/query", params={"query": expression}
        )
        found: list[dict[str, dict[str, str]]] = answer.json()["data"]["result"]
        return found

    # What is found at the end

    async def _check(self, events: EventWatcher, reader: TallyReader) -> None:
        tally = await self._closed()
        counts = {name: tally["counts"][name] for name in COUNTS}
        status = tally["verdict"]["status"]
        right = counts == COUNTS and status == "adopted" and tally.get("held") is None
        self.report("tally through the proxy", right, **counts, status=status)

        await events.until(EVENTS, SOON_SECONDS)
        faults = events.faults
        right = not any(faults.values()) and len(events.seqs) == EVENTS
        right = right and not events.restarts
        restarts = len(events.restarts)
        figures = {"received": len(events.seqs), **faults, "restarts": restarts}
        self.report("one WebSocket subscriber through it all", right, **figures)

        answer = await self._http.get(
            f"{self._public}/v1/ga/events", params={"after": 0, "limit": 1000}
        )
        log = [int(event["sequence"]) for event in answer.json()["events"]]
        archived = await asyncio.to_thread(self._archived)
        right = log == list(range(1, EVENTS + 1)) and archived == EVENTS
        self.report("the log", right, events=len(log), in_postgres=archived)

        right = reader.regressions == 0 and reader.hit_rate > 0
        told = {name.replace(" ", "_"): n for name, n in sorted(reader.answers.items())}
        rate = f"{reader.hit_rate:.2f}"
        self.report("a reader of the tally", right, hit_rate=rate, **told)

        await self._certificate()
        found = await asyncio.to_thread(figures_of_containers, self._engine)
        for name, fine, of_one in found:
            self.report(name, fine, **of_one)
        # All but the primary, which is lost by now.
        self.report("containers", len(found) == len(HARDENED) - 1, looked_at=len(found))
        await self._monitored()

    async def _closed(self) -> dict[str, dict[str, object]]:
        async with asyncio.timeout(SOON_SECONDS):
            while True:
                url = f"{self._public}/v1/ga/roll-calls/{ROLL_CALL}/tally"
                answer = await self._http.get(url)
                if answer.is_success and answer.json()["phase"] == "closed":
                    found: dict[str, dict[str, object]] = answer.json()
                    return found
                await asyncio.sleep(0.2)

    def _archived(self) -> int:
        query = "SELECT count(*) FROM event WHERE log = 'ga'"
        psql = ("psql", "-U", "tellers", "-At", "-c", query)
        return int(self._engine.inside("postgres", *psql).strip() or 0)

    async def _certificate(self) -> None:
        url = f"{self._public}/v1/ga/roll-calls/{ROLL_CALL}/certificate"
        answer = await self._http.get(url)
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            file.write(answer.content)
            file.flush()
            command = [sys.executable, "-m", "tellers_local", "verify", file.name]
            done = await asyncio.to_thread(
                subprocess.run, command, capture_output=True, check=False
            )
        right = answer.is_success and done.returncode == 0
        self.report("certificate", right, verify=done.returncode)

    async def _monitored(self) -> None:
        async with asyncio.timeout(SOON_SECONDS):
            while True:
                up = await self._query("up == 1")
                if len(up) == len(OURS) + 1:  # and webhooks
                    break
                await asyncio.sleep(0.5)
        rules = (await self._http.get(f"{self._prometheus}/api/v1/rules")).json()
        loaded = [rule for group in rules["data"]["groups"] for rule in group["rules"]]
        well = [rule for rule in loaded if rule["health"] != "err"]
        self.report(
            "Prometheus",
            bool(loaded) and len(well) == len(loaded),
            targets_up=len(up),
            rules=len(loaded),
        )


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.compose")
    parser.add_argument(
        "--no-build", action="store_true", help="take the images of the last run"
    )
    asked = parser.parse_args()
    if why := missing():
        print(f"SKIPPED, nothing was tested: {why}")
        return 0
    ports = Ports(free_port(), free_port(), free_port())
    with (
        tempfile.TemporaryDirectory(prefix="tellers-compose-") as name,
        started(Path(name), LOG, ports, build=not asked.no_build) as engine,
    ):
        token = engine.operator(
            "token", "create", "--scope", "admin", "--name", "compose-test"
        )
        trial = Trial(engine, token.split()[-1])
        asyncio.run(trial.run())
    print(f"wrong: {', '.join(trial.failed) or 'nothing'}")
    return 1 if trial.failed else 0


if __name__ == "__main__":
    sys.exit(main())
