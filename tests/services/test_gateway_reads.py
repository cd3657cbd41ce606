"""HTTP reads of a running gateway: tallies, roll calls in full, the log, problems."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from tellers_core.members import general_assembly
from tests.e2e.stack import Clerk
from tests.servers import wait_until
from tests.services.viewing import (
    PATIENCE,
    Json,
    batch,
    of_op,
    plain,
    reading,
    refusal,
    seqs,
    span,
    watching,
)

pytest_plugins = ("tests.services.gateway_stack",)

LIST = "/v1/ga/roll-calls"
EVENTS = "/v1/ga/events"
CACHE = "public, s-maxage=1"
ORDER = list(general_assembly().codes)


@pytest.fixture
async def waiting(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A reader that can wait."""
    async with reading(url) as client:
        yield client


def read(http: httpx.Client, path: str, **query: Any) -> Any:
    """The JSON of an answer that is no problem; public and free for any page."""
    response = http.get(path, params=query)
    assert response.status_code == 200, response.text
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["content-type"] == "application/json"
    return response.json()


def shown(http: httpx.Client, roll_call: str, seq: int) -> Json:
    """The tally, as soon as it is that of `seq`."""
    path = f"{LIST}/{roll_call}/tally"

    def is_there() -> bool:
        response = http.get(path)
        return response.is_success and response.json()["seq"] == seq

    wait_until(is_there, PATIENCE, f"{path} at {seq}")
    found: Json = read(http, path)
    return found


def listed(http: httpx.Client, **query: Any) -> list[str]:
    return [item["roll_call"] for item in read(http, LIST, **query)["items"]]


def head(http: httpx.Client) -> int:
    """The seq of the last event."""
    seq = 0
    while page := read(http, EVENTS, after=seq, limit=1000)["events"]:
        seq = int(page[-1]["sequence"])
    return seq


# The list


def test_the_list_is_newest_first_and_leads_from_page_to_page(
    http: httpx.Client, clerk: Clerk
) -> None:
    names = [f"list-{n}" for n in range(5)]
    for name in names:
        seq = clerk.schedule(name)["seq"]
        shown(http, name, seq)
    wait_until(lambda: listed(http, limit=1) == ["list-4"], PATIENCE, "the list")
    pages, cursor = [], None
    for _ in range(3):
        query = {"limit": 2} if cursor is None else {"limit": 2, "cursor": cursor}
        page = read(http, LIST, **query)
        assert list(page) == ["items", "next"]
        pages += [item["roll_call"] for item in page["items"]]
        cursor = page["next"]
        assert cursor is None or isinstance(cursor, str)
    assert pages[:5] == names[::-1]


