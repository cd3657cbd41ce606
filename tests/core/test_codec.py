"""Bytes of the log: golden files, canonical form, CloudEvents, and what is refused."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import rfc8785
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given as for_all
from hypothesis import strategies as st

from tellers_core import codec
from tellers_core.codec import (
    LogName,
    Recorded,
    decode,
    encode,
    public_event,
    publishable,
)
from tellers_core.errors import CorruptHistory
from tellers_core.events import (
    WIRE_NAMES,
    Counts,
    Event,
    Figures,
    IntentionRecorded,
    Outcome,
    Reveal,
    RollCallAnnulled,
    RollCallClosed,
    RollCallLocked,
    RollCallOpened,
    RollCallScheduled,
    RollCallUnlocked,
    RuleChanged,
    Vote,
    VoteChanged,
    VoteRecorded,
    VoteWithdrawn,
    wire_name,
)
from tellers_core.majority import Fraction
from tellers_core.upcasters import UPCASTERS, Payload, Upcasters, upcast
from tests import strategies
from tests.scenario import AT, EPOCH, FIXTURES

GA = LogName("ga")
GAP_MARKER = '"datacontenttype":"application/json",'

# ---- golden files: one per event type and schema; added, never changed

GOLDEN: dict[str, Event] = {
    "roll_call.scheduled.v1": RollCallScheduled(
        title='The "Uniting for peace" résolution \u2014 \u6295\u7968',
        symbol="A/ES-11/L.1",
        rule="two_thirds",
        members=("FJI", "FRA", "NOR", "PER"),
        entitled=("FJI", "FRA", "NOR"),
        barred={"PER": "Charter Article 19"},
        permanent=("FRA",),
        called_from="NOR",
        rehearsal=False,
        reveal=Reveal.LIVE,
    ),
    "roll_call.opened.v1": RollCallOpened(),
    "roll_call.locked.v1": RollCallLocked(),
    "roll_call.unlocked.v1": RollCallUnlocked(),
    "roll_call.rule_changed.v1": RuleChanged(
        Fraction("5/8", "members", strict=True), previous="two_thirds"
    ),
    "roll_call.closed.v1": RollCallClosed(
        Counts(yes=141, no=5, abstain=35, not_voting=12, entitled=193, members=193),
        Outcome.ADOPTED,
        Figures(yes=141, no=5, abstain=35),
    ),
    "roll_call.annulled.v1": RollCallAnnulled(),
    "vote.recorded.v1": VoteRecorded("FRA", Vote.YES),
    "vote.changed.v1": VoteChanged("FRA", Vote.ABSTAIN, previous=Vote.YES),
    "vote.withdrawn.v1": VoteWithdrawn("FRA", previous=Vote.ABSTAIN),
    "intention.recorded.v1": IntentionRecorded("FRA", Vote.NO, "the lamp failed"),
}
GOLDEN_FILES = sorted((FIXTURES / "events").glob("*.json"))


def entry(event: Event, seq: int = 42, version: int = 38) -> bytes:
    return encode(GA, "es-11-1", event, AT).filled("es-11-1", seq, version)


def changed(entry: bytes, **attributes: object) -> bytes:
    """The entry with other attributes; None takes one away."""
    value = json.loads(entry) | attributes
    return json.dumps({k: v for k, v in value.items() if v is not None}).encode()


def test_every_event_has_a_golden_file_in_its_current_schema() -> None:
    current = {f"{name}.v{schema}" for name, schema in WIRE_NAMES.values()}
    assert current <= {path.stem for path in GOLDEN_FILES} == set(GOLDEN)
    assert {type(event) for event in GOLDEN.values()} == set(WIRE_NAMES)


@pytest.mark.parametrize("name", GOLDEN)
def test_an_event_is_written_as_in_its_golden_file(name: str) -> None:
    written = (FIXTURES / "events" / f"{name}.json").read_bytes()
    assert entry(GOLDEN[name]) == written


@pytest.mark.parametrize("path", GOLDEN_FILES, ids=lambda path: path.stem)
def test_a_golden_file_decodes_for_ever(path: Path) -> None:
    event = GOLDEN[path.stem]
    expected = Recorded("/chambers/ga", "es-11-1", f"{42:016}", 38, AT, event)
    found = decode(path.read_bytes())
    assert found == expected
    assert found.seq == 42


@pytest.mark.parametrize("path", GOLDEN_FILES, ids=lambda path: path.stem)
def test_a_golden_file_is_canonical_and_named_after_its_type(path: Path) -> None:
    value = json.loads(path.read_bytes())
    assert rfc8785.dumps(value) == path.read_bytes()
    assert value["type"] == f"org.tellers.{path.stem}"


def test_the_contracts_example_comes_out() -> None:
    event = VoteRecorded("FRA", Vote.YES)
    template = encode(GA, "es-11-1", event, "2026-11-23T17:00:01.234Z")
    assert json.loads(public_event(template.filled("es-11-1", 42, 38), "k3v9")) == {
        "specversion": "1.0",
        "id": "ga-0000000000000042",
        "source": "/chambers/ga",
        "type": "org.tellers.vote.recorded.v1",
        "subject": "es-11-1/FRA",
        "time": "2026-11-23T17:00:01.234Z",
        "datacontenttype": "application/json",
        "sequence": "0000000000000042",
        "epoch": "k3v9",
        "rollcall": "es-11-1",
        "rollcallversion": 38,
        "data": {"delegation": "FRA", "vote": "yes", "previous": None},
    }


# ---- canonical, valid, and the same after reading


@for_all(
    log=st.builds(LogName, strategies.chambers, st.booleans()),
    roll_call=strategies.roll_calls,
    event=strategies.events,
    time=strategies.times,
    seq=st.integers(1, 10**16 - 1),
    version=st.integers(1, 2**31 - 1),
    epoch=strategies.epochs,
)
def test_any_event_survives_the_log_and_is_a_canonical_cloudevent(
    *,
    log: LogName,
    roll_call: str,
    event: Event,
    time: str,
    seq: int,
    version: int,
    epoch: str,
) -> None:
    written = encode(log, roll_call, event, time).filled(roll_call, seq, version)
    expected = Recorded(log.source, roll_call, f"{seq:016}", version, time, event)
    assert decode(written) == expected
    assert decode(written).seq == seq
    assert rfc8785.dumps(json.loads(written)) == written

    published = public_event(written, epoch)
    value = json.loads(published)
    assert rfc8785.dumps(value) == published
    assert value.pop("epoch") == epoch
    assert value == json.loads(written)
    assert decode(published) == expected

    cloud_event = JSONFormat().read(None, published)
    assert cloud_event.get_specversion() == "1.0"
    assert cloud_event.get_type() == f"org.tellers.{wire_name(event)}.v1"
    assert cloud_event.get_source() == log.source
    assert cloud_event.get_id() == f"{log.chamber}-{seq:016}"
    assert cloud_event.get_extension("sequence") == f"{seq:016}"
    assert cloud_event.get_extension("rollcallversion") == version
    assert cloud_event.get_data() == value["data"]


def test_an_event_about_a_delegation_names_it_as_its_subject() -> None:
    subjects = {
        name: json.loads(entry(event))["subject"] for name, event in GOLDEN.items()
    }
    assert {n for n, subject in subjects.items() if subject == "es-11-1/FRA"} == {
        *("vote.recorded.v1", "vote.changed.v1", "vote.withdrawn.v1"),
        "intention.recorded.v1",
    }
    assert set(subjects.values()) == {"es-11-1", "es-11-1/FRA"}


def test_attribute_names_are_fit_for_every_transport() -> None:
    # CloudEvents: lower-case letters and digits, and should not exceed 20.
    for event in GOLDEN.values():
        names = json.loads(public_event(entry(event), EPOCH))
        assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in names)


@pytest.mark.parametrize(
    "text",
    [
        GAP_MARKER,
        json.dumps(GAP_MARKER),
        '"},' + GAP_MARKER + '"id":"ga-',
        'a "quoted" title',
        "\\",
        "\\u0022",
    ],
)
def test_the_epoch_finds_its_place_whatever_the_title_says(text: str) -> None:
    scheduled = msgspec.structs.replace(
        GOLDEN["roll_call.scheduled.v1"],
        title=text,
        symbol=text,
        barred={"PER": text, "datacontenttype": "application/json"},
    )
    for event in (scheduled, IntentionRecorded("FRA", Vote.NO, text)):
        published = public_event(entry(event), EPOCH)
        value = json.loads(published)
        assert rfc8785.dumps(value) == published
        assert value["epoch"] == EPOCH
        assert decode(published).event == event


def test_the_bytes_of_an_entry_do_not_depend_on_the_epoch() -> None:
    written = entry(VoteRecorded("FRA", Vote.YES))
    old, new = public_event(written, "k3v9"), public_event(written, "z8q1")
    assert old.replace(b'"epoch":"k3v9",', b"") == written
    assert new.replace(b'"epoch":"z8q1",', b"") == written


# ---- the names of logs


@pytest.mark.parametrize(
    ("name", "text", "source"),
    [
        (LogName("ga"), "ga", "/chambers/ga"),
        (LogName("ga", rehearsal=True), "ga/rehearsal", "/chambers/ga/rehearsal"),
    ],
)
def test_a_log_is_known_by_its_name_and_its_source(
    name: LogName, text: str, source: str
) -> None:
    assert (str(name), name.source) == (text, source)
    assert LogName.parse(text) == LogName.parse(source) == name


# ---- what is not understood is refused

VOTE = entry(VoteRecorded("FRA", Vote.YES))


@pytest.mark.parametrize(
    "type_",
    [
        "org.tellers.vote.dreamt.v1",
        "org.tellers.vote.recorded.v2",
        "org.tellers.vote.recorded.v0",
        "org.tellers.vote.recorded.v-1",
        "org.tellers.vote.recorded.v",
        "org.tellers.vote.recorded.v\u00b2",
        "org.tellers.vote.recorded",
        "org.example.vote.recorded.v1",
        "",
    ],
)
def test_an_unknown_type_or_a_newer_schema_is_refused(type_: str) -> None:
    with pytest.raises(CorruptHistory):
        decode(changed(VOTE, type=type_))


def test_the_refusal_of_a_newer_schema_names_it() -> None:
    with pytest.raises(CorruptHistory, match=r"org\.tellers\.vote\.recorded\.v2"):
        decode(changed(VOTE, type="org.tellers.vote.recorded.v2"))


@pytest.mark.parametrize(
    "attribute",
    ["data", "rollcall", "rollcallversion", "sequence", "source", "time", "type"],
)
def test_an_event_that_lacks_an_attribute_is_refused(attribute: str) -> None:
    with pytest.raises(CorruptHistory, match=attribute):
        decode(changed(VOTE, **{attribute: None}))


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"\x00",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"vote"',
        b"{}",
        VOTE[:-1],
        VOTE + b"}",
        VOTE + VOTE,
        VOTE.replace(b"FRA", b"\xff\xff\xff"),
        b"[" * 100_000,
        VOTE.replace(b'{"delegation"', b'{"x":' + b"[" * 100_000 + b',"delegation"'),
        changed(VOTE, sequence="forty-two"),
        changed(VOTE, sequence=42),
        changed(VOTE, sequence=""),
        changed(VOTE, sequence="+42"),
        changed(VOTE, sequence="4_2"),
        changed(VOTE, sequence="4" * 5000),
        changed(VOTE, rollcallversion="38"),
        changed(VOTE, data={}),
        changed(VOTE, data=[]),
        changed(VOTE, data={"delegation": "FRA"}),
        changed(VOTE, data={"delegation": "FRA", "vote": "maybe"}),
        changed(VOTE, data={"delegation": "FRA", "vote": "yes", "previous": "no"}),
    ],
    ids=lambda junk: repr(junk[:20]),
)
def test_junk_is_refused(junk: bytes) -> None:
    with pytest.raises(CorruptHistory):
        decode(junk)


@for_all(st.binary(max_size=60))
def test_any_bytes_decode_or_are_refused_and_nothing_else(junk: bytes) -> None:
    with pytest.raises(CorruptHistory):
        decode(junk)
    codec.roll_call_of(junk)


@for_all(at=st.integers(0, len(VOTE) - 1), byte=st.integers(0, 255))
def test_a_flipped_byte_is_an_event_or_refused_and_nothing_else(
    at: int, byte: int
) -> None:
    damaged = VOTE[:at] + bytes([byte]) + VOTE[at + 1 :]
    codec.roll_call_of(damaged)
    try:
        decode(damaged)
    except CorruptHistory:
        return


def test_whose_event_it_is_can_be_told_of_a_type_not_understood() -> None:
    future = changed(VOTE, type="org.tellers.vote.dreamt.v7", data={"new": True})
    assert codec.roll_call_of(future) == "es-11-1"


@pytest.mark.parametrize(
    "junk",
    [b"", b"{}", b"[]", b'{"rollcall":5}', b'{"rollcall":"\xff"}', b"[" * 100_000],
    ids=lambda junk: repr(junk[:20]),
)
def test_whose_event_junk_is_cannot_be_told(junk: bytes) -> None:
    assert codec.roll_call_of(junk) is None


# ---- upcasters: old payloads brought to the current schema


def renamed(old: str, new: str) -> Callable[[Payload], Payload]:
    def step(data: Payload) -> Payload:
        return {new if key == old else key: value for key, value in data.items()}

    return step


# As if vote.recorded were in schema 3 today: `country` became `member` in schema 2 and
# `delegation` in schema 3.
STEPS: Upcasters = {
    ("vote.recorded", 1): renamed("country", "member"),
    ("vote.recorded", 2): renamed("member", "delegation"),
}
OLD_VOTES = [
    ("v1", {"country": "FRA", "vote": "yes", "previous": None}),
    ("v2", {"member": "FRA", "vote": "yes", "previous": None}),
    ("v3", {"delegation": "FRA", "vote": "yes", "previous": None}),
]


@pytest.fixture
def schema_three(monkeypatch: pytest.MonkeyPatch) -> None:
    """A codec of the future, that knows vote.recorded in schema 3."""
    decoders = codec._DECODERS
    current = decoders[b'org.tellers.vote.recorded.v1"}']
    monkeypatch.delitem(decoders, b'org.tellers.vote.recorded.v1"}')
    monkeypatch.setitem(decoders, b'org.tellers.vote.recorded.v3"}', current)
    monkeypatch.setitem(codec._CURRENT, "vote.recorded", (3, VoteRecorded))


@pytest.mark.usefixtures("schema_three")
@pytest.mark.parametrize(("schema", "data"), OLD_VOTES)
def test_an_old_event_is_brought_through_every_later_schema(
    schema: str, data: dict[str, Any]
) -> None:
    old = changed(VOTE, type=f"org.tellers.vote.recorded.{schema}", data=data)
    assert decode(old, STEPS).event == VoteRecorded("FRA", Vote.YES)


@pytest.mark.usefixtures("schema_three")
@pytest.mark.parametrize("missing", STEPS)
def test_an_old_event_whose_step_is_missing_is_refused(
    missing: tuple[str, int],
) -> None:
    steps = {step: upcaster for step, upcaster in STEPS.items() if step != missing}
    old = changed(VOTE, type="org.tellers.vote.recorded.v1", data=OLD_VOTES[0][1])
    with pytest.raises(CorruptHistory, match="no upcaster"):
        decode(old, steps)


@pytest.mark.usefixtures("schema_three")
@pytest.mark.parametrize(
    ("schema", "data"),
    [
        ("v4", OLD_VOTES[2][1]),  # newer still
        ("v0", OLD_VOTES[0][1]),
        ("v1", {"vote": "yes"}),  # still lacks its delegation after the last step
        ("v1", []),  # no payload a step could work on
        ("v1", None),
    ],
)
def test_what_no_step_can_mend_is_refused(schema: str, data: object) -> None:
    old = json.loads(VOTE) | {
        "type": f"org.tellers.vote.recorded.{schema}",
        "data": data,
    }
    with pytest.raises(CorruptHistory):
        decode(json.dumps(old).encode(), STEPS)


def test_a_payload_passes_only_the_steps_it_needs() -> None:
    assert upcast("vote.recorded", 1, 3, {"country": "FRA"}, STEPS) == {
        "delegation": "FRA"
    }
    assert upcast("vote.recorded", 1, 2, {"country": "FRA"}, STEPS) == {"member": "FRA"}
    assert upcast("vote.recorded", 3, 3, {"country": "FRA"}, STEPS) == {
        "country": "FRA"
    }


def test_a_step_leaves_the_payload_it_was_given() -> None:
    data = {"country": "FRA"}
    upcast("vote.recorded", 1, 3, data, STEPS)
    assert data == {"country": "FRA"}


def test_every_step_leads_from_a_golden_file_to_a_schema_that_exists() -> None:
    current = dict(WIRE_NAMES.values())
    for name, schema in UPCASTERS:
        assert schema < current[name]
        assert (FIXTURES / "events" / f"{name}.v{schema}.json").exists()


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"junk",
        b"\xff\xfe",
        b"[1]",
        b'{"rollcall":"es-11-1"}',
        b'{"rollcall":1,"datacontenttype":"application/json","id":"x"}',
        b'{"a":"\xff","rollcall":"r","datacontenttype":"application/json","id":1}',
    ],
)
def test_what_is_no_event_is_published_as_one_that_says_so(junk: bytes) -> None:
    stored = publishable(LogName("ga"), 7, junk)
    assert rfc8785.dumps(json.loads(stored)) == stored
    published = json.loads(public_event(stored, "k3v9"))
    assert published["type"] == "org.tellers.unreadable.v1"
    assert published["id"] == "ga-0000000000000007"
    assert published["epoch"] == "k3v9"
    assert published["data"] == {"entry": junk.decode(errors="backslashreplace")}


def test_an_event_is_published_as_it_is() -> None:
    stored = entry(VoteRecorded("FRA", Vote.YES))
    assert publishable(LogName("ga"), 42, stored) is stored
