"""The tree in SQL and what is proven with it, against trees computed naively from the
text of RFC 9162; both databases."""

import json
import random
from base64 import b64decode
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import combinations_with_replacement
from typing import NamedTuple

import pytest
import rfc8785
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from tellers_core.certificate import Extensions
from tellers_core.codec import LogName, public_event, publishable, roll_call_of
from tellers_core.merkle import Frontier
from tellers_core.notes import Checkpoint, Note, to_base64
from tellers_runtime.archive.engine import migrate, open_engine, writing
from tellers_runtime.archive.proofs import ProofReader
from tellers_runtime.archive.reading import archived
from tellers_runtime.archive.tables import CheckpointRow, LogRow, TreeNodeRow
from tellers_runtime.archive.trees import TreeBroken, leaf_of
from tellers_runtime.log import Entry
from tellers_tally.store import Batch, Store
from tests.bench.history import entries as history
from tests.certificates import Signer
from tests.scenario import AT, EPOCH
from tests.services.tallying import GA, Archive

SC = LogName("sc")
NUMBER = 3000
# Around every boundary of what is kept, and some at random.
SIZES = [1, 2, 3, 255, 256, 257, 511, 512, 513, 700, 1023, 1024, 2304, 2999, 3000]


# ---- the naive tree: RFC 9162 section 2.1.1, to the letter


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def mth(leaves: list[bytes]) -> bytes:
    """MTH(D[n]) over leaf hashes."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return node(mth(leaves[:k]), mth(leaves[k:]))


def subproof(m: int, leaves: list[bytes], *, whole: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b) of section 2.1.4.1."""
    n = len(leaves)
    if m == n:
        return [] if whole else [mth(leaves)]
    k = 1
    while 2 * k < n:
        k *= 2
    if m <= k:
        return [*subproof(m, leaves[:k], whole=whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], whole=False), mth(leaves[:k])]


def missing(leaves: list[bytes], wanted: set[int], first: int = 0) -> list[bytes]:
    """The subtrees without a wanted leaf, left before right."""
    if not wanted & set(range(first, first + len(leaves))):
        return [mth(leaves)]
    if len(leaves) == 1:
        return []
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    left = missing(leaves[:k], wanted, first)
    return left + missing(leaves[k:], wanted, first + k)


# ---- an archive with two logs that were signed again and again


class Told(NamedTuple):
    """The archive and what it must say."""

    archive: Archive
    proofs: ProofReader
    store: Store
    leaves: list[bytes]


def sign(log: LogName, epoch: str, tree: Frontier) -> CheckpointRow:
    signer = Signer(f"tellers.local/{log}", b"the log's")
    lines = Extensions(epoch, made_up=True).lines()
    body = Checkpoint(signer.name, tree.size, tree.root(), lines).text()
    return CheckpointRow(
        log=str(log),
        size=tree.size,
        root=to_base64(tree.root()),
        note=str(Note(body, (signer.sign(body),))),
        vkey=str(signer.key),
        at=AT,
    )


def batch_of(log: list[Entry]) -> Batch:
    """Entries without projections: the tree is of events alone."""
    batch = Batch()
    batch.events = [(seq, roll_call_of(body) or "", body) for seq, body in log]
    batch.last_seq = log[-1].seq
    return batch


def fill(store: Store, log: LogName, entries: list[Entry], sizes: list[int]) -> None:
    store.begin(log, EPOCH)
    start = 0
    for size in sizes:
        store.commit(log, EPOCH, start, batch_of(entries[start:size]))
        store.seal(log)
        start = size


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return history(NUMBER)


@pytest.fixture
def told(database_url: str, entries: list[Entry]) -> Iterator[Told]:
    migrate(database_url)
    with Archive(database_url) as archive:
        store = Store(archive.engine, "lease", "us", sign)
        store.take_by_force()
        fill(store, GA, entries, SIZES)
        fill(store, SC, entries[:300], [77, 300])
        leaves = [sha256(b"\x00" + body).digest() for _, body in entries]
        yield Told(archive, store.proofs, store, leaves)


def test_every_root_that_was_signed_is_that_of_the_events(told: Told) -> None:
    for log, sizes in ((GA, SIZES), (SC, [77, 300])):
        signed = told.proofs.newest(log, 100)
        assert [each.size for each in reversed(signed)] == sizes
        for each in signed:
            assert b64decode(each.root) == mth(told.leaves[: each.size])


def test_it_does_not_matter_in_which_batches_the_events_came(
    told: Told, entries: list[Entry]
) -> None:
    chance = random.Random(1)
    other = LogName("other")
    sizes = sorted({*chance.sample(range(1, NUMBER), 40), NUMBER})
    fill(told.store, other, entries, sizes)

    def columns(log: LogName) -> object:
        nodes = [list(row.values())[1:] for row in told.archive.rows(TreeNodeRow, log)]
        (row,) = told.archive.rows(LogRow, log)
        return row["seq"], row["frontier"], nodes

    assert columns(other) == columns(GA)
    assert len(told.archive.rows(TreeNodeRow)) == NUMBER // 256


