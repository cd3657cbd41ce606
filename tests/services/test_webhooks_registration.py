"""Registering an endpoint: safe to repeat, and only where it is wanted if asked."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import httpx
import pytest
from redis.asyncio import Redis
from sqlalchemy import Engine

from tellers_runtime.archive.engine import migrate, open_engine
from tellers_runtime.clock import utc_now
from tellers_runtime.tokens import Audience, Scope, TokenStore
from tellers_webhooks.endpoints import (
    KEY_KEPT,
    Endpoints,
    OtherRequest,
    Registration,
)
from tellers_webhooks.interest import Interest
from tellers_webhooks.vault import Vault
from tests.services.receiving import PATH, Receiver, Subscribers, subscribed_stack

OURS = "tally.example.org"
ASKING = "webhook-request-origin"


@pytest.fixture(scope="module")
def subscribers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subscribers]:
    folder = tmp_path_factory.mktemp("registration")
    with subscribed_stack(folder, TELLERS_ORIGIN=OURS) as found:
        yield found


@pytest.fixture
def receiver(subscribers: Subscribers) -> Iterator[Receiver]:
    with Receiver() as found:
        yield found
        for endpoint in subscribers.http.get(PATH).json()["items"]:
            subscribers.http.delete(f"{PATH}/{endpoint['id']}")


def register(
    subscribers: Subscribers, key: str | None, **body: object
) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return subscribers.http.post(PATH, json=body, headers=headers)


def registered(subscribers: Subscribers) -> int:
    return len(subscribers.http.get(PATH).json()["items"])


# ---- asked first


@pytest.mark.parametrize("allowed", ["*", OURS, f" {OURS.upper()} "])
def test_a_receiver_that_allows_it_is_delivered_to_under_that_name(
    subscribers: Subscribers, receiver: Receiver, allowed: str
) -> None:
    receiver.permission = {
        "WebHook-Allowed-Origin": allowed,
        "WebHook-Allowed-Rate": "*",
    }
    answer = register(subscribers, None, url=receiver.url, handshake=True)
    assert answer.status_code == 201, answer.text
    assert answer.json()["handshake"] is True
    assert [headers[ASKING] for headers in receiver.asked] == [OURS]
    receiver.secrets.append(answer.json()["secret"])
    subscribers.http.post(f"{PATH}/{answer.json()['id']}/test")
    receiver.wait_for_kept(1)
    assert receiver.kept[0].headers[ASKING] == OURS


def test_who_is_not_asked_is_told_no_name(
    subscribers: Subscribers, receiver: Receiver
) -> None:
    """As before: the handshake is for those who want it."""
    endpoint = subscribers.subscribe(receiver)
    subscribers.http.post(f"{PATH}/{endpoint}/test")
    receiver.wait_for_kept(1)
    assert receiver.asked == []
    assert ASKING not in receiver.kept[0].headers
    assert subscribers.endpoint(endpoint)["handshake"] is False


@pytest.mark.parametrize(
    ("permission", "said"),
    [
        ({}, "HTTP 200 to OPTIONS, without WebHook-Allowed-Origin"),
        ({"Allow": "POST"}, "without WebHook-Allowed-Origin"),
        (
            {"WebHook-Allowed-Origin": "other.example"},
            f"it allows the origin 'other.example', ours is '{OURS}'",
        ),
        ({"WebHook-Allowed-Origin": f"*.{OURS}"}, "ours is"),
    ],
)
def test_a_receiver_that_does_not_allow_it_is_not_registered(
    subscribers: Subscribers,
    receiver: Receiver,
    permission: dict[str, str],
    said: str,
) -> None:
    receiver.permission = permission
    answer = register(subscribers, None, url=receiver.url, handshake=True)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/url"
    assert error["detail"].startswith("the receiver does not allow deliveries: ")
    assert said in error["detail"]
    assert registered(subscribers) == 0


def test_a_receiver_that_says_nothing_is_given_up(
    subscribers: Subscribers, receiver: Receiver
) -> None:
    receiver.permission = None
    begun = time.monotonic()
    answer = register(subscribers, None, url=receiver.url, handshake=True)
    assert time.monotonic() - begun < 9  # the gateway waits for ten
    assert "no answer within 5 s" in answer.json()["errors"][0]["detail"]
    assert registered(subscribers) == 0


def test_nobody_inside_is_asked(tmp_path: Path) -> None:
    """The same guard as for deliveries: a name that leads inside is no receiver."""
    with (
        subscribed_stack(tmp_path, TELLERS_WEBHOOKS_ALLOW_LOOPBACK="0") as subscribers,
        Receiver() as receiver,
    ):
        receiver.permission = {"WebHook-Allowed-Origin": "*"}
        url = receiver.url.replace("127.0.0.1", "localhost")
        answer = register(subscribers, None, url=url, handshake=True)
        assert answer.status_code == 422
        assert "not public" in answer.json()["errors"][0]["detail"]
        assert receiver.asked == []


def test_another_address_is_asked_anew(
    subscribers: Subscribers, receiver: Receiver
) -> None:
    receiver.permission = {"WebHook-Allowed-Origin": "*"}
    answer = register(subscribers, None, url=receiver.url, handshake=True)
    address = f"{PATH}/{answer.json()['id']}"
    with Receiver() as other:
        refused = subscribers.http.patch(address, json={"url": other.url})
        assert refused.status_code == 422
        assert subscribers.http.get(address).json()["url"] == receiver.url
        other.permission = {"WebHook-Allowed-Origin": OURS}
        assert subscribers.http.patch(address, json={"url": other.url}).is_success
        assert subscribers.http.get(address).json()["url"] == other.url
        assert len(other.asked) == 2
    assert subscribers.http.patch(address, json={"description": "d"}).is_success
    assert len(receiver.asked) == 1


# ---- safe to repeat


def test_a_repetition_gives_the_same_endpoint(
    subscribers: Subscribers, receiver: Receiver
) -> None:
    receiver.permission = {"WebHook-Allowed-Origin": "*"}
    body = {"url": receiver.url, "handshake": True, "events": ["vote.recorded"]}
    first = register(subscribers, '"k-1"', **body)
    again = register(subscribers, "k-1", **body)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert len(receiver.asked) == 1
    assert registered(subscribers) == 1
    other = register(subscribers, "k-2", **body)
    assert other.json()["id"] != first.json()["id"]
    conflict = register(subscribers, "k-1", **body | {"events": ["vote.changed"]})
    assert (conflict.status_code, conflict.json()["code"]) == (
        422,
        "idempotency_conflict",
    )
    assert registered(subscribers) == 2


def test_a_key_is_its_senders(subscribers: Subscribers, receiver: Receiver) -> None:
    """Nobody is handed a secret for having guessed a key."""
    first = register(subscribers, "k", url=receiver.url)
    token = token_of(subscribers, [Scope.WEBHOOKS])
    other = httpx.post(
        subscribers.stack.gateway_url + PATH,
        json={"url": receiver.url},
        headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "k"},
        verify=False,
    )
    assert other.status_code == 201
    assert other.json()["secret"] != first.json()["secret"]


@pytest.mark.parametrize("key", ["", "x" * 256, '"open', "a\tb"])
def test_what_is_no_key(subscribers: Subscribers, receiver: Receiver, key: str) -> None:
    answer = register(subscribers, key, url=receiver.url)
    assert answer.status_code == 400
    assert "Idempotency-Key must be 1 to 255" in answer.json()["detail"]
    assert answer.json()["errors"][0]["pointer"] == "/header/Idempotency-Key"
    assert registered(subscribers) == 0


def token_of(
    subscribers: Subscribers, scopes: list[Scope], audience: Audience | None = None
) -> str:
    async def create() -> str:
        redis = Redis.from_url(subscribers.stack.redis.url)
        try:
            return await TokenStore(redis).create("t", scopes, audience=audience)
        finally:
            await redis.aclose()

    return asyncio.run(create())


@pytest.mark.parametrize("audience", Audience)
def test_a_token_for_one_audience_manages_no_endpoints(
    subscribers: Subscribers, audience: Audience
) -> None:
    token = token_of(subscribers, [Scope.ADMIN], audience)
    answer = httpx.get(
        subscribers.stack.gateway_url + PATH,
        headers={"Authorization": f"Bearer {token}"},
        verify=False,
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


# ---- in the database


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    migrate(database_url)
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


def test_a_key_is_free_again_after_a_day(engine: Engine) -> None:
    now = [utc_now()]
    endpoints = Endpoints(engine, Vault(bytes(32)), 9, lambda: now[0])
    keyed = Registration("k" * 64, "s" * 64)

    def create(said: Registration = keyed) -> tuple[str, bool]:
        found = endpoints.create("https://example.org", "", Interest(), None, said)
        return found.endpoint.id, found.replayed

    first, _ = create()
    assert create() == (first, True)
    with pytest.raises(OtherRequest):
        create(keyed._replace(said="t" * 64))
    now[0] += KEY_KEPT
    second, replayed = create(keyed._replace(said="t" * 64))
    assert (second != first, replayed) == (True, False)
    assert len(endpoints.all()) == 2


def test_of_many_at_once_one_is_registered(engine: Engine) -> None:
    endpoints = Endpoints(engine, Vault(bytes(32)), 99)
    number = 8
    for round_ in range(5):
        keyed = Registration(f"{round_}" * 64, "s" * 64)
        together = Barrier(number)

        def create(
            keyed: Registration = keyed, together: Barrier = together
        ) -> tuple[str, str]:
            together.wait()
            found = endpoints.create("https://example.org", "", Interest(), None, keyed)
            return found.endpoint.id, found.secret

        with ThreadPoolExecutor(number) as pool:
            found = [pool.submit(create) for _ in range(number)]
            assert len({one.result() for one in found}) == 1
    assert len(endpoints.all()) == 5
