"""Behind a proxy that lets no WebSocket through the screens are live all the same."""

from playwright.sync_api import Browser, expect

from tests.e2e.stack import Clerk, Stack
from tests.pages.visitor import SHOWN_MS, Visitor

# What a browser says of a handshake that something between has refused.
NO_SOCKETS = """
class Refused extends EventTarget {
  constructor() {
    super();
    window.socketsTried = (window.socketsTried ?? 0) + 1;
    setTimeout(() => this.onclose?.({ code: 1006, reason: "" }));
  }
  close() {}
}
window.WebSocket = Refused;
"""


def test_the_board_and_the_overlay_go_on_by_server_sent_events(
    browser: Browser, stack: Stack, clerk: Clerk
) -> None:
    clerk.open("blocked")
    clerk.vote("blocked", "FRA", "yes")
    with Visitor(browser, stack.gateway_url) as board:
        board.page.add_init_script(NO_SOCKETS)
        board.open_board("blocked")
        assert board.page.evaluate("socketsTried") >= 2
        clerk.vote("blocked", "NOR", "no")
        board.sees_counts(1, 1, 0, 191)
        assert board.lamps["NOR"] == "no"
    with Visitor(browser, stack.gateway_url) as air:
        air.page.add_init_script(NO_SOCKETS)
        air.open("/overlay/ga/blocked", "LIVE")
        clerk.vote("blocked", "FJI", "abstain")
        number = air.page.locator(".count[data-vote=abstain] .number")
        expect(number).to_have_text("1", timeout=SHOWN_MS)
