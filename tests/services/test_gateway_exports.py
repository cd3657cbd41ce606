"""Flat rows, exports, moments, groups and comparisons of a running gateway."""

import csv
import io
from collections.abc import Iterator
from xml.etree import ElementTree

import httpx
import pytest
from openpyxl import load_workbook

from tests.e2e.stack import Clerk
from tests.servers import wait_until
from tests.services.viewing import PATIENCE

pytest_plugins = ("tests.services.gateway_stack",)

A = "export-a"
B = "export-b"
TITLE = "=2+2 & <b>“Draft”</b>"
HERE = f"/v1/ga/roll-calls/{A}"
LICENCE = "https://creativecommons.org/publicdomain/zero/1.0/"
VOTED = ["vote.recorded"] * 2
FORMATS = [
    ("flat.json", "application/json"),
    ("flat.csv", "text/csv; charset=utf-8"),
    ("flat.xml", "application/xml"),
    ("members.json", "application/json"),
    ("members.csv", "text/csv; charset=utf-8"),
    ("members.xml", "application/xml"),
    ("votes.json", "application/json"),
    ("votes.csv", "text/csv; charset=utf-8"),
    (
        "votes.xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    ("changes.csv", "text/csv; charset=utf-8"),
    ("chart.csv", "text/csv; charset=utf-8"),
    ("voeten.csv", "text/csv; charset=utf-8"),
    ("moments", "application/json"),
    ("moments.json", "application/json"),
    ("moments.atom", "application/atom+xml"),
    ("moments.jsonld", "application/ld+json"),
    ("groups", "application/json"),
    (f"compare/{B}", "application/json"),
]


@pytest.fixture(scope="module")
def http(url: str, clerk: Clerk) -> Iterator[httpx.Client]:
    """A reader, when two roll calls with votes are there."""
    clerk.schedule(A, title=TITLE)
    clerk.step(A, "open")
    clerk.open(B)
    clerk.vote(A, "FRA", "yes")
    clerk.vote(A, "BOL", "no")
    clerk.vote(B, "FRA", "no")
    last = clerk.vote(B, "BOL", "no")["seq"]
    with httpx.Client(base_url=url, timeout=PATIENCE, verify=False) as client:
        there = f"/v1/ga/roll-calls/{B}/tally"
        wait_until(lambda: client.get(there).json()["seq"] == last, PATIENCE, there)
        yield client


@pytest.mark.parametrize(("name", "media_type"), FORMATS)
def test_every_format_is_public_cacheable_and_has_its_own_validator(
    http: httpx.Client, name: str, media_type: str
) -> None:
    first = http.get(f"{HERE}/{name}")
    assert first.status_code == 200, first.text
    assert first.headers["content-type"] == media_type
    assert first.headers["access-control-allow-origin"] == "*"
    assert first.headers["cache-control"] == "public, s-maxage=1"
    assert f'<{LICENCE}>; rel="license"' in first.headers["link"]
    etag = first.headers["etag"]
    again = http.get(f"{HERE}/{name}", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    if name != "moments":  # and moments.json are one
        others = {
            http.get(f"{HERE}/{other}").headers["etag"]
            for other, _ in FORMATS
            if other not in (name, "moments")
        }
        assert etag not in others


def test_each_is_documented_as_what_it_is(http: httpx.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    beneath = "/v1/{chamber}/roll-calls/{roll_call}/"
    seen = set()
    for path in paths:
        if path.startswith(beneath) and "proof" not in path and "cert" not in path:
            (documented,) = paths[path]["get"]["responses"]["200"]["content"]
            name = path.removeprefix(beneath).format(other=B)
            answered = http.get(f"{HERE}/{name}").headers["content-type"]
            assert answered.partition(";")[0] == documented, name
            seen.add(documented)
    assert {"text/csv", "application/xml", "image/png", "application/json"} < seen


@pytest.mark.parametrize("name", [name for name, _ in FORMATS])
def test_what_is_not_there_is_a_problem_that_says_so(
    http: httpx.Client, name: str
) -> None:
    for path, code in (
        (f"/v1/ga/roll-calls/nothing/{name}", "unknown_roll_call"),
        (f"/v1/xx/roll-calls/{A}/{name}", "unknown_chamber"),
        (f"{HERE}/{name}?lang=xx", "bad_request"),
    ):
        response = http.get(path)
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["code"] == code


def test_a_comparison_with_nothing_is_a_problem(http: httpx.Client) -> None:
    response = http.get(f"{HERE}/compare/nothing")
    assert (response.status_code, response.json()["code"]) == (404, "unknown_roll_call")


def test_the_flat_row_is_the_same_in_three_formats(http: httpx.Client) -> None:
    (row,) = http.get(f"{HERE}/flat.json").json()
    (cells,) = csv.DictReader(io.StringIO(http.get(f"{HERE}/flat.csv").text))
    (element,) = ElementTree.fromstring(http.get(f"{HERE}/flat.xml").content)
    in_xml = {cell.tag: cell.text for cell in element}
    assert {name: str(value) for name, value in row.items()} == in_xml
    assert (row["yes"], row["no"], row["title"]) == (1, 1, TITLE)
    assert cells["title"] == "'" + TITLE
    assert "result" not in row
    assert cells["result"] == ""


def test_a_row_a_member_also_in_excel(http: httpx.Client) -> None:
    rows = http.get(f"{HERE}/votes.json").json()
    assert len(rows) == 193
    assert {row["member_code"]: row["vote"] for row in rows}["BOL"] == "no"
    assert http.get(f"{HERE}/votes.csv?bom=1").content.startswith(b"\xef\xbb\xbf")
    book = load_workbook(io.BytesIO(http.get(f"{HERE}/votes.xlsx?lang=ar").content))
    assert book.sheetnames == ["totals", "votes", "changes", "about"]
    about = {name.value: value.value for name, value in book["about"].rows}
    assert about["title"] == "'" + TITLE
    assert about["licence"] == LICENCE
    assert f"/v/ga/{A}?seq={about['seq']}" in str(about["citation"])
    kinds = [cell.value for cell in book["changes"]["C"]]
    assert kinds == ["event", "roll_call.scheduled", "roll_call.opened", *VOTED]
    assert book["votes"].max_row == 194
    assert book["votes"].sheet_view.rightToLeft


def test_who_moved(http: httpx.Client) -> None:
    found = http.get(f"{HERE}/compare/{B}").json()
    assert found["moved"] == [
        {"delegation": "FRA", "name": "France", "before": "no", "now": "yes"}
    ]
    assert (found["same"], found["other"]) == (1, B)


def test_the_groups_have_their_bounds(http: httpx.Client) -> None:
    found = http.get(f"{HERE}/groups").json()["groups"]
    assert sum(group["counts"]["entitled"] for group in found) == 193
    assert all(
        group["cohesion_min"] <= (group["cohesion"] or 0) <= group["cohesion_max"]
        for group in found
        if group["cohesion"] is not None
    )


def test_the_moments_as_a_feed(http: httpx.Client) -> None:
    told = http.get(f"{HERE}/moments?lang=fr").json()["moments"]
    assert [moment["kind"] for moment in told] == ["opened", "permanent", "first_no"]
    feed = ElementTree.fromstring(http.get(f"{HERE}/moments.atom?lang=fr").content)
    atom = "{http://www.w3.org/2005/Atom}"
    titles = [entry.findtext(f"{atom}title") for entry in feed.iter(f"{atom}entry")]
    assert titles == [moment["headline"] for moment in reversed(told)]
    assert TITLE in (feed.findtext(f"{atom}title") or "")


def test_members_are_flat_rows_whose_columns_never_change(http: httpx.Client) -> None:
    rows = list(csv.DictReader(io.StringIO(http.get(f"{HERE}/members.csv").text)))
    assert list(rows[0]) == [
        "rank",
        "code",
        "name",
        "vote",
        "vote_label",
        "symbol_char",
        "changed",
        "recorded_at",
        "mode",
    ]
    assert [int(row["rank"]) for row in rows] == list(range(1, 194))
    found = {row["code"]: row for row in rows}
    assert (found["FRA"]["vote"], found["FRA"]["symbol_char"]) == ("yes", "✓")
    assert (found["BOL"]["vote"], found["BOL"]["symbol_char"]) == ("no", "✕")
    silent = found["AFG"]
    assert (silent["vote"], silent["recorded_at"]) == ("", "")
    assert (silent["vote_label"], silent["symbol_char"]) == ("not recorded", "\u2013")
    as_json = http.get(f"{HERE}/members.json?lang=zh").json()
    assert isinstance(as_json, list)
    assert "vote" not in next(row for row in as_json if row["code"] == "AFG")
    assert next(row for row in as_json if row["code"] == "FRA")["vote_label"] == "赞成"
    tree = ElementTree.fromstring(http.get(f"{HERE}/members.xml").text)
    assert [row.findtext("code") for row in tree][:1] == [rows[0]["code"]]


def test_what_happened_as_a_table_safe_to_open(http: httpx.Client) -> None:
    rows = list(csv.DictReader(io.StringIO(http.get(f"{HERE}/changes.csv").text)))
    assert [row["event"] for row in rows[2:]] == VOTED
    assert (rows[3]["member_code"], rows[3]["from"], rows[3]["to"]) == ("BOL", "", "no")
    assert rows[0]["to"] == "Two thirds of those present and voting"


def test_a_chart_has_its_four_rows_always(http: httpx.Client) -> None:
    rows = list(csv.DictReader(io.StringIO(http.get(f"{HERE}/chart.csv").text)))
    assert [(row["label"], row["votes"]) for row in rows] == [
        ("Yes", "1"),
        ("No", "1"),
        ("Abstain", "0"),
        ("Not yet recorded", "191"),
    ]
    assert all(row["color"].startswith("#") for row in rows)


def test_a_live_blog_takes_the_moments_as_they_are(http: httpx.Client) -> None:
    found = http.get(f"{HERE}/moments.jsonld?lang=fr").json()
    told = http.get(f"{HERE}/moments?lang=fr").json()["moments"]
    assert found["@type"] == "LiveBlogPosting"
    assert found["coverageStartTime"] == told[0]["at"]
    assert "coverageEndTime" not in found
    items = found["liveBlogUpdate"]
    assert [item["headline"] for item in items] == [m["headline"] for m in told]
    for item, moment in zip(items, told, strict=True):
        assert item["@type"] == "BlogPosting"
        assert item["datePublished"] == moment["at"]
        assert item["url"].endswith(f"/v/ga/{A}?seq={moment['seq']}")
        assert httpx.get(item["url"], verify=False).is_success
    assert "1 voix contre" in items[-1]["articleBody"]


class TestCard:
    CARD = f"{HERE}/card.png"

    def test_a_picture_of_now_and_a_picture_of_then(self, http: httpx.Client) -> None:
        now = http.get(self.CARD)
        assert now.headers["content-type"] == "image/png"
        assert now.headers["cache-control"] == "public, s-maxage=1"
        size = (int.from_bytes(now.content[n : n + 4]) for n in (16, 20))
        assert tuple(size) == (1200, 630)
        tally = http.get(f"{HERE}/tally").json()
        then = http.get(f"{self.CARD}?seq={tally['seq']}&epoch={tally['epoch']}")
        assert then.headers["cache-control"] == ("public, max-age=31536000, immutable")
        assert then.content == now.content
        before = http.get(f"{self.CARD}?seq={tally['seq'] - 1}")
        assert before.content != now.content
        etag = {"If-None-Match": then.headers["etag"]}
        assert http.get(self.CARD, headers=etag).status_code == 304

    def test_a_seq_of_another_history_is_not_kept(self, http: httpx.Client) -> None:
        seq = http.get(f"{HERE}/tally").json()["seq"]
        there = http.get(f"{self.CARD}?seq={seq}&epoch=lost")
        assert "immutable" not in there.headers["cache-control"]

    def test_as_svg_in_every_language(self, http: httpx.Client) -> None:
        shown = set()
        for language in ("en", "fr", "es", "ru", "ar", "zh"):
            answer = http.get(f"{HERE}/card.svg?lang={language}")
            assert answer.headers["content-type"] == "image/svg+xml"
            assert answer.headers["access-control-allow-origin"] == "*"
            picture = ElementTree.fromstring(answer.content)
            assert TITLE in (
                picture.findtext("{http://www.w3.org/2000/svg}title") or ""
            )
            shown.add(answer.text)
        assert len(shown) == 6

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("seq=0", "/query/seq"),
            ("seq=999999999", "/query/seq"),
            ("width=301", "/query/width"),
            ("lang=tlh", "/query/lang"),
        ],
    )
    def test_what_is_wrong_is_named(
        self, http: httpx.Client, query: str, field: str
    ) -> None:
        answer = http.get(f"{self.CARD}?{query}")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == field
