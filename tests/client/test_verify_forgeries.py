"""Forgeries that fit together: proofs computed anew, results of other roll calls, logs
that sign what did not happen. Each says what gave it away."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellers_client.verify import Difference, Invalid, Valid, verify
from tellers_core import merkle
from tellers_core.certificate import Key, certify
from tellers_core.codec import decode, public_event
from tellers_core.events import (
    Event,
    IntentionRecorded,
    Outcome,
    RollCallClosed,
    Vote,
    VoteRecorded,
)
from tellers_core.notes import Signature, to_base64
from tests.certificates import (
    COSIGNER,
    GA,
    OURS,
    WITNESS,
    Log,
    Signer,
    as_json,
    busy_log,
    make_certificate,
    make_consistency,
    make_inclusion,
    sign,
)
from tests.scenario import closed, opened, votes
from tests.strategies import events

Json = dict[str, Any]
ADOPTED = closed(*opened(), *votes(yes="FJI PER", no="RUS"))
REJECTED = closed(*opened(), *votes(yes="FJI", no="RUS PER"))


def first_difference(value: Json) -> Difference:
    found = verify(json.dumps(value).encode())
    assert isinstance(found, Invalid), "it verifies"
    return found.differences[0]


def is_valid(value: Json) -> bool:
    return isinstance(verify(json.dumps(value).encode()), Valid)


def with_entries(value: Json, log: Log, entries: list[bytes]) -> Json:
    """The certificate with other events of that log, each with its leaf, and a proof
    that holds as far as a proof can."""
    places = sorted({decode(entry).seq - 1 for entry in entries})
    proof = merkle.missing(len(log.entries), places, log.subtree)
    return {
        **value,
        "events": [json.loads(public_event(entry, log.epoch)) for entry in entries],
        "leaves": [to_base64(merkle.leaf_hash(entry)) for entry in entries],
        "proof": [to_base64(digest) for digest in proof],
    }


def test_the_forger_of_these_tests_can_do_it_right() -> None:
    """With the right events it verifies: what is refused below is the forgery."""
    log = busy_log(ADOPTED)
    value = as_json(log.certificate())
    assert with_entries(value, log, log.of()) == value
    assert is_valid(value)


# ---- events of the log, but not the right ones


@pytest.mark.parametrize("index", range(1, len(ADOPTED) - 1))
def test_an_event_left_out(index: int) -> None:
    log = busy_log(ADOPTED)
    entries = log.of()
    del entries[index]
    found = first_difference(with_entries(as_json(log.certificate()), log, entries))
    assert found.pointer == f"/events/{index}"
    assert f"version {index + 2} after version {index}" in found.there


def test_the_beginning_left_out() -> None:
    log = busy_log(ADOPTED)
    found = first_difference(
        with_entries(as_json(log.certificate()), log, log.of()[1:])
    )
    assert found.pointer == "/events/0"


def test_the_closing_left_out() -> None:
    log = busy_log(ADOPTED)
    entries = log.of()[:-1]
    found = first_difference(with_entries(as_json(log.certificate()), log, entries))
    assert found.pointer == f"/events/{len(entries) - 1}"
    assert "not closed" in found.there


def test_a_closing_without_its_votes() -> None:
    log = busy_log(ADOPTED)
    entries = [
        entry for entry in log.of() if not isinstance(decode(entry).event, VoteRecorded)
    ]
    found = first_difference(with_entries(as_json(log.certificate()), log, entries))
    assert (found.pointer, "version 6 after version 2" in found.there) == (
        "/events/2",
        True,
    )


@pytest.mark.parametrize("index", range(len(ADOPTED) - 1))
def test_events_in_another_order(index: int) -> None:
    value = make_certificate(ADOPTED)
    for name in ("events", "leaves"):
        items = value[name]
        items[index], items[index + 1] = items[index + 1], items[index]
    assert first_difference(value).pointer == f"/events/{index + 1}/sequence"


def test_an_event_twice() -> None:
    value = make_certificate(ADOPTED)
    for name in ("events", "leaves"):
        value[name].insert(3, value[name][3])
    assert first_difference(value).pointer == "/events/4/sequence"


def test_what_came_after_the_closing() -> None:
    log = busy_log((*ADOPTED, IntentionRecorded("FJI", Vote.NO, None)))
    found = first_difference(with_entries(as_json(log.certificate()), log, log.of()))
    assert found.pointer == f"/events/{len(ADOPTED)}"
    assert "after the closing" in found.there


def test_the_events_of_another_roll_call() -> None:
    log = Log().write(*ADOPTED).write(*REJECTED, roll_call="es-11-3")
    value = as_json(log.certificate())
    assert is_valid(with_entries(value, log, log.of()))
    found = first_difference(with_entries(value, log, log.of("es-11-3")))
    assert found.pointer == "/roll_call"


@pytest.mark.parametrize("member", ["tally", "votes", "not_voting", "result"])
def test_the_result_of_another_roll_call(member: str) -> None:
    log = Log().write(*ADOPTED).write(*REJECTED, roll_call="es-11-3")
    value, other = (
        as_json(log.certificate(roll_call)) for roll_call in ("es-11-1", "es-11-3")
    )
    other["not_voting"].append("FJI")  # else it is the same
    value[member] = other[member]
    assert first_difference(value).pointer.startswith(f"/{member}/")


def test_an_event_that_another_log_signed() -> None:
    """Each from a true certificate of the same roll call number, but not of one log."""
    value = make_certificate(ADOPTED)
    other = make_certificate(REJECTED)
    for name in ("events", "leaves"):
        value[name][4] = other[name][4]
    assert first_difference(value).pointer == "/proof"


@pytest.mark.parametrize("member", ["events", "leaves", "proof", "checkpoint"])
def test_parts_of_a_certificate_of_a_log_that_is_longer(member: str) -> None:
    log = busy_log(ADOPTED)
    value = as_json(log.certificate())
    longer = as_json(log.write(*ADOPTED, roll_call="es-11-3").certificate())
    assert is_valid(longer)
    value[member] = longer[member]
    if member in {"events", "leaves"}:  # they are the same
        assert is_valid(value)
    else:
        assert first_difference(value).pointer == "/proof"


# ---- the checkpoint and its witnesses


def resealed(value: Json, text: str, *signers: Signer) -> Json:
    """The certificate with another checkpoint that these keys sign."""
    return {**value, "checkpoint": sign(text, *signers)}


@pytest.mark.parametrize(
    ("line", "to", "says"),
    [
        (0, "tellers.local/sc", 'of "tellers.local/ga", its key\'s'),
        (0, "", "a signed checkpoint"),
        (1, "0192", "a signed checkpoint"),
        (2, "AAAA", "a signed checkpoint"),
        (3, "epoch", "a signed checkpoint"),
        (4, "key", "a signed checkpoint"),
        (4, "", "a signed checkpoint"),
    ],
)
def test_a_log_that_signs_something_else(line: int, to: str, says: str) -> None:
    value = make_certificate(ADOPTED)
    lines = busy_log(ADOPTED).checkpoint().text().split("\n")
    lines[line] = to
    found = first_difference(resealed(value, "\n".join(lines), OURS))
    assert (found.pointer, says in found.should_be) == ("/checkpoint", True)


def test_the_signature_over_another_text() -> None:
    value = make_certificate(ADOPTED)
    text = busy_log(ADOPTED).checkpoint().text()
    other = OURS.sign(text.replace("k3v9", "k3v8"))
    value["checkpoint"] = f"{text}\n{other}\n"
    assert "does not hold" in first_difference(value).there


def test_a_signature_of_another_length() -> None:
    value = make_certificate(ADOPTED)
    text = busy_log(ADOPTED).checkpoint().text()
    for size in (63, 65, 72):
        line = Signature(OURS.name, OURS.key.key_id, bytes(size))
        value["checkpoint"] = f"{text}\n{line}\n"
        assert f"{size} bytes" in first_difference(value).there


def test_a_key_of_a_witness_is_no_key_of_a_log() -> None:
    signer = Signer(OURS.name, b"the log's", COSIGNER.algorithm)
    value = make_certificate(ADOPTED, signer=signer)
    found = first_difference(value)
    assert (found.pointer, found.should_be) == ("/key/vkey", "a log's key")


def test_the_log_does_not_witness_itself() -> None:
    value = make_certificate(ADOPTED, witnesses=(Signer("elsewhere", b"the log's"),))
    assert first_difference(value).pointer == "/witnesses/0"
    assert is_valid(make_certificate(ADOPTED, witnesses=(Signer("elsewhere", b"x"),)))


def test_a_witness_counts_once() -> None:
    value = make_certificate(ADOPTED, witnesses=(WITNESS, WITNESS))
    assert first_difference(value).pointer == "/witnesses/1"


def test_a_witness_that_signed_something_else() -> None:
    log = busy_log(ADOPTED, witnesses=(COSIGNER,))
    value = as_json(log.certificate())
    text = log.checkpoint().text()
    stale = COSIGNER.sign(text.replace("k3v9", "k3v8"))
    value["checkpoint"] = f"{text}\n{OURS.sign(text)}\n{stale}\n"
    found = first_difference(value)
    assert (found.pointer, "cosigner.example/w1" in found.there) == (
        "/checkpoint",
        True,
    )


def test_a_witness_that_is_not_named() -> None:
    value = make_certificate(ADOPTED, witnesses=(WITNESS,))
    value["witnesses"] = []
    assert first_difference(value).pointer == "/witnesses"


def test_an_old_note_with_witnesses_that_nobody_names() -> None:
    log = busy_log(ADOPTED, witnesses=(WITNESS,))
    value = {**as_json(log.consistency(3)), "old": log.note(3)}
    assert first_difference(value).pointer == "/old"


def test_notes_that_differ_in_how_the_key_came_to_be() -> None:
    value = make_consistency(3, history=ADOPTED)
    value["old"] = busy_log(ADOPTED, made_up=False).note(3)
    assert first_difference(value).pointer == "/key/made_up"


@pytest.mark.parametrize(("size", "missed"), [(7, "old root"), (8, "new root")])
def test_a_log_that_was_rewritten(size: int, missed: str) -> None:
    value = make_consistency(size, history=ADOPTED)
    value["old"] = busy_log(REJECTED).note(size)
    found = first_difference(value)
    assert (found.pointer, missed in found.there) == ("/proof", True)


def test_a_log_that_shrank() -> None:
    value = make_consistency(6, history=ADOPTED)
    value["old"], value["new"] = value["new"], value["old"]
    assert first_difference(value).pointer == "/proof"


def test_a_restored_log_continues_the_one_that_was_lost() -> None:
    value = make_consistency(6, history=ADOPTED)
    value["old"] = busy_log(ADOPTED, epoch="x2y4").note(6)
    assert is_valid(value)


# ---- logs that sign what did not happen


def sealed(log: Log, entries: list[bytes]) -> Json:
    """The certificate of `ADOPTED`, signed by the log over these entries instead."""
    honest = as_json(busy_log(ADOPTED).certificate())
    value = with_entries(honest, log, entries)
    return {**value, "checkpoint": log.note()}


def with_entry(index: int, entry: bytes) -> Json:
    """The certificate of a log that signs this entry in the place of one of its own."""
    log = Log().write(*ADOPTED)
    value = as_json(log.certificate())
    assert entry != log.entries[index]
    log.entries[index] = entry
    value["events"][index] = json.loads(public_event(entry, log.epoch))
    value["leaves"][index] = to_base64(merkle.leaf_hash(entry))
    return {**value, "checkpoint": log.note()}


def test_a_result_other_than_the_votes_give() -> None:
    *before, end = ADOPTED
    assert isinstance(end, RollCallClosed)
    log = Log().write(*before, RollCallClosed(end.counts, Outcome.REJECTED, None))
    found = first_difference(sealed(log, log.of()))
    assert found.pointer == f"/events/{len(before)}"
    assert "another result than its votes give" in found.there


def test_a_tree_of_another_log() -> None:
    signer = Signer("tellers.local/sc", b"the log's")
    log = Log(GA, signer=signer).write(*ADOPTED)
    found = first_difference(as_json(log.certificate()))
    assert (found.pointer, "tellers.local/sc" in found.there) == ("/checkpoint", True)
    (inclusion,) = (as_json(log.inclusion(entry)) for entry in log.of()[3:4])
    assert first_difference(inclusion).pointer == "/checkpoint"


def test_an_event_that_nobody_here_knows() -> None:
    entry = Log().write(*ADOPTED).entries[3]
    entry = entry.replace(b"vote.recorded.v1", b"vote.dreamt.v1")
    value = with_entry(3, entry)
    found = first_difference(value)
    assert (found.pointer, "unknown event type" in found.there) == ("/events/3", True)
    log = Log().write(*ADOPTED)
    log.entries[3] = entry
    digests = merkle.missing(len(log.entries), [3], log.subtree)
    alone = make_inclusion("FJI", history=ADOPTED) | {
        "event": value["events"][3],
        "leaf": value["leaves"][3],
        "proof": [to_base64(digest) for digest in digests],
        "checkpoint": value["checkpoint"],
    }
    assert first_difference(alone).pointer == "/event"
    assert "unknown event type" in first_difference(alone).there


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        (b'"sequence":"0000000000000004"', b'"sequence":"4"'),
        (b'"sequence":"0000000000000004"', b'"sequence":" 000000000000004"'),
        (b'"sequence":"0000000000000004"', '"sequence":"000000000000000٤"'.encode()),
        (b'"sequence":"0000000000000004"', b'"sequence":4'),
        (b',"sequence":"0000000000000004"', b""),
    ],
)
def test_a_place_that_readers_understand_differently(
    there: bytes, instead: bytes
) -> None:
    entry = Log().write(*ADOPTED).entries[3].replace(there, instead)
    assert first_difference(with_entry(3, entry)).pointer == "/events/3/sequence"


@given(st.lists(events, min_size=1, max_size=6))
@settings(max_examples=60)
def test_any_events_that_a_log_may_sign_are_judged_calmly(
    history: list[Event],
) -> None:
    log = Log().write(*history)
    assert not is_valid(sealed(log, log.of()))
    for entry in log.of():
        found = verify(json.dumps(as_json(log.inclusion(entry))).encode())
        assert isinstance(found, Valid), found  # true, if senseless: it is in the log


def test_a_key_that_is_said_to_be_somebody_elses() -> None:
    log = busy_log(ADOPTED)
    entries = log.of()
    key = Key.of(WITNESS.key, log.made_up)
    certificate = certify(
        entries, log.epoch, log.proof(entries), log.seal()._replace(key=key)
    )
    found = first_difference(as_json(certificate))
    assert (found.pointer, "by another key" in found.there) == ("/checkpoint", True)
