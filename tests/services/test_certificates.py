"""Certificates and proofs of votes from a running system, checked by the verifier that
people run; and what the gateway says where there are none."""

import asyncio
import json
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from tellers_client.verify import Invalid, Valid, expected_key, verify
from tellers_core.certificate import Certificate
from tellers_core.codec import LogName, RecordedAs, encode
from tellers_core.events import (
    Event,
    RollCallAnnulled,
    VoteChanged,
    VoteRecorded,
    VoteWithdrawn,
)
from tellers_core.tally import Held, Tally, tally
from tellers_gateway import certificates
from tellers_gateway.app import create_app
from tellers_gateway.hub import Hub
from tellers_gateway.settings import GatewaySettings
from tellers_runtime.archive.proofs import ProofReader
from tellers_runtime.archive.trees import TreeBroken
from tellers_runtime.log import Entry
from tellers_tally.restore import restore_all
from tests.certificates import COSIGNER, WITNESS
from tests.e2e.stack import Clerk, Stack
from tests.scenario import AT, EPOCH, OPENED, closed, projected, votes
from tests.servers import wait_until
from tests.services.tallying import Archive, Logbook, settings_for
from tests.services.viewing import ES_11_1, PATIENCE, refusal

pytest_plugins = ("tests.services.gateway_stack",)

PAST = "/v1/ga/roll-calls"


def given(http: httpx.Client, path: str, **query: Any) -> httpx.Response:
    """The answer, once the gateway has heard of the closing."""

    response = httpx.Response(404)

    def heard() -> bool:
        nonlocal response
        response = http.get(path, params=query)
        return response.status_code != 404

    wait_until(heard, PATIENCE, path)
    assert response.status_code == 200, response.text
    return response


def proof(http: httpx.Client, path: str, **query: Any) -> bytes:
    """A file that proves something; public and free for any page."""
    response = given(http, path, **query)
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["content-type"] == "application/json"
    return response.content


def proven(file: bytes, key: str | None = None) -> Any:
    """What the file proves, as the verifier says."""
    found = verify(file, None if key is None else expected_key(key))
    assert isinstance(found, Valid), found
    return found.proves


def certified(http: httpx.Client, roll_call: str, **query: Any) -> Certificate:
    found = proven(proof(http, f"{PAST}/{roll_call}/certificate", **query))
    assert isinstance(found, Certificate)
    return found


def close(clerk: Clerk, roll_call: str, chamber: str = "ga") -> int:
    """Lock and close; the seq of the closing."""
    clerk.step(roll_call, "lock", chamber)
    seq: int = clerk.step(roll_call, "close", chamber)["seq"]
    return seq


# ---- certificates


def test_es_11_1_is_proven_to_who_knows_the_fingerprint(
    http: httpx.Client, clerk: Clerk
) -> None:
    clerk.replay("es-11-1", ES_11_1)
    file = proof(http, f"{PAST}/es-11-1/certificate")
    key = http.get("/status.json").json()["key"]
    found = proven(file, key["fingerprint"])
    counts = found.result.counts
    assert (counts.yes, counts.no, counts.abstain) == (141, 5, 35)
    assert found.result.outcome == "adopted"
    assert (found.chamber, found.roll_call) == ("ga", "es-11-1")
    assert len(found.events) == 185
    assert found.key.made_up
    assert found.key.fingerprint == key["fingerprint"]
    shown = http.get(f"{PAST}/es-11-1").json()
    assert found.not_voting == tuple(shown["not_voting"])
    assert [v.seq for v in found.votes] == [v["seq"] for v in shown["votes"]]
    forged = file.replace(
        b'"delegation":"FRA","vote":"yes"', b'"delegation":"FRA","vote":"no"'
    )
    assert forged != file
    assert isinstance(verify(forged), Invalid)


