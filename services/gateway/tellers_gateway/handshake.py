"""The opening handshake of RFC 6455, section 4.2. Pure: headers in, an answer out.

The request has been read by the HTTP server already; a second parser for its few lines
was half the work of letting a viewer in.
"""

import binascii
from collections.abc import Container, Iterable
from typing import NamedTuple

from wsproto.utilities import generate_accept_token

from tellers_runtime.problems import HttpProblem

VERSION = b"13"
KEY_BYTES = 16


class Accepted(NamedTuple):
    """What the client is told, and the subprotocol that was chosen."""

    answer: bytes
    subprotocol: str | None


def accept(
    method: str,
    http_version: str,
    headers: Iterable[tuple[bytes, bytes]],
    known: Container[str],
) -> Accepted:
    """Answer a handshake; of the subprotocols offered, the first that is known.

    Args:
        headers: names in lower case. That `Connection` and `Upgrade` ask for a
            WebSocket has been seen.
    Raises: HttpProblem `bad_request` (400), or 426 for another version.
    """
    fields: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        fields.setdefault(name, []).append(value.strip())
    if method != "GET" or http_version != "1.1":
        raise _refused("a WebSocket is asked for by GET and HTTP/1.1")
    if len(fields.get(b"host", ())) != 1:
        raise _refused("one Host is needed")
    if fields.get(b"sec-websocket-version") != [VERSION]:
        raise HttpProblem(
            "bad_request",
            "Sec-WebSocket-Version must be 13",
            status=426,
            headers={"Sec-WebSocket-Version": VERSION.decode()},
        )
    keys = fields.get(b"sec-websocket-key", [])
    if len(keys) != 1 or not _is_key(keys[0]):
        raise _refused("Sec-WebSocket-Key must be 16 bytes in base64")
    offered = b",".join(fields.get(b"sec-websocket-protocol", ())).decode("latin-1")
    chosen = next((n for n in map(str.strip, offered.split(",")) if n in known), None)
    named = b"" if chosen is None else b"Sec-WebSocket-Protocol: %b\r\n"
    answer = (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n" + named + b"\r\n"
    )
    values = [generate_accept_token(keys[0])]
    if chosen is not None:
        values.append(chosen.encode())
    return Accepted(answer % tuple(values), chosen)


def _is_key(key: bytes) -> bool:
    try:
        return len(binascii.a2b_base64(key, strict_mode=True)) == KEY_BYTES
    except binascii.Error:
        return False


def _refused(detail: str) -> HttpProblem:
    return HttpProblem("bad_request", detail, status=400)
