"""The servers that are compared: each takes a text and gives it to all its viewers."""

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import httpx
import msgspec
from redis import Redis

from tellers_core.codec import LogName
from tellers_runtime import keys
from tests.bench.rivals.load import HERE, NICENESS, Place
from tests.e2e.stack import Service, Stack, recorded
from tests.servers import HOST, Server, free_port, takes_connections, wait_until

WS = Path(__file__).parents[2] / "web" / "node_modules"
NGINX_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
PUBLICATIONS_A_SECOND = 5000
AT_ONCE = 25


class Rival(Protocol):
    """A server under load, which runs from `start` to `stop`."""

    name: str

    @property
    def place(self) -> Place: ...

    @property
    def pids(self) -> list[int]: ...

    def start(self) -> None: ...
    def stop(self) -> None: ...

    def publish(self, texts: Sequence[bytes]) -> None:
        """Publish these in order: one at once, many as fast as
        PUBLICATIONS_A_SECOND. Returns when the server has taken them."""
        ...


def _paced(texts: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Some at a time, as fast as PUBLICATIONS_A_SECOND."""
    began = time.monotonic()
    for first in range(0, len(texts), AT_ONCE):
        wait = began + first / PUBLICATIONS_A_SECOND - time.monotonic()
        time.sleep(max(0.0, wait))
        yield texts[first : first + AT_ONCE]


class HttpRival(Server):
    """One that is published to by `POST /pub`."""

    def __init__(self, name: str, command: Sequence[str], folder: Path) -> None:
        super().__init__(name, folder / f"{name.split(maxsplit=1)[0]}.log")
        self.name = name
        self._command = [part.replace("@PORT@", str(self.port)) for part in command]
        self._publisher: socket.socket | None = None

    @property
    def place(self) -> Place:
        return Place(self.port)

    @property
    def pids(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [self.pid, *map(int, children.split())]

    def _spawn(self, output: int) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            ["nice", "-n", str(NICENESS), *self._command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )

    def _answers(self) -> bool:
        return takes_connections(self.port)

    def start(self) -> None:
        super().start()
        self._publisher = socket.create_connection((HOST, self.port))
        self._publisher.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def stop(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None
        super().stop()

    def publish(self, texts: Sequence[bytes]) -> None:
        assert self._publisher is not None
        reading = threading.Thread(target=self._read, args=(len(texts),))
        reading.start()
        for some in _paced(texts):
            self._publisher.sendall(b"".join(map(_post, some)))
        reading.join()

    def _read(self, number: int) -> None:
        assert self._publisher is not None
        kept = b""
        while number:
            data = self._publisher.recv(65_536)
            if not data:
                sys.exit(f"{self.name} hung up on its publisher")
            kept += data
            found = kept.count(b"HTTP/1.1 2")
            number -= found
            kept = kept[-9:] if found else kept


def _post(text: bytes) -> bytes:
    return (
        b"POST /pub HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(text), text)
    )


def blast(program: Path, folder: Path) -> HttpRival:
    """The least that can be done: C, epoll, one send() for each viewer."""
    return HttpRival("C, a send() a viewer", [str(program), "@PORT@"], folder)


def nchan(folder: Path) -> HttpRival | None:
    """nginx with nchan; None where it is not installed."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if program is None or not NGINX_MODULE.exists():
        return None
    own = folder / "nginx"
    own.mkdir()
    configuration = own / "nginx.conf"
    rival = HttpRival("nginx + nchan", [program, "-c", str(configuration)], folder)
    text = (HERE / "nchan.conf").read_text()
    text = text.replace("@PORT@", str(rival.port)).replace("@FOLDER@", str(own))
    configuration.write_text(text.replace("modules/", f"{NGINX_MODULE.parent}/"))
    return rival


def node(folder: Path) -> HttpRival | None:
    """node with ws; None where they are not installed."""
    program = shutil.which("node")
    if program is None or not (WS / "ws").exists():
        return None
    command = [program, str(HERE / "ws.js"), "@PORT@", str(WS)]
    return HttpRival("node + ws", command, folder)


def naive(folder: Path) -> HttpRival:
    """FastAPI as its tutorial has it."""
    command = [sys.executable, str(HERE / "naive.py"), "@PORT@"]
    return HttpRival("FastAPI, await a viewer", command, folder)


class Ours:
    """The gateway, fed with tallies where the tally service publishes them.

    Args:
        processes: gateways that share its port.
    """

    def __init__(self, name: str, stack: Stack, processes: int = 1) -> None:
        self.name = name
        port, own = free_port(), [free_port() for _ in range(processes)]
        self._gateways = [
            stack.service(
                "gateway",
                port,
                TELLERS_GATEWAY_PROCESSES=str(processes),
                TELLERS_GATEWAY_OWN_PORT=str(number),
                TELLERS_MAX_CONNECTIONS="20000",
                TELLERS_DRAIN_SECONDS="0",
            )
            for number in own
        ]
        self._asked = [Service("gateway", number, stack.folder, {}) for number in own]
        self._redis = Redis.from_url(stack.redis.url)
        path = "/v1/ga/live?feed=tally"
        self.place = Place(port, path, "tellers.v1", '"caught_up"')

    @property
    def pids(self) -> list[int]:
        return [gateway.pid for gateway in self._gateways]

    def start(self) -> None:
        for gateway, asked in zip(self._gateways, self._asked, strict=True):
            gateway.start()
            wait_until(asked.ready, 20, "the gateway")

    def stop(self) -> None:
        for gateway in self._gateways:
            gateway.stop()

    def publish(self, texts: Sequence[bytes]) -> None:
        key = keys.tallies(LogName("ga"))
        for some in _paced(texts):
            pipe = self._redis.pipeline(transaction=False)
            for text in some:
                tally = b"{" + text.partition(b",")[2]  # without its op
                seq = msgspec.json.decode(text)["seq"]
                pipe.xadd(key, {"t": tally, "s": seq}, maxlen=5000, approximate=True)
            pipe.execute()


class Tallies:
    """Frames as the gateway sends them: a vote more in each, the seq one higher."""

    def __init__(self, stack: Stack) -> None:
        clerk = stack.clerk()
        with clerk.http:
            clerk.open("bench")
            clerk.vote("bench", *recorded("es-11-1")[0])
            address = f"{stack.gateway_url}/v1/ga/roll-calls/bench/tally"
            self._tally = json.loads(_fetched(address))
        self.seq: int = self._tally["seq"]

    def next(self) -> bytes:
        """The frame after the last one."""
        self.seq += 1
        votes = self.seq % 100
        counts = {**self._tally["counts"], "yes": votes, "abstain": 99 - votes}
        return json.dumps(
            {"op": "tally", **self._tally, "seq": self.seq, "counts": counts},
            separators=(",", ":"),
        ).encode()


def _fetched(address: str) -> bytes:
    return httpx.get(address, verify=False).raise_for_status().content


def all_of(stack: Stack, program: Path, folder: Path, left: ExitStack) -> list[Rival]:
    """Every server that can be run here, ours last."""
    found: list[Rival | None] = [
        blast(program, folder),
        nchan(folder),
        node(folder),
        naive(folder),
        Ours("Tellers", stack),
        Ours("Tellers, 2 processes", stack, processes=2),
    ]
    rivals = [rival for rival in found if rival is not None]
    for rival in rivals:
        left.callback(rival.stop)
    return rivals
