"""F24: the WebSocket protocol as RFC 6455 has it.

In the full form the Autobahn suite, which needs Python 2.7; and always some thirty
cases written to a bare socket. Both against `tests/faults/echo.py`.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.report import FULL, Report
from tests.servers import HOST, Server, takes_connections

AUTOBAHN = "autobahntestsuite==25.10.1"
CASES = [f"{n}.*" for n in range(1, 8)] + ["10.*", "12.1.1", "13.1.1"]
PASSED = {"OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED"}
PYENV = Path.home() / ".pyenv/versions/2.7.18/bin/python"
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
FIN, RESERVED_1 = 0x80, 0x40


class Echo(Server):
    """The echo; or another server of the same program's kind, for the control."""

    def __init__(self, log: Path, program: tuple[str, ...]) -> None:
        super().__init__("echo", log)
        self._program = program

    def _spawn(self, output: int) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, *self._program, str(self.port)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )

    def _answers(self) -> bool:
        return takes_connections(self.port)


OURS = ("-m", "tests.faults.echo")
# uvicorn's own choice of a WebSocket implementation, with the same echo.
AUTO = (
    "-c",
    "import sys, uvicorn; from tests.faults.usual_echo import MESSAGE_BYTES, app; "
    "uvicorn.run(app, host='127.0.0.1', "
    "port=int(sys.argv[1]), ws_max_size=MESSAGE_BYTES, ws_per_message_deflate=False)",
)


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Echo]:
    """Our echo, shared."""
    with Echo(tmp_path_factory.mktemp("echo") / "echo.log", OURS) as server:
        yield server


def python2() -> str | None:
    """A Python 2.7 that runs (a version manager's shim may stand for none)."""
    for program in (str(PYENV), shutil.which("python2.7")):
        if program is None or not Path(program).exists():
            continue
        if subprocess.run([program, "-c", ""], check=False).returncode == 0:
            return program
    return None


def autobahn(server: Echo, folder: Path) -> dict[str, str]:
    """What the suite says of each case."""
    if (python := python2()) is None:
        pytest.skip("F24 Autobahn: no Python 2.7 here")
    env = {**os.environ, "PYTHONUSERBASE": str(folder / "autobahn")}
    install = [python, "-m", "pip", "install", "--user", "--quiet", AUTOBAHN]
    with (folder / "autobahn.log").open("ab") as log:
        pip = subprocess.run(install, env=env, stdout=log, stderr=log, check=False)
        if pip.returncode:
            pytest.skip(f"F24 Autobahn: {AUTOBAHN} cannot be installed here")
        spec = {
            "outdir": str(folder / "reports"),
            "servers": [{"agent": "echo", "url": f"ws://{HOST}:{server.port}"}],
            "cases": CASES,
            "exclude-cases": [],
            "exclude-agent-cases": {},
        }
        (folder / "spec.json").write_text(json.dumps(spec))
        suite = [python, str(folder / "autobahn/bin/wstest"), "-m", "fuzzingclient"]
        subprocess.run(
            [*suite, "-s", str(folder / "spec.json")],
            env=env,
            cwd=folder,
            stdout=log,
            stderr=log,
            check=True,
        )
    found = json.loads((folder / "reports" / "index.json").read_text())["echo"]
    return {
        case: next(
            (v for v in (said["behavior"], said["behaviorClose"]) if v not in PASSED),
            "OK",
        )
        for case, said in found.items()
    }


@pytest.mark.skipif(not FULL, reason="F24 Autobahn: runs in the full form only")
def test_f24_autobahn(echo: Echo, tmp_path: Path, report: Report) -> None:
    said = autobahn(echo, tmp_path)
    failed = {case: how for case, how in said.items() if how not in PASSED}
    report.figures("F24 Autobahn", cases=len(said), failed=len(failed))
    with Echo(tmp_path / "auto.log", AUTO) as auto:
        (tmp_path / "control").mkdir()
        control = autobahn(auto, tmp_path / "control")
    report.control(
        "F24 Autobahn",
        "our choice of protocol (uvicorn's ws=auto)",
        failed=sum(how not in PASSED for how in control.values()),
    )
    assert failed == {}
    assert len(said) == 249
    assert any(how not in PASSED for how in control.values())


# On a bare socket


