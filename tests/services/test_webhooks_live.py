"""Deliveries of a whole system to endpoints written with the official library."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from tellers_runtime.tokens import Scope, TokenStore
from tests.e2e.stack import Clerk
from tests.servers import wait_until
from tests.services.receiving import (
    PATH,
    PATIENCE,
    Received,
    Receiver,
    Reply,
    Subscribers,
    subscribed_stack,
)

FOUR = [("FRA", "yes"), ("PER", "no"), ("NOR", "yes"), ("FJI", "abstain")]
PERMANENT = ("CHN", "FRA", "GBR", "RUS", "USA")
# scheduled, opened, four votes, locked, closed
NAMES = [
    "roll_call.scheduled",
    "roll_call.opened",
    *["vote.recorded"] * 4,
    "roll_call.locked",
    "roll_call.closed",
]


@pytest.fixture(scope="module")
def subscribers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subscribers]:
    with subscribed_stack(tmp_path_factory.mktemp("webhooks")) as found:
        yield found


@pytest.fixture(scope="module")
def clerk(subscribers: Subscribers) -> Iterator[Clerk]:
    found = subscribers.stack.clerk()
    with closing(found.http):
        yield found


@pytest.fixture
def receiver(subscribers: Subscribers) -> Iterator[Receiver]:
    with Receiver() as found:
        yield found
        # Whatever is registered here goes, or the next test's events come here too.
        for endpoint in subscribers.http.get(PATH).json()["items"]:
            subscribers.http.delete(f"{PATH}/{endpoint['id']}")
    assert found.refused == []


def test_every_event_comes_signed_in_order_and_once(
    subscribers: Subscribers, clerk: Clerk, receiver: Receiver
) -> None:
    endpoint = subscribers.subscribe(receiver, roll_call="all")
    clerk.replay("other", FOUR)
    clerk.replay("all", FOUR)
    receiver.wait_for_kept(len(NAMES))
    assert [one.name for one in receiver.kept] == NAMES
    seqs = [one.seq for one in receiver.kept]
    assert seqs == sorted(seqs)
    published = httpx.get(
        f"{subscribers.stack.gateway_url}/v1/ga/events",
        params={"after": seqs[0] - 1, "limit": 8},
        verify=False,
    ).json()["events"]
    assert [one.event for one in receiver.kept] == published
    kind = "application/cloudevents+json; charset=utf-8"
    assert {one.headers["content-type"] for one in receiver.kept} == {kind}
    done = subscribers.deliveries(endpoint, state="delivered")
    assert [one["webhook_id"] for one in reversed(done)] == [
        one.id for one in receiver.kept
    ]
    assert receiver.others == []


def test_types_and_rehearsals_are_filtered_at_the_sender(
    subscribers: Subscribers, clerk: Clerk, receiver: Receiver
) -> None:
    subscribers.subscribe(receiver, events=["roll_call.closed"])
    clerk.open("rehearsed", rehearsal=True)
    clerk.step("rehearsed", "lock")
    clerk.step("rehearsed", "close")
    clerk.replay("counted", FOUR)
    receiver.wait_for_kept(1)
    (one,) = receiver.kept
    assert (one.event["rollcall"], one.name) == ("counted", "roll_call.closed")

    with Receiver() as rehearsing:
        subscribers.subscribe(rehearsing, rehearsal=True)
        clerk.open("rehearsed-2", rehearsal=True)
        rehearsing.wait_for_kept(2)
        assert {r.event["source"] for r in rehearsing.kept} == {
            "/chambers/ga/rehearsal"
        }


def test_what_failed_comes_again_with_its_id_and_nothing_overtakes_it(
    subscribers: Subscribers, clerk: Clerk, receiver: Receiver
) -> None:
    def second_time(one: Received, before: int) -> Reply:
        return Reply(500) if one.name == "roll_call.opened" and not before else Reply()

    receiver.reply = second_time
    endpoint = subscribers.subscribe(receiver, roll_call="again")
    clerk.replay("again", FOUR)
    wait_until(
        lambda: subscribers.endpoint(endpoint)["failing_since"] is not None,
        PATIENCE,
        "the failure to be noted",
    )
    receiver.wait_for_kept(len(NAMES))
    assert [one.name for one in receiver.kept] == NAMES
    first, second = (one for one in receiver.received if one.name == "roll_call.opened")
    assert (first.id, first.body) == (second.id, second.body)
    assert second.at - first.at >= 5
    signed = "webhook-timestamp", "webhook-signature"
    assert all(first.headers[name] != second.headers[name] for name in signed)
    wait_until(
        lambda: subscribers.endpoint(endpoint)["failing_since"] is None,
        PATIENCE,
        "the success to be noted",
    )
    (noted,) = [d for d in subscribers.deliveries(endpoint) if d["tries"] == 2]
    assert (noted["webhook_id"], noted["state"]) == (first.id, "delivered")


def test_who_asks_for_time_gets_it(
    subscribers: Subscribers, clerk: Clerk, receiver: Receiver
) -> None:
    def busy_once(_: Received, before: int) -> Reply:
        return Reply() if before or len(receiver.received) else busy

    busy = Reply(429, {"Retry-After": "7"})
    receiver.reply = busy_once
    subscribers.subscribe(receiver, roll_call="busy")
    clerk.open("busy")
    receiver.wait_for_kept(2)
    first, second, _ = receiver.received
    assert first.id == second.id
    assert second.at - first.at >= 7


def test_410_disables_and_enabling_goes_on_where_it_was(
    subscribers: Subscribers, clerk: Clerk, receiver: Receiver
) -> None:
    receiver.reply = lambda _, __: Reply(410)
    endpoint = subscribers.subscribe(receiver, roll_call="gone")
    with Receiver() as other:
        subscribers.subscribe(other, roll_call="gone")
        clerk.replay("gone", FOUR)
        other.wait_for_kept(len(NAMES))
    wait_until(
        lambda: not subscribers.endpoint(endpoint)["enabled"], PATIENCE, "the end of it"
    )
    assert "410" in subscribers.endpoint(endpoint)["disabled_reason"]
    assert len(receiver.received) == 1
    (failed,) = subscribers.deliveries(endpoint, state="failed")

    receiver.reply = lambda _, __: Reply()
    changed = subscribers.http.patch(f"{PATH}/{endpoint}", json={"enabled": True})
    assert changed.json()["disabled_reason"] is None
    # What failed for good, and what came while it was disabled, is there to replay.
    seq = failed["seq"]
    body = {"chamber": "ga", "after": seq - 1, "upto": seq + 7}
    replayed = subscribers.http.post(f"{PATH}/{endpoint}/replay", json=body)
    assert (replayed.status_code, replayed.json()) == (202, {"queued": 8})
    receiver.wait_for_kept(len(NAMES))
    assert sorted(one.name for one in receiver.kept) == sorted(NAMES)
    assert receiver.received[0].id in {one.id for one in receiver.kept}


def test_a_slow_endpoint_delays_no_other(
    subscribers: Subscribers, clerk: Clerk, receiver: Receiver
) -> None:
    receiver.reply = lambda _, __: Reply(seconds=3)
    subscribers.subscribe(receiver)
    with Receiver() as quick:
        subscribers.subscribe(quick, roll_call="quick")
        clerk.replay("quick", FOUR)
        quick.wait_for_kept(len(NAMES))
        assert len(receiver.kept) < len(NAMES)
        receiver.reply = lambda _, __: Reply()


def test_of_tallies_the_newest_is_delivered_and_never_an_older_one(
    subscribers: Subscribers, clerk: Clerk, receiver: Receiver
) -> None:
    receiver.reply = lambda _, __: Reply(seconds=0.2)
    endpoint = subscribers.subscribe(receiver, events=["tally"], roll_call="tallied")
    codes = ["FRA", "PER", "NOR", "FJI", "ZMB", "RUS", "CHN", "USA", "GBR", "DEU"]
    votes = [(code, "yes") for code in codes]
    changes = [(code, vote) for vote in ("no", "abstain", "yes") for code in codes]
    clerk.open("tallied")
    receiver.wait_for_kept(1)
    for code, vote in [*votes, *changes]:
        clerk.vote("tallied", code, vote)
    for step in ("lock", "close"):
        clerk.step("tallied", step)
    events = 4 + 40
    receiver.wait_for(
        lambda: any(r.event["data"]["phase"] == "closed" for r in receiver.kept),
        "the last tally",
    )
    assert {one.name for one in receiver.kept} == {"tally.updated"}
    assert 1 < len(receiver.kept) < events
    versions = [one.event["data"]["version"] for one in receiver.kept]
    assert versions == sorted(set(versions))
    last = receiver.kept[-1].event["data"]
    shown = httpx.get(
        f"{subscribers.stack.gateway_url}/v1/ga/roll-calls/tallied/tally", verify=False
    ).json()
    assert (last["counts"], last["verdict"]) == (shown["counts"], shown["verdict"])
    wait_until(
        lambda: not subscribers.deliveries(endpoint, state="waiting"), PATIENCE, "rest"
    )


def test_rules_tell_of_what_matters_only(
    subscribers: Subscribers, clerk: Clerk, receiver: Receiver
) -> None:
    rules: list[dict[str, Any]] = [
        {"rule": "permanent_member_votes"},
        {"rule": "closed"},
        {"rule": "unreachable"},
        {"rule": "margin_below", "value": -8},
    ]
    subscribers.subscribe(receiver, chamber="sc", rules=rules)
    clerk.open("vetoed", chamber="sc", rule="security_council")
    shown = f"{subscribers.stack.gateway_url}/v1/sc/roll-calls/vetoed"
    wait_until(
        lambda: httpx.get(shown, verify=False).is_success, PATIENCE, "the roll call"
    )
    members = httpx.get(shown, verify=False).json()["not_voting"]
    elected = [code for code in members if code not in PERMANENT]
    clerk.vote("vetoed", elected[0], "yes", chamber="sc")
    clerk.vote("vetoed", "FRA", "yes", chamber="sc")
    clerk.vote("vetoed", "RUS", "no", chamber="sc")
    for step in ("lock", "close"):
        clerk.step("vetoed", step, chamber="sc")
    receiver.wait_for(
        lambda: any(r.event["data"]["rule"]["rule"] == "closed" for r in receiver.kept),
        "the closing",
    )
    met = [
        (r.event["data"]["rule"]["rule"], r.event["data"]["event"]["subject"])
        for r in receiver.kept
    ]
    permanent = [subject for rule, subject in met if rule == "permanent_member_votes"]
    assert permanent == ["vetoed/FRA", "vetoed/RUS"]
    assert met.count(("unreachable", "vetoed/RUS")) == 1
    assert met[-1] == ("closed", "vetoed")
    assert {r.name for r in receiver.kept} == {"rule.matched"}
    closing = receiver.kept[-1].event["data"]
    assert closing["tally"]["verdict"]["status"] == "rejected"


def test_a_test_event_and_a_new_secret(
    subscribers: Subscribers, receiver: Receiver
) -> None:
    endpoint = subscribers.subscribe(receiver, roll_call="nothing-of-this")
    old = receiver.secrets[0]
    rotated = subscribers.http.post(f"{PATH}/{endpoint}/secret").json()
    assert rotated["secret"] != old
    for number, secret in enumerate((old, rotated["secret"]), 1):
        receiver.secrets = [secret]
        sent = subscribers.http.post(f"{PATH}/{endpoint}/test")
        assert sent.status_code == 202
        receiver.wait_for_kept(number)
        assert receiver.kept[-1].id == sent.json()["webhook_id"]
        assert receiver.kept[-1].name == "webhook.test"


def test_replayed_events_have_the_ids_they_had(
    subscribers: Subscribers, clerk: Clerk, receiver: Receiver
) -> None:
    endpoint = subscribers.subscribe(receiver, roll_call="replayed")
    clerk.replay("replayed", FOUR)
    receiver.wait_for_kept(len(NAMES))
    wait_until(
        lambda: not subscribers.deliveries(endpoint, state="waiting"), PATIENCE, "rest"
    )
    ids = [one.id for one in receiver.kept]
    first = receiver.kept[0].seq
    body = {"chamber": "ga", "after": first, "upto": first + 2}
    answer = subscribers.http.post(f"{PATH}/{endpoint}/replay", json=body)
    assert answer.json() == {"queued": 2}
    receiver.wait_for(lambda: len(receiver.received) == len(NAMES) + 2, "two more")
    assert [one.id for one in receiver.received[len(NAMES) :]] == ids[1:3]
    # A receiver that dedupes takes neither again.
    assert [one.id for one in receiver.kept] == ids


# ---- who may


OPERATIONS: list[tuple[str, str, dict[str, Any] | None]] = [
    ("GET", "", None),
    ("POST", "", {"url": "https://example.org/hook"}),
    ("GET", "/{endpoint}", None),
    ("PATCH", "/{endpoint}", {"enabled": True}),
    ("GET", "/{endpoint}/deliveries", None),
    ("POST", "/{endpoint}/replay", {"chamber": "ga", "after": 0, "upto": 1}),
    ("POST", "/{endpoint}/secret", None),
    ("POST", "/{endpoint}/test", None),
    ("DELETE", "/{endpoint}", None),
]


def new_token(subscribers: Subscribers, *scopes: Scope) -> str:
    async def create() -> str:
        redis = Redis.from_url(subscribers.stack.redis.url)
        try:
            return await TokenStore(redis).create("somebody", scopes)
        finally:
            await redis.aclose()

    return asyncio.run(create())


def test_only_a_token_with_the_scope_manages_and_neither_port_is_a_way_around(
    subscribers: Subscribers, receiver: Receiver
) -> None:
    tokens: dict[int, list[str | None]] = {
        401: [None, "garbage", f"tlr_00000000_{'A' * 43}"],
        403: [new_token(subscribers, Scope.RECORD, Scope.PRESIDE)],
    }
    endpoint = subscribers.subscribe(receiver)
    for address in (subscribers.stack.gateway_url, subscribers.webhooks.url):
        for method, path, body in OPERATIONS:
            url = address + PATH + path.format(endpoint=endpoint)
            for status, kinds in tokens.items():
                for token in kinds:
                    headers = {"Authorization": f"Bearer {token}"} if token else {}
                    answer = httpx.request(
                        method, url, json=body, headers=headers, verify=False
                    )
                    assert answer.status_code == status, (method, url)
                    kind = answer.headers["content-type"]
                    assert kind == "application/problem+json"
                    if status == 401:
                        assert answer.headers["www-authenticate"] == "Bearer"
    good = {"Authorization": f"Bearer {new_token(subscribers, Scope.WEBHOOKS)}"}
    for method, path, body in OPERATIONS:
        url = subscribers.stack.gateway_url + PATH + path.format(endpoint=endpoint)
        answer = httpx.request(method, url, json=body, headers=good, verify=False)
        assert answer.is_success, (method, path, answer.text)
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/url"),
        ({"url": "http://192.168.1.1/"}, "/url"),
        ({"url": "ftp://example.org"}, "/url"),
        ({"url": "https://example.org", "unknown": 1}, "/unknown"),
        ({"url": "https://example.org", "events": ["vote.invented"]}, "/events"),
        ({"url": "https://example.org", "events": []}, ""),
        (
            {"url": "https://example.org", "rules": [{"rule": "weather"}]},
            "/rules/0/rule",
        ),
        (
            {"url": "https://example.org", "rules": [{"rule": "margin_below"}]},
            "/rules/0",
        ),
        ({"url": "https://example.org", "chamber": "UPPER"}, "/chamber"),
    ],
)
def test_what_cannot_be_registered(
    subscribers: Subscribers, body: dict[str, Any], pointer: str
) -> None:
    answer = subscribers.http.post(PATH, json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_what_is_not_there(subscribers: Subscribers) -> None:
    for method, path, body in OPERATIONS[2:]:
        answer = subscribers.http.request(
            method, PATH + path.format(endpoint="we_nobody"), json=body
        )
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    answer = subscribers.http.post(
        PATH, json={"url": "https://example.org", "chamber": "nowhere"}
    )
    assert answer.json()["code"] == "unknown_chamber"
    too_large = subscribers.http.post(PATH, content=b"x" * 20_000)
    assert too_large.status_code == 413


def test_no_secret_is_shown_again_and_none_is_in_the_database(
    subscribers: Subscribers, receiver: Receiver
) -> None:
    endpoint = subscribers.subscribe(receiver)
    (secret,) = receiver.secrets
    shown = json.dumps(subscribers.endpoint(endpoint)) + subscribers.http.get(PATH).text
    assert "whsec" not in shown
    folder = subscribers.stack.folder
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert any(file.name.startswith("archive.db") for file in files)
    needle = secret.removeprefix("whsec_").encode()
    assert not [file for file in files if needle in file.read_bytes()]
    # The id is found the same way.
    assert [file for file in files if endpoint.encode() in file.read_bytes()]
    key = folder / "webhooks-key"
    assert key.stat().st_mode & 0o777 == 0o600


def test_without_the_service_management_says_so_and_reads_go_on(tmp_path: Path) -> None:
    with subscribed_stack(tmp_path) as subscribers:
        subscribers.webhooks.kill()
        answer = subscribers.http.get(PATH)
        assert (answer.status_code, answer.json()["code"]) == (
            503,
            "webhooks_unavailable",
        )
        assert answer.headers["retry-after"] == "1"
        assert subscribers.http.get("/v1/ga/roll-calls").is_success
        subscribers.webhooks.start()
        assert subscribers.http.get(PATH).is_success