@pytest.mark.parametrize("size", [1, 2, 257, 513, 1024, 2999, 3000])
def test_any_leaves_are_proven_as_the_naive_tree_says(told: Told, size: int) -> None:
    chance = random.Random(size)
    under = told.proofs.checkpoint(GA, size)
    assert under is not None
    leaves = told.leaves[:size]
    for number in (1, 2, 7, min(size, 200)):
        start = chance.randrange(size)
        together = set(range(start, min(size, start + number)))
        apart = set(chance.sample(range(size), min(size, number)))
        for wanted in (together, apart):
            of = {index: leaves[index] for index in wanted}
            assert told.proofs.inclusion(GA, under, of) == missing(leaves, wanted)


def test_every_pair_of_checkpoints_is_consistent(told: Told) -> None:
    signed = {s.size: s for s in told.proofs.newest(GA, 100)}
    pairs = list(combinations_with_replacement(SIZES, 2))
    assert len(pairs) == 120
    for old, new in pairs:
        proof = told.proofs.consistency(GA, signed[old], signed[new])
        assert proof == subproof(old, told.leaves[:new], whole=True)


def test_the_first_checkpoint_that_has_an_entry_is_found(told: Told) -> None:
    for seq, size in ((1, 1), (2, 2), (4, 255), (256, 256), (2305, 2999), (3000, 3000)):
        found = told.proofs.first(GA, seq)
        assert found is not None
        assert found.size == size
    assert told.proofs.first(GA, 3001) is None
    assert told.proofs.first(LogName("nowhere"), 1) is None
    assert told.proofs.checkpoint(GA, 4) is None
    assert [s.size for s in told.proofs.newest(GA, 3)] == [3000, 2999, 2304]


def test_no_more_than_one_block_of_entries_is_read_at_each_end(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def counted(log: LogName, seq: int, body: bytes) -> bytes:
        read.append(seq)
        return leaf_of(log, seq, body)

    monkeypatch.setattr("tellers_runtime.archive.proofs.leaf_of", counted)
    under = told.proofs.checkpoint(GA, 3000)
    assert under is not None
    told.proofs.inclusion(GA, under, {5: told.leaves[5]})
    assert len(read) == len(set(read)) <= 512


# ---- the archive was edited


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE event SET body = replace(body, '\"seq', '\"Seq') || ' ' "
        "WHERE log = 'ga' AND seq = 2",
        "DELETE FROM event WHERE log = 'ga' AND seq = 256",
        "UPDATE tree_node SET hash = (SELECT hash FROM tree_node "
        "WHERE log = 'ga' AND place = 1) WHERE log = 'ga' AND place = 3",
        "DELETE FROM tree_node WHERE log = 'ga' AND place = 1",
        "UPDATE checkpoint SET note = replace(note, 'epoch k3v9', 'epoch k3v8') "
        "WHERE log = 'ga' AND size = 3000",
        "UPDATE checkpoint SET vkey = (SELECT vkey FROM checkpoint WHERE log = 'sc' "
        "AND size = 77) WHERE log = 'ga' AND size = 3000",
        "UPDATE checkpoint SET note = (SELECT note FROM checkpoint WHERE log = 'ga' "
        "AND size = 2999) WHERE log = 'ga' AND size = 3000",
        "UPDATE checkpoint SET note = 'nonsense' WHERE log = 'ga' AND size = 3000",
    ],
)
def test_no_proof_is_given_from_an_archive_that_was_edited(
    told: Told, tampering: str
) -> None:
    told.archive.tampered(tampering)
    under, old = told.proofs.checkpoint(GA, 3000), told.proofs.checkpoint(GA, 255)
    assert under is not None
    assert old is not None
    with pytest.raises(TreeBroken):
        told.proofs.inclusion(GA, under, {5: told.leaves[5]})
    if "= 256" not in tampering and "= 2" not in tampering[-3:]:
        with pytest.raises(TreeBroken):
            told.proofs.consistency(GA, old, under)


def test_a_leaf_that_was_never_in_the_log_is_not_proven(told: Told) -> None:
    under = told.proofs.checkpoint(GA, 3000)
    assert under is not None
    with pytest.raises(TreeBroken, match="signed at 3000"):
        told.proofs.inclusion(GA, under, {5: told.leaves[6]})


def test_nothing_is_appended_to_a_tree_of_another_size(told: Told) -> None:
    told.archive.tampered("UPDATE log SET frontier = '' WHERE name = 'ga'")
    with pytest.raises(TreeBroken, match="not one of 3000"):
        told.store.seal(GA)
    with pytest.raises(TreeBroken, match="not one of 3000"):
        told.store.commit(GA, EPOCH, NUMBER, batch_of([Entry(NUMBER + 1, b"{}")]))
    assert told.archive.seq() == NUMBER


