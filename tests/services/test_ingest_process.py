"""The ingest process: it starts, says what is wrong, is watched, and ends in order."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tellers_core.members import CHAMBER_IDS
from tellers_ingest import __main__ as process
from tellers_ingest.settings import IngestSettings
from tellers_runtime import keys, log
from tellers_runtime.log import LogReader, connect
from tellers_runtime.problems import MEDIA_TYPE
from tellers_runtime.tokens import Scope, TokenStore
from tests.servers import free_port, wait_until
from tests.services.ingest import GA, LOGS, Hall, hall


@contextmanager
def started(redis_url: str, output: Path, **settings: str) -> Iterator[tuple[Any, str]]:
    """`python -m tellers_ingest`, ready to answer; its address."""
    port = free_port()
    env = {
        "TELLERS_REDIS_URL": redis_url,
        "TELLERS_INGEST_PORT": str(port),
        **settings,
    }
    with output.open("wb") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "tellers_ingest"],
            env={**os.environ, **env},
            stdout=out,
            stderr=out,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(url), 60, "ingest to start")
        yield child, url
    finally:
        child.terminate()
        child.wait(10)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").is_success
    except httpx.TransportError:
        return False


async def test_it_serves_logs_and_ends_in_order(redis_url: str, tmp_path: Path) -> None:
    output = tmp_path / "ingest.log"
    redis = connect(redis_url, "test")
    token = await TokenStore(redis).create("test", [Scope.ADMIN])
    await LogReader(redis, GA).create()
    with started(redis_url, output) as (child, url):
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "s3cret-key"}
        async with httpx.AsyncClient(base_url=url, headers=headers) as http:
            body = {"id": "x", "title": "T", "rule": "simple"}
            response = await http.post("/v1/ga/roll-calls", json=body)
            assert response.status_code == 201
            await http.post("/v1/ga/roll-calls", json={})
            bad = {"Authorization": f"Bearer {token}x"}
            await http.post("/v1/ga/roll-calls", json=body, headers=bad)
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == 0
    await redis.aclose()
    text = output.read_text()
    assert token.rsplit("_", 1)[1] not in text
    assert "s3cret-key" not in text
    (line,) = [line for line in text.splitlines() if "command.appended" in line]
    assert {k: v for k, v in json.loads(line).items() if k != "timestamp"} == {
        "event": "command.appended",
        "level": "info",
        "service": "ingest",
        "chamber": "ga",
        "roll_call": "x",
        "seq": 1,
        "version": 1,
        "events": ["roll_call.scheduled"],
        "command": "Schedule",
        "token": token.split("_")[1],
        "name": "test",
        "address": "127.0.0.1",
        "request": response.headers["Request-Id"],
    }


def outcome(**settings: str) -> tuple[int, str]:
    """Exit status of a process that cannot start, and all it said."""
    child = subprocess.run(
        [sys.executable, "-m", "tellers_ingest"],
        env={**os.environ, **settings},
        capture_output=True,
        timeout=40,
        check=False,
    )
    return child.returncode, (child.stdout + child.stderr).decode().strip()


def test_a_taken_port_is_said_in_one_sentence(redis_url: str, tmp_path: Path) -> None:
    with started(redis_url, tmp_path / "first.log") as (_, url):
        port = url.rpartition(":")[2]
        status, said = outcome(TELLERS_REDIS_URL=redis_url, TELLERS_INGEST_PORT=port)
    assert (status, said) == (
        1,
        f"cannot listen on 127.0.0.1:{port}: Address already in use",
    )


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("TELLERS_INGEST_PORT", "eighty", "TELLERS_INGEST_PORT is wrong"),
        ("TELLERS_INGEST_PORT", "70000", "TELLERS_INGEST_PORT is wrong"),
        ("TELLERS_REDIS_URL", "http://x", "TELLERS_REDIS_URL is wrong"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, words: str) -> None:
    status, said = outcome(**{"TELLERS_INGEST_PORT": "0", name: value})
    assert status == 1
    assert words in said
    assert len(said.splitlines()) == 1


async def test_redis_is_waited_for_and_given_up(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await process._wait_for_redis(redis_url)
    monkeypatch.setattr(process, "PATIENCE_SECONDS", 0.3)
    port = free_port()
    with pytest.raises(SystemExit) as ended:
        await process._wait_for_redis(f"redis://:pass@127.0.0.1:{port}/0")
    said = str(ended.value)
    assert said.startswith(f"cannot reach Redis at 127.0.0.1:{port}/0 for 0.3 s: ")
    assert "pass" not in said
    monkeypatch.setattr(log, "MINIMUM_REDIS", (99, 0))
    with pytest.raises(SystemExit, match="too old"):
        await process._wait_for_redis(redis_url)


def test_the_settings_are_those_of_the_contract() -> None:
    settings = IngestSettings()
    assert (settings.host, settings.ingest_port) == ("127.0.0.1", 8001)


async def test_ready_names_the_logs_that_have_not_begun(redis_url: str) -> None:
    async with hall(redis_url) as at:
        for missing in LOGS:
            await at.redis.delete(keys.meta(missing))
        response = await at.clerk.http.get("/readyz")
        assert response.status_code == 503
        assert list(response.json()["missing"]) == [f"log {name}" for name in LOGS]
        refused = await at.clerk.send(
            "POST", "", {"id": "x", "title": "T", "rule": "simple"}
        )
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        for begun in LOGS:
            await LogReader(at.redis, begun).create()
        assert (await at.clerk.http.get("/readyz")).json() == {"status": "ready"}
        await at.clerk.schedule()


async def test_commands_are_counted_by_outcome(redis_url: str) -> None:
    async with hall(redis_url) as at:
        before = await _figures(at)
        await at.clerk.open()
        for vote in ("yes", "yes", "no"):
            await at.clerk.vote("FRA", vote)
        await at.clerk.vote("XXX", "yes")
        for _ in range(2):
            await at.clerk.vote("PER", "no", headers={"Idempotency-Key": "k"})
        after = await _figures(at)
    name = 'tellers_ingest_commands_total{{command="{}",outcome="{}"}}'

    def more(command: str, outcome: str) -> float:
        key = name.format(command, outcome)
        return after[key] - before.get(key, 0)

    assert more("Schedule", "appended") == 1
    assert more("CastVote", "appended") == 3
    assert more("CastVote", "unchanged") == 1
    assert more("CastVote", "unknown_delegation") == 1
    assert more("CastVote", "replayed") == 1
    seconds = "tellers_ingest_append_seconds_count"
    assert after[seconds] - before[seconds] == 6
    assert "tellers_ingest_conflicts_total" in after


async def _figures(at: Hall) -> dict[str, float]:
    text = (await at.clerk.http.get("/metrics")).text
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(v) for name, v in (line.rsplit(" ", 1) for line in lines)}


async def test_the_document_describes_every_answer(redis_url: str) -> None:
    async with hall(redis_url) as at:
        document = (await at.clerk.http.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    text = json.dumps(document)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "')[1:]}:
        assert reference.removeprefix("#/components/schemas/") in schemas, reference
    assert "$defs" not in text
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if not path.startswith("/v1/"):
                continue
            answered = operation["responses"]
            assert {"400", "401", "403", "404", "409", "412", "422", "503"} <= set(
                answered
            )
            for status, response in answered.items():
                kind = "application/json" if status < "400" else MEDIA_TYPE
                assert list(response["content"]) == [kind], (path, method, status)
            assert operation["security"]
            headers = [
                p["name"] for p in operation["parameters"] if p["in"] == "header"
            ]
            if method == "get":
                assert headers == []
                continue
            taken = operation["requestBody"]["content"]
            assert ("application/json" in taken) is not path.endswith("/imports")
            # Only a roll call has a version, and an approval names it in its body.
            of_version = "/roll-calls" in path and not path.endswith("/approvals")
            matching = ["If-Match"] if of_version else []
            assert headers == ["Idempotency-Key", *matching]
    assert schemas["VoteBody"]["additionalProperties"] is False
    assert set(CHAMBER_IDS) == {"ga", "sc"}  # as the document says


async def test_a_sender_who_goes_away_in_mid_body_is_no_error(redis_url: str) -> None:
    async with hall(redis_url) as at:
        await at.clerk.open()
        port = int(at.urls[0].rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        head = (
            "PUT /v1/ga/roll-calls/es-11-1/votes/FRA HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {at.token}\r\nContent-Length: 99\r\n\r\n"
        )
        writer.write(head.encode() + b'{"vote":')
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.1)
        assert await at.length() == 2
        assert (await at.clerk.vote("FRA", "yes")).status_code == 201


async def test_redis_holds_only_what_everythingsays(redis_url: str) -> None:
    async with hall(redis_url) as at:
        await at.clerk.open()
        await at.clerk.vote("FRA", "yes", headers={"Idempotency-Key": "k"})
        everything = await at.redis.keys()
        names = [key.decode() for key in everything if isinstance(key, bytes)]
        found = {name.replace(":rehearsal", "") for name in names}
        kept = {name for name in found if "idem" not in name}
    assert kept == {
        "tellers:tokens",
        "tellers:{ga}:events",
        "tellers:{ga}:meta",
        "tellers:{sc}:meta",
        "tellers:{ga}:roll-call:es-11-1",
    }
    assert len(found - kept) == 1
