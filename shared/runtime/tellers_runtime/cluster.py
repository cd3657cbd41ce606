"""A Redis Cluster: which node has a chamber, and connections that lead there.

    redis+cluster://user@node-1:6379,node-2:6379/     rediss+cluster:// for TLS

All keys of a chamber share a hash tag (keys.py), so all that is done for a chamber goes
to one node, and a client of that chamber is an ordinary one whose connections ask the
cluster where to connect, as redis-py's for Sentinel do. A node that says "not here"
(MOVED and its like) is a lost connection: whoever used it tries again, as ever, and the
next connection asks anew. Nothing is repeated or redirected behind anybody's back,
since an append whose answer was lost may have happened (log.py).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from redis.asyncio import Connection, Redis, SSLConnection
from redis.asyncio.connection import parse_url
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tellers_runtime.cancellable import Cancellable

SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
_ELSEWHERE = (MovedError, AskError, TryAgainError, ClusterDownError)
_AWAY = (RedisConnectionError, RedisTimeoutError, OSError)


class Address(NamedTuple):
    """Where a node is."""

    host: str
    port: int


class ClusterUrl(NamedTuple):
    """What a URL says: nodes to begin with, and how to connect to any of them."""

    seeds: tuple[Address, ...]
    options: Mapping[str, Any]
    tls: bool

    @classmethod
    def parse(cls, url: str) -> Self | None:
        """The URL's parts; None when it is not that of a cluster. Raises ValueError."""
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES:
            return None
        identity, at, nodes = parts.netloc.rpartition("@")
        seeds = tuple(_address(node) for node in nodes.split(","))
        if parts.path.strip("/") not in ("", "0"):
            raise ValueError(f"a cluster has database 0 alone, not {parts.path!r}")
        scheme = SCHEMES[parts.scheme]
        one = parts._replace(scheme=scheme, netloc=f"{identity}{at}node", path="")
        options: dict[str, Any] = dict(parse_url(one.geturl()))
        for name in ("host", "port", "connection_class"):
            options.pop(name, None)
        return cls(seeds, options, tls=scheme == "rediss")


def _address(node: str) -> Address:
    host, _, port = node.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"{node!r} is no node: write host:port")
    return Address(host.strip("[]"), int(port))


class Topology:
    """Who serves which slots, as far as was seen; looked up when it is not known."""

    def __init__(self, url: ClusterUrl, options: Mapping[str, Any]) -> None:
        self._seeds = url.seeds
        self._options = {**options, **url.options, "ssl": url.tls}
        self._slots: list[tuple[int, int, Address]] = []
        self._known: list[Address] = []

    def forget(self) -> None:
        """It is otherwise than we thought: look again before the next connection."""
        self._slots = []

    async def primary(self, slot: int) -> Address:
        """The node that serves the slot.

        Raises redis-py's ConnectionError when no node answers, or none serves it.
        """
        if not self._slots:
            await self._look()
        for first, last, address in self._slots:
            if first <= slot <= last:
                return address
        self.forget()
        raise RedisConnectionError(f"no node of the cluster serves slot {slot}")

    async def primaries(self) -> Sequence[Address]:
        """Every node that serves slots now. Raises as `primary` does."""
        await self._look()
        return list(dict.fromkeys(address for _, _, address in self._slots))

    async def _look(self) -> None:
        why: Exception | None = None
        for address in dict.fromkeys((*self._known, *self._seeds)):
            try:
                slots = await self._ask(address)
            except (*_AWAY, *_ELSEWHERE) as error:
                why = error
                continue
            self._slots = slots
            self._known = [node for _, _, node in slots]
            return
        raise RedisConnectionError(f"no node of the cluster answers: {why}")

    async def _ask(self, address: Address) -> list[tuple[int, int, Address]]:
        """What a node says. One that is cut off from the others says itself that it
        does not know."""
        async with Redis(host=address.host, port=address.port, **self._options) as node:
            info = await node.execute_command("CLUSTER INFO")  # type: ignore[no-untyped-call]
            if info.get("cluster_state") != "ok":
                raise ClusterDownError(f"{address.host}:{address.port} is cut off")
            found = await node.execute_command("CLUSTER SLOTS")  # type: ignore[no-untyped-call]
        # first, last, [host, port, ...] of the primary, then the same of replicas
        return [
            (first, last, Address(host.decode(), port))
            for first, last, (host, port, *_), *_ in found
        ]


class _Led(Cancellable, Connection):
    """A connection to whoever serves the slot when it connects."""

    def __init__(self, *, topology: Topology, slot: int, **options: Any) -> None:
        super().__init__(**options)
        self._topology = topology
        self._slot = slot

    async def _connect(self) -> None:
        try:
            address = await self._topology.primary(self._slot)
            self.host, self.port = address
            await super()._connect()  # type: ignore[no-untyped-call]
        except BaseException:
            self._topology.forget()
            raise

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)
        except _ELSEWHERE as error:
            self._topology.forget()
            await self.disconnect(nowait=True)
            raise RedisConnectionError(
                f"{self.host}:{self.port} does not serve slot {self._slot}: {error}"
            ) from error


class _LedTls(_Led, SSLConnection):
    pass


def leading_to(topology: Topology, url: ClusterUrl, key: str) -> dict[str, Any]:
    """Options of a connection pool whose connections lead to the key's node."""
    return {
        **url.options,
        "connection_class": _LedTls if url.tls else _Led,
        "topology": topology,
        "slot": key_slot(key.encode()),
    }
