"""Frames: their JSON, and their bytes as an independent implementation reads them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import TextMessage

from tellers_core.tally import encode_tally, tally
from tellers_gateway.frames import (
    Frame,
    control_frame,
    event_frame,
    tally_frame,
    websocket_message,
)
from tests.scenario import EPOCH, OPENED, projected

HEADER_BYTES = {0: 2, 1: 2, 125: 2, 126: 4, 127: 4, 65_535: 4, 65_536: 10, 65_537: 10}
ENTRY = (
    b'{"data":{"delegation":"FRA","previous":null,"vote":"yes"},'
    b'"datacontenttype":"application/json","id":"ga-0000000000000042",'
    b'"rollcall":"es-11-1","rollcallversion":38,"sequence":"0000000000000042",'
    b'"source":"/chambers/ga","specversion":"1.0","subject":"es-11-1/FRA",'
    b'"time":"2026-11-23T17:00:01.234Z","type":"org.tellers.vote.recorded.v1"}'
)


def messages(data: bytes) -> list[str]:
    """The text messages in these bytes, as a client reads them."""
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(data)
    found, text = [], ""
    for event in client.events():
        assert isinstance(event, TextMessage)
        text += event.data
        if event.message_finished:
            found.append(text)
            text = ""
    assert text == ""
    return found


@pytest.mark.parametrize("size", HEADER_BYTES)
def test_a_text_of_any_length_is_one_message(size: int) -> None:
    text = b"x" * size
    message = websocket_message(text)
    assert len(message) == size + HEADER_BYTES[size]
    assert messages(message) == [text.decode()]


@given(st.lists(st.text(max_size=300), max_size=5))
def test_messages_joined_are_read_apart(texts: list[str]) -> None:
    joined = b"".join(websocket_message(text.encode()) for text in texts)
    assert messages(joined) == texts


def test_a_tally_frame_is_the_tally_with_an_op_in_front() -> None:
    encoded = encode_tally(tally(projected(OPENED), EPOCH))
    frame = tally_frame(encoded, EPOCH, 2)
    assert json.loads(frame.text) == {"op": "tally", **json.loads(encoded)}
    assert next(iter(json.loads(frame.text))) == "op"
    assert frame.place == f"{EPOCH}:2"


def test_an_event_frame_has_its_place_and_the_cloud_event() -> None:
    frame = event_frame(ENTRY, EPOCH, 42)
    assert json.loads(frame.text) == {
        "op": "event",
        "seq": 42,
        "event": {**json.loads(ENTRY), "epoch": EPOCH},
    }
    assert frame.place == f"{EPOCH}:42"


def test_a_control_frame_has_its_members_and_no_place() -> None:
    frame = control_frame("subscribed", id=1, recovered=None)
    assert json.loads(frame.text) == {"op": "subscribed", "id": 1, "recovered": None}
    assert frame.place == ""
    assert messages(frame.message) == [frame.text.decode()]


def test_a_frame_as_a_server_sent_event() -> None:
    assert Frame("tally", b'{"op":"tally"}', "k3v9:7").sse == (
        b'event: tally\nid: k3v9:7\ndata: {"op":"tally"}\n\n'
    )
    assert Frame("heartbeat", b"{}").sse == b"event: heartbeat\ndata: {}\n\n"


def test_a_line_break_in_a_title_stays_within_its_server_sent_event() -> None:
    frame = control_frame("error", problem={"detail": "a\nb\r\n\ndata: c"})
    assert frame.sse.count(b"\n") == 3
    assert b"\r" not in frame.sse
