"""The second count: it agrees with the first whatever is voted, and when it does not,
nothing of that roll call is published as good."""

import json
from collections.abc import Callable, Iterable
from itertools import product

import httpx
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec.structs import replace

from tellers_core import roll_call
from tellers_core.events import (
    Event,
    RollCallLocked,
    RollCallOpened,
    RuleChanged,
    Vote,
    VoteChanged,
    VoteRecorded,
    VoteWithdrawn,
)
from tellers_core.majority import NAMED, Fraction, Rule
from tellers_core.roll_call import RollCall
from tellers_core.tally import Projection, Tally, decode_tally, tally
from tellers_runtime.archive.engine import migrate
from tellers_runtime.log import Entry
from tellers_tally import metrics, projector, shadow
from tellers_tally.app import create_app
from tellers_tally.projector import DIFFERS, Change, Projector
from tellers_tally.rebuild import rebuild_all
from tellers_tally.shadow import Doubt, Figures, Shadow
from tests import strategies
from tests.scenario import EPOCH, OPENED, closed, opened, scheduled, votes
from tests.services.tallying import (
    GA,
    Archive,
    Leader,
    Logbook,
    entries,
    leading,
    settings_for,
    tallied,
    until,
)

RULES: tuple[Rule, ...] = (
    *NAMED,
    Fraction("1/2", "present_and_voting"),
    Fraction("2/3", "present_and_voting", strict=True),
    Fraction("5/8", "members", strict=True),
    Fraction("1/1000", "present_and_voting"),
    Fraction("1/1", "members"),
)
FJI_YES, FRA_YES, NOR_YES = votes(yes="FJI FRA NOR")
SWAPPED = {Vote.YES: Vote.NO}


def absorbed(history: Iterable[Event]) -> tuple[Projector, list[Tally]]:
    """A projector after these events, and the tally after each."""
    one, found = Projector(GA), []
    for entry in entries(history):
        assert one.absorb(entry).touched == ("r1",)
        found.append(one.tally("r1", EPOCH))
    return one, found


def all_agree(history: Iterable[Event]) -> None:
    one, found = absorbed(history)
    assert one.held() == {}
    assert all(shown.confirmed for shown in found)


# ---- it agrees


@for_all(history=strategies.histories(), rule=strategies.rules)
def test_both_counts_say_the_same_after_every_event(
    history: tuple[Event, ...], rule: Rule
) -> None:
    before = strategies.ROLL.rule
    all_agree(history)
    if rule != before:
        switch = RuleChanged(rule, before)
        all_agree((*history[:1], switch, *unruled(history[1:])))


def unruled(history: Iterable[Event]) -> list[Event]:
    """The votes alone: what the new rule makes of the closing is another result."""
    kept: list[Event] = []
    for event in history:
        if isinstance(event, RuleChanged):
            continue
        if type(event).__name__ in ("RollCallClosed", "RollCallAnnulled"):
            break
        kept.append(event)
    return kept


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_they_agree_on_every_state_of_every_small_assembly(rule: Rule) -> None:
    for size in range(8):
        codes = tuple(f"A{letter}A" for letter in "ABCDEFG"[:size])
        for yes, no in product(range(size + 1), repeat=2):
            for abstain in range(size - yes - no + 1):
                answers = [Vote.YES] * yes + [Vote.NO] * no + [Vote.ABSTAIN] * abstain
                cast = map(VoteRecorded, codes, answers)
                all_agree(closed(*opened(rule, codes), *cast))


COUNCIL = tuple(f"B{letter}B" for letter in "ABCDEFGHIJKLMNO")


@for_all(
    answers=st.lists(
        st.tuples(st.sampled_from(COUNCIL), strategies.votes),
        max_size=15,
        unique_by=lambda answer: answer[0],
    ),
    barred=st.sets(st.sampled_from(COUNCIL), max_size=2),
)
def test_they_agree_on_the_security_council(
    answers: list[tuple[str, Vote]], barred: set[str]
) -> None:
    roll = scheduled(
        "security_council",
        COUNCIL,
        permanent=COUNCIL[:5],
        barred=dict.fromkeys(barred, "a party to the dispute"),
    )
    cast = [VoteRecorded(code, vote) for code, vote in answers if code not in barred]
    all_agree(closed(roll, RollCallOpened(), *cast))


# ---- and it is right by itself: against every way the missing can vote


