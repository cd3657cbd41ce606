"""A primary, its replica behind a slow line, and sentinels that watch over them."""

import subprocess
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from tests.faults.proxy import FaultProxy
from tests.faults.writers import begin, until
from tests.servers import HOST, RedisServer, Server, find_redis


class Pair:
    """A primary with a log, and its replica.

    `line` is what the replica follows it through, `address` where clients find the
    primary: whoever promotes the replica turns that address to it.
    """

    def __init__(self, folder: Path, lag: float = 0.0) -> None:
        # With no disk between, a replica is there after a tenth of a second, not five.
        options = {"repl-diskless-sync-delay": "0"}
        self.primary = RedisServer(folder / "primary", options=options)
        self.replica = RedisServer(folder / "replica", options=options)
        self.line = FaultProxy(self.primary.port, delay=lag)
        self.address = FaultProxy(self.primary.port)

    async def __aenter__(self) -> "Pair":
        self.primary.start()
        self.replica.start()
        await self.line.__aenter__()
        await self.address.__aenter__()
        with self.primary.client() as primary:
            begin(primary)
        await follow(self.replica, self.line.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.address.__aexit__(None, None, None)
        await self.line.__aexit__(None, None, None)
        self.replica.kill()
        self.primary.kill()


async def follow(replica: RedisServer, port: int) -> None:
    """Make it a replica of the server on that port, and wait until it is in step."""
    with replica.client() as client:
        client.replicaof(HOST, str(port))
        await until(
            lambda: client.info("replication").get("master_link_status") == "up",
            "the replica to be in step",
        )


class Sentinel(Server):
    """One of the three that decide together when a primary is gone."""

    def __init__(self, folder: Path, primaries: dict[str, int]) -> None:
        folder.mkdir(parents=True)
        super().__init__("redis-sentinel", folder / "sentinel.log")
        self._config = folder / "sentinel.conf"
        lines = [f"port {self.port}", f"bind {HOST}", f"dir {folder}"]
        for name, port in primaries.items():
            lines += [
                f"sentinel monitor {name} {HOST} {port} 2",
                f"sentinel down-after-milliseconds {name} 1000",
                # Also how long a replica may follow through another address.
                f"sentinel failover-timeout {name} 60000",
            ]
        self._config.write_text("\n".join(lines) + "\n")

    def client(self) -> Redis:
        """A new client. The caller closes it."""
        return Redis(
            HOST, self.port, retry=Retry(NoBackoff(), 0), decode_responses=True
        )

    def primary_port(self, name: str) -> int:
        """Where it says the primary of that name is."""
        with self.client() as client:
            _, port = client.execute_command(
                "SENTINEL", "GET-MASTER-ADDR-BY-NAME", name
            )
            return int(port)

    def sees_all(self, name: str) -> bool:
        """Whether it knows the replica and both other sentinels."""
        with self.client() as client:
            flat = client.execute_command("SENTINEL", "MASTER", name)
        state = (
            flat
            if isinstance(flat, dict)
            else dict(zip(flat[::2], flat[1::2], strict=True))
        )
        return (int(state["num-slaves"]), int(state["num-other-sentinels"])) == (1, 2)

    def _spawn(self, output: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [find_redis()[0], self._config, "--sentinel"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except RedisError:
            return False
