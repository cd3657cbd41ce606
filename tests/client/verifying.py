"""Words for the tests of the verifier: the three kinds of file, and what it says."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tellers_client.verify import Difference, Invalid, Valid, expected_key, verify
from tellers_core.events import Event
from tests.certificates import (
    COSIGNER,
    WITNESS,
    make_certificate,
    make_consistency,
    make_inclusion,
)
from tests.scenario import closed, opened, votes

Json = dict[str, Any]

# Small, so that every place of it can be changed in every way.
SMALL: tuple[Event, ...] = closed(
    *opened(), *votes(yes="FJI PER", no="RUS", abstain="FRA")
)
WITNESSES = {"witnesses": (WITNESS, COSIGNER)}
FILES: dict[str, Callable[[], Json]] = {
    "certificate": lambda: make_certificate(SMALL, **WITNESSES),
    "inclusion": lambda: make_inclusion("FRA", history=SMALL, **WITNESSES),
    "consistency": lambda: make_consistency(5, history=SMALL, **WITNESSES),
}
every_kind = pytest.mark.parametrize("kind", FILES)


def as_file(value: Any) -> bytes:
    return json.dumps(value).encode()


def differences(value: Any, key: str | None = None) -> tuple[Difference, ...]:
    """What is wrong with it; at least something must be."""
    found = verify(as_file(value), None if key is None else expected_key(key))
    assert isinstance(found, Invalid), "it verifies"
    assert found.differences
    return found.differences


def valid(value: Any, key: str | None = None) -> Valid:
    found = verify(as_file(value), None if key is None else expected_key(key))
    assert isinstance(found, Valid), found
    return found
