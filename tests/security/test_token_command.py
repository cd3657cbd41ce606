"""`tellers token create --expires`: what ends by itself."""

import os
import subprocess
import sys
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from tellers_local.failure import Failure
from tellers_local.maintenance import lifetime
from tellers_runtime.clock import utc_now
from tellers_runtime.log import connect
from tellers_runtime.tokens import Scope, TokenStore


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30d", timedelta(days=30)),
        ("12h", timedelta(hours=12)),
        ("90m", timedelta(minutes=90)),
    ],
)
def test_a_lifetime_is_read(text: str, expected: timedelta) -> None:
    assert lifetime(text) == expected


@pytest.mark.parametrize(
    "text", ["", "30", "d", "0d", "-1d", "1.5h", "1w", "30 d", "\u0663d"]
)
def test_what_is_no_lifetime_is_refused(text: str) -> None:
    with pytest.raises(Failure, match="write 30d, 12h or 90m"):
        lifetime(text)


def _ms(number: int) -> timedelta:
    return timedelta(milliseconds=number)


def run(
    redis_url: str, data: Path, *arguments: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tellers_local", *arguments, "--data", str(data)],
        env={**os.environ, "TELLERS_REDIS_URL": redis_url},
        capture_output=True,
        text=True,
        check=False,
    )


def tellers(redis_url: str, data: Path, *arguments: str) -> str:
    done = run(redis_url, data, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


async def test_a_token_ends_when_it_was_said_to(redis_url: str, tmp_path: Path) -> None:
    asked = ("token", "create", "--scope", "record", "--name", "desk 4")
    brief = tellers(redis_url, tmp_path, *asked, "--expires", "2h")
    lasting = tellers(redis_url, tmp_path, *asked)
    listed = tellers(redis_url, tmp_path, "token", "list").splitlines()
    redis = connect(redis_url, "test")
    try:
        known = {token.id: token for token in await TokenStore(redis).list()}
        ends = datetime.fromisoformat(known[brief.split("_")[1]].expires or "")
        assert timedelta(hours=1.9) < ends - utc_now() <= timedelta(hours=2)
        assert sum(" until 20" in line for line in listed) == 1
        moments = {-1: (True, True), 0: (False, True), 1: (False, True)}
        for milliseconds, alive in moments.items():
            store = TokenStore(redis, partial(ends.__add__, _ms(milliseconds)))
            found = [await store.verify(clear) for clear in (brief, lasting)]
            assert tuple(token is not None for token in found) == alive, milliseconds
    finally:
        await redis.aclose()


def test_a_token_is_for_one_audience_or_both(redis_url: str, tmp_path: Path) -> None:
    asked = ("token", "create", "--scope", "record", "--name")
    tellers(redis_url, tmp_path, *asked, "practice", "--audience", "rehearsal")
    tellers(redis_url, tmp_path, *asked, "hall", "--audience", "live", "--expires=2h")
    tellers(redis_url, tmp_path, *asked, "both")
    practice, hall, both = tellers(redis_url, tmp_path, "token", "list").splitlines()
    assert practice.endswith("  practice  rehearsal only")
    assert "  hall  live only  until 20" in hall
    assert both.endswith("  both")


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        (["--audience", "rehearsals"], 2, "'live', 'rehearsal'"),
        (["--audience", "live", "--scope", "webhooks"], 1, "--audience is for record"),
    ],
)
def test_what_is_no_audience_is_refused(
    redis_url: str, tmp_path: Path, more: list[str], status: int, said: str
) -> None:
    asked = ("token", "create", "--scope", "record", "--name", "desk")
    done = run(redis_url, tmp_path, *asked, *more)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert tellers(redis_url, tmp_path, "token", "list") == ""


async def test_a_token_in_the_memory_ends_too(redis_url: str) -> None:
    redis = connect(redis_url, "test")
    try:
        now = utc_now()
        store = TokenStore(redis, lambda: now)
        clear = await store.create("t", [Scope.RECORD], timedelta(minutes=1))
        assert await store.verify(clear)
        now += timedelta(minutes=1)  # and no question to Redis meanwhile
        assert await store.verify(clear) is None
    finally:
        await redis.aclose()
