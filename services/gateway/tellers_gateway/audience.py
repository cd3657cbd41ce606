"""Who is live on one feed, and how news are written to all of them.

Whoever stands here has everything up to now: the audience's place in the feed is
everybody's. Those who want the same get the same bytes, and for each of them there is
one call, to their transport. A viewer whose buffer is full gets nothing, leaves, and is
told after what place it has to go on.
"""

from collections.abc import Callable, Hashable, Iterator
from typing import Generic, Protocol, TypeVar

from tellers_gateway.frames import Frame


class Writer(Protocol):
    """Where bytes are written."""

    def write(self, data: bytes, /) -> object: ...


class Socket(Protocol):
    """A viewer's connection. Open: whoever is lost leaves every audience at once."""

    is_full: bool

    @property
    def transport(self) -> Writer: ...


class Viewer(Protocol):
    """A live subscription."""

    @property
    def socket(self) -> Socket: ...

    def fall_behind(self, place: int) -> None: ...
    def heartbeat(self, frame: Frame) -> None: ...
    def restart(self) -> None: ...


Wanted = TypeVar("Wanted", bound=Hashable)


class Audience(Generic[Wanted]):
    """Live viewers of one feed, by what of it they want."""

    def __init__(self) -> None:
        self._viewers: dict[Wanted, dict[Viewer, None]] = {}

    def join(self, viewer: Viewer, wanted: Wanted) -> None:
        """It has everything up to now, and wants what follows."""
        self._viewers.setdefault(wanted, {})[viewer] = None

    def leave(self, viewer: Viewer, wanted: Wanted) -> None:
        """It is written to no longer, if it was."""
        some = self._viewers.get(wanted, {})
        some.pop(viewer, None)
        if not some:
            self._viewers.pop(wanted, None)

    def tell(self, place: int, news: Callable[[Wanted], bytes]) -> None:
        """Write news to all.

        Args:
            place: where the feed was before them.
            news: what of them somebody gets who wants that; may be nothing.
        """
        full: list[Viewer] = []
        for wanted, viewers in self._viewers.items():
            message = news(wanted)
            if message:
                full += _not_written(viewers, message)
        for viewer in full:
            viewer.fall_behind(place)

    def __len__(self) -> int:
        return sum(map(len, self._viewers.values()))

    def __iter__(self) -> Iterator[Viewer]:
        """All of them, as they are now."""
        return iter([one for some in self._viewers.values() for one in some])


def _not_written(viewers: dict[Viewer, None], message: bytes) -> list[Viewer]:
    """Write to all that have room; returns the others.

    Nothing is called here but what cannot be left out: it is done for every viewer and
    update. A transport calls nobody back who would join or leave.
    """
    full = []
    for viewer in viewers:
        socket = viewer.socket
        if socket.is_full:
            full.append(viewer)
        else:
            socket.transport.write(message)
    return full
