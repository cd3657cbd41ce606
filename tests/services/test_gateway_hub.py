"""The hub by itself: a log in a real Redis, an archive in memory, viewers by hand.

For what depends on the order of two things that a whole system does within a
millisecond of each other.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from tellers_core.codec import LogName, decode, encode, roll_call_of
from tellers_core.errors import UnknownRollCall
from tellers_core.events import (
    Counts,
    Event,
    Outcome,
    RollCallClosed,
    RollCallLocked,
    RollCallOpened,
    Vote,
    VoteRecorded,
)
from tellers_core.tally import (
    Held,
    Projection,
    Tally,
    absorb,
    decode_tally,
    encode_tally,
    tally,
)
from tellers_gateway import hub as hub_module
from tellers_gateway import viewers as viewers_module
from tellers_gateway.frames import Frame
from tellers_gateway.hub import Hub
from tellers_gateway.protocol import FanoutProtocol
from tellers_gateway.resume import Wish, begin
from tellers_gateway.sockets import Session
from tellers_gateway.viewers import (
    Connection,
    EventSubscription,
    Stalled,
)
from tellers_runtime import keys
from tellers_runtime.archive.reading import (
    ArchiveReader,
    Cursor,
    Page,
    Position,
    Wanted,
)
from tellers_runtime.log import Entry, LogLost, LogReader, TallyChannel, connect
from tests.scenario import AT, SIX, scheduled
from tests.services.test_gateway_frames import messages

GA = LogName("ga")
SILENT = 0.3
A, B = "a-1", "b-1"
BEGINNING: tuple[Event, ...] = (scheduled(), RollCallOpened())
VOTES = tuple(VoteRecorded(code, Vote.YES) for code in SIX)
ENDING: tuple[Event, ...] = (
    RollCallLocked(),
    RollCallClosed(Counts(6, 0, 0, 0, 6, 6), Outcome.ADOPTED, None),
)


class Archive(ArchiveReader):
    """An archive in memory, moved on by hand."""

    def __init__(self) -> None:
        self.position_now: Position | None = None
        self.entries: list[Entry] = []
        self.projected: dict[str, Tally] = {}

    def snapshot(
        self, log: LogName, finished: int
    ) -> tuple[Position, list[Tally]] | None:
        if self.position_now is None:
            return None
        return self.position_now, list(self.projected.values())

    def events(self, log: LogName, after: int, count: int) -> list[Entry]:
        return [entry for entry in self.entries if entry.seq > after][:count]

    def events_of(self, log: LogName, roll_call: str) -> tuple[int, list[Entry]]:
        found = [e for e in self.entries if roll_call_of(e.body) == roll_call]
        return (self.position_now.seq if self.position_now else 0), found

    def tally(self, log: LogName, roll_call: str) -> Tally | None:
        return self.projected.get(roll_call)

    def tallies(
        self, log: LogName, wanted: Wanted, limit: int, before: Cursor | None
    ) -> Page:
        return Page(list(self.projected.values()), None)


class Hall:
    """Log, tally service and archive, each going on only when told."""

    def __init__(self, redis: "Redis", epoch: str = "one") -> None:
        self.redis = redis
        self.epoch = epoch
        self.archive = Archive()
        self.channel = TallyChannel(redis, GA)
        self.hub = Hub(LogReader(redis, GA), self.channel, self.archive)
        self.head = 0
        self._versions: dict[str, int] = {}
        self._projections: dict[str, Projection] = {}
        self._unpublished: list[Tally] = []
        self._unarchived: list[tuple[Entry, Tally]] = []

    async def append(self, roll_call: str, *events: Event) -> int:
        """What ingest does."""
        for event in events:
            self.head += 1
            version = self._versions[roll_call] = self._versions.get(roll_call, 0) + 1
            body = encode(GA, roll_call, event, AT).filled(
                roll_call, self.head, version
            )
            await self.redis.xadd(keys.events(GA), {"e": body}, f"{self.head}-0")
            await self.redis.hset(keys.meta(GA), "seq", str(self.head))
            before = self._projections.get(roll_call)
            after = absorb(before, decode(body))
            self._projections[roll_call] = after
            painted = tally(after, self.epoch)
            self._unpublished.append(painted)
            self._unarchived.append((Entry(self.head, body), painted))
        return self.head

    async def publish(self, number: int | None = None) -> None:
        """What the tally service does first, with all tallies or the first few."""
        tallies = self._unpublished[:number]
        del self._unpublished[:number]
        seq = tallies[-1].seq if tallies else self.head
        await self.channel.publish([encode_tally(tally) for tally in tallies], seq)

    def archive_all(self) -> None:
        """What the tally service does next."""
        for entry, painted in self._unarchived:
            self.archive.entries.append(entry)
            self.archive.projected[painted.roll_call] = painted
        self._unarchived.clear()
        self.archive.position_now = Position(self.epoch, self.head)

    async def happens(self, roll_call: str, *events: Event) -> int:
        """All of it."""
        seq = await self.append(roll_call, *events)
        await self.publish()
        self.archive_all()
        return seq

    async def restore(self, epoch: str) -> None:
        """The same log under another epoch."""
        self.epoch = epoch
        await self.redis.delete(keys.tallies(GA))
        self.archive.position_now = Position(epoch, self.head)
        self.archive.projected = {
            name: tally(projection, epoch)
            for name, projection in self._projections.items()
        }
        await self.redis.hset(keys.meta(GA), "epoch", epoch)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Hub]:
        """The hub follows, and is ready."""
        task = asyncio.create_task(self.hub.run(SILENT))
        try:
            await until(lambda: self.hub.trouble == "", self.hub)
            yield self.hub
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def until(holds: Callable[[], bool], hub: Hub, seconds: float = 60.0) -> None:
    """Until it holds; looked at whenever the hub has news, and now and then."""
    async with asyncio.timeout(seconds):
        while not holds():
            await hub.news(0.01)


async def stays(holds: Callable[[], bool], hub: Hub, seconds: float) -> bool:
    """Whether it holds all that time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        if not holds():
            return False
        await hub.news(0.01)
    return True


