"""Deliveries go to public addresses only, whatever a name says (reliability 8.7)."""

import asyncio
import datetime
import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tellers_runtime.clock import utc_now
from tellers_webhooks.guard import Blocked, Guard, GuardedBackend, is_public, resolve
from tellers_webhooks.sender import Sender

PUBLIC = "93.184.216.34"
PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "fd00:ec2::254",
    "ff02::1",
    "not an address",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_no_private_address_is_public(address: str) -> None:
    assert not is_public(address)
    assert Guard().refuses(address)


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "2606:4700:4700::1111"])
def test_public_addresses_are(address: str) -> None:
    assert is_public(address)


def test_only_this_machine_is_let_in_for_tests() -> None:
    guard = Guard(allow_loopback=True)
    for address in PRIVATE:
        here = address in ("127.0.0.1", "127.8.8.8", "::1")
        assert guard.refuses(address) != here, address


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/hook",
        "ftp://example.org/",
        "file:///etc/passwd",
        "//example.org/",
        "https:///hook",
        "https://user:secret@example.org/",
        "https://example.org@127.0.0.1/",
        "https://example.org/#fragment",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]:8443/",
        "https://169.254.169.254/latest/meta-data",
        "https://example.org:99999/",
        "https://example.org\\@127.0.0.1/",
        "https://exam ple.org/",
        "https://example.org/\nHost: evil",
        "https://exämple.org/",
        "https://example.org/" + "a" * 2048,
    ],
)
def test_urls_that_are_refused_at_once(url: str) -> None:
    with pytest.raises(Blocked):
        Guard().check_url(url)


def test_urls_that_may_be_tried() -> None:
    Guard().check_url("https://example.org:8443/hook?a=b")
    Guard().check_url(f"https://{PUBLIC}/")
    Guard(allow_http=True).check_url("http://example.org/")


# ---- what a name leads to


class Line(httpcore.AsyncNetworkBackend):
    """Takes the connections that the guard lets through, and makes none."""

    def __init__(self) -> None:
        self.connected: list[str] = []

    async def connect_tcp(
        self, host: str, *_: Any, **__: Any
    ) -> httpcore.AsyncNetworkStream:
        self.connected.append(host)
        return httpcore.AsyncMockStream([b"HTTP/1.1 204 No Content\r\n\r\n"])


class Resolver:
    """Answers each question with the next of these, the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def sender(line: Line, resolver: Any, guard: Guard | None = None) -> Sender:
    backend = GuardedBackend(guard or Guard(allow_http=True), resolver, line)
    return Sender(backend, ssl.create_default_context())


async def test_an_address_is_looked_at_once_and_that_one_is_connected_to() -> None:
    line, resolver = Line(), Resolver([PUBLIC], ["127.0.0.1"])
    async with sender(line, resolver) as one:
        answer = await one.post("http://rebind.example/hook", {}, b"{}")
    assert answer.delivered
    assert (line.connected, resolver.asked) == ([PUBLIC], 1)
    # The next connection asks again, and is refused.
    async with sender(line, resolver) as one:
        answer = await one.post("http://rebind.example/hook", {}, b"{}")
    assert answer.trouble.startswith("blocked")
    assert line.connected == [PUBLIC]


@pytest.mark.parametrize("address", PRIVATE)
async def test_one_private_address_among_others_is_enough(address: str) -> None:
    for answers in ([address], [PUBLIC, address], [address, PUBLIC]):
        line = Line()
        async with sender(line, Resolver(answers)) as one:
            answer = await one.post("http://hook.example/", {}, b"{}")
        assert answer.trouble.startswith("blocked"), answers
        assert line.connected == []


@pytest.mark.parametrize(
    "host", ["2130706433", "0177.0.0.1", "0x7f.1", "127.1", "localhost", "0"]
)
async def test_other_spellings_of_this_machine_are_seen_through(host: str) -> None:
    """By the machine's own resolver, which knows them all."""
    line = Line()
    async with sender(line, resolve) as one:
        answer = await one.post(f"http://{host}/", {}, b"{}")
    assert answer.trouble.startswith("blocked")
    assert line.connected == []


async def test_a_name_that_cannot_be_resolved_is_refused() -> None:
    async def fails(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "temporary failure")

    async def nothing(host: str, port: int) -> list[str]:
        return []

    for resolver in (fails, nothing):
        line = Line()
        async with sender(line, resolver) as one:
            answer = await one.post("http://hook.example/", {}, b"{}")
        assert answer.trouble.startswith("blocked")
        assert line.connected == []


