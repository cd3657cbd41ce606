"""Deliveries as structured CloudEvents, and the ids they go by. Pure.

`webhook-id` follows from what is said and to whom: the same thing has the same id at
every try, at every replay, and after a restored log.
"""

import hashlib
from typing import Any

import msgspec

from tellers_core.codec import (
    SEQUENCE_DIGITS,
    TYPE_PREFIX,
    LogName,
    public_event,
    publishable,
    roll_call_of,
)
from tellers_core.events import Reveal
from tellers_core.reveal import withheld_event
from tellers_core.tally import Tally, encode_tally
from tellers_runtime.log import Entry
from tellers_webhooks.interest import name_of
from tellers_webhooks.queue import Kind, New
from tellers_webhooks.rules import Rule

TALLY_UPDATED = f"{TYPE_PREFIX}tally.updated.v1"
RULE_MATCHED = f"{TYPE_PREFIX}rule.matched.v1"
TEST = f"{TYPE_PREFIX}webhook.test.v1"
_encode = msgspec.json.Encoder().encode


class _Typed(msgspec.Struct):
    type: str


class Message(msgspec.Struct, frozen=True):
    """What is said, to whomever: `identity` is what makes it this message."""

    kind: Kind
    log: LogName
    seq: int
    roll_call: str
    type: str
    body: bytes
    identity: bytes

    @property
    def name(self) -> str:
        """The event's name, without prefix and suffix."""
        return name_of(self.type)

    def to(self, endpoint: str) -> New:
        """The delivery of it to an endpoint."""
        parts = (endpoint.encode(), self.kind.encode(), str(self.log).encode())
        digest = hashlib.sha256(b"\0".join((*parts, self.identity))).hexdigest()
        return New(
            f"msg_{digest[:32]}",
            endpoint,
            self.kind,
            str(self.log),
            self.seq,
            self.roll_call,
            self.type,
            self.body.decode(),
        )


def event(
    log: LogName, entry: Entry, epoch: str, policy: Reveal | None = None
) -> Message:
    """An entry of the log, as the gateway publishes it under this policy."""
    published = (
        publishable(log, entry.seq, entry.body)
        if policy is None
        else withheld_event(log, entry.seq, entry.body, policy)
    )
    kind = msgspec.json.decode(published, type=_Typed).type
    body = public_event(published, epoch)
    name = roll_call_of(published) or ""
    return Message("event", log, entry.seq, name, kind, body, published)


def tally(log: LogName, found: Tally) -> Message:
    """A tally as the tally service archived it; of the state, so without the event."""
    data = msgspec.Raw(encode_tally(found))
    body = _cloud_event(
        log, found.seq, TALLY_UPDATED, f"tally-{found.roll_call}", found, data
    )
    identity = encode_tally(msgspec.structs.replace(found, epoch=""))
    name = found.roll_call
    return Message("tally", log, found.seq, name, TALLY_UPDATED, body, identity)


def rule_met(rule: Rule, said: Message, after: Tally) -> Message:
    """A rule that the event `said` met, with the tally after it."""
    data = {
        "rule": rule,
        "event": msgspec.Raw(said.body),
        "tally": msgspec.Raw(encode_tally(after)),
    }
    name = rule.rule if rule.value is None else f"{rule.rule}-{rule.value}"
    body = _cloud_event(said.log, said.seq, RULE_MATCHED, name, after, data)
    identity = _encode(rule) + b"\0" + said.identity
    return Message(
        "rule", said.log, said.seq, said.roll_call, RULE_MATCHED, body, identity
    )


def test(endpoint: str, nonce: str, time: str) -> Message:
    """Something harmless, to see whether it arrives."""
    body = {
        "specversion": "1.0",
        "id": nonce,
        "source": f"/webhooks/{endpoint}",
        "type": TEST,
        "time": time,
        "datacontenttype": "application/json",
        "data": {"endpoint": endpoint},
    }
    log = LogName("")
    return Message("test", log, 0, "", TEST, _encode(body), nonce.encode())


def _cloud_event(
    log: LogName, seq: int, kind: str, what: str, of: Tally, data: Any
) -> bytes:
    sequence = f"{seq:0{SEQUENCE_DIGITS}d}"
    return _encode(
        {
            "specversion": "1.0",
            "id": f"{log.chamber}-{sequence}-{what}",
            "source": log.source,
            "type": kind,
            "subject": of.roll_call,
            "time": of.at,
            "datacontenttype": "application/json",
            "sequence": sequence,
            "epoch": of.epoch,
            "rollcall": of.roll_call,
            "rollcallversion": of.version,
            "data": data,
        }
    )
