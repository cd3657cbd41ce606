"""Files that readers would understand differently, or not at all."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellers_client.verify import Invalid, Unreadable, verify
from tests.certificates import make_certificate
from tests.client.verifying import FILES, SMALL, as_file, differences, every_kind


@pytest.mark.parametrize(
    ("there", "instead", "named"),
    [
        ('"yes": 2', '"yes": 2.0', "/tally/counts/yes"),
        ('"yes": 2', '"yes": 2e0', "/tally/counts/yes"),
        ('"yes": 2', '"yes": 9007199254740993', "/tally/counts/yes"),
        ('"yes": 2', '"yes": -9007199254740993', "/tally/counts/yes"),
        ('"yes": 2', f'"yes": {"9" * 9999}', "/tally/counts/yes"),
        ('"yes": 2', '"yes": 2, "yes": 2', "/tally/counts/yes"),
        ('"yes": 2', '"yes": 3, "yes": 2', "/tally/counts/yes"),
        ('"epoch": "k3v9"', '"epoch": "k3v9\\ud800"', "/epoch"),
        ('"epoch": "k3v9"', '"epoch": "k3v9", "\\udc00": 1', "/\\udc00"),
    ],
)
def test_json_that_readers_understand_differently(
    there: str, instead: str, named: str
) -> None:
    text = json.dumps(make_certificate(SMALL)).replace(there, instead, 1)
    found = verify(text.encode())
    assert isinstance(found, Invalid)
    assert found.differences[0].pointer == named


def test_half_characters_in_an_event() -> None:
    value = make_certificate(SMALL)
    value["events"][0]["data"]["title"] = "\ud800"
    assert differences(value)[0].pointer == "/events/0/data/title"
    value = make_certificate(SMALL)
    value["events"][0]["data"]["\udc00"] = 1
    assert differences(value)[0].pointer == "/events/0/data/\\udc00"


def test_another_epoch_wherever_it_stands() -> None:
    """The checkpoint says which; that it is the same everywhere proves nothing."""
    value = make_certificate(SMALL)
    for part in (value, value["tally"], *value["events"]):
        part["epoch"] = "x2y4"
    first = differences(value)[0]
    assert str(first) == '/epoch is "x2y4", should be "k3v9"'


CERTIFICATE = as_file(make_certificate(SMALL))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"[]", "no JSON object"),
        (b"null", "no JSON object"),
        (b"{}", "no type known here"),
        (b'{"type":null}', "no type known here"),
        (b'{"type":[]}', "no type known here"),
        (b'{"type":"org.tellers.certificate.v2"}', "no type known here: .*v2"),
        (b'{"type":"org.tellers.vote.recorded.v1"}', "no type known here"),
        (CERTIFICATE.replace(b"{", b'{"type":"org.other",', 1), "no type known here"),
        (b"\xef\xbb\xbf" + CERTIFICATE, "no JSON"),
        (CERTIFICATE + b"x", "no JSON"),
        (CERTIFICATE + CERTIFICATE, "no JSON"),
        (CERTIFICATE.replace(b'"ga"', b'"g\xff"'), "no UTF-8"),
        (CERTIFICATE.decode().encode("utf-16"), "no UTF-8"),
        (CERTIFICATE.replace(b'"yes": 2', b'"yes": NaN'), "no JSON"),
        (CERTIFICATE.replace(b'"yes": 2', b'"yes": -Infinity'), "no JSON"),
        (CERTIFICATE.replace(b'"yes": 2', b"'yes': 2"), "no JSON"),
        (b'{"type":"org.tellers.certificate.v1","a":' + b"[" * 99999, "nested"),
        (
            CERTIFICATE.replace(b'"yes": 2', b'"yes": %b1%b' % (b"[" * 64, b"]" * 64)),
            "nested",
        ),
        (b" " * (16 * 1024 * 1024 + 1), "more than 16 MiB"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        verify(data)


@given(st.binary(max_size=50) | st.text(max_size=50).map(str.encode))
def test_any_bytes_are_refused_calmly(data: bytes) -> None:
    with pytest.raises(Unreadable):
        verify(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@every_kind
@given(st.data())
def test_anything_in_any_member_is_refused_calmly(
    kind: str, data: st.DataObject
) -> None:
    value = FILES[kind]()
    name = data.draw(st.sampled_from(sorted(value)))
    value[name] = data.draw(json_values)
    with suppress(Unreadable):
        differences(value)
