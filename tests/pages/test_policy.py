"""The content policy in a browser: no page breaks it; what is planted is stopped."""

import re

import httpx
import pytest
from playwright.sync_api import Browser

from tellers_gateway import element, pages, result_page
from tests.e2e.stack import Stack
from tests.pages.visitor import Visitor

PAGES = (
    "/",
    "/board/ga/policy",
    "/board/ga/no-such-thing",
    "/overlay/ga/policy",
    "/dock/ga/policy",
    "/docs",
    "/graphics/",
    "/verify",
    "/status",
    "/v/ga/policy",
    "/v/ga/no-such-thing",
    "/embed/ga/policy",
)
# The one that others may frame.
FRAMED = "/embed/"
# What pages are made of.
PARTS = {
    "/elements/tellers-client.v1.js",
    "/elements/tellers-client.v1.mjs",
    "/elements/tellers-height.v1.js",
    "/elements/tellers-overlay.v1.js",
    "/elements/tellers-tally.v1.js",
    "/elements/tellers-tally.v1.json",
    "/elements/tellers-tally.v1.{digest}.js",
}
# Each violation, as the browser reports it to the page itself.
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.effectiveDirective} ${event.blockedURI}`);
});
"""
DIRECTIVES = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self' ws: wss:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
}


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_its_headers(stack: Stack, path: str) -> None:
    headers = httpx.get(f"{stack.gateway_url}{path}", verify=False).headers
    policy = headers["Content-Security-Policy"]
    expected = DIRECTIVES
    if path.startswith(FRAMED):
        expected = DIRECTIVES - {"frame-ancestors 'none'"} | {"frame-ancestors *"}
    assert {part.strip() for part in policy.split(";")} == expected
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "server" not in headers


def test_every_page_is_in_the_list() -> None:
    routers = (element.router, pages.router, result_page.router)
    routes = [route for router in routers for route in router.routes]
    tested = {"/".join(path.split("/")[:2]) for path in PAGES}
    for route in routes:
        path = getattr(route, "path")  # noqa: B009 - mypy: not of all
        assert path in PARTS or "/".join(path.split("/")[:2]) in tested, path


@pytest.mark.parametrize("path", ["/v1/ga/roll-calls", "/openapi.json", "/nowhere"])
def test_what_is_no_page_runs_nothing(stack: Stack, path: str) -> None:
    headers = httpx.get(f"{stack.gateway_url}{path}", verify=False).headers
    policy = headers["Content-Security-Policy"]
    assert policy == "default-src 'none'; frame-ancestors 'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"


def _settled(visitor: Visitor, stack: Stack, path: str) -> list[str]:
    """Open a page, let it paint, and hear what was stopped."""
    visitor.page.add_init_script(WATCH)
    visitor.page.goto(f"{stack.gateway_url}{path}")
    visitor.page.wait_for_load_state("load")
    visitor.page.wait_for_function("() => document.body.innerText.trim().length > 0")
    found: list[str] = visitor.page.evaluate("window.violations")
    return found


def test_no_page_breaks_the_policy(browser: Browser, stack: Stack) -> None:
    clerk = stack.clerk()
    with clerk.http:
        clerk.replay("policy", [("FRA", "yes"), ("PER", "no")])
    for path in PAGES:
        # A roll call that is not there is a 404 in the console.
        with Visitor(browser, stack.gateway_url, expects_trouble=True) as visitor:
            assert _settled(visitor, stack, path) == [], path
            said = [line for line in visitor.errors if "Content Security" in line]
            assert said == [], path


PLANTED = {
    "an inline script": "const s = document.createElement('script');"
    "s.textContent = 'window.ran = true'; document.body.append(s);",
    "an event handler": "document.body.insertAdjacentHTML('beforeend',"
    " '<img src=/web/none onerror=window.ran=true>');",
    "a script from elsewhere": "const s = document.createElement('script');"
    "s.src = 'http://127.0.0.2:1/x.js'; document.body.append(s);",
    "a style": "document.body.insertAdjacentHTML('beforeend',"
    " '<style>body{display:none}</style>');",
    "a frame": "document.body.insertAdjacentHTML('beforeend',"
    " '<iframe src=\"/docs\"></iframe>');",
    "a picture from elsewhere": "new Image().src = 'http://127.0.0.2:1/x.png';",
}


@pytest.mark.parametrize("what", PLANTED)
def test_what_is_planted_is_stopped_and_heard(
    browser: Browser, stack: Stack, what: str
) -> None:
    with Visitor(browser, stack.gateway_url, expects_trouble=True) as visitor:
        assert _settled(visitor, stack, "/docs") == []
        # As whoever found a hole in our code would: within the page, by its own means.
        visitor.page.evaluate(PLANTED[what])
        visitor.page.wait_for_function("() => window.violations.length > 0")
        assert visitor.page.evaluate("window.ran") is None
        visitor.hosts.clear()  # they were not asked: the browser names what it stopped


def test_no_page_has_script_or_style_of_its_own(stack: Stack) -> None:
    for path in PAGES:
        text = httpx.get(f"{stack.gateway_url}{path}", verify=False).text.lower()
        assert "<style" not in text, path
        assert " style=" not in text, path
        assert "javascript:" not in text, path
        assert re.search(r"\son\w+\s*=", text) is None, path
        # What a search engine reads is no script: the browser runs none of it.
        text = text.replace('<script type="application/ld+json">', "")
        assert re.search(r"<script(?![^>]* src=)", text) is None, path