@pytest.fixture
async def hall(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hall]:
    """An empty log of epoch "one", known to the archive; a hub that is quick."""
    monkeypatch.setattr(hub_module, "WATCH_SECONDS", 0.02)
    monkeypatch.setattr(hub_module, "RETRY_SECONDS", 0.02)
    monkeypatch.setattr(hub_module, "BLOCK_MS", 50)
    redis = connect(redis_url, "tests")
    hall = Hall(redis)
    await redis.hset(keys.meta(GA), "epoch", hall.epoch)
    hall.archive_all()
    yield hall
    await redis.aclose()


# Vouching


async def test_a_hub_that_starts_before_the_archive_has_it_all_does_not_hold(
    hall: Hall,
) -> None:
    await hall.happens(A, *BEGINNING)
    await hall.append(A, *VOTES)
    await hall.publish()
    async with hall.running() as hub:
        assert hub.feed.latest[A].tally.seq == hub.head == hall.head
        assert await stays(lambda: hub.vouches, hub, 3 * SILENT)


async def test_a_hub_that_starts_vouches_at_once(hall: Hall) -> None:
    await hall.happens(A, *BEGINNING)
    held: list[bool] = []
    task = asyncio.create_task(hall.hub.run(SILENT))
    async with asyncio.timeout(5):
        while hall.hub.trouble:
            with suppress(hub_module.NotReady):
                held.append(hall.hub.feed.held is not None)
            await hall.hub.news(0.001)
    task.cancel()
    assert not any(held)


