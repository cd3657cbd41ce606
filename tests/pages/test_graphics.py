"""The overlay as packages: OGraf, CasparCG, SPX."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from playwright.sync_api import Browser, expect

from tests.e2e.stack import Clerk, Stack

OGRAF = Path(__file__).parents[1] / "fixtures" / "ograf" / "graphic.schema.json"

# A renderer at its hastiest: nothing is awaited, and calls come before and after their
# time. `where` is the page itself or a shadow tree, as renderers differ in that.
GRAPHIC = """async ({ main, where }) => {
  const { default: Graphic } = await import(main);
  customElements.define(`under-test-${where}`, Graphic);
  const graphic = document.createElement(`under-test-${where}`);
  const host = document.createElement("div");
  document.body.append(host);
  const place = where === "shadow" ? host.attachShadow({ mode: "open" }) : host;
  place.append(graphic);
  const calls = {
    early: () => graphic.playAction({}),
    load: () => graphic.load({ data: { vote: "ograf" }, renderType: "realtime" }),
    play: () => graphic.playAction({}),
    next: () => graphic.playAction({ delta: 1 }),
    goto: () => graphic.playAction({ goto: 2, skipAnimation: true }),
    hold: () => graphic.customAction({ id: "hold", payload: null }),
    unknown: () => graphic.customAction({ id: "explode" }),
    update: () => graphic.updateAction({ data: { title: "By hand", lang: "fr" } }),
    release: () => graphic.customAction({ id: "release" }),
    end: () => graphic.playAction({}),
    again: () => graphic.playAction({}),
    stop: () => graphic.stopAction({}),
    stopped: () => graphic.stopAction(),
    dispose: () => graphic.dispose({}),
    late: () => graphic.updateAction({ data: {} }),
  };
  const names = Object.keys(calls);
  const answers = await Promise.all(names.map((name) => calls[name]()));
  const layout = graphic.constructor.layout;
  return { layout, answers: Object.fromEntries(names.map((n, i) => [n, answers[i]])) };
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

    def test_nothing_in_a_template_is_newer_than_its_players(
        self, stack: Stack
    ) -> None:
        """OBS 28 has Chromium 103, CasparCG 2.4 Chromium 117: no JSON modules."""
        page = self.files(stack, "casparcg.zip")["tellers/overlay.html"]
        assert "importmap" not in page
        assert not re.search(r"^import |\bwith \{ *type", page, re.MULTILINE)
        # CasparCG would take these in an address for the size of the picture.
        assert not re.search(r"[?&](width|height)=", page)

    def test_spx_can_set_every_field(self, stack: Stack) -> None:
        page = self.files(stack, "spx.zip")["tellers/overlay.html"]
        found = re.search(r"window\.SPXGCTemplateDefinition = (\{.*\});", page)
        assert found is not None
        definition = json.loads(found[1])
        fields = definition["DataFields"]
        assert [one["field"] for one in fields] == [f"f{n}" for n in range(10)]
        assert fields[0]["value"] == "es-11-1"
        assert {one["ftype"] for one in fields} == {"textfield", "dropdown"}

    @pytest.mark.parametrize("kind", ["lower-third", "board"])
    def test_the_manifest_is_what_ograf_asks_for(self, stack: Stack, kind: str) -> None:
        schema = Draft202012Validator(json.loads(OGRAF.read_text("utf-8")))
        files = self.files(stack, "ograf.zip")
        manifest = json.loads(files[f"tellers.{kind}.ograf.json"])
        assert [error.message for error in schema.iter_errors(manifest)] == []
        assert manifest["main"] in files
        assert manifest["stepCount"] == 3
        wrong = {**manifest, "actions": [], "stepCount": "3"}
        del wrong["supportsNonRealTime"]
        assert len(list(schema.iter_errors(wrong))) == 3

    @pytest.mark.parametrize(
        ("main", "where", "layout"),
        [
            ("/tellers.js", "page", "lower-third"),
            ("/tellers-board.js", "shadow", "full"),
        ],
    )
    def test_the_graphic_answers_every_call_in_whatever_order(
        self,
        stack: Stack,
        clerk: Clerk,
        browser: Browser,
        tmp_path: Path,
        main: str,
        where: str,
        layout: str,
    ) -> None:
        if where == "page":
            clerk.open("ograf")
            clerk.vote("ograf", "FRA", "yes")
        files = self.files(stack, "ograf.zip")
        context = browser.new_context(viewport={"width": 1920, "height": 1080})
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        with renderer(files, tmp_path) as host:
            page.goto(f"{host}/")
            found = page.evaluate(GRAPHIC, {"main": main, "where": where})
        answers = found["answers"]
        codes = {name: answer["statusCode"] for name, answer in answers.items()}
        refused = {"early": 409, "unknown": 404, "late": 409}
        assert codes == dict.fromkeys(answers, 200) | refused
        steps = {name: answer.get("currentStep") for name, answer in answers.items()}
        assert [steps[name] for name in ("play", "next", "goto")] == [0, 1, 2]
        assert steps["end"] is None
        assert steps["again"] == 0
        assert found["layout"] == layout
        assert errors == []
        context.close()

    def test_a_graphic_without_a_number_says_so_and_shows_nothing(
        self, stack: Stack, browser: Browser, tmp_path: Path
    ) -> None:
        files = self.files(stack, "ograf.zip")
        page = browser.new_page()
        with renderer(files, tmp_path) as host:
            page.goto(f"{host}/")
            answer = page.evaluate(
                """async () => {
                  const { default: Graphic } = await import("/tellers.js");
                  customElements.define("under-test", Graphic);
                  const graphic = document.createElement("under-test");
                  document.body.append(graphic);
                  await graphic.load({ data: { vote: "never" } });
                  return graphic.playAction({});
                }"""
            )
            assert answer["statusCode"] == 503
            number = page.frame_locator("iframe").locator("#overlay")
            expect(number).to_be_hidden()
        page.close()
