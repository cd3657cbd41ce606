"""F23: the network between the gateway and both Redis and the archive is cut."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.e2e.stack import Service, Stack
from tests.faults.crowd import Crowd, Plan, Sample, Seen
from tests.faults.namespace import Namespace, Relay, missing
from tests.faults.report import Report, size
from tests.faults.voting import Voting, truth
from tests.servers import PostgresServer, wait_until

CUT_SECONDS = size(8, 20)
VIEWERS = size(10, 50)
# What nobody would notice; a tally is on its way for so long.
FRESH_SECONDS = 3.0
pytestmark = pytest.mark.skipif(bool(missing()), reason=f"F23 partition: {missing()}")


class Inside(Service):
    """A gateway in a network of its own."""

    def __init__(self, like: Service, net: Namespace, settings: dict[str, str]) -> None:
        super().__init__("gateway", like.port, like.log.parent, like._env | settings)
        self.url = f"http://{net.inner}:{self.port}"
        self._net = net

    def _spawn(self, output: int) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [*self._net.prefix, sys.executable, "-m", "tellers_gateway"],
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


class Cut(NamedTuple):
    """What happened: when it was cut and healed, and what viewers saw."""

    at: float
    healed: float
    head: int
    seen: Seen
    stale: int
    wrong: int


@contextmanager
def divided(
    stack: Stack, net: Namespace, **settings: str
) -> Iterator[tuple[Inside, tuple[int, int]]]:
    """A gateway that reaches Redis and PostgreSQL through a network that can be cut,
    and their ports."""
    database = urlsplit(stack.database_url)
    ports = stack.redis.port, database.port or 0
    inner = {
        "TELLERS_HOST": net.inner,
        "TELLERS_REDIS_URL": stack.redis.url.replace("127.0.0.1", net.outer),
        "TELLERS_DATABASE_URL": stack.database_url.replace("127.0.0.1", net.outer),
        **settings,
    }
    with Relay(net.outer, *ports):
        stack.gateway.stop()
        with Inside(stack.gateway, net, inner) as gateway:
            wait_until(gateway.ready, 60, "the gateway")
            yield gateway, ports


def cut(stack: Stack, folder: Path, **settings: str) -> Cut:
    """Cut it for a while, while votes go on and viewers watch."""
    clerk = stack.clerk()
    with clerk.http, ExitStack() as everything:
        clerk.open("cut")
        net = everything.enter_context(Namespace())
        gateway, ports = everything.enter_context(divided(stack, net, **settings))
        voting = everything.enter_context(Voting(stack, "cut", 0.1))
        plan = Plan([gateway.url], "cut", tallies=VIEWERS)
        crowd = everything.enter_context(Crowd(plan, folder))
        crowd.tell("ready")
        time.sleep(1.0)  # for frames to flow
        net.cut(*ports)
        at = time.monotonic()
        time.sleep(CUT_SECONDS)
        net.heal()
        healed, head = time.monotonic(), voting.accepted[-1][1]
        time.sleep(6.0)  # it has five seconds to recover, which are looked at then
        seen = crowd.stop()
    wrong = len(seen.shown - truth(stack.redis, "cut"))
    stale = sum(
        sample.unmarked > 0
        and sample.lowest < voting.seq_at(sample.at - FRESH_SECONDS - 2.5)
        for sample in seen.samples
    )
    return Cut(at, healed, head, seen, stale, wrong)


def seconds_until(
    samples: list[Sample], at: float, wanted: Callable[[Sample], bool]
) -> float | None:
    """How long after `at` the first sample is as wanted."""
    return next((s.at - at for s in samples if s.at > at and wanted(s)), None)


@pytest.fixture
def stack(tmp_path: Path, postgres_server: PostgresServer) -> Iterator[Stack]:
    """A system whose archive is reached by network."""
    postgres_server.start()
    with Stack(tmp_path, postgres_server.new_database()) as stack:
        yield stack


def test_f23_who_is_cut_off_says_so(
    stack: Stack, tmp_path: Path, report: Report
) -> None:
    found = cut(stack, tmp_path)
    samples = found.seen.samples
    held = seconds_until(samples, found.at, lambda sample: sample.unmarked == 0)
    recovered = seconds_until(
        samples,
        found.healed,
        lambda sample: sample.unmarked == VIEWERS and sample.lowest >= found.head,
    )
    report.figures(
        "F23 partition",
        cut_s=CUT_SECONDS,
        held_shown_s=-1 if held is None else held,
        wrong=found.wrong,
        unmarked_stale=found.stale,
        regressions=found.seen.regressions,
        recovered_s=-1 if recovered is None else recovered,
    )
    assert held is not None
    assert held <= min(15, CUT_SECONDS)
    assert (found.wrong, found.stale, found.seen.regressions) == (0, 0, 0)
    assert recovered is not None
    assert recovered <= 5


def test_f23_control_without_vouching(
    stack: Stack, tmp_path: Path, report: Report
) -> None:
    found = cut(stack, tmp_path, TELLERS_SILENT_SECONDS="1e9")
    report.control("F23 partition", "vouching", unmarked_stale=found.stale)
    assert found.stale > 0