def frame(first: int, payload: bytes = b"", mask: bytes | None = b"abcd") -> bytes:
    """A frame; `first` is its first byte. With `mask` None as no client may send it."""
    bit, size = 0 if mask is None else 0x80, len(payload)
    if size < 126:
        head = bytes([first, bit | size])
    elif size < 2**16:
        head = bytes([first, bit | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([first, bit | 127]) + size.to_bytes(8, "big")
    if mask is None:
        return head + payload
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return head + mask + masked


def text(payload: bytes) -> bytes:
    return frame(FIN | TEXT, payload)


def closing(code: int, reason: bytes = b"") -> bytes:
    return frame(FIN | CLOSE, code.to_bytes(2, "big") + reason)


class Bare:
    """A WebSocket after its handshake, as bytes."""

    def __init__(self, port: int) -> None:
        self._sock = socket.create_connection((HOST, port), timeout=10)
        self._sock.sendall(
            b"GET / HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Version: 13\r\n"
            b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        self._file = self._sock.makefile("rb")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._file.readline()
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head

    def __enter__(self) -> "Bare":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._sock.close()

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)

    def receive(self) -> tuple[int, bytes] | None:
        """The next frame's first byte and payload; None at the end."""
        head = self._file.read(2)
        if len(head) < 2:
            return None
        size = head[1]
        assert size < 128, "a server masks nothing"
        if size == 126:
            size = int.from_bytes(self._file.read(2), "big")
        elif size == 127:
            size = int.from_bytes(self._file.read(8), "big")
        return head[0], self._file.read(size)

    def everything(self) -> list[tuple[int, bytes]]:
        """All frames up to the end."""
        found = []
        while (received := self.receive()) is not None:
            found.append(received)
        return found


@pytest.mark.parametrize(
    "payload",
    [b"", b"x" * 125, b"x" * 126, b"x" * 65535, b"x" * 65536, "Ω≈ç√∫".encode() * 50],
    ids=len,
)
@pytest.mark.parametrize("kind", [TEXT, BINARY])
def test_a_message_of_any_size_comes_back(
    echo: Echo, kind: int, payload: bytes
) -> None:
    with Bare(echo.port) as socket:
        socket.send(frame(FIN | kind, payload))
        assert socket.receive() == (FIN | kind, payload)


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_however_the_bytes_arrive(echo: Echo, piece: int) -> None:
    message = text("Ελλάδα".encode() * 40)
    with Bare(echo.port) as socket:
        for at in range(0, len(message), piece):
            socket.send(message[at : at + piece])
        assert socket.receive() == (FIN | TEXT, "Ελλάδα".encode() * 40)


PIECES = [frame(TEXT, b"one,"), frame(0, b"two,"), frame(FIN, b"three")]


def test_pieces_are_one_message_with_pings_between_them(echo: Echo) -> None:
    first, second, third = PIECES
    with Bare(echo.port) as socket:
        socket.send(first + frame(FIN | PING, b"?") + second + third)
        assert socket.receive() == (FIN | PONG, b"?")
        assert socket.receive() == (FIN | TEXT, b"one,two,three")


@pytest.mark.parametrize("payload", [b"", b"p" * 125])
def test_a_ping_is_answered_with_its_payload(echo: Echo, payload: bytes) -> None:
    with Bare(echo.port) as socket:
        socket.send(frame(FIN | PING, payload))
        assert socket.receive() == (FIN | PONG, payload)


def test_a_pong_that_nobody_asked_for_is_ignored(echo: Echo) -> None:
    with Bare(echo.port) as socket:
        socket.send(frame(FIN | PONG, b"!") + text(b"on"))
        assert socket.receive() == (FIN | TEXT, b"on")


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1011, 3000, 4999])
def test_a_close_is_echoed(echo: Echo, code: int) -> None:
    with Bare(echo.port) as socket:
        socket.send(closing(code, b"bye"))
        ((first, payload),) = socket.everything()
    assert (first, payload[:2]) == (FIN | CLOSE, code.to_bytes(2, "big"))


def test_a_close_without_a_code_is_echoed(echo: Echo) -> None:
    with Bare(echo.port) as socket:
        socket.send(frame(FIN | CLOSE))
        ((first, _),) = socket.everything()
    assert first == FIN | CLOSE


def test_what_follows_a_close_is_not_answered(echo: Echo) -> None:
    with Bare(echo.port) as socket:
        socket.send(closing(1000) + text(b"late") + frame(FIN | PING))
        assert [first for first, _ in socket.everything()] == [FIN | CLOSE]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(FIN | TEXT, b"unmasked", mask=None), 1002),
        (frame(FIN | RESERVED_1 | TEXT, b"x"), 1002),
        (frame(FIN | 0x3, b"x"), 1002),
        (frame(FIN | 0xB, b"x"), 1002),
        (frame(FIN | PING, b"p" * 126), 1002),
        (frame(PING, b"p"), 1002),
        (frame(FIN, b"nothing before it"), 1002),
        (frame(TEXT, b"one") + text(b"two"), 1002),
        (frame(FIN | CLOSE, b"\x03"), 1002),
        (closing(999), 1002),
        (closing(1005), 1002),
        (closing(1006), 1002),
        (closing(5000), 1002),
        (closing(1000, b"\xff"), 1007),
        (text(b"\xff"), 1007),
        (text(b"\xed\xa0\x80"), 1007),
        (text("é".encode()[:1]), 1007),
        (frame(TEXT, "é".encode()[:1]) + frame(FIN, b"x"), 1007),
    ],
)
def test_who_breaks_the_protocol_is_told_how(
    echo: Echo, sent: bytes, code: int
) -> None:
    with Bare(echo.port) as socket:
        socket.send(sent)
        (first, payload) = socket.everything()[-1]
    assert (first, int.from_bytes(payload[:2], "big")) == (FIN | CLOSE, code)


def test_the_echo_is_no_part_of_the_gateway(echo: Echo) -> None:
    """And nothing it was sent above was an error of ours."""
    routes = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, tellers_gateway.__main__; print(*sys.modules)",
        ],
        capture_output=True,
        check=True,
        text=True,
    )
    assert "tests." not in routes.stdout
    assert "Traceback" not in echo.log.read_text()
