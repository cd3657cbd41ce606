"""Webhooks of the system as its users start it: killed, restored, started again."""

import asyncio
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.stack import ROLL_CALLS
from tests.e2e.test_whole import Installation
from tests.services.receiving import PATH, TRUSTING, Receiver

EVENTS = {"es-11-1": 185, "es-11-3": 179}  # scheduled, opened, votes, locked, closed


@pytest.fixture
def installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    for name, value in TRUSTING.items():
        monkeypatch.setenv(name, value)
    found = Installation(tmp_path)
    try:
        yield found
    finally:
        found.end()


def subscribe(installation: Installation, receiver: Receiver) -> None:
    token = (installation.data / "operator-token").read_text().strip()
    answer = httpx.post(
        installation.url + PATH,
        json={"url": receiver.url, "roll_call": None},
        headers={"Authorization": f"Bearer {token}"},
        verify=False,
    )
    assert answer.status_code == 201, answer.text
    receiver.secrets.append(answer.json()["secret"])


async def test_killed_and_restored_the_receiver_has_every_event_once(
    installation: Installation,
) -> None:
    await asyncio.to_thread(_killed_and_restored, installation)


def _killed_and_restored(installation: Installation) -> None:
    one, other = (str(ROLL_CALLS / f"{name}.csv") for name in EVENTS)
    first = EVENTS["es-11-1"]
    with Receiver() as receiver:
        installation.start("up")
        subscribe(installation, receiver)
        installation.run("replay", one, "--seconds", "2")
        os.kill(installation.pids["webhooks"], signal.SIGKILL)
        receiver.wait_for_kept(first)
        epoch = receiver.kept[-1].event["epoch"]
        came = len(receiver.received)

        installation.interrupt()
        shutil.rmtree(installation.data / "redis")
        installation.run("restore")
        installation.start("up")
        installation.run("replay", other, "--seconds", "1")
        receiver.wait_for_kept(sum(EVENTS.values()))
        assert receiver.refused == []
        kept = receiver.kept
        assert [r.seq for r in kept] == list(range(1, sum(EVENTS.values()) + 1))
        # Of what came before the restore, at most what was in flight came again.
        old = [r for r in receiver.received[came:] if r.seq <= first]
        assert len(old) <= 1
        epochs = [r.event["epoch"] for r in kept]
        assert set(epochs[:first]) == {epoch}
        assert len(set(epochs[first:])) == 1
        assert epochs[-1] != epoch
        installation.end()