def test_there_is_none_until_it_is_closed_and_then_at_once(
    http: httpx.Client, clerk: Clerk
) -> None:
    path = f"{PAST}/cert-phases/certificate"
    assert refusal(http.get(path)) == (404, "unknown_roll_call")
    clerk.open("cert-phases")
    for step in ("lock", "unlock"):
        clerk.step("cert-phases", step)
        assert refusal(http.get(path)) == (404, "not_closed")
    seq = close(clerk, "cert-phases")
    # The gateway may not have heard of the closing yet; then it is certified at once.
    while (response := http.get(path)).status_code == 404:
        assert refusal(response) == (404, "not_closed")
    assert proven(response.content).result.seq == seq


def test_once_issued_it_does_not_change(http: httpx.Client, clerk: Clerk) -> None:
    path = f"{PAST}/cert-again/certificate"
    clerk.replay("cert-again", ES_11_1[:20])
    before = given(http, path)
    clerk.step(
        "cert-again", "intentions", delegation=ES_11_1[0][0], vote="abstain", note=None
    )
    clerk.replay("cert-later", ES_11_1[:3])
    certified(http, "cert-later")
    after = http.get(path)
    assert after.content == before.content
    etag = before.headers["etag"]
    assert after.headers["etag"] == etag
    assert "public" in before.headers["cache-control"]
    unchanged = http.get(path, headers={"If-None-Match": etag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_two_roll_calls_that_ran_at_once_are_each_proven(
    http: httpx.Client, clerk: Clerk
) -> None:
    names = ("cert-left", "cert-right")
    for name in names:
        clerk.open(name)
    for code, vote in ES_11_1[:40]:
        for name in names:
            clerk.vote(name, code, vote)
    for name in names:
        close(clerk, name)
    for name in names:
        found = certified(http, name)
        assert found.roll_call == name
        assert len(found.votes) == 40


@pytest.mark.parametrize("query", [{}, {"rehearsal": "1"}])
def test_a_rehearsal_has_one_from_the_log_of_rehearsals(
    http: httpx.Client, clerk: Clerk, query: dict[str, str]
) -> None:
    name = f"cert-rehearsal-{len(query)}"
    clerk.open(name, rehearsal=True)
    clerk.vote(name, "FRA", "yes")
    close(clerk, name)
    found = certified(http, name, **query)
    assert found.tally.rehearsal
    assert found.checkpoint.startswith("tellers.local/ga/rehearsal\n")


def test_another_chamber_has_a_tree_of_its_own(
    http: httpx.Client, clerk: Clerk
) -> None:
    clerk.open("cert-council", "sc", rule="security_council")
    clerk.vote("cert-council", "FRA", "no", "sc")
    seq = close(clerk, "cert-council", "sc")
    found = proven(proof(http, "/v1/sc/roll-calls/cert-council/certificate"))
    assert found.result.outcome == "rejected"
    assert found.result.seq == seq
    assert found.checkpoint.startswith("tellers.local/sc\n")
    assert refusal(http.get(f"{PAST}/cert-council/certificate"))[0] == 404
    assert refusal(http.get("/v1/xx/roll-calls/cert-council/certificate")) == (
        404,
        "unknown_chamber",
    )


def test_witnesses_signatures_are_on_it_as_soon_as_they_are_given(
    http: httpx.Client, clerk: Clerk
) -> None:
    path = f"{PAST}/cert-witnessed/certificate"
    clerk.replay("cert-witnessed", ES_11_1[:10])
    alone = given(http, path)
    text = alone.json()["checkpoint"].partition("\n\n")[0] + "\n"
    size = int(text.split("\n")[1])
    for signer in (WITNESS, COSIGNER):
        body = f"{text}\n{signer.sign(text)}\n"
        taken = http.post(f"/v1/ga/checkpoints/{size}/witness", content=body)
        assert taken.status_code == 200, taken.text
    both = http.get(path)
    assert both.headers["etag"] != alone.headers["etag"]
    found = verify(both.content)
    assert isinstance(found, Valid)
    names = {witness.key.name for witness in found.seal.witnesses}
    assert names == {WITNESS.name, COSIGNER.name}
    without = {
        k: v for k, v in both.json().items() if k not in ("checkpoint", "witnesses")
    }
    assert without.items() <= alone.json().items()


def test_from_an_archive_that_was_edited_there_is_none(
    http: httpx.Client, clerk: Clerk, stack: Stack
) -> None:
    clerk.open("cert-edited")
    seq = clerk.vote("cert-edited", "FRA", "yes")["seq"]
    close(clerk, "cert-edited")
    path = f"{PAST}/cert-edited/certificate"
    good = proof(http, path)
    yes, no = '"vote":"yes"', '"vote":"no"'
    edit = "UPDATE event SET body = replace(body, '{}', '{}') WHERE log='ga' AND seq={}"
    with Archive(stack.database_url) as archive:
        archive.tampered(edit.format(yes, no, seq))
        response = http.get(path)
        assert refusal(response) == (500, "internal_error")
        assert "signed" in response.json()["detail"]
        archive.tampered(edit.format(no, yes, seq))
    assert proof(http, path) == good
    assert "archive.edited" in stack.gateway.log.read_text()


def test_a_restored_log_gives_the_same_certificate(tmp_path: Path) -> None:
    """Under another epoch the events are published with that; the certificate stands
    on the checkpoint that was signed, and keeps its own."""

    async def restored(stack: Stack) -> None:
        async with Logbook(stack.redis.url) as log:
            await log.redis.flushall()
        await restore_all(settings_for(stack.redis.url, stack.database_url))

    with (
        Stack(tmp_path, settings={"TELLERS_CHAMBERS": "ga"}) as stack,
        httpx.Client(base_url=stack.gateway_url, verify=False) as http,
    ):
        clerk = stack.clerk()
        with closing(clerk.http):
            clerk.replay("r1", ES_11_1[:30])
        before = proof(http, f"{PAST}/r1/certificate")
        epoch = json.loads(before)["epoch"]
        asyncio.run(restored(stack))

        def is_restored() -> bool:
            found = http.get("/status.json").json()["chambers"]["ga"]
            return found["epoch"] not in (None, epoch) and not found["held"]

        wait_until(is_restored, PATIENCE, "the gateway")
        assert http.get(f"{PAST}/r1/tally").json()["epoch"] != epoch
        assert proof(http, f"{PAST}/r1/certificate") == before


# ---- one vote


def test_every_vote_is_proven(http: httpx.Client, clerk: Clerk) -> None:
    clerk.replay("proof-all", ES_11_1[:12])
    certified(http, "proof-all")
    shown = http.get(f"{PAST}/proof-all").json()["votes"]
    assert len(shown) == 12
    for vote in shown:
        code = vote["delegation"]
        found = proven(proof(http, f"{PAST}/proof-all/votes/{code}/proof"))
        assert isinstance(found, RecordedAs)
        assert found.seq == vote["seq"]
        assert isinstance(found.event, VoteRecorded)
        assert (found.event.delegation, found.event.vote) == (code, vote["vote"])


def test_the_latest_vote_is_proven(http: httpx.Client, clerk: Clerk) -> None:
    clerk.open("proof-latest")
    for vote in ("yes", "no"):
        clerk.vote("proof-latest", "FRA", vote)
    clerk.vote("proof-latest", "PER", "yes")
    path = "/v1/ga/roll-calls/proof-latest/votes/PER"
    clerk.http.delete(path).raise_for_status()
    close(clerk, "proof-latest")
    certified(http, "proof-latest")
    changed = proven(proof(http, f"{PAST}/proof-latest/votes/FRA/proof"))
    assert isinstance(changed.event, VoteChanged)
    assert (changed.event.vote, changed.event.previous) == ("no", "yes")
    withdrawn = proven(proof(http, f"{PAST}/proof-latest/votes/PER/proof"))
    assert isinstance(withdrawn.event, VoteWithdrawn)


def test_who_did_not_vote_has_no_proof(http: httpx.Client, clerk: Clerk) -> None:
    clerk.replay("proof-none", [("FRA", "yes")])
    certified(http, "proof-none")
    for code, why in (("PER", "did not vote"), ("XXX", "no member"), ("fra", "no mem")):
        response = http.get(f"{PAST}/proof-none/votes/{code}/proof")
        assert refusal(response) == (404, "unknown_delegation")
        assert why in response.json()["detail"]


# ---- what a system that is whole does not have: a stand-in says it


class StandIn:
    """A hub with one roll call, and an archive whose checkpoints are behind."""

    log = LogName("ga")
    trouble = ""

    def __init__(self, history: tuple[Event, ...], held: Held | None = None) -> None:
        self._history = history
        self._tally = replace(tally(projected(history), EPOCH), held=held)
        self.past = self
        self.asked = 0

    async def find(self, _: str) -> Tally:
        return self._tally

    async def events_of(self, name: str, _: int) -> list[Entry]:
        return [
            Entry(seq, encode(self.log, name, event, AT).filled(name, seq, seq))
            for seq, event in enumerate(self._history, 1)
        ]

    def first(self, _: LogName, __: int) -> None:
        self.asked += 1


async def asked(stand_in: StandIn, path: str) -> httpx.Response:
    hubs = {LogName("ga", kind): cast(Hub, stand_in) for kind in (False, True)}
    app = create_app(GatewaySettings(), hubs, cast(ProofReader, stand_in))
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        transport = httpx.ASGITransport(with_state, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://test", verify=False
        ) as client:
            return await client.get(path)


HISTORY = closed(*OPENED, *votes(yes="FJI"))
HELD = Held(9, "FJI's vote contradicts what came before it")


@pytest.mark.parametrize("path", ["certificate", "votes/FJI/proof"])
@pytest.mark.parametrize("history", [HISTORY, HISTORY[:3]])
async def test_of_a_roll_call_that_is_held_nothing_is_proven(
    path: str, history: tuple[Event, ...]
) -> None:
    response = await asked(StandIn(history, HELD), f"{PAST}/es-11-1/{path}")
    assert refusal(response) == (404, "not_closed")
    assert HELD.reason in response.json()["detail"]
    assert "event 9" in response.json()["detail"]


async def test_what_was_annulled_has_no_result() -> None:
    annulled = StandIn((*OPENED, RollCallAnnulled()))
    response = await asked(annulled, f"{PAST}/es-11-1/certificate")
    assert refusal(response) == (404, "not_closed")
    assert "annulled" in response.json()["detail"]


@pytest.mark.parametrize("path", ["certificate", "votes/FJI/proof"])
async def test_what_is_not_signed_yet_is_waited_for_and_then_not_now(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "WAIT_SECONDS", 0.2)
    stand_in = StandIn(HISTORY)
    response = await asked(stand_in, f"{PAST}/es-11-1/{path}")
    assert refusal(response) == (503, "log_unavailable")
    assert response.headers["retry-after"] == "60"
    assert "not under a signed checkpoint yet" in response.json()["detail"]
    assert stand_in.asked > 1


async def test_a_broken_tree_is_logged_and_its_inside_is_not_told() -> None:
    class Broken(StandIn):
        def first(self, _: LogName, __: int) -> None:
            raise TreeBroken("ga is not as it was signed at 5")

    with capture_logs() as logs:
        response = await asked(Broken(HISTORY), f"{PAST}/es-11-1/certificate")
    assert refusal(response) == (500, "internal_error")
    (said,) = logs
    assert (said["event"], said["log_level"]) == ("archive.edited", "error")
    assert "signed at 5" in said["why"]