async def test_votes_that_never_pause_are_not_taken_for_a_tally_that_is_behind(
    hall: Hall,
) -> None:
    await hall.append(A, scheduled(members=SIX), RollCallOpened())
    loop = asyncio.get_running_loop()
    async with hall.running() as hub:
        end = loop.time() + 4 * SILENT
        while loop.time() < end:
            # One event more before the tally of the last one: always one behind.
            await hall.append(f"r-{hall.head}", scheduled())
            await until(lambda: hub.head == hall.head, hub)
            await hall.publish(len(hall._unpublished) - 1)
            assert hub.vouches


async def test_a_tally_that_stops_while_votes_go_on_is_held_then_released(
    hall: Hall,
) -> None:
    await hall.happens(A, *BEGINNING)
    async with hall.running() as hub:
        await hall.append(A, *VOTES)
        await until(lambda: not hub.vouches, hub)
        assert hub.trouble == "the tally service is behind"
        assert b'"held"' in hub.feed.latest[A].frame.text
        await hall.publish()
        await until(lambda: hub.vouches, hub)
        assert hub.trouble == ""
        assert hub.feed.latest[A].tally.counts.yes == 6
        assert b'"held"' not in hub.feed.latest[A].frame.text


async def test_what_was_held_is_released_only_when_it_has_caught_up(hall: Hall) -> None:
    await hall.happens(A, *BEGINNING)
    async with hall.running() as hub:
        await hall.append(A, *VOTES)
        await until(lambda: not hub.vouches, hub)
        for yes in (1, 2, 3, 4, 5):
            await hall.publish(1)
            await until(lambda yes=yes: hub.feed.latest[A].tally.counts.yes == yes, hub)  # type: ignore[misc]
            assert await stays(lambda: not hub.vouches, hub, SILENT / 3)
        await hall.publish()
        await until(lambda: hub.vouches, hub)


async def test_without_votes_a_silent_tally_service_holds_nothing(hall: Hall) -> None:
    await hall.happens(A, *BEGINNING)
    async with hall.running() as hub:
        assert await stays(lambda: hub.vouches, hub, 3 * SILENT)


# Loading


async def test_a_hub_starts_on_a_log_whose_beginning_was_trimmed(hall: Hall) -> None:
    await hall.happens(A, *BEGINNING, *VOTES)
    await hall.redis.xtrim(keys.events(GA), maxlen=1, approximate=False)
    async with hall.running() as hub:
        assert [e.seq for e in await hub.events_after(0, 100)] == list(range(1, 9))


async def test_a_hub_starts_where_the_trimmed_log_and_the_archive_meet(
    hall: Hall,
) -> None:
    await hall.happens(A, *BEGINNING)
    await hall.append(A, *VOTES)
    await hall.redis.xtrim(keys.events(GA), maxlen=6, approximate=False)
    async with hall.running() as hub:
        assert [e.seq for e in await hub.events_after(0, 100)] == list(range(1, 9))


async def test_as_soon_as_a_hub_is_ready_it_knows_the_whole_log(hall: Hall) -> None:
    await hall.happens(A, *BEGINNING, *VOTES)
    await hall.hub._load()
    assert hall.hub.head == hall.head
    beginning = await begin(hall.hub, Wish("events", None, hall.head, "one"))
    assert beginning.recovered is True


async def test_what_was_published_before_a_hub_started_is_replayed_from_memory(
    hall: Hall,
) -> None:
    await hall.happens(A, *BEGINNING, *VOTES)
    await hall.hub._load()
    updates = hall.hub.feed.after_seq(2, None)
    assert updates is not None
    assert [update.tally.seq for update in updates] == [3, 4, 5, 6, 7, 8]


async def test_after_a_pause_every_change_comes_in_the_logs_order(hall: Hall) -> None:
    await hall.happens(A, *BEGINNING)
    await hall.happens(B, *BEGINNING)
    await hall.hub._load()
    number = hall.hub.feed.number
    await hall.happens(B, VOTES[0], VOTES[1])
    await hall.happens(A, *VOTES, *ENDING)
    await hall.happens(B, VOTES[2])
    await hall.hub._load()
    missed = hall.hub.feed.since(number, None)
    assert [update.tally.seq for update in missed] == list(range(5, 16))


