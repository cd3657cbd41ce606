"""Clients of the log's Redis: of one server one, of a cluster one for each chamber."""

from collections.abc import Mapping
from typing import Any

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from tellers_runtime import keys
from tellers_runtime.cancellable import cancellable
from tellers_runtime.cluster import ClusterUrl, Topology, leading_to

# redis-py 8.1 looks whether a connection was closed meanwhile, say by a restarted
# Redis, only while maintenance notifications are off.
_OPTIONS: Mapping[str, Any] = {
    "socket_connect_timeout": 2,
    "socket_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 15,
    "retry": Retry(NoBackoff(), 0),
    "maint_notifications_config": MaintNotificationsConfig(enabled=False),
}


# A whole assembly's votes at once must get through a slow disk: 10 s is ample, 2 s was
# too short for 181 votes on a busy machine.
_WRITING: Mapping[str, Any] = {"max_connections": 32, "timeout": 10}


class Clients:
    """All that one process uses; close it at the end.

    Args:
        url: `redis://...`, or `redis+cluster://...` (cluster.py).
        writing: for many commands at once, which wait for one of a few connections.
    """

    def __init__(self, url: str, name: str, *, writing: bool = False) -> None:
        self._url = url
        self._options = {**_OPTIONS, "client_name": name}
        self._writing = writing
        self._cluster = ClusterUrl.parse(url)
        self._topology = Topology(self._cluster, _OPTIONS) if self._cluster else None
        self._clients: dict[str, Redis] = {}
        self.tokens = self._client(keys.TOKENS)

    @property
    def clustered(self) -> bool:
        return self._cluster is not None

    def of(self, chamber: str) -> "Redis":
        """The client for all that belongs to a chamber."""
        return self._client(keys.of_chamber(chamber))

    async def nodes(self) -> "list[Redis]":
        """A client of each server that takes writes, new ones in a cluster: the caller
        closes those. Raises one of `Unavailable`."""
        if self._topology is None or self._cluster is None:
            return [self.tokens]
        options = {**self._options, **self._cluster.options, "ssl": self._cluster.tls}
        found = await self._topology.primaries()
        return [Redis(host=host, port=port, **options) for host, port in found]

    def _client(self, key: str) -> "Redis":
        place = key if self.clustered else ""
        if place not in self._clients:
            self._clients[place] = self._connected(key)
        return self._clients[place]

    def _connected(self, key: str) -> "Redis":
        if self._topology is not None and self._cluster is not None:
            led = leading_to(self._topology, self._cluster, key)
            options = {**self._options, **led}
            if self._writing:
                return Redis.from_pool(BlockingConnectionPool(**_WRITING, **options))
            return Redis.from_pool(ConnectionPool(**options))
        if self._writing:
            pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
                self._url, **_WRITING, **self._options
            )
            return cancellable(Redis.from_pool(pool))
        return cancellable(Redis.from_url(self._url, **self._options))

    async def aclose(self) -> None:
        """Close them all."""
        for client in self._clients.values():
            await client.aclose()
