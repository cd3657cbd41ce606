"""How the log's Redis is, for monitoring: its memory and its replicas.

Full memory refuses votes (`noeviction`), and so does a replica that is away (ADR 15):
both are to be seen coming.
"""

import asyncio
from typing import Any

from prometheus_client import Gauge
from redis.asyncio import Redis
from redis.exceptions import RedisError

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


async def watch_redis(redis: "Redis") -> None:
    """Set the gauges, for ever."""
    while True:
        try:
            look(await redis.info())
        except (RedisError, OSError):
            UNREACHABLE.set(1)
        else:
            UNREACHABLE.set(0)
        await asyncio.sleep(LOOK_SECONDS)


def look(info: dict[str, Any]) -> None:
    """Set the gauges by what INFO said."""
    limit = int(info["maxmemory"])
    MEMORY.set(int(info["used_memory"]) / limit if limit else 0.0)
    REPLICAS.set(_in_step(info))


def _in_step(info: dict[str, Any]) -> int:
    replicas = (
        info.get(f"slave{number}") for number in range(int(info["connected_slaves"]))
    )
    return sum(
        isinstance(replica, dict) and replica.get("state") == "online"
        for replica in replicas
    )
