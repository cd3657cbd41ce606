"""A log with a replica: the primary dies or is deposed, or the replica is silent."""

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest

from tellers_core.members import general_assembly
from tellers_ingest import app
from tellers_runtime.log import LogWriter
from tests.faults.replicas import Pair, Sentinel, follow
from tests.faults.report import Report, size
from tests.faults.writers import Kept, Ledger, kept, more, until, writing
from tests.services.ingest import hall, refusal, running

LAG = 0.05  # seconds to the replica: what it has not yet, a failover loses
EACH = size(100, 1000)  # commands acknowledged before and after
TURNED_SECONDS = 0.3  # until clients learn that another is the primary
CODES = general_assembly().codes[: size(10, 40)]


async def failover(
    pair: Pair, name: str, sentinel: Sentinel, replicas: int
) -> tuple[Ledger, Kept]:
    """Writers through a failover; what they were told, and what became of it."""
    old, new = pair.primary, pair.replica
    async with writing(pair.address.redis_url, replicas=replicas) as ledger:
        await more(ledger, EACH)
        if name.startswith("killed"):
            old.kill()
            pair.line.reset()  # nor does what is on the line arrive
        else:
            with sentinel.client() as client:
                client.execute_command("SENTINEL", "FAILOVER", name)
        await until(lambda: sentinel.primary_port(name) == new.port, "a new primary")
        await asyncio.sleep(TURNED_SECONDS)
        pair.address.target = new.port
        pair.address.reset()
        await asyncio.to_thread(old.start)
        await follow(old, new.port)
        await more(ledger, EACH)
    with new.client() as client:
        return ledger, kept(client, ledger)


async def test_f8_the_replica_takes_over(tmp_path: Path, report: Report) -> None:
    waited = {"deposed": 1, "killed": 1, "deposed-unwaited": 0, "killed-unwaited": 0}
    async with AsyncExitStack() as stack:
        pairs = {
            name: await stack.enter_async_context(Pair(tmp_path / name, LAG))
            for name in waited
        }
        ports = {name: pair.primary.port for name, pair in pairs.items()}
        with ExitStack() as watch:
            sentinels = [
                watch.enter_context(Sentinel(tmp_path / f"sentinel{n}", ports))
                for n in range(3)
            ]
            await until(
                lambda: all(s.sees_all(name) for s in sentinels for name in waited),
                "the sentinels to see each other",
            )
            results = dict(
                zip(
                    waited,
                    await asyncio.gather(
                        *(
                            failover(pairs[name], name, sentinels[0], replicas)
                            for name, replicas in waited.items()
                        )
                    ),
                    strict=True,
                )
            )
    for name, (ledger, found) in results.items():
        figures = {
            "acked": len(ledger.acked),
            "refused": ledger.in_vain,
            **found._asdict(),
        }
        if waited[name]:
            report.figures(f"F8 primary {name}", **figures)
            assert found == Kept(lost=0, dup=0, gaps=0)
            assert ledger.in_vain > 0
        else:
            report.control(f"F8 primary {name.partition('-')[0]}", "WAIT", **figures)
            assert found.lost > 0


class Heedless(LogWriter):
    """Waits for the replicas and does not look how many there were."""

    async def _replicated(self, chamber: str, *command: Any) -> Any:
        pipe = self._of(chamber).pipeline(transaction=False)
        pipe.execute_command(*command)
        pipe.wait(self._replicas, self._replica_timeout_ms)
        reply, _ = await pipe.execute(raise_on_error=False)
        if isinstance(reply, Exception):
            raise reply
        return reply


@pytest.mark.parametrize("heed", [True, False])
async def test_f9_the_replica_is_frozen(
    tmp_path: Path, report: Report, monkeypatch: pytest.MonkeyPatch, heed: bool
) -> None:
    if not heed:
        monkeypatch.setattr(app, "LogWriter", Heedless)
    async with (
        Pair(tmp_path) as pair,
        running(pair.address.redis_url, replicas=1, replica_timeout_ms=500) as url,
        hall(pair.primary.url, [url]) as at,
    ):

        async def vote(codes: Sequence[str], *, keyed: bool = True) -> list[int]:
            """Statuses of their votes, sent at once; a 503 says when to come again."""
            answers = await asyncio.gather(
                *(
                    at.clerk.vote(
                        code,
                        "yes",
                        headers={"Idempotency-Key": code} if keyed else {},
                    )
                    for code in codes
                )
            )
            for answer in answers:
                if answer.status_code == 503:
                    assert refusal(answer) == (503, "log_unavailable")
                    assert "unknown" in answer.json()["detail"]
                    assert answer.headers["Retry-After"] == "1"
            return [answer.status_code for answer in answers]

        async def taken(codes: Sequence[str]) -> list[int]:
            """The same when none of them is 503 any more: the replica catches up."""
            while 503 in (statuses := await vote(codes)):
                pass
            return statuses

        await at.clerk.open()
        assert await taken(["ZMB"]) == [201]
        os.kill(pair.replica.pid, signal.SIGSTOP)
        try:
            said = await vote(CODES)
            said += await vote(CODES)  # the same again: not repeated, and not promised
            said += await vote(CODES, keyed=False)  # "it is so already" neither
            said += await vote(["ZMB"])
            # Neither is "it is open already", which may be so no more tomorrow.
            opened = await at.clerk.send("POST", "/es-11-1/open")
            said.append(opened.status_code)
        finally:
            os.kill(pair.replica.pid, signal.SIGCONT)
        figures = {
            "201s": sum(status < 300 for status in said),
            "503s": said.count(503),
            "others": sum(300 <= status != 503 for status in said),
        }
        if not heed:
            report.control("F9", "reading WAIT's number", **figures)
            assert figures["201s"] > 0
            return

        retried = await taken(CODES)
        state = await at.state()
        report.figures(
            "F9 frozen replica",
            **figures,
            retried=len(retried),
            answered=retried.count(201),
            stored=state.yes - 1,
        )
        assert set(said) == {503}
        assert set(retried) == {201}
        assert state.yes == len(CODES) + 1
        assert await at.length() == len(CODES) + 3  # each once
