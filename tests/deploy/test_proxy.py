"""The proxy as deployed, under a real nginx: what it caches, and what it never does."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from tests.deploy.nginx import Nginx, find_nginx
from tests.e2e.stack import Clerk, Stack
from tests.servers import HOST, free_port, wait_until

pytestmark = pytest.mark.skipif(
    find_nginx() is None, reason="no nginx; Debian's package is nginx-light"
)
TALLY = "/v1/ga/roll-calls/one/tally"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture(scope="module")
def proxy(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """Before the gateway and one that is dead."""
    dead = f"{HOST}:{free_port()}"
    gateways = [f"{HOST}:{stack.gateway.port}", dead]
    folder = tmp_path_factory.mktemp("nginx") / "one"
    with Nginx(folder, gateways, [f"{HOST}:{stack.ingest.port}"]) as nginx:
        clerk = Clerk(nginx.operators_url, stack.token)
        with clerk.http:
            clerk.open("one", rule="simple")
            clerk.vote("one", "FRA", "yes")
        yield nginx


@pytest.fixture
def public(proxy: Nginx) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy.url, verify=False, timeout=10) as http:
        wait_until(lambda: http.get(TALLY).is_success, 10, "the tally")
        yield http


def cached(answer: httpx.Response) -> str:
    return str(answer.headers["X-Cache"])


def test_one_read_a_second_reaches_a_gateway(public: httpx.Client) -> None:
    began = time.monotonic()
    found = [cached(public.get(TALLY)) for _ in range(40)]
    seconds = time.monotonic() - began
    asked = sum(status != "HIT" for status in found)
    assert asked <= 2 + seconds


def test_a_new_vote_is_seen_within_two_seconds(
    public: httpx.Client, proxy: Nginx, stack: Stack
) -> None:
    public.get(TALLY)
    clerk = Clerk(proxy.operators_url, stack.token)
    with clerk.http:
        seq = clerk.vote("one", "GBR", "no")["seq"]
    # A second in the cache, and the part of a second that nginx's clock does not see.
    wait_until(lambda: public.get(TALLY).json()["seq"] == seq, 5, "the new tally")


def test_a_reader_that_has_it_gets_304_from_the_cache(public: httpx.Client) -> None:
    tag = public.get(TALLY).headers["ETag"]
    answer = public.get(TALLY, headers={"If-None-Match": tag})
    assert answer.status_code == httpx.codes.NOT_MODIFIED
    assert not answer.content


def test_a_long_poll_is_never_answered_from_the_cache(
    public: httpx.Client, stack: Stack
) -> None:
    path = "/v1/ga/events?after=0&wait=1"
    assert {cached(public.get(path)) for _ in range(3)} == {"BYPASS"}


def test_monitoring_and_what_is_not_there_do_not_pass(public: httpx.Client) -> None:
    assert public.get("/metrics").status_code == httpx.codes.NOT_FOUND
    assert public.get("/readyz").status_code == httpx.codes.NOT_FOUND
    assert public.get("/healthz").is_success
    missing = [public.get("/v1/ga/roll-calls/none/tally") for _ in range(2)]
    assert [answer.status_code for answer in missing] == [404, 404]
    assert missing[0].json()["code"] == "unknown_roll_call"


def test_credentials_go_through_and_nothing_of_it_is_kept(
    public: httpx.Client,
) -> None:
    for _ in range(2):
        answer = public.get(
            "/v1/admin/webhooks", headers={"Authorization": "Bearer tlr_no_no"}
        )
        assert "X-Cache" not in answer.headers
        assert answer.status_code >= httpx.codes.BAD_REQUEST


def test_a_websocket_goes_through(proxy: Nginx, public: httpx.Client) -> None:
    url = proxy.url.replace("http", "ws") + "/v1/ga/live?feed=tally&roll_call=one"
    with connect(url, subprotocols=["tellers.v1"], proxy=None) as socket:  # type: ignore[list-item]
        assert '"op":"subscribed"' in str(socket.recv(10))
        assert '"op":"tally"' in str(socket.recv(10))


def test_a_command_is_not_repeated_by_the_proxy(tmp_path: Path) -> None:
    dead = [f"{HOST}:{free_port()}", f"{HOST}:{free_port()}"]
    with Nginx(tmp_path / "dead", dead, dead) as nginx:
        answer = httpx.put(
            f"{nginx.operators_url}/v1/ga/roll-calls/one/votes/FRA", verify=False
        )
    assert answer.status_code == httpx.codes.BAD_GATEWAY
    assert nginx.log.read_text().count("Connection refused") == 1
