"""`tellers import`: what is read, what is sent and sent again, and what is reported."""

import json
from pathlib import Path

import pytest

from tellers_core.history import read_history
from tellers_core.past import Difference
from tellers_local import ingest as module
from tellers_local.failure import Failure
from tellers_local.importing import (
    SENT_AT_ONCE,
    SHOWN_LINES,
    Outcome,
    Result,
    as_csv,
    send,
    summary,
)
from tellers_local.ingest import CommandRefused, IngestClient
from tellers_local.past_files import PastRecord, checked_format, load_past
from tests.local.ingest import Answer, Request, ingest
from tests.past import PastVote, generated, undl, vote_on


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT_SECONDS", 0.001)
    monkeypatch.setattr(module, "MAX_WAIT_SECONDS", 0.002)


def written(folder: Path, name: str, *votes: PastVote) -> Path:
    file = folder / name
    file.write_text(undl(votes), encoding="utf-8", newline="")
    return file


def load(*files: Path) -> list[PastRecord]:
    return load_past(files, None, None)[0]


def faults(*files: Path) -> list[str]:
    with pytest.raises(Failure) as failure:
        load(*files)
    return str(failure.value).splitlines()


def test_all_files_are_one_history_in_order_of_days(tmp_path: Path) -> None:
    late = written(tmp_path, "late.csv", vote_on("2020-05-01", 2))
    early = written(tmp_path, "early.csv", vote_on("1950-05-01", 1))
    assert [one.past.voted_on for one in load(late, early)] == [
        "1950-05-01",
        "2020-05-01",
    ]


def test_bad_lines_of_all_files_are_named(tmp_path: Path) -> None:
    good = written(tmp_path, "good.csv", vote_on("1950-05-01"))
    bad = tmp_path / "bad.csv"
    bad.write_text(good.read_text().replace(",Y,", ",?,", 1))
    worse = tmp_path / "worse.csv"
    worse.write_text("a,b\n")
    first, second = faults(good, bad, worse)
    assert first.startswith(f"{bad}:2: '?' is no ms_vote")
    assert second.startswith(f"{worse}:1: the header lacks columns")


def test_a_byte_that_is_not_utf_8_is_found(tmp_path: Path) -> None:
    file = written(tmp_path, "latin.csv", vote_on("1950-05-01"))
    lines = file.read_bytes().split(b"\n")
    lines[40] = lines[40].replace(b",Y,", b",\xd4,").replace(b",N,", b",\xd4,")
    file.write_bytes(b"\n".join(lines))
    (fault,) = faults(file)
    assert fault == f"{file}:41: byte 0xd4 is not UTF-8: save the file as UTF-8"


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path / "none.csv")
    assert fault == f"{tmp_path / 'none.csv'}: no such file or directory"


def test_the_same_roll_call_in_two_files_is_one(tmp_path: Path) -> None:
    one = written(tmp_path, "one.csv", vote_on("1950-05-01"))
    same = written(tmp_path, "same.csv", vote_on("1950-05-01"))
    assert len(load(one, same)) == 1
    other = written(tmp_path, "other.csv", vote_on("1950-05-01", title="Other"))
    (fault,) = faults(one, other)
    assert fault == f"{other}:2: a-res-5-1 is otherwise in {one}:2"


def test_reading_shows_how_far_it_is(tmp_path: Path) -> None:
    file = written(tmp_path, "long.csv", *generated(150))
    seen: list[tuple[int, int]] = []
    load_past([file, file], None, None, lambda *at: seen.append(at))
    assert seen
    assert seen == sorted(seen)
    assert all(0 < done <= of == 2 * file.stat().st_size for done, of in seen)


def test_only_known_formats_can_be_said() -> None:
    assert checked_format(None) is None
    assert checked_format("undl") == "undl"
    with pytest.raises(Failure, match="undl, voeten"):
        checked_format("excel")


# ---- sending