def carried(rule: Fraction, yes: int, no: int, members: int) -> bool:
    p, q = rule.ratio.numerator, rule.ratio.denominator
    base = members if rule.of == "members" else yes + no
    return yes >= 1 and (
        q * yes > p * base or (not rule.strict and q * yes == p * base)
    )


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_verdict_is_settled_when_no_answer_still_missing_can_change_it(
    rule: Rule,
) -> None:
    fraction = NAMED[rule] if isinstance(rule, str) else rule
    codes = tuple(f"A{letter}A" for letter in "ABCDE")
    for yes, no in product(range(6), repeat=2):
        for abstain in range(5 - yes - no + 1):
            answers = [Vote.YES] * yes + [Vote.NO] * no + [Vote.ABSTAIN] * abstain
            shadow = Shadow()
            for entry in entries(
                (*opened(rule, codes), *map(VoteRecorded, codes, answers))
            ):
                figures = shadow.follow(entry.body)
            missing = 5 - yes - no - abstain
            ends = {
                carried(fraction, yes + more, no + against, 5)
                for more in range(missing + 1)
                for against in range(missing + 1 - more)
            }
            settled = {"clinched": {True}, "unreachable": {False}}
            assert settled.get(figures.status, {True, False}) == ends
            now = carried(fraction, yes, no, 5)
            assert figures.status != "passing" or now
            assert figures.status not in ("failing", "tied") or not now


# ---- what it doubts


def reseated(entry: Entry, old: bytes, new: bytes) -> bytes:
    assert old in entry.body
    return entry.body.replace(old, new)


LOG = entries((*OPENED, FJI_YES, FRA_YES))


@pytest.mark.parametrize(
    ("bodies", "doubt"),
    [
        ([LOG[0].body, LOG[2].body], "comes as number 2"),
        ([LOG[0].body, LOG[0].body], "comes as number 2"),
        ([b"no JSON"], "JSONDecodeError"),
        ([b"[]"], "TypeError"),
        ([LOG[0].body, reseated(LOG[1], b"opened", b"opera")], "KeyError"),
        (
            [LOG[0].body, reseated(LOG[1], b'version":2', b'version":3')],
            "event 3 comes as number 2",
        ),
        ([reseated(LOG[0], b'version":1', b'version":2')], "beginning is missing"),
        (
            [LOG[0].body, LOG[1].body, reseated(LOG[2], b'"FJI"', b'"PSE"')],
            "PSE may not vote",
        ),
        (
            [LOG[0].body, LOG[1].body, reseated(LOG[2], b'"yes"', b'"aye"')],
            "KeyError 'aye'",
        ),
    ],
)
def test_what_does_not_follow_is_doubted(bodies: list[bytes], doubt: str) -> None:
    *before, last = bodies
    shadow = Shadow()
    for body in before:
        shadow.follow(body)
    with pytest.raises(Doubt, match=doubt):
        shadow.follow(last)


@for_all(history=strategies.histories())
def test_a_vote_in_another_spelling_is_counted_the_same(
    history: tuple[Event, ...],
) -> None:
    """As JSON, where it is not the line of text that ingest writes."""
    as_written, spaced = Shadow(), Shadow()
    for entry in entries(history):
        other = json.dumps(json.loads(entry.body)).encode()
        assert other != entry.body
        assert spaced.follow(other) == as_written.follow(entry.body)


def test_every_kind_of_vote_is_read_as_a_line_of_text() -> None:
    cast = [
        FJI_YES,
        VoteChanged("FJI", Vote.ABSTAIN, previous=Vote.YES),
        VoteWithdrawn("FJI", previous=Vote.ABSTAIN),
    ]
    for entry in entries(cast):
        assert shadow._read_vote(entry.body.decode())
    for entry in entries(OPENED):
        assert not shadow._read_vote(entry.body.decode())


def test_a_vote_outside_the_vote_is_doubted() -> None:
    shadow = Shadow()
    (late,) = entries([FJI_YES], first_seq=4, first_version=4)
    for entry in entries((*OPENED, RollCallLocked())):
        shadow.follow(entry.body)
    with pytest.raises(Doubt, match="a vote comes while locked"):
        shadow.follow(late.body)


# ---- they differ: the last good tally, held

Wrong = Callable[[pytest.MonkeyPatch, Projector], None]


def miscounted(monkeypatch: pytest.MonkeyPatch, _: Projector) -> None:
    """The core counts a yes as a no."""
    count = roll_call._count

    def wrong(state: RollCall, vote: Vote, by: int) -> None:
        count(state, SWAPPED.get(vote, vote), by)

    monkeypatch.setattr(roll_call, "_count", wrong)


