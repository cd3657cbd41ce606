"""Backups of a real system: while votes go on, killed, two at once; and back again."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tellers_core.codec import LogName
from tellers_core.members import general_assembly
from tellers_runtime.log import Entry
from tellers_tally.backup_file import LogLine, Page, read
from tests.e2e.stack import ROLL_CALLS, Clerk, Stack
from tests.e2e.test_whole import Installation, _but_for_the_epoch, _subscribed
from tests.scenario import OPENED, votes
from tests.servers import RedisServer, wait_until
from tests.services.tallying import Archive, Logbook, entries

GA = LogName("ga")
REHEARSALS = LogName("ga", rehearsal=True)
CODES = general_assembly().codes
WRITERS = 5


def tellers(
    folder: Path, redis_url: str, database_url: str, *arguments: str | Path
) -> "subprocess.Popen[str]":
    """A command for a system that other machines run."""
    return subprocess.Popen(
        [sys.executable, "-m", "tellers_local", *map(str, arguments)],
        env={
            **os.environ,
            "TELLERS_DATA_DIR": str(folder),
            "TELLERS_REDIS_URL": redis_url,
            "TELLERS_DATABASE_URL": database_url,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def done(process: "subprocess.Popen[str]") -> str:
    """What it said, when it ended well."""
    said, warned = process.communicate(timeout=50)
    assert process.returncode == 0, warned
    return said


def refused(process: "subprocess.Popen[str]") -> str:
    """The one sentence with which it was refused."""
    said, warned = process.communicate(timeout=50)
    assert (process.returncode, said) == (1, ""), warned
    (sentence,) = warned.splitlines()
    return sentence.removeprefix("tellers: ")


def logs_of(path: Path) -> dict[str, list[Entry]]:
    """The entries in a backup, by log."""
    found: dict[str, list[Entry]] = {}
    with path.open("rb") as file:
        for part in read(file):
            if isinstance(part, LogLine):
                entries_of = found[part.name] = []
            elif isinstance(part, Page):
                entries_of += part.entries
    return found


class Writing:
    """Clerks who vote, and one who imports, until they are told to stop."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._stop = threading.Event()
        # Of each log, the seq of the last event that was acknowledged.
        self.acknowledged = {"ga": 0, "ga/rehearsal": 0}
        self.commands = 0
        self._lock = threading.Lock()
        voters = [partial(self._vote, number) for number in range(WRITERS)]
        self._threads = [threading.Thread(target=voter) for voter in voters]
        self._threads.append(threading.Thread(target=self._import))
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def _vote(self, number: int) -> None:
        with closing(self._stack.clerk().http) as http:
            clerk = Clerk(self._stack.ingest_url, self._stack.token)
            clerk.http = http
            while not self._stop.is_set():
                for code in CODES[number::WRITERS]:
                    vote = ("yes", "no", "abstain")[self.commands % 3]
                    self._said("ga", clerk.vote("es-11-1", code, vote)["seq"])

    def _import(self) -> None:
        with closing(self._stack.clerk().http) as http:
            for turn in range(1000):
                if self._stop.is_set():
                    return
                vote = ("yes", "no")[turn % 2]
                votes = [{"delegation": code, "vote": vote} for code in CODES]
                answer = http.post(
                    "/v1/ga/roll-calls/imported/votes",
                    json={"votes": votes},
                    headers={"Idempotency-Key": f"import-{turn}"},
                )
                assert answer.is_success, answer.text
                self._said("ga/rehearsal", answer.json()["seq"])

    def _said(self, log: str, seq: int) -> None:
        with self._lock:
            self.acknowledged[log] = max(self.acknowledged[log], seq)
            self.commands += 1


class Taken(NamedTuple):
    """A backup, and what had been acknowledged when it was asked for."""

    path: Path
    before: dict[str, int]


