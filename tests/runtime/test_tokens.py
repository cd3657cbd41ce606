"""Tokens are shown once, kept hashed, and end when they are revoked."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from redis.asyncio import Redis

from tellers_runtime import keys, tokens
from tellers_runtime.log import connect
from tellers_runtime.tokens import Audience, Scope, TokenStore


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = connect(redis_url, "test")
    yield client
    await client.aclose()


async def test_a_token_is_verified_by_every_process(redis: Redis) -> None:
    clear = await TokenStore(redis).create("Console", [Scope.RECORD])
    prefix, token_id, secret = clear.split("_", 2)
    assert (prefix, len(token_id), len(secret)) == ("tlr", 8, 43)
    found = await TokenStore(redis).verify(clear)
    assert found is not None
    assert (found.id, found.name, found.scopes) == (
        token_id,
        "Console",
        (Scope.RECORD,),
    )


async def test_a_token_is_never_kept_in_clear(redis: Redis) -> None:
    clear = await TokenStore(redis).create("Console", [Scope.ADMIN])
    secret = clear.split("_", 2)[2]
    (kept,) = (await redis.hgetall(keys.TOKENS)).values()
    assert secret not in str(kept)
    assert secret not in repr(await TokenStore(redis).list())


async def test_scopes_are_what_they_say(redis: Redis) -> None:
    store = TokenStore(redis)
    for scopes, allowed in (
        ([], set()),
        ([Scope.RECORD], {Scope.RECORD}),
        ([Scope.PRESIDE], {Scope.PRESIDE}),
        ([Scope.RECORD, Scope.PRESIDE], {Scope.RECORD, Scope.PRESIDE}),
        ([Scope.ADMIN], set(Scope)),
    ):
        token = await store.verify(await store.create("t", scopes))
        assert token is not None
        assert {scope for scope in Scope if token.allows(scope)} == allowed


async def test_an_audience_is_kept_and_manages_no_webhooks(redis: Redis) -> None:
    store = TokenStore(redis)
    for audience, of_live, of_rehearsals in (
        (Audience.LIVE, True, False),
        (Audience.REHEARSAL, False, True),
    ):
        token = await store.verify(
            await store.create("t", [Scope.ADMIN], audience=audience)
        )
        assert token is not None
        assert token.audience is audience
        assert audience.has(rehearsal=False) == of_live
        assert audience.has(rehearsal=True) == of_rehearsals
        assert {s for s in Scope if token.allows(s)} == set(Scope) - {Scope.WEBHOOKS}


async def test_a_token_of_before_is_for_both(redis: Redis) -> None:
    store = TokenStore(redis)
    clear = await store.create("old", [Scope.ADMIN])
    token_id = clear.split("_")[1]
    kept = msgspec.json.decode(await redis.hget(keys.TOKENS, token_id) or b"")
    del kept["audience"]
    await redis.hset(keys.TOKENS, token_id, msgspec.json.encode(kept))
    token = await store.verify(clear)
    assert token is not None
    assert token.audience is None


@pytest.mark.parametrize(
    "other",
    [
        "",
        "tlr",
        "tlr_",
        "tlr__",
        "{id}",
        "{id}_",
        "{clear}x",
        "{clear} ",
        "x{clear}",
        "tlr_00000000_{secret}",
        "abc_{bare}_{secret}",
        "{clear}é",
        "{id}_{other}",
    ],
)
async def test_what_is_not_the_token_is_refused(redis: Redis, other: str) -> None:
    store = TokenStore(redis)
    clear = await store.create("one", [Scope.ADMIN])
    another = await store.create("another", [Scope.ADMIN])
    token_id, secret = clear.rsplit("_" + clear.split("_", 2)[2], 1)[0], clear[13:]
    tried = other.format(
        id=token_id,
        bare=token_id.removeprefix("tlr_"),
        clear=clear,
        secret=secret,
        other=another[13:],
    )
    assert await store.verify(clear)
    assert await store.verify(tried) is None


async def test_a_revoked_token_ends_within_the_cache_time(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "CACHE_SECONDS", 0.2)
    store, elsewhere = TokenStore(redis), TokenStore(redis)
    clear = await store.create("t", [Scope.RECORD])
    assert await elsewhere.verify(clear)
    token_id = clear.split("_")[1]
    assert await store.revoke(token_id)
    assert not await store.revoke(token_id)
    assert await elsewhere.verify(clear)  # from the cache
    await asyncio.sleep(0.25)
    assert await elsewhere.verify(clear) is None
    assert await TokenStore(redis).verify(clear) is None


async def test_a_cached_token_costs_no_round_trip(redis: Redis) -> None:
    store = TokenStore(redis)
    clear = await store.create("t", [Scope.RECORD])

    async def reads() -> int:
        stats = await redis.info("commandstats")
        return int(stats["cmdstat_hget"]["calls"])

    await store.verify(clear)
    before = await reads()
    for _ in range(10):
        await store.verify(clear)
    assert await reads() == before


async def test_tokens_are_listed_oldest_first(redis: Redis) -> None:
    store = TokenStore(redis)
    assert await store.list() == []
    for name in ("first", "second", "third"):
        await store.create(name, [Scope.RECORD])
        await asyncio.sleep(0.002)  # their times have milliseconds
    assert [token.name for token in await store.list()] == ["first", "second", "third"]