def counted_twice(monkeypatch: pytest.MonkeyPatch, _: Projector) -> None:
    """The core counts every vote twice."""
    count = roll_call._count
    monkeypatch.setattr(roll_call, "_count", lambda s, v, by: count(s, v, 2 * by))


def poisoned(_: pytest.MonkeyPatch, one: Projector) -> None:
    """A bit of memory has turned."""
    projection = one._known["r1"].projection
    assert projection is not None
    projection.roll_call.abstain += 1


def misprinted(monkeypatch: pytest.MonkeyPatch, _: Projector) -> None:
    """The count is right and the tally is not."""

    def wrong(projection: Projection, epoch: str) -> Tally:
        shown = tally(projection, epoch)
        return replace(shown, verdict=replace(shown.verdict, status="failing"))

    monkeypatch.setattr(projector, "tally", wrong)


@pytest.mark.parametrize("wrong", [miscounted, counted_twice, poisoned, misprinted])
def test_a_difference_holds_the_roll_call_at_its_last_good_tally(
    monkeypatch: pytest.MonkeyPatch, wrong: Wrong
) -> None:
    one, shown = absorbed((*OPENED, FJI_YES, FRA_YES))
    good = shown[-1]
    wrong(monkeypatch, one)
    third, fourth = entries([NOR_YES, *votes(no="PER")], "r1", 5, 5)
    change = one.absorb(third)
    assert (change.touched, change.vote) == (("r1",), None)
    held = one.tally("r1", EPOCH)
    assert held.held is not None
    assert (held.held.seq, held.confirmed) == (5, False)
    assert replace(held, held=None, confirmed=True) == good
    # Both figures are named.
    assert held.held.reason.startswith(DIFFERS)
    assert held.held.reason.endswith(
        "not open, 3-0-0, 3 of 6 not voting, 6 members, passing, 2 required"
    )
    assert one.absorb(fourth).touched == ()
    assert one.tally("r1", EPOCH) == held


# ---- many entries at once: the tallies are made when they are asked for


def taken(one: Projector, page: list[Entry]) -> tuple[list[Change], list[Tally]]:
    """A page of entries, and the tally of each touched roll call at its end."""
    changes = one.settle([one.take(entry) for entry in page])
    names = dict.fromkeys(name for change in changes for name in change.touched)
    return changes, [one.tally(name, EPOCH) for name in names]


def kept(changes: Iterable[Change]) -> list[tuple[int, object]]:
    """The votes that are put on record."""
    return [(c.entry.seq, c.vote) for c in changes if c.vote is not None]


@for_all(history=strategies.histories(), pages=st.lists(st.integers(1, 9)))
def test_however_a_log_is_cut_into_pages_the_same_is_counted(
    history: tuple[Event, ...], pages: list[int]
) -> None:
    log = entries(history)
    single, many = Projector(GA), Projector(GA)
    one_by_one = [single.absorb(entry) for entry in log]
    changes: list[Change] = []
    while log:
        size = pages.pop() if pages else len(log)
        page, log = log[:size], log[size:]
        found, (shown,) = taken(many, page)
        assert shown.confirmed
        assert shown.seq == page[-1].seq
        changes += found
    assert changes == one_by_one
    assert many.tally("r1", EPOCH) == single.tally("r1", EPOCH)


PERHAPS_LATER = votes(yes="NOR", no="PER", abstain="RUS")


@pytest.mark.parametrize("wrong", [miscounted, counted_twice, poisoned, misprinted])
@pytest.mark.parametrize("good", range(2, 5))
def test_a_difference_within_a_page_is_held_as_if_entries_came_one_by_one(
    monkeypatch: pytest.MonkeyPatch, wrong: Wrong, good: int
) -> None:
    history = (*OPENED, FJI_YES, FRA_YES, *PERHAPS_LATER)
    single, many = Projector(GA), Projector(GA)
    log = entries(history)
    for entry in log[:good]:
        single.absorb(entry)
        many.absorb(entry)
    wrong(monkeypatch, single)
    if wrong is poisoned:
        wrong(monkeypatch, many)
    one_by_one = [single.absorb(entry) for entry in log[good:]]
    changes, tallies = taken(many, log[good:])
    assert tallies == [single.tally("r1", EPOCH)]
    assert tallies[0].held is not None
    assert kept(changes) == kept(one_by_one)
    assert many.held() == single.held()


