"""Fifty voting machines as one process, which must never be what is waited for.

    python -m tests.bench.voters PORT TOKEN ROLL_CALL ROUNDS BEFORE

Each connection sends its next vote when it has the answer to its last one. No HTTP
library: requests are composed beforehand, of an answer only its status and its length
are read, and a vote costs this process some 10 us. It prints one JSON object: seconds
in all, its own CPU seconds, and the milliseconds of every vote.

ROUNDS: in each of them 150 delegations vote, each otherwise than in the one before.
BEFORE: how many there were in earlier runs.
"""

import json
import selectors
import socket
import sys
import time

from tellers_core.members import general_assembly
from tests.servers import HOST

CONNECTIONS = 50
EACH = 3  # delegations of a connection: no two connections ever meet
VOTES = ("yes", "no", "abstain")
_LENGTH = b"ontent-length: "


def request(token: str, roll_call: str, code: str, vote: str, key: str) -> bytes:
    """A vote as it goes over the line."""
    body = f'{{"vote":"{vote}"}}'
    return (
        f"PUT /v1/ga/roll-calls/{roll_call}/votes/{code} HTTP/1.1\r\n"
        f"Host: {HOST}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nIdempotency-Key: {key}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


class Machine:
    """One connection, with the votes that it will send."""

    def __init__(self, port: int, requests: list[bytes]) -> None:
        self.socket = socket.create_connection((HOST, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requests = iter(requests)
        self._sent = 0.0
        self._got = b""

    def send(self) -> bool:
        """Send the next vote; False when there is none."""
        sent = next(self._requests, None)
        if sent is None:
            return False
        self._sent = time.perf_counter()
        self.socket.sendall(sent)  # smaller than any buffer: it never blocks
        return True

    def receive(self) -> float | None:
        """Milliseconds that the answer took, None while it is not here in full."""
        self._got += self.socket.recv(65536)
        head, gap, body = self._got.partition(b"\r\n\r\n")
        if not gap:
            return None
        at = head.find(_LENGTH) + len(_LENGTH)
        if len(body) < int(head[at:].partition(b"\r\n")[0]):
            return None
        if head[9:12] not in (b"200", b"201"):
            sys.exit(f"refused: {self._got.decode()}")
        self._got = b""
        return (time.perf_counter() - self._sent) * 1000


def _requests(token: str, roll_call: str, number: int, rounds: range) -> list[bytes]:
    """Of one connection."""
    codes = general_assembly().codes[number * EACH : (number + 1) * EACH]
    return [
        request(token, roll_call, code, VOTES[n % 3], f"{roll_call}-{code}-{n}")
        for n in rounds
        for code in codes
    ]


def main(port: int, token: str, roll_call: str, rounds: int, before: int) -> None:
    """Send them all."""
    numbers = range(before, before + rounds)
    machines = [
        Machine(port, _requests(token, roll_call, number, numbers))
        for number in range(CONNECTIONS)
    ]
    took: list[float] = []
    cpu, began = time.process_time(), time.perf_counter()
    with selectors.EpollSelector() as ready:
        for machine in machines:
            ready.register(machine.socket, selectors.EVENT_READ, machine)
            machine.send()
        left = len(machines)
        while left:
            for key, _ in ready.select():
                machine = key.data
                answered = machine.receive()
                if answered is None:
                    continue
                took.append(answered)
                if not machine.send():
                    ready.unregister(machine.socket)
                    left -= 1
    seconds = time.perf_counter() - began
    print(
        json.dumps({"seconds": seconds, "cpu": time.process_time() - cpu, "took": took})
    )


if __name__ == "__main__":
    _, port, token, roll_call, rounds, before = sys.argv
    main(int(port), token, roll_call, int(rounds), int(before))
