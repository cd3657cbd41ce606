"""Somebody who opens pages: what they see, and what went wrong on the side."""

import re
import time
from collections import Counter
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Browser, ConsoleMessage, expect

HALL = (1920, 1080)
PHONE = (390, 844)
SHOWN_MS = 10_000
# After a restart of the gateway a page comes back within its backoff.
BACK_MS = 30_000
# A test may well want to see a page of a roll call that is not there.
KNOWN_SECONDS = 3.0
OF_A_ROLL_CALL = re.compile(
    r"/(?:board|v|embed|overlay|dock)/([^/]+)/(?!current\b)([^/?#]+)"
)


def pages_of(name: str) -> dict[str, str | None]:
    """The pages for viewers and the state in which each is ready, when a roll call of
    that name runs and there was one called the same and `-before`."""
    return {
        "/": "live",
        f"/board/ga/{name}": "live",
        f"/v/ga/{name}?with={name}-before": "live",
        f"/embed/ga/{name}": "live",
        f"/dock/ga/{name}": "calm",
        "/verify": None,
    }


class Visitor:
    """A page of its own, empty storage.

    Args:
        expects_trouble: requests may fail, because the test makes them fail.
    """

    def __init__(
        self,
        browser: Browser,
        url: str,
        size: tuple[int, int] = HALL,
        *,
        expects_trouble: bool = False,
        **options: Any,
    ) -> None:
        width, height = size
        self._context = browser.new_context(
            viewport={"width": width, "height": height}, **options
        )
        self._url = url
        self.expects_trouble = expects_trouble
        self.page = self._context.new_page()
        self.hosts: set[str] = set()
        self.errors: list[str] = []
        self.page.on("request", lambda request: self._met(request.url))
        self.page.on("websocket", lambda socket: self._met(socket.url))
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _met(self, address: str) -> None:
        self.hosts.add(urlsplit(address).netloc)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def open(self, path: str, state: str = "live") -> None:
        """Open a page and wait for its state."""
        if not self.expects_trouble:
            self._await_roll_call(path)
        self.page.goto(f"{self._url}{path}")
        self.sees_state(state)

    def _await_roll_call(self, path: str) -> None:
        """What was just scheduled is at the gateway a moment later: until then a page
        is answered 404, which a browser notes as an error."""
        found = OF_A_ROLL_CALL.match(path)
        if found is None:
            return
        tally = f"{self._url}/v1/{found[1]}/roll-calls/{found[2]}/tally"
        query = {"rehearsal": "1"} if "rehearsal=1" in path else {}
        give_up = time.monotonic() + KNOWN_SECONDS
        while time.monotonic() < give_up:
            answer = httpx.get(tally, params=query, verify=False, trust_env=False)
            if answer.status_code != httpx.codes.NOT_FOUND:
                return
            time.sleep(0.02)

    def open_board(self, roll_call: str, query: str = "", chamber: str = "ga") -> None:
        """Open a board and wait until it is live."""
        self.open(f"/board/{chamber}/{roll_call}{query}")

    def sees_state(self, state: str, within_ms: float = SHOWN_MS) -> None:
        """The page says so of itself, as `data-state`."""
        html = self.page.locator("html")
        expect(html).to_have_attribute("data-state", state, timeout=within_ms)

    def sees(self, text: str, where: str = "body") -> None:
        """This text comes to stand there."""
        expect(self.page.locator(where)).to_contain_text(text, timeout=SHOWN_MS)

    def sees_counts(self, *counts: int) -> None:
        """Yes, no, abstain, not voting, as the big numbers say."""
        numbers = self.page.locator("#counts .number")
        expect(numbers).to_have_text([str(n) for n in counts], timeout=SHOWN_MS)

    @property
    def lamps(self) -> dict[str, str]:
        """Every lamp's vote, by delegation."""
        found: dict[str, str] = self.page.evaluate(
            "Object.fromEntries([...document.querySelectorAll('.lamp')]"
            ".map(lamp => [lamp.dataset.delegation, lamp.dataset.vote]))"
        )
        return found

    @property
    def lamp_counts(self) -> Counter[str]:
        """How many lamps show what."""
        return Counter(self.lamps.values())

    @property
    def spoken(self) -> str:
        """What a screen reader was given last."""
        return self.page.locator("#aloud").inner_text()

    @property
    def overflow(self) -> tuple[int, int]:
        """How far the page goes beyond the screen, across and down."""
        across, down = self.page.evaluate(
            "[document.documentElement.scrollWidth - innerWidth,"
            " document.documentElement.scrollHeight - innerHeight]"
        )
        return across, down

    @property
    def cut_names(self) -> list[str]:
        """Names that do not fit where they stand; 3 pixels are between two lamps."""
        found: list[str] = self.page.evaluate(
            "[...document.querySelectorAll('.lamp .name')].filter(name =>"
            " name.scrollWidth > name.clientWidth"
            " || name.scrollHeight > name.parentElement.clientHeight + 3)"
            ".map(name => name.textContent)"
        )
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._context.close()
        if error is None:
            assert self.hosts <= {urlsplit(self._url).netloc}
            assert self.expects_trouble or not self.errors, self.errors