@pytest.mark.parametrize("bad", range(2, 6))
def test_what_is_not_understood_within_a_page_holds_the_last_good_tally(
    bad: int,
) -> None:
    log = entries((*OPENED, FJI_YES, FRA_YES, *PERHAPS_LATER))
    log[bad] = (
        Entry(log[bad].seq, reseated(log[bad], b'"yes"', b'"aye"'))
        if (b'"yes"' in log[bad].body)
        else Entry(log[bad].seq, reseated(log[bad], b'"no"', b'"nay"'))
    )
    single, many = Projector(GA), Projector(GA)
    one_by_one = [single.absorb(entry) for entry in log]
    changes, tallies = taken(many, log)
    assert tallies == [single.tally("r1", EPOCH)]
    assert (tallies[0].held is not None, tallies[0].seq) == (True, bad)
    assert kept(changes) == kept(one_by_one)


def test_a_bit_that_turns_within_a_page_is_noticed_at_the_next_event() -> None:
    log = entries((*OPENED, FJI_YES, FRA_YES, *PERHAPS_LATER))
    one = Projector(GA)
    changes = [one.take(entry) for entry in log[:4]]
    projection = one._known["r1"].projection
    assert projection is not None
    projection.roll_call.abstain += 1
    changes = one.settle([*changes, *(one.take(entry) for entry in log[4:])])
    shown = one.tally("r1", EPOCH)
    assert shown.held is not None
    assert (shown.held.seq, shown.seq, shown.counts.yes) == (5, 4, 2)
    assert kept(changes) == [(3, FJI_YES), (4, FRA_YES)]


def test_a_milestone_is_a_change_of_phase_or_status() -> None:
    history = closed(*OPENED, FJI_YES, *votes(abstain="FRA"), NOR_YES)
    one = Projector(GA)
    changes = [one.take(entry) for entry in entries(history)]
    shown = absorbed(history)[1]
    stood = [(tally.phase, tally.verdict.status) for tally in shown]
    turned = [now != before for before, now in zip([None, *stood], stood, strict=False)]
    assert [change.milestone for change in changes] == turned
    assert 2 < sum(turned) < len(turned)


def test_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = absorbed((*OPENED, FJI_YES))
    for entry in entries(OPENED, "r2", first_seq=4):
        one.absorb(entry)
    poisoned(monkeypatch, one)
    (bad,) = entries([FRA_YES], "r1", 6, 4)
    (other,) = entries([FRA_YES], "r2", 7, 3)
    one.absorb(bad)
    assert one.absorb(other).touched == ("r2",)
    assert one.tally("r2", EPOCH).confirmed
    assert set(one.held()) == {"r1"}


def test_an_entry_that_the_worker_passed_over_is_noticed() -> None:
    """Entries 4 and 5, all of r2, never came; nothing in r1 shows it."""
    one, _ = absorbed((*OPENED, FJI_YES))
    (next_,) = entries([FRA_YES], "r1", 6, 4)
    one.absorb(next_)
    assert "entry 0000000000000006 comes as number 4" in one.held()["r1"].reason


