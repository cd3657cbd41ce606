"""Whatever leaves the gateway says that it is a rehearsal: to programs as `mode`, to
people by the word in the language asked for."""

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from openpyxl import load_workbook

from tellers_gateway.words import LANGUAGES, Language, Words
from tests.e2e.stack import Clerk
from tests.servers import wait_until
from tests.services.viewing import PATIENCE

pytest_plugins = ("tests.services.gateway_stack",)

LIVE, REHEARSAL = "mode-live", "mode-rehearsal"
NAMES = {LIVE: "live", REHEARSAL: "rehearsal"}
ROWS = ("flat", "members", "votes", "changes", "chart", "voeten")
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture(scope="module")
def http(url: str, clerk: Clerk) -> Iterator[httpx.Client]:
    """A reader, when a roll call and the rehearsal of one are there."""
    for name in NAMES:
        clerk.schedule(name, rehearsal=name == REHEARSAL)
        clerk.step(name, "open")
        clerk.vote(name, "FRA", "yes")
    with httpx.Client(base_url=url, timeout=PATIENCE, verify=False) as client:
        for name in NAMES:
            there = f"/v1/ga/roll-calls/{name}/tally"
            wait_until(
                lambda: client.get(there).json()["counts"]["yes"] == 1,  # noqa: B023
                PATIENCE,
                there,
            )
        yield client


def read(http: httpx.Client, name: str, what: str, lang: Language = "en") -> str:
    response = http.get(f"/v1/ga/roll-calls/{name}/{what}?lang={lang}")
    assert response.status_code == 200, response.text
    return response.text


def word(language: Language) -> str:
    return Words(language).say("rehearsal").upper()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", ROWS)
def test_every_row_of_a_csv_has_its_mode_at_the_end(
    http: httpx.Client, name: str, rows: str
) -> None:
    header, *found = csv.reader(io.StringIO(read(http, name, f"{rows}.csv")))
    place = header.index("mode")
    assert {row[place] for row in found} == {NAMES[name]}
    # Columns are a promise: those that were there first have kept their places.
    assert rows == "flat" or place == len(header) - 1


@pytest.mark.parametrize("name", NAMES)
def test_so_has_every_row_of_xml_json_and_a_workbook(
    http: httpx.Client, name: str
) -> None:
    for rows in ("flat", "members"):
        for row in ElementTree.fromstring(read(http, name, f"{rows}.xml")):
            assert row.findtext("mode") == NAMES[name]
    for rows in ("flat", "members", "votes"):
        found = json.loads(read(http, name, f"{rows}.json"))
        assert {row["mode"] for row in found} == {NAMES[name]}
    body = http.get(f"/v1/ga/roll-calls/{name}/votes.xlsx").content
    book = load_workbook(io.BytesIO(body))
    for sheet in ("totals", "votes", "changes"):
        first, *rest = book[sheet].values
        place = first.index("mode")
        assert {row[place] for row in rest} == {NAMES[name]}, sheet


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", ["groups", "timeline", "moments", "compare/{name}"])
def test_what_is_made_of_it_has_its_mode(
    http: httpx.Client, name: str, what: str
) -> None:
    assert json.loads(read(http, name, what.format(name=name)))["mode"] == NAMES[name]


def test_a_comparison_has_the_mode_of_the_other_too(http: httpx.Client) -> None:
    found = json.loads(read(http, LIVE, f"compare/{REHEARSAL}"))
    assert (found["mode"], found["other_mode"]) == ("live", "rehearsal")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_live_blog_and_each_of_its_items_say_the_word(
    http: httpx.Client, language: Language
) -> None:
    feed = ElementTree.fromstring(read(http, REHEARSAL, "moments.atom", language))
    texts = [one.text for tag in ("title", "content") for one in feed.iter(ATOM + tag)]
    posting = json.loads(read(http, REHEARSAL, "moments.jsonld", language))
    texts += [one["headline"] for one in (posting, *posting["liveBlogUpdate"])]
    texts += [one["articleBody"] for one in posting["liveBlogUpdate"]]
    assert len(texts) >= 10
    assert all(text is not None and word(language) in text[:20] for text in texts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_oembed_says_the_word(http: httpx.Client, url: str, language: Language) -> None:
    query = {"url": f"{url}/v/ga/{REHEARSAL}", "lang": language}
    found = http.get("/oembed", params=query).json()
    html = ElementTree.fromstring(f"<div>{found['html']}</div>")
    quotation, frame = html
    assert "".join(quotation.itertext()).startswith(word(language))
    assert frame.attrib["title"].startswith(word(language))
    assert found["title"].startswith(word(language))


def texts_of(page: str) -> dict[str, str]:
    """What the page tells those who read no scripts, by where it stands."""
    tags = re.findall(r'<meta (?:name|property)="([^"]+)" content="([^"]*)">', page)
    told = {
        name: text
        for name, text in tags
        if name.endswith(("title", "description", ":alt"))
    }
    data = re.search(r'<script type="application/ld\+json">(.*?)</script>', page)
    plain = re.search(r'<p class="plain" id="plain">(.*?)</p>', page)
    title = re.search(r"<title>(.*?)</title>", page)
    assert data
    assert plain
    assert title
    dataset: dict[str, Any] = json.loads(data[1])
    return told | {
        "title": title[1],
        "plain": plain[1],
        "dataset": dataset["name"],
        "dataset description": dataset["description"],
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_that_is_shared_says_the_word_without_scripts(
    http: httpx.Client, language: Language
) -> None:
    texts = texts_of(http.get(f"/v/ga/{REHEARSAL}?lang={language}").text)
    assert len(texts) == 11
    for where, text in texts.items():
        assert text.startswith(word(language)), where


def test_a_real_vote_is_called_a_rehearsal_nowhere(
    http: httpx.Client, url: str
) -> None:
    page = texts_of(http.get(f"/v/ga/{LIVE}").text)
    found = http.get("/oembed", params={"url": f"{url}/v/ga/{LIVE}"}).text
    told = [read(http, LIVE, f"moments.{form}") for form in ("atom", "jsonld")]
    for text in (*page.values(), found, *told):
        assert word("en") not in text.upper()
