"""Commands in, events out: decide on what was seen, append if that is still so.

A decision is made on a cached roll call and appended together with the fields it rests
on. If one of them has changed, the roll call is read again and the command decided
anew. What appends nothing (a refusal, an "unchanged") has no such guard, so it is only
ever answered from a roll call read for this command.
"""

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from time import perf_counter
from typing import NamedTuple

import structlog
from prometheus_client import Counter

from tellers_core.codec import LogName, encode
from tellers_core.errors import BadRequest, Problem, Refused
from tellers_core.events import Event, VoteEvent, wire_name
from tellers_core.roll_call import (
    CastVotes,
    Command,
    RollCall,
    Schedule,
    decide,
    replay,
)
from tellers_ingest import metrics
from tellers_ingest.answers import Answer, stored, template, unchanged, view
from tellers_ingest.auth import check_audience
from tellers_ingest.cache import Cache, Place
from tellers_runtime import fields
from tellers_runtime.clock import Clock, rfc3339, utc_now
from tellers_runtime.fields import Loaded
from tellers_runtime.log import (
    Append,
    Appended,
    Duplicate,
    KeyReused,
    LogWriter,
    Stale,
)
from tellers_runtime.problems import HttpProblem
from tellers_runtime.tokens import Audience
from tellers_runtime.tracing import NO_TRACES, Traces

# Each try is lost only to another command that succeeded on the same fields.
MAX_TRIES = 20
# Five for each delegation of the General Assembly; beyond it, waiting helps nobody.
MAX_RUNNING = 1000


class Idempotency(NamedTuple):
    """A request's key, hashed, and what the request says, hashed to a fixed length."""

    digest: str
    fingerprint: str


class Sender(NamedTuple):
    """Who sent a command, for the audit trail: the token's id and name, and the address
    it came from. No event has any of it."""

    token: str
    name: str
    address: str


class Asked(NamedTuple):
    """A command as it arrived.

    Args:
        if_match: the version that the sender saw.
        audience: what the sender's token is for; None: real ones and rehearsals.
    """

    place: Place
    command: Command
    sender: Sender
    idempotency: Idempotency | None = None
    if_match: int | None = None
    audience: Audience | None = None


class VersionConflict(Refused):
    code = "version_conflict"


class IdempotencyConflict(Refused):
    code = "idempotency_conflict"

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key was used for another request")


