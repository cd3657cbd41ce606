"""Somebody at the clerk's console."""

from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.e2e.stack import Clerk, Stack

SHOWN_MS = 10_000


class Desk:
    """A console that somebody works at."""

    def __init__(self, browser: Browser, stack: Stack, **options: Any) -> None:
        size = {"width": 1920, "height": 1080}
        self.context = browser.new_context(**{"viewport": size, **options})
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self._stack = stack
        self._url = stack.ingest_url

    def at(self, url: str) -> None:
        """Before another ingest."""
        self._url = url

    def sit_down(self, roll_call: str, token: str | None = None) -> None:
        self.page.goto(f"{self._url}/console")
        expect(self.page.locator("#new-rule option")).to_have_count(8)
        self.page.fill("#token", token or self._stack.token)
        self.page.fill("#roll-call", roll_call)
        self.page.keyboard.press("Enter")

    def ready(self) -> None:
        expect(self.page.locator("html")).to_have_attribute("data-state", "desk")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def sees(self, where: str, text: str, within_ms: int = SHOWN_MS) -> None:
        expect(self.page.locator(where)).to_contain_text(text, timeout=within_ms)

    def lamp(self, code: str, vote: str) -> None:
        lamp = self.page.locator(f"[data-code={code}] .lamp")
        expect(lamp).to_have_attribute("data-vote", vote, timeout=SHOWN_MS)


def votes(clerk: Clerk, roll_call: str) -> dict[str, str]:
    answer = clerk.http.get(f"/v1/ga/roll-calls/{roll_call}")
    found: dict[str, str] = answer.json()["votes"]
    return found