def test_the_last_page_says_that_it_is_the_last(http: httpx.Client) -> None:
    everything, cursor = [], None
    while True:
        query = {"limit": 3} if cursor is None else {"limit": 3, "cursor": cursor}
        page = read(http, LIST, **query)
        everything += [item["roll_call"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert everything == listed(http, limit=100)
    assert len(everything) == len(set(everything))


def test_the_list_can_be_of_one_phase(http: httpx.Client, clerk: Clerk) -> None:
    steps: dict[str, tuple[str, ...]] = {
        "scheduled": (),
        "open": ("open",),
        "locked": ("open", "lock"),
        "closed": ("open", "lock", "close"),
        "annulled": ("annul",),
    }
    for phase, way in steps.items():
        seq = clerk.schedule(f"phase-{phase}")["seq"]
        for step in way:
            seq = clerk.step(f"phase-{phase}", step)["seq"]
        shown(http, f"phase-{phase}", seq)
    for phase in steps:
        wait_until(
            lambda phase=phase: f"phase-{phase}" in listed(http, phase=phase),  # type: ignore[misc]
            PATIENCE,
            f"the list of {phase}",
        )
        items = read(http, LIST, phase=phase, limit=100)["items"]
        assert {item["phase"] for item in items} == {phase}


def test_an_item_of_the_list_is_the_tally(http: httpx.Client, clerk: Clerk) -> None:
    clerk.open("item-1")
    tally = shown(http, "item-1", clerk.vote("item-1", "FRA", "yes")["seq"])
    items = {item["roll_call"]: item for item in read(http, LIST)["items"]}
    assert items["item-1"] == tally


def test_an_empty_chamber_has_an_empty_list(http: httpx.Client) -> None:
    nothing: Json = {"items": [], "next": None}
    assert read(http, "/v1/sc/roll-calls", rehearsal=1) == nothing
    assert read(http, "/v1/sc/events", rehearsal=1)["events"] == []


# A roll call


def test_a_tally_is_the_contracts_object(http: httpx.Client, clerk: Clerk) -> None:
    clerk.open("tally-1", symbol="A/ES-11/L.1")
    seq = clerk.vote("tally-1", "FRA", "yes")["seq"]
    tally = shown(http, "tally-1", seq)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", tally.pop("at"))
    assert tally.pop("epoch")
    assert tally == {
        "type": "tally",
        "chamber": "ga",
        "roll_call": "tally-1",
        "title": "Title of tally-1",
        "symbol": "A/ES-11/L.1",
        "seq": seq,
        "version": 3,
        "phase": "open",
        "rehearsal": False,
        "counts": {
            "yes": 1,
            "no": 0,
            "abstain": 0,
            "not_voting": 192,
            "entitled": 193,
            "members": 193,
        },
        "verdict": {
            "rule": "two_thirds",
            "status": "passing",
            "required": 1,
            "margin": 0,
            "to_clinch": 128,
            "flips": 1,
            "because": "1 >= 2 x 0",
        },
        "confirmed": True,
    }


def test_a_roll_call_in_full(http: httpx.Client, clerk: Clerk) -> None:
    clerk.open("full-1", barred={"VEN": "Charter Article 19"})
    for delegation, vote in (("ZWE", "no"), ("AFG", "yes"), ("FRA", "abstain")):
        clerk.vote("full-1", delegation, vote)
    changed = clerk.vote("full-1", "ZWE", "yes")["seq"]
    clerk.step("full-1", "lock")
    closed = clerk.step("full-1", "close", announced={"yes": 2, "no": 0, "abstain": 1})
    seq = clerk.step(
        "full-1", "intentions", delegation="NOR", vote="yes", note="was out"
    )["seq"]
    tally = shown(http, "full-1", seq)
    full = read(http, f"{LIST}/full-1")
    assert {name: full[name] for name in tally} == tally
    votes = [(v["delegation"], v["vote"], v["changed"]) for v in full["votes"]]
    assert votes == [
        ("AFG", "yes", False),
        ("FRA", "abstain", False),
        ("ZWE", "yes", True),
    ]
    assert list(full["votes"][0]) == ["delegation", "name", "vote", "seq", "changed"]
    assert full["votes"][0]["name"] == "Afghanistan"
    assert full["votes"][2]["seq"] == changed
    assert full["not_voting"] == [
        code for code in ORDER if code not in ("AFG", "FRA", "ZWE", "VEN")
    ]
    assert full["barred"] == {"VEN": "Charter Article 19"}
    (intention,) = full["intentions"]
    assert (intention["delegation"], intention["vote"]) == ("NOR", "yes")
    assert (intention["note"], intention["seq"]) == ("was out", seq)
    assert full["result"]["outcome"] == "adopted"
    assert full["result"]["counts"] == tally["counts"]
    assert full["result"]["announced"] == {"yes": 2, "no": 0, "abstain": 1}
    assert full["result"]["seq"] == closed["seq"]
    french = read(http, f"{LIST}/full-1", lang="fr")["votes"]
    assert [vote["name"] for vote in french] == ["Afghanistan", "France", "Zimbabwe"]
    assert len(full["votes"]) + len(full["not_voting"]) == full["counts"]["entitled"]


def test_an_open_roll_call_has_no_result_yet(http: httpx.Client, clerk: Clerk) -> None:
    clerk.open("open-1")
    seq = clerk.vote("open-1", "FRA", "no")["seq"]
    shown(http, "open-1", seq)
    full = read(http, f"{LIST}/open-1")
    assert (full["result"], full["intentions"]) == (None, [])
    assert [vote["delegation"] for vote in full["votes"]] == ["FRA"]


async def test_the_tally_as_of_every_seq_is_what_was_seen_then(
    waiting: httpx.AsyncClient, clerk: Clerk, url: str
) -> None:
    async with watching(url, feed="tally", roll_call=_scheduled(clerk)) as viewer:
        await viewer.caught_up()
        clerk.step("then-1", "open")
        for delegation in ("FRA", "NOR", "FJI"):
            clerk.vote("then-1", delegation, "yes")
        clerk.vote("then-1", "NOR", "no")
        clerk.step("then-1", "rule", rule="simple")
        clerk.step("then-1", "lock")
        await viewer.tally(clerk.step("then-1", "close")["seq"])
    frames = of_op(viewer.frames, "tally")
    assert len(frames) == 9
    assert seqs(frames, "tally") == span(frames[0]["seq"], frames[-1]["seq"])
    for frame in frames:
        answer = await waiting.get(
            f"{LIST}/then-1/tally", params={"as_of": frame["seq"]}
        )
        assert answer.json() == plain(frame)
    between = await waiting.get(
        f"{LIST}/then-1/tally", params={"as_of": clerk.schedule("then-2")["seq"]}
    )
    # The other roll call's event changed nothing here; it may not be known yet.
    assert between.status_code in (200, 422)
    before = await waiting.get(
        f"{LIST}/then-1/tally", params={"as_of": frames[0]["seq"] - 1}
    )
    assert refusal(before)[1] in ("unknown_roll_call", "bad_request")


def _scheduled(clerk: Clerk) -> str:
    clerk.schedule("then-1")
    return "then-1"


# Caching


def test_a_tally_is_tagged_by_epoch_and_seq(http: httpx.Client, clerk: Clerk) -> None:
    clerk.open("etag-1")
    seq = clerk.vote("etag-1", "FRA", "yes")["seq"]
    epoch = shown(http, "etag-1", seq)["epoch"]
    path = f"{LIST}/etag-1/tally"
    answer = http.get(path)
    assert answer.headers["etag"] == f'"{epoch}-{seq}"'
    assert answer.headers["cache-control"] == CACHE
    then = http.get(path, params={"as_of": seq - 1})
    assert then.headers["etag"] == f'"{epoch}-{seq - 1}"'


@pytest.mark.parametrize("path", ["etag-2/tally", "etag-2"])
def test_what_has_not_changed_is_not_sent_again(
    http: httpx.Client, clerk: Clerk, path: str
) -> None:
    if http.get(f"{LIST}/etag-2/tally").status_code == 404:
        clerk.open("etag-2")
    seq = clerk.vote("etag-2", "FRA", "yes")["seq"]
    shown(http, "etag-2", seq)
    etag = http.get(f"{LIST}/{path}").headers["etag"]
    for same in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = http.get(f"{LIST}/{path}", headers={"If-None-Match": same})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == etag
        assert answer.headers["cache-control"] == CACHE
        assert answer.headers["access-control-allow-origin"] == "*"
    for other in ('"other"', etag.replace("-", "-9"), "", '"'):
        answer = http.get(f"{LIST}/{path}", headers={"If-None-Match": other})
        assert answer.status_code == 200
    seq = clerk.vote("etag-2", "NOR", "no" if path.endswith("tally") else "abstain")[
        "seq"
    ]
    shown(http, "etag-2", seq)
    changed = http.get(f"{LIST}/{path}", headers={"If-None-Match": etag})
    assert changed.status_code == 200


def test_every_read_may_be_cached_for_a_second(http: httpx.Client) -> None:
    for path in (LIST, EVENTS):
        assert http.get(path).headers["cache-control"] == CACHE


# The log


def test_events_come_in_order_without_gaps(http: httpx.Client, clerk: Clerk) -> None:
    clerk.open("log-1")
    last = batch(clerk, "log-1", "yes")
    wait_until(lambda: head(http) >= last, PATIENCE, "the last event")
    found: list[Json] = []
    after = 0
    while True:
        page = read(http, EVENTS, after=after, limit=70)
        assert list(page) == ["epoch", "events", "next"]
        if not page["events"]:
            assert page["next"] == after
            break
        assert len(page["events"]) <= 70
        found += page["events"]
        after = page["next"]
    assert [int(event["sequence"]) for event in found] == span(1, len(found))
    assert {event["epoch"] for event in found} == {page["epoch"]}
    mine = [e["rollcallversion"] for e in found if e["rollcall"] == "log-1"]
    assert mine == span(1, 183)


def test_every_event_is_a_cloud_event(http: httpx.Client, clerk: Clerk) -> None:
    clerk.schedule("cloud-1", barred={"VEN": "Article 19"}, symbol="A/RES/1")
    for step in ("open", "lock", "unlock"):
        clerk.step("cloud-1", step)
    clerk.vote("cloud-1", "FRA", "yes")
    clerk.vote("cloud-1", "FRA", "no")
    clerk.http.delete("/v1/ga/roll-calls/cloud-1/votes/FRA").raise_for_status()
    clerk.step("cloud-1", "rule", rule={"fraction": "3/5", "of": "members"})
    clerk.step("cloud-1", "lock")
    clerk.step("cloud-1", "close")
    clerk.step("cloud-1", "intentions", delegation="FRA", vote="yes")
    clerk.schedule("cloud-2")
    last = clerk.step("cloud-2", "annul")["seq"]
    wait_until(lambda: head(http) >= last, PATIENCE, "the last event")
    page = read(http, EVENTS, after=last - 13, limit=13)["events"]
    types = set()
    for event in page:
        read_back = JSONFormat().read(CloudEvent, json.dumps(event))
        assert read_back.get_id() == f"ga-{event['sequence']}"
        assert read_back.get_source() == "/chambers/ga"
        assert read_back.get_extension("sequence") == event["sequence"]
        types.add(read_back.get_type())
    names = (
        "roll_call.scheduled roll_call.opened roll_call.locked roll_call.unlocked "
        "vote.recorded vote.changed vote.withdrawn roll_call.rule_changed "
        "roll_call.closed intention.recorded roll_call.annulled"
    )
    assert types == {f"org.tellers.{name}.v1" for name in names.split()}


async def test_a_long_poll_answers_as_soon_as_an_event_comes(
    waiting: httpx.AsyncClient, clerk: Clerk
) -> None:
    last = clerk.schedule("poll-1")["seq"]
    first = await waiting.get(EVENTS, params={"after": last - 1, "wait": 10})
    assert first.json()["next"] == last
    loop = asyncio.get_running_loop()
    began = loop.time()
    polling = asyncio.create_task(
        waiting.get(EVENTS, params={"after": last, "wait": 30})
    )
    done, _ = await asyncio.wait([polling], timeout=0.3)
    assert not done
    await asyncio.to_thread(clerk.step, "poll-1", "open")
    answer = (await polling).json()
    assert loop.time() - began < 10
    assert [event["rollcall"] for event in answer["events"]] == ["poll-1"]
    assert answer["next"] == last + 1


async def test_a_long_poll_ends_when_its_time_is_over(
    waiting: httpx.AsyncClient, clerk: Clerk
) -> None:
    last = clerk.schedule("poll-2")["seq"]
    await waiting.get(EVENTS, params={"after": last - 1, "wait": 10})
    answer = await waiting.get(EVENTS, params={"after": last, "wait": 0.2})
    assert answer.json()["events"] == []
    assert answer.json()["next"] == last


async def test_a_place_beyond_the_end_waits_there(
    waiting: httpx.AsyncClient, clerk: Clerk
) -> None:
    last = clerk.schedule("poll-3")["seq"]
    answer = await waiting.get(EVENTS, params={"after": last + 1, "wait": 0.1})
    assert (answer.json()["events"], answer.json()["next"]) == ([], last + 1)
    polling = asyncio.create_task(
        waiting.get(EVENTS, params={"after": last + 1, "wait": 30})
    )
    await asyncio.to_thread(clerk.step, "poll-3", "open")
    await asyncio.to_thread(clerk.vote, "poll-3", "FRA", "yes")
    events = (await polling).json()["events"]
    assert [int(event["sequence"]) for event in events] == [last + 2]


# Rehearsals


def test_a_rehearsal_is_in_no_public_list_and_takes_no_public_place(
    http: httpx.Client, clerk: Clerk
) -> None:
    before = clerk.schedule("real-1")["seq"]
    clerk.open("try-1", rehearsal=True)
    clerk.vote("try-1", "FRA", "yes")
    after = clerk.schedule("real-2")["seq"]
    assert after == before + 1
    wait_until(lambda: "real-2" in listed(http), PATIENCE, "the list")
    assert "try-1" not in listed(http, limit=100)
    public = read(http, EVENTS, after=before - 1, limit=1000)["events"]
    assert [event["rollcall"] for event in public] == ["real-1", "real-2"]
    wait_until(lambda: "try-1" in listed(http, rehearsal=1), PATIENCE, "rehearsals")
    assert "real-1" not in listed(http, rehearsal=1, limit=100)
    events = read(http, EVENTS, rehearsal=1)["events"]
    assert {event["source"] for event in events} == {"/chambers/ga/rehearsal"}
    assert [int(event["sequence"]) for event in events] == span(1, len(events))


def test_a_rehearsal_is_shown_by_its_address_and_says_so(
    http: httpx.Client, clerk: Clerk
) -> None:
    clerk.open("try-2", rehearsal=True)
    seq = clerk.vote("try-2", "FRA", "yes")["seq"]
    assert shown(http, "try-2", seq)["rehearsal"] is True
    assert read(http, f"{LIST}/try-2")["rehearsal"] is True
    assert read(http, f"{LIST}/try-2/tally", rehearsal=1)["rehearsal"] is True
    then = read(http, f"{LIST}/try-2/tally", as_of=seq - 1)
    assert then["counts"]["yes"] == 0


# Problems


@pytest.mark.parametrize(
    "path",
    [
        "/v1/nowhere/roll-calls",
        "/v1/nowhere/roll-calls/x",
        "/v1/nowhere/roll-calls/x/tally",
        "/v1/nowhere/events",
        "/v1/nowhere/live",
        "/v1/GA/roll-calls",
        "/v1/%00/events",
        "/v1/ga%2Frehearsal/events",
    ],
)
def test_an_unknown_chamber_is_refused(http: httpx.Client, path: str) -> None:
    status, code = refusal(http.get(path))
    assert status == 404
    assert code in ("unknown_chamber", "not_found")


@pytest.mark.parametrize(
    "name",
    ["no-such", "NO", "%00", "a%00b", "%FF%FE", "%F0%9F%92%A9", "a" * 4000, "..%2F..",
     "a%20b", "'", "%25", "a%0d%0aX-Evil:%201"],
)  # fmt: skip
@pytest.mark.parametrize("form", ["{}", "{}/tally"])
def test_an_unknown_roll_call_is_refused(
    http: httpx.Client, name: str, form: str
) -> None:
    status, code = refusal(http.get(f"{LIST}/{form.format(name)}"))
    assert status == 404
    assert code in ("unknown_roll_call", "not_found")


HUGE = "9" * 5000
BAD_QUERIES = [
    (LIST, "phase", ["", "OPEN", "other", "\0"]),
    (LIST, "limit", ["0", "101", "-1", "x", "", "1.5", HUGE, "1 0"]),
    (LIST, "cursor", ["0", "-1", "x", "", str(2**63), str(2**64), HUGE, "\0"]),
    (EVENTS, "after", ["-1", "x", "", str(2**63), str(2**64), HUGE]),
    (EVENTS, "limit", ["0", "1001", "x", ""]),
    (EVENTS, "wait", ["-1", "31", "x", "nan", "inf", "-inf", "1e400", HUGE]),
    (f"{LIST}/query-1/tally", "as_of", ["0", "-1", "x", "", str(2**63), HUGE]),
    (f"{LIST}/query-1", "lang", ["", "de", "EN", "en "]),
    ("/v1/ga/live", "after", ["-1", "x", str(2**64), HUGE]),
    ("/v1/ga/live", "feed", ["", "both", "Tally"]),
]


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [(path, name, value) for path, name, values in BAD_QUERIES for value in values],
    ids=lambda text: str(text)[:24],
)
def test_a_bad_query_value_is_refused_by_name(
    http: httpx.Client, clerk: Clerk, path: str, name: str, value: str
) -> None:
    if "query-1" in path and http.get(f"{LIST}/query-1").status_code == 404:
        shown(http, "query-1", clerk.schedule("query-1")["seq"])
    response = http.get(path, params={name: value})
    assert refusal(response) == (422, "bad_request")
    (error,) = response.json()["errors"]
    assert error["pointer"] == f"/query/{name}"
    assert error["detail"]


def test_a_place_not_reached_yet_is_refused_by_name(
    http: httpx.Client, clerk: Clerk
) -> None:
    seq = clerk.schedule("future-1")["seq"]
    shown(http, "future-1", seq)
    response = http.get(f"{LIST}/future-1/tally", params={"as_of": 10**9})
    assert refusal(response) == (422, "bad_request")
    assert response.json()["errors"][0]["pointer"] == "/query/as_of"


@pytest.mark.parametrize("path", [LIST, EVENTS, f"{LIST}/x", "/v1/ga/live"])
@pytest.mark.parametrize("value", ["2", "true", "", "\0"])
def test_rehearsal_is_1_or_0(http: httpx.Client, path: str, value: str) -> None:
    response = http.get(path, params={"rehearsal": value})
    assert refusal(response) == (422, "bad_request")
    assert response.json()["errors"][0]["pointer"] == "/query/rehearsal"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_written_here(http: httpx.Client, method: str) -> None:
    for path in (LIST, EVENTS, f"{LIST}/x", f"{LIST}/x/tally"):
        assert refusal(http.request(method, path)) == (405, "method_not_allowed")


def test_an_unknown_path_is_a_problem_too(http: httpx.Client) -> None:
    for path in ("/v1", "/v1/ga", "/v1/ga/roll-calls/x/nothing", "/nothing"):
        assert refusal(http.get(path)) == (404, "not_found")


@pytest.mark.parametrize(
    "target",
    [
        b"/v1/ga/roll-calls?cursor=\xff",
        b"/v1/ga/roll-calls/\xff\xfe",
        b"/v1/ga/roll-calls?limit=%",
        b"/v1/ga/roll-calls?%00=%00&limit=2",
        b"/v1/ga/live?roll_call=%ff%00",
        b"/v1/ga/live?epoch=%00&after=1",
        b"//v1//ga",
        b"/v1/ga/events?after=1&after=2",
        b"/v1/ga/roll-calls?limit=" + b"1" * 60_000,
    ],
)
@pytest.mark.parametrize("upgrade", [False, True], ids=["http", "websocket"])
def test_odd_bytes_are_no_error_of_ours(
    url: str, http: httpx.Client, target: bytes, upgrade: bool
) -> None:
    status = raw(url, target, upgrade)
    assert status is None or status < 500
    assert http.get("/healthz").is_success


def raw(url: str, target: bytes, upgrade: bool) -> int | None:
    """The status of the answer to a request for that target, byte for byte; None when
    the connection is closed without one."""
    place = urlsplit(url)
    assert place.hostname
    headers = b"Host: x\r\n"
    if upgrade:
        headers += (
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"
            b"\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        )
    with socket.create_connection((place.hostname, place.port or 80), 10) as sock:
        sock.sendall(b"GET %b HTTP/1.1\r\n%b\r\n" % (target, headers))
        found = re.match(rb"HTTP/1.1 (\d+)", sock.recv(1000))
    return int(found[1]) if found else None


def test_nothing_above_was_an_error_of_ours(url: str, stack: Any) -> None:
    """Last of this file: the gateway's own log tells of no exception."""
    text = (stack.folder / "gateway.log").read_text()
    assert "Traceback" not in text
    assert "request.failed" not in text
