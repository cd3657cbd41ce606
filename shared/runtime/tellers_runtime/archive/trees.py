"""How a log's Merkle tree is kept in SQL.

Leaf n - 1 is the entry of seq n. Kept are the perfect subtrees at the levels 8, 16, 24,
..., one row for 256 entries, and, in the log's own row, the frontier: the perfect
subtrees that make up the tree at its present size. Everything between is computed
anew: from at most 255 entries below level 8, from at most 128 rows above it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, insert

from tellers_core.codec import LogName, publishable
from tellers_core.merkle import HASH_SIZE, Frontier, Node, leaf_hash
from tellers_runtime.archive.tables import TreeNodeRow
from tellers_runtime.log import LogLost

LEVELS = 8  # one level in so many is kept


class TreeBroken(LogLost):
    """The archive's tree and its entries do not belong together."""


class Grown(NamedTuple):
    """A tree with more leaves, and the nodes to keep that these completed."""

    frontier: Frontier
    nodes: list[Node]


def leaf_of(log: LogName, seq: int, body: bytes, roll_call: str | None = None) -> bytes:
    """The leaf hash of an entry: of the event as published, without its epoch; see
    `publishable`."""
    return leaf_hash(publishable(log, seq, body, roll_call))


def grow(frontier: Frontier, leaves: Iterable[bytes]) -> Grown:
    """The tree with these leaf hashes appended."""
    return Grown(*frontier.extended(leaves, LEVELS))


def packed(frontier: Frontier) -> bytes:
    """The frontier's hashes as the log's row has them."""
    return b"".join(frontier.hashes)


def unpacked(log: LogName, size: int, data: bytes) -> Frontier:
    """The frontier of that size in these bytes. Raises TreeBroken."""
    if len(data) != size.bit_count() * HASH_SIZE:
        raise TreeBroken(f"the tree of {log} in the archive is not one of {size}")
    starts = range(0, len(data), HASH_SIZE)
    return Frontier(size, tuple(data[at : at + HASH_SIZE] for at in starts))


def keep(connection: Connection, log: LogName, nodes: list[Node]) -> None:
    """Write nodes that were completed."""
    rows = [
        {"log": str(log), "level": node.level, "place": node.index, "hash": node.hash}
        for node in nodes
    ]
    if rows:
        connection.execute(insert(TreeNodeRow), rows)
