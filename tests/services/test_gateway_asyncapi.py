"""`/asyncapi.json`: valid by the official schema, and true of what is sent."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from tellers_gateway.asyncapi import document
from tests.e2e.stack import Clerk
from tests.services.viewing import is_op, watching

pytest_plugins = ("tests.services.gateway_stack",)

SPECS = Path(__file__).parents[1] / "web" / "node_modules" / "@asyncapi" / "specs"
NAME = "asyncapi"


@pytest.fixture(scope="module")
def official() -> Draft7Validator:
    """The schema that the AsyncAPI initiative publishes."""
    path = SPECS / "schemas" / "3.0.0-without-$id.json"
    if not path.exists():
        pytest.skip("npm has not installed tests/web: @asyncapi/specs is missing")
    return Draft7Validator(json.loads(path.read_text()))


def ours() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(document())
    return found


def payload(message: str) -> Draft202012Validator:
    """What that message's payload must be."""
    whole = ours()
    schema = whole["components"]["messages"][message]["payload"]
    return Draft202012Validator({**schema, "components": whole["components"]})


def test_it_is_valid(official: Draft7Validator) -> None:
    assert not list(official.iter_errors(ours()))


@pytest.mark.parametrize("missing", ["info", "action", "address"])
def test_the_official_schema_finds_what_is_wrong(
    official: Draft7Validator, missing: str
) -> None:
    broken = ours()
    where = {
        "info": broken,
        "action": broken["operations"]["follow"],
        "address": broken["channels"]["live"],
    }[missing]
    where[missing] = 5
    assert list(official.iter_errors(broken))


def test_every_reference_leads_somewhere() -> None:
    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            here = [node["$ref"]] if "$ref" in node else []
            return here + [r for child in node.values() for r in references(child)]
        if isinstance(node, list):
            return [r for child in node for r in references(child)]
        return []

    whole = ours()
    for reference in references(whole):
        node = whole
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


async def test_frames_of_both_feeds_are_as_it_says(url: str, clerk: Clerk) -> None:
    clerk.open(NAME)
    clerk.vote(NAME, "FRA", "yes")
    clerk.vote(NAME, "FRA", "no")
    clerk.step(NAME, "lock")
    seen: set[str] = set()
    for feed in ("tally", "events"):
        async with watching(url, feed=feed, roll_call=NAME, after=0) as viewer:
            await viewer.until(is_op("caught_up"))
            await viewer.send(op="unsubscribe", id=99)
            await viewer.until(is_op("error"))
            await viewer.until(is_op("heartbeat"))
            for frame in viewer.frames:
                seen.add(frame["op"])
                payload(frame["op"]).validate(frame)
    assert seen == {"subscribed", "tally", "event", "caught_up", "heartbeat", "error"}


def test_events_are_as_it_says(url: str, clerk: Clerk) -> None:
    with httpx.Client(base_url=url, verify=False) as http:
        found = http.get("/v1/ga/events?limit=1000").json()["events"]
    names = set()
    for event in found:
        name = event["type"].removeprefix("org.tellers.").removesuffix(".v1")
        names.add(name)
        payload("Event_" + name.replace(".", "_")).validate(event)
    assert {"roll_call.scheduled", "vote.recorded", "vote.changed"} <= names


def test_it_is_served(url: str) -> None:
    answer = httpx.get(f"{url}/asyncapi.json", verify=False)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.content == document()
