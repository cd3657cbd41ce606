"""Certificates and smaller proofs for the tests, from logs that exist only here.

    make_certificate()                    # ES-11/1, as the JSON a reader gets
    make_certificate(witnesses=(WITNESS,), made_up=False)
    make_inclusion("FRA"), make_consistency(old=3)

A log of its own: `Log`, with `write`, `checkpoint`, `certificate`.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tellers_core import merkle
from tellers_core.certificate import (
    Certificate,
    Consistency,
    Extensions,
    Inclusion,
    Key,
    Seal,
    certify,
    include,
    until_closed,
)
from tellers_core.certificate import encode as encode_proof
from tellers_core.codec import LogName, decode, encode
from tellers_core.events import Event, RollCallOpened, VoteRecorded
from tellers_core.members import general_assembly
from tellers_core.notes import (
    COSIGNATURE,
    ED25519,
    Checkpoint,
    Note,
    Signature,
    VerifierKey,
    cosigned,
    to_base64,
)
from tests.scenario import AT, EPOCH, closed, recorded_roll_call, scheduled, votes

GA = LogName("ga")
ORIGIN = "tellers.local"
ROLL_CALL = "es-11-1"
WITNESSED_AT = 1_795_000_000  # seconds since 1970


@dataclass(frozen=True)
class Signer:
    """A key that signs notes: the log's own, or a witness's."""

    name: str
    seed: bytes
    algorithm: int = ED25519

    @property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(sha256(self.seed).digest())

    @property
    def key(self) -> VerifierKey:
        """What others verify by."""
        public = self._private.public_key().public_bytes_raw()
        return VerifierKey(self.name, self.algorithm, public)

    def sign(self, text: str, at: int = WITNESSED_AT) -> Signature:
        """The signature line over a note's text; `at` is for cosignatures."""
        if self.algorithm == COSIGNATURE:
            made = self._private.sign(cosigned(text, at))
            value = at.to_bytes(8, "big") + made
        else:
            value = self._private.sign(text.encode())
        return Signature(self.name, self.key.key_id, value)


OURS = Signer(f"{ORIGIN}/{GA}", b"the log's")
STRANGER = Signer(f"{ORIGIN}/{GA}", b"a stranger's")
WITNESS = Signer("witness.example", b"a witness's")
COSIGNER = Signer("cosigner.example/w1", b"a cosigner's", COSIGNATURE)


@dataclass
class Log:
    """A log in memory: entries as the append script writes them, and its tree."""

    name: LogName = GA
    epoch: str = EPOCH
    signer: Signer = OURS
    made_up: bool = True
    witnesses: tuple[Signer, ...] = ()
    entries: list[bytes] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)

    def write(self, *events: Event, roll_call: str = ROLL_CALL, at: str = AT) -> "Log":
        """Append events of a roll call."""
        for event in events:
            version = self.versions.get(roll_call, 0) + 1
            self.versions[roll_call] = version
            template = encode(self.name, roll_call, event, at)
            seq = len(self.entries) + 1
            self.entries.append(template.filled(roll_call, seq, version))
        return self

    def of(self, roll_call: str = ROLL_CALL) -> list[bytes]:
        """The entries of one roll call."""
        return [e for e in self.entries if decode(e).roll_call == roll_call]

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        """The checkpoint of the log when it had that size, or of all of it."""
        leaves = [merkle.leaf_hash(entry) for entry in self.entries[:size]]
        lines = Extensions(self.epoch, self.made_up).lines()
        return Checkpoint(self.signer.name, len(leaves), merkle.root_of(leaves), lines)

    def note(self, size: int | None = None, *, witnessed: bool = True) -> str:
        """That checkpoint, signed."""
        return sign(
            self.checkpoint(size).text(),
            self.signer,
            *(self.witnesses if witnessed else ()),
        )

    def key(self) -> Key:
        """The log's key as certificates name it."""
        return Key.of(self.signer.key, self.made_up)

    def seal(self) -> Seal:
        """What vouches for a proof from this log as it is."""
        return Seal(self.note(), self.key(), self.vkeys())

    def vkeys(self) -> tuple[str, ...]:
        """The witnesses' keys."""
        return tuple(str(witness.key) for witness in self.witnesses)

    def proof(self, entries: Iterable[bytes]) -> list[bytes]:
        """The hashes that lead from these entries to the root."""
        places = [decode(entry).seq - 1 for entry in entries]
        return merkle.missing(len(self.entries), places, self.subtree)

    def subtree(self, start: int, end: int) -> bytes:
        """The hash over the entries [start, end)."""
        return merkle.root_of(map(merkle.leaf_hash, self.entries[start:end]))

    def certificate(self, roll_call: str = ROLL_CALL) -> Certificate:
        """The certificate of a closed roll call."""
        entries = until_closed(self.of(roll_call))
        return certify(entries, self.epoch, self.proof(entries), self.seal())

    def inclusion(self, entry: bytes) -> Inclusion:
        """The proof that this entry is in the log."""
        return include(entry, self.epoch, self.proof([entry]), self.seal())

    def consistency(self, old: int) -> Consistency:
        """The proof that the log only grew since it had that size."""
        hashes = merkle.consistency(old, len(self.entries), self.subtree)
        return Consistency(
            self.note(old, witnessed=False),
            self.note(),
            tuple(to_base64(h) for h in hashes),
            self.key(),
            self.vkeys(),
        )


def sign(text: str, *signers: Signer) -> str:
    """A note with this text, signed by all of them."""
    return str(Note(text, tuple(signer.sign(text) for signer in signers)))


def as_json(value: Certificate | Inclusion | Consistency) -> dict[str, Any]:
    """What a reader of the file sees."""
    found: dict[str, Any] = json.loads(encode_proof(value))
    return found


@cache
def es_11_1() -> tuple[Event, ...]:
    """Resolution ES-11/1 as it was voted, two thirds required: 141-5-35."""
    roll = scheduled("two_thirds", general_assembly().codes)
    answers = (
        VoteRecorded(row.code, row.vote)
        for row in recorded_roll_call("es-11-1")
        if row.vote is not None
    )
    return closed(roll, RollCallOpened(), *answers)


def busy_log(history: Sequence[Event] | None = None, **options: Any) -> Log:
    """A log where another roll call, "other", was voted before, between and after the
    events of this one (ES-11/1 unless told otherwise)."""
    log = Log(**options)
    other = iter(closed(scheduled(), RollCallOpened(), *votes(yes="FJI", no="NOR PER")))
    log.write(next(other), next(other), roll_call="other")
    events = es_11_1() if history is None else history
    middle = len(events) // 2
    log.write(*events[:middle]).write(next(other), roll_call="other")
    log.write(*events[middle:]).write(*other, roll_call="other")
    return log


def make_certificate(
    history: Sequence[Event] | None = None, **options: Any
) -> dict[str, Any]:
    """A valid certificate of that closed roll call, "es-11-1", in a busy log.

    `options` are those of `Log`: epoch, signer, made_up, witnesses.
    """
    return as_json(busy_log(history, **options).certificate())


def make_inclusion(delegation: str = "FRA", **options: Any) -> dict[str, Any]:
    """The proof that this delegation's vote is in the log."""
    log = busy_log(**options)
    entry = next(
        entry
        for entry in reversed(log.of())
        if getattr(decode(entry).event, "delegation", None) == delegation
    )
    return as_json(log.inclusion(entry))


def make_consistency(old: int = 3, **options: Any) -> dict[str, Any]:
    """The proof that the log only grew since it had `old` events."""
    return as_json(busy_log(**options).consistency(old))
