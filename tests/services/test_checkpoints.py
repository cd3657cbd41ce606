"""Signed checkpoints as the gateway gives them, what they prove of each other, and
witnesses' signatures; /status.json."""

import os
import subprocess
import sys
from itertools import combinations_with_replacement
from typing import Any, NamedTuple

import httpx
import pytest

from tellers_client.verify import Growth, Valid, expected_key, verify
from tellers_core.notes import Checkpoint, VerifierKey, fingerprint, parse_note
from tests.certificates import COSIGNER, WITNESS, Signer, sign
from tests.e2e.stack import Clerk, Stack
from tests.servers import wait_until
from tests.services.tallying import Archive
from tests.services.viewing import PATIENCE, refusal

pytest_plugins = ("tests.services.gateway_stack",)

LIST = "/v1/ga/checkpoints"


class Signed(NamedTuple):
    """A checkpoint as the list has it."""

    size: int
    root: str
    note: str

    @property
    def text(self) -> str:
        return parse_note(self.note).text

    @property
    def path(self) -> str:
        return f"{LIST}/{self.size}"


def listed(http: httpx.Client, path: str = LIST, **query: Any) -> list[Signed]:
    response = http.get(path, params=query)
    assert response.status_code == 200, response.text
    assert list(response.json()) == ["items"]
    found = []
    for item in response.json()["items"]:
        assert list(item) == ["size", "root", "at", "checkpoint"]
        found.append(Signed(item["size"], item["root"], item["checkpoint"]))
    return found


def closing(http: httpx.Client, clerk: Clerk, name: str) -> Signed:
    """A roll call that is closed, and the checkpoint that was signed with it."""
    clerk.open(name)
    clerk.vote(name, "FRA", "yes")
    clerk.step(name, "lock")
    seq = clerk.step(name, "close")["seq"]
    path = f"{LIST}/{seq}"
    wait_until(lambda: http.get(path).is_success, PATIENCE, path)
    (found,) = (one for one in listed(http, limit=100) if one.size == seq)
    return found


@pytest.fixture(scope="module")
def signed(http: httpx.Client, clerk: Clerk) -> list[Signed]:
    """Checkpoints of four closings, the oldest first."""
    return [closing(http, clerk, f"check-{number}") for number in range(4)]


# ---- reading


def test_the_newest_comes_first(http: httpx.Client, signed: list[Signed]) -> None:
    sizes = [one.size for one in listed(http, limit=100)]
    assert sizes == sorted(sizes, reverse=True)
    assert {one.size for one in signed} <= set(sizes)
    assert [one.size for one in listed(http, limit=2)] == sizes[:2]
    assert refusal(http.get(LIST, params={"limit": 0})) == (422, "bad_request")
    assert refusal(http.get(LIST, params={"limit": 101})) == (422, "bad_request")


def test_one_is_a_signed_note_as_plain_text(
    http: httpx.Client, signed: list[Signed]
) -> None:
    for one in signed:
        response = http.get(one.path)
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.text == one.note
        checkpoint = Checkpoint.parse(one.text)
        assert (checkpoint.origin, checkpoint.size) == ("tellers.local/ga", one.size)
        assert checkpoint.extensions[1] == "key made up on first start"


def test_every_pair_proves_that_the_log_only_grew(
    http: httpx.Client, signed: list[Signed]
) -> None:
    key = http.get("/status.json").json()["key"]["fingerprint"]
    pairs = list(combinations_with_replacement(signed, 2))
    assert len(pairs) == 10
    for old, new in pairs:
        path = f"{new.path}/consistency"
        response = http.get(path, params={"from": old.size})
        found = verify(response.content, expected_key(key))
        assert isinstance(found, Valid), found
        assert isinstance(found.proves, Growth)
        assert (found.proves.old.size, found.proves.new.size) == (old.size, new.size)


def test_what_was_not_signed_is_not_found(
    http: httpx.Client, signed: list[Signed]
) -> None:
    one = signed[-1]
    between = signed[0].size + 1
    assert refusal(http.get(f"{LIST}/{between}")) == (404, "not_found")
    for path in (f"{LIST}/{between}/consistency", f"{one.path}/consistency"):
        response = http.get(path, params={"from": between})
        assert refusal(response) == (404, "not_found")
    for path, code in (
        (f"{LIST}/0", "bad_request"),
        (f"{LIST}/x", "bad_request"),
        (f"{LIST}/{2**64}", "bad_request"),
        (f"{one.path}/consistency", "bad_request"),
        (f"{one.path}/consistency?from=0", "bad_request"),
        (f"{signed[0].path}/consistency?from={one.size}", "bad_request"),
    ):
        assert refusal(http.get(path)) == (422, code)
    assert refusal(http.get("/v1/xx/checkpoints")) == (404, "unknown_chamber")


