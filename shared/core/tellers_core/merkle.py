"""Merkle trees as RFC 9162 has them (section 2.1): hashes in, hashes and proofs out.

A node is (level, index): the perfect subtree over the 2**level leaves from
index * 2**level on; level 0 are the leaves. Only perfect subtrees never change while
the tree grows, so only they are worth keeping; any other is composed of a few of them
(`cover`, `subtree_from`).
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from msgspec import Struct

HASH_SIZE = 32  # bytes
EMPTY_ROOT = sha256().digest()

Place = tuple[int, int]  # level and index
# The hash of the subtree over the leaves [start, end).
Subtree = Callable[[int, int], bytes]


class BadProof(Exception):
    """The hashes do not prove it; the message says what is wrong with them."""


class Node(Struct, frozen=True, gc=False):
    """A perfect subtree and its hash."""

    level: int
    index: int
    hash: bytes


class Range(NamedTuple):
    """The leaves from `start` up to, not including, `end`."""

    start: int
    end: int


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf that holds these bytes."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over two subtrees."""
    return sha256(b"\x01" + left + right).digest()


class Frontier(NamedTuple):
    """The right edge of a growing tree: all that it takes to append and to tell the
    root. `hashes` are those of the perfect subtrees that make up the tree, the largest,
    leftmost, first."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def append(self, leaf: bytes) -> tuple["Frontier", list[Node]]:
        """The tree with one more leaf hash, and the perfect subtrees of level 1 and
        more that it completes, the smallest first."""
        return self.extended([leaf])

    def extended(
        self, leaves: Iterable[bytes], every: int = 1
    ) -> tuple["Frontier", list[Node]]:
        """The tree with more leaf hashes, and the perfect subtrees that these complete,
        in the order in which they do: of each level that is a multiple of `every`."""
        size, hashes = self.size, list(self.hashes)
        completed: list[Node] = []
        for leaf in leaves:
            digest, level, index = leaf, 0, size
            while index & 1:
                index >>= 1
                level += 1
                digest = sha256(b"\x01" + hashes.pop() + digest).digest()
                if level % every == 0:
                    completed.append(Node(level, index, digest))
            hashes.append(digest)
            size += 1
        return Frontier(size, tuple(hashes)), completed

    def root(self) -> bytes:
        """The root of the tree as it is."""
        return _joined(self.hashes)


def _joined(hashes: Sequence[bytes]) -> bytes:
    """The hash over perfect subtrees side by side, each smaller than the one before."""
    if not hashes:
        return EMPTY_ROOT
    *rest, digest = hashes
    for left in reversed(rest):
        digest = node_hash(left, digest)
    return digest


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over these leaf hashes."""
    frontier, _ = Frontier().extended(leaves)
    return frontier.root()


def split(size: int) -> int:
    """Where a tree of two leaves and more divides: the largest power of two below its
    size."""
    return 1 << ((size - 1).bit_length() - 1)


def cover(start: int, end: int) -> list[Place]:
    """The perfect subtrees that make up the subtree over the leaves [start, end), left
    to right. `start` is a multiple of a power of two that is not below the width, as
    the split gives them."""
    places: list[Place] = []
    while start < end:
        level = (end - start).bit_length() - 1
        places.append((level, start >> level))
        start += 1 << level
    return places


def subtree_from(nodes: Mapping[Place, bytes]) -> Subtree:
    """Subtrees composed of known nodes, by (level, index). Raises KeyError with the
    place of one that is not among them."""

    def subtree(start: int, end: int) -> bytes:
        return _joined([nodes[place] for place in cover(start, end)])

    return subtree


# ---- inclusion


def ranges_missing(size: int, leaves: Iterable[int]) -> list[Range]:
    """The subtrees whose hashes, with these leaves, give the root of a tree of `size`:
    those that hold none of the leaves, left to right."""
    wanted = sorted(set(leaves))
    if wanted and not 0 <= wanted[0] <= wanted[-1] < size:
        raise BadProof(f"a tree of {size} has no leaves {wanted[0]} to {wanted[-1]}")
    found: list[Range] = []

    def walk(start: int, end: int) -> None:
        first = bisect_left(wanted, start)
        if first == len(wanted) or wanted[first] >= end:
            found.append(Range(start, end))
        elif end - start > 1:
            middle = start + split(end - start)
            walk(start, middle)
            walk(middle, end)

    if size:
        walk(0, size)
    return found