async def test_after_a_pause_with_a_trimmed_channel_old_places_are_read_back(
    hall: Hall,
) -> None:
    await hall.happens(A, *BEGINNING)
    await hall.hub._load()
    await hall.happens(A, *VOTES)
    await hall.redis.xtrim(keys.tallies(GA), maxlen=2, approximate=False)
    await hall.hub._load()
    assert hall.hub.feed.after_seq(2, None) is None
    frames = await hall.hub.frames_after(2, None, 100)
    assert _seqs(frames) == [3, 4, 5, 6, 7, 8]


async def test_tallies_of_another_epoch_are_not_taken_up(hall: Hall) -> None:
    await hall.happens(A, *BEGINNING, *VOTES)
    stale = await hall.channel.recent()
    await hall.restore("two")
    await hall.channel.publish(stale.tallies, stale.seq)
    await hall.hub._load()
    assert hall.hub.epoch == "two"
    assert {u.tally.epoch for u in hall.hub.feed.latest.values()} == {"two"}
    assert hall.hub.feed.after_seq(3, None) is None


async def test_a_log_that_lost_events_is_not_loaded(hall: Hall) -> None:
    await hall.happens(A, *BEGINNING, *VOTES)
    await hall.redis.delete(keys.events(GA))
    await hall.redis.hset(keys.meta(GA), "seq", "3")
    with pytest.raises(LogLost, match="ends at 3, the archive at 8"):
        await hall.hub._load()


async def regrown(hall: Hall, after: int) -> None:
    """Redis comes back with the first entries, and another one follows each of them."""
    kept = (await hall.hub._reader.range(0, 100))[:after]
    await hall.redis.delete(keys.events(GA))
    for entry in kept:
        await hall.redis.xadd(keys.events(GA), {"e": entry.body}, f"{entry.seq}-0")
    for seq in range(after + 1, hall.head + 3):
        body = encode(GA, A, VOTES[0], AT).filled(A, seq, seq)
        await hall.redis.xadd(keys.events(GA), {"e": body}, f"{seq}-0")
    await hall.redis.hset(keys.meta(GA), "seq", str(hall.head + 2))


async def test_a_log_that_grew_again_otherwise_than_it_was_shown_is_not_loaded(
    hall: Hall,
) -> None:
    await hall.happens(A, *BEGINNING)
    await hall.append(A, *VOTES)
    await hall.hub._load()
    await regrown(hall, after=4)
    with pytest.raises(LogLost, match="entry 8 is not the one that was shown"):
        await hall.hub._load()
    assert hall.hub.head == 8


async def test_a_log_that_grew_again_otherwise_than_the_archive_is_not_loaded(
    hall: Hall,
) -> None:
    await hall.happens(A, *BEGINNING, *VOTES)
    await regrown(hall, after=4)
    with pytest.raises(LogLost, match="entry 8 is not the one in the archive"):
        await hall.hub._load()


