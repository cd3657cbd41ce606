"""What verifies, and everything that must not: every place changed, every forgery."""

import json
import socket
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tellers_client.verify import (
    Difference,
    Growth,
    Unreadable,
    Valid,
    Witnessed,
    expected_key,
    verify,
)
from tellers_core.certificate import Certificate
from tellers_core.codec import RecordedAs
from tellers_core.events import VoteRecorded
from tests.certificates import (
    COSIGNER,
    OURS,
    STRANGER,
    WITNESS,
    WITNESSED_AT,
    make_certificate,
    make_consistency,
    make_inclusion,
)
from tests.client.verifying import (
    FILES,
    SMALL,
    WITNESSES,
    Json,
    differences,
    every_kind,
    valid,
)
from tests.mutations import Mutation, mutations, respelled
from tests.scenario import FIXTURES

# ---- what is valid, and what it says


def test_a_certificate_proves_the_result() -> None:
    found = valid(make_certificate())
    assert isinstance(found.proves, Certificate)
    counts = found.proves.tally.counts
    assert (counts.yes, counts.no, counts.abstain) == (141, 5, 35)
    assert found.seal.fingerprint == make_certificate()["key"]["fingerprint"]
    assert found.seal.extensions.made_up
    assert not found.seal.expected
    assert found.seal.witnesses == ()


def test_an_inclusion_proves_one_event() -> None:
    found = valid(make_inclusion("FRA"))
    assert isinstance(found.proves, RecordedAs)
    assert isinstance(found.proves.event, VoteRecorded)
    assert (found.proves.event.delegation, found.proves.event.vote) == ("FRA", "yes")


@pytest.mark.parametrize("old", [1, 2, 64, 191, 192])
def test_a_consistency_proves_that_the_log_only_grew(old: int) -> None:
    found = valid(make_consistency(old))
    assert isinstance(found.proves, Growth)
    assert (found.proves.old.size, found.proves.new.size) == (old, 192)


@every_kind
def test_witnesses_are_named_with_their_time(kind: str) -> None:
    found = valid(FILES[kind]())
    assert found.seal.witnesses == (
        Witnessed(WITNESS.key, None),
        Witnessed(COSIGNER.key, WITNESSED_AT),
    )


@pytest.mark.parametrize(
    "key", [str(OURS.key), make_certificate()["key"]["fingerprint"]]
)
@every_kind
def test_the_key_that_was_asked_for(kind: str, key: str) -> None:
    assert valid(FILES[kind](), key).seal.expected


def test_order_white_space_and_escapes_mean_nothing() -> None:
    value = make_certificate(SMALL)
    turned = dict(reversed(value.items()))
    text = json.dumps(turned, indent=4).replace('"yes"', '"\\u0079es"')
    assert isinstance(verify(text.encode()), Valid)


def test_a_key_that_was_given_is_not_made_up() -> None:
    assert not valid(make_certificate(made_up=False)).seal.extensions.made_up


@every_kind
def test_what_was_issued_once_verifies_for_ever(kind: str) -> None:
    """Golden files: they are never written anew. A change that breaks them needs a
    new `type`."""
    data = (FIXTURES / "certificates" / f"{kind}.v1.json").read_bytes()
    assert isinstance(verify(data, OURS.key), Valid)


# ---- every change is found, and named where it was made


def is_named(mutation: Mutation, found: Difference) -> bool:
    """Whether the difference points at the place that was changed, above or below it;
    or at what is counted against it."""
    changed, named = f"{mutation.pointer}/", f"{found.pointer}/"
    if changed.startswith(named) or named.startswith(changed):
        return True
    counted = {
        "/events/": "/leaves/",
        "/checkpoint/": "/witnesses/",
        "/new/": "/witnesses/",
    }
    if mutation.path[0] == "witnesses":  # each is compared with its line
        return named.startswith("/witnesses/")
    return any(
        changed.startswith(this) and named.startswith(against)
        for this, against in counted.items()
    )


@every_kind
def test_any_change_anywhere_is_named(kind: str) -> None:
    original = FILES[kind]()
    valid(original)  # else everything would be found invalid
    tried = 0
    for mutation in mutations(original):
        tried += 1
        try:
            first = differences(mutation.value)[0]
        except Unreadable:
            assert mutation.path in ((), ("type",)), mutation[:2]
            continue
        except AssertionError as error:
            raise AssertionError(
                f"{mutation.pointer} {mutation.what}: {error}"
            ) from error
        assert is_named(mutation, first), f"{mutation[:2]}: {first}"
        assert str(first).isprintable()
    assert tried > 150


TEXTS: dict[str, Callable[[Json], list[str | int]]] = {
    "/checkpoint": lambda _: ["checkpoint"],
    "/key/vkey": lambda _: ["key", "vkey"],
    "/key/fingerprint": lambda _: ["key", "fingerprint"],
    "/leaves": lambda _: ["leaves", 3],
    "/proof": lambda _: ["proof", 1],
    "/witnesses": lambda _: ["witnesses", 1],
}


