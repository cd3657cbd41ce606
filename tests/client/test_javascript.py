"""The subscriber's module in node and in a browser, before a real gateway that dies."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import sync_playwright

from tests.e2e.stack import Clerk, Stack, recorded
from tests.pages.conftest import ARGUMENTS
from tests.pages.test_modules import find_node
from tests.servers import wait_until

HERE = Path(__file__).parent
PATIENCE = 40.0
VOTES = recorded("es-11-1")[:40]
Json = dict[str, Any]


@pytest.fixture(scope="module")
def dying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own, for its gateway dies."""
    with Stack(tmp_path_factory.mktemp("javascript")) as stack:
        yield stack


@pytest.fixture(scope="module")
def module(dying: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The module, copied as the documentation says."""
    path = tmp_path_factory.mktemp("module") / "tellers-client.v1.mjs"
    answer = httpx.get(f"{dying.gateway_url}/elements/tellers-client.v1.mjs")
    assert answer.headers["content-type"].startswith("text/javascript")
    path.write_bytes(answer.content)
    return path


class Subscriber:
    """A node process that writes what it gets into a file."""

    def __init__(self, output: Path) -> None:
        self._output = output

    @property
    def lines(self) -> list[Json]:
        """What it has got so far."""
        return [json.loads(line) for line in self._output.read_text().splitlines()]

    @property
    def items(self) -> list[Json]:
        return [one for one in self.lines if "epoch" in one]

    def has(self, number: int) -> None:
        wait_until(
            lambda: len(self.items) >= number, PATIENCE, f"{number} in {self._output}"
        )


@contextmanager
def subscriber(module: Path, stack: Stack, *asked: str) -> Iterator[Subscriber]:
    output = module.parent / f"{'-'.join(asked)}.jsonl"
    with output.open("wb") as out:
        process = subprocess.Popen(
            [find_node(), HERE / "subscriber.mjs", module, stack.gateway_url, *asked],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Subscriber(output)
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture
def clerk(dying: Stack) -> Iterator[Clerk]:
    clerk = dying.clerk()
    with clerk.http:
        yield clerk


def test_every_event_once_though_the_gateway_dies_in_the_middle(
    dying: Stack, module: Path, clerk: Clerk
) -> None:
    clerk.open("killed")
    with subscriber(module, dying, "events", "0") as node:
        for delegation, vote in VOTES[:15]:
            clerk.vote("killed", delegation, vote)
        node.has(17)
        dying.gateway.kill()
        for delegation, vote in VOTES[15:30]:
            clerk.vote("killed", delegation, vote)
        wait_until(lambda: {"state": "stale"} in node.lines, PATIENCE, "stale")
        dying.gateway.start()
        for delegation, vote in VOTES[30:]:
            clerk.vote("killed", delegation, vote)
        node.has(42)
        assert [int(event["sequence"]) for event in node.items] == list(range(1, 43))
        assert [line for line in node.lines if "state" in line][-1] == {"state": "live"}
    last = node.items[19]
    with subscriber(module, dying, "events", "20", last["epoch"]) as later:
        later.has(22)
        assert [int(event["sequence"]) for event in later.items] == list(range(21, 43))
    with subscriber(module, dying, "events", "20", "another") as lost:
        lost.has(42)
        assert any("restart" in line for line in lost.lines)
        assert [int(event["sequence"]) for event in lost.items] == list(range(1, 43))


def test_tallies_are_never_older_than_the_one_before(
    dying: Stack, module: Path, clerk: Clerk
) -> None:
    clerk.open("tallies")
    with subscriber(module, dying, "tally") as node:
        node.has(1)
        for delegation, vote in VOTES:
            clerk.vote("tallies", delegation, vote)

        def done() -> bool:
            mine = [t for t in node.items if t["roll_call"] == "tallies"]
            return bool(mine) and mine[-1]["counts"]["not_voting"] == 193 - len(VOTES)

        wait_until(done, PATIENCE, "the last tally")
        seqs = [t["seq"] for t in node.items if t["roll_call"] == "tallies"]
        assert seqs == sorted(set(seqs))


FOREIGN_PAGE = """async (gateway) => {
  const { subscribe, events, Refused } =
    await import(`${gateway}/elements/tellers-client.v1.js`);
  const found = {};
  for await (const tally of subscribe(gateway, { rollCall: "foreign" })) {
    found.yes = tally.counts.yes;
    break;
  }
  for await (const event of events(gateway, { rollCall: "foreign", after: 0 })) {
    found.first = event.type;
    break;
  }
  try {
    const nowhere = subscribe(gateway, { rollCall: "nowhere" });
    for await (const tally of nowhere) found.tally = tally;
  } catch (error) {
    found.refused = error instanceof Refused;
  }
  return found;
}"""


def test_any_page_anywhere_may_use_it(
    dying: Stack, clerk: Clerk, chromium: Path, tmp_path: Path
) -> None:
    clerk.open("foreign")
    clerk.vote("foreign", "FRA", "yes")
    page_file = tmp_path / "page.html"
    page_file.write_text("<!doctype html><title>another site</title>")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page()
        page.goto(page_file.as_uri())
        found = page.evaluate(FOREIGN_PAGE, dying.gateway_url)
        browser.close()
    assert found == {
        "yes": 1,
        "first": "org.tellers.roll_call.scheduled.v1",
        "refused": True,
    }