def missing(size: int, leaves: Iterable[int], subtree: Subtree) -> list[bytes]:
    """The proof that these leaves (indices from 0) are in the tree of `size`.

    Raises BadProof when there is no such leaf.
    """
    return [subtree(start, end) for start, end in ranges_missing(size, leaves)]


def root_from(size: int, leaves: Mapping[int, bytes], proof: Sequence[bytes]) -> bytes:
    """The root of the tree of `size` that has these leaf hashes, by index.

    Raises BadProof when hashes are missing, left over or no hashes, or when there is no
    such leaf.
    """
    _must_be_hashes([*leaves.values(), *proof])
    ranges = ranges_missing(size, leaves)
    _must_be_as_many(proof, len(ranges))
    known = dict(zip(ranges, proof, strict=True))

    def walk(start: int, end: int) -> bytes:
        if (digest := known.get(Range(start, end))) is not None:
            return digest
        if end - start == 1:
            return leaves[start]
        middle = start + split(end - start)
        return node_hash(walk(start, middle), walk(middle, end))

    return walk(0, size) if size else EMPTY_ROOT


def _must_be_hashes(hashes: Iterable[bytes]) -> None:
    if any(len(digest) != HASH_SIZE for digest in hashes):
        raise BadProof(f"a hash is {HASH_SIZE} bytes long")


def _must_be_as_many(proof: Sequence[bytes], needed: int) -> None:
    if len(proof) != needed:
        raise BadProof(f"the proof takes {needed} hashes, not {len(proof)}")


# ---- consistency


def ranges_consistency(old: int, new: int) -> list[Range]:
    """The subtrees whose hashes prove that the tree of size `old` is the beginning of
    that of size `new`, in the order of RFC 9162 section 2.1.4.1.

    Raises BadProof when `old` is larger.
    """
    if not 0 <= old <= new:
        raise BadProof(f"a tree of {new} has no beginning of {old}")
    if old == 0:
        return []
    return _consistency(old, 0, new, whole=True)


def _consistency(old: int, start: int, end: int, *, whole: bool) -> list[Range]:
    """`old` and `end` as leaves; `whole`: it is the old tree itself, whose root is
    known to who verifies."""
    if old == end:
        return [] if whole else [Range(start, end)]
    middle = start + split(end - start)
    if old <= middle:
        left = _consistency(old, start, middle, whole=whole)
        return [*left, Range(middle, end)]
    right = _consistency(old, middle, end, whole=False)
    return [*right, Range(start, middle)]


def consistency(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """The proof that the tree of size `old` is the beginning of that of size `new`.

    Raises BadProof when `old` is larger.
    """
    return [subtree(start, end) for start, end in ranges_consistency(old, new)]


def consistent(
    old_size: int,
    new_size: int,
    old_root: bytes,
    new_root: bytes,
    proof: Sequence[bytes],
) -> None:
    """Nothing, when the proof holds. Raises BadProof, saying which root it misses."""
    _must_be_hashes([old_root, new_root, *proof])
    _must_be_as_many(proof, len(ranges_consistency(old_size, new_size)))
    if old_size == 0:
        old, new = EMPTY_ROOT, new_root if new_size else EMPTY_ROOT
    else:
        hashes = iter(proof)
        old, new = _both_roots(old_size, new_size, old_root, hashes)
    if old != old_root:
        raise BadProof("the proof does not lead to the old root")
    if new != new_root:
        raise BadProof("the proof does not lead to the new root")


def _both_roots(
    old: int, new: int, known: bytes | None, proof: Iterator[bytes]
) -> tuple[bytes, bytes]:
    """The roots of the old and the new subtree; `known`: it is the old tree itself."""
    if old == new:
        digest = next(proof) if known is None else known
        return digest, digest
    left = split(new)
    if old <= left:
        before, after = _both_roots(old, left, known, proof)
        return before, node_hash(after, next(proof))
    before, after = _both_roots(old - left, new - left, None, proof)
    digest = next(proof)
    return node_hash(digest, before), node_hash(digest, after)
