"""Malformed commands: each is refused, each fault is named, nothing is recorded."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

import pytest

from tests.servers import RedisServer
from tests.services.ingest import Clerk, Hall, hall, in_thread, places, refusal

NEW = {"id": "x", "title": "T", "rule": "simple"}
ONE = "/es-11-1"
FRA = ONE + "/votes/FRA"
WISH = {"delegation": "FRA", "vote": "yes"}
JSON = "application/json"
CSV = "text/csv"
LINES = "application/x-ndjson"


@pytest.fixture(scope="module")
def service(redis_server: RedisServer) -> Iterator[str]:
    with in_thread(redis_server.url) as url:
        yield url


@pytest.fixture
async def at(redis_url: str, service: str) -> AsyncIterator[Hall]:
    async with hall(redis_url, [service]) as found:
        yield found


@pytest.fixture
def clerk(at: Hall) -> Clerk:
    return at.clerk


class Bad(NamedTuple):
    """A request that is refused: what was sent, and the answer's status and places."""

    method: str
    path: str
    body: object
    status: int = 422
    places: tuple[str | int, ...] = ("",)
    code: str = "bad_request"
    media: str = JSON


def new(**fields: object) -> dict[str, object]:
    return {**NEW, **fields}


DEEP = b"[" * 100_000 + b"]" * 100_000
BAD: dict[str, Bad] = {
    # not JSON
    "cut off": Bad("PUT", FRA, b'{"vote":', 400),
    "not UTF-8": Bad("PUT", FRA, b'{"vote":"\xff"}', 400),
    "lone surrogate": Bad("POST", "", b'{"title":"\\ud800"}', 400),
    "deep": Bad("PUT", FRA, DEEP[96_000:104_000], 400),
    "deep field": Bad("PUT", FRA, b'{"vote":' + DEEP[96_000:104_000] + b"}", 400),
    "deep entry": Bad("POST", ONE + "/votes", b'{"votes":' + DEEP + b"}", 400),
    "UTF-16": Bad("PUT", FRA, '{"vote":"yes"}'.encode("utf-16"), 400),
    "BOM": Bad("PUT", FRA, b'\xef\xbb\xbf{"vote":"yes"}', 400),
    "two": Bad("PUT", FRA, b'{"vote":"yes"}{}', 400),
    "just NUL": Bad("POST", ONE + "/open", b"\0", 400),
    # another shape
    "no body": Bad("PUT", FRA, b"", 422, ("/vote",)),
    "a list": Bad("PUT", FRA, b"[]"),
    "null": Bad("PUT", FRA, b"null"),
    "NaN": Bad("PUT", FRA, b"NaN"),
    "vote is NaN": Bad("PUT", FRA, b'{"vote":NaN}', 422, ("/vote",)),
    "a fourth vote": Bad("PUT", FRA, {"vote": "absent"}, 422, ("/vote",)),
    "Yes": Bad("PUT", FRA, {"vote": "Yes"}, 422, ("/vote",)),
    "no vote": Bad("PUT", FRA, {"vote": None}, 422, ("/vote",)),
    "vote is true": Bad("PUT", FRA, {"vote": True}, 422, ("/vote",)),
    "vote and more": Bad(
        "PUT", FRA, {"vote": "yes", "delegation": "FRA"}, 422, ("/delegation",)
    ),
    "odd field": Bad("PUT", FRA, {"vote": "yes", "a/b~c": 1}, 422, ("/a~1b~0c",)),
    "body to open": Bad("POST", ONE + "/open", {"x": 1}, 422, ("/x",)),
    "body to delete": Bad("DELETE", FRA, {"vote": "yes"}, 422, ("/vote",)),
    "list to lock": Bad("POST", ONE + "/lock", b"[]"),
    # scheduling
    "nothing": Bad("POST", "", {}, 422, ("/id", "/title", "/rule")),
    "id upper": Bad("POST", "", new(id="ES"), 422, ("/id",)),
    "id newline": Bad("POST", "", new(id="a\n"), 422, ("/id",)),
    "id empty": Bad("POST", "", new(id=""), 422, ("/id",)),
    "id starts with a dot": Bad("POST", "", new(id=".a"), 422, ("/id",)),
    "id long": Bad("POST", "", new(id="a" * 65), 422, ("/id",)),
    "id of a number": Bad("POST", "", new(id=7), 422, ("/id",)),
    "title blank": Bad("POST", "", new(title=" \u2003 "), 422, ("/title",)),
    "title long": Bad("POST", "", new(title="é" * 501), 422, ("/title",)),
    "title NUL": Bad("POST", "", new(title="a\0b"), 422, ("/title",)),
    "title two lines": Bad("POST", "", new(title="a\n"), 422, ("/title",)),
    "title C1": Bad("POST", "", new(title="\x85a"), 422, ("/title",)),
    "title bidi": Bad("POST", "", new(title="a\u202eb"), 422, ("/title",)),
    "title isolate": Bad("POST", "", new(title="\u2066a"), 422, ("/title",)),
    "title lines": Bad("POST", "", new(title="a\u2028b"), 422, ("/title",)),
    "title paragraphs": Bad("POST", "", new(title="a\u2029b"), 422, ("/title",)),
    "title tagged": Bad("POST", "", new(title="a\U000e0041b"), 422, ("/title",)),
    "title of marks": Bad("POST", "", new(title="\u200e\u200b"), 422, ("/title",)),
    "title null": Bad("POST", "", new(title=None), 422, ("/title",)),
    "symbol long": Bad("POST", "", new(symbol="a" * 65), 422, ("/symbol",)),
    "symbol tab": Bad("POST", "", new(symbol="a\tb"), 422, ("/symbol",)),
    "rule": Bad("POST", "", new(rule="most"), 422, ("/rule",)),
    "rule null": Bad("POST", "", new(rule=None), 422, ("/rule",)),
    "rule float": Bad("POST", "", new(rule=0.66), 422, ("/rule",)),
    "rule list": Bad("POST", "", new(rule=["simple"]), 422, ("/rule",)),
    "rule of ga": Bad("POST", "", new(rule="security_council"), 422, ("/rule",)),
    "rehearsal": Bad("POST", "", new(rehearsal="true"), 422, ("/rehearsal",)),
    "rehearsal 1": Bad("POST", "", new(rehearsal=1), 422, ("/rehearsal",)),
    "reveal": Bad("POST", "", new(reveal="at_close"), 422, ("/reveal",)),
    "entitled text": Bad("POST", "", new(entitled="FRA"), 422, ("/entitled",)),
    "entitled none": Bad("POST", "", new(entitled=[]), 422, ("/entitled",)),
    "entitled number": Bad("POST", "", new(entitled=[1]), 422, ("/entitled/0",)),
    "entitled twice": Bad(
        "POST", "", new(entitled=["FRA", "PER", "FRA"]), 422, ("/entitled/2",)
    ),
    "no members": Bad(
        "POST",
        "",
        new(entitled=["fra", "\0", "FRA"], barred={"X/Y": "r"}, called_from="ZZZ"),
        422,
        ("/entitled/0", "/entitled/1", "/barred/X~1Y", "/called_from"),
    ),
    "all barred": Bad(
        "POST", "", new(entitled=["FRA"], barred={"FRA": "r"}), 422, ("/entitled",)
    ),
    "barred list": Bad("POST", "", new(barred=["FRA"]), 422, ("/barred",)),
    "barred why": Bad("POST", "", new(barred={"FRA": " "}), 422, ("/barred/FRA",)),
    "unknown field": Bad("POST", "", new(members=["FRA"]), 422, ("/members",)),
    # rules as fractions
    **{
        f"fraction {name}": Bad("POST", ONE + "/rule", {"rule": rule}, 422, ("/rule",))
        for name, rule in {
            "empty": {},
            "zero": {"fraction": "0/3", "of": "members"},
            "by zero": {"fraction": "1/0", "of": "members"},
            "over one": {"fraction": "4/3", "of": "members"},
            "float": {"fraction": 0.5, "of": "members"},
            "text": {"fraction": "half", "of": "members"},
            "long": {"fraction": f"1/{10**9}", "of": "members"},
            "other digits": {"fraction": "\u0661/\u0662", "of": "members"},
            "of": {"fraction": "1/2", "of": "everybody"},
            "strict": {"fraction": "1/2", "of": "members", "strict": 1},
            "more than all": {"fraction": "1/1", "of": "members", "strict": True},
            "unknown": {"fraction": "1/2", "of": "members", "x": 1},
        }.items()
    },
    # closing
    **{
        f"announced {name}": Bad(
            "POST", ONE + "/close", {"announced": said}, 422, (f"/announced{place}",)
        )
        for name, said, place in [
            ("text", "141-5-35", ""),
            ("negative", {"yes": -1, "no": 0, "abstain": 0}, "/yes"),
            ("float", {"yes": 1.0, "no": 0, "abstain": 0}, "/yes"),
            ("bool", {"yes": True, "no": 0, "abstain": 0}, "/yes"),
            ("huge", {"yes": 0, "no": 10**30, "abstain": 0}, "/no"),
            ("one missing", {"yes": 0, "no": 0}, "/abstain"),
            ("one more", {"yes": 0, "no": 0, "abstain": 0, "x": 0}, "/x"),
        ]
    },
    "announced digits": Bad(
        "POST", ONE + "/close", b'{"announced":{"yes":' + b"9" * 9999 + b"}}", 400
    ),
    # intentions
    "wish": Bad("POST", ONE + "/intentions", {}, 422, ("/delegation", "/vote")),
    "wish code": Bad(
        "POST",
        ONE + "/intentions",
        {**WISH, "delegation": "fra"},
        422,
        ("/delegation",),
    ),
    "wish note": Bad(
        "POST", ONE + "/intentions", {**WISH, "note": "a" * 501}, 422, ("/note",)
    ),
    "wish note 2": Bad(
        "POST", ONE + "/intentions", {**WISH, "note": "\u0007"}, 422, ("/note",)
    ),
    # batches
    "batch list": Bad("POST", ONE + "/votes", [WISH]),
    "batch empty": Bad("POST", ONE + "/votes", {"votes": []}, 422, ("/votes",)),
    "batch nothing": Bad("POST", ONE + "/votes", b"", 422, ("/votes",)),
    "batch null": Bad("POST", ONE + "/votes", {"votes": None}, 422, ("/votes",)),
    "batch long": Bad(
        "POST", ONE + "/votes", {"votes": [WISH] * 1001}, 422, ("/votes",)
    ),
    "batch absent": Bad(
        "POST",
        ONE + "/votes",
        {"votes": [{"delegation": "FRA", "vote": "absent"}]},
        422,
        ("/votes/0/vote",),
    ),
    "csv empty": Bad("POST", ONE + "/votes", b"", 422, (1,), media=CSV),
    "csv header": Bad("POST", ONE + "/votes", b"FRA,yes", 422, (1,), media=CSV),
    "csv no lines": Bad("POST", ONE + "/votes", b"name,vote\n", 422, (1,), media=CSV),
    "csv not UTF-8": Bad(
        "POST", ONE + "/votes", b"name,vote\nFrance\xff,X\n", 422, (2,), media=CSV
    ),
    "csv NUL": Bad(
        "POST", ONE + "/votes", b"name,vote\nFra\0nce,X\n", 422, (2,), media=CSV
    ),
    "lines empty": Bad("POST", ONE + "/votes", b"\n\n", 422, (1,), media=LINES),
    "lines not UTF-8": Bad(
        "POST", ONE + "/votes", b'{"vote":"\xff"}\n{}', 422, (1, 2, 2), media=LINES
    ),
    "lines deep": Bad("POST", ONE + "/votes", DEEP, 422, (1,), media=LINES),
    "lines long": Bad(
        "POST", ONE + "/votes", b"{}\n" * 1001, 422, (1001,), media=LINES
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_input_is_refused_and_nothing_is_recorded(
    at: Hall, clerk: Clerk, name: str
) -> None:
    bad = BAD[name]
    await clerk.open()
    content = bad.body if isinstance(bad.body, bytes) else json.dumps(bad.body).encode()
    response = await clerk.send(
        bad.method, bad.path, content=content, headers={"Content-Type": bad.media}
    )
    assert refusal(response) == (bad.status, bad.code), response.text
    assert tuple(places(response)) == bad.places
    assert all(error["detail"] for error in response.json()["errors"])
    assert await at.length() == 2
