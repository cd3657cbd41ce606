"""Keeps deliveries out of our own network: server-side request forgery.

A name is resolved once a connection, every address it has must be public, and the
connection goes to one of the addresses that were looked at: a name that answers
otherwise a moment later is not asked again. TLS and the Host header keep the name.
Whatever cannot be resolved or judged is refused.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

import httpcore

MAX_URL = 2048
# Of IPv6, only what is handed out to networks: what maps or translates to IPv4 lies
# outside, but for 6to4, which is refused by itself.
_UNICAST = IPv6Network("2000::/3")

Resolve = Callable[[str, int], Awaitable[list[str]]]


class Blocked(Exception):
    """Not an address that a delivery may go to."""


async def resolve(host: str, port: int) -> list[str]:
    """Every address of a name, asked of the machine's resolver."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def is_public(text: str) -> bool:
    """Whether this is the address of some network that is not ours."""
    try:
        address = ip_address(text)
    except ValueError:
        return False  # with a zone, or no address at all
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast
    return (
        address in _UNICAST
        and address.is_global
        and not address.is_multicast
        and address.sixtofour is None
    )


class Guard:
    """What may be reached.

    Args:
        allow_http: plain http too. allow_loopback: this machine too (nothing else that
            is private). Both are for tests and a first try on one machine.
    """

    def __init__(self, *, allow_http: bool = False, allow_loopback: bool = False):
        self._schemes = ("https", "http") if allow_http else ("https",)
        self._allow_loopback = allow_loopback

    def refuses(self, address: str) -> bool:
        """Whether this address may not be connected to."""
        return not (is_public(address) or (self._allow_loopback and _is_here(address)))

    def check_url(self, url: str) -> None:
        """What can be known of a URL without asking anybody. Raises Blocked."""
        if len(url) > MAX_URL or not url.isascii() or not url.isprintable():
            raise Blocked(f"a URL has at most {MAX_URL} printable ASCII characters")
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise Blocked(f"not a URL: {error}") from error
        if parts.scheme not in self._schemes:
            raise Blocked(f"the URL must begin with {self._schemes[0]}://")
        if not host or " " in url or "\\" in url:
            raise Blocked("the URL names no host")
        if "@" in parts.netloc:
            raise Blocked("no user name or password may be in the URL")
        if parts.fragment:
            raise Blocked("no fragment may be in the URL")
        if _is_literal(host) and self.refuses(host):
            raise Blocked("the URL leads into a network that is not public")


def _is_here(text: str) -> bool:
    return _is_literal(text) and ip_address(text).is_loopback


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to vetted addresses only."""

    def __init__(
        self,
        guard: Guard,
        resolve: Resolve = resolve,
        inner: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._guard = guard
        self._resolve = resolve
        self._inner = inner or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises Blocked, or httpcore's errors."""
        last: Exception = Blocked("the name has no address")
        for address in await self._vetted(host, port):
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last

    async def _vetted(self, host: str, port: int) -> list[str]:
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise Blocked("the name cannot be resolved") from error
        if any(self._guard.refuses(address) for address in addresses):
            raise Blocked("the name leads into a network that is not public")
        return addresses

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise Blocked("no sockets of this machine")

    async def sleep(self, seconds: float) -> None:
        """As httpcore asks for."""
        await self._inner.sleep(seconds)
