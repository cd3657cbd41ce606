"""A second person for what undoes the lock: unlock and annul (ADR 27).

The first person approves, the second, with another token, carries out. What was
approved is one state of the roll call, by version and by the hash of its votes; it is
good for EXPIRY_SECONDS and for one command.
"""

import hashlib
from datetime import timedelta
from typing import Literal

import msgspec
from msgspec import Struct

from tellers_core.errors import UnknownRollCall
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
Approvable = Literal["unlock", "annul"]
CODE = "second_person"


class Approval(Struct, frozen=True):
    """What the first person approved.

    Args:
        approval: what the second person names it by.
        token, name: who approved, never published.
        version, state: of the roll call, and the hash of all that it is.
        expires_at: RFC 3339.
    """

    approval: str
    command: Approvable
    reason: str
    token: str
    name: str
    version: int
    state: str
    expires_at: str


def state_hash(loaded: Loaded) -> str:
    """The SHA-256, in hex, of everything that decides what a command would do."""
    roll_call = loaded.roll_call
    said = (
        loaded.epoch,
        loaded.version,
        roll_call.phase,
        roll_call.rule,
        sorted(roll_call.votes.items()),
    )
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
            state_hash(loaded),
            rfc3339(expires),
        )
        encoded = msgspec.json.encode(approval)
        redis = self._redis.of(place.chamber)
        await redis.set(_key(place), encoded, ex=EXPIRY_SECONDS)
        return approval

    async def check(
        self, place: Place, approval_id: str, command: Approvable, by: Token
    ) -> Approval:
        """The approval under which this token may carry out the command.

        Raises HttpProblem `second_person` saying why it may not.
        """
        found = await self.pending(place)
        if found is None or found.approval != approval_id:
            raise refused(f"there is no such approval, or it is {EXPIRY_SECONDS} s old")
        if found.command != command:
            raise refused(f"what was approved is {found.command}")
        if found.token == by.id:
            raise refused("who approved it cannot carry it out: another token must")
        loaded = await self._load(place)
        if (found.version, found.state) != (loaded.version, state_hash(loaded)):
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


def refused(why: str) -> HttpProblem:
    """The refusal of who acts alone."""
    return HttpProblem(CODE, why, status=403)


def _key(place: Place) -> str:
    return keys.approval(*place)
