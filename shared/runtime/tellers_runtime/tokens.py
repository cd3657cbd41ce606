"""API tokens: 256 random bits, shown once, kept as SHA-256.

A token reads `tlr_<id>_<secret>`; the id is public and finds the record, the secret is
compared in constant time. High entropy needs no slow hash. Records live in Redis, so
every ingest process sees a revocation within `CACHE_SECONDS`. Any number may be alive
at once: to change a token, make the new one, and revoke the old when it is unused.
"""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from tellers_runtime import keys
from tellers_runtime.clock import Clock, rfc3339, utc_now

CACHE_SECONDS = 2.0
PREFIX = "tlr"


class Scope(StrEnum):
    """What a token may do.

    record: votes and intentions. preside: schedule, open, lock, close, annul, rules.
    webhooks: subscribers' endpoints. admin: everything.
    """

    RECORD = "record"
    PRESIDE = "preside"
    WEBHOOKS = "webhooks"
    ADMIN = "admin"


class Audience(StrEnum):
    """Which roll calls a token is for: the real ones, or rehearsals (ADR 4)."""

    LIVE = "live"
    REHEARSAL = "rehearsal"

    def has(self, *, rehearsal: bool) -> bool:
        """Whether a rehearsal, or what is none, belongs to it."""
        return rehearsal == (self is Audience.REHEARSAL)


class Token(Struct, frozen=True):
    """A token as kept: never the secret, only its SHA-256 in hex.

    `expires`: when it ends by itself (RFC 3339); None when it does not. `audience`:
    None for both.
    """

    id: str
    name: str
    scopes: tuple[Scope, ...]
    secret_sha256: str
    created: str
    expires: str | None = None
    audience: Audience | None = None

    def allows(self, scope: Scope) -> bool:
        """Whether this token may do what needs `scope`."""
        if scope is Scope.WEBHOOKS and self.audience is not None:
            return False  # who manages endpoints manages those of both logs
        return scope in self.scopes or Scope.ADMIN in self.scopes


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class TokenStore:
    """Creates, lists, revokes and verifies tokens."""

    def __init__(self, redis: "Redis", clock: Clock = utc_now) -> None:
        self._redis = redis
        self._clock = clock
        self._cache: dict[str, tuple[float, Token | None]] = {}

    async def create(
        self,
        name: str,
        scopes: Sequence[Scope],
        lifetime: timedelta | None = None,
        audience: Audience | None = None,
    ) -> str:
        """Make a token and return it in clear: the only time anybody sees it."""
        token_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        now = self._clock()
        token = Token(
            token_id,
            name,
            tuple(scopes),
            _digest(secret),
            rfc3339(now),
            rfc3339(now + lifetime) if lifetime else None,
            audience,
        )
        await self._redis.hset(keys.TOKENS, token_id, msgspec.json.encode(token))
        return f"{PREFIX}_{token_id}_{secret}"

    async def list(self) -> list[Token]:
        """All tokens, oldest first, without their secrets."""
        kept = await self._redis.hgetall(keys.TOKENS)
        tokens = [msgspec.json.decode(raw, type=Token) for raw in kept.values()]
        return sorted(tokens, key=lambda token: token.created)

    async def revoke(self, token_id: str) -> bool:
        """Forget a token; False when there is none of that id."""
        return bool(await self._redis.hdel(keys.TOKENS, token_id))

    async def verify(self, clear: str) -> Token | None:
        """The token that this text is, or None. Costs no round trip while cached."""
        prefix, _, rest = clear.partition("_")
        token_id, _, secret = rest.partition("_")
        if prefix != PREFIX or not token_id or not secret or not clear.isascii():
            return None
        token = await self._find(token_id)
        if token is None:
            return None
        if not hmac.compare_digest(token.secret_sha256, _digest(secret)):
            return None
        # All times are in UTC and equally long: their order as text is theirs.
        ended = token.expires is not None and token.expires <= rfc3339(self._clock())
        return None if ended else token

    async def _find(self, token_id: str) -> Token | None:
        now = asyncio.get_running_loop().time()
        found = self._cache.get(token_id)
        if found and now < found[0]:
            return found[1]
        raw = await self._redis.hget(keys.TOKENS, token_id)
        token = msgspec.json.decode(raw, type=Token) if raw else None
        if token is not None:  # unknown ids are not cached: anybody can invent them
            self._cache[token_id] = now + CACHE_SECONDS, token
        else:
            self._cache.pop(token_id, None)
        return token
