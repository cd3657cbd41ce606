"""From the archive to the queue, on both databases: once, all or nothing, and the same
after a restore."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, Engine, text

from tellers_core.codec import LogName
from tellers_core.events import Event, Reveal, RollCallOpened
from tellers_core.publication import Publication
from tellers_core.tally import Held
from tellers_runtime.archive.engine import migrate, open_engine
from tellers_runtime.log import Entry
from tellers_tally.projector import Projector
from tellers_tally.store import Batch, Store
from tellers_webhooks import planner as planning
from tellers_webhooks.courier import settled
from tellers_webhooks.endpoints import Endpoint, Endpoints, TooMany
from tellers_webhooks.interest import EVENTS, TALLY, Interest
from tellers_webhooks.planner import Planner, PositionLost
from tellers_webhooks.queue import Delivery, New, Queue, Settled, enqueue
from tellers_webhooks.rules import Rule
from tellers_webhooks.schedule import Answer
from tellers_webhooks.vault import BadKey, Vault, load_vault
from tests.scenario import AT, EPOCH, OPENED, closed, scheduled, votes
from tests.services.tallying import GA, NONSENSE, entries

REHEARSALS = LogName("ga", rehearsal=True)
VAULT = Vault(bytes(32))
NOW = datetime(2026, 11, 24, tzinfo=UTC)


class Desk:
    """An archive that grows as the tally service lets it, and what is queued of it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.endpoints = Endpoints(engine, VAULT, limit=3)
        self.queue = Queue(engine)
        self.planner = Planner(engine, [GA, REHEARSALS])
        self.store = Store(engine, "lease", "us")
        self.store.take_by_force()
        self.seq = 0
        self._projector = Projector(GA)

    def begin(self) -> None:
        self.store.begin(GA, EPOCH)
        self.planner.begin()

    def archive(self, *history: Event, name: str = "r1", version: int = 1) -> None:
        """The tally service archives these events, which follow in the log."""
        self.take(entries(history, name, self.seq + 1, version))

    def take(
        self, log: list[Entry], epoch: str = EPOCH, held: Held | None = None
    ) -> None:
        batch = Batch()
        for entry in log:
            change = self._projector.absorb(entry)
            tallies = [self._projector.tally(n, epoch) for n in change.touched]
            batch.add(change, tallies)
        if held is not None:
            self._projector.hold("r1", held)
            batch.hold(self._projector.tally("r1", epoch))
        self.store.commit(GA, epoch, self.seq, batch)
        self.seq = log[-1].seq

    def step(self) -> None:
        """Until nothing is left to queue."""
        while self.planner.behind():
            for log in self.planner.behind():
                self.planner.step(log, Publication())

    def subscribe(self, *events: str, rules: tuple[Rule, ...] = ()) -> Endpoint:
        interest = Interest(events, rules=rules) if events or rules else Interest()
        return self.endpoints.create("https://example.org", "", interest)[0]

    def queued(self, endpoint: Endpoint) -> list[Delivery]:
        """Oldest first."""
        return self.queue.listed(endpoint.id, None, 1000, None)[::-1]

    def seqs(self, endpoint: Endpoint) -> list[int]:
        return [one.seq for one in self.queued(endpoint)]

    def sql(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    migrate(database_url)
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def desk(engine: Engine) -> Desk:
    found = Desk(engine)
    found.begin()
    return found


def test_each_event_is_queued_once_for_each_who_wants_it(desk: Desk) -> None:
    all_of_it, closings = desk.subscribe(), desk.subscribe("roll_call.closed")
    desk.archive(*closed(*OPENED, *votes(yes="FJI")))
    desk.step()
    desk.step()
    assert desk.seqs(all_of_it) == [1, 2, 3, 4, 5]
    assert desk.seqs(closings) == [5]


def test_who_subscribes_later_gets_what_comes_later(desk: Desk) -> None:
    desk.archive(*OPENED)
    desk.step()
    late = desk.subscribe()
    desk.archive(*votes(yes="FJI"), version=3)
    desk.step()
    assert desk.seqs(late) == [3]


def test_a_log_that_was_never_delivered_from_begins_at_its_end(
    database_url: str,
) -> None:
    migrate(database_url)
    engine = open_engine(database_url)
    desk = Desk(engine)
    desk.store.begin(GA, EPOCH)
    desk.archive(*OPENED)
    desk.planner.begin()
    endpoint = desk.subscribe()
    desk.archive(*votes(yes="FJI"), version=3)
    desk.step()
    assert desk.seqs(endpoint) == [3]
    engine.dispose()


def test_position_and_deliveries_move_together_or_not_at_all(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = desk.subscribe()
    desk.archive(*OPENED)

    def fails(connection: Connection, deliveries: list[New], now: int) -> None:
        enqueue(connection, deliveries, now)
        raise RuntimeError("killed before the commit")

    monkeypatch.setattr(planning, "enqueue", fails)
    with pytest.raises(RuntimeError):
        desk.step()
    assert desk.seqs(endpoint) == []
    monkeypatch.undo()
    desk.step()
    assert desk.seqs(endpoint) == [1, 2]


def test_with_the_position_moved_first_that_crash_loses_events(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the position in a transaction of its own."""
    endpoint = desk.subscribe()
    desk.archive(*OPENED)

    def fails(*_: object) -> None:
        raise RuntimeError("killed before the commit")

    monkeypatch.setattr(planning, "enqueue", fails)
    desk.sql("UPDATE webhook_position SET seq = 2 WHERE log = 'ga'")
    desk.step()
    monkeypatch.undo()
    desk.step()
    assert desk.seqs(endpoint) == []


def test_after_a_restore_nothing_old_comes_again_and_new_events_have_the_new_epoch(
    desk: Desk,
) -> None:
    endpoint = desk.subscribe()
    desk.archive(*OPENED)
    desk.step()
    desk.store.set_epoch(GA, "restored")
    desk.step()
    assert desk.seqs(endpoint) == [1, 2]
    desk.take(entries(votes(yes="FJI"), "r1", 3, 3), "restored")
    desk.step()
    assert desk.seqs(endpoint) == [1, 2, 3]
    epochs = [msgspec.json.decode(one.body)["epoch"] for one in desk.queued(endpoint)]
    assert epochs == [EPOCH, EPOCH, "restored"]


def test_even_a_position_put_back_queues_nothing_twice(desk: Desk) -> None:
    endpoint = desk.subscribe(rules=(Rule("closed"), Rule("margin_below", 5)))
    desk.archive(*closed(*OPENED, *votes(yes="FJI")))
    desk.step()
    before = desk.queued(endpoint)
    assert [one.seq for one in before] == [3, 5]
    desk.sql("UPDATE webhook_position SET seq = 0 WHERE log = 'ga'")
    desk.store.set_epoch(GA, "restored")
    desk.step()
    assert desk.queued(endpoint) == before


def test_an_archive_that_ends_before_the_position_stops_it(desk: Desk) -> None:
    desk.archive(*OPENED)
    desk.step()
    desk.sql("UPDATE webhook_position SET seq = 7 WHERE log = 'ga'")
    with pytest.raises(PositionLost, match="ends at 2, 7 was delivered"):
        desk.step()


def test_an_entry_that_is_no_event_is_delivered_as_one_that_says_so(desk: Desk) -> None:
    endpoint = desk.subscribe()
    desk.take([*entries(OPENED), Entry(3, NONSENSE)])
    desk.step()
    assert [one.type for one in desk.queued(endpoint)][2] == "org.tellers.unreadable.v1"


def test_rules_are_judged_from_the_archive_after_a_restart(desk: Desk) -> None:
    endpoint = desk.subscribe(rules=(Rule("clinched"),))
    desk.archive(*OPENED, *votes(yes="FJI FRA NOR"))
    desk.step()
    desk.planner = Planner(desk.engine, [GA])  # another process
    desk.archive(*votes(yes="PER"), version=6)
    desk.step()
    (met,) = desk.queued(endpoint)
    assert met.seq == 6
    assert msgspec.json.decode(met.body)["data"]["tally"]["counts"]["yes"] == 4


def test_of_a_roll_call_that_is_held_no_rule_is_judged_and_the_tally_says_so(
    desk: Desk,
) -> None:
    endpoint = desk.subscribe("tally", rules=(Rule("margin_below", 5),))
    log = entries((*OPENED, *votes(yes="FJI")))
    desk.take(log, held=Held(3, "two counts differ"))
    desk.step()
    (tally,) = desk.queued(endpoint)
    held = msgspec.json.decode(tally.body)["data"]["held"]
    assert held == {"seq": 3, "reason": "two counts differ"}


def test_a_tally_takes_the_place_of_the_one_that_waits_and_of_no_other(
    desk: Desk,
) -> None:
    endpoint = desk.subscribe("tally")
    desk.archive(*OPENED)
    desk.step()
    (first,) = desk.queued(endpoint)
    desk.archive(*OPENED, name="r2")
    desk.archive(*votes(yes="FJI"), version=3)
    desk.step()
    assert [(d.roll_call, d.seq) for d in desk.queued(endpoint)] == [
        ("r2", 4),
        ("r1", 5),
    ]
    # The outcome of the one that was on its way settles none of those that replaced it.
    desk.queue.settle([Settled(first.id, endpoint.id, "delivered", 1, 0)])
    assert {one.state for one in desk.queued(endpoint)} == {"waiting"}


def test_state_comes_by_seq_whatever_was_queued_first(desk: Desk) -> None:
    endpoint = desk.subscribe()
    desk.archive(*OPENED, *votes(yes="FJI"))
    desk.step()
    for one in desk.queued(endpoint):
        desk.queue.settle([Settled(one.id, endpoint.id, "delivered", 1, 1)])
    desk.archive(*votes(no="NOR"), version=4)
    desk.step()
    again = range(2, 4)
    wanted = desk.planner.events(GA, again, endpoint)
    assert desk.queue.requeue(endpoint.id, GA, again, wanted, 2) == 2
    heads = []
    while (head := desk.queue.heads(endpoint.id).state) is not None:
        heads.append(head.seq)
        desk.queue.settle([Settled(head.id, endpoint.id, "delivered", 1, 3)])
    assert heads == [2, 3, 4]


def test_when_the_tries_are_used_up_the_endpoint_is_disabled_and_what_waits_is_kept(
    desk: Desk,
) -> None:
    endpoint = desk.subscribe()
    desk.archive(*OPENED)
    desk.step()
    first, second = desk.queued(endpoint)
    ended = settled(first._replace(tries=9), Answer(500, "HTTP 500"), 7, 0)
    desk.queue.settle([ended])
    found = desk.endpoints.find(endpoint.id)
    assert found is not None
    assert (found.enabled, found.failing_since) == (False, 7)
    assert found.disabled_reason == "10 tries in vain, the last one: HTTP 500"
    assert desk.endpoints.target(endpoint.id) is None
    assert [one.state for one in desk.queued(endpoint)] == ["failed", "waiting"]
    # Nothing is queued meanwhile; enabled again, what waited goes out at once.
    desk.archive(*votes(yes="FJI"), version=3)
    desk.step()
    assert desk.seqs(endpoint) == [1, 2]
    desk.endpoints.change(endpoint.id, enabled=True)
    assert desk.endpoints.target(endpoint.id) is not None
    head = desk.queue.heads(endpoint.id).state
    assert head is not None
    assert (head.id, head.tries) == (second.id, 0)


def test_who_asked_for_time_is_left_alone_until_a_delivery_succeeds(desk: Desk) -> None:
    endpoint = desk.subscribe()
    desk.archive(*OPENED)
    desk.step()
    first, _ = desk.queued(endpoint)
    busy = settled(first, Answer(429, "HTTP 429", retry_after=60.0), 1000, 0)
    desk.queue.settle([busy])
    found = desk.endpoints.find(endpoint.id)
    assert found is not None
    assert (found.not_before, found.failing_since) == (61_000, 1000)
    desk.queue.settle([settled(first, Answer(204), 62_000, 0)])
    found = desk.endpoints.find(endpoint.id)
    assert found is not None
    assert (found.not_before, found.failing_since) == (0, None)


def test_what_is_finished_is_forgotten_after_a_fortnight(desk: Desk) -> None:
    endpoint = desk.subscribe()
    desk.archive(*OPENED)
    desk.step()
    first, second = desk.queued(endpoint)
    desk.queue.settle([Settled(first.id, endpoint.id, "delivered", 1, 1000)])
    fortnight = 14 * 24 * 3600 * 1000
    desk.queue.forget(fortnight + 1000)
    assert len(desk.queued(endpoint)) == 2
    desk.queue.forget(fortnight + 1001)
    assert desk.queued(endpoint) == [second]


def test_only_so_many_endpoints(desk: Desk) -> None:
    for _ in range(3):
        desk.subscribe()
    with pytest.raises(TooMany):
        desk.subscribe()


# ---- secrets


def test_a_secret_opens_with_its_key_for_its_endpoint_only() -> None:
    sealed = VAULT.seal("we_1", "whsec_abc")
    assert b"abc" not in sealed
    assert VAULT.open("we_1", sealed) == "whsec_abc"
    assert VAULT.seal("we_1", "whsec_abc") != sealed
    for vault, endpoint in [(VAULT, "we_2"), (Vault(b"x" * 32), "we_1")]:
        with pytest.raises(BadKey):
            vault.open(endpoint, sealed)


def test_the_key_is_made_once_and_kept(tmp_path: Path) -> None:
    sealed = load_vault("", tmp_path).seal("we_1", "s")
    assert load_vault("", tmp_path).open("we_1", sealed) == "s"
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_vault(str(file), tmp_path / "elsewhere").open("we_1", sealed) == "s"


@pytest.mark.parametrize("content", ["", "xyz", "00" * 31, "00" * 33])
def test_what_is_no_key_is_said(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content)
    with pytest.raises(BadKey, match="64 hex digits"):
        load_vault(str(tmp_path / "key"), tmp_path)
    with pytest.raises(BadKey):
        load_vault(str(tmp_path / "missing"), tmp_path)


def test_a_replaced_secret_signs_for_a_day(desk: Desk) -> None:
    moment = [NOW]
    endpoints = Endpoints(desk.engine, VAULT, 3, lambda: moment[0])
    endpoint, old, _ = endpoints.create("https://example.org", "", Interest())
    rotated = endpoints.rotate(endpoint.id)
    assert rotated is not None
    new, until = rotated

    def signing() -> tuple[str, ...]:
        target = endpoints.target(endpoint.id)
        assert target is not None
        return target.secrets

    assert signing() == (new, old)
    moment[0] = until
    assert signing() == (new,)


def hidden(reveal: Reveal, *more: Event) -> tuple[Event, ...]:
    return (scheduled(reveal=reveal), RollCallOpened(), *more)


@pytest.mark.parametrize(
    ("reveal", "counted"),
    [
        (Reveal.LIVE, 1),
        (Reveal.TOTALS_ONLY, 1),
        (Reveal.NAMES_AFTER_CLOSE, 0),
        (Reveal.NOTHING_UNTIL_CLOSE, 0),
    ],
)
def test_what_is_withheld_is_delivered_to_nobody(
    desk: Desk, reveal: Reveal, counted: int
) -> None:
    endpoint = desk.subscribe(*EVENTS, TALLY)
    rules = desk.subscribe(rules=(Rule("permanent_member_votes"),))
    history = hidden(reveal, *votes(yes="FRA"))
    desk.archive(*history)
    desk.step()
    told = desk.queued(endpoint)
    assert any("FRA" in one.body for one in told[2:]) == (reveal is Reveal.LIVE)
    assert [one.type.rpartition(".")[0] for one in told if one.seq == 3][:1] == [
        "org.tellers.vote.recorded" if counted and reveal is Reveal.LIVE
        else "org.tellers.withheld"
    ]  # fmt: skip
    (tally,) = (json.loads(one.body)["data"] for one in told if one.kind == "tally")
    assert tally["counts"]["yes"] == counted
    assert (desk.seqs(rules) == [3]) == (reveal is Reveal.LIVE)
    # A replay tells no more, until it has ended.
    again = desk.planner.events(GA, range(1, 4), endpoint)
    assert ("FRA" in again[2].body) == (reveal is Reveal.LIVE)
    desk.archive(*closed(*history)[3:], version=4)
    desk.step()
    assert "FRA" in desk.planner.events(GA, range(1, 4), endpoint)[2].body


def test_while_frozen_nothing_is_delivered_and_then_everything(desk: Desk) -> None:
    endpoint = desk.subscribe()
    desk.archive(*OPENED)
    desk.step()
    said = Publication(frozen=True, seq=2, at=AT)
    desk.archive(*votes(yes="FJI", no="NOR"), version=3)
    assert not desk.planner.step(GA, said).moved
    assert desk.seqs(endpoint) == [1, 2]
    assert desk.planner.events(GA, range(1, 5), endpoint)[-1].seq == 2
    desk.step()
    assert desk.seqs(endpoint) == [1, 2, 3, 4]


def test_within_the_delay_nothing_is_delivered_to_anybody(engine: Engine) -> None:
    now = datetime.fromisoformat(AT)
    desk = Desk(engine)
    desk.begin()
    endpoint = desk.subscribe()
    desk.archive(*OPENED)
    for seconds, seqs in ((2, []), (3, [1, 2])):
        moment = (now + timedelta(seconds=seconds)).timestamp()
        desk.planner = Planner(
            engine, [GA], partial(datetime.fromtimestamp, moment), 3.0
        )
        desk.planner.step(GA, Publication())
        assert desk.seqs(endpoint) == seqs
