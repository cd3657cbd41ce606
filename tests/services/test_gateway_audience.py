"""Who is written to, who is not, and from where he goes on. And who is pinged."""

import asyncio
from typing import Any

import pytest

from tellers_gateway import keepalive as keepalive_module
from tellers_gateway.audience import Audience
from tellers_gateway.frames import Frame
from tellers_gateway.keepalive import Keepalive


class Socket:
    """A connection that keeps what is written."""

    def __init__(self) -> None:
        self.is_full = False
        self.taken = b""

    @property
    def transport(self) -> "Socket":
        return self

    def write(self, data: bytes) -> None:
        self.taken += data


class Viewer:
    """Leaves when it falls behind, as every subscription does."""

    def __init__(self, audience: Audience[str | None], wanted: str | None) -> None:
        self.socket = Socket()
        self.behind: list[int] = []
        self._audience, self._wanted = audience, wanted
        audience.join(self, wanted)

    def fall_behind(self, place: int) -> None:
        self.behind.append(place)
        self._audience.leave(self, self._wanted)

    def heartbeat(self, frame: Frame) -> None:
        raise NotImplementedError

    def restart(self) -> None:
        raise NotImplementedError


@pytest.fixture
def audience() -> Audience[str | None]:
    return Audience()


def news(text: str) -> Any:
    """The text for who wants all, and for who wants its first letter."""
    return lambda wanted: text.encode() if wanted in (None, text[0]) else b""


def test_everybody_gets_what_he_wants(audience: Audience[str | None]) -> None:
    everything, a, b = (Viewer(audience, wanted) for wanted in (None, "a", "b"))
    audience.tell(0, news("a1"))
    audience.tell(1, news("b2"))
    taken = [viewer.socket.taken for viewer in (everything, a, b)]
    assert taken == [b"a1b2", b"a1", b"b2"]


def test_what_they_want_is_made_once_for_all_of_them(
    audience: Audience[str | None],
) -> None:
    asked: list[str | None] = []

    def counted(wanted: str | None) -> bytes:
        asked.append(wanted)
        return b"x"

    viewers = [Viewer(audience, None) for _ in range(100)]
    audience.tell(0, counted)
    assert asked == [None]
    assert len({id(viewer.socket.taken) for viewer in viewers}) == 1


def test_who_is_full_gets_nothing_and_goes_on_where_the_feed_was(
    audience: Audience[str | None],
) -> None:
    viewers = [Viewer(audience, None) for _ in range(3)]
    viewers[1].socket.is_full = True
    audience.tell(41, news("a"))
    assert [viewer.socket.taken for viewer in viewers] == [b"a", b"", b"a"]
    assert [viewer.behind for viewer in viewers] == [[], [41], []]
    audience.tell(42, news("b"))
    assert viewers[1].behind == [41]
    assert len(audience) == 2


def test_who_wants_none_of_it_does_not_fall_behind(
    audience: Audience[str | None],
) -> None:
    viewer = Viewer(audience, "b")
    viewer.socket.is_full = True
    audience.tell(41, news("a"))
    assert viewer.behind == []


def test_who_left_is_in_nobodys_way(audience: Audience[str | None]) -> None:
    viewer = Viewer(audience, "a")
    audience.leave(viewer, "a")
    audience.leave(viewer, "a")
    assert not list(audience)
    audience.tell(0, news("a"))
    assert viewer.socket.taken == b""


# Pings


class Pinged:
    """A WebSocket that answers, or does not."""

    def __init__(self, *, answers: bool) -> None:
        self.is_open = True
        self.unanswered: bytes | None = None
        self.pings = 0
        self.is_silent = asyncio.Event()
        self._answers = answers

    def ping(self, payload: bytes) -> None:
        assert len(payload) == 4
        self.pings += 1
        self.unanswered = None if self._answers else payload

    def silent(self) -> None:
        self.is_open = False
        self.is_silent.set()


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Keepalive:
    monkeypatch.setattr(keepalive_module, "INTERVAL_SECONDS", 0.02)
    monkeypatch.setattr(keepalive_module, "LOOK_SECONDS", 0.001)
    return Keepalive()


async def test_who_answers_is_pinged_again_and_who_does_not_is_let_go(
    line: Keepalive,
) -> None:
    answers, does_not = Pinged(answers=True), Pinged(answers=False)
    line.join(answers)
    line.join(does_not)
    async with asyncio.timeout(10):
        await does_not.is_silent.wait()
        while answers.pings < 3:  # noqa: ASYNC110 - a fake tells no event
            await asyncio.sleep(0.01)
    assert does_not.pings == 1
    assert answers.is_open


async def test_who_has_gone_is_forgotten_and_the_line_rests(line: Keepalive) -> None:
    gone = Pinged(answers=True)
    line.join(gone)
    gone.is_open = False
    async with asyncio.timeout(10):
        while line._timer is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert gone.pings == 0
    assert not line._line
    later = Pinged(answers=True)
    line.join(later)
    async with asyncio.timeout(10):
        while not later.pings:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
