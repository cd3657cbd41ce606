"""A history of votes from a file to what anybody can ask for, in votes a second.

Made up by `tests.past`, a million votes. The clock starts when `tellers import` starts
to read, and stops when the gateway shows the last roll call: read, checked, decided,
appended (`appendfsync always`), counted twice, shown. Baseline of the same run, before
it and after it: the same kind of roll calls, recorded by five requests each (schedule,
open, all votes in one batch, lock, close), one after the other.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from tellers_local.addresses import Services
from tellers_local.importing import import_files
from tellers_local.replaying import Target
from tests.bench.report import table
from tests.e2e.stack import Clerk, Stack
from tests.past import PastVote, generated, undl, vote_on
from tests.servers import wait_until

VOTES = 1_000_000
FIVE_REQUESTS = 30
WORDS = {"Y": "yes", "N": "no", "A": "abstain"}
# Clock ticks a second, of the times in /proc.
TICKS = 100


class Timed(NamedTuple):
    """Votes, seconds until they are shown, and processor seconds by process."""

    votes: int
    seconds: float
    busy: Mapping[str, float]

    @property
    def rate(self) -> float:
        return self.votes / self.seconds


def votes_in(vote: PastVote) -> int:
    """How many answers it has."""
    return sum(answer in WORDS for answer in vote.answers.values())


def history(votes: int) -> Iterator[PastVote]:
    """Made-up roll calls, together of at least so many votes."""
    found = 0
    for vote in generated(votes // 140):
        if found >= votes:
            return
        found += votes_in(vote)
        yield vote


def write(file: Path, votes: Iterator[PastVote]) -> tuple[int, int]:
    """Write a file of the UN Digital Library's; roll calls and votes in it."""
    roll_calls = answers = 0
    with file.open("w", encoding="utf-8", newline="") as out:
        for number, vote in enumerate(votes):
            text = undl([vote])
            out.write(text if number == 0 else text.partition("\n")[2])
            roll_calls, answers = roll_calls + 1, answers + votes_in(vote)
    return roll_calls, answers


def target(stack: Stack) -> Target:
    """Where `tellers import` finds a stack."""
    services = Services(stack.gateway_url, stack.ingest_url)
    return Target(services, stack.token, "ga")


@contextmanager
def stack_without_limit() -> Iterator[Stack]:
    """A whole system; its commands are not limited, for the baseline's sake."""
    settings = {"TELLERS_COMMANDS_PER_SECOND": "0"}
    with (
        tempfile.TemporaryDirectory() as folder,
        Stack(Path(folder), settings=settings) as stack,
    ):
        yield stack


def _busy(stack: Stack) -> dict[str, float]:
    servers = {
        "redis": stack.redis,
        "ingest": stack.ingest,
        "tally": stack.tally,
        "gateway": stack.gateway,
    }
    used = {"import": time.process_time()}
    for name, server in servers.items():
        text = Path(f"/proc/{server.pid}/stat").read_text(encoding="ascii")
        fields = text.rpartition(")")[2].split()
        used[name] = (int(fields[11]) + int(fields[12])) / TICKS
    return used


def _since(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {name: after[name] - before[name] for name in after}


def imported(stack: Stack, file: Path, votes: int) -> Timed:
    """Import a file; the seconds until its last roll call is shown."""
    before, started = _busy(stack), time.perf_counter()
    import_files([file], target(stack), None, None, None)
    seconds = time.perf_counter() - started
    return Timed(votes, seconds, _since(before, _busy(stack)))


def _five_requests(stack: Stack, label: str) -> Timed:
    made = [
        vote_on("2023-11-01", number=n, symbol=f"{label}-{n}")
        for n in range(FIVE_REQUESTS)
    ]
    before, started = _busy(stack), time.perf_counter()
    with (clerk := stack.clerk()).http:
        for vote in made:
            _record(clerk, vote)
    wait_until(lambda: _is_shown(stack, made[-1].symbol), 60, "the last roll call")
    seconds = time.perf_counter() - started
    votes = sum(map(votes_in, made))
    return Timed(votes, seconds, _since(before, _busy(stack)))


def _record(clerk: Clerk, vote: PastVote) -> None:
    clerk.open(vote.symbol, rule="simple")
    votes = [
        {"delegation": code, "vote": WORDS[answer]}
        for code, answer in vote.answers.items()
        if answer in WORDS
    ]
    path = f"/v1/ga/roll-calls/{vote.symbol}/votes"
    clerk.http.post(path, json={"votes": votes}).raise_for_status()
    clerk.step(vote.symbol, "lock")
    clerk.step(vote.symbol, "close")


def _is_shown(stack: Stack, roll_call: str) -> bool:
    path = f"{stack.gateway_url}/v1/ga/roll-calls/{roll_call}/tally"
    answer = httpx.get(path, verify=False)
    return answer.is_success and answer.json()["phase"] == "closed"


def run(votes: int = VOTES) -> None:
    """Print the table."""
    with stack_without_limit() as stack:
        file = stack.folder / "history.csv"
        roll_calls, answers = write(file, history(votes))
        first = _five_requests(stack, "before")
        whole = imported(stack, file, answers)
        again = imported(stack, file, answers)
        last = _five_requests(stack, "after")
    base = Timed(first.votes + last.votes, first.seconds + last.seconds, {})

    def row(name: str, timed: Timed) -> list[str]:
        seconds, rate = f"{timed.seconds:.1f}", f"{timed.rate:,.0f}"
        return [
            name,
            f"{timed.votes:,}",
            seconds,
            rate,
            f"{timed.rate / base.rate:.1f}",
        ]

    table(
        f"Import of {roll_calls:,} roll calls: read, appended, counted twice, shown",
        ["what", "votes", "seconds", "votes/s", "ratio to baseline"],
        [
            row("baseline: five requests a roll call", base),
            row("tellers import", whole),
            row("the same again: all is there", again),
        ],
    )
    table(
        "Where the time goes: microseconds of a processor for each vote",
        ["process", "import", "five requests"],
        [
            [
                name,
                f"{1e6 * seconds / whole.votes:.1f}",
                f"{1e6 * (first.busy[name] + last.busy[name]) / base.votes:.1f}",
            ]
            for name, seconds in whole.busy.items()
        ],
    )
