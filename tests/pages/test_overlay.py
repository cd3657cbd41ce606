"""The overlay on air: right, or the last good number, or nothing."""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.stack import Clerk, Stack, recorded
from tests.pages.visitor import HALL, SHOWN_MS, Visitor

UPRIGHT = (1080, 1920)
LAYOUTS = ("lower-third", "full", "ticker", "bug")
BARE: dict[str, Any] = {"omit_background": True, "animations": "disabled"}
LANGUAGES = ("en", "fr", "es", "ru", "ar", "zh")


class Air(Visitor):
    """What goes out."""

    def opens(self, roll_call: str, query: str = "", state: str = "LIVE") -> None:
        self.open(f"/overlay/ga/{roll_call}{query}", state)

    @property
    def numbers(self) -> list[str]:
        """Every number that is on the screen."""
        texts: list[str] = self.page.evaluate(
            "document.getElementById('overlay').hidden ? [] :"
            "[...document.querySelectorAll('.number')]"
            ".filter(n => n.getClientRects().length).map(n => n.textContent)"
        )
        return texts

    def shows(self, *numbers: int, within_ms: float = SHOWN_MS) -> None:
        """Yes, no, abstain, not voting."""
        where = self.page.locator(".number")
        expect(where).to_have_text([str(n) for n in numbers], timeout=within_ms)

    @property
    def is_clear(self) -> bool:
        """Not one pixel is painted."""
        return all(value == 0 for value in pixels(self.page.screenshot(**BARE)))


def pixels(png: bytes) -> bytes:
    """The samples of an RGBA picture, row filters left in: all 0 when nothing is there
    (a row of zeros is zeros under every filter of PNG)."""
    place, data = 8, b""
    while place < len(png):
        size, kind = struct.unpack_from(">I4s", png, place)
        if kind == b"IDAT":
            data += png[place + 8 : place + 8 + size]
        place += 12 + size
    raw = zlib.decompress(data)
    width = struct.unpack_from(">I", png, 16)[0]
    row = 1 + 4 * width
    return b"".join(raw[n + 1 : n + row] for n in range(0, len(raw), row))


@pytest.fixture
def air(browser: Browser, stack: Stack) -> Iterator[Air]:
    """A browser source of 1920x1080; whatever it reports fails the test."""
    with Air(browser, stack.gateway_url) as source:
        yield source


def test_before_anything_is_known_nothing_is_on_air(air: Air) -> None:
    air.opens("never-scheduled", state="EMPTY")
    assert air.numbers == []
    assert air.is_clear


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [HALL, UPRIGHT], ids=["wide", "upright"])
def test_everything_stays_within_the_safe_area(
    browser: Browser, stack: Stack, clerk: Clerk, layout: str, size: tuple[int, int]
) -> None:
    name = f"safe-{layout}-{size[0]}"
    title = (
        "Aggression against Ukraine: emergency special session, eleventh, as revised"
    )
    clerk.schedule(name, title=title, symbol="A/ES-11/L.1")
    clerk.step(name, "open")
    clerk.vote(name, "FRA", "yes")
    with Air(browser, stack.gateway_url, size) as air:
        air.opens(name, f"?layout={layout}")
        boxes = air.page.evaluate(
            "[...document.querySelectorAll('.plate, .plate *')].map(e => "
            "e.getBoundingClientRect()).filter(b => b.width && b.height)"
            ".map(b => [b.left, b.top, innerWidth - b.right, innerHeight - b.bottom])"
        )
        across, down = 0.05 * size[0] - 1, 0.05 * size[1] - 1
        assert boxes
        for left, top, right, bottom in boxes:
            assert min(left, right) >= across
            assert min(top, bottom) >= down


def test_a_whole_replay_ends_in_the_final_result(air: Air, clerk: Clerk) -> None:
    clerk.open("on-air")
    air.opens("on-air")
    for delegation, vote in recorded("es-11-1"):
        clerk.vote("on-air", delegation, vote)
    air.shows(141, 5, 35, 12)
    clerk.step("on-air", "lock")
    clerk.step("on-air", "close")
    air.sees_state("FINAL")
    air.sees("Adopted", ".verdict")


def test_hold_freezes_and_release_is_one_step(air: Air, clerk: Clerk) -> None:
    clerk.open("held-on-air")
    clerk.vote("held-on-air", "FRA", "yes")
    air.opens("held-on-air")
    air.shows(1, 0, 0, 192)
    air.page.evaluate("tellers.hold()")
    air.sees_state("HELD")
    clerk.vote("held-on-air", "NOR", "yes")
    air.page.wait_for_timeout(500)  # the feed goes on beneath, the picture does not
    assert air.numbers == ["1", "0", "0", "192"]
    air.page.evaluate("tellers.release()")
    air.shows(2, 0, 0, 191)
    air.sees_state("LIVE")


def test_rehearsals_reach_air_only_where_they_are_asked_for(
    browser: Browser, stack: Stack, clerk: Clerk
) -> None:
    clerk.open("practice", rehearsal=True)
    clerk.vote("practice", "FRA", "yes")
    with Air(browser, stack.gateway_url) as air:
        air.opens("practice", state="EMPTY")
        air.page.wait_for_timeout(500)
        assert air.is_clear
    with Air(browser, stack.gateway_url) as air:
        air.opens("practice", "?rehearsal=1")
        expect(air.page.locator(".rehearsal")).to_be_visible()