def test_a_backup_while_votes_go_on_is_an_exact_prefix(
    tmp_path: Path, database_url: str
) -> None:
    with Stack(tmp_path / "one", database_url) as stack:
        clerk = stack.clerk()
        clerk.open("es-11-1")
        clerk.open("imported", rehearsal=True)
        clerk.http.close()
        writing = Writing(stack)
        try:
            backups = [_take(stack, writing, name) for name in "abc"]
        finally:
            writing.end()
        assert writing.commands > len(CODES)
        final = {str(log): _log(stack, log) for log in (GA, REHEARSALS)}
        for path, before in backups:
            found = logs_of(path)
            assert set(found) == {"ga", "ga/rehearsal", "sc", "sc/rehearsal"}
            for name, whole in final.items():
                # Nothing else, nothing acknowledged is missing, nothing came later.
                assert found[name] == whole[: len(found[name])]
                assert before[name] <= len(found[name]) < len(whole)
        last = backups[-1].path
        mine = logs_of(last)["ga"]
        there = _tally(stack, as_of=len(mine))
        _restored(tmp_path / "two", last, mine, there)


def _log(stack: Stack, log: LogName) -> list[Entry]:
    async def whole() -> list[Entry]:
        async with Logbook(stack.redis.url, log) as found:
            return await found.entries()

    return asyncio.run(whole())


def _take(stack: Stack, writing: Writing, name: str) -> Taken:
    turn = writing.commands
    wait_until(lambda: writing.commands > turn + 100, 60, "more votes")
    path, before = stack.folder / f"backup-{name}", dict(writing.acknowledged)
    said = done(
        tellers(stack.folder, stack.redis.url, stack.database_url, "backup", path)
    )
    assert f"{path}: " in said
    assert " events, 1 tokens, " in said
    return Taken(path, before)


def _tally(stack: Stack, **query: int) -> dict[str, Any]:
    url = f"{stack.gateway_url}/v1/ga/roll-calls/es-11-1/tally"
    answer = httpx.get(url, params=query)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _restored(
    folder: Path, path: Path, mine: list[Entry], there: dict[str, Any]
) -> None:
    stack = Stack(folder)
    stack.redis.start()
    said = done(
        tellers(folder, stack.redis.url, stack.database_url, "restore", "--from", path)
    )
    assert f"ga: {len(mine)} events restored under the new epoch" in said
    with stack:
        assert _log(stack, GA) == mine
        with Archive(stack.database_url) as archive:
            wait_until(lambda: archive.seq() == len(mine), 60, "the archive")
            archive.must_equal_a_recount(mine)
        wait_until(lambda: _tally(stack)["seq"] == there["seq"], 60, "the gateway")
        here = _tally(stack)
        assert here["epoch"] != there["epoch"]
        assert _but_for_the_epoch(here) == _but_for_the_epoch(there)
        old = asyncio.run(_subscribed(stack.gateway_url, there["epoch"], 100))
        assert (old["recovered"], old["epoch"]) == (False, here["epoch"])
        new = asyncio.run(_subscribed(stack.gateway_url, here["epoch"], 100))
        assert new["recovered"] is True
        clerk = stack.clerk()
        assert clerk.vote("es-11-1", CODES[0], "yes")["seq"] >= len(mine)
        clerk.http.close()


@pytest.fixture
def long_log(tmp_path: Path) -> Iterator[RedisServer]:
    """A log that takes a while to back up."""
    with RedisServer(tmp_path / "redis") as server:
        asyncio.run(_fill(server.url))
        yield server


async def _fill(url: str) -> None:
    (body,) = (entry.body for entry in entries(votes(yes="FJI")))
    async with Logbook(url) as log:
        await log.reader.create()
        await log.append("r1", *OPENED)
        for first in range(3, 40_000, 1000):
            pipe = log.redis.pipeline(transaction=False)
            for seq in range(first, first + 1000):
                pipe.xadd("tellers:{ga}:events", {"e": body}, id=f"{seq}-0")
            pipe.hset("tellers:{ga}:meta", "seq", str(first + 999))
            await pipe.execute()