@pytest.mark.parametrize("pointer", TEXTS)
def test_any_character_of_what_is_signed_or_hashed(pointer: str) -> None:
    value = make_certificate(SMALL, **WITNESSES)
    *outer, last = TEXTS[pointer](value)
    holder: Any = value
    for step in outer:
        holder = holder[step]
    original = holder[last]
    allowed = (pointer, "/witnesses") if pointer == "/checkpoint" else (pointer,)
    for what, text in respelled(original):
        holder[last] = text
        try:
            first = differences(value)[0]
        except AssertionError as error:
            raise AssertionError(f"{what}: {error}") from error
        assert first.pointer.startswith(allowed), f"{what}: {first}"
    holder[last] = original
    valid(value)


@pytest.mark.parametrize("old", [*range(10), 10])
def test_any_answer_changed_in_a_real_roll_call(old: int) -> None:
    """ES-11/1 is too long to try everything: here a tenth of its votes each time."""
    value = make_certificate()
    for index in range(2 + old, len(value["events"]) - 2, 10):
        spoiled = deepcopy(value)
        data = spoiled["events"][index]["data"]
        data["vote"] = "abstain" if data["vote"] == "yes" else "yes"
        assert differences(spoiled)[0].pointer == f"/events/{index}"


def change(path: str, to: Any) -> Callable[[Json], None]:
    def apply(value: Json) -> None:
        *outer, last = path.split("/")[1:]
        holder: Any = value
        for step in outer:
            holder = holder[int(step) if isinstance(holder, list) else step]
        holder[last] = to

    return apply


@pytest.mark.parametrize(
    ("path", "to", "says"),
    [
        ("/tally/counts/yes", 3, "/tally/counts/yes is 3, should be 2"),
        ("/result/outcome", "tied", '/result/outcome is "tied", should be "adopted"'),
        ("/chamber", "sc", '/chamber is "sc", should be "ga"'),
        ("/epoch", "x2", '/epoch is "x2", should be "k3v9"'),
        ("/events/3/epoch", "x2", '/events/3/epoch is "x2", should be "k3v9"'),
        ("/key/made_up", False, "/key/made_up is false, should be true"),
        ("/tally/rehearsal", True, "/tally/rehearsal is true, should be false"),
        ("/tally/confirmed", True, "/tally/confirmed is true, should be nothing"),
        ("/tally/title", "\x1b[2J\u202e", '/tally/title is "\\u001b[2J\\u202e"'),
        ("/more", 1, "/more is 1, should be nothing"),
        ("/a~b\x07/", 1, "/a~0b\\u0007/ is 1"),
    ],
)
def test_what_is_there_and_what_should_be(path: str, to: Any, says: str) -> None:
    value = make_certificate(SMALL)
    if path == "/a~b\x07/":
        value["a~b\x07"] = to
        says = "/a~0b\\u0007 is 1"
    else:
        change(path, to)(value)
    assert str(differences(value)[0]).startswith(says)


def test_every_consequence_of_the_events_is_named() -> None:
    value = make_certificate(SMALL)
    value["tally"]["counts"]["yes"] = 3
    value["result"]["counts"]["no"] = 0
    value["not_voting"].reverse()
    named = [difference.pointer for difference in differences(value)]
    assert named == [
        "/tally/counts/yes",
        "/not_voting/0",
        "/result/counts/no",
    ]


# ---- keys


@every_kind
def test_what_another_key_signed_is_refused_when_the_key_is_known(kind: str) -> None:
    """A forgery complete in itself: only who knows the key can tell."""
    forged = {
        "certificate": lambda: make_certificate(SMALL, signer=STRANGER),
        "inclusion": lambda: make_inclusion(history=SMALL, signer=STRANGER),
        "consistency": lambda: make_consistency(history=SMALL, signer=STRANGER),
    }[kind]()
    assert valid(forged).seal.key == STRANGER.key
    (found,) = differences(forged, str(OURS.key))
    assert found.pointer == "/key/vkey"
    ours = make_certificate(SMALL)["key"]["fingerprint"]
    (found,) = differences(forged, ours)
    assert found.pointer == "/key/fingerprint"
    assert ours in found.should_be


def test_the_key_of_another_does_not_fit_the_signature() -> None:
    value = make_certificate(SMALL)
    value["key"] = make_certificate(SMALL, signer=STRANGER)["key"]
    assert differences(value)[0].pointer == "/checkpoint"


@pytest.mark.parametrize("text", ["", "SHA256:", "SHA256:AAAA", "nonsense", "a+b+c"])
def test_what_is_no_key_to_ask_for(text: str) -> None:
    with pytest.raises(ValueError, match="neither a fingerprint"):
        expected_key(text)


# ---- nobody is asked


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network is asked")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)


@pytest.mark.usefixtures("no_network")
@every_kind
def test_nobody_is_asked(kind: str) -> None:
    with pytest.raises(AssertionError, match="the network is asked"):
        socket.create_connection(("127.0.0.1", 9))
    valid(FILES[kind]())
