"""A Redis Cluster of six processes: three primaries, a replica each."""

import itertools
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self, cast

from redis import Redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from tellers_runtime import keys
from tests.servers import HOST, RedisServer, free_port, wait_until

PRIMARIES = 3
PASSWORD = "between-nodes"
SECONDS = 30.0


class Node(RedisServer):
    """One of the six. With a password, so that a replica can be kept from its
    primary: with another one."""

    def __init__(self, directory: Path) -> None:
        self.bus = free_port()
        super().__init__(
            directory,
            options={
                "cluster-enabled": "yes",
                "cluster-port": str(self.bus),
                "cluster-node-timeout": "1000",
                # A replica may be promoted however long it has heard nothing.
                "cluster-replica-validity-factor": "0",
                "repl-diskless-sync-delay": "0",
                "requirepass": PASSWORD,
                "masterauth": PASSWORD,
            },
        )
        self.url = f"redis://:{PASSWORD}@{HOST}:{self.port}/0"
        self.identity = ""

    def asked(self, *command: str | int) -> Any:
        """What it answers."""
        with self.client() as client:
            return client.execute_command(*command)

    def fact(self, name: str) -> Any:
        """A line of its INFO replication."""
        with self.client() as client:
            return cast("dict[str, Any]", client.info("replication")).get(name)

    @property
    def leads(self) -> bool:
        return bool(self.fact("role") == "master")

    def keep_from_primary(self) -> None:
        """Its link to its primary ends, and it does not get another one."""
        with self.client() as client:
            client.config_set("masterauth", "wrong")
            client.client_kill_filter(_type="master")
        wait_until(lambda: self.fact("master_link_status") == "down", SECONDS, "a cut")

    def let_to_primary(self) -> None:
        """It may follow again."""
        with self.client() as client:
            client.config_set("masterauth", PASSWORD)


class Cluster:
    """Started and joined by `with`."""

    def __init__(self, folder: Path) -> None:
        self.nodes = [Node(folder / f"node{n}") for n in range(2 * PRIMARIES)]
        self.url = f"redis+cluster://:{PASSWORD}@" + ",".join(
            f"{HOST}:{node.port}" for node in self.nodes
        )
        self._running = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as running:
            for node in self.nodes:
                running.enter_context(node)
            self._join()
            self._running = running.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            node.kill()
        self._running.close()

    def _join(self) -> None:
        share = -(-REDIS_CLUSTER_HASH_SLOTS // PRIMARIES)
        first, *others = self.nodes
        for node in self.nodes:
            node.identity = node.asked("CLUSTER MYID").decode()
        for node, start in zip(
            self.nodes, range(0, REDIS_CLUSTER_HASH_SLOTS, share), strict=False
        ):
            end = min(start + share, REDIS_CLUSTER_HASH_SLOTS) - 1
            node.asked("CLUSTER ADDSLOTSRANGE", start, end)
        for node in others:
            node.asked("CLUSTER MEET", HOST, first.port, first.bus)
        wait_until(self._all_know_all, SECONDS, "the nodes to know each other")
        pairs = zip(self.nodes[:PRIMARIES], self.nodes[PRIMARIES:], strict=True)
        for primary, replica in pairs:
            replica.asked("CLUSTER REPLICATE", primary.identity)
        for replica in self.nodes[PRIMARIES:]:
            self.until_in_step(replica)
        wait_until(lambda: all(map(self.well, self.nodes)), SECONDS, "the cluster")

    def _all_know_all(self) -> bool:
        return all(
            len(node.asked("CLUSTER NODES")) >= len(self.nodes) for node in self.nodes
        )

    @staticmethod
    def well(node: Node) -> bool:
        """Whether the node says that every slot is served."""
        found = node.asked("CLUSTER INFO")
        return bool(found["cluster_state"] == "ok")

    @staticmethod
    def until_in_step(replica: Node) -> None:
        """Until it follows its primary."""
        wait_until(
            lambda: replica.fact("master_link_status") == "up", SECONDS, "a replica"
        )

    @staticmethod
    def until_leads(node: Node) -> None:
        """Until it is a primary."""
        wait_until(lambda: node.leads, SECONDS, "the change")

    def pair_of(self, chamber: str) -> tuple[Node, Node]:
        """The primary that has the chamber now, and its replica."""
        port = self._port_of(chamber)
        primary = next(node for node in self.nodes if node.port == port)
        replica = next(
            node
            for node in self.nodes
            if node is not primary and node.fact("master_port") == port
        )
        return primary, replica

    def _port_of(self, chamber: str) -> int:
        slot = key_slot(keys.of_chamber(chamber).encode())
        running = next(node for node in self.nodes if node.running)
        for first, last, (_, port, *_), *_ in running.asked("CLUSTER SLOTS"):
            if first <= slot <= last:
                return int(port)
        raise LookupError(f"nobody has {chamber}")

    def spread(self, prefix: str, count: int) -> Sequence[str]:
        """So many names of chambers, of which no primary has more than its share."""
        share = -(-count // PRIMARIES)
        found: dict[int, list[str]] = {}
        for number in itertools.count(1):
            name = f"{prefix}{number}"
            of_port = found.setdefault(self._port_of(name), [])
            if len(of_port) < share:
                of_port.append(name)
            names = [name for some in found.values() for name in some]
            if len(names) == count:
                return names
        raise AssertionError

    def client_of(self, chamber: str) -> Redis:
        """A client of the chamber's primary. The caller closes it."""
        return self.pair_of(chamber)[0].client()
