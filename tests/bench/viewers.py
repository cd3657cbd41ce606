"""A thousand WebSocket viewers in one process, with as little work as can be.

Plain sockets and epoll: no library between the kernel and the clock, so that the
viewers do not become what is measured. Started by `latency.py`; talks to it in lines of
JSON on standard input and output: `{"seq": n}` in, and when the last viewer has the
tally of that seq, `{"seq": n, "first": t, "last": t}` out (CLOCK_MONOTONIC, which all
processes of a machine share).
"""

import base64
import json
import os
import re
import select
import socket
import sys
import time

SEQ = re.compile(rb'"epoch":"[0-9a-f]+","seq":(\d+),"version"')
READ_BYTES = 65_536


def _join(host: str, port: int, path: str) -> socket.socket:
    sock = socket.create_connection((host, port))
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        "Sec-WebSocket-Protocol: tellers.v1\r\nSec-WebSocket-Version: 13\r\n"
        "\r\n".encode()
    )
    return sock


class Viewers:
    """All viewers; `seen` is the newest seq of each."""

    def __init__(self, host: str, port: int, path: str, number: int) -> None:
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._seen: dict[int, int] = {}
        for _ in range(number):
            sock = _join(host, port, path)
            sock.setblocking(False)
            self._sockets[sock.fileno()] = sock
            self._seen[sock.fileno()] = 0
            self._poll.register(sock.fileno(), select.EPOLLIN)
        self._wait_for(b"caught_up", 30.0)

    def _wait_for(self, marker: bytes, seconds: float) -> None:
        missing = set(self._sockets)
        deadline = time.monotonic() + seconds
        while missing and time.monotonic() < deadline:
            for fd, _ in self._poll.poll(0.1):
                if marker in self._sockets[fd].recv(READ_BYTES):
                    missing.discard(fd)
        if missing:
            sys.exit(f"{len(missing)} viewers were not served")

    def until(self, seq: int, seconds: float) -> tuple[float, float]:
        """When the first and the last viewer had the tally of that seq."""
        missing = {fd for fd, seen in self._seen.items() if seen < seq}
        first = last = 0.0
        deadline = time.monotonic() + seconds
        while missing and time.monotonic() < deadline:
            for fd, _ in self._poll.poll(0.1):
                data = self._sockets[fd].recv(READ_BYTES)
                last = time.monotonic()
                # A frame is far smaller than a segment on loopback: it comes whole.
                places = SEQ.findall(data)
                if places:
                    self._seen[fd] = int(places[-1])
                if self._seen[fd] >= seq:
                    first = first or last
                    missing.discard(fd)
        if missing:
            sys.exit(f"{len(missing)} viewers never had seq {seq}")
        return first, last


def main() -> None:
    """Arguments: host, port, path, number of viewers."""
    host, port, path, number = sys.argv[1:5]
    viewers = Viewers(host, int(port), path, int(number))
    print(json.dumps({"ready": int(number)}), flush=True)
    for line in sys.stdin:
        seq = json.loads(line)["seq"]
        first, last = viewers.until(seq, 10.0)
        print(json.dumps({"seq": seq, "first": first, "last": last}), flush=True)


if __name__ == "__main__":
    main()