def test_a_difference_at_the_beginning_leaves_no_tally(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = Projector(GA)
    misprinted(monkeypatch, one)
    (first,) = entries([scheduled()])
    assert one.absorb(first).touched == ()
    assert set(one.held()) == {"r1"}


def test_recalled_after_a_restart_both_counts_go_on() -> None:
    _, shown = absorbed((*OPENED, FJI_YES, FRA_YES))
    one = Projector(GA, ["r1"], 3)
    one.recall("r1", LOG[:3])
    assert one.absorb(LOG[3]).touched == ("r1",)
    assert one.tally("r1", EPOCH) == shown[-1]


def test_a_history_they_do_not_agree_on_is_not_recalled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = Projector(GA, ["r1"], 4)
    miscounted(monkeypatch, one)
    one.recall("r1", LOG)
    held = one.tally("r1", EPOCH)
    assert held.held is not None
    assert (held.held.seq, held.seq, held.confirmed) == (3, 2, False)


# ---- the whole service


async def ready(leader: Leader) -> tuple[int, dict[str, str]]:
    """What /readyz says."""
    app = httpx.ASGITransport(create_app(leader.workers))
    async with httpx.AsyncClient(transport=app, base_url="http://tally") as http:
        answer = await http.get("/readyz")
    return answer.status_code, answer.json().get("missing", {})


def disagreements() -> float:
    return float(metrics.DISAGREEMENTS.labels("ga")._value.get())


async def test_a_difference_is_held_said_and_kept_until_a_rebuild_lets_it_go(
    redis_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(database_url)
    async with Logbook(redis_url) as log:
        with Archive(database_url) as archive:
            with monkeypatch.context() as broken:
                async with leading(redis_url, database_url) as leader:
                    await log.append("r1", *OPENED, FJI_YES)
                    seq = await log.append("r2", *OPENED)
                    await until(lambda: archive.seq() == seq, "the archive")
                    assert (await ready(leader))[0] == 200
                    run = leader.worker._run
                    assert run is not None
                    poisoned(broken, run._projector)
                    bad = await log.append("r1", FRA_YES)
                    seq = await log.append("r2", FJI_YES)
                    await until(lambda: archive.seq() == seq, "the archive")
                    *_, shown = await log.published("r1")
                    assert shown.held is not None
                    assert (shown.held.seq, shown.seq, shown.counts.yes) == (bad, 3, 1)
                    status, missing = await ready(leader)
                    assert status == 503
                    assert missing == {"log ga, roll call r1": shown.held.reason}
                    assert disagreements() == 1
                    assert archive.roll_call("r2")["yes"] == 1
            # A new start does not forget what a rebuild has not looked into.
            async with leading(redis_url, database_url) as leader:
                assert await ready(leader) == (503, missing)
                assert disagreements() == 1
                seq = await log.append("r1", NOR_YES)
                await until(lambda: archive.seq() == seq, "the archive")
                assert archive.roll_call("r1")["held_seq"] == bad
                (done,) = await rebuild_all(settings_for(redis_url, database_url))
                assert done.changed == 1
                worker = leader.worker
                await until(lambda: not worker.disagreements, "the lease to be lost")
                await until(lambda: not worker.trouble, "the lead again")
                assert (await ready(leader))[0] == 200
                assert disagreements() == 0
            archive.must_equal_a_recount(await log.entries())
            tallies = await log.published("r1")
            assert tallies[-1].counts.yes == 3
            assert all(shown.confirmed != bool(shown.held) for shown in tallies)


async def test_what_was_good_and_is_counted_otherwise_now_is_held_on_the_screens(
    redis_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release that counts wrongly takes over in the middle of a vote."""
    migrate(database_url)
    async with Logbook(redis_url) as log:
        with Archive(database_url) as archive:
            async with leading(redis_url, database_url):
                seq = await log.append("r1", *OPENED, FJI_YES)
                await until(lambda: archive.seq() == seq, "the archive")
            miscounted(monkeypatch, Projector(GA))
            async with leading(redis_url, database_url) as leader:
                *_, shown = await log.published("r1")
                assert shown.held is not None
                assert (shown.seq, shown.counts.yes, shown.confirmed) == (3, 1, False)
                assert (await ready(leader))[0] == 503
                seq = await log.append("r2", *OPENED)
                await until(lambda: archive.seq() == seq, "the archive")
                assert archive.roll_call("r1")["held_seq"] == 3


async def test_a_rebuild_with_the_same_error_gives_the_same_bytes(
    redis_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    miscounted(monkeypatch, Projector(GA))
    async with tallied(redis_url, database_url) as (log, archive, _):
        await log.append("r1", *OPENED, *votes(no="PER", yes="FJI", abstain="NOR"))
        seq = await log.append("r2", *OPENED, *votes(no="PER"))
        await until(lambda: archive.seq() == seq, "the archive")
        before = archive.everything()
        assert archive.roll_call("r1")["held_seq"] == 3
        shown = decode_tally(archive.roll_call("r2")["tally"].encode())
        assert (shown.confirmed, shown.counts.no) == (True, 1)
        (done,) = await rebuild_all(settings_for(redis_url, database_url))
        assert done.changed == 0
        assert archive.everything() == before


class _Anything:
    def __ne__(self, _: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]


async def test_control_without_the_comparison_the_wrong_number_is_published(
    redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nothing else in the service notices what these tests are about."""
    url = f"sqlite:///{tmp_path_factory.mktemp('control')}/a.db"
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(projector, "_figures", lambda _: _Anything())
        async with tallied(redis_url, url) as (log, archive, leader):
            seq = await log.append("r1", *OPENED, FJI_YES)
            await until(lambda: archive.seq() == seq, "the archive")
            run = leader.worker._run
            assert run is not None
            misprinted(broken, run._projector)
            seq = await log.append("r1", FRA_YES)
            await until(lambda: archive.seq() == seq, "the archive")
            *_, shown = await log.published("r1")
            assert (shown.verdict.status, shown.confirmed) == ("failing", True)


def test_the_figures_are_said_in_words() -> None:
    said = Figures("open", 141, 5, 35, 12, 193, 193, "clinched", 98)
    assert str(said) == (
        "open, 141-5-35, 12 of 193 not voting, 193 members, clinched, 98 required"
    )
