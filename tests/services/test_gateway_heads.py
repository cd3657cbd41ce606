"""HEAD is answered as GET is, without the body."""

import httpx
import pytest

pytest_plugins = ("tests.services.gateway_stack",)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/healthz", 200),
        ("/openapi.json", 200),
        ("/v1/ga/roll-calls", 200),
        ("/elements/tellers-tally.v1.js", 200),
        ("/v1/ga/roll-calls/no-such/tally", 404),
    ],
)
def test_the_head_of_what_would_be_read(
    http: httpx.Client, path: str, status: int
) -> None:
    whole, head = http.get(path), http.head(path)
    assert whole.status_code == head.status_code == status
    assert whole.content
    assert head.content == b""
    for name in ("content-type", "content-length", "etag", "cache-control"):
        assert head.headers.get(name) == whole.headers.get(name), name
    # The connection goes on: nothing of a body was left on the line.
    assert http.get("/healthz").json() == {"status": "ok"}


def test_a_live_feed_has_no_head(http: httpx.Client) -> None:
    assert http.head("/v1/ga/live").status_code == 405
