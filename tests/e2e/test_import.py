"""Histories of votes, from a file to the pages, on the real system; cut by kill -9."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from tellers_core.codec import LogName
from tellers_core.past import PastRollCall
from tellers_core.roll_call import Phase
from tellers_core.tally import decode_tally
from tellers_local.past_files import load_past
from tellers_local.recorded import own_file
from tellers_runtime import keys
from tests.e2e.stack import Stack
from tests.past import PastVote, generated, undl, vote_on
from tests.servers import wait_until

# A command and the services it waits for, all on a machine that may be busy.
pytestmark = pytest.mark.timeout(120)
GA = LogName("ga")
LIST = "/v1/ga/roll-calls"
FEW = ("AFG", "CSK", "FRA", "RUS", "USA")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture
def redis(stack: Stack) -> Iterator[Redis]:
    client = stack.redis.client()
    yield client
    client.close()


class Command:
    """`tellers import`, or another, on its way; what it says goes to a file."""

    def __init__(
        self, stack: Stack, *arguments: str | Path, name: str = "import"
    ) -> None:
        self._said = stack.folder / "import.txt"
        options = ["--ingest", stack.ingest_url, "--gateway", stack.gateway_url]
        plain = {n: v for n, v in os.environ.items() if not n.startswith("TELLERS_")}
        with self._said.open("w") as output:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tellers_local", name),
                    *map(str, arguments),
                    *options,
                ],
                env={**plain, "TELLERS_TOKEN": stack.token},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def kill(self) -> None:
        """End it as a power cut does."""
        self._process.kill()
        self._process.wait(20)

    def done(self, code: int = 0) -> str:
        """What it said, its exit code being that."""
        try:
            found = self._process.wait(100)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        assert found == code, self._said.read_text()
        return self._said.read_text()


def written(file: Path, *votes: PastVote) -> Path:
    file.write_text(undl(votes), encoding="utf-8", newline="")
    return file


def get(stack: Stack, path: str, **query: Any) -> Any:
    answer = httpx.get(stack.gateway_url + path, params=query, verify=False)
    answer.raise_for_status()
    return answer.json()


def listed(stack: Stack, **query: Any) -> list[dict[str, Any]]:
    """Every roll call of the list, page by page."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        more: dict[str, Any] = {"cursor": cursor} if cursor else {}
        page = get(stack, LIST, limit=100, **more, **query)
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            return found


def as_said(past: PastRollCall) -> dict[str, int]:
    said = past.totals
    return {name: getattr(said, name) for name in said.__struct_fields__}


def counted(tally: dict[str, Any]) -> dict[str, int]:
    return {k: v for k, v in tally["counts"].items() if k != "entitled"}


def test_a_history_is_imported_and_found_by_its_days(
    stack: Stack, tmp_path: Path, redis: Redis
) -> None:
    file = written(tmp_path / "history.csv", *generated(24))
    report = tmp_path / "report.csv"
    said = Command(stack, file, "--report", report).done()
    assert "24 recorded and closed" in said
    assert len(report.read_text().splitlines()) == 1 + 24
    records, _ = load_past([file], None, None)
    found = [tally for tally in listed(stack) if tally["imported"]["session"]]
    assert [tally["roll_call"] for tally in found] == [
        one.past.id for one in reversed(records)
    ]
    for tally, one in zip(reversed(found), records, strict=True):
        assert counted(tally) == as_said(one.past)
        assert (tally["phase"], tally["confirmed"]) == ("closed", True)
        assert tally["imported"]["voted_on"] == one.past.voted_on
    year = records[5].past.voted_on[:4]
    of_year = [one.past.id for one in records if one.past.voted_on.startswith(year)]
    assert [t["roll_call"] for t in listed(stack, year=year)] == of_year[::-1]
    assert [t["roll_call"] for t in listed(stack, q=f"QUESTION {year}")] == of_year[
        ::-1
    ]
    assert listed(stack, q="nobody has this") == []
    session = records[5].past.session
    assert {t["imported"]["session"] for t in listed(stack, session=session)} == {
        session
    }
    # Nobody was voting while it came in: no screen was told so.
    entries: list[Any] = [entry for _, entry in redis.xrange(keys.tallies(GA)) or ()]
    published = [decode_tally(entry[b"t"]) for entry in entries if b"t" in entry]
    assert {tally.phase for tally in published} == {Phase.LOCKED, Phase.CLOSED}
    assert "24 recorded before" in Command(stack, file).done()


def test_a_history_may_be_replayed_beside_a_roll_call(
    stack: Stack, tmp_path: Path, redis: Redis
) -> None:
    history = written(tmp_path / "undl.csv", vote_on("1990-12-01", 7, symbol="A/R/9"))
    files = (own_file("es-11-3"), history)
    before = redis.xlen(keys.events(GA))
    said = Command(stack, *files, "--id", "x", name="replay").done(code=1)
    assert f"{history} has many roll calls: no --id" in said
    assert redis.xlen(keys.events(GA)) == before
    said = Command(stack, *files, "--seconds", "0", name="replay").done()
    assert "1 recorded and closed" in said
    assert get(stack, f"{LIST}/a-r-9/tally")["phase"] == "closed"
    assert get(stack, f"{LIST}/es-11-3/tally")["counts"]["yes"] == 93


