"""The gate between the log and the public, without a network: what passes, and when."""

from collections.abc import Sequence

from tellers_core.codec import LogName, encode
from tellers_core.events import Event, RollCallOpened, Vote, VoteChanged, VoteRecorded
from tellers_core.publication import Publication
from tellers_core.tally import Tally, tallies
from tellers_gateway.horizon import Gate, Passed
from tellers_runtime.log import Entry
from tests.scenario import AT, EPOCH, recorded, scheduled, votes

GA = LogName("ga")
SLIP = VoteRecorded("NOR", Vote.YES)
CORRECTED = VoteChanged("NOR", Vote.NO, Vote.YES)
HISTORY: tuple[Event, ...] = (
    scheduled(),
    RollCallOpened(),
    SLIP,
    *votes(yes="PER"),
    CORRECTED,
    *votes(no="FJI"),
)


def log(history: Sequence[Event] = HISTORY) -> list[Entry]:
    return [
        Entry(seq, encode(GA, "es-11-1", event, AT).filled("es-11-1", seq, seq))
        for seq, event in enumerate(history, 1)
    ]


def counted(history: Sequence[Event] = HISTORY) -> list[Tally]:
    return tallies(recorded(history), EPOCH)


def seqs(passed: Passed) -> tuple[list[int], list[int]]:
    return [e.seq for e in passed.entries], [t.seq for t in passed.tallies]


def test_with_nothing_said_everything_passes_at_once() -> None:
    gate = Gate(0, 0.0, Publication())
    assert gate.count(counted()) == counted()  # a tally may be first
    assert seqs(gate.take(log(), 0)) == ([1, 2, 3, 4, 5, 6], [])
    assert gate.read == 6
    assert not gate.holds_back


def test_no_tally_between_a_slip_and_its_correction_is_shown() -> None:
    gate = Gate(0, 3.0, Publication())
    assert seqs(gate.take(log()[:2], 0)) == ([], [])
    assert gate.count(counted()) == []
    assert seqs(gate.take([log()[2]], 3)) == ([1, 2], [1, 2])
    for seq, entry in enumerate(log()[3:], 4):
        assert seqs(gate.take([entry], seq)) == ([], [])
    # The slip and the vote after it were due at 6 and 7, the correction at 8.
    assert seqs(gate.due(7.9)) == ([], [])
    assert seqs(gate.due(8.0)) == ([3, 4, 5], [5])
    assert seqs(gate.due(99)) == ([6], [6])
    # Late, or published once more: the slip is still known.
    assert [tally.seq for tally in gate.count(counted())] == [1, 2, 5, 6]


def test_frozen_nothing_passes_and_released_the_newest_does() -> None:
    gate = Gate(0, 0.0, Publication())
    gate.take(log()[:2], 0)
    gate.count(counted()[:2])
    gate.say(Publication(frozen=True, seq=2), 1)
    assert gate.frozen
    assert seqs(gate.take(log()[2:], 2)) == ([], [])
    assert gate.count(counted()[2:]) == []
    assert seqs(gate.due(1e9)) == ([], [])
    found = gate.say(Publication(public_seq=6), 3)
    entries, told = seqs(found)
    assert entries == [3, 4, 5, 6]
    # The first, what changed the verdict, and the newest; no tally of the slip.
    assert told[-1] == 6
    assert not {3, 4} & set(told)
    assert seqs(gate.take(log((*HISTORY, *votes(yes="FRA")))[6:], 4)) == ([7], [])


def test_what_was_read_before_it_was_frozen_stays_where_it_was() -> None:
    gate = Gate(0, 3.0, Publication())
    gate.take(log()[:2], 0)
    gate.say(Publication(frozen=True), 1)
    assert seqs(gate.due(1e9)) == ([], [])


def test_when_the_delay_ends_what_waits_keeps_its_time_and_its_order() -> None:
    gate = Gate(0, 30.0, Publication())
    gate.take(log()[:2], 0)
    gate.say(Publication(delay_seconds=0), 1)
    assert seqs(gate.take(log()[2:4], 2)) == ([], [])
    assert seqs(gate.due(30)) == ([1, 2, 3, 4], [])
    assert not gate.holds_back
