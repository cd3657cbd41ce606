"""How fast the past is answered when there is much of it: 7,000 imported roll calls.

Made up by `tests.past`, some 150 votes each. Each request is sent some hundred times,
one after the other over one connection. Baseline of the same run: `/healthz` of the
same gateway, which reads nothing. Also how long a gateway takes to start on that
archive, and its memory, with nothing archived and with all of it.
"""

import re
import time
from pathlib import Path

import httpx

from tests.bench.imports import imported, stack_without_limit, write
from tests.bench.report import quantile, table
from tests.e2e.stack import Stack
from tests.past import generated

ROLL_CALLS = 7_000
REQUESTS = 200
LIST = "/v1/ga/roll-calls"


def _milliseconds(http: httpx.Client, path: str) -> list[float]:
    times = []
    for _ in range(REQUESTS):
        started = time.perf_counter()
        answer = http.get(path)
        times.append(1000 * (time.perf_counter() - started))
        assert answer.is_success, (path, answer.status_code, answer.text)
    return times


def _memory(stack: Stack) -> float:
    text = Path(f"/proc/{stack.gateway.pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1]) / 1024


def _restarted(stack: Stack) -> tuple[float, float]:
    """Seconds until a new gateway is ready, and its MiB then."""
    stack.gateway.stop()
    started = time.perf_counter()
    stack.gateway.start()
    stack.wait_ready()
    return time.perf_counter() - started, _memory(stack)


def _paths(http: httpx.Client) -> dict[str, str]:
    cursor = None
    for _ in range(ROLL_CALLS // 200):  # to the middle of the list
        query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
        cursor = http.get(LIST, params=query).json()["next"]
    old = http.get(LIST, params={"limit": 100, "cursor": cursor}).json()["items"]
    one, other = old[0]["roll_call"], old[1]["roll_call"]
    return {
        "baseline: /healthz": "/healthz",
        "/": "/",
        "list, first page": LIST,
        "list, 100 of the middle": f"{LIST}?limit=100&cursor={cursor}",
        "list, closed ones": f"{LIST}?phase=closed",
        "list, of a year": f"{LIST}?year=1974",
        "list, of a session": f"{LIST}?session=31",
        "list, words that many have": f"{LIST}?q=question+1974",
        "list, words that nobody has": f"{LIST}?q=nobody+has+this",
        "an old tally": f"{LIST}/{one}/tally",
        "an old roll call in full": f"{LIST}/{one}",
        "/v of it": f"/v/ga/{one}",
        "/groups of it": f"{LIST}/{one}/groups",
        "/compare of two": f"{LIST}/{one}/compare/{other}",
        "/certificate of it": f"{LIST}/{one}/certificate",
    }


def run(roll_calls: int = ROLL_CALLS) -> None:
    """Print the tables."""
    with stack_without_limit() as stack:
        empty = _restarted(stack)
        file = stack.folder / "history.csv"
        _, votes = write(file, generated(roll_calls))
        imported(stack, file, votes)
        full = _restarted(stack)
        with httpx.Client(base_url=stack.gateway_url, verify=False) as http:
            times = {
                name: _milliseconds(http, path) for name, path in _paths(http).items()
            }
            after = _memory(stack)
    base = quantile(times["baseline: /healthz"], 0.99)
    table(
        f"{roll_calls:,} imported roll calls, {votes:,} votes: milliseconds a request",
        ["what", "p50", "p99", "ratio of p99"],
        [
            [
                name,
                f"{quantile(found, 0.5):.1f}",
                f"{quantile(found, 0.99):.1f}",
                f"{quantile(found, 0.99) / base:.1f}",
            ]
            for name, found in times.items()
        ],
    )
    table(
        "A gateway that starts",
        ["archive", "seconds until ready", "MiB", "MiB after the requests"],
        [
            ["empty", f"{empty[0]:.2f}", f"{empty[1]:.1f}", ""],
            ["full", f"{full[0]:.2f}", f"{full[1]:.1f}", f"{after:.1f}"],
        ],
    )
