"""What the ingest API refuses, how it says so, and that nothing is recorded then."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tellers_ingest.arrival import MAX_BODY_BYTES, MAX_COMMAND_BYTES
from tests.servers import RedisServer
from tests.services.ingest import Clerk, Hall, hall, in_thread, refusal

NEW = {"id": "x", "title": "T", "rule": "simple"}
ONE = "/es-11-1"
FRA = ONE + "/votes/FRA"
VOTE = {"vote": "yes"}
RIGHT = {"announced": {"yes": 0, "no": 0, "abstain": 0}}
WISH = {"delegation": "FRA", "vote": "yes"}
WISHED = b'{"delegation":"FRA","vote":"yes"}'
JSON = "application/json"
CSV = "text/csv"
LINES = "application/x-ndjson"


@pytest.fixture(scope="module")
def service(redis_server: RedisServer) -> Iterator[str]:
    with in_thread(redis_server.url) as url:
        yield url


@pytest.fixture
async def at(redis_url: str, service: str) -> AsyncIterator[Hall]:
    async with hall(redis_url, [service]) as found:
        yield found


@pytest.fixture
def clerk(at: Hall) -> Clerk:
    return at.clerk


# What each command is answered in each phase: the event, nothing, or the refusal.
PHASES = ("scheduled", "open", "locked", "closed", "annulled", "missing")
MATRIX = r"""
POST                     already_exists already_exists already_exists \
                         already_exists already_exists roll_call.scheduled
POST /es-11-1/open       roll_call.opened wrong_phase wrong_phase \
                         already_closed wrong_phase unknown_roll_call
POST /es-11-1/lock       wrong_phase roll_call.locked wrong_phase \
                         already_closed wrong_phase unknown_roll_call
POST /es-11-1/unlock     wrong_phase wrong_phase roll_call.unlocked \
                         already_closed wrong_phase unknown_roll_call
POST /es-11-1/close      wrong_phase wrong_phase roll_call.closed \
                         already_closed wrong_phase unknown_roll_call
POST /es-11-1/annul      roll_call.annulled roll_call.annulled roll_call.annulled \
                         already_closed wrong_phase unknown_roll_call
POST /es-11-1/rule       roll_call.rule_changed roll_call.rule_changed \
                         roll_call.rule_changed already_closed wrong_phase \
                         unknown_roll_call
PUT /es-11-1/votes/FRA   not_open vote.recorded not_open \
                         not_open not_open unknown_roll_call
DELETE /es-11-1/votes/FRA not_open nothing not_open \
                         not_open not_open unknown_roll_call
POST /es-11-1/votes      not_open vote.recorded not_open \
                         not_open not_open unknown_roll_call
POST /es-11-1/intentions not_closed not_closed not_closed \
                         intention.recorded not_closed unknown_roll_call