def test_a_backup_that_is_killed_leaves_no_file_of_that_name(
    tmp_path: Path, long_log: RedisServer
) -> None:
    database_url = f"sqlite:///{tmp_path}/archive.db"
    for number in range(2):
        path = tmp_path / "backups" / f"backup-{number}"
        path.parent.mkdir(exist_ok=True)
        backup = tellers(tmp_path, long_log.url, database_url, "backup", path)
        part = _half_written(path, backup)
        backup.send_signal(signal.SIGKILL)
        backup.communicate()
        assert backup.returncode == -signal.SIGKILL
        assert not path.exists()
        assert part.stat().st_size > 0
        # What is left is not taken for a backup.
        other = f"sqlite:///{tmp_path}/other.db"
        restoring = ("restore", "--from", part)
        sentence = refused(tellers(tmp_path, long_log.url, other, *restoring))
        assert "cut off" in sentence
        # It is in nobody's way.
        assert "40002 events" in done(
            tellers(tmp_path, long_log.url, database_url, "backup", path)
        )
        part.unlink()


def _half_written(path: Path, backup: "subprocess.Popen[str]") -> Path:
    """The file under its temporary name, as soon as something is in it."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for part in path.parent.glob(f".{path.name}.*"):
            if part.stat().st_size:
                return part
        assert backup.poll() is None, "it has ended before it could be killed"
    raise TimeoutError("no file was begun")


def test_a_system_moves_to_another_machine(tmp_path: Path) -> None:
    """The restore drill of docs/operations.md, and two backups at once."""
    old, new = Installation(tmp_path / "old"), Installation(tmp_path / "new")
    for installation in (old, new):
        installation.data.parent.mkdir()
    names = ("es-11-1", "es-11-3")
    try:
        old.start("up")
        files = [str(ROLL_CALLS / f"{name}.csv") for name in names]
        old.run("replay", *files, "--seconds", "0")
        before = {name: old.tally(name) for name in names}
        root, certificate = _root(old), _certificate(old)
        token = (old.data / "operator-token").read_text().strip()

        paths = [tmp_path / f"backup-{n}" for n in range(2)]
        for backup in [old.spawn("backup", str(path)) for path in paths]:
            assert backup.wait(50) == 0
        assert logs_of(paths[0]) == logs_of(paths[1])
        both = [old.spawn("backup", str(tmp_path / "both")) for _ in range(2)]
        assert 0 in [backup.wait(50) for backup in both]
        assert logs_of(tmp_path / "both") == logs_of(paths[0])
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            *("backup-0", "backup-1", "both", "new", "old")
        ]

        new.data.mkdir()
        shutil.copy(old.data / "signing-key.pem", new.data)
        said = new.run("restore", "--from", str(paths[0]))
        assert said.startswith("ga: 364 events restored under the new epoch ")
        new.start("up")
        for name, tally in before.items():
            wait_until(partial(_known, new, name), 60, name)
            assert new.tally(name)["epoch"] != tally["epoch"]
            assert _but_for_the_epoch(new.tally(name)) == _but_for_the_epoch(tally)
        assert _root(new) == root
        issued = _certificate(new)
        assert issued["leaves"] == certificate["leaves"]
        assert issued["key"] == certificate["key"]
        (tmp_path / "new" / "certificate.json").write_text(json.dumps(issued))
        verify = ("-m", "tellers_local", "verify")
        verified = subprocess.run(
            [sys.executable, *verify, tmp_path / "new" / "certificate.json"],
            capture_output=True,
            check=False,
        )
        assert verified.stdout.startswith(b"VALID")
        noted = json.loads((new.data / "tellers.json").read_text())
        clerk = Clerk(noted["ingest"], token)
        assert clerk.schedule("next")["seq"] == 365
        clerk.http.close()
    finally:
        new.end()
        old.end()


def _known(installation: Installation, name: str) -> bool:
    return bool(installation.tally(name))


def _root(installation: Installation) -> str:
    """The root of the tree over the whole log."""
    url = f"{installation.url}/v1/ga/checkpoints"

    def of_all() -> list[dict[str, Any]]:
        items = httpx.get(url).json()["items"]
        return [one for one in items if one["size"] == 364]

    wait_until(lambda: bool(of_all()), 60, "a checkpoint")
    (found,) = of_all()
    return str(found["root"])


def _certificate(installation: Installation) -> dict[str, Any]:
    url = f"{installation.url}/v1/ga/roll-calls/es-11-1/certificate"
    wait_until(lambda: httpx.get(url).is_success, 60, "the certificate")
    found: dict[str, Any] = httpx.get(url).json()
    return found