def test_current_follows_the_vote_that_is_on(
    browser: Browser, stack: Stack, clerk: Clerk
) -> None:
    clerk.open("first", chamber="sc")
    with Air(browser, stack.gateway_url) as air:
        air.open("/overlay/sc/current", "LIVE")
        air.sees("Title of first", ".title")
        clerk.step("first", "lock", "sc")
        clerk.step("first", "close", "sc")
        air.sees_state("FINAL")
        clerk.schedule("second", chamber="sc")
        air.sees("Title of first", ".title")
        clerk.step("second", "open", "sc")
        air.sees("Title of second", ".title")
        air.sees_state("LIVE")


def test_figures_typed_by_hand_beat_the_feed(air: Air, clerk: Clerk) -> None:
    clerk.open("typed")
    clerk.vote("typed", "FRA", "yes")
    air.opens("typed")
    air.page.evaluate("""update('{"yes":"100","no":"7","abstain":"9"}')""")
    assert air.numbers == ["100", "7", "9"]
    xml = (
        '<templateData><componentData id="f2"><data id="text" value="101"/>'
        "</componentData></templateData>"
    )
    air.page.evaluate("given => update(given)", xml)
    assert air.numbers == ["101", "7", "9"]
    air.page.evaluate("""update({yes: "", no: "", abstain: ""})""")
    air.shows(1, 0, 0, 192)
    air.page.evaluate("update('nonsense')")
    air.shows(1, 0, 0, 192)


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_speaks_six_languages(air: Air, clerk: Clerk, language: str) -> None:
    name = f"spoken-{language}"
    clerk.open(name)
    clerk.vote(name, "FRA", "yes")
    air.opens(name, f"?lang={language}")
    html = air.page.locator("html")
    expect(html).to_have_attribute("dir", "rtl" if language == "ar" else "ltr")
    assert len(air.numbers) == 4


GRAPHIC = """async () => {
  const { default: Graphic } = await import("/tellers.js");
  customElements.define("under-test", Graphic);
  const graphic = document.createElement("under-test");
  document.body.append(graphic);
  const codes = {};
  codes.load = await graphic.load({ data: { vote: "ograf" } });
  codes.play = await graphic.playAction({});
  codes.next = await graphic.playAction({});
  codes.hold = await graphic.customAction({ id: "hold" });
  codes.unknown = await graphic.customAction({ id: "explode" });
  codes.update = await graphic.updateAction({ data: { title: "By hand" } });
  codes.end = await graphic.playAction({ goto: 7 });
  codes.stop = await graphic.stopAction({});
  codes.dispose = await graphic.dispose({});
  return codes;
}
"""


@contextmanager
def renderer(files: dict[str, str], folder: Path) -> Iterator[str]:
    """A host that serves the unpacked package, as a renderer does; its address."""
    for name, text in {**files, "index.html": "<!doctype html>"}.items():
        (folder / name).write_text(text, "utf-8")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            return

    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(folder))
    ) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class TestPackages:
    def files(self, stack: Stack, name: str) -> dict[str, str]:
        answer = httpx.get(f"{stack.gateway_url}/graphics/{name}?vote=es-11-1")
        assert answer.headers["content-type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            return {n: archive.read(n).decode() for n in archive.namelist()}

    @pytest.mark.parametrize("name", ["casparcg.zip", "spx.zip"])
    def test_templates_hold_everything(self, stack: Stack, name: str) -> None:
        files = self.files(stack, name)
        page = files["tellers/overlay.html"]
        assert 'src="/' not in page
        assert 'href="/' not in page
        assert '"vote": "es-11-1"' in page
        assert ("SPXGCTemplateDefinition" in page) is (name == "spx.zip")

    def test_the_manifest_has_only_what_ograf_knows(self, stack: Stack) -> None:
        files = self.files(stack, "ograf.zip")
        manifest = json.loads(files["tellers.ograf.json"])
        required = {"$schema", "id", "name", "main"}
        required |= {"supportsRealTime", "supportsNonRealTime"}
        known = required | {"version", "description", "author", "schema", "stepCount"}
        known |= {"customActions", "renderRequirements", "thumbnails"}
        assert required <= manifest.keys() <= known
        assert manifest["main"] in files
        assert "/" not in manifest["id"]
        assert all({"id", "name"} <= a.keys() for a in manifest["customActions"])
        assert manifest["schema"]["type"] == "object"

    def test_the_graphic_answers_as_ograf_asks(
        self, stack: Stack, clerk: Clerk, browser: Browser, tmp_path: Path
    ) -> None:
        clerk.open("ograf")
        clerk.vote("ograf", "FRA", "yes")
        files = self.files(stack, "ograf.zip")
        context = browser.new_context(viewport={"width": 1920, "height": 1080})
        page = context.new_page()
        with renderer(files, tmp_path) as host:
            page.goto(f"{host}/")
            found = page.evaluate(GRAPHIC)
        assert {name: answer["statusCode"] for name, answer in found.items()} == {
            **dict.fromkeys(
                ("load", "play", "next", "hold", "update", "end", "stop", "dispose"),
                200,
            ),
            "unknown": 404,
        }
        assert (found["play"]["currentStep"], found["next"]["currentStep"]) == (0, 1)
        assert found["end"]["currentStep"] is None
        context.close()