"""
BODIES = {
    "POST": {**NEW, "id": "es-11-1"},
    "POST /es-11-1/close": {"announced": {"yes": 0, "no": 0, "abstain": 0}},
    "POST /es-11-1/rule": {"rule": "simple"},
    "PUT /es-11-1/votes/FRA": VOTE,
    "POST /es-11-1/votes": {"votes": [WISH]},
    "POST /es-11-1/intentions": WISH,
}


def cells() -> Iterator[tuple[str, str, str]]:
    """Command, phase and what is expected."""
    for line in MATRIX.strip().replace("\\\n", "").splitlines():
        *command, a, b, c, d, e, f = line.split()
        for phase, wanted in zip(PHASES, (a, b, c, d, e, f), strict=True):
            yield " ".join(command), phase, wanted


@pytest.mark.parametrize(("command", "phase", "wanted"), list(cells()))
async def test_every_command_in_every_phase(
    at: Hall, clerk: Clerk, command: str, phase: str, wanted: str
) -> None:
    if phase != "missing":
        await clerk.bring(phase)
    before = await at.length()
    method, _, path = command.partition(" ")
    response = await clerk.send(method, path, BODIES.get(command))
    if "." in wanted:
        assert response.json()["events"] == [wanted]
        assert await at.length() == before + 1
        await at.state()
        return
    if wanted == "nothing":
        assert response.json()["events"] == []
    else:
        assert refusal(response)[1] == wanted
    assert await at.length() == before


async def test_who_may_not_vote(clerk: Clerk) -> None:
    more: dict[str, Any] = {"entitled": ["FRA", "ZMB"], "barred": {"ZMB": "Article 19"}}
    await clerk.open(**more)
    barred = await clerk.vote("ZMB", "yes")
    assert refusal(barred) == (403, "not_entitled")
    assert "Article 19" in barred.json()["detail"]
    assert refusal(await clerk.vote("PER", "yes")) == (403, "not_entitled")
    for unknown in ("XXX", "fra", "FR", "FRAX", "F%52A%00", "%F0%9F%87%AB", "F A"):
        refused = await clerk.vote(unknown, "yes")
        assert refusal(refused) == (404, "unknown_delegation"), unknown
    gone = await clerk.send("DELETE", ONE + "/votes/XXX")
    assert refusal(gone) == (404, "unknown_delegation")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Idempotency-Key", ""),
        ("Idempotency-Key", '""'),
        ("Idempotency-Key", '"open'),
        ("Idempotency-Key", r'"a\b"'),
        ("Idempotency-Key", "k" * 256),
        ("Idempotency-Key", "caf\xe9"),
        ("Idempotency-Key", "a\tb"),
        ("If-Match", ""),
        ("If-Match", "2"),
        ("If-Match", '"two"'),
        ("If-Match", '"-1"'),
        ("If-Match", 'W/"2"'),
        ("If-Match", '"1", "2"'),
        ("If-Match", f'"{10**20}"'),
        ("If-Match", '"\xb2"'),
    ],
)
async def test_bad_headers_are_named(
    at: Hall, clerk: Clerk, name: str, value: str
) -> None:
    await clerk.open()
    headers = {name: value.encode("latin-1")}
    response = await clerk.vote("FRA", "yes", headers=headers)
    assert refusal(response) == (400, "bad_request")
    assert name in response.json()["detail"]
    assert await at.length() == 2


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("Idempotency-Key", "a", "b"),
        ("If-Match", '"2"', '"2"'),
        ("Content-Type", JSON, CSV),
        ("Content-Encoding", "identity", "gzip"),
    ],
)
async def test_a_header_sent_twice_is_refused(
    at: Hall, clerk: Clerk, name: str, first: str, second: str
) -> None:
    await clerk.open()
    response = await clerk.send(
        "PUT", FRA, content=b'{"vote":"yes"}', headers=[(name, first), (name, second)]
    )
    assert refusal(response) == (400, "bad_request")
    assert name in response.json()["detail"]
    assert await at.length() == 2


@pytest.mark.parametrize(
    ("path", "media"),
    [
        (ONE + "/votes", "text/plain"),
        (ONE + "/votes", "application/x-www-form-urlencoded"),
        (ONE + "/open", CSV),
        (FRA, "text/plain; charset=utf-8"),
    ],
)
async def test_other_media_types_are_refused(
    at: Hall, clerk: Clerk, path: str, media: str
) -> None:
    await clerk.schedule()
    method = "PUT" if path == FRA else "POST"
    response = await clerk.send(
        method, path, content=b"{}", headers={"Content-Type": media}
    )
    assert refusal(response) == (415, "bad_request")
    assert "application/json" in response.json()["detail"]
    packed = {"Content-Type": JSON, "Content-Encoding": "gzip"}
    response = await clerk.send(method, path, content=b"{}", headers=packed)
    assert refusal(response) == (415, "bad_request")
    assert await at.length() == 1


async def test_a_body_without_media_type_is_taken_for_json(clerk: Clerk) -> None:
    await clerk.open()
    response = await clerk.send("PUT", FRA, content=b'{"vote":"yes"}')
    assert response.status_code == 201


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize(
    ("method", "path", "body", "most"),
    [
        ("PUT", FRA, b'{"vote":"yes"}', MAX_COMMAND_BYTES),
        ("POST", ONE + "/votes", b'{"votes":[%b]}' % WISHED, MAX_BODY_BYTES),
    ],
)
async def test_a_body_has_so_many_bytes_and_not_one_more(
    at: Hall,
    clerk: Clerk,
    method: str,
    path: str,
    body: bytes,
    most: int,
    chunked: bool,
) -> None:
    await clerk.open()

    async def send(size: int) -> tuple[int, str]:
        padded = body + b" " * (size - len(body))

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, size, 5000):
                yield padded[start : start + 5000]

        content = chunks() if chunked else padded
        headers = {"Content-Type": JSON}
        response = await clerk.send(method, path, content=content, headers=headers)
        return (200, "") if response.is_success else refusal(response)

    assert await send(most + 1) == (413, "bad_request")
    assert await send(most * 20) == (413, "bad_request")
    assert await at.length() == 2
    assert await send(most) == (200, "")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/ga/roll-calls/", 404, "not_found"),
        ("/v1/ga", 404, "not_found"),
        ("/v2/ga/roll-calls", 404, "not_found"),
        ("/v1/ga/roll-calls/es-11-1/start", 404, "not_found"),
        ("/v1/ga/roll-calls/es-11-1%2Fopen", 409, "wrong_phase"),  # uvicorn decodes
        ("/v1/ga/roll-calls/%2e%2e/open", 404, "unknown_roll_call"),
        ("/v1/ga/roll-calls/es-11-1%00/open", 404, "unknown_roll_call"),
        ("/v1/ga/roll-calls/%ff%fe/open", 404, "unknown_roll_call"),
        ("/v1/ga/roll-calls/%ED%A0%80/open", 404, "unknown_roll_call"),
        ("/v1/ga/roll-calls/%0D%0Ax/open", 404, "unknown_roll_call"),
        (f"/v1/ga/roll-calls/{'a' * 9000}/open", 404, "unknown_roll_call"),
        ("/v1/ga%00/roll-calls/es-11-1/open", 404, "unknown_chamber"),
        ("/v1/GA/roll-calls/es-11-1/open", 404, "unknown_chamber"),
        ("/v1/%F0%9F%97%B3/roll-calls/es-11-1/open", 404, "unknown_chamber"),
        ("/v1/ga/roll-calls/es-11-1", 405, "method_not_allowed"),
        ("/v1/ga/roll-call/es-11-1", 404, "not_found"),
        ("/v1/ga/roll-calls/es-11-1/votes/FRA", 405, "method_not_allowed"),
    ],
)
async def test_odd_paths(
    at: Hall, clerk: Clerk, path: str, status: int, code: str
) -> None:
    await clerk.open()
    response = await clerk.http.post(path)
    assert refusal(response) == (status, code)
    assert await at.length() == 2


async def test_checks_come_in_order(at: Hall, clerk: Clerk) -> None:
    """Route, token, chamber, body, roll call: one fault after the other is mended."""

    async def asked(path: str, body: bytes, token: str) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {token}"}
        response = await clerk.http.put(path, content=body, headers=headers)
        return refusal(response)

    assert await asked("/v1/xx/rollcalls", b"{", "?") == (404, "not_found")
    xx, ga = (f"/v1/{chamber}/roll-calls/none/votes/FRA" for chamber in ("xx", "ga"))
    assert await asked(xx, b"{", "?") == (401, "unauthorized")
    assert await asked(xx, b"{", at.token) == (404, "unknown_chamber")
    assert await asked(ga, b"{", at.token) == (400, "bad_request")
    good = b'{"vote":"yes"}'
    assert await asked(ga, good, at.token) == (404, "unknown_roll_call")
