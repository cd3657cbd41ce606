"""How much anybody may send: a token, an address, and who only guesses."""

import asyncio
import re
from collections import Counter
from typing import Any, cast

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellers_core.events import Figures
from tellers_gateway.app import create_app
from tellers_gateway.settings import GatewaySettings
from tellers_ingest import auth
from tellers_local.ingest import IngestClient
from tellers_local.recorded import chamber_named, load, own_file
from tellers_local.replay import Player
from tellers_runtime import rates
from tellers_runtime.archive.proofs import ProofReader
from tellers_runtime.rates import BURST_SECONDS, Rate
from tellers_runtime.settings import ServiceSettings
from tellers_runtime.tokens import Scope, TokenStore
from tests.services.ingest import hall, refusal, running

CODES = chamber_named("ga").codes
STRANGER = "203.0.113.9"


class Now:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@given(
    st.floats(0.1, 1000), st.lists(st.floats(0, 2, allow_subnormal=False), max_size=200)
)
def test_nobody_gets_more_than_the_rate_and_what_may_come_at_once(
    per_second: float, pauses: list[float]
) -> None:
    now = Now()
    rate = Rate(per_second, now)
    let_in = 0
    for pause in pauses:
        now.seconds += pause
        wait = rate.take("somebody")
        let_in += not wait
        if wait:  # who waits so long is let in then
            now.seconds += wait + 1e-6
            assert rate.take("somebody") == 0.0
            let_in += 1
    most = max(1.0, per_second * BURST_SECONDS) + per_second * now.seconds + 1
    assert let_in <= most


def test_each_key_has_its_own_and_zero_is_no_limit() -> None:
    now = Now()
    rate, free = Rate(2, now), Rate(0, now)
    assert [rate.take("a") > 0 for _ in range(6)] == [False] * 4 + [True] * 2
    assert rate.take("b") == 0.0
    assert not any(free.take("a") for _ in range(10_000))


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MAX_KEYS", 100)
    now = Now()
    rate = Rate(1, now)
    for number in range(10_000):
        rate.take(f"{number}")
        assert len(rate._due) <= 100
    rate = Rate(10, now)
    for number in range(1000):  # who is long gone makes room; who floods does not get
        now.seconds += 0.1  # off by it
        rate.take(f"{number}")
        assert number % 10 or rate.take("flood") >= 0.0
    assert len(rate._due) <= 100


async def test_a_token_may_send_so_many_commands(redis_url: str) -> None:
    async with (
        running(redis_url, commands_per_second=20) as url,
        hall(redis_url, [url]) as at,
    ):
        await at.clerk.open()
        codes = CODES[:150]
        answers = await asyncio.gather(*(at.clerk.vote(code, "yes") for code in codes))
        statuses = Counter(answer.status_code for answer in answers)
        assert set(statuses) == {201, 429}
        assert statuses[201] >= 30
        refused = next(a for a in answers if a.status_code == 429)
        assert refusal(refused) == (429, "too_many_requests")
        assert refused.headers["Retry-After"] == "1"
        # Another token is not held up by this one.
        other = await TokenStore(at.redis).create("other", [Scope.RECORD])
        headers = {"Authorization": f"Bearer {other}"}
        assert (await at.clerk.vote("PER", "no", headers=headers)).is_success


async def test_without_a_limit_nothing_is_refused(redis_url: str) -> None:
    async with (
        running(redis_url, commands_per_second=0) as url,
        hall(redis_url, [url]) as at,
    ):
        await at.clerk.open()
        codes = CODES[:150]
        answers = await asyncio.gather(*(at.clerk.vote(code, "yes") for code in codes))
        assert all(answer.is_success for answer in answers)


async def test_who_guesses_is_slowed_down_and_good_tokens_are_let_in(
    redis_url: str,
) -> None:
    async with (
        running(redis_url, failures_per_second=5) as url,
        hall(redis_url, [url]) as at,
    ):
        await at.clerk.open()
        guess = {"Authorization": "Bearer tlr_00000000_guess"}
        statuses: Counter[int] = Counter()
        for number in range(60):
            response = await at.clerk.vote("FRA", "yes", headers=guess)
            statuses[response.status_code] += 1
            if number % 10 == 9:  # from the same address, in the middle of it
                assert (await at.clerk.vote("PER", "no")).is_success
        assert set(statuses) == {401, 429}
        assert refusal(response) == (429, "too_many_requests")
        assert int(response.headers["Retry-After"]) >= 1
        assert statuses[401] >= 10


class EverySixtieth(Rate):
    """Refuses now and then, however slow the machine is."""

    taken = 0

    def take(self, key: str) -> float:
        self.taken += 1
        return 0.3 if self.taken % 60 == 0 else 0.0


