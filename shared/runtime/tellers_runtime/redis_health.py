"""How the log's Redis is, for monitoring: its memory and its replicas.

Full memory refuses votes (`noeviction`), and so does a replica that is away (ADR 15):
both are to be seen coming.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client import Gauge
from redis.exceptions import RedisError

from tellers_runtime.clients import Clients

LOOK_SECONDS = 5.0
MEMORY = Gauge(
    "tellers_redis_memory_ratio",
    "Memory the log's Redis uses, of what it may (maxmemory); 0 while there is no "
    "limit. Of a cluster's nodes the fullest.",
)
REPLICAS = Gauge(
    "tellers_redis_replicas",
    "Replicas in step with the log's Redis. Of a cluster's primaries the least.",
)
UNREACHABLE = Gauge(
    "tellers_redis_unreachable", "1 while the log's Redis does not answer."
)


async def watch_redis(redis: Clients) -> None:
    """Set the gauges, for ever."""
    while True:
        try:
            look(await _asked(redis))
        except (RedisError, OSError):
            UNREACHABLE.set(1)
        else:
            UNREACHABLE.set(0)
        await asyncio.sleep(LOOK_SECONDS)


async def _asked(redis: Clients) -> list[dict[str, Any]]:
    nodes = await redis.nodes()
    try:
        return [await node.info() for node in nodes]
    finally:
        if redis.clustered:
            for node in nodes:
                await node.aclose()


def look(infos: Sequence[Mapping[str, Any]]) -> None:
    """Set the gauges by what each node's INFO said."""
    MEMORY.set(max(_used(info) for info in infos))
    REPLICAS.set(min(_in_step(info) for info in infos))


def _used(info: Mapping[str, Any]) -> float:
    limit = int(info["maxmemory"])
    return int(info["used_memory"]) / limit if limit else 0.0


def _in_step(info: Mapping[str, Any]) -> int:
    replicas = (
        info.get(f"slave{number}") for number in range(int(info["connected_slaves"]))
    )
    return sum(
        isinstance(replica, dict) and replica.get("state") == "online"
        for replica in replicas
    )
