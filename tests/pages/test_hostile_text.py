"""Texts that would be more than text: refused by ingest, or shown as they are."""

import csv
import io
import json
import unicodedata
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser

from tests.e2e.stack import Stack
from tests.pages.visitor import SHOWN_MS, Visitor

SHOWN = {
    "script": "<script>window.ran=1</script>",
    "handler": "<img src=x onerror=window.ran=1>",
    "svg": "<svg/onload=window.ran=1>",
    "attribute": '" autofocus onfocus="window.ran=1',
    "end-of-element": "</bdi></h1><script>window.ran=1</script>",
    "end-of-title": "</title><script>window.ran=1</script>",
    "address": "javascript:window.ran=1",
    "template": "{{constructor.constructor('window.ran=1')()}} ${window.ran=1}",
    "entity": "&lt;script&gt;window.ran=1&lt;/script&gt;",
    "comment": "--><script>window.ran=1</script><!--",
    "cdata": "]]><script>window.ran=1</script>",
    "stream": "data: x event: tally id: 1:1",
    "formula": '=HYPERLINK("http://127.0.0.2/","x")',
    "joined": "\u0645\u06cc\u200c\u062e",
}
REFUSED = {
    "new-line": "a\ndata: {}",
    "return": "a\rid: 1",
    "override": "\u202etseuqer",
    "isolate": "\u2066a",
    "nul": "a\0b",
    "escape": "\x1b[2J",
    "line-separator": "a\u2028b",
}


def named(text: str, name: str) -> dict[str, Any]:
    return {"id": name, "title": text, "symbol": text[:64], "rule": "simple"}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_text_is_refused(stack: Stack, name: str) -> None:
    clerk = stack.clerk()
    with clerk.http as http:
        for field in ("title", "symbol"):
            body = {**named("T", f"refused-{name}"), field: REFUSED[name]}
            answer = http.post("/v1/ga/roll-calls", json=body)
            assert answer.status_code == 422
            (error,) = answer.json()["errors"]
            assert error["pointer"] == f"/{field}"
            assert "control character U+" in error["detail"]
            assert REFUSED[name] not in answer.text


def test_texts_are_normalised(stack: Stack) -> None:
    clerk = stack.clerk()
    with clerk.http as http:
        text = "\ufeffSi\u0301  A\u200b\u200f "
        answer = http.post("/v1/ga/roll-calls", json=named(text, "normalised"))
    title = answer.json()["roll_call"]["title"]
    assert title == unicodedata.normalize("NFC", "Si\u0301  A") == "S\u00ed  A"


@pytest.fixture
def hostile(stack: Stack) -> dict[str, str]:
    """Roll calls with these titles, by id; each has an intention with such a note."""
    clerk = stack.clerk()
    ids = {f"hostile-{name}": text for name, text in SHOWN.items()}
    with clerk.http as http:
        known = http.get(f"{stack.gateway_url}/v1/ga/roll-calls/hostile-script")
        for roll_call, text in ids.items():
            if known.is_success:
                break
            barred = {"ZMB": text}
            clerk.open(roll_call, title=text, symbol=text[:64], barred=barred)
            clerk.vote(roll_call, "FRA", "yes")
            clerk.step(roll_call, "lock")
            clerk.step(roll_call, "close")
            clerk.step(roll_call, "intentions", delegation="PER", vote="no", note=text)
    return ids


def test_pages_show_them_as_text(
    browser: Browser, stack: Stack, hostile: dict[str, str]
) -> None:
    for roll_call, text in hostile.items():
        with Visitor(browser, stack.gateway_url) as visitor:
            visitor.open_board(roll_call)
            visitor.page.wait_for_function(
                "text => document.body.innerText.includes(text)",
                arg=text,
                timeout=SHOWN_MS,
            )
            assert visitor.page.evaluate("window.ran") is None, roll_call
        for page in ("v", "embed"):
            with Visitor(browser, stack.gateway_url) as visitor:
                visitor.page.goto(f"{stack.gateway_url}/{page}/ga/{roll_call}")
                visitor.page.wait_for_function(
                    "text => document.body.innerText.includes(text)",
                    arg=text,
                    timeout=SHOWN_MS,
                )
                assert visitor.page.evaluate("window.ran") is None, roll_call
    with Visitor(browser, stack.gateway_url) as visitor:
        visitor.open("/")
        visitor.sees(SHOWN["script"])
        assert visitor.page.evaluate("window.ran") is None


def test_feeds_hold_them_in_one_line(stack: Stack, hostile: dict[str, str]) -> None:
    address = f"{stack.gateway_url}/v1/ga/live"
    for roll_call, text in hostile.items():
        query = {"roll_call": roll_call}
        with httpx.stream("GET", address, params=query, verify=False) as response:
            lines = response.iter_lines()
            tally = next(
                line for line in lines if line.startswith("data:") and "title" in line
            )
        assert json.loads(tally.removeprefix("data:"))["title"] == text


def test_a_cell_is_no_formula(stack: Stack, hostile: dict[str, str]) -> None:
    path = f"{stack.gateway_url}/v1/ga/roll-calls/hostile-formula/flat.csv"
    rows = list(csv.DictReader(io.StringIO(httpx.get(path, verify=False).text)))
    cells = [cell for row in rows for cell in row.values() if "HYPERLINK" in cell]
    assert cells
    assert all(cell.startswith("'=") for cell in cells)
