"""Playing a recorded roll call: what is sent, and that it is sent until it counts."""

import asyncio
import itertools
from collections import Counter

import pytest

from tellers_core.roll_call import Phase
from tellers_local import ingest as module
from tellers_local.failure import Failure
from tellers_local.ingest import CommandRefused, IngestClient
from tellers_local.recorded import Recording, chamber_named, load, own_file
from tellers_local.replay import Begun, Player
from tests.local.ingest import Answer, Request, ingest

CREATED: Answer = (201, {})


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT_SECONDS", 0.001)
    monkeypatch.setattr(module, "MAX_WAIT_SECONDS", 0.002)


@pytest.fixture(scope="module")
def recording() -> Recording:
    (found,) = load([own_file("es-11-3")], chamber_named("ga"), None, None)
    return found


async def play(
    url: str, recording: Recording, seconds: float = 0.0, begun: Begun | None = None
) -> str:
    client = IngestClient(url, "tlr_a_b", "ga")
    player = Player(client, seconds)
    try:
        name = recording.id if begun else await player.schedule(recording)
        await player.play(name, recording, begun)
    finally:
        await client.aclose()
    return name


async def test_a_roll_call_is_played_in_the_files_order(recording: Recording) -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Answer:
        seen.append(request)
        return CREATED

    async with ingest(answer) as url:
        assert await play(url, recording) == "es-11-3"
    scheduled, opened, *votes, locked, closed = seen
    assert scheduled.path == "/v1/ga/roll-calls"
    assert scheduled.body == {
        "id": "es-11-3",
        "title": recording.title,
        "symbol": "A/ES-11/L.4",
        "rule": "two_thirds",
        "rehearsal": False,
    }
    base = "/v1/ga/roll-calls/es-11-3"
    assert (opened.path, locked.path) == (f"{base}/open", f"{base}/lock")
    assert closed.path == f"{base}/close"
    assert closed.body == {"announced": {"yes": 93, "no": 24, "abstain": 58}}
    assert [(vote.path, vote.body["vote"]) for vote in votes] == [
        (f"{base}/votes/{code}", vote) for code, vote in recording.votes
    ]
    assert {request.headers["authorization"] for request in seen} == {"bearer tlr_a_b"}
    assert len({request.key for request in seen}) == len(seen)


async def test_what_got_no_answer_is_sent_again_with_its_key(
    recording: Recording,
) -> None:
    counted: dict[str, str] = {}
    tries = Counter[str]()
    faults = itertools.cycle(
        [None, (503, {"Retry-After": 0}), CREATED, (502, {}), None, CREATED, CREATED]
    )

    def answer(request: Request) -> Answer:
        tries[request.key] += 1
        fault = next(faults)
        if fault is None or fault == CREATED:  # the answer may be lost, not the command
            assert counted.setdefault(request.key, request.path) == request.path
        return fault

    async with ingest(answer) as url:
        await play(url, recording)
    assert len(counted) == 1 + 1 + 175 + 1 + 1
    assert len(set(counted.values())) == len(counted)
    assert max(tries.values()) > 2


async def test_an_id_that_exists_becomes_the_next_free_one(
    recording: Recording,
) -> None:
    taken = {"es-11-3", "es-11-3.2"}

    def answer(request: Request) -> Answer:
        if request.path.endswith("/roll-calls") and request.body["id"] in taken:
            return 409, {"code": "already_exists", "detail": "it exists"}
        return CREATED

    async with ingest(answer) as url:
        assert await play(url, recording) == "es-11-3.3"


async def test_the_ingest_service_is_waited_for_as_long_as_it_asks(
    recording: Recording,
) -> None:
    answers: list[Answer] = [(503, {"Retry-After": 1, "detail": "no log"}), CREATED]
    told: list[str] = []
    async with ingest(lambda _: answers.pop(0)) as url:
        client = IngestClient(url, "t", "ga", told.append)
        started = asyncio.get_running_loop().time()
        await client.post("/es-11-3/open")
        await client.aclose()
    assert asyncio.get_running_loop().time() - started >= 1
    assert told == ["no log"]


async def test_a_service_that_stays_away_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "GIVE_UP_SECONDS", 0.05)
    async with ingest(lambda _: (503, {"detail": "the log is away"})) as url:
        client = IngestClient(url, "t", "ga")
        with pytest.raises(Failure, match="the log is away"):
            await client.post("/x/open")
        await client.aclose()


async def test_a_refusal_is_not_repeated(recording: Recording) -> None:
    seen = []

    def answer(request: Request) -> Answer:
        seen.append(request)
        return 403, {"code": "forbidden", "detail": "this token may not preside"}

    async with ingest(answer) as url:
        with pytest.raises(CommandRefused, match="may not preside") as refused:
            await play(url, recording)
    assert (refused.value.status, refused.value.code) == (403, "forbidden")
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("phase", "first", "votes"),
    [
        (Phase.SCHEDULED, "open", 175),
        (Phase.OPEN, "ALB", 175),
        (Phase.LOCKED, "close", 0),
    ],
)
async def test_what_was_cut_off_goes_on(
    recording: Recording, phase: Phase, first: str, votes: int
) -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Answer:
        seen.append(request)
        return CREATED

    async with ingest(answer) as url:
        await play(url, recording, begun=Begun(phase, frozenset()))
    assert seen[0].path.endswith(f"/{first}")
    assert sum(request.method == "PUT" for request in seen) == votes


async def test_who_has_answered_is_not_asked_again(recording: Recording) -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Answer:
        seen.append(request)
        return CREATED

    answered = frozenset(code for code, _ in recording.votes[:100])
    async with ingest(answer) as url:
        await play(url, recording, begun=Begun(Phase.OPEN, answered))
    assert sum(request.method == "PUT" for request in seen) == 75


async def test_the_votes_are_spread_over_the_seconds(recording: Recording) -> None:
    times: list[float] = []
    loop = asyncio.get_running_loop()

    def answer(request: Request) -> Answer:
        if request.method == "PUT":
            times.append(loop.time())
        return CREATED

    started = loop.time()
    async with ingest(answer) as url:
        await play(url, recording, seconds=1.0)
    assert times[-1] - started >= 1.0
    assert times[87] - started >= 0.5