async def test_without_the_guard_the_same_names_get_through() -> None:
    """The control: it is the guard that refuses, not the rest."""

    class Blind(Guard):
        def refuses(self, address: str) -> bool:
            return False

    line = Line()
    async with sender(line, Resolver(["127.0.0.1"]), Blind(allow_http=True)) as one:
        answer = await one.post("http://hook.example/", {}, b"{}")
    assert answer.delivered
    assert line.connected == ["127.0.0.1"]


# ---- TLS, redirects, bounds: over real sockets of this machine


@asynccontextmanager
async def endpoint(
    answer: bytes, tls: ssl.SSLContext | None = None, seconds: float = 0.0
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that says this to every request; its port and what it heard."""
    heard: list[bytes] = []

    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        try:
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            await asyncio.sleep(seconds)
            writer.write(answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1], heard
    # A connection must not outlive its loop: the test that runs when it is collected
    # would be blamed.
    tasks = [task for task in serving if task is not None]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0)


def local(
    trusted: ssl.SSLContext,
    try_seconds: float = 5.0,
    to: Iterable[str] = ("127.0.0.1",),
) -> Sender:
    guard = Guard(allow_http=True, allow_loopback=True)
    backend = GuardedBackend(guard, Resolver(list(to)))
    return Sender(backend, trusted, try_seconds=try_seconds)


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS of a server of that name, and of a client that trusts it alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = utc_now()
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cafile=str(pem))


async def test_tls_and_host_have_the_name_and_the_socket_the_address(
    tmp_path: Path,
) -> None:
    server, trusting = certificate(tmp_path, "hooks.example")
    names: list[str | None] = []
    server.sni_callback = lambda _, name, __: names.append(name)
    async with endpoint(b"HTTP/1.1 204 \r\n\r\n", server) as (port, heard):
        async with local(trusting) as one:
            answer = await one.post(f"https://hooks.example:{port}/x?y", {}, b"{}")
        assert answer.delivered, answer
        assert names == ["hooks.example"]
        assert heard[0].startswith(b"POST /x?y HTTP/1.1\r\n")
        assert f"host: hooks.example:{port}".encode() in heard[0].lower()
        # Another name is not in the certificate.
        async with local(trusting) as one:
            answer = await one.post(f"https://other.example:{port}/", {}, b"{}")
        assert not answer.delivered
        assert "certificate" in answer.trouble.lower()


async def test_a_redirect_is_not_followed() -> None:
    async with endpoint(b"HTTP/1.1 204 \r\n\r\n") as (inner, heard_inside):
        moved = (
            f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{inner}/\r\n"
            "Content-Length: 0\r\n\r\n"
        )
        async with (
            endpoint(moved.encode()) as (port, heard),
            local(ssl.create_default_context()) as one,
        ):
            answer = await one.post(f"http://hook.example:{port}/", {}, b"{}")
    assert (answer.status, answer.delivered) == (302, False)
    assert (len(heard), heard_inside) == (1, [])


async def test_an_answer_is_waited_for_and_read_within_bounds() -> None:
    slow = endpoint(b"HTTP/1.1 204 \r\n\r\n", seconds=30)
    async with slow as (port, _), local(ssl.create_default_context(), 0.3) as one:
        answer = await one.post(f"http://hook.example:{port}/", {}, b"{}")
    assert answer.status is None
    assert "no answer within" in answer.trouble

    # More than anybody may read, and never an end of it: what counts is the status.
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 200_000
    async with (
        endpoint(endless, seconds=0) as (port, _),
        local(ssl.create_default_context(), 5.0) as one,
    ):
        answer = await one.post(f"http://hook.example:{port}/", {}, b"{}")
    assert answer.delivered


async def test_whatever_goes_wrong_is_an_answer() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    async with local(ssl.create_default_context()) as one:
        answer = await one.post(f"http://hook.example:{port}/", {}, b"{}")
        assert answer.trouble.startswith("no connection")
    async with (
        endpoint(b"what?\r\n\r\n") as (port, _),
        local(ssl.create_default_context()) as one,
    ):
        answer = await one.post(f"http://hook.example:{port}/", {}, b"{}")
    assert answer.trouble.startswith("no HTTP answer")


async def test_a_kept_connection_that_the_other_side_closes_is_no_failure() -> None:
    requests: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Takes one request a connection, says it will take more, and does not."""
        requests.append(len(await reader.readuntil(b"{}")))
        writer.write(b"HTTP/1.1 204 \r\n\r\n")
        await writer.drain()
        with suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"{}")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, local(ssl.create_default_context()) as one:
        for _ in range(3):
            answer = await one.post(f"http://hook.example:{port}/", {}, b"{}")
            assert answer.delivered, answer
    await asyncio.sleep(0.05)  # the last connection of this loop is closed
    assert len(requests) == 3