def test_a_batch_with_a_gap_is_refused(told: Told) -> None:
    batch = batch_of([Entry(NUMBER + 2, b"{}")])
    with pytest.raises(TreeBroken):
        told.store.commit(GA, EPOCH, NUMBER, batch)
    assert told.archive.seq() == NUMBER


# ---- what stands in the leaves


@pytest.mark.parametrize(
    "body",
    [
        b"not JSON",
        b"",
        b"\xff\xfe",
        b"a\0b",
        b'{"a":"\xff","rollcall":"r","datacontenttype":"application/json","id":1}',
        b'{"a":"\0","rollcall":"r","datacontenttype":"application/json","id":1}',
    ],
)
def test_a_leaf_is_of_the_event_as_published_before_and_after_a_restore(
    body: bytes,
) -> None:
    restored = archived(body).encode()
    published = json.loads(public_event(publishable(GA, 7, body), EPOCH))
    again = json.loads(public_event(publishable(GA, 7, restored), EPOCH))
    assert published == again
    assert published.pop("epoch") == EPOCH
    expected = sha256(b"\x00" + rfc8785.dumps(published)).digest()
    assert leaf_of(GA, 7, body) == leaf_of(GA, 7, restored) == expected
    assert leaf_of(GA, 7, body, roll_call_of(body)) == expected
    assert leaf_of(GA, 7, restored, roll_call_of(restored)) == expected


def test_a_restore_does_not_make_an_event_of_what_was_none() -> None:
    """0xff after a backslash: as text, that is a valid string."""
    body = b'{"a":"\\\xff","rollcall":"r","datacontenttype":"application/json","id":1}'
    restored = archived(body).encode()
    assert publishable(GA, 7, body) == publishable(GA, 7, restored) == restored
    assert publishable(GA, 7, body, roll_call_of(body)) == restored


def test_a_leaf_of_a_real_event_is_of_its_canonical_bytes(entries: list[Entry]) -> None:
    for seq, body in entries[:300]:
        event = json.loads(public_event(publishable(GA, seq, body), EPOCH))
        del event["epoch"]
        expected = sha256(b"\x00" + rfc8785.dumps(event)).digest()
        assert leaf_of(GA, seq, body) == expected
        assert leaf_of(GA, seq, body, roll_call_of(body)) == expected


# ---- archives from before there were trees


def _revision(
    url: str, monkeypatch: pytest.MonkeyPatch, run: Callable[[Config], None]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(command, "upgrade", lambda config, _: run(config))
        migrate(url)


def _downgraded(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _revision(url, monkeypatch, lambda config: command.downgrade(config, "0001"))


def test_an_older_archive_gets_the_trees_it_would_have_had(
    told: Told, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trees() -> list[object]:
        return [
            (told.archive.rows(LogRow, log), told.archive.rows(TreeNodeRow, log))
            for log in (GA, SC)
        ]

    before = trees()
    _downgraded(database_url, monkeypatch)
    migrate(database_url)
    assert trees() == before
    told.store.seal(GA)
    (signed,) = told.proofs.newest(GA, 10)
    assert (signed.size, b64decode(signed.root)) == (NUMBER, mth(told.leaves))


def test_an_older_archive_that_lacks_an_event_gets_none(
    told: Told, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seq in (NUMBER, 1200):
        _downgraded(database_url, monkeypatch)
        told.archive.tampered(f"DELETE FROM event WHERE log = 'ga' AND seq = {seq}")
        with pytest.raises(TreeBroken, match=f"event {seq} of ga is missing"):
            migrate(database_url)


# ---- witnesses' signatures


def test_a_witness_signs_once_and_its_first_signature_stays(told: Told) -> None:
    proofs = told.proofs
    proofs.cosign(GA, 255, "w2", "\u2014 w2 line")
    proofs.cosign(GA, 255, "w1", "\u2014 w1 line")
    proofs.cosign(GA, 255, "w1", "\u2014 w1 another")
    proofs.cosign(SC, 77, "w1", "\u2014 w1 elsewhere")
    found = proofs.checkpoint(GA, 255)
    assert found is not None
    assert found.text == found.note + "\u2014 w1 line\n\u2014 w2 line\n"
    assert found.seal.witnesses == ("w1", "w2")
    assert found.seal.checkpoint == found.text
    assert found.seal.key.made_up
    others = [s for s in proofs.newest(GA, 100) if s.size != 255]
    assert all(not s.cosignatures for s in others)


def test_all_roots_are_read_from_the_signed_notes(told: Told) -> None:
    told.archive.tampered("UPDATE checkpoint SET root = 'x'")
    roots = told.proofs.roots(GA)
    assert roots == {size: mth(told.leaves[:size]) for size in SIZES}


def test_engines_are_opened_for_reading_too(database_url: str) -> None:
    migrate(database_url)
    engine: Engine = open_engine(database_url)
    with writing(engine) as connection:
        connection.execute(text("SELECT 1"))
    assert ProofReader(engine).newest(GA, 5) == []
    assert ProofReader(engine).roots(GA) == {}
    engine.dispose()
