"""The deliveries in SQL: what waits, what came of it. Blocking: call in a thread.

    waiting --2xx--> delivered
       |--no more tries, 410--> failed, and the endpoint is disabled
       |--too late (a tally, a test)--> dropped

State goes out in the log's order: nothing overtakes what failed. The newest tally
passes beside it.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    Connection,
    Engine,
    Row,
    Table,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col

from tellers_core.codec import LogName
from tellers_runtime.archive.engine import reading, writing
from tellers_runtime.archive.webhook_tables import (
    WebhookDeliveryRow,
    WebhookEndpointRow,
)

Kind = Literal["event", "rule", "tally", "test"]
State = Literal["waiting", "delivered", "failed", "dropped"]
# These are worth nothing late, and hold nothing up.
BRIEF: tuple[Kind, ...] = ("tally", "test")
KEPT_MILLISECONDS = 14 * 24 * 3600 * 1000
MAX_TROUBLE = 200
_table: Table = WebhookDeliveryRow.__table__  # type: ignore[attr-defined]
_row = WebhookDeliveryRow


class New(NamedTuple):
    """A delivery to be made; `id` follows from endpoint and content, so that the same
    thing is never queued twice."""

    id: str
    endpoint: str
    kind: Kind
    log: str
    seq: int
    roll_call: str
    type: str
    body: str


class Delivery(NamedTuple):
    """A delivery as it stands. Times: milliseconds since 1970."""

    id: str
    endpoint: str
    kind: Kind
    log: str
    seq: int
    roll_call: str
    type: str
    body: str
    number: int
    state: State
    tries: int
    due: int
    created: int
    finished: int | None
    status: int | None
    trouble: str

    @property
    def brief(self) -> bool:
        """Whether it is worth nothing late."""
        return self.kind in BRIEF


class Heads(NamedTuple):
    """What an endpoint may get next: the first of its state, the newest of the rest."""

    state: Delivery | None
    brief: Delivery | None


class Settled(NamedTuple):
    """What one try came to.

    By the id, not the number: SQLite gives the number of a tally that was superseded
    to the next one.

    Args:
        due: when it is tried again, if it is still waiting.
        not_before: until when the endpoint asked to be left alone.
        disable: why the endpoint gets nothing more.
    """

    id: str
    endpoint: str
    state: State
    tries: int
    at: int
    due: int = 0
    status: int | None = None
    trouble: str = ""
    not_before: int = 0
    disable: str = ""


class Queue:
    """Every endpoint's deliveries."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def heads(self, endpoint: str) -> Heads:
        """What may be delivered next, due or not."""
        waiting = select(*_table.c).where(
            col(_row.endpoint) == endpoint, col(_row.state) == "waiting"
        )
        state = waiting.where(col(_row.kind).not_in(BRIEF))
        brief = waiting.where(col(_row.kind).in_(BRIEF))
        by_seq = (col(_row.seq), col(_row.log), col(_row.number))
        with reading(self._engine) as connection:
            first = connection.execute(state.order_by(*by_seq).limit(1)).one_or_none()
            by_due = brief.order_by(col(_row.due), col(_row.number)).limit(1)
            newest = connection.execute(by_due).one_or_none()
        return Heads(_delivery(first), _delivery(newest))

    def put(self, deliveries: Iterable[New], now: int) -> None:
        """Queue these."""
        with writing(self._engine) as connection:
            enqueue(connection, deliveries, now)

    def settle(self, outcomes: Sequence[Settled]) -> None:
        """Note what tries came to, all in one transaction."""
        with writing(self._engine) as connection:
            # In one order everywhere: two transactions cannot wait for each other.
            for outcome in sorted(outcomes, key=lambda one: one.id):
                _settle(connection, outcome)

    def listed(
        self, endpoint: str, state: State | None, limit: int, before: int | None
    ) -> list[Delivery]:
        """The endpoint's deliveries, newest first, before a number."""
        query = select(*_table.c).where(col(_row.endpoint) == endpoint)
        if state is not None:
            query = query.where(col(_row.state) == state)
        if before is not None:
            query = query.where(col(_row.number) < before)
        query = query.order_by(col(_row.number).desc()).limit(limit)
        with reading(self._engine) as connection:
            return [Delivery(**row._mapping) for row in connection.execute(query)]

    def waiting(self) -> int:
        """Deliveries that wait, of all endpoints."""
        waits = col(_row.state) == "waiting"
        with reading(self._engine) as connection:
            query = select(func.count()).select_from(_row).where(waits)
            return connection.scalar(query) or 0

    def requeue(
        self,
        endpoint: str,
        log: LogName,
        seqs: range,
        deliveries: Sequence[New],
        now: int,
    ) -> int:
        """Deliver once more what an endpoint got, or should have got, of these seqs:
        these events, and the rules that were met there. Returns how many."""
        with writing(self._engine) as connection:
            enqueue(connection, deliveries, now)
            return connection.execute(
                update(WebhookDeliveryRow)
                .where(
                    col(_row.endpoint) == endpoint,
                    col(_row.log) == str(log),
                    col(_row.seq).between(seqs.start, seqs.stop - 1),
                    col(_row.kind).not_in(BRIEF),
                )
                .values(
                    state="waiting",
                    tries=0,
                    due=now,
                    finished=None,
                    status=None,
                    trouble="",
                )
            ).rowcount

    def forget(self, now: int) -> None:
        """Delete what was finished long ago, and what is for nobody any more."""
        old = col(_row.finished) < now - KEPT_MILLISECONDS
        nobodys = col(_row.endpoint).not_in(select(col(WebhookEndpointRow.id)))
        with writing(self._engine) as connection:
            connection.execute(delete(WebhookDeliveryRow).where(or_(old, nobodys)))


