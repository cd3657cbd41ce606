"""A page of another origin reads the gateway, with headers of its own."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.stack import Clerk, Stack

NAME = "read-elsewhere"
FETCH = """async ([address, headers]) => {
  const answer = await fetch(address, { headers });
  const first = answer.status === 200 && (await answer.body.getReader().read()).value;
  return {
    status: answer.status,
    etag: answer.headers.get("etag"),
    text: first ? new TextDecoder().decode(first) : "",
  };
}"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A newsroom's page, on another port: another origin."""

    class Newsroom(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>News</title>")

        def log_message(self, *_: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Newsroom) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        context = browser.new_context()
        opened = context.new_page()
        opened.goto(f"http://127.0.0.1:{server.server_address[1]}/")
        yield opened
        context.close()
        server.shutdown()


def test_a_page_elsewhere_asks_whether_the_tally_has_changed(
    page: Page, stack: Stack, clerk: Clerk
) -> None:
    clerk.open(NAME)
    address = f"{stack.gateway_url}/v1/ga/roll-calls/{NAME}/tally"
    page.wait_for_function(
        "address => fetch(address).then(answer => answer.ok)", arg=address
    )
    first = page.evaluate(FETCH, [address, {}])
    same = page.evaluate(FETCH, [address, {"If-None-Match": first["etag"]}])
    assert (same["status"], same["etag"]) == (304, first["etag"])
    clerk.vote(NAME, "FRA", "yes")
    page.wait_for_function(
        "([address, headers]) => fetch(address, { headers }).then(a => a.ok)",
        arg=[address, {"If-None-Match": first["etag"]}],
    )


def test_a_page_elsewhere_resumes_the_feed_with_fetch(
    page: Page, stack: Stack, clerk: Clerk
) -> None:
    tally = clerk.http.get(f"{stack.gateway_url}/v1/ga/events?after=0").json()
    place = f"{tally['epoch']}:0"
    address = f"{stack.gateway_url}/v1/ga/live?feed=events"
    resumed = page.evaluate(FETCH, [address, {"Last-Event-ID": place}])
    assert resumed["status"] == 200
    assert '"recovered":true' in resumed["text"]
