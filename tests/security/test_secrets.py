"""Where no secret may be: in logs, in Redis' files, in the archive, in an answer."""

import asyncio
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from redis.asyncio import Redis

from tellers_runtime import logs
from tellers_runtime.tokens import Scope, TokenStore
from tests.e2e.stack import Stack
from tests.servers import wait_until
from tests.services.ingest import Clerk, hall

KEY = "nobody-may-read-this-key"
SECRET = "q" * 43
CLEAR = f"tlr_0badcafe_{SECRET}"


SAID: dict[str, Any] = {
    "text": f"bad header: Bearer {SECRET}",
    "token": CLEAR,
    "in a sentence": f"the token {CLEAR} is unknown",
    "bytes": f"Bearer {SECRET}".encode(),
    "header": (b"authorization", f"Bearer {SECRET}".encode()),
    "headers": [(b"Idempotency-Key", SECRET.encode()), (b"host", b"x")],
    "mapping": {"Authorization": f"Digest {SECRET}", "idempotency_key": SECRET},
    "deep": {"a": [{"b": {"password": SECRET}}]},
    "url": f"redis://tellers-ingest:{SECRET}@127.0.0.1:6379/0",
    "url without a user": f"redis://:{SECRET}@127.0.0.1:6379/0",
    "raw header": f"Idempotency-Key: {SECRET}",
    "object": ValueError(f"Bearer {SECRET}"),
    "set": {CLEAR},
}


def say() -> None:
    """Log each of them in every way, and an error: run in a process of its own."""
    logs.configure("test", "debug")
    logger = structlog.get_logger()
    for what, said in SAID.items():
        logger.info("said.directly", what=what, said=said)
        logger.info("said.inside", what=what, said={"inner": [said]}, cookie=SECRET)
        logging.getLogger("uvicorn.error").warning("%s: %s", what, said)
    logger.info("command.appended", token="0badcafe", name="clerk's desk", seq=7)
    try:
        _fail(SECRET)
    except RuntimeError as error:
        logger.error("request.failed", exc_info=error)
        logging.getLogger("asyncio").error("failed", exc_info=error)


def _fail(token: str) -> None:
    raise RuntimeError(f"nobody has Bearer {token}")


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """What a service that says all this has in its log."""
    script = "from tests.security.test_secrets import say; say()"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_secrets_are_taken_out_of_every_line(lines: list[str]) -> None:
    assert len(lines) == 3 * len(SAID) + 3
    for line in lines:
        assert SECRET not in line
        json.loads(line)
    assert sum(logs.HIDDEN in line for line in lines) == len(lines) - 1


def test_what_is_no_secret_stays(lines: list[str]) -> None:
    (line,) = [line for line in lines if "command.appended" in line]
    found = json.loads(line)
    assert (found["token"], found["name"]) == ("0badcafe", "clerk's desk")
    assert (found["seq"], found["service"]) == (7, "test")


def test_an_error_tells_its_place_and_no_variables(lines: list[str]) -> None:
    errors = [line for line in lines if '"exception"' in line]
    assert len(errors) == 2
    for line in errors:
        assert "test_secrets.py" in line
        assert "locals" not in line


BAD_REQUESTS: list[tuple[str, str, dict[str, str], bytes]] = [
    ("POST", "/v1/ga/roll-calls", {"Authorization": "Bearer {token}x"}, b"{}"),
    ("POST", "/v1/ga/roll-calls", {"Authorization": "{token}"}, b"{}"),
    ("POST", "/v1/ga/roll-calls?token={token}", {}, b"{}"),
    ("POST", "/v1/{token}/roll-calls", {}, b"{}"),
    ("PUT", "/v1/ga/roll-calls/{token}/votes/FRA", {}, b'{"vote":"yes"}'),
    ("PUT", "/v1/ga/roll-calls/leak/votes/FRA", {"If-Match": "{token}"}, b"{}"),
    ("POST", "/v1/ga/roll-calls", {}, b'{"id":"{token}"}'),
    ("POST", "/v1/ga/roll-calls", {"Content-Type": "{token}"}, b"{}"),
    ("POST", "/{token}", {}, b"{token}"),
    ("GET", "/v1/ga/roll-calls/leak/open?{token}", {}, b""),
]