def test_members_of_the_past_are_delegations_with_their_names_then(
    stack: Stack, tmp_path: Path
) -> None:
    vote = vote_on("1970-11-30", 5, symbol="A/RES/2647(XXV)")
    Command(stack, written(tmp_path / "past.csv", vote)).done()
    place = f"{LIST}/a-res-2647-xxv"
    full = get(stack, place)
    names = {line["delegation"]: line["name"] for line in full["members"]}
    assert len(names) == full["counts"]["members"] == 127
    assert names["CSK"] == "Czechoslovakia"
    assert names["RUS"] == "Union of Soviet Socialist Republics"
    assert names["BFA"] == "Upper Volta"
    assert "DEU" not in names
    groups = get(stack, f"{place}/groups")["groups"]
    assert sum(group["counts"]["entitled"] for group in groups) == 127
    (eastern,) = [g for g in groups if g["group"] == "Eastern European Group"]
    assert {"CSK", "YUG", "RUS"} <= set(eastern["members"])
    # Nobody knows who was first: the only moment is the result.
    moments = get(stack, f"{place}/moments")["moments"]
    assert [moment["kind"] for moment in moments] == ["closed"]
    assert get(stack, f"{place}/flat.json")[0]["occurred_at"] == "1970-11-30"


def test_one_whose_totals_differ_is_reported_and_not_closed(
    stack: Stack, tmp_path: Path
) -> None:
    vote = vote_on("1986-11-03", 9, symbol="A/RES/41/9", more={"total_yes": "7"})
    said = Command(stack, written(tmp_path / "differs.csv", vote)).done()
    assert "1 recorded, but not closed" in said
    yes = vote.counts["Y"]
    assert f"a-res-41-9: yes {yes} by its votes, the file says 7 ({yes - 7:+d})" in said
    tally = get(stack, f"{LIST}/a-res-41-9/tally")
    assert tally["phase"] == "locked"
    assert tally["imported"]["figures"]["yes"] == 7
    certificate = f"{stack.gateway_url}{LIST}/a-res-41-9/certificate"
    assert httpx.get(certificate, verify=False).status_code == 404


def test_a_file_with_a_bad_line_changes_nothing(
    stack: Stack, tmp_path: Path, redis: Redis
) -> None:
    before = redis.xlen(keys.events(GA))
    bad = written(tmp_path / "bad.csv", *generated(3), vote_on("1990-01-01", 99))
    text = bad.read_text()
    last = text.rindex(",Y,")
    bad.write_text(text[:last] + ",?," + text[last + 3 :])
    line = text[:last].count("\n") + 1
    trouble = Command(stack, bad).done(code=1)
    assert f"{bad}:{line}: '?' is no ms_vote" in trouble
    assert redis.xlen(keys.events(GA)) == before


def _kill_command(stack: Stack, running: Command) -> None:
    running.kill()


def _kill_ingest(stack: Stack, running: Command) -> None:
    stack.ingest.kill()
    stack.ingest.start()
    running.done()


@pytest.mark.parametrize("kill", [_kill_command, _kill_ingest])
def test_an_import_cut_off_by_kill_9_is_completed_and_nothing_is_there_twice(
    stack: Stack, tmp_path: Path, redis: Redis, kill: Callable[..., None]
) -> None:
    mark = kill.__name__.removeprefix("_").replace("_", "-")
    votes = [
        vote_on(
            f"19{50 + number % 40}-01-01",
            number,
            symbol=f"{mark} {number}",
            answers=dict.fromkeys(FEW, "Y") | {"FRA": "N"},
        )
        for number in range(1000, 1400)
    ]
    file = written(tmp_path / "cut.csv", *votes)

    def recorded() -> int:
        pattern = keys.roll_call("ga", f"{mark}-*").replace("{ga}", "\\{ga\\}")
        return sum(1 for _ in redis.scan_iter(pattern, count=10_000))

    before = redis.xlen(keys.events(GA))
    running = Command(stack, file)
    wait_until(lambda: redis.xlen(keys.events(GA)) > before, 40, "the first roll call")
    kill(stack, running)
    if kill is _kill_command:
        # The control: without a second run it is not complete.
        assert 0 < recorded() < len(votes)
    said = Command(stack, file).done()
    assert "0 recorded, but not closed" in said
    assert recorded() == len(votes)
    # Scheduled, opened, five votes, locked, closed: each once.
    assert redis.xlen(keys.events(GA)) - before == 9 * len(votes)
    found = listed(stack, q=mark)
    assert len({tally["roll_call"] for tally in found}) == len(found) == len(votes)
    assert {tally["phase"] for tally in found} == {"closed"}
    assert {str(tally["counts"]["yes"]) for tally in found} == {"4"}