async def test_a_replay_waits_and_loses_nothing(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "Rate", EverySixtieth)
    (recording,) = load([own_file("es-11-1")], chamber_named("ga"), None, None)
    waited: list[str] = []
    async with (
        running(redis_url) as url,
        hall(redis_url, [url]) as at,
    ):
        client = IngestClient(url, at.token, "ga", waited.append)
        try:
            player = Player(client, 0)
            await player.play(await player.schedule(recording), recording)
        finally:
            await client.aclose()
        state = await at.state("es-11-1")
    counted = Figures(state.yes, state.no, state.abstain)
    assert counted == recording.figures
    assert len(waited) == 3
    assert all("too many" in why for why in waited)


def reader(
    address: str, rate: float = 1, trusted: str = "", forwarded: str = ""
) -> httpx.AsyncClient:
    """Somebody at that address, before a gateway with that limit."""
    settings = GatewaySettings(reads_per_second=rate, trusted_proxies=trusted)
    app: Any = create_app(settings, {}, cast(ProofReader, None))
    transport = httpx.ASGITransport(app, client=(address, 4711))
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    return httpx.AsyncClient(
        transport=transport, base_url="http://test", verify=False, headers=headers
    )


async def statuses_of(client: httpx.AsyncClient, path: str) -> Counter[int]:
    async with client:
        return Counter([(await client.get(path)).status_code for _ in range(50)])


async def test_an_address_may_read_so_often() -> None:
    found = await statuses_of(reader(STRANGER), "/openapi.json")
    assert set(found) == {200, 429}
    assert found[200] >= 2
    async with reader(STRANGER) as client:
        answers = [await client.get("/openapi.json") for _ in range(50)]
        refused = next(a for a in answers if a.status_code == 429)
        assert refusal(refused) == (429, "too_many_requests")
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.headers["Access-Control-Allow-Origin"] == "*"
        # Who watches the process is not kept out, and files cost nothing.
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/web/icon.svg")).status_code == 200


async def test_an_address_is_told_what_is_left() -> None:
    async with reader(STRANGER, 5) as client:
        answers = [await client.get("/openapi.json") for _ in range(12)]
    assert answers[0].headers["RateLimit-Policy"] == '"reads";q=10;w=2'
    assert answers[0].headers["RateLimit"] == '"reads";r=9;t=1'
    exposed = answers[0].headers["Access-Control-Expose-Headers"]
    assert {"RateLimit", "RateLimit-Policy"} <= set(exposed.split(", "))
    left = [int(re.findall(r"r=(\d+)", a.headers["RateLimit"])[0]) for a in answers]
    assert left == sorted(left, reverse=True)
    refused = [a for a in answers if a.status_code == 429]
    assert all("r=0" in a.headers["RateLimit"] for a in refused)
    async with reader("127.0.0.1", 5) as client:
        assert "RateLimit" not in (await client.get("/openapi.json")).headers


async def test_this_machine_and_a_limit_of_zero_are_free() -> None:
    assert await statuses_of(reader("127.0.0.1"), "/openapi.json") == {200: 50}
    assert await statuses_of(reader(STRANGER, 0), "/openapi.json") == {200: 50}


async def test_a_network_of_ipv6_counts_as_one() -> None:
    app: Any = create_app(
        GatewaySettings(reads_per_second=1), {}, cast(ProofReader, None)
    )
    found: Counter[int] = Counter()
    for number in range(1, 50):
        transport = httpx.ASGITransport(app, client=(f"2001:db8::{number:x}", 1))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://test", verify=False
        ) as client:
            found[(await client.get("/openapi.json")).status_code] += 1
    assert found[429] > 20


async def test_only_a_trusted_proxy_is_believed() -> None:
    # Not trusted: the header is air, the address is that of this machine.
    untrusted = reader("127.0.0.1", forwarded=STRANGER)
    assert await statuses_of(untrusted, "/openapi.json") == {200: 50}
    trusted = reader("127.0.0.1", trusted="10.0.0.0/8,127.0.0.1", forwarded=STRANGER)
    assert (await statuses_of(trusted, "/openapi.json"))[429] > 20
    # What a client wrote itself stands to the left of what the proxy saw.
    lied = f"127.0.0.1, {STRANGER}"
    behind = reader("127.0.0.1", trusted="127.0.0.1", forwarded=lied)
    assert (await statuses_of(behind, "/openapi.json"))[429] > 20
    # A stranger who claims to be this machine remains a stranger.
    claims = reader(STRANGER, trusted="127.0.0.1", forwarded="127.0.0.1")
    assert (await statuses_of(claims, "/openapi.json"))[429] > 20


@pytest.mark.parametrize("wrong", ["*", "proxy.example", "10.0.0.1/8", "10.0.0"])
def test_proxies_are_named_by_address(wrong: str) -> None:
    with pytest.raises(ValueError, match="trusted_proxies"):
        ServiceSettings(trusted_proxies=wrong)
