"""Reveal policies on every public way out of the gateway, before and after closing."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tellers_client.verify import Valid, verify
from tellers_core.certificate import Certificate
from tellers_core.reveal import WITHHELD
from tests.e2e.stack import Clerk, Stack
from tests.servers import wait_until
from tests.services.viewing import (
    BARE,
    PATIENCE,
    Json,
    of_op,
    reading,
    streaming,
    watching,
)

pytest_plugins = ("tests.services.gateway_stack",)

HIDING = ["totals_only", "names_after_close", "nothing_until_close"]
VOTES = {"FRA": "yes", "NOR": "no", "PER": "abstain"}
FILES = [
    "",
    "/tally",
    "/flat.json",
    "/flat.csv",
    "/flat.xml",
    "/votes.json",
    "/votes.csv",
    "/votes.xlsx",
    "/groups",
    "/timeline",
    "/moments",
    "/moments.atom",
    "/certificate",
    "/votes/FRA/proof",
]
# What each policy says of three votes while they are cast.
FIGURES = {
    "totals_only": (1, 1, 1),
    "names_after_close": (0, 0, 0),
    "nothing_until_close": (0, 0, 0),
}


def figures(counts: Json) -> tuple[int, int, int]:
    return counts["yes"], counts["no"], counts["abstain"]


def begin(clerk: Clerk, name: str, reveal: str) -> int:
    """Open with three votes; the seq before the roll call began."""
    first: int = clerk.schedule(name, "two_thirds", reveal=reveal)["seq"]
    clerk.step(name, "open")
    for code, vote in VOTES.items():
        clerk.vote(name, code, vote)
    return first - 1


def settle(url: str, head: int) -> None:
    """Until the gateway has everything up to there."""

    def is_there() -> bool:
        status = httpx.get(f"{url}/status.json", verify=False).json()["chambers"]["ga"]
        return bool(status["seq"] >= head and status["tally_seq"] >= head)

    wait_until(is_there, PATIENCE, f"seq {head}")


def names_in(text: str) -> set[str]:
    """Votes that a text tells: a delegation and its answer close to each other."""
    found = set()
    for code, vote in VOTES.items():
        said = f'"delegation":"{code}"'
        near = [text[at : at + 120] for at in _places(text, said)]
        if any(f'"vote":"{vote}"' in part for part in near):
            found.add(code)
    return found


def _places(text: str, part: str) -> list[int]:
    places, at = [], text.find(part)
    while at >= 0:
        places.append(max(0, at - 60))
        at = text.find(part, at + 1)
    return places


def proven(answer: httpx.Response) -> Certificate:
    """The certificate, which is valid."""
    found = verify(answer.content)
    assert isinstance(found, Valid), answer.text[:300]
    assert isinstance(found.proves, Certificate)
    return found.proves


async def everything(url: str, name: str, after: int) -> dict[str, httpx.Response]:
    """Every read of a roll call, by address."""
    found = {}
    async with reading(url) as http:
        for file in FILES:
            found[file] = await http.get(f"/v1/ga/roll-calls/{name}{file}")
        found["events"] = await http.get(f"/v1/ga/events?after={after}&limit=1000")
        found["list"] = await http.get("/v1/ga/roll-calls?phase=open&limit=100")
        found["compare"] = await http.get(f"/v1/ga/roll-calls/{name}/compare/{name}")
        page = f"{url}/v/ga/{name}"
        found["page"] = await http.get(f"/v/ga/{name}")
        found["oembed"] = await http.get("/oembed", params={"url": page})
    return found


async def feeds(url: str, name: str, after: int, head: int) -> list[list[Json]]:
    """The events of the roll call by WebSocket, bare WebSocket and SSE."""
    wanted: dict[str, Any] = {"feed": "events", "roll_call": name, "after": after}
    async with watching(url, **wanted) as socket:
        frames = await socket.event(head)
        plain = [frame["event"] for frame in of_op(frames, "event")]
    async with streaming(url, **wanted) as stream:
        frames = await stream.event(head)
        by_stream = [frame["event"] for frame in of_op(frames, "event")]
    async with watching(url, subprotocol=BARE, roll_call=name, after=after) as socket:
        bare = [await socket.bare_event() for _ in plain]
    return [plain, by_stream, bare]


@pytest.mark.parametrize("reveal", HIDING)
async def test_nothing_leaves_that_is_withheld_and_all_is_whole_at_the_end(
    stack: Stack, url: str, clerk: Clerk, reveal: str
) -> None:
    name = f"reveal-{reveal.replace('_', '-')}"
    after = await asyncio.to_thread(begin, clerk, name, reveal)
    head = after + 2 + len(VOTES)
    await asyncio.to_thread(settle, url, head)
    answers = await everything(url, name, after)
    for file, answer in answers.items():
        assert names_in(answer.text) == set(), file
    tally = answers["/tally"].json()
    assert tally["withheld"] == reveal
    assert "-withheld" in answers["/tally"].headers["etag"]
    assert figures(tally["counts"]) == FIGURES[reveal]
    assert ("held" in tally) == (reveal == "nothing_until_close")
    detail = answers[""].json()
    assert (detail["votes"], detail["not_voting"], detail["voted_at"]) == ([], [], {})
    rows = {row["member_code"]: row["vote"] for row in answers["/votes.json"].json()}
    assert set(rows.values()) == {"withheld"}
    assert "seq" not in answers["/votes.json"].json()[0]
    told_figures = "yes" in answers["/flat.json"].json()[0]
    assert told_figures == (reveal != "nothing_until_close")
    assert answers["/groups"].json()["groups"] == []
    for refused in ("/certificate", "/votes/FRA/proof", "compare"):
        assert answers[refused].status_code == 404
        assert answers[refused].json()["code"] == "not_closed"
    told = [one["kind"] for one in answers["/moments"].json()["moments"]]
    assert told == ["opened"]
    for events in await feeds(url, name, after, head):
        assert [event["rollcallversion"] for event in events] == [1, 2, 3, 4, 5]
        assert [event["type"] for event in events[2:]] == [WITHHELD] * 3
        assert names_in(json.dumps(events, separators=(",", ":"))) == set()
        assert not any("time" in event for event in events[2:])

    # The figures of the lock are those of the policy, then all of it is whole.
    clerk.step(name, "lock")
    await asyncio.to_thread(settle, url, head + 1)
    async with reading(url) as http:
        locked = (await http.get(f"/v1/ga/roll-calls/{name}/tally")).json()
    assert locked["phase"] == "locked"
    expected = (0, 0, 0) if reveal == "nothing_until_close" else (1, 1, 1)
    assert figures(locked["counts"]) == expected
    assert (locked["verdict"]["status"] == "pending") == (expected == (0, 0, 0))
    clerk.step(name, "close", announced={"yes": 1, "no": 1, "abstain": 1})
    await asyncio.to_thread(settle, url, head + 2)
    answers = await everything(url, name, after)
    assert "withheld" not in answers["/tally"].json()
    assert names_in(answers[""].text) == set(VOTES)
    assert names_in(answers["events"].text) == set(VOTES)
    assert "withheld" not in answers["events"].text
    assert len(answers["/groups"].json()["groups"]) > 0
    past = await asyncio.to_thread(
        httpx.get, f"{url}/v1/ga/roll-calls/{name}/tally?as_of={head}", verify=False
    )
    assert figures(past.json()["counts"]) == (1, 1, 1)
    assert "withheld" not in past.json()
    for events in await feeds(url, name, after, head + 2):
        assert names_in(json.dumps(events, separators=(",", ":"))) == set(VOTES)
    assert proven(answers["/certificate"]).tally.counts.yes == 1


async def test_a_live_roll_call_hides_nothing(url: str, clerk: Clerk) -> None:
    """The control: the reads above do tell names when they may."""
    after = await asyncio.to_thread(begin, clerk, "reveal-live", "live")
    await asyncio.to_thread(settle, url, after + 5)
    answers = await everything(url, "reveal-live", after)
    for file in ("", "events"):
        assert names_in(answers[file].text) == set(VOTES)
    assert "withheld" not in "".join(answer.text for answer in answers.values())
    clerk.step("reveal-live", "annul")


async def test_no_checkpoint_over_withheld_votes_is_shown(
    url: str, clerk: Clerk
) -> None:
    after = await asyncio.to_thread(begin, clerk, "reveal-proof", "totals_only")
    clerk.open("reveal-other")
    clerk.vote("reveal-other", "FRA", "yes")
    clerk.step("reveal-other", "lock")
    last = clerk.step("reveal-other", "close")["seq"]
    await asyncio.to_thread(settle, url, last)
    async with reading(url) as http:
        listed = (await http.get("/v1/ga/checkpoints")).json()["items"]
        assert all(one["size"] <= after for one in listed)
        refused = await http.get("/v1/ga/roll-calls/reveal-other/certificate")
        assert refused.status_code == 503
        clerk.step("reveal-proof", "annul")
        await asyncio.to_thread(settle, url, last + 1)
        answer = await http.get("/v1/ga/roll-calls/reveal-other/certificate")
    assert proven(answer).roll_call == "reveal-other"


async def test_a_gateway_that_is_restarted_still_withholds(
    stack: Stack, url: str, clerk: Clerk
) -> None:
    after = await asyncio.to_thread(begin, clerk, "reveal-again", "names_after_close")
    clerk.vote("reveal-again", "RUS", "no")
    clerk.vote("reveal-again", "CHN", "no")
    clerk.vote("reveal-again", "USA", "yes")
    head = after + 8
    await asyncio.to_thread(settle, url, head)
    async with reading(url) as http:
        before = (await http.get("/v1/ga/roll-calls/reveal-again/tally")).json()
    # Five of the six votes: a step.
    assert figures(before["counts"]) == (1, 3, 1)
    second = stack.service("gateway")
    second.start()
    try:
        await asyncio.to_thread(wait_until, second.ready, PATIENCE, "a second gateway")
        answers = await everything(second.url, "reveal-again", after)
        assert figures(answers["/tally"].json()["counts"]) == (1, 3, 1)
        for file, answer in answers.items():
            assert names_in(answer.text) == set(), file
    finally:
        second.stop()
    clerk.step("reveal-again", "annul")