def enqueue(connection: Connection, deliveries: Iterable[New], now: int) -> None:
    """Queue these in the caller's transaction. A tally takes the place of the one that
    still waits for the same roll call; what is there already stays as it is."""
    rows = []
    for one in deliveries:
        if one.kind == "tally":
            _supersede(connection, one)
        rows.append(
            {
                **one._asdict(),
                "state": "waiting",
                "tries": 0,
                "due": now,
                "created": now,
                "trouble": "",
            }
        )
    if rows:
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        statement = dialect.insert(_table).on_conflict_do_nothing()
        connection.execute(statement, rows)


def _supersede(connection: Connection, tally: New) -> None:
    """The newest alone is worth delivering. It inherits no backoff: a failing endpoint
    is spared by its own pause (`courier.py`)."""
    connection.execute(
        delete(WebhookDeliveryRow).where(
            col(_row.endpoint) == tally.endpoint,
            col(_row.state) == "waiting",
            col(_row.kind) == "tally",
            col(_row.log) == tally.log,
            col(_row.roll_call) == tally.roll_call,
            col(_row.id) != tally.id,
        )
    )


def _settle(connection: Connection, outcome: Settled) -> None:
    done = outcome.state != "waiting"
    connection.execute(
        update(WebhookDeliveryRow)
        .where(col(_row.id) == outcome.id, col(_row.state) == "waiting")
        .values(
            state=outcome.state,
            tries=outcome.tries,
            due=outcome.due,
            finished=outcome.at if done else None,
            status=outcome.status,
            trouble=outcome.trouble[:MAX_TROUBLE],
        )
    )
    endpoint = col(WebhookEndpointRow.id) == outcome.endpoint
    changed = update(WebhookEndpointRow).where(endpoint)
    if outcome.state == "delivered":
        # Nearly always there is nothing to change.
        failing = or_(
            col(WebhookEndpointRow.failing_since).is_not(None),
            col(WebhookEndpointRow.not_before) > 0,
        )
        well = changed.where(failing).values(failing_since=None, not_before=0)
        connection.execute(well)
        return
    values: dict[str, Any] = {
        "failing_since": func.coalesce(
            col(WebhookEndpointRow.failing_since), outcome.at
        )
    }
    if outcome.not_before:
        values["not_before"] = outcome.not_before
    if outcome.disable:
        values.update(enabled=False, disabled_reason=outcome.disable[:MAX_TROUBLE])
    connection.execute(changed.values(**values))


def _delivery(row: Row[Any] | None) -> Delivery | None:
    return None if row is None else Delivery(**row._mapping)
