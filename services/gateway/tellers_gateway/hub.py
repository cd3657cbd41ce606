"""Follows one log for all its viewers: reads Redis once, whatever their number.

Two followers feed it: the events of the log, and the tallies that the tally service
publishes. Both pass a gate (horizon.py): `head` is how far the log is public, and what
is beyond it is known to nobody here. It vouches for what it shows only while it hears
from both; otherwise the tallies of running roll calls are marked held, and released
when it has caught up.
"""

import asyncio
import re
from functools import partial
from typing import Protocol

import msgspec
import structlog
from sqlalchemy.exc import DBAPIError

from tellers_core.codec import LogName
from tellers_core.publication import FROZEN, Publication
from tellers_core.reveal import Shown
from tellers_core.tally import Held, Tally, decode_tally, encode_tally
from tellers_gateway import metrics
from tellers_gateway.audience import Audience
from tellers_gateway.feed import (
    EventsWanted,
    LoggedEvent,
    TallyFeed,
    Update,
    complete_after,
    event_message,
    tally_message,
)
from tellers_gateway.frames import Frame, control_frame, tally_frame
from tellers_gateway.horizon import Gate, Passed
from tellers_gateway.ledger import Ledger
from tellers_gateway.opening import Opened, Opening
from tellers_gateway.past import READ_AT_ONCE, Past, ask
from tellers_gateway.replays import Replays
from tellers_gateway.vouching import LOG, TALLIES, Vouching
from tellers_runtime.archive.reading import ArchiveReader, Cursor, Page, Wanted
from tellers_runtime.clock import rfc3339, utc_now
from tellers_runtime.log import (
    Entry,
    LogLost,
    LogReader,
    Said,
    TallyChannel,
    Unavailable,
)
from tellers_runtime.together import together
from tellers_runtime.tracing import NO_TRACES, Traces

BLOCK_MS = 1000
RETRY_SECONDS = 0.25
WATCH_SECONDS = 0.25
DUE_SECONDS = 0.05
FINISHED_LOADED = 200
# As ingest takes it.
_is_id = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}").fullmatch
logger = structlog.get_logger()


class Feed(Protocol):
    """One viewer's connection, whatever it is subscribed to."""

    def end(self) -> None: ...


class NotReady(Exception):
    """The hub knows no log yet."""