def test_what_two_keys_signed_no_one_key_vouches_for(
    http: httpx.Client, stack: Stack, signed: list[Signed]
) -> None:
    old, new = signed[0], signed[1]
    path = f"{new.path}/consistency?from={old.size}"
    key = http.get("/status.json").json()["key"]["vkey"]
    put = f"UPDATE checkpoint SET vkey = '{{}}' WHERE log = 'ga' AND size = {old.size}"
    with Archive(stack.database_url) as archive:
        archive.tampered(put.format(WITNESS.key))
        response = http.get(path)
        archive.tampered(put.format(key))
    assert refusal(response) == (404, "not_found")
    assert "another key signed" in response.json()["detail"]
    assert http.get(path).is_success


def test_rehearsals_have_their_own(
    http: httpx.Client, clerk: Clerk, signed: list[Signed]
) -> None:
    clerk.open("check-rehearsal", rehearsal=True)
    clerk.step("check-rehearsal", "lock")
    seq = clerk.step("check-rehearsal", "close")["seq"]

    def sizes() -> list[int]:
        return [one.size for one in listed(http, rehearsal="1")]

    wait_until(lambda: seq in sizes(), PATIENCE, "the checkpoint")
    for one in listed(http, rehearsal="1"):
        assert Checkpoint.parse(one.text).origin == "tellers.local/ga/rehearsal"
    text = http.get(f"{LIST}/{seq}", params={"rehearsal": "1"}).text
    assert text.startswith("tellers.local/ga/rehearsal\n")
    assert signed[0].size > 0


# ---- witnesses


def witness(http: httpx.Client, one: Signed, body: str | bytes) -> httpx.Response:
    return http.post(f"{one.path}/witness", content=body)


def cosignatures(stack: Stack, one: Signed) -> int:
    statement = "SELECT count(*) FROM cosignature WHERE log = 'ga' AND size = "
    with Archive(stack.database_url) as archive, archive.engine.connect() as connection:
        return int(connection.exec_driver_sql(statement + str(one.size)).scalar_one())


def test_a_witness_signs_and_everybody_sees_it(
    http: httpx.Client, clerk: Clerk, stack: Stack
) -> None:
    one = closing(http, clerk, "witness-signs")
    given = witness(http, one, sign(one.text, WITNESS))
    assert given.status_code == 200, given.text
    assert given.text == http.get(one.path).text
    assert given.text == one.note + f"{WITNESS.sign(one.text)}\n"
    # The same again, alone or with the lines that are there already: nothing new.
    for body in (sign(one.text, WITNESS), given.text):
        again = witness(http, one, body)
        assert (again.status_code, again.text) == (200, given.text)
    # A second witness sends the whole note with its line below.
    both = witness(http, one, f"{given.text}{COSIGNER.sign(one.text)}\n")
    assert both.status_code == 200
    signatures = parse_note(both.text).signatures
    assert {s.name for s in signatures} == {
        "tellers.local/ga",
        WITNESS.name,
        COSIGNER.name,
    }
    # Its signature of another time changes nothing: the first one stays.
    later = f"{one.text}\n{COSIGNER.sign(one.text, at=1_800_000_000)}\n"
    assert witness(http, one, later).text == both.text
    assert cosignatures(stack, one) == 2
    (item,) = (i for i in listed(http, limit=100) if i.size == one.size)
    assert item.note == both.text


def test_a_witness_stands_under_the_consistency_of_the_newer(
    http: httpx.Client, clerk: Clerk
) -> None:
    old = closing(http, clerk, "witness-old")
    new = closing(http, clerk, "witness-new")
    for one in (old, new):
        assert witness(http, one, sign(one.text, COSIGNER)).is_success
    response = http.get(f"{new.path}/consistency", params={"from": old.size})
    found = verify(response.content)
    assert isinstance(found, Valid), found
    assert [each.key.name for each in found.seal.witnesses] == [COSIGNER.name]
    assert response.json()["old"] == old.note


STRANGER = Signer("stranger.example", b"a stranger's")
IMPOSTOR = Signer(WITNESS.name, b"somebody else's")


