"""What is proven with a log's tree, under checkpoints that were signed. Blocking: call
in a thread.

A proof is checked before it is handed out: if the entries, the kept nodes and the
signed checkpoints do not belong together, somebody edited the archive, and TreeBroken
says so.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col

from tellers_core.certificate import Extensions, Key, Seal, extensions
from tellers_core.codec import LogName
from tellers_core.merkle import (
    BadProof,
    Place,
    Range,
    Subtree,
    consistent,
    cover,
    missing,
    ranges_consistency,
    ranges_missing,
    root_from,
    root_of,
    subtree_from,
)
from tellers_core.merkle import consistency as consistency_proof
from tellers_core.notes import (
    BadNote,
    Checkpoint,
    Note,
    Signature,
    VerifierKey,
    parse_note,
)
from tellers_runtime.archive.engine import reading, writing
from tellers_runtime.archive.tables import (
    CheckpointRow,
    CosignatureRow,
    EventRow,
    TreeNodeRow,
)
from tellers_runtime.archive.trees import LEVELS, TreeBroken, leaf_of
from tellers_runtime.signing import holds

BLOCK = 1 << LEVELS


class Cosignature(NamedTuple):
    """A witness's key and its signature line."""

    vkey: str
    line: str


class Signed(NamedTuple):
    """A signed checkpoint as it is archived: `note` with our signature alone."""

    size: int
    root: str
    note: str
    vkey: str
    at: str
    cosignatures: tuple[Cosignature, ...]

    @property
    def text(self) -> str:
        """The note with all signature lines."""
        return self.note + "".join(f"{line}\n" for _, line in self.cosignatures)

    @property
    def seal(self) -> Seal:
        """What vouches for a proof under it."""
        key = Key.of(VerifierKey.parse(self.vkey), self.extensions.made_up)
        return Seal(self.text, key, tuple(vkey for vkey, _ in self.cosignatures))

    @property
    def extensions(self) -> Extensions:
        """Under which epoch it was signed, and whether with a made-up key."""
        return extensions(Checkpoint.parse(parse_note(self.note).text))


class ProofReader:
    """Proofs from the archive of all logs, and the witnesses' signatures."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # Checkpoints

    def checkpoint(self, log: LogName, size: int) -> Signed | None:
        """The checkpoint of that size, if one was signed."""
        return self._one(log, col(CheckpointRow.size) == size)

    def first(self, log: LogName, seq: int) -> Signed | None:
        """The first checkpoint that has the entry of that seq."""
        return self._one(log, col(CheckpointRow.size) >= seq)

    def newest(self, log: LogName, limit: int, upto: int | None = None) -> list[Signed]:
        """The last checkpoints, of at most `upto` events, the newest first."""
        size = col(CheckpointRow.size)
        where = () if upto is None else (size <= upto,)
        with reading(self._engine) as connection:
            return _signed(connection, log, where, size.desc(), limit)

    def roots(self, log: LogName) -> dict[int, bytes]:
        """The root of every size that was signed. Raises TreeBroken."""
        size = col(CheckpointRow.size)
        with reading(self._engine) as connection:
            return {
                signed.size: _root(log, signed)
                for signed in _signed(connection, log, (), size, None)
            }

    def _one(self, log: LogName, where: Any) -> Signed | None:
        with reading(self._engine) as connection:
            found = _signed(connection, log, (where,), col(CheckpointRow.size), 1)
        return found[0] if found else None

    def cosign(self, log: LogName, size: int, vkey: str, line: str) -> None:
        """Keep a witness's signature line under a checkpoint; its first one stays."""
        row = {"log": str(log), "size": size, "vkey": vkey, "line": line}
        dialect = sqlite if self._engine.dialect.name == "sqlite" else postgresql
        with writing(self._engine) as connection:
            insert = dialect.insert(CosignatureRow).values(row)
            connection.execute(insert.on_conflict_do_nothing())

    # Proofs

    def inclusion(
        self, log: LogName, under: Signed, leaves: Mapping[int, bytes]
    ) -> list[bytes]:
        """The proof that these leaf hashes, by index, are in the log.

        Raises TreeBroken.
        """
        size, root = under.size, _root(log, under)
        subtree = self._subtree(log, ranges_missing(size, leaves))
        proof = missing(size, leaves, subtree)
        if root_from(size, leaves, proof) != root:
            raise TreeBroken(f"{log} is not as it was signed at {size}")
        return proof

    def consistency(self, log: LogName, old: Signed, new: Signed) -> list[bytes]:
        """The proof that the log of `old` is the beginning of that of `new`, which is
        not smaller. Raises TreeBroken."""
        subtree = self._subtree(log, ranges_consistency(old.size, new.size))
        proof = consistency_proof(old.size, new.size, subtree)
        old_root, new_root = _root(log, old), _root(log, new)
        try:
            consistent(old.size, new.size, old_root, new_root, proof)
        except BadProof as error:
            raise TreeBroken(
                f"{log} is not as it was signed at {old.size} and {new.size}"
            ) from error
        return proof

    def _subtree(self, log: LogName, ranges: Iterable[Range]) -> Subtree:
        """The subtrees over these ranges, computed from what is kept."""
        places = [place for each in ranges for place in cover(*each)]
        with reading(self._engine) as connection:
            hashes = _Hashes(connection, log)
            return subtree_from({place: hashes.of(place) for place in places})


