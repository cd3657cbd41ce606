"""The gateway goes, and its viewers come back: killed, drained, or all dropped at once.

F18, F21 and F22 of the list. Votes go on the whole time, and every number that any
viewer was shown is compared with the log afterwards.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tellers_core.codec import LogName
from tellers_runtime import keys
from tests.bench.report import quantile
from tests.e2e.stack import Service, Stack
from tests.faults.crowd import Crowd, Plan, Seen, busiest
from tests.faults.report import FULL, Report, size
from tests.faults.voting import Voting, truth
from tests.servers import wait_until
from tests.services.viewing import metric

GA = LogName("ga")
ARCHIVE_READS = "tellers_gateway_archive_reads_total"
# How long a number may be old without being marked: two sorts of silence, and a tick.
STALE_SECONDS = 5.0


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A system of its own for every test."""
    with Stack(tmp_path) as stack:
        yield stack


def open_roll_call(stack: Stack, name: str) -> None:
    """A roll call whose votes are being taken."""
    clerk = stack.clerk()
    with clerk.http:
        clerk.open(name)


def unmarked_stale(seen: Seen, voting: Voting) -> int:
    """How often a number was shown as live that had been overtaken long before."""
    return sum(
        sample.unmarked > 0 and sample.lowest < voting.seq_at(sample.at - STALE_SECONDS)
        for sample in seen.samples
    )


def test_f18_viewers_of_a_gateway_that_keeps_dying_see_nothing_wrong(
    stack: Stack, tmp_path: Path, report: Report
) -> None:
    kills, viewers = size(2, 10), size(30, 500)
    open_roll_call(stack, "churn")
    plan = Plan(
        [stack.gateway_url],
        "churn",
        tallies=viewers // 2,
        events=viewers - viewers // 2,
        naive=5,
        restless_seconds=3.0,
    )
    with Voting(stack, "churn", 0.04) as voting, Crowd(plan, tmp_path) as crowd:
        crowd.tell("ready")
        for _ in range(kills):
            time.sleep(1.0)  # for frames to flow; nothing is concluded from it
            stack.gateway.kill()
            stack.gateway.start()
        crowd.tell("ready")
        seen = crowd.stop()
    true = truth(stack.redis, "churn")
    stale = unmarked_stale(seen, voting)
    # A gateway that has just started may ask for patience; that is no gap.
    gaps = [reason for reason in seen.gave_up if "try again" not in reason]
    report.figures(
        "F18 gateway churn",
        viewers=viewers,
        kills=kills,
        frames=seen.frames,
        resumed=seen.recovered,
        mismatches=len(seen.shown - true),
        regressions=seen.regressions,
        gaps=len(gaps),
        unmarked_stale=stale,
        recovered_false_shown=seen.recovered_false_shown,
    )
    report.control(
        "F18 gateway churn",
        "asking for what was missed",
        mismatches=len(seen.naive - true),
    )
    assert len(seen.shown) > 20
    assert seen.closes[1006] >= kills * viewers
    assert seen.recovered >= kills
    assert seen.not_recovered > 0  # places beyond the end were asked for
    assert seen.shown <= true
    assert (seen.regressions, gaps, stale) == (0, [], 0)
    assert seen.recovered_false_shown == 0
    assert seen.naive - true