def _changed(text: str, line: int, new: str) -> str:
    lines = text.split("\n")
    lines[line] = new
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("case", "status", "code", "why"),
    [
        ("empty", 422, "bad_request", "line"),
        ("no note", 422, "bad_request", "line"),
        ("not UTF-8", 422, "bad_request", "UTF-8"),
        ("no signature", 422, "bad_request", "line"),
        ("signature is no base64", 422, "bad_request", "line 7"),
        ("another origin", 422, "bad_request", "line 1"),
        ("another size", 422, "bad_request", "line 2"),
        ("another root", 422, "bad_request", "line 3"),
        ("another epoch", 422, "bad_request", "line 4"),
        ("a line less", 422, "bad_request", "line 5"),
        ("a line more", 422, "bad_request", "line 6"),
        ("a stranger", 403, "forbidden", "stranger.example"),
        ("a stranger beside a witness", 403, "forbidden", "line 8"),
        ("an impostor", 403, "forbidden", "line 7"),
        ("a signature of something else", 403, "forbidden", "does not verify"),
        ("one wrong of two", 403, "forbidden", "line 8"),
        ("only our own", 403, "forbidden", "no signature line is a witness's"),
        ("too long", 413, "too_large", "4096"),
    ],
)
def test_what_is_not_taken_is_named_and_leaves_nothing(
    http: httpx.Client,
    stack: Stack,
    signed: list[Signed],
    case: str,
    status: int,
    code: str,
    why: str,
) -> None:
    one, other = signed[1], signed[2]
    text = one.text
    bodies: dict[str, str | bytes] = {
        "empty": "",
        "no note": "hello",
        "not UTF-8": b"\xff\xfe\n\n",
        "no signature": f"{text}\n",
        "signature is no base64": f"{text}\n\u2014 {WITNESS.name} !!!\n",
        "another origin": sign(_changed(text, 0, "evil.example/ga"), WITNESS),
        "another size": sign(_changed(text, 1, f"{one.size + 1}"), WITNESS),
        "another root": sign(_changed(text, 2, other.root), WITNESS),
        "another epoch": sign(_changed(text, 3, "epoch other"), WITNESS),
        "a line less": sign("\n".join(text.split("\n")[:4]) + "\n", WITNESS),
        "a line more": sign(f"{text}more\n", WITNESS),
        "a stranger": sign(text, STRANGER),
        "a stranger beside a witness": sign(text, WITNESS, STRANGER),
        "an impostor": sign(text, IMPOSTOR),
        "a signature of something else": f"{text}\n{WITNESS.sign(other.text)}\n",
        "one wrong of two": f"{text}\n{WITNESS.sign(text)}\n{COSIGNER.sign('x')}\n",
        "only our own": one.note,
        "too long": sign(text, WITNESS) + "x" * 4096,
    }
    response = witness(http, one, bodies[case])
    assert refusal(response) == (status, code)
    assert why in response.json()["detail"]
    assert cosignatures(stack, one) == 0


def test_a_checkpoint_that_was_not_signed_is_not_witnessed(
    http: httpx.Client, signed: list[Signed]
) -> None:
    one = signed[0]
    path = f"{LIST}/{one.size + 1}/witness"
    assert refusal(http.post(path, content=one.note)) == (404, "not_found")
    path = f"/v1/sc/checkpoints/{one.size}/witness"
    assert refusal(http.post(path, content=one.note))[0] == 404
    response = http.get(f"{one.path}/witness")
    assert refusal(response) == (405, "method_not_allowed")


@pytest.mark.parametrize("wrong", [["nonsense"], [str(COSIGNER.key)] * 63])
def test_witnesses_that_are_no_keys_or_too_many_are_refused_at_the_start(
    wrong: list[str],
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tellers_gateway"],
        env={**os.environ, "TELLERS_WITNESSES": ",".join([str(WITNESS.key), *wrong])},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "TELLERS_WITNESSES" in done.stderr
    assert len(done.stderr.splitlines()) == 1


# ---- /status.json


def test_the_status_says_how_far_each_chamber_is_and_who_signs(
    http: httpx.Client, clerk: Clerk
) -> None:
    one = closing(http, clerk, "status")

    def body() -> Any:
        response = http.get("/status.json")
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["access-control-allow-origin"] == "*"
        return response.json()

    wait_until(
        lambda: body()["chambers"]["ga"]["tally_seq"] >= one.size, PATIENCE, "the seq"
    )
    found = body()
    assert list(found["chambers"]) == ["ga", "sc"]
    ga, sc = found["chambers"]["ga"], found["chambers"]["sc"]
    assert ga["epoch"] == Checkpoint.parse(one.text).extensions[0].removeprefix(
        "epoch "
    )
    assert ga["seq"] >= one.size
    assert (ga["held"], sc["held"]) == (None, None)
    assert ga["checkpoint"]["size"] >= one.size
    key = VerifierKey.parse(found["key"]["vkey"])
    assert found["key"]["fingerprint"] == fingerprint(key.public)
    assert found["key"]["made_up"] is True
    assert ga["checkpoint"]["vkey"] == found["key"]["vkey"]
    assert parse_note(one.note).signatures[0].is_of(key)
