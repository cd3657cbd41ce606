"""Every command of the ingest API does what it says."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tellers_core.codec import LogName
from tellers_core.events import (
    Counts,
    Figures,
    IntentionRecorded,
    Outcome,
    RollCallClosed,
    RollCallScheduled,
    RuleChanged,
    Vote,
    VoteChanged,
    VoteRecorded,
    VoteWithdrawn,
)
from tellers_core.majority import Fraction
from tellers_core.members import general_assembly
from tellers_core.roll_call import Phase
from tests.scenario import FIXTURES
from tests.servers import RedisServer
from tests.services.ingest import Clerk, Hall, hall, in_thread, places, refusal

VIEW: dict[str, Any] = {
    "chamber": "ga",
    "id": "es-11-1",
    "title": "A title",
    "symbol": None,
    "rule": "two_thirds",
    "phase": "open",
    "rehearsal": False,
    "reveal": "live",
    "called_from": None,
    "entitled": 193,
    "members": 193,
    "barred": {},
}
VOTES = "/es-11-1/votes"


@pytest.fixture(scope="module")
def service(redis_server: RedisServer) -> Iterator[str]:
    with in_thread(redis_server.url) as url:
        yield url


@pytest.fixture
async def at(redis_url: str, service: str) -> AsyncIterator[Hall]:
    async with hall(redis_url, [service]) as found:
        yield found


@pytest.fixture
def clerk(at: Hall) -> Clerk:
    return at.clerk


async def test_a_roll_call_from_beginning_to_end(at: Hall, clerk: Clerk) -> None:
    body = {"id": "es-11-1", "title": "A title", "rule": "two_thirds"}
    created = await clerk.send("POST", "", body)
    assert created.status_code == 201
    scheduled = {**VIEW, "phase": "scheduled"}
    assert created.json() == {
        "roll_call": scheduled,
        "seq": 1,
        "version": 1,
        "events": ["roll_call.scheduled"],
    }
    for place, (step, phase) in enumerate(
        [
            ("open", "opened"),
            ("lock", "locked"),
            ("unlock", "unlocked"),
            ("lock", "locked"),
            ("close", "closed"),
        ],
        2,
    ):
        now = "open" if phase in ("opened", "unlocked") else phase
        assert await clerk.done("POST", f"/es-11-1/{step}") == {
            "roll_call": {**VIEW, "phase": now},
            "seq": place,
            "version": place,
            "events": [f"roll_call.{phase}"],
        }
    assert (await at.state()).outcome is Outcome.REJECTED


async def test_a_vote_is_recorded_changed_unchanged_and_withdrawn(
    at: Hall, clerk: Clerk
) -> None:
    await clerk.open()
    said = []
    for vote in ("yes", "no", "no", "abstain"):
        response = await clerk.vote("FRA", vote)
        body = response.json()
        assert body["roll_call"] == VIEW
        said.append((response.status_code, body["seq"], body["events"]))
    assert said == [
        (201, 3, ["vote.recorded"]),
        (200, 4, ["vote.changed"]),
        (200, 4, []),
        (200, 5, ["vote.changed"]),
    ]
    gone = await clerk.done("DELETE", f"{VOTES}/FRA")
    assert (gone["seq"], gone["version"], gone["events"]) == (6, 6, ["vote.withdrawn"])
    assert (await clerk.done("DELETE", f"{VOTES}/FRA"))["events"] == []
    again = await clerk.vote("FRA", "yes")
    assert (again.status_code, again.json()["events"]) == (201, ["vote.recorded"])
    assert [e.event for e in (await at.entries())[2:]] == [
        VoteRecorded("FRA", Vote.YES),
        VoteChanged("FRA", Vote.NO, Vote.YES),
        VoteChanged("FRA", Vote.ABSTAIN, Vote.NO),
        VoteWithdrawn("FRA", Vote.ABSTAIN),
        VoteRecorded("FRA", Vote.YES),
    ]


async def test_everything_a_roll_call_can_say(at: Hall, clerk: Clerk) -> None:
    answer = await clerk.done(
        "POST",
        "",
        {
            "id": "a.b-9",
            "title": "  Cafe\u0301 \u0645 {x}  ",
            "symbol": " A/1 ",
            "rule": {"fraction": "3/7", "of": "members", "strict": True},
            "entitled": ["PER", "FRA", "NOR"],
            "barred": {"PER": "Article 19", "ZMB": "arrears"},
            "called_from": "PER",
            "rehearsal": False,
            "reveal": "live",
        },
    )
    assert answer["roll_call"] == {
        "chamber": "ga",
        "id": "a.b-9",
        "title": "Caf\u00e9 \u0645 {x}",
        "symbol": "A/1",
        "rule": {"fraction": "3/7", "of": "members", "strict": True},
        "phase": "scheduled",
        "rehearsal": False,
        "reveal": "live",
        "called_from": "PER",
        "entitled": 2,
        "members": 193,
        "barred": {"PER": "Article 19", "ZMB": "arrears"},
    }
    (event,) = [e.event for e in await at.entries()]
    assert isinstance(event, RollCallScheduled)
    assert event.entitled == ("FRA", "NOR")  # in the chamber's order
    assert event.members == general_assembly().codes


async def test_null_and_empty_are_as_good_as_nothing(clerk: Clerk) -> None:
    more: dict[str, Any] = {
        "symbol": "",
        "entitled": None,
        "called_from": None,
        "barred": {},
    }
    await clerk.schedule(**more)
    await clerk.schedule("x", symbol=None)


async def test_a_rehearsal_has_its_own_log(at: Hall, clerk: Clerk) -> None:
    await clerk.open("drill", rehearsal=True)
    await clerk.vote("FRA", "yes", "drill")
    rehearsals = LogName("ga", rehearsal=True)
    assert [e.source for e in await at.entries(rehearsals)] == [
        "/chambers/ga/rehearsal"
    ] * 3
    assert await at.entries() == []
    assert (await at.state("drill", rehearsals)).yes == 1
    # The id is unique in the chamber, rehearsals included.
    body = {"id": "drill", "title": "A title", "rule": "simple"}
    assert refusal(await clerk.send("POST", "", body)) == (409, "already_exists")


async def test_chambers_do_not_meet(at: Hall, clerk: Clerk) -> None:
    council = Clerk(clerk.http, "sc")
    await clerk.open()
    await council.open("es-11-1", rule="security_council")
    answer = (await council.vote("FRA", "no")).json()
    assert (answer["seq"], answer["roll_call"]["members"]) == (3, 15)
    state = await at.state("es-11-1", LogName("sc"))
    assert state.roll.permanent == ("CHN", "FRA", "GBR", "RUS", "USA")
    assert (await at.state()).votes == {}


async def test_closing_compares_what_was_announced(at: Hall, clerk: Clerk) -> None:
    await clerk.open()
    await clerk.vote("FRA", "yes")
    await clerk.done("POST", "/es-11-1/lock")
    wrong = {"announced": {"yes": 2, "no": 0, "abstain": 1}}
    refused = await clerk.send("POST", "/es-11-1/close", wrong)
    assert refusal(refused) == (409, "announced_mismatch")
    assert refused.json()["announced"] == {"yes": 2, "no": 0, "abstain": 1}
    assert refused.json()["recorded"] == {"yes": 1, "no": 0, "abstain": 0}
    right = {"announced": {"yes": 1, "no": 0, "abstain": 0}}
    await clerk.done("POST", "/es-11-1/close", right)
    assert (await at.entries())[-1].event == RollCallClosed(
        Counts(1, 0, 0, 192, 193, 193), Outcome.ADOPTED, Figures(1, 0, 0)
    )


async def test_the_rule_is_switched_while_the_vote_runs(at: Hall, clerk: Clerk) -> None:
    await clerk.open()
    three_fifths = {"fraction": "3/5", "of": "members"}
    answer = await clerk.done("POST", "/es-11-1/rule", {"rule": three_fifths})
    assert answer["roll_call"]["rule"] == {**three_fifths, "strict": False}
    again = await clerk.done("POST", "/es-11-1/rule", {"rule": three_fifths})
    assert (again["events"], again["seq"]) == ([], 3)
    assert (await at.entries())[-1].event == RuleChanged(
        Fraction("3/5", "members"), "two_thirds"
    )


async def test_a_vote_is_answered_with_the_rule_another_process_switched(
    redis_url: str,
) -> None:
    async with hall(redis_url, 2) as at:
        one, other = at.clerks
        await one.open()
        await one.vote("FRA", "yes")
        await other.done("POST", "/es-11-1/rule", {"rule": "simple"})
        answer = (await one.vote("PER", "yes")).json()
        assert answer["roll_call"]["rule"] == "simple"


async def test_an_intention_is_recorded_after_closing_and_never_counted(
    at: Hall, clerk: Clerk
) -> None:
    await clerk.bring("closed")
    wish = {"delegation": "COM", "vote": "yes", "note": "the button\u00a0failed"}
    answer = await clerk.done("POST", "/es-11-1/intentions", wish)
    assert answer["events"] == ["intention.recorded"]
    assert (await clerk.done("POST", "/es-11-1/intentions", wish))["events"] == []
    other = {"delegation": "COM", "vote": "no", "note": ""}
    await clerk.done("POST", "/es-11-1/intentions", other)
    state = await at.state()
    assert (state.yes, state.no, state.phase) == (0, 0, Phase.CLOSED)
    assert state.intentions == {"COM": IntentionRecorded("COM", Vote.NO, None)}


async def test_a_recorded_roll_call_is_one_request(at: Hall, clerk: Clerk) -> None:
    await clerk.open()
    csv = (FIXTURES / "roll-calls" / "es-11-1.csv").read_bytes()
    response = await clerk.send(
        "POST", VOTES, content=csv, headers={"Content-Type": "text/csv; charset=utf-8"}
    )
    assert response.status_code == 200
    answer = response.json()
    assert answer["events"] == ["vote.recorded"] * 181
    assert (answer["seq"], answer["version"]) == (183, 183)
    state = await at.state()
    assert (state.yes, state.no, state.abstain) == (141, 5, 35)
    again = await clerk.send(
        "POST", VOTES, content=csv, headers={"Content-Type": "text/csv"}
    )
    assert (again.json()["events"], again.json()["seq"]) == ([], 183)


async def test_of_who_was_absent_nothing_is_recorded(at: Hall, clerk: Clerk) -> None:
    await clerk.open()
    kind = {"Content-Type": "text/csv"}
    csv = b"name,vote\nFrance,X\nPeru,\n"
    answer = await clerk.done("POST", VOTES, content=csv, headers=kind)
    assert (answer["events"], answer["seq"]) == ([], 2)
    assert (await at.state()).votes == {}


async def test_a_batch_may_be_json_or_json_lines(at: Hall, clerk: Clerk) -> None:
    await clerk.open()
    votes = [{"delegation": "FRA", "vote": "yes"}, {"delegation": "PER", "vote": "no"}]
    first = await clerk.done("POST", VOTES, {"votes": votes})
    assert first["events"] == ["vote.recorded"] * 2
    lines = b'\xef\xbb\xbf{"delegation":"FRA","vote":"abstain"}\r\n\n'
    lines += b'{"delegation":"NOR","vote":"no"}'
    kind = {"Content-Type": "application/x-ndjson"}
    second = await clerk.done("POST", VOTES, content=lines, headers=kind)
    assert second["events"] == ["vote.changed", "vote.recorded"]
    assert (await at.state()).votes == {
        "FRA": Vote.ABSTAIN,
        "PER": Vote.NO,
        "NOR": Vote.NO,
    }


BAD_BATCHES = {
    "json": (
        "application/json",
        '{"votes":[{"delegation":"FRA","vote":"yes"},{"delegation":"PER","vote":"?"},'
        '{"delegation":"ZZZ","vote":"no"},{"delegation":"FRA","vote":"no"},7,'
        '{"vote":"no","x":1},{"delegation":"ZMB","vote":"no"}]}',
        [
            "/votes/1/vote",
            "/votes/2",
            "/votes/3",
            "/votes/4",
            "/votes/5/delegation",
            "/votes/5/x",
            "/votes/6",
        ],
    ),
    "csv": (
        "text/csv",
        "name,vote\nFrance,yes\nAtlantis,no\nPeru,perhaps\nFrance,no\nZambia,no\n",
        [3, 4, 5, 6],
    ),
    "lines": (
        "application/x-ndjson",
        '{"delegation":"FRA","vote":"yes"}\n\n{"delegation":"PER"}\n{"delegation\n'
        '{"delegation":"FRA","vote":"no"}\n{"delegation":"ZZZ","vote":"no"}\n"x"',
        [3, 4, 5, 6, 7],
    ),
}


@pytest.mark.parametrize("kind", BAD_BATCHES)
async def test_a_bad_batch_names_every_bad_place_and_records_nothing(
    at: Hall, clerk: Clerk, kind: str
) -> None:
    media_type, body, bad = BAD_BATCHES[kind]
    await clerk.open(barred={"ZMB": "Article 19"})
    response = await clerk.send(
        "POST", VOTES, content=body, headers={"Content-Type": media_type}
    )
    assert refusal(response) == (422, "bad_request")
    assert places(response) == bad
    assert (await at.state()).votes == {}
    assert await at.length() == 2


async def test_a_good_batch_out_of_phase_is_refused_for_its_phase(
    clerk: Clerk,
) -> None:
    await clerk.bring("locked")
    votes = {"votes": [{"delegation": "FRA", "vote": "yes"}]}
    refused = await clerk.send("POST", VOTES, votes)
    assert refusal(refused) == (409, "not_open")