class Uncached(Service):
    """A gateway that reads for every viewer anew."""

    def _spawn(self, output: int) -> "subprocess.Popen[bytes]":
        program = (
            "from tellers_gateway.once import Once; "
            "Once.get = lambda self, key, work: work(); "
            "from tellers_gateway.__main__ import main; main()"
        )
        return subprocess.Popen(
            [sys.executable, "-c", program],
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


def uncached(stack: Stack) -> Service:
    """The stack's gateway without its caches, on the same port."""
    like = stack.gateway
    return Uncached("gateway", like.port, stack.folder, like._env)


def come_back_to_another(stack: Stack, gateway: Service) -> None:
    """Kill the gateway, and start it where what its viewers missed is no longer among
    the last tallies, as after a long outage: it must be read back."""
    gateway.kill()
    with stack.redis.client() as client:
        before = client.xlen(keys.tallies(GA))
        wait_until(lambda: client.xlen(keys.tallies(GA)) > before + 5, 60, "votes")
        client.xtrim(keys.tallies(GA), maxlen=1, approximate=False)
    gateway.start()


def test_f21_a_storm_of_viewers_costs_one_reading(
    stack: Stack, tmp_path: Path, report: Report
) -> None:
    """Dropped all at once, and again by a gateway that dies; votes go on."""
    viewers, storms = size(60, 1000), size(1, 10)
    calm: list[float] = []
    stormy: list[float] = []
    back = 0.0
    open_roll_call(stack, "storm")
    plan = Plan([stack.gateway_url], "storm", tallies=viewers)
    with (
        Voting(stack, "storm", size(10, 100) / 1000) as voting,
        Crowd(plan, tmp_path) as crowd,
    ):
        crowd.tell("ready")
        began = time.monotonic()
        for _ in range(storms):
            before = len(voting.seconds)
            time.sleep(1.0)  # to have votes without a storm
            between = len(voting.seconds)
            back = max(back, crowd.tell("drop"))
            calm += voting.seconds[before:between]
            stormy += voting.seconds[between:]
        ended = time.monotonic()
        come_back_to_another(stack, stack.gateway)
        crowd.tell("ready")
        sql = metric(stack.gateway_url, ARCHIVE_READS)
        seen = crowd.stop()
    came = [at for at in seen.attempts if began < at < ended]
    ratio = quantile(stormy, 0.99) / quantile(calm, 0.99)
    report.figures(
        "F21 storm",
        viewers=viewers,
        storms=storms,
        all_back_s=back,
        append_p99_ratio=ratio,
        busiest_tenth_s=busiest(came, 0.1),
        snapshots_sql=int(sql),
        regressions=seen.regressions,
    )
    assert back <= 45
    assert not FULL or ratio <= 2.0  # of a few votes the p99 says nothing
    assert busiest(came, 0.1) < viewers / 2
    assert sql <= 10
    assert seen.regressions == 0
    assert seen.shown <= truth(stack.redis, "storm")


def test_f21_control_without_jitter_and_caches(
    stack: Stack, tmp_path: Path, report: Report
) -> None:
    viewers = size(60, 1000)
    open_roll_call(stack, "storm")
    stack.gateway.stop()
    plan = Plan([stack.gateway_url], "storm", tallies=viewers, jitter=False)
    with (
        uncached(stack) as gateway,
        Voting(stack, "storm", size(10, 100) / 1000),
        Crowd(plan, tmp_path) as crowd,
    ):
        crowd.tell("ready")
        dropped_at = time.monotonic()
        back = crowd.tell("drop")
        come_back_to_another(stack, gateway)
        crowd.tell("ready")
        sql = metric(stack.gateway_url, ARCHIVE_READS)
        seen = crowd.stop()
    came = [at for at in seen.attempts if dropped_at < at < dropped_at + back]
    report.control(
        "F21 storm",
        "jitter and caches",
        busiest_tenth_s=busiest(came, 0.1),
        snapshots_sql=int(sql),
    )
    assert busiest(came, 0.1) >= viewers / 2
    assert sql > 10


def test_f22_a_gateway_that_is_stopped_lets_everybody_go_in_order(
    stack: Stack, tmp_path: Path, report: Report
) -> None:
    """Two gateways behind a balancer: of the first one all go to the second."""
    viewers = size(100, 1000)
    open_roll_call(stack, "drain")
    with stack.service("gateway") as other:
        wait_until(other.ready, 60, "the other gateway")
        plan = Plan([stack.gateway_url, other.url], "drain", tallies=viewers)
        with Voting(stack, "drain", 0.04) as voting, Crowd(plan, tmp_path) as crowd:
            crowd.tell("ready")
            began = time.monotonic()
            stack.gateway.stop()
            took = time.monotonic() - began
            crowd.tell("ready")
            seen = crowd.stop()
    report.figures(
        "F22 drain",
        viewers=viewers,
        close_1012=seen.closes.get(1012, 0),
        close_1006=seen.closes.get(1006, 0),
        busiest_tenth_s=busiest(seen.losses, 0.1),
        longest_gap_s=seen.longest_gap_seconds,
        stopped_s=took,
        unmarked_stale=unmarked_stale(seen, voting),
    )
    assert seen.closes == {1012: viewers}
    assert busiest(seen.losses, 0.1) < viewers / 2
    assert seen.longest_gap_seconds <= 15
    assert unmarked_stale(seen, voting) == 0
    assert seen.shown <= truth(stack.redis, "drain")


def test_f22_control_without_a_drain(
    stack: Stack, tmp_path: Path, report: Report
) -> None:
    viewers = size(100, 1000)
    open_roll_call(stack, "drain")
    with stack.service("gateway") as other:
        wait_until(other.ready, 60, "the other gateway")
        plan = Plan([stack.gateway_url, other.url], "drain", tallies=viewers)
        with Crowd(plan, tmp_path) as crowd:
            crowd.tell("ready")
            stack.gateway.kill()
            crowd.tell("ready")
            seen = crowd.stop()
    report.control(
        "F22 drain",
        "SIGTERM (kill -9)",
        close_1012=seen.closes.get(1012, 0),
        close_1006=seen.closes.get(1006, 0),
        busiest_tenth_s=busiest(seen.losses, 0.1),
    )
    assert seen.closes == {1006: viewers}
    assert busiest(seen.losses, 0.1) >= viewers / 2
