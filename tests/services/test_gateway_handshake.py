"""The opening handshake: what is accepted, what is refused, and what is told."""

import base64
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection
from wsproto.events import Request as Asked

from tellers_gateway.handshake import accept
from tellers_runtime.problems import HttpProblem
from tests.e2e.stack import Stack
from tests.servers import HOST
from tests.services.viewing import BARE, TELLERS

pytest_plugins = ("tests.services.gateway_stack",)

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
HEADERS = (
    (b"host", b"tally.example.org"),
    (b"upgrade", b"websocket"),
    (b"connection", b"Upgrade"),
    (b"sec-websocket-key", KEY),
    (b"sec-websocket-version", b"13"),
)
Headers = tuple[tuple[bytes, bytes], ...]


def without(name: bytes) -> Headers:
    return tuple((n, v) for n, v in HEADERS if n != name)


def test_the_example_of_the_rfc_is_answered_as_the_rfc_answers_it() -> None:
    accepted = accept("GET", "1.1", HEADERS, (TELLERS, BARE))
    assert accepted.subprotocol is None
    assert accepted.answer == (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )


@given(st.binary(min_size=16, max_size=16), st.sampled_from([None, TELLERS, BARE]))
def test_any_key_is_answered_as_another_implementation_expects(
    nonce: bytes, subprotocol: str | None
) -> None:
    client = WSConnection(ConnectionType.CLIENT)
    offered = [] if subprotocol is None else ["other.v9", subprotocol]
    asked = client.send(Asked("x", "/", subprotocols=offered))
    lines = asked.split(b"\r\n")[1:-2]
    pairs = (line.split(b": ", 1) for line in lines)
    headers = [(name.lower(), value) for name, value in pairs]
    client.receive_data(accept("GET", "1.1", headers, (TELLERS, BARE)).answer)
    (event,) = client.events()
    assert isinstance(event, AcceptConnection)
    assert event.subprotocol == subprotocol
    key = base64.b64encode(nonce)
    again = accept("GET", "1.1", (*without(b"sec-websocket-key"),
                                  (b"sec-websocket-key", key)), ())  # fmt: skip
    assert again.answer.startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize(
    ("lines", "chosen"),
    [
        ([b"tellers.v1"], TELLERS),
        ([b"cloudevents.json, tellers.v1"], BARE),
        ([b"x , tellers.v1,cloudevents.json"], TELLERS),
        ([b"x", b"cloudevents.json"], BARE),
        ([b"TELLERS.V1"], None),
        ([b"x, y"], None),
        ([b""], None),
        ([b"\xff, tellers.v1"], TELLERS),
    ],
)
def test_the_first_subprotocol_that_is_known_is_chosen(
    lines: list[bytes], chosen: str | None
) -> None:
    offered = tuple((b"sec-websocket-protocol", line) for line in lines)
    accepted = accept("GET", "1.1", (*HEADERS, *offered), (TELLERS, BARE))
    assert accepted.subprotocol == chosen
    said = f"Sec-WebSocket-Protocol: {chosen}\r\n".encode()
    assert (said in accepted.answer) is (chosen is not None)


@pytest.mark.parametrize(
    ("headers", "status", "names"),
    [
        (without(b"host"), 400, "Host"),
        ((*HEADERS, (b"host", b"other")), 400, "Host"),
        (without(b"sec-websocket-key"), 400, "Sec-WebSocket-Key"),
        ((*HEADERS, (b"sec-websocket-key", KEY)), 400, "Sec-WebSocket-Key"),
        (without(b"sec-websocket-version"), 426, "Sec-WebSocket-Version"),
        ((*HEADERS, (b"sec-websocket-version", b"8")), 426, "Sec-WebSocket-Version"),
    ],
)
def test_what_is_no_handshake_is_refused_by_name(
    headers: Headers, status: int, names: str
) -> None:
    with pytest.raises(HttpProblem) as refused:
        accept("GET", "1.1", headers, ())
    assert refused.value.status == status
    assert names in refused.value.detail
    told = {"Sec-WebSocket-Version": "13"} if status == 426 else None
    assert refused.value.headers == told


@pytest.mark.parametrize("key", [b"", b"x", KEY[:-2], KEY * 2, b"\xff" * 24, b"=" * 24])
def test_a_key_is_sixteen_bytes(key: bytes) -> None:
    with pytest.raises(HttpProblem):
        accept("GET", "1.1", (*without(b"sec-websocket-key"),
                              (b"sec-websocket-key", key)), ())  # fmt: skip


@pytest.mark.parametrize(("method", "version"), [("POST", "1.1"), ("GET", "1.0")])
def test_only_get_and_http_1_1_will_do(method: str, version: str) -> None:
    with pytest.raises(HttpProblem):
        accept(method, version, HEADERS, ())


# Over a socket

ASKED = (
    b"GET %b HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: %b\r\n"
    b"Sec-WebSocket-Key: " + KEY + b"\r\nSec-WebSocket-Version: %b\r\n\r\n"
)


def answer(port: int, *pieces: bytes) -> bytes:
    """What comes, up to the end or the first frame."""
    with socket.create_connection((HOST, port), timeout=10) as sock:
        for piece in pieces:
            sock.sendall(piece)
        said = b""
        while b'"subscribed"' not in said and (data := sock.recv(65_536)):
            said += data
        return said


@pytest.mark.parametrize(
    ("path", "connection", "version", "status"),
    [
        (b"/v1/ga/live?feed=events", b"Upgrade", b"13", 101),
        (b"/v1/ga/live?feed=events", b"keep-alive, upgrade", b"13", 101),
        (b"/v1/g%61/live?feed=events", b"Upgrade", b"13", 101),
        (b"/v1/ga/live?feed=events", b"Upgrade", b"12", 426),
        (b"/v1/ga/roll-calls", b"Upgrade", b"13", 404),
        (b"/v1/ga/x/live", b"Upgrade", b"13", 404),
        (b"/v1/nowhere/live", b"Upgrade", b"13", 404),
    ],
)
def test_a_handshake_is_answered(
    stack: Stack, path: bytes, connection: bytes, version: bytes, status: int
) -> None:
    said = answer(stack.gateway.port, ASKED % (path, connection, version))
    assert int(said.split()[1]) == status
    is_problem = b"Content-Type: application/problem+json\r\n" in said
    assert is_problem is (status != 101)


def test_a_handshake_in_pieces_is_a_handshake(stack: Stack) -> None:
    asked = ASKED % (b"/v1/ga/live?feed=events", b"Upgrade", b"13")
    said = answer(stack.gateway.port, *(asked[n : n + 7] for n in range(0, 300, 7)))
    assert said.startswith(b"HTTP/1.1 101 ")


def test_who_asks_for_it_while_another_answer_is_due_is_refused(stack: Stack) -> None:
    slow = b"GET /v1/ga/events?after=%d&wait=20 HTTP/1.1\r\nHost: x\r\n\r\n" % 10**9
    asked = ASKED % (b"/v1/ga/live?feed=events", b"Upgrade", b"13")
    said = answer(stack.gateway.port, slow + asked)
    assert b"101 Switching" not in said
