"""What a browser asks before a page elsewhere reads: answered for reads only."""

import httpx
import pytest

from tests.services.viewing import refusal

pytest_plugins = ("tests.services.gateway_stack",)

ORIGIN = {"Origin": "https://news.example"}
ASKS = ORIGIN | {
    "Access-Control-Request-Method": "GET",
    "Access-Control-Request-Headers": "if-none-match",
}


@pytest.mark.parametrize(
    "path", ["/v1/ga/roll-calls/x/tally", "/v1/ga/live", "/status.json"]
)
def test_a_page_elsewhere_may_send_headers_to_a_read(
    http: httpx.Client, path: str
) -> None:
    answer = http.options(path, headers=ASKS)
    assert answer.status_code == 204
    assert answer.content == b""
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD"
    allowed = answer.headers["access-control-allow-headers"]
    assert allowed.split(", ") == ["If-None-Match", "Last-Event-ID", "*"]
    assert answer.headers["access-control-max-age"] == "600"
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", ["", "/ep_1", "/ep_1/secret"])
def test_no_page_elsewhere_may_manage_webhooks(http: httpx.Client, path: str) -> None:
    asks = ASKS | {"Access-Control-Request-Headers": "authorization"}
    answer = http.options(f"/v1/admin/webhooks{path}", headers=asks)
    assert refusal(answer) == (405, "method_not_allowed")
    assert "access-control-allow-headers" not in answer.headers


def test_options_that_is_no_preflight_is_a_method_that_is_not_known(
    http: httpx.Client,
) -> None:
    answer = http.options("/v1/ga/roll-calls", headers=ORIGIN)
    assert refusal(answer) == (405, "method_not_allowed")
