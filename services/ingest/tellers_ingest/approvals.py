"""A second person for what undoes the lock, and for another majority (ADR 27).

The first person approves, the second, with another token, carries out. What was
approved is one state of the roll call, by a hash of what the command rests on; it is
good for EXPIRY_SECONDS and for one command.
"""

import hashlib
from datetime import timedelta
from typing import Literal

import msgspec
from msgspec import Struct

from tellers_core.errors import UnknownRollCall
from tellers_core.majority import Rule
from tellers_ingest.auth import check_audience
from tellers_ingest.cache import Place
from tellers_runtime import fields, keys
from tellers_runtime.clients import Clients
from tellers_runtime.clock import Clock, rfc3339, utc_now
from tellers_runtime.fields import Loaded
from tellers_runtime.log import LogWriter
from tellers_runtime.problems import HttpProblem
from tellers_runtime.tokens import Token

EXPIRY_SECONDS = 120
Approvable = Literal["unlock", "annul", "rule"]
CODE = "second_person"


class Approval(Struct, frozen=True):
    """What the first person approved.

    Args:
        approval: what the second person names it by.
        token, name: who approved, never published.
        version, state: of the roll call, and the hash of what the command rests on.
        expires_at: RFC 3339.
        rule: the majority that is to be required; of other commands None.
    """

    approval: str
    command: Approvable
    reason: str
    token: str
    name: str
    version: int
    state: str
    expires_at: str
    rule: Rule | None = None

    @property
    def only_at(self) -> int | None:
        """The version at which it may be carried out; None for any."""
        return None if self.command == "rule" else self.version


def state_hash(loaded: Loaded, command: Approvable) -> str:
    """The SHA-256, in hex, of everything that decides what the command would do.

    A rule is switched while votes come in: which there are is no part of it then.
    """
    roll_call = loaded.roll_call
    said: list[object] = [loaded.epoch, roll_call.phase, roll_call.rule]
    if command != "rule":
        said += [loaded.version, sorted(roll_call.votes.items())]
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()


class Approvals:
    """Approvals in Redis: one a roll call, the newest."""

    def __init__(
        self, redis: Clients, writer: LogWriter, clock: Clock = utc_now
    ) -> None:
        self._redis = redis
        self._writer = writer
        self._clock = clock

    async def pending(self, place: Place) -> Approval | None:
        """What waits for a second person."""
        kept = await self._redis.of(place.chamber).get(_key(place))
        return msgspec.json.decode(kept, type=Approval) if kept else None

    async def give(
        self,
        place: Place,
        approval_id: str,
        command: Approvable,
        reason: str,
        by: Token,
        rule: Rule | None = None,
    ) -> Approval:
        """Approve the command on the roll call as it is now."""
        loaded = await self._load(place)
        check_audience(by.audience, rehearsal=loaded.roll_call.roll.rehearsal)
        expires = self._clock() + timedelta(seconds=EXPIRY_SECONDS)
        approval = Approval(
            approval_id,
            command,
            reason,
            by.id,
            by.name,
            loaded.version,
            state_hash(loaded, command),
            rfc3339(expires),
            rule,
        )
        encoded = msgspec.json.encode(approval)
        redis = self._redis.of(place.chamber)
        await redis.set(_key(place), encoded, ex=EXPIRY_SECONDS)
        return approval

    async def check(
        self,
        place: Place,
        approval_id: str,
        command: Approvable,
        by: Token,
        rule: Rule | None = None,
    ) -> Approval:
        """The approval under which this token may carry out the command.

        Raises HttpProblem `second_person` saying why it may not.
        """
        found = await self.pending(place)
        if found is None or found.approval != approval_id:
            raise refused(f"there is no such approval, or it is {EXPIRY_SECONDS} s old")
        if found.command != command:
            raise refused(f"what was approved is {found.command}")
        if found.rule != rule:
            raise refused(f"what was approved is another rule: {_said(found.rule)}")
        if found.token == by.id:
            raise refused("who approved it cannot carry it out: another token must")
        loaded = await self._load(place)
        if found.state != state_hash(loaded, command):
            raise refused(
                f"version {found.version} was approved, the roll call is at "
                f"{loaded.version}: approve anew"
            )
        return found

    async def _load(self, place: Place) -> Loaded:
        loaded = fields.load(await self._writer.load(*place))
        if loaded is None:
            raise UnknownRollCall("no such roll call")
        return loaded


def _said(rule: Rule | None) -> str:
    return msgspec.json.encode(rule).decode()


def refused(why: str) -> HttpProblem:
    """The refusal of who acts alone."""
    return HttpProblem(CODE, why, status=403)


def _key(place: Place) -> str:
    return keys.approval(*place)
