"""The frames of `tellers.v1`, encoded once and shared by every viewer.

A frame is JSON text. `Frame` keeps it in both wire forms: as a WebSocket message
(RFC 6455, unmasked, final, text) and as a server-sent event.
"""

import struct
from typing import Any, NamedTuple

import msgspec

from tellers_core.codec import public_event

_json = msgspec.json.Encoder().encode
_TEXT_FINAL = 0x81
_MAX_7_BITS, _MAX_16_BITS = 125, 0xFFFF


def websocket_message(text: bytes) -> bytes:
    """The text as one unmasked WebSocket frame."""
    size = len(text)
    if size <= _MAX_7_BITS:
        return bytes((_TEXT_FINAL, size)) + text
    if size <= _MAX_16_BITS:
        return struct.pack("!BBH", _TEXT_FINAL, 126, size) + text
    return struct.pack("!BBQ", _TEXT_FINAL, 127, size) + text


class Frame(NamedTuple):
    """One frame: its `op`, its JSON, and its place for resuming, if it has one."""

    op: str
    text: bytes
    place: str = ""

    @property
    def message(self) -> bytes:
        """As a WebSocket message."""
        return websocket_message(self.text)

    @property
    def sse(self) -> bytes:
        """As a server-sent event; the place is its id."""
        place = f"id: {self.place}\n" if self.place else ""
        return b"event: %b\n%bdata: %b\n\n" % (
            self.op.encode(),
            place.encode(),
            self.text,
        )


def tally_frame(tally: bytes, epoch: str, seq: int) -> Frame:
    """A tally, whose JSON object gets an `op` in front."""
    return Frame("tally", b'{"op":"tally",' + tally[1:], f"{epoch}:{seq}")


def event_frame(entry: bytes, epoch: str, seq: int) -> Frame:
    """An event of the log."""
    event = public_event(entry, epoch)
    text = b'{"op":"event","seq":%d,"event":%b}' % (seq, event)
    return Frame("event", text, f"{epoch}:{seq}")


def control_frame(op: str, **members: Any) -> Frame:
    """subscribed, caught_up, heartbeat or error."""
    return Frame(op, _json({"op": op, **members}))