class Hub:
    """One log, one epoch at a time.

    When the process is to stop, `stopping` is set first (no feed may begin, those in
    `feeds` are ended), then `closing` (whoever waits for news waits no longer).
    """

    def __init__(
        self,
        reader: LogReader,
        channel: TallyChannel,
        archive: ArchiveReader,
        traces: Traces = NO_TRACES,
        delay_seconds: float = 0.0,
    ) -> None:
        self.log: LogName = reader.log
        self._trouble = "starting"
        self.feeds: set[Feed] = set()
        self.event_viewers = Audience[EventsWanted]()
        self.tally_viewers = Audience[str | None]()
        self._reader = reader
        self._channel = channel
        self._archive = archive
        self._traces = traces
        self.past = Past(reader, archive)
        self._replays = Replays(self.log, self.past, archive)
        self._feed: TallyFeed | None = None
        self._ledger = Ledger(self.log)
        self._bell = asyncio.Event()
        self._vouching = Vouching()
        self._doubt = ""
        self._place = "0-0"
        self._delay = delay_seconds
        # What was said is kept, also when Redis forgets it: a freeze must not end so.
        self._said = Said("0-0", Publication())
        self._gate = Gate(0, delay_seconds, self._said.publication)
        self._opening = Opening(self.past)
        self._shown: dict[str, Shown] = {}
        self.stopping = False
        self.closing = False

    # What it knows

    @property
    def trouble(self) -> str:
        """Why running tallies are held, or why it is not ready; "" when all is well."""
        return "the process is stopping" if self.stopping else self._trouble

    @property
    def feed(self) -> TallyFeed:
        """The tallies. Raises NotReady before the first load."""
        if self._feed is None:
            raise NotReady(self._trouble)
        return self._feed

    @property
    def epoch(self) -> str:
        """The log's epoch. Raises NotReady before the first load."""
        return self.feed.epoch

    @property
    def head(self) -> int:
        """The seq of the last event that is public here."""
        return self._ledger.head

    @property
    def tally_seq(self) -> int:
        """The public log is counted up to there, as far as is known here."""
        return min(self._vouching.tally_seq, self.head)

    @property
    def proven_seq(self) -> int:
        """What is proven up to there gives nothing away that is withheld."""
        return self._ledger.proven_seq

    @property
    def frozen(self) -> bool:
        """Whether operators froze publication."""
        return self._gate.frozen

    @property
    def delay_seconds(self) -> float:
        """From an event's arrival to its publication."""
        return self._gate.delay

    async def news(self, seconds: float) -> bool:
        """Wait until something has changed; False when that time is over first."""
        try:
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        except TimeoutError:
            return False
        return True

    async def events_beyond(self, seq: int, seconds: float) -> None:
        """Wait until the log goes beyond `seq`, or that time is over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while self.head <= seq and not self.closing:
            if not await self.news(deadline - loop.time()):
                return

    def refuse_feeds(self) -> None:
        """The process is about to stop: not ready, and nobody new is served a feed."""
        self.stopping = True

    def close(self) -> None:
        """Wake whoever waits, to end."""
        self.stopping = self.closing = True
        self.ring()

    def ring(self) -> None:
        """Wake whoever waits for news."""
        bell, self._bell = self._bell, asyncio.Event()
        bell.set()

    # Following

    async def run(self, silent_seconds: float) -> None:
        """Load and follow, for ever; begin anew when the log's epoch changes."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch(silent_seconds))
            group.create_task(self._publish_when_due())
            while True:
                try:
                    await self._load()
                    await together(self._follow_events(), self._follow_tallies())
                except* LogLost as lost:
                    self._lose(f"the log: {_reason(lost)}")
                except* Unavailable as gone:
                    self._lose(f"redis: {_reason(gone)}")
                except* DBAPIError as gone:
                    self._lose(f"archive: {_reason(gone)}")
                await asyncio.sleep(RETRY_SECONDS)

    async def _load(self) -> None:
        """Snapshot and place in one: nothing between them is missed.

        The snapshot first: whatever is not in it was published, or will be.
        """
        found = await ask(self._archive.snapshot, self.log, FINISHED_LOADED)
        recent = await self._channel.recent()
        epoch = await self._reader.epoch()
        self._said = await self._reader.said() or self._said
        if found is None or epoch is None:
            raise LogLost("there is none yet" if found is None else "it is gone")
        position, archived = found
        if epoch != position.epoch:
            raise LogLost(f"its epoch is {epoch}, the archive's {position.epoch}")
        head = await self._reader.head()
        if head < position.seq:
            raise LogLost(f"it ends at {head}, the archive at {position.seq}")
        same = self._feed is not None and self._feed.epoch == epoch
        if same and self._gate.read > head:
            raise LogLost(f"it ends at {head}, {self._gate.read} was read")
        await self.past.check_archived(position.seq)
        if same:
            await self._check_shown()
        published = [t for t in _decoded(recent.tallies) if t.epoch == epoch]
        if same:
            horizon = self.head if self._gate.holds_back else head
        else:
            said = self._said.publication
            horizon = await self._opening.horizon(head, said, self._delay)
        public = await self._opening.as_of(horizon, epoch, archived)
        complete = complete_after(
            min(position.seq, horizon), [t for t in published if t.seq <= horizon]
        )
        if same:
            self._publish(self._gate.say(self._said.publication, _now()))
            if self.feed.seq < complete:
                self.feed.complete_after = complete
        else:
            watch = await self._opening.watch(
                horizon, min(position.seq, horizon), public
            )
            ledger = await Ledger.read_back(self.log, epoch, horizon, watch, self.past)
            known = [one.shown for one in public if one.shown.seq <= complete]
            self._feed = TallyFeed(epoch, complete, known)
            self._ledger = ledger
            self._gate = Gate(horizon, self._delay, self._said.publication)
            self._shown = {}
            self._vouching.begin()
            self._hold("")
            self._restart_viewers()
        self._vouching.reach(max(position.seq, min(recent.seq, head)))
        self._place = recent.place
        self._open(public)
        # In the log's order; of two tallies at one seq the published is the newer.
        whole = [one.shown for one in public if one.state is None]
        merged = sorted([*whole, *published], key=lambda tally: tally.seq)
        self._offer(self._gate.count(merged))
        for what in (LOG, TALLIES):
            self._hear(what)

    def _open(self, public: list[Opened]) -> None:
        """Begin with what is shown of those of which something is withheld."""
        updates = []
        for one in public:
            if one.state is not None:
                self._shown[one.shown.roll_call] = one.state
                updates.append(self.feed.offer(one.shown))
        self._broadcast([update for update in updates if update is not None])

    async def _check_shown(self) -> None:
        """Redis may have come back with an older copy of its file, and have grown again
        since: what was shown last must still stand in its place."""
        shown = self._ledger.tail.after(self.head - 1, 1)
        if not shown:
            return
        for entry in await self._reader.range(self.head - 1, 1):
            if self._ledger.told(entry).frame.text != shown[0].frame.text:
                raise LogLost(f"entry {self.head} is not the one that was shown")

    async def _follow_events(self) -> None:
        while True:
            gate = self._gate
            epoch, entries, said = await self._reader.follow_public(
                gate.read,
                self._said.place,
                READ_AT_ONCE if gate.has_room else 0,
                BLOCK_MS,
            )
            if said is not None:
                self._say(said)
            if epoch != self.epoch:
                raise LogLost("its epoch has changed" if epoch else "it is gone")
            self._hear(LOG)
            self._publish(gate.take(entries, _now()))

    def _say(self, said: Said) -> None:
        """Operators freeze, release, or set the delay. What is released is shown before
        it is said to be live again."""
        self._said = said
        self._publish(self._gate.say(said.publication, _now()))
        self._hold(self._doubt)
        logger.warning(
            "hub.publication",
            log=str(self.log),
            frozen=self.frozen,
            delay_seconds=self.delay_seconds,
            seq=self.head,
        )

    async def _publish_when_due(self) -> None:
        while True:
            wait = DUE_SECONDS if self._gate.holds_back else WATCH_SECONDS
            await asyncio.sleep(wait)
            if self._feed is not None:
                self._publish(self._gate.due(_now()))

    def _publish(self, passed: Passed) -> None:
        if passed.entries:
            self._take(passed.entries)
        if passed.tallies:
            self._offer(passed.tallies)

    def _take(self, entries: list[Entry]) -> None:
        events = [self._ledger.append(entry) for entry in entries]
        metrics.HEAD.labels(str(self.log)).set(self.head)
        before = events[0].seq - 1
        self.event_viewers.tell(before, partial(event_message, events))
        self.ring()

    async def _follow_tallies(self) -> None:
        while True:
            published = await self._channel.follow(self._place, BLOCK_MS)
            self._place = published.place
            self._vouching.reach(published.seq)
            self._hear(TALLIES)
            began = self._traces.clock()
            tallies = _decoded(published.tallies)
            # A publication may be read in parts, its seq coming with the last of them.
            self._vouching.reach(max((tally.seq for tally in tallies), default=0))
            updates = self._offer(self._gate.count(tallies))
            if self._traces.on:
                shown = (update.tally.seq for update in updates)
                self._traces.shown(self.log, shown, began)

    def _offer(self, tallies: list[Tally]) -> list[Update]:
        updates = []
        for published in tallies:
            self._replays.forget(published)
            shown = self._as_shown(published)
            update = self.feed.offer(shown) if shown is not None else None
            if update is not None:
                updates.append(update)
        self._broadcast(updates)
        return updates

    def _as_shown(self, tally: Tally) -> Tally | None:
        """Under its reveal policy; None: what is shown stays."""
        if tally.withheld is None:
            if self._shown:
                self._shown.pop(tally.roll_call, None)
            return tally
        return self._shown.setdefault(tally.roll_call, Shown()).next(tally)

    def _broadcast(self, updates: list[Update]) -> None:
        if not updates:
            return
        before = updates[0].number - 1
        self.tally_viewers.tell(before, partial(tally_message, updates))
        self.ring()

    # Vouching

    def _hear(self, what: str) -> None:
        self._vouching.hear(what, asyncio.get_running_loop().time())

    def _lose(self, trouble: str) -> None:
        if trouble != self._trouble:
            logger.error("hub.trouble", log=str(self.log), why=trouble)
        self._trouble = trouble
        self._vouching.lose()

    async def _watch(self, silent_seconds: float) -> None:
        """Hold running tallies while log or tally service are silent or apart."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if self._feed is None:
                continue
            now = asyncio.get_running_loop().time()
            doubt = self._vouching.doubt(self._doubt, self.head, now, silent_seconds)
            self._hold(doubt)
            if not doubt:
                self._trouble = ""
            elif self._trouble == "":
                self._trouble = doubt

    def _hold(self, doubt: str) -> None:
        """Hold running tallies for this doubt, or a freeze; release them otherwise."""
        self._doubt = doubt
        reason = doubt or (FROZEN if self.frozen else "")
        if self._feed is None:
            return
        held_for = self._feed.held.reason if self._feed.held else ""
        # From one doubt to the next is no news; whether it is one, or a freeze, is.
        if _kind(reason) != _kind(held_for):
            logger.warning("hub.held", log=str(self.log), why=reason)
            metrics.HELD.labels(str(self.log)).set(1 if reason else 0)
            held = Held(self.head, reason) if reason else None
            self._broadcast(self._feed.hold(held))

    @property
    def vouches(self) -> bool:
        """Whether what it shows is live, or frozen on purpose."""
        return self._feed is not None and not self._doubt

    @property
    def pulse(self) -> Frame:
        """A heartbeat frame: the head of the log as known here."""
        at = rfc3339(utc_now())
        return control_frame("heartbeat", epoch=self.epoch, seq=self.head, at=at)

    def heartbeat(self) -> None:
        """Tell every viewer where the head is; silence says that we do not know."""
        if not self.vouches:
            return
        frame = self.pulse
        for viewer in (*self.event_viewers, *self.tally_viewers):
            viewer.heartbeat(frame)

    def _restart_viewers(self) -> None:
        for viewer in (*self.event_viewers, *self.tally_viewers):
            viewer.restart()
        self.ring()

    # Reading back

    def recent_after(self, seq: int, count: int) -> list[LoggedEvent] | None:
        """Up to `count` events that follow `seq`; None when they must be read back."""
        return self._ledger.tail.after(seq, count)

    async def events_after(self, seq: int, count: int) -> list[LoggedEvent]:
        """Up to `count` events that follow `seq`: from memory, the log or the archive.

        Raises LogLost, or what Redis or SQL raise when they are away.
        """
        recent = self.recent_after(seq, count)
        if recent is not None:
            return recent
        ledger = self._ledger
        entries = await self.past.entries_after(seq, count)
        return [ledger.told(entry) for entry in entries if entry.seq <= ledger.head]

    async def frames_after(
        self, seq: int, roll_call: str | None, most: int
    ) -> list[Frame] | None:
        """The tallies published after a place in the log, up to now, in order.

        `now` is when this is called: what comes while it reads back is an update after
        the feed's present number. None when there are more than `most` events between:
        a fresh start is cheaper.
        """
        updates = self.feed.after_seq(seq, roll_call)
        if updates is not None:
            return [update.frame for update in updates]
        if self._vouching.tally_seq - seq > most:
            return None
        # The feed has all that follows this place; only what is before is read back,
        # and that is the same for everybody who comes back in a storm.
        later = self.feed.after_seq(self.feed.complete_after, roll_call) or []
        earlier = await self._replays.frames_between(
            self.feed, self._ledger.tail, seq, roll_call
        )
        return [*earlier, *(update.frame for update in later)]

    async def tallies_of(self, roll_call: str, upto: int) -> list[Tally]:
        """The tally of a roll call at each of its events up to a seq."""
        return await self._replays.tallies_of(self.feed, roll_call, upto)

    async def page(self, wanted: Wanted, limit: int, before: Cursor | None) -> Page:
        """A page of tallies, newest roll call first, each as fresh as it is here."""
        page = await ask(self._archive.tallies, self.log, wanted, limit, before)
        found = [await self._freshest(tally) for tally in page.tallies]
        fresh = [tally for tally in found if tally is not None]
        shown = [tally for tally in fresh if wanted.phase in (None, tally.phase)]
        if wanted == Wanted(phase=wanted.phase) and before is None and wanted.phase:
            shown += self._earlier(wanted.phase, {tally.roll_call for tally in shown})
        return Page(shown[:limit], page.next)

    def _earlier(self, phase: str, listed: set[str]) -> list[Tally]:
        """Those that the archive knows in a later phase, which is not public yet."""
        if not self._gate.holds_back:
            return []
        return [
            self.feed.shown(update.tally)
            for update in self.feed.latest.values()
            if update.tally.phase == phase and update.tally.roll_call not in listed
        ]

    async def _freshest(self, archived: Tally) -> Tally | None:
        known = self.feed.latest.get(archived.roll_call)
        tally = known.tally if known else await self._as_public(archived)
        return self.feed.shown(tally) if tally else None

    async def _as_public(self, archived: Tally) -> Tally | None:
        """The archive may be ahead of what is public."""
        if archived.seq <= self.head and archived.withheld is None:
            return archived
        opened = await self._opening.as_of(self.head, self.epoch, [archived])
        return opened[0].shown if opened else None

    async def finished_frame(self, roll_call: str) -> list[Frame]:
        """The tally of a roll call that ended long ago, as a frame."""
        found = await self.find(roll_call)
        if found is None:
            return []
        return [tally_frame(encode_tally(found), self.epoch, found.seq)]

    async def find(self, roll_call: str) -> Tally | None:
        """The tally now of a roll call, however old."""
        known = self.feed.latest.get(roll_call)
        if known is not None:
            return self.feed.shown(known.tally)
        if not _is_id(roll_call):
            return None  # nothing that a database need be asked, or could be
        archived = await self._replays.ended(self.epoch, roll_call)
        return None if archived is None else await self._as_public(archived)


def _kind(reason: str) -> str:
    return reason if reason in ("", FROZEN) else "doubt"


def _now() -> float:
    return asyncio.get_running_loop().time()


def _decoded(texts: list[bytes]) -> list[Tally]:
    """The tallies in these texts. One that is not understood (a newer tally service)
    must not be passed over: what this gateway shows would be old without saying so."""
    try:
        return [decode_tally(text) for text in texts]
    except msgspec.DecodeError as error:
        raise LogLost(f"a tally is not understood: {error}") from error


def _reason(group: BaseExceptionGroup[BaseException]) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig  # without the SQL
    return str(error) or type(error).__name__
