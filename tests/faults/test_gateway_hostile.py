"""Viewers that do not read, and clients that never finish asking: F19 and F20."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.bench.report import quantile
from tests.e2e.stack import Service, Stack
from tests.faults.crowd import Crowd, Plan, Seen
from tests.faults.report import FULL, Report, size
from tests.faults.slowloris import Slowloris
from tests.faults.voting import Voting
from tests.servers import Server
from tests.services.slow import SlowViewer, resident_bytes, run_votes
from tests.services.viewing import metric

EVICTED = "tellers_gateway_evicted_total"
BEHIND = "tellers_gateway_behind_total"
SLOW, OTHERS = size(10, 50), size(10, 50)
STALLED_SECONDS = size(2, 5)
ROUNDS = size(6, 12)


@contextmanager
def stack_of(folder: Path, **settings: float) -> Iterator[Stack]:
    """A system with these settings."""
    named = {f"TELLERS_{name.upper()}": f"{value}" for name, value in settings.items()}
    with Stack(folder, settings=named) as stack:
        yield stack


# F19


def latency_ms(seen: Seen, voting: Voting) -> float:
    """p99 of the time from a vote's 201 to the last viewer."""
    return 1000 * quantile(
        [
            seen.arrivals[seq] - at
            for at, seq in voting.accepted
            if seq in seen.arrivals
        ],
        0.99,
    )


def stall(stack: Stack, folder: Path) -> tuple[int, float, int, float]:
    """Votes that go round while some viewers read nothing: how many were let go, how
    long after the last vote, the bytes by which the gateway grew, and the p99 latency
    of the others."""
    clerk = stack.clerk()
    with clerk.http, ExitStack() as slow:
        run_votes(clerk, "warm", 1)
        clerk.open("others")
        plan = Plan([stack.gateway_url], "others", tallies=OTHERS)

        def all_behind() -> bool:
            return metric(stack.gateway_url, BEHIND) >= SLOW

        with Crowd(plan, folder) as crowd:
            crowd.tell("ready")
            for number in range(SLOW):
                query = f"feed={('tally', 'events')[number % 2]}"
                slow.enter_context(SlowViewer(stack.gateway_url, query))
            memory = resident_bytes(stack.gateway.pid)
            with Voting(stack, "others", 0.02) as voting:
                # Of many votes at once not every tally is published.
                run_votes(clerk, "stalled", ROUNDS, all_behind, most=6 * ROUNDS)
                ended = time.monotonic()
                while (
                    metric(stack.gateway_url, EVICTED) < SLOW
                    and time.monotonic() < ended + STALLED_SECONDS + 3
                ):
                    time.sleep(0.05)
                took = time.monotonic() - ended
            grown = resident_bytes(stack.gateway.pid) - memory
            seen = crowd.stop()
    evicted = int(metric(stack.gateway_url, EVICTED))
    return evicted, took, grown, latency_ms(seen, voting)


def test_f19_who_does_not_read_is_let_go(tmp_path: Path, report: Report) -> None:
    with stack_of(tmp_path, stalled_seconds=STALLED_SECONDS) as stack:
        evicted, took, grown, p99 = stall(stack, tmp_path)
    report.figures(
        "F19 slow readers",
        slow=SLOW,
        evicted=evicted,
        max_evict_s=took,
        rss_growth_mib=grown / 2**20,
        others_p99_ms=p99,
    )
    assert evicted == SLOW
    assert took <= 10
    assert grown <= 20 * 2**20
    assert not FULL or p99 <= 250


def test_f19_control_without_the_bound(tmp_path: Path, report: Report) -> None:
    with stack_of(tmp_path, stalled_seconds=3600) as stack:
        evicted, _, _, _ = stall(stack, tmp_path)
    report.control("F19 slow readers", "a bound", slow=SLOW, evicted=evicted)
    assert evicted == 0


# F20

HALVES = size(40, 200)
REQUEST_SECONDS = size(1, 10)


def good_request_ms(url: str) -> float:
    """p99 of 50 requests that are whole."""
    times = []
    with httpx.Client(verify=False) as http:
        for _ in range(50):
            began = time.monotonic()
            assert http.get(f"{url}/healthz").is_success
            times.append(time.monotonic() - began)
    return 1000 * quantile(times, 0.99)


@pytest.mark.parametrize("name", ["gateway", "ingest"])
def test_f20_who_never_finishes_asking_is_not_waited_for(
    name: str, tmp_path: Path, report: Report
) -> None:
    with stack_of(tmp_path, request_seconds=REQUEST_SECONDS) as stack:
        service: Service = getattr(stack, name)
        with Slowloris(service.port, HALVES) as halves:
            assert halves.held == 2 * HALVES
            good = good_request_ms(service.url)
            time.sleep(1.5 * REQUEST_SECONDS)
            held = halves.held
    report.figures(
        f"F20 slowloris at {name}",
        half_heads=HALVES,
        half_handshakes=HALVES,
        seconds=1.5 * REQUEST_SECONDS,
        held_after=held,
        good_request_ms=good,
    )
    assert held == 0
    assert not FULL or good <= 200


class PlainUvicorn(Server):
    """uvicorn as it comes."""

    def _spawn(self, output: int) -> "subprocess.Popen[bytes]":
        program = (
            "import uvicorn; from starlette.applications import Starlette; "
            f"uvicorn.run(Starlette(), host='127.0.0.1', port={self.port})"
        )
        return subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )

    def _answers(self) -> bool:
        try:
            httpx.get(f"http://127.0.0.1:{self.port}", verify=False)
        except httpx.HTTPError:
            return False
        return True


def test_f20_control_plain_uvicorn(tmp_path: Path, report: Report) -> None:
    with (
        PlainUvicorn("uvicorn", tmp_path / "uvicorn.log") as server,
        Slowloris(server.port, HALVES) as halves,
    ):
        time.sleep(1.5 * REQUEST_SECONDS)
        held = halves.held
    report.control("F20 slowloris", "a deadline (plain uvicorn)", held_after=held)
    assert held == 2 * HALVES