class Recorder:
    """Answers commands; one for each process.

    Raises Refused, HttpProblem, LogLost or one of redis-py's errors; after the latter
    two the outcome is unknown, and the same key may be sent again.
    """

    def __init__(
        self, writer: LogWriter, clock: Clock = utc_now, traces: Traces = NO_TRACES
    ) -> None:
        self._writer = writer
        self._clock = clock
        self._traces = traces
        self._cache = Cache()
        self._running = 0
        self._appending: set[asyncio.Task[object]] = set()
        self._logger = structlog.get_logger().bind()  # as it is configured by now

    async def record(self, asked: Asked) -> Answer:
        """The answer to a command, its events appended."""
        self._running += 1
        outcome = "log_unavailable"
        try:
            if self._running > MAX_RUNNING:
                detail = f"over {MAX_RUNNING} commands at once"
                raise _later("too_many_requests", detail)
            answer, outcome = await self._record(asked)
            return answer
        except (Refused, HttpProblem) as refusal:
            outcome = refusal.code
            raise
        finally:
            self._running -= 1
            _counter(type(asked.command).__name__, outcome).inc()
            if outcome != "appended":  # which is logged with its seq
                self._log("command.answered", asked, outcome=outcome)

    async def faults(self, place: Place, votes: CastVotes) -> tuple[Problem, ...]:
        """What the rules have against these votes, for a batch that is bad anyway."""
        seen = await self._load(place)
        try:
            decide(seen.roll_call if seen else None, votes)
        except BadRequest as refusal:
            return refusal.errors
        except Refused:
            pass  # about the whole batch, which is refused already
        return ()

    async def drain(self) -> None:
        """Wait for the appends in flight, also those whose sender went away."""
        await asyncio.gather(*self._appending, return_exceptions=True)

    async def _record(self, asked: Asked) -> tuple[Answer, str]:
        seen = self._cache.get(asked.place)
        fresh = False
        for _ in range(MAX_TRIES):
            if seen is None:
                seen, fresh = await self._load(asked.place), True
            answered = await self._try(asked, seen, fresh)
            if answered is not None:
                return answered
            seen = None
        raise _later("log_unavailable", f"lost {MAX_TRIES} races for this roll call")

    async def _load(self, place: Place) -> Loaded | None:
        loaded = fields.load(await self._writer.load(*place))
        self._cache.put(place, loaded)
        return loaded

    async def _try(
        self, asked: Asked, seen: Loaded | None, fresh: bool
    ) -> tuple[Answer, str] | None:
        """The answer and its outcome; None when `seen` may be no longer so."""
        try:
            _check_reach(asked, seen)
        except HttpProblem:
            if not fresh:
                return None
            raise
        try:
            events = _decide(asked, seen)
        except Refused:
            if not fresh:
                return None
            answer = await self._given_before(asked)
            await self._writer.settled(asked.place.chamber)
            if answer is None:
                raise
            return answer, "replayed"
        if not events and not fresh:
            return None
        outcome = "appended" if events else "unchanged"
        if seen and not events and not asked.idempotency and asked.if_match is None:
            await self._writer.settled(asked.place.chamber)
            shown = view(*asked.place, seen.roll_call)
            return unchanged(shown, seen.seq, seen.version), outcome
        match await self._append(asked, seen, events):
            case Appended(_, _, text):
                return stored(text, replayed=False), outcome
            case Duplicate(text):
                return stored(text, replayed=True), "replayed"
            case KeyReused():
                raise IdempotencyConflict
            case Stale():
                metrics.CONFLICTS.inc()
                return None

    async def _given_before(self, asked: Asked) -> Answer | None:
        """The answer once given to this key, which outlives what it rested on."""
        if asked.idempotency is None:
            return None
        digest, fingerprint = asked.idempotency
        kept = await self._writer.recall(asked.place.chamber, digest)
        if kept is None:
            return None
        answer = kept.removeprefix(fingerprint.encode())
        if answer == kept:
            raise IdempotencyConflict
        return stored(answer, replayed=True)

    async def _append(
        self, asked: Asked, seen: Loaded | None, events: Sequence[Event]
    ) -> Appended | Duplicate | KeyReused | Stale:
        """Append; who goes away meanwhile does not undo it."""
        state = _shown(seen, events)
        head, tail = template(view(*asked.place, state), asked.command, events)
        now = rfc3339(self._clock())
        log = LogName(asked.place.chamber, state.roll.rehearsal)
        guards = fields.guards(seen, asked.command)
        if seen and asked.if_match is not None:
            guards["version"] = str(asked.if_match)
        digest, fingerprint = asked.idempotency or ("", "")
        append = Append(
            log,
            asked.place.roll_call,
            guards,
            [encode(log, asked.place.roll_call, event, now) for event in events],
            {k: v for event in events for k, v in fields.changes(event).items()},
            head,
            tail,
            digest,
            fingerprint,
        )

        async def carry_out() -> Appended | Duplicate | KeyReused | Stale:
            begun, traced_from = perf_counter(), self._traces.clock()
            result = await self._writer.append(append)
            metrics.APPEND_SECONDS.observe(perf_counter() - begun)
            if events and isinstance(result, Appended):
                self._cache.absorb(asked.place, seen, result, events)
                names = [wire_name(event) for event in events]
                seq, version = result.seq, result.version
                place = {"seq": seq, "version": version}
                self._log("command.appended", asked, **place, events=names)
                if self._traces.on:
                    seqs = range(seq - len(events) + 1, seq + 1)
                    self._traces.appended(log, seqs, traced_from)
            return result

        task = asyncio.create_task(carry_out())
        self._appending.add(task)
        task.add_done_callback(self._appending.discard)
        return await asyncio.shield(task)

    def _log(self, what: str, asked: Asked, **more: object) -> None:
        """A line of the audit trail: who, from where, what, and what came of it
        (ADR 16).

        What was so before and after is in the events, at `seq`.
        """
        token, name, address = asked.sender
        self._logger.info(
            what,
            chamber=asked.place.chamber,
            roll_call=asked.place.roll_call,
            command=type(asked.command).__name__,
            **more,
            token=token,
            name=name,
            address=address,
        )


def _check_reach(asked: Asked, seen: Loaded | None) -> None:
    """Raises HttpProblem `forbidden` when the sender's token is not for this roll call,
    or for the one that is to be scheduled."""
    if asked.audience is None:
        return
    match asked.command, seen:
        case Schedule(roll), _:
            check_audience(asked.audience, rehearsal=roll.rehearsal)
        case _, Loaded(state):
            check_audience(asked.audience, rehearsal=state.roll.rehearsal)


def _decide(asked: Asked, seen: Loaded | None) -> tuple[Event, ...]:
    version = seen.version if seen else 0
    known = seen is not None or isinstance(asked.command, Schedule)
    if known and asked.if_match not in (None, version):
        raise VersionConflict(
            f"expected version {asked.if_match}, "
            f"roll call {asked.place.roll_call} is at {version}"
        )
    return decide(seen.roll_call if seen else None, asked.command)


def _shown(seen: Loaded | None, events: Sequence[Event]) -> RollCall:
    """The roll call after the events, as far as an answer shows it: without votes."""
    if seen and all(isinstance(event, VoteEvent) for event in events):
        return seen.roll_call
    return replay(events, onto=seen.roll_call if seen else None)


def _later(code: str, detail: str) -> HttpProblem:
    return HttpProblem(code, detail, headers={"Retry-After": "1"})


@lru_cache
def _counter(command: str, outcome: str) -> Counter:
    """Looked up once: there are some dozens."""
    return metrics.COMMANDS.labels(command, outcome)