def answer_to(request: Request) -> Answer:
    """Everything is new and closed."""
    names = [json.loads(line)["id"] for line in request.body]
    found = [
        {"id": name, "outcome": "closed", "seq": at, "version": 9}
        for at, name in enumerate(names, 1)
    ]
    return 200, {"roll_calls": found}


async def test_roll_calls_are_sent_together_and_again_until_they_count(
    tmp_path: Path,
) -> None:
    records = load(written(tmp_path, "file.csv", *generated(SENT_AT_ONCE + 3)))
    seen: list[Request] = []

    def answer(request: Request) -> Answer:
        seen.append(request)
        if len(seen) == 1:
            return None  # the answer is lost
        if len(seen) == 2:
            return 503, {"detail": "Redis is away"}
        return answer_to(request)

    progress: list[tuple[int, int]] = []
    outcomes: list[Outcome] = []
    async with ingest(answer, lines=True) as url:
        client = IngestClient(url, "tlr_a_b", "ga")
        await send(client, records, outcomes, lambda *at: progress.append(at))
        await client.aclose()
    assert len({request.key for request in seen[:3]}) == 1
    assert seen[0].body == seen[1].body == seen[2].body
    assert [len(request.body) for request in seen[2:]] == [SENT_AT_ONCE, 3]
    assert [one.record for one in outcomes] == records
    assert progress == [(SENT_AT_ONCE, len(records)), (len(records), len(records))]
    assert {request.path for request in seen} == {"/v1/ga/imports"}


async def test_what_ingest_refuses_is_told_with_its_reason(tmp_path: Path) -> None:
    records = load(written(tmp_path, "file.csv", vote_on("1950-05-01")))
    problem = {
        "code": "bad_request",
        "detail": "nothing was recorded",
        "errors": [{"line": 1, "detail": "title: too long"}],
    }
    async with ingest(lambda _: (422, problem), lines=True) as url:
        client = IngestClient(url, "tlr_a_b", "ga")
        with pytest.raises(CommandRefused, match="nothing was recorded; 1: title"):
            await send(client, records, [])
        await client.aclose()


# ---- the report


def outcome(name: str, kind: str, *differences: Difference) -> Outcome:
    vote = vote_on("1950-05-01", symbol=name)
    (found,) = _read(vote)
    result = Result(name, kind, 7, differences)  # type: ignore[arg-type]
    return Outcome(found, result)


def _read(vote: PastVote) -> list[PastRecord]:
    reading = read_history(undl([vote]).splitlines(keepends=True))
    return [PastRecord(Path("f.csv"), one.line, one.past) for one in reading.roll_calls]


def test_the_report_says_how_many_and_by_how_much() -> None:
    found = [
        outcome("a", "closed"),
        outcome("b", "exists"),
        outcome(
            "c", "locked", Difference("yes", 120, 121), Difference("abstain", None, 0)
        ),
        outcome("d", "conflict"),
    ]
    assert summary(found) == [
        "  1 recorded and closed",
        "  1 recorded before",
        "  1 recorded, but not closed: the file says otherwise",
        "  1 refused: another roll call has the id",
        "f.csv:2: c: yes 121 by its votes, the file says 120 (+1), "
        "abstain 0 by its votes, the file says nothing",
        "f.csv:2: d: there is another roll call of this id",
    ]


def test_a_long_report_is_cut_and_the_file_has_it_all() -> None:
    found = [
        outcome(f"r{n}", "locked", Difference("yes", 1, 2))
        for n in range(SHOWN_LINES + 5)
    ]
    assert summary(found)[-1] == "and 5 more: --report FILE has them all"
    header, *rows = as_csv(found).splitlines()
    assert header.startswith("file,line,roll_call,symbol,voted_on,outcome,seq,what")
    assert len(rows) == SHOWN_LINES + 5
    assert rows[0] == "f.csv,2,r0,r0,1950-05-01,locked,7,yes,1,2"
