"""The OpenAPI document's `webhooks`: valid, and true of what is delivered."""

import copy
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator
from schemathesis.specs.openapi.definitions import OPENAPI_31

from tellers_core.codec import TYPE_PREFIX, LogName
from tellers_gateway.app import create_app
from tellers_gateway.settings import GatewaySettings
from tellers_runtime.archive.proofs import ProofReader
from tellers_runtime.log import Entry
from tellers_webhooks import messages
from tellers_webhooks.interest import EVENTS, TALLY, name_of
from tests.e2e.stack import Clerk
from tests.services.receiving import PATH, Receiver, Subscribers, subscribed_stack

# The official schema of OpenAPI 3.1, which schemathesis carries.
OFFICIAL = Draft202012Validator(OPENAPI_31)
RULES = [{"rule": "closed"}, {"rule": "margin_below", "value": 5}]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(GatewaySettings(), {}, cast(ProofReader, None)).openapi()


def validator(document: dict[str, Any], name: str) -> Draft202012Validator:
    """What the body of that webhook must be."""
    content = document["webhooks"][name]["post"]["requestBody"]["content"]
    schema = content["application/cloudevents+json"]["schema"]
    return Draft202012Validator({**schema, "components": document["components"]})


def test_the_whole_document_is_valid(document: dict[str, Any]) -> None:
    assert not list(OFFICIAL.iter_errors(document))
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("broken", ["parameters", "requestBody", "responses"])
def test_the_official_schema_finds_what_is_wrong(
    document: dict[str, Any], broken: str
) -> None:
    changed = copy.deepcopy(document)
    changed["webhooks"]["vote.recorded"]["post"][broken] = 5
    assert list(OFFICIAL.iter_errors(changed))


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    named = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= set(document["components"]["schemas"])


def test_everything_that_can_be_asked_for_is_there(document: dict[str, Any]) -> None:
    others = (messages.TALLY_UPDATED, messages.RULE_MATCHED, messages.TEST)
    assert set(document["webhooks"]) == {*EVENTS, *map(name_of, others)}


@pytest.fixture(scope="module")
def subscribers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subscribers]:
    with subscribed_stack(tmp_path_factory.mktemp("openapi")) as found:
        yield found


def play(clerk: Clerk) -> None:
    """A roll call in which everything happens, one that is void, one that withholds."""
    clerk.open("all", rule="simple")
    clerk.vote("all", "FRA", "yes")
    clerk.vote("all", "FRA", "no")
    clerk.http.delete("/v1/ga/roll-calls/all/votes/FRA")
    clerk.vote("all", "PER", "yes")
    clerk.step("all", "rule", rule={"fraction": "3/5", "of": "members"})
    for step in ("lock", "unlock", "lock", "close"):
        clerk.step("all", step)
    clerk.step("all", "intentions", delegation="NOR", vote="no", note="absent")
    clerk.open("void", barred={"AFG": "Article 19"}, called_from="PER")
    clerk.step("void", "annul")
    clerk.open("hidden", reveal="nothing_until_close")
    clerk.vote("hidden", "FRA", "yes")


def test_what_is_delivered_is_as_it_says(
    subscribers: Subscribers, document: dict[str, Any]
) -> None:
    wanted = [*EVENTS, TALLY]
    with Receiver() as receiver, closing(subscribers.stack.clerk().http) as http:
        clerk = subscribers.stack.clerk()
        clerk.http = http
        endpoint = subscribers.subscribe(receiver, events=wanted, rules=RULES)
        play(clerk)
        subscribers.http.post(f"{PATH}/{endpoint}/test")
        # All but what no log of ours has: an entry that is no event.
        names = set(document["webhooks"]) - {"unreadable"}
        receiver.wait_for(lambda: {one.name for one in receiver.kept} >= names, "all")
        for one in receiver.kept:
            validator(document, one.name).validate(one.event)
            for parameter in document["webhooks"][one.name]["post"]["parameters"]:
                if parameter["required"]:
                    assert parameter["name"] in one.headers
        subscribers.http.delete(f"{PATH}/{endpoint}")


def test_an_entry_that_is_no_event_is_as_it_says(document: dict[str, Any]) -> None:
    said = messages.event(LogName("ga"), Entry(7, b'{"no":"event"}'), "epoch")
    assert said.type == f"{TYPE_PREFIX}unreadable.v1"
    validator(document, "unreadable").validate(json.loads(said.body))


def test_another_event_is_not_as_it_says(document: dict[str, Any]) -> None:
    """The control: the schemas do not take just anything."""
    said = messages.event(LogName("ga"), Entry(7, b'{"no":"event"}'), "epoch")
    assert not validator(document, "vote.recorded").is_valid(json.loads(said.body))
