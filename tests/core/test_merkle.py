"""Trees against RFC 9162 written down naively, and against vectors that others use."""

from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tellers_core.merkle import (
    EMPTY_ROOT,
    BadProof,
    Frontier,
    Place,
    consistency,
    consistent,
    cover,
    leaf_hash,
    missing,
    node_hash,
    root_from,
    root_of,
    split,
    subtree_from,
)

# Leaves and roots of certificate-transparency's own tests (RFC 6962 and 9162 hash
# alike).
CT_LEAVES = [
    bytes.fromhex(data)
    for data in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def hashes(count: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(count)]


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """Section 2.1.1, as it stands there."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    k = largest_power_below(len(leaves))
    return node_hash(naive_root(leaves[:k]), naive_root(leaves[k:]))


def naive_path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Section 2.1.3.1: PATH(m, D_n), from the leaf up."""
    if len(leaves) == 1:
        return []
    k = largest_power_below(len(leaves))
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_subproof(m: int, leaves: Sequence[bytes], whole: bool) -> list[bytes]:
    """Section 2.1.4.1: SUBPROOF(m, D_n, b)."""
    if m == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = largest_power_below(len(leaves))
    if m <= k:
        return [*naive_subproof(m, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_subproof(m - k, leaves[k:], False), naive_root(leaves[:k])]


def largest_power_below(size: int) -> int:
    k = 1
    while 2 * k < size:
        k *= 2
    return k


def grown(leaves: Sequence[bytes]) -> tuple[Frontier, dict[Place, bytes]]:
    """The frontier after all of them, and every node that was completed."""
    frontier, nodes = Frontier(), {}
    for index, leaf in enumerate(leaves):
        frontier, completed = frontier.append(leaf)
        nodes[0, index] = leaf
        for node in completed:
            assert (node.level, node.index) not in nodes
            nodes[node.level, node.index] = node.hash
    return frontier, nodes


sizes = st.integers(1, 70)


@st.composite
def some_leaves(draw: st.DrawFn) -> tuple[int, list[int]]:
    size = draw(sizes)
    places = st.lists(st.integers(0, size - 1), unique=True, min_size=1, max_size=9)
    return size, draw(places)


@st.composite
def growths(draw: st.DrawFn) -> tuple[int, int]:
    new = draw(sizes)
    return draw(st.integers(0, new)), new


def test_the_roots_that_others_have() -> None:
    leaves = [leaf_hash(data) for data in CT_LEAVES]
    roots = [root_of(leaves[:size]).hex() for size in range(len(leaves) + 1)]
    assert roots == CT_ROOTS


@given(st.integers(2, 2**60))
def test_a_tree_splits_at_the_largest_power_of_two_below_its_size(size: int) -> None:
    assert split(size) == largest_power_below(size)


@given(st.integers(0, 140))
def test_a_growing_tree_has_the_root_of_its_leaves(size: int) -> None:
    leaves = hashes(size)
    frontier, _ = grown(leaves)
    assert frontier.size == size
    assert frontier.root() == root_of(leaves) == naive_root(leaves)


@given(sizes)
def test_a_growing_tree_completes_each_perfect_subtree_once(size: int) -> None:
    leaves = hashes(size)
    _, nodes = grown(leaves)
    perfect = {
        (level, index): naive_root(leaves[index << level : (index + 1) << level])
        for level in range(size.bit_length())
        for index in range(size >> level)
    }
    assert nodes == perfect


@given(sizes, st.data())
def test_a_subtree_is_composed_of_perfect_ones(size: int, data: st.DataObject) -> None:
    leaves = hashes(size)
    subtree = subtree_from(grown(leaves)[1])
    start, end = 0, size
    while end - start > 1 and data.draw(st.booleans()):
        middle = start + split(end - start)
        start, end = (start, middle) if data.draw(st.booleans()) else (middle, end)
    assert subtree(start, end) == naive_root(leaves[start:end])


def test_a_cover_is_the_binary_digits_of_the_width() -> None:
    assert cover(0, 7) == [(2, 0), (1, 2), (0, 6)]
    assert cover(8, 14) == [(2, 2), (1, 6)]
    assert cover(4, 5) == [(0, 4)]
    assert cover(0, 0) == []


# ---- inclusion


@given(sizes, st.data())
def test_a_proof_of_one_leaf_is_the_path_of_the_rfc(
    size: int, data: st.DataObject
) -> None:
    leaves = hashes(size)
    index = data.draw(st.integers(0, size - 1))
    proof = missing(size, [index], subtree_from(grown(leaves)[1]))
    assert sorted(proof) == sorted(naive_path(index, leaves))
    assert root_from(size, {index: leaves[index]}, proof) == naive_root(leaves)


@given(some_leaves())
def test_any_leaves_with_their_proof_give_the_root(
    drawn: tuple[int, list[int]],
) -> None:
    size, places = drawn
    leaves = hashes(size)
    proof = missing(size, places, subtree_from(grown(leaves)[1]))
    stated = {place: leaves[place] for place in places}
    assert root_from(size, stated, proof) == naive_root(leaves)


@given(some_leaves(), st.data())
def test_one_other_hash_anywhere_gives_another_root(
    drawn: tuple[int, list[int]], data: st.DataObject
) -> None:
    size, places = drawn
    leaves = hashes(size)
    proof = missing(size, places, subtree_from(grown(leaves)[1]))
    stated = {place: leaves[place] for place in places}
    other = leaf_hash(b"other")
    in_proof: bool = data.draw(st.booleans())
    if proof and in_proof:
        proof[data.draw(st.integers(0, len(proof) - 1))] = other
    else:
        stated[data.draw(st.sampled_from(places))] = other
    assert root_from(size, stated, proof) != naive_root(leaves)


@given(some_leaves(), st.data())
def test_a_leaf_proves_nothing_in_another_place(
    drawn: tuple[int, list[int]], data: st.DataObject
) -> None:
    size, places = drawn
    leaves = hashes(size)
    proof = missing(size, places, subtree_from(grown(leaves)[1]))
    moved = data.draw(st.sampled_from(places))
    to = data.draw(st.integers(0, size - 1))
    assume(to not in places)
    stated = {(to if p == moved else p): leaves[p] for p in places}
    with suppress(BadProof):  # it may take another number of hashes
        assert root_from(size, stated, proof) != naive_root(leaves)


@given(some_leaves(), st.data())
def test_hashes_that_are_missing_or_left_over_are_no_proof(
    drawn: tuple[int, list[int]], data: st.DataObject
) -> None:
    size, places = drawn
    leaves = hashes(size)
    proof = missing(size, places, subtree_from(grown(leaves)[1]))
    stated = {place: leaves[place] for place in places}
    with pytest.raises(BadProof, match=f"takes {len(proof)} hashes"):
        root_from(size, stated, [*proof, EMPTY_ROOT])
    assume(proof)
    del proof[data.draw(st.integers(0, len(proof) - 1))]
    with pytest.raises(BadProof, match=f"takes {len(proof) + 1} hashes"):
        root_from(size, stated, proof)


@pytest.mark.parametrize("index", [-1, 5, 2**63])
def test_there_is_no_such_leaf(index: int) -> None:
    with pytest.raises(BadProof, match="has no leaves"):
        root_from(5, {index: EMPTY_ROOT}, [])
    with pytest.raises(BadProof, match="has no leaves"):
        missing(5, [index], lambda _start, _end: EMPTY_ROOT)


def test_the_empty_tree_has_no_leaves() -> None:
    assert root_from(0, {}, []) == EMPTY_ROOT
    with pytest.raises(BadProof, match="has no leaves"):
        root_from(0, {0: EMPTY_ROOT}, [])


@pytest.mark.parametrize("short", [b"", EMPTY_ROOT[:-1], EMPTY_ROOT + b"\0"])
def test_what_is_no_hash_is_no_proof(short: bytes) -> None:
    with pytest.raises(BadProof, match="32 bytes"):
        root_from(2, {0: EMPTY_ROOT}, [short])
    with pytest.raises(BadProof, match="32 bytes"):
        root_from(1, {0: short}, [])
    with pytest.raises(BadProof, match="32 bytes"):
        consistent(1, 2, EMPTY_ROOT, EMPTY_ROOT, [short])


def test_a_claimed_size_of_any_length_costs_nothing() -> None:
    """Who verifies does not know yet that the size is a lie."""
    size = 2**53 - 1
    proof = [leaf_hash(b"")] * 53
    with pytest.raises(BadProof, match="takes 52 hashes"):
        root_from(size, {size - 1: EMPTY_ROOT}, proof)


# ---- consistency


@given(growths())
def test_the_proof_of_growth_is_that_of_the_rfc(growth: tuple[int, int]) -> None:
    old, new = growth
    leaves = hashes(new)
    proof = consistency(old, new, subtree_from(grown(leaves)[1]))
    assert proof == (naive_subproof(old, leaves, True) if old else [])
    consistent(old, new, naive_root(leaves[:old]), naive_root(leaves), proof)


@given(growths(), st.data())
@settings(max_examples=200)
def test_no_other_hash_proves_growth(
    growth: tuple[int, int], data: st.DataObject
) -> None:
    old, new = growth
    assume(0 < old < new)
    leaves = hashes(new)
    stated = [
        naive_root(leaves[:old]),
        naive_root(leaves),
        *consistency(old, new, subtree_from(grown(leaves)[1])),
    ]
    stated[data.draw(st.integers(0, len(stated) - 1))] = leaf_hash(b"other")
    before, after, *proof = stated
    with pytest.raises(BadProof, match="does not lead to the"):
        consistent(old, new, before, after, proof)


@given(growths())
def test_growth_is_proved_by_exactly_so_many_hashes(growth: tuple[int, int]) -> None:
    old, new = growth
    leaves = hashes(new)
    proof = consistency(old, new, subtree_from(grown(leaves)[1]))
    roots = naive_root(leaves[:old]), naive_root(leaves)
    with pytest.raises(BadProof, match=f"takes {len(proof)} hashes"):
        consistent(old, new, *roots, [*proof, EMPTY_ROOT])
    assume(proof)
    with pytest.raises(BadProof, match=f"takes {len(proof)} hashes"):
        consistent(old, new, *roots, proof[:-1])


def test_a_log_does_not_shrink() -> None:
    with pytest.raises(BadProof, match="no beginning of 4"):
        consistency(4, 3, lambda _start, _end: EMPTY_ROOT)
    with pytest.raises(BadProof, match="no beginning of 4"):
        consistent(4, 3, EMPTY_ROOT, EMPTY_ROOT, [])


def test_a_tree_of_the_same_size_has_the_same_root() -> None:
    a, b = hashes(2)
    consistent(5, 5, a, a, [])
    with pytest.raises(BadProof, match="new root"):
        consistent(5, 5, a, b, [])


def test_the_empty_tree_begins_every_tree() -> None:
    a, _ = hashes(2)
    consistent(0, 5, EMPTY_ROOT, a, [])
    with pytest.raises(BadProof, match="old root"):
        consistent(0, 5, a, a, [])
    with pytest.raises(BadProof, match="new root"):
        consistent(0, 0, EMPTY_ROOT, a, [])