def _found(needle: bytes, folder: Path) -> list[str]:
    """The files below the folder that hold it."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert files
    return [file.name for file in files if needle in file.read_bytes()]


def test_a_run_leaves_no_secret_on_any_disk(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        secret = stack.token.split("_", 2)[2]
        keyed = {"Idempotency-Key": KEY}
        clerk = stack.clerk()
        with clerk.http as http:
            clerk.open("leak")
            vote = "/v1/ga/roll-calls/leak/votes/FRA"
            for wanted in ("yes", "yes", "no"):  # taken, given again, refused
                http.put(vote, json={"vote": wanted}, headers=keyed)
            bearer = {"Authorization": f"Bearer {stack.token}", **keyed}
            for method, path, headers, body in BAD_REQUESTS:
                filled = {k: v.format(token=stack.token) for k, v in headers.items()}
                for address in (stack.ingest_url, stack.gateway_url):
                    answer = httpx.request(
                        method,
                        address + path.replace("{token}", stack.token),
                        headers={**bearer, **filled},
                        content=body.replace(b"{token}", stack.token.encode()),
                        verify=False,
                    )
                    assert answer.is_error
        # Redis away: the errors of a library are in the log then.
        stack.redis.kill()
        answer = httpx.put(stack.ingest_url + vote, json={"vote": "no"}, headers=bearer)
        assert answer.status_code == 503
        assert secret not in answer.text
        stack.redis.start()
        wait_until(stack.ingest.ready, 60, "ingest to find Redis again")
    assert (tmp_path / "tellers_ingest.log").exists() or any(tmp_path.glob("*.log"))
    assert _found(b"command.appended", tmp_path)  # the logs are among the files,
    assert _found(b"vote.recorded", tmp_path / "redis")  # and the append-only file,
    assert any("archive.db" in name for name in _found(b"vote.recorded", tmp_path))
    assert _found(secret.encode(), tmp_path) == []
    assert _found(KEY.encode(), tmp_path) == []
    # The same search finds it where it was written down.
    (tmp_path / "redis" / "planted").write_text(f"Bearer {stack.token}")
    assert _found(secret.encode(), tmp_path) == ["planted"]


async def test_two_tokens_of_one_clerk_live_side_by_side(redis_url: str) -> None:
    async with hall(redis_url) as at:
        await at.clerk.open()
        store = TokenStore(at.redis)
        old, new = [await store.create("desk 4", [Scope.RECORD]) for _ in range(2)]
        for token in (old, new):
            headers = {"Authorization": f"Bearer {token}"}
            answer = await at.clerk.vote("FRA", "yes", headers=headers)
            assert answer.is_success
        assert await store.revoke(old.split("_")[1])
        headers = {"Authorization": f"Bearer {new}"}
        assert (await at.clerk.vote("FRA", "no", headers=headers)).is_success


async def test_a_revoked_token_ends_on_every_process_within_five_seconds(
    redis_url: str,
) -> None:
    async with hall(redis_url, 2) as at:
        await at.clerk.open()
        store = TokenStore(at.redis)
        clear = await store.create("lost", [Scope.RECORD])
        headers = {"Authorization": f"Bearer {clear}"}
        for clerk in at.clerks:  # and now both have it in their memory
            assert (await clerk.vote("FRA", "yes", headers=headers)).is_success
        assert await store.revoke(clear.split("_")[1])
        async with asyncio.timeout(5):
            for clerk in at.clerks:
                await _refused(clerk, headers)


async def _refused(clerk: Clerk, headers: dict[str, str]) -> None:
    """Return when the token is refused."""
    while (await clerk.vote("FRA", "yes", headers=headers)).status_code != 401:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def test_a_token_is_kept_as_a_digest_only(redis_url: str) -> None:
    async with hall(redis_url) as at:
        _, token_id, secret = at.token.split("_", 2)
        kept = await TokenStore(at.redis).list()
        redis: Redis = at.redis
        raw = str(await redis.hgetall("tellers:tokens"))
    assert [token.id for token in kept] == [token_id]
    assert len(kept[0].secret_sha256) == 64
    assert len(secret) >= 43  # 256 bits in base64
    assert secret not in raw
