"""From the archived log to deliveries: one transaction moves the position and queues
what follows from it. Blocking: call in a thread.

The archive is read, not Redis: deliveries are in the same database, so neither can be
there without the other, whatever is restored; and what is not archived yet could still
be lost with Redis, and must not be announced (ADR 18).
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from msgspec.structs import replace
from sqlalchemy import Connection, Engine, insert, select, update
from sqlmodel import col

from tellers_core import tally as counting
from tellers_core.codec import LogName, decode, roll_call_of
from tellers_core.errors import CorruptHistory
from tellers_core.events import Reveal
from tellers_core.publication import Publication
from tellers_core.tally import ENDED, Projection, Tally, decode_tally
from tellers_runtime.archive.engine import reading, writing
from tellers_runtime.archive.tables import EventRow, LogRow, RollCallRow
from tellers_runtime.archive.webhook_tables import WebhookPositionRow
from tellers_runtime.clock import Clock, utc_now
from tellers_runtime.log import Entry
from tellers_webhooks import messages
from tellers_webhooks.endpoints import Endpoint, enabled, milliseconds
from tellers_webhooks.interest import TALLY
from tellers_webhooks.public import Public, shown
from tellers_webhooks.queue import New, enqueue
from tellers_webhooks.rules import Moment, matches

AT_ONCE = 500
_log, _seq = col(WebhookPositionRow.log), col(WebhookPositionRow.seq)


class PositionLost(Exception):
    """The archive is not the one that was delivered from."""


class Planned(NamedTuple):
    """What a step came to: which endpoints have something new, how many deliveries,
    the seq up to which the log is queued, and whether that moved."""

    endpoints: frozenset[str]
    deliveries: int
    seq: int
    moved: bool


class Planner:
    """Queues deliveries from the logs of these chambers."""

    def __init__(
        self,
        engine: Engine,
        logs: Iterable[LogName],
        clock: Clock = utc_now,
        delay_seconds: float = 0.0,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._counts = {log: _Counts(log) for log in logs}
        self._public = {log: Public(log, delay_seconds, clock) for log in self._counts}

    def begin(self) -> None:
        """Find the position in each log. One that was never delivered from begins at
        its end: nobody can have subscribed to what was before."""
        with writing(self._engine) as connection:
            known = set(connection.scalars(select(_log)))
            for log in self._counts:
                if str(log) not in known:
                    row = {"log": str(log), "seq": _archived(connection, log)[1]}
                    connection.execute(insert(WebhookPositionRow), row)

    def behind(self) -> list[LogName]:
        """The logs that are archived further than they are queued.

        Raises PositionLost when one ends before its position.
        """
        query = select(col(LogRow.name), col(LogRow.seq), _seq).join(
            WebhookPositionRow, _log == col(LogRow.name)
        )
        found = []
        with reading(self._engine) as connection:
            for name, head, seq in connection.execute(query):
                if head < seq:
                    raise PositionLost(
                        f"the archive of {name} ends at {head}, {seq} was delivered"
                    )
                if head > seq and LogName.parse(name) in self._counts:
                    found.append(LogName.parse(name))
        return found

    def step(self, log: LogName, said: Publication) -> Planned:
        """Queue what follows from the next entries of a log that are public.

        Args:
            said: what operators said about its publication.
        """
        counts = self._counts[log]
        try:
            with writing(self._engine) as connection:
                return self._step(connection, counts, said)
        except BaseException:
            counts.forget()  # it may be ahead of what was committed
            raise

    def _step(
        self, connection: Connection, counts: "_Counts", said: Publication
    ) -> Planned:
        log = counts.log
        public = self._public[log]
        position = select(_seq).where(_log == str(log)).with_for_update()
        old = connection.scalar(position)
        assert old is not None, "begin() was not called"
        epoch, head = _archived(connection, log)
        wanting = [e for e in enabled(connection) if e.interest.in_log(log)]
        planned: list[New] = []
        if wanting or public.holds_back(said):
            entries = public.upto(old, _entries(connection, log, old), said)
            head = entries[-1].seq if entries else old
        if wanting:
            planned = list(
                _planned(connection, counts, public, entries, epoch, wanting)
            )
            enqueue(connection, planned, milliseconds(self._clock()))
        moved = update(WebhookPositionRow).where(_log == str(log), _seq == old)
        connection.execute(moved.values(seq=head))
        endpoints = frozenset(one.endpoint for one in planned)
        return Planned(endpoints, len(planned), head, head > old)

    def events(self, log: LogName, seqs: range, endpoint: Endpoint) -> list[New]:
        """The deliveries of archived events that this endpoint wants, for a replay: up
        to the position, beyond which nothing was public yet."""
        public = self._public[log]
        with reading(self._engine) as connection:
            epoch, _ = _archived(connection, log)
            position = connection.scalar(select(_seq).where(_log == str(log))) or 0
            entries = _entries(connection, log, seqs.start - 1, len(seqs))
            said = [
                _said(connection, public, log, entry, epoch, position)
                for entry in entries
                if entry.seq <= position
            ]
        return [
            message.to(endpoint.id)
            for message in said
            if message.seq in seqs and _wants(endpoint, message)
        ]


def _wants(endpoint: Endpoint, message: messages.Message) -> bool:
    interest = endpoint.interest
    return message.name in interest.events and interest.of(message.roll_call)


def _archived(connection: Connection, log: LogName) -> tuple[str, int]:
    query = select(col(LogRow.epoch), col(LogRow.seq)).where(
        col(LogRow.name) == str(log)
    )
    row = connection.execute(query).one_or_none()
    return ("", 0) if row is None else (row.epoch, row.seq)


def _entries(
    connection: Connection, log: LogName, after: int, limit: int = AT_ONCE
) -> list[Entry]:
    query = select(col(EventRow.seq), col(EventRow.body)).where(
        col(EventRow.log) == str(log), col(EventRow.seq) > after
    )
    rows = connection.execute(query.order_by(col(EventRow.seq)).limit(limit))
    return [Entry(seq, body.encode()) for seq, body in rows]


def _said(
    connection: Connection,
    public: Public,
    log: LogName,
    entry: Entry,
    epoch: str,
    horizon: int,
) -> messages.Message:
    name = roll_call_of(entry.body)
    policy = public.policy(connection, name, horizon, entry) if name else None
    return messages.event(log, entry, epoch, policy)


def _planned(
    connection: Connection,
    counts: "_Counts",
    public: Public,
    entries: list[Entry],
    epoch: str,
    wanting: list[Endpoint],
) -> Iterator[New]:
    ruled = [endpoint for endpoint in wanting if endpoint.interest.rules]
    touched: dict[str, None] = {}
    horizon = entries[-1].seq if entries else 0
    for entry in entries:
        said = _said(connection, public, counts.log, entry, epoch, horizon)
        touched[said.roll_call] = None
        for endpoint in wanting:
            if _wants(endpoint, said):
                yield said.to(endpoint.id)
        interested = [e for e in ruled if e.interest.of(said.roll_call)]
        if interested:
            moment = counts.moment(connection, entry, said.roll_call, epoch)
            policy = public.policy(connection, said.roll_call, horizon, None)
            if moment is not None and policy in (None, Reveal.TOTALS_ONLY):
                yield from _met(moment, said, interested, policy)
    counts.tidy()
    yield from _tallies(
        connection, public, counts.log, epoch, horizon, touched, wanting
    )


def _met(
    moment: Moment,
    said: messages.Message,
    interested: list[Endpoint],
    policy: Reveal | None,
) -> Iterator[New]:
    after = shown(moment.after, policy)
    for endpoint in interested:
        for rule in endpoint.interest.rules:
            names = rule.rule == "permanent_member_votes"
            if not (names and policy) and matches(rule, moment):
                yield messages.rule_met(rule, said, after).to(endpoint.id)


def _tallies(
    connection: Connection,
    public: Public,
    log: LogName,
    epoch: str,
    horizon: int,
    touched: Iterable[str],
    wanting: list[Endpoint],
) -> Iterator[New]:
    """The newest tally of each roll call, as the tally service vouches for it."""
    for name in touched:
        interested = [
            e for e in wanting if TALLY in e.interest.events and e.interest.of(name)
        ]
        archived = _tally(connection, log, name) if interested else None
        found = archived and public.tally(connection, archived, horizon, epoch)
        if found is not None:
            message = messages.tally(log, replace(found, epoch=epoch))
            for endpoint in interested:
                yield message.to(endpoint.id)


def _tally(connection: Connection, log: LogName, name: str) -> Tally | None:
    text = connection.scalar(
        select(col(RollCallRow.tally)).where(
            col(RollCallRow.log) == str(log), col(RollCallRow.id) == name
        )
    )
    return decode_tally(text.encode()) if text else None


class _Counts:
    """The roll calls of a log as they are at its position, to judge rules by. Found
    again from the archive whenever they are not at hand."""

    def __init__(self, log: LogName) -> None:
        self.log = log
        self._known: dict[str, Projection] = {}

    def forget(self) -> None:
        """Begin anew, from the archive."""
        self._known.clear()

    def tidy(self) -> None:
        """Forget what has ended."""
        self._known = {
            name: one
            for name, one in self._known.items()
            if one.roll_call.phase not in ENDED
        }

    def moment(
        self, connection: Connection, entry: Entry, name: str, epoch: str
    ) -> Moment | None:
        """The entry between its two tallies; None when the roll call is not understood,
        or is held: then no rule is judged."""
        if _is_held(connection, self.log, name):
            return None
        try:
            recorded = decode(entry.body)
            before = self._before(connection, entry, name, recorded.version)
            was = None if before is None else counting.tally(before, epoch)
            after = counting.absorb(before, recorded)
        except CorruptHistory:
            self._known.pop(name, None)
            return None
        self._known[name] = after
        return Moment(recorded, was, counting.tally(after, epoch))

    def _before(
        self, connection: Connection, entry: Entry, name: str, version: int
    ) -> Projection | None:
        known = self._known.get(name)
        if known is not None and known.version == version - 1:
            return known
        query = select(col(EventRow.body)).where(
            col(EventRow.log) == str(self.log),
            col(EventRow.roll_call) == name,
            col(EventRow.seq) < entry.seq,
        )
        found: Projection | None = None
        for body in connection.scalars(query.order_by(col(EventRow.seq))):
            found = counting.absorb(found, decode(body.encode()))
        return found


def _is_held(connection: Connection, log: LogName, name: str) -> bool:
    held = select(col(RollCallRow.held_seq)).where(
        col(RollCallRow.log) == str(log), col(RollCallRow.id) == name
    )
    return connection.scalar(held) is not None