def _signed(
    connection: Connection,
    log: LogName,
    where: Iterable[Any],
    order: Any,
    limit: int | None,
) -> list[Signed]:
    rows = connection.execute(
        select(
            col(CheckpointRow.size),
            col(CheckpointRow.root),
            col(CheckpointRow.note),
            col(CheckpointRow.vkey),
            col(CheckpointRow.at),
        )
        .where(col(CheckpointRow.log) == str(log), *where)
        .order_by(order)
        .limit(limit)
    ).all()
    sizes = [row.size for row in rows]
    found: dict[int, list[Cosignature]] = {size: [] for size in sizes}
    cosignatures = (
        select(
            col(CosignatureRow.size), col(CosignatureRow.vkey), col(CosignatureRow.line)
        )
        .where(
            col(CosignatureRow.log) == str(log),
            col(CosignatureRow.size).between(
                min(sizes, default=0), max(sizes, default=0)
            ),
        )
        .order_by(col(CosignatureRow.vkey))
    )
    for size, vkey, line in connection.execute(cosignatures):
        if size in found:
            found[size].append(Cosignature(vkey, line))
    return [Signed(*row, tuple(found[row.size])) for row in rows]


def _root(log: LogName, signed: Signed) -> bytes:
    """The root that was signed, not what another column may say. Raises TreeBroken."""
    try:
        note, key = parse_note(signed.note), VerifierKey.parse(signed.vkey)
        checkpoint = Checkpoint.parse(note.text)
        extensions(checkpoint)
    except BadNote as error:
        raise _edited(log, signed) from error
    if checkpoint.size != signed.size or not _is_signed(note, key):
        raise _edited(log, signed)
    return checkpoint.root


def _is_signed(note: Note, key: VerifierKey) -> bool:
    def by_key(line: Signature) -> bool:
        return line.is_of(key) and holds(key, note.text, line.value)

    return len(note.signatures) == 1 and by_key(note.signatures[0])


def _edited(log: LogName, signed: Signed) -> TreeBroken:
    return TreeBroken(f"the checkpoint of {log} at {signed.size} is not as signed")


class _Hashes:
    """The hashes of perfect subtrees of one log, within one transaction."""

    def __init__(self, connection: Connection, log: LogName) -> None:
        self._connection = connection
        self._log = log
        self._blocks: dict[int, list[bytes]] = {}

    def of(self, place: Place) -> bytes:
        """From the kept nodes of the next level below it, or from the entries."""
        level, index = place
        below = level % LEVELS
        first, count = index << below, 1 << below
        if level < LEVELS:
            hashes = self._leaves(first, count)
        else:
            hashes = self._kept(level - below, first, count)
        if len(hashes) != count:
            raise TreeBroken(f"{self._log} lacks hashes of its tree at {place}")
        return root_of(hashes)

    def _leaves(self, first: int, count: int) -> list[bytes]:
        # Read by whole blocks: of two roll calls that ran at the same time, a proof for
        # the one takes every second entry.
        block, start = divmod(first, BLOCK)
        if block not in self._blocks:
            self._blocks[block] = self._read(block * BLOCK)
        return self._blocks[block][start : start + count]

    def _read(self, first: int) -> list[bytes]:
        rows = self._connection.execute(
            select(col(EventRow.seq), col(EventRow.body))
            .where(
                col(EventRow.log) == str(self._log),
                col(EventRow.seq) > first,
                col(EventRow.seq) <= first + BLOCK,
            )
            .order_by(col(EventRow.seq))
        )
        return [leaf_of(self._log, row.seq, row.body.encode()) for row in rows]

    def _kept(self, level: int, first: int, count: int) -> list[bytes]:
        rows = self._connection.scalars(
            select(col(TreeNodeRow.hash))
            .where(
                col(TreeNodeRow.log) == str(self._log),
                col(TreeNodeRow.level) == level,
                col(TreeNodeRow.place) >= first,
                col(TreeNodeRow.place) < first + count,
            )
            .order_by(col(TreeNodeRow.place))
        )
        return list(rows)