async def test_a_hub_that_is_stopped_while_redis_fails_ends(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a whole machine shuts down: a task group drops the cancellation when a
    task of it fails in that moment."""

    async def fails_when_cancelled(*_: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise RedisConnectionError("gone")

    await hall.happens(A, *BEGINNING)
    monkeypatch.setattr(hall.hub._reader, "follow", fails_when_cancelled)
    task = asyncio.create_task(hall.hub.run(SILENT))
    await until(lambda: hall.hub.trouble == "", hall.hub)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=5)
    assert done == {task}


# Beginning: what a wish comes to


def _seqs(frames: list[Frame] | None) -> list[int]:
    assert frames is not None
    return [json.loads(frame.text)["seq"] for frame in frames]


@pytest.fixture
async def loaded(hall: Hall) -> Hall:
    """Two roll calls: A closed at 10, B open since 12; all in memory."""
    await hall.happens(A, *BEGINNING, *VOTES, *ENDING)
    await hall.happens(B, *BEGINNING)
    await hall.hub._load()
    return hall


@pytest.mark.parametrize(
    ("after", "epoch", "recovered", "reason"),
    [
        (None, None, None, None),
        (None, "one", None, None),
        (4, "one", True, None),
        (4, None, True, None),
        (0, "one", True, None),
        (12, "one", True, None),
        (13, "one", False, "the log ends at 12"),
        (4, "zero", False, "the epoch is now one"),
        (99, "zero", False, "the epoch is now one"),
    ],
)
async def test_continuity_is_told_explicitly(
    loaded: Hall,
    monkeypatch: pytest.MonkeyPatch,
    after: int | None,
    epoch: str | None,
    recovered: bool | None,
    reason: str | None,
) -> None:
    monkeypatch.setattr("tellers_gateway.resume.AHEAD_SECONDS", 0.05)
    position = {None: 12, True: after, False: 0}[recovered]
    events = await begin(loaded.hub, Wish("events", None, after, epoch))
    assert (events.recovered, events.reason) == (recovered, reason)
    assert events.position == position
    tallies = await begin(loaded.hub, Wish("tally", None, after, epoch))
    assert (tallies.recovered, tallies.reason) == (recovered, reason)
    told = json.loads(tallies.subscribed(7).text)
    assert told == {
        "op": "subscribed",
        "id": 7,
        "epoch": "one",
        "seq": 12,
        "recovered": recovered,
        **({"reason": reason} if reason else {}),
    }


async def test_a_viewer_who_is_a_moment_ahead_is_waited_for(loaded: Hall) -> None:
    beginning = asyncio.create_task(begin(loaded.hub, Wish("events", None, 13, "one")))
    async with loaded.running():
        await loaded.happens(B, VOTES[0])
        assert (await beginning).recovered is True


async def test_a_fresh_start_is_what_runs_and_the_newest(loaded: Hall) -> None:
    assert _seqs((await begin(loaded.hub, Wish("tally"))).frames) == [12]
    assert _seqs((await begin(loaded.hub, Wish("tally", A))).frames) == [10]


async def test_a_roll_call_that_ended_long_ago_is_shown_from_the_archive(
    loaded: Hall,
) -> None:
    del loaded.hub.feed.latest[A]
    assert _seqs((await begin(loaded.hub, Wish("tally", A))).frames) == [10]


async def test_a_resumed_viewer_gets_what_it_missed_and_then_what_stands(
    loaded: Hall,
) -> None:
    async def resumed(after: int, roll_call: str | None = None) -> list[int]:
        wish = Wish("tally", roll_call, after, "one")
        return _seqs((await begin(loaded.hub, wish)).frames)

    assert await resumed(7) == [8, 9, 10, 11, 12]
    assert await resumed(7, A) == [8, 9, 10]
    assert await resumed(10, A) == []
    # B runs: at the viewer's place, but held or not is not told by the place.
    assert await resumed(12) == [12]
    await loaded.happens(A + "2", *BEGINNING)
    await loaded.hub._load()
    # Its place ends where the log does, not at the oldest that still runs.
    assert await resumed(13) == [12, 14]


async def test_a_resumed_viewer_learns_that_its_tally_is_held_or_no_longer(
    loaded: Hall,
) -> None:
    async def resumed() -> bool:
        wish = Wish("tally", B, 12, "one")
        (frame,) = (await begin(loaded.hub, wish)).frames
        return b'"held"' in frame.text

    assert not await resumed()
    loaded.hub.feed.hold(Held(12, "test"))
    assert await resumed()
    loaded.hub.feed.hold(None)
    assert not await resumed()


async def test_too_many_missed_changes_are_a_fresh_start(
    loaded: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tellers_gateway.resume.TALLIES_REPLAYED", 3)
    loaded.hub.feed.complete_after = 12
    beginning = await begin(loaded.hub, Wish("tally", None, 2, "one"))
    assert beginning.recovered is False
    assert beginning.reason == "too many changes were missed"
    assert _seqs(beginning.frames) == [12]


async def test_an_unknown_roll_call_is_refused_without_asking_the_archive(
    loaded: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnknownRollCall):
        await begin(loaded.hub, Wish("events", "no-such"))
    monkeypatch.setattr(loaded.archive, "tally", None)
    for name in ("", "A", "a\0", "é", "a" * 65, "../a", "a b"):
        with pytest.raises(UnknownRollCall):
            await begin(loaded.hub, Wish("tally", name))


async def test_a_replay_from_the_log_is_what_was_published(loaded: Hall) -> None:
    live = loaded.hub.feed.after_seq(0, None)
    assert live is not None
    loaded.hub.feed.complete_after = 12
    frames = await loaded.hub.frames_after(0, None, 100)
    assert frames == [update.frame for update in live]


async def test_a_replay_has_the_tallies_that_came_before_their_events(
    loaded: Hall,
) -> None:
    await loaded.append(B, *VOTES)
    await loaded.publish()
    published = await loaded.channel.follow(loaded.hub._place, 1)
    loaded.hub._offer([decode_tally(text) for text in published.tallies])
    loaded.hub.feed.complete_after = 18
    assert loaded.hub.head == 12
    beginning = await begin(loaded.hub, Wish("tally", B, 12, "one"))
    assert _seqs(beginning.frames) == [13, 14, 15, 16, 17, 18]


# Subscriptions


class FakeSocket:
    """What a subscription needs of a WebSocket; it takes something when told."""

    def __init__(self) -> None:
        self._writable = asyncio.Event()
        self._writable.set()
        self.waiting_bytes = 0  # more than `high` of them: full
        self.taken = b""
        self.closed: list[int] = []
        self.high = 1000
        self.is_open = True

    @property
    def transport(self) -> "FakeSocket":
        return self

    @property
    def is_full(self) -> bool:
        return not self._writable.is_set()

    async def drained(self) -> None:
        await self._writable.wait()

    def write(self, message: bytes) -> None:
        self.taken += message
        self.waiting_bytes += len(message)
        if self.waiting_bytes > self.high:
            self._writable.clear()

    def let_go(self, code: int, reason: str) -> None:
        self.closed.append(code)

    def take(self, number: int | None = None) -> None:
        """The viewer takes so many bytes, or all that wait."""
        self.waiting_bytes -= self.waiting_bytes if number is None else number
        if self.waiting_bytes <= self.high:
            self._writable.set()

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in messages(self.taken)]


def connection(socket: FakeSocket, stalled_seconds: float = 5.0) -> Connection:
    to = cast(FanoutProtocol, socket)
    return Connection(to, bare=False, stalled_seconds=stalled_seconds)


def live(hub: Hub) -> int:
    """Subscriptions that are written to."""
    return len(hub.event_viewers) + len(hub.tally_viewers)


async def subscribed(hall: Hall, wish: Wish, to: Connection) -> Session:
    """One that is live or waits for its viewer."""
    session = Session(hall.hub, to)
    await session.subscribe(1, wish)
    return session


async def test_a_viewer_who_falls_behind_gets_every_event_once(hall: Hall) -> None:
    await hall.happens(A, *BEGINNING)
    async with hall.running() as hub:
        socket = FakeSocket()
        socket.high = 4000
        session = await subscribed(hall, Wish("events", None, 0), connection(socket))
        await until(lambda: len(hub.event_viewers) == 1, hub)
        for number in range(30):
            await hall.happens(f"r-{number}", *BEGINNING)
        await until(lambda: hub.head == hall.head, hub)
        assert len(hub.event_viewers) == 0
        while not hub.event_viewers:
            socket.take()
            await hub.news(0.001)
        events = [frame["seq"] for frame in socket.frames if frame["op"] == "event"]
        assert events == list(range(1, hall.head + 1))
        session.end()


async def test_what_waits_for_a_stalled_viewer_is_bounded(hall: Hall) -> None:
    for number in range(100):
        await hall.happens(f"r-{number}", *BEGINNING)
    await hall.hub._load()
    socket = FakeSocket()
    shared = connection(socket)
    sessions = [
        await subscribed(hall, Wish("events", None, 0), shared) for _ in range(20)
    ]
    most = 0
    for _ in range(20):
        await hall.hub.news(0.001)
        most = max(most, socket.waiting_bytes)
        socket.take()
    for session in sessions:
        session.end()
    one_page = sum(len(e.frame.message) for e in await hall.hub.events_after(0, 500))
    assert most < 1000 + 1.1 * one_page


async def test_a_viewer_who_reads_slowly_is_not_let_go(hall: Hall) -> None:
    socket = FakeSocket()
    to = connection(socket, stalled_seconds=0.1)
    socket.write(b"x" * 5000)
    waiting = asyncio.create_task(to.room())
    for _ in range(8):
        assert not await hall.hub.news(0.06)
        socket.take(100)
    assert socket.closed == []
    assert not waiting.done()
    socket.take()
    await waiting


async def test_a_viewer_who_takes_nothing_is_let_go(hall: Hall) -> None:
    socket = FakeSocket()
    to = connection(socket, stalled_seconds=0.05)
    socket.write(b"x" * 5000)
    with pytest.raises(Stalled):
        await to.room()
    assert socket.closed == [4413]


@pytest.mark.parametrize("feed", ["events", "tally"])
async def test_who_is_full_when_nothing_more_happens_is_seen_at_the_next_beat(
    hall: Hall, feed: Any
) -> None:
    """Else he would keep his memory until somebody votes again."""
    await hall.happens(A, *BEGINNING)
    async with hall.running() as hub:
        stalled, slow = FakeSocket(), FakeSocket()
        sessions = []
        for socket in (stalled, slow):
            socket.high = 100_000
            to = connection(socket, stalled_seconds=0.2)
            sessions.append(await subscribed(hall, Wish(feed), to))
        assert live(hub) == 2
        for socket in (stalled, slow):
            socket.write(b"x" * 200_000)
        hub.heartbeat()
        assert live(hub) == 0
        slow.take()
        await until(lambda: live(hub) == 1, hub)
        await until(lambda: stalled.closed == [4413], hub)
        slow.taken = b""
        await hall.happens(A, VOTES[0])
        await until(lambda: any(f["seq"] == 3 for f in slow.frames), hub)
        assert slow.closed == []
        for session in sessions:
            session.end()


@pytest.mark.parametrize("feed", ["events", "tally"])
async def test_a_viewer_who_is_behind_is_told_that_the_log_began_anew(
    hall: Hall, feed: Any
) -> None:
    await hall.happens(A, *BEGINNING)
    await hall.hub._load()
    socket = FakeSocket()
    socket.write(b"x" * 5000)
    await subscribed(hall, Wish(feed, None, 0), connection(socket))
    assert not await hall.hub.news(0.01)
    await hall.restore("two")
    await hall.hub._load()
    socket.taken = b""
    socket.take()
    await hall.hub.news(0.01)
    assert socket.closed == [1012]
    assert all('"epoch":"two"' not in text for text in messages(socket.taken))


@pytest.mark.parametrize("feed", ["events", "tally"])
async def test_a_live_viewer_is_told_that_the_log_began_anew(
    hall: Hall, feed: Any
) -> None:
    await hall.happens(A, *BEGINNING)
    await hall.hub._load()
    socket = FakeSocket()
    session = await subscribed(hall, Wish(feed), connection(socket))
    await until(lambda: live(hall.hub) == 1, hall.hub)
    await hall.restore("two")
    before = socket.taken
    await hall.hub._load()
    assert socket.closed == [1012]
    assert socket.taken == before
    session.end()


async def test_a_beat_is_told_once_however_many_subscriptions_there_are(
    hall: Hall,
) -> None:
    await hall.happens(A, *BEGINNING)
    async with hall.running() as hub:
        socket = FakeSocket()
        socket.high = 100_000
        to = connection(socket)
        wishes = [Wish("events"), Wish("tally"), Wish("tally", A)]
        sessions = [await subscribed(hall, wish, to) for wish in wishes]
        await until(lambda: live(hub) == 3, hub)
        hub.heartbeat()
        hub.heartbeat()
        beats = [f for f in socket.frames if f["op"] == "heartbeat"]
        assert [beat["seq"] for beat in beats] == [2, 2]
        for session in sessions:
            session.end()


async def test_unsubscribed_or_gone_a_viewer_stays_in_no_set(hall: Hall) -> None:
    await hall.happens(A, *BEGINNING)
    async with hall.running() as hub:
        socket = FakeSocket()
        socket.high = 100_000
        session = Session(hub, connection(socket))
        for number in range(10):
            await session.subscribe(number, Wish("events" if number % 2 else "tally"))
        await until(lambda: live(hub) == 10, hub)
        session.unsubscribe(3)
        assert len(hub.event_viewers) == 4
        session.end()
        assert not hub.event_viewers
        assert not hub.tally_viewers
        await hub.news(0.01)
        names = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]  # type: ignore[union-attr]
        assert "Session._run" not in names


async def test_ended_in_the_midst_of_its_replay_a_viewer_stays_in_no_set(
    hall: Hall,
) -> None:
    await hall.happens(A, *BEGINNING)
    await hall.hub._load()
    socket = FakeSocket()
    socket.write(b"x" * 5000)
    session = Session(hall.hub, connection(socket))
    await session.subscribe(1, Wish("events", None, 0))
    await session.subscribe(2, Wish("tally", None, 0))
    assert not await hall.hub.news(0.01)
    socket.take()  # their replies are ready in the same moment as their end
    session.end()
    assert not await hall.hub.news(0.01)
    assert not hall.hub.event_viewers
    assert not hall.hub.tally_viewers


async def test_a_bug_in_a_subscription_closes_its_connection(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise RuntimeError("a bug")

    await hall.happens(A, *BEGINNING)
    await hall.hub._load()
    monkeypatch.setattr(EventSubscription, "_catch_up", fails)
    socket = FakeSocket()
    socket.write(b"x" * 5000)
    session = Session(hall.hub, connection(socket))
    await session.subscribe(1, Wish("events", None, 0))
    await hall.hub.news(0.01)
    assert socket.closed == [1011]
    session.end()


async def test_a_log_that_goes_away_in_a_replay_closes_the_connection(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hall.happens(A, *BEGINNING, *VOTES)
    await hall.redis.xtrim(keys.events(GA), maxlen=1, approximate=False)
    await hall.hub._load()
    hall.archive.entries.clear()
    hall.hub._ledger.tail._events.popleft()
    socket = FakeSocket()
    session = Session(hall.hub, connection(socket))
    await session.subscribe(1, Wish("events", None, 0))
    async with asyncio.timeout(5):
        while not socket.closed:
            await hall.hub.news(0.01)
    assert socket.closed == [1013]
    session.end()


async def test_a_long_beginning_is_sent_in_pieces(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewers_module, "TALLIES_AT_ONCE", 2)
    await hall.happens(A, *BEGINNING, *VOTES)
    await hall.hub._load()
    socket = FakeSocket()
    socket.high = 100
    session = await subscribed(hall, Wish("tally", None, 0), connection(socket))
    assert not await hall.hub.news(0.01)
    assert [frame["seq"] for frame in socket.frames[1:]] == [1, 2]
    while len(socket.frames) < 10:
        socket.take()
        await hall.hub.news(0.001)
    assert [frame["seq"] for frame in socket.frames[1:]] == [*range(1, 9), 8]
    assert socket.frames[-1]["op"] == "caught_up"
    session.end()
