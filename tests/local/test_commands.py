"""The command `tellers` as a user meets it: real processes, from start to Ctrl-C."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tellers_client import events, subscribe
from tellers_core.roll_call import Phase
from tellers_core.tally import Tally
from tellers_local.data_dir import DataDir, Running
from tellers_local.recorded import own_file
from tests.local.test_supervisor import is_alive
from tests.servers import free_port, wait_until

START_SECONDS = 40.0
RESULT = (
    "closed: 93-24-58 (yes-no-abstain), 18 not voting, "
    "two thirds: adopted (93 >= 2 x 24)"
)


def environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TELLERS_")
    }


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "tellers_local", *map(str, arguments)]


def tellers(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command(*arguments),
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )


def refusal(code: int, *arguments: str | Path) -> str:
    """The one sentence with which a command is refused."""
    done = tellers(*arguments)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("tellers: ")
    return sentence.removeprefix("tellers: ")


class Installation:
    """`tellers up` or `tellers demo` on a data folder."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.port = free_port(10)
        self._output = folder / "output"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> str:
        """What it has said since it was started."""
        return self._output.read_text()

    @property
    def running(self) -> Running:
        running = DataDir(self.data).running()
        assert running is not None
        return running

    def start(self, *arguments: str, **settings: str) -> None:
        """Start with these settings and wait for its introduction."""
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                command(*arguments, "--data", self.data, "--port", str(self.port)),
                env={**environment(), **settings},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.wait_for("Ctrl-C ends it")

    def wait_for(self, words: str) -> None:
        """Wait until it says so."""
        process = self._process
        assert process is not None
        wait_until(
            lambda: words in self.output or process.poll() is not None,
            START_SECONDS,
            f"{words!r} in {self.output!r}",
        )
        assert words in self.output, self.output

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """End it; returns its exit code. Nothing of it may be left."""
        assert self._process is not None
        pids = self.running.processes.values()
        self._process.send_signal(number)
        code = self._process.wait(60)
        assert not any(is_alive(pid) for pid in pids)
        return code

    def end(self) -> None:
        """End whatever is left, after a test that failed."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def takes_votes(self) -> bool:
        """Whether ingest is ready, at this moment."""
        try:
            address = f"{self.running.ingest}/readyz"
            return httpx.get(address, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def events(self) -> list[dict[str, object]]:
        """Every event of the General Assembly's log."""
        found: list[dict[str, object]] = []
        while True:
            page = httpx.get(
                f"{self.running.gateway}/v1/ga/events",
                params={"after": len(found), "limit": 1000},
                trust_env=False,
            ).json()["events"]
            if not page:
                return found
            found += page


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One that runs, for tests that leave it running."""
    one = Installation(tmp_path_factory.mktemp("installation"))
    try:
        one.start("demo", "--seconds", "0")
        one.wait_for("es-11-1 closed")
        yield one
        assert one.stop(signal.SIGTERM) == 0
    finally:
        one.end()


@pytest.fixture
def another(tmp_path: Path) -> Iterator[Installation]:
    """One of the test's own, not started."""
    one = Installation(tmp_path)
    try:
        yield one
    finally:
        one.end()


def test_a_demo_shows_addresses_token_and_result(installation: Installation) -> None:
    running = installation.running
    token = (installation.data / "operator-token").read_text().strip()
    for words in (
        running.gateway,
        running.ingest,
        token,
        f"{running.gateway}/board/ga/es-11-1",
        "es-11-1 closed: 141-5-35 (yes-no-abstain), 12 not voting, "
        "two thirds: adopted (141 >= 2 x 5)",
    ):
        assert words in installation.output
    assert running.gateway == f"http://127.0.0.1:{installation.port}"
    services = ["tally", "ingest", "gateway", "webhooks"]
    assert list(running.processes) == ["redis", *services]
    mode = (installation.data / "operator-token").stat().st_mode & 0o777
    assert mode == 0o600


def test_several_gateways_share_the_port(another: Installation) -> None:
    another.start("up", TELLERS_GATEWAY_PROCESSES="2")
    gateways = ["gateway", "gateway-2"]
    names = ["redis", "tally", "ingest", *gateways, "webhooks"]
    assert list(another.running.processes) == names
    for port in (another.port, another.port + 4, another.port + 5):
        ready = httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False)
        assert ready.status_code == 200
    first = another.running.processes["gateway-2"]
    os.kill(first, signal.SIGKILL)
    wait_until(
        lambda: another.running.processes["gateway-2"] != first,
        START_SECONDS,
        "the second gateway to be started again",
    )
    assert another.stop() == 0


def test_a_second_start_on_the_same_folder_is_refused(
    installation: Installation,
) -> None:
    port = str(free_port(10))
    sentence = refusal(1, "up", "--data", installation.data, "--port", port)
    assert f"in use by process {installation.running.pid}" in sentence


def test_a_start_on_the_same_ports_is_refused(
    installation: Installation, tmp_path: Path
) -> None:
    port = str(installation.port)
    sentence = refusal(1, "up", "--data", tmp_path / "other", "--port", port)
    assert f"gateway cannot listen on 127.0.0.1:{port}" in sentence


def test_a_replay_through_killed_processes_loses_and_doubles_nothing(
    installation: Installation,
) -> None:
    before = len(installation.events())
    replay = subprocess.Popen(
        command(
            *("replay", own_file("es-11-3"), "--seconds", "4", "--id", "killed"),
            *("--data", installation.data),
        ),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    wait_until(lambda: len(installation.events()) > before + 20, 60, "some votes")
    for name in ("ingest", "redis", "tally"):
        os.kill(installation.running.processes[name], signal.SIGKILL)
    output, _ = replay.communicate(timeout=55)
    assert (replay.returncode, output) == (0, f"killed {RESULT}\n")
    wait_until(lambda: len(installation.events()) == before + 179, 60, "all events")
    for name in ("ingest", "redis", "tally"):
        assert f"{name} ended (SIGKILL): starting it again" in installation.output
    # A replay that was quicker than the kills leaves them to the next test.
    wait_until(installation.takes_votes, 60, "ingest to be ready again")


def test_a_replay_is_played_under_the_next_free_id(installation: Installation) -> None:
    for name, said in (
        ("twice", ""),
        ("twice.2", "twice exists already: played as twice.2\n"),
    ):
        done = tellers(
            *("replay", own_file("es-11-3"), "--seconds", "0", "--id", "twice"),
            *("--data", installation.data),
        )
        assert done.stdout == f"{said}{name} {RESULT}\n", done.stderr


def test_a_rehearsal_is_replayed_beside_the_real_log(
    installation: Installation,
) -> None:
    before = installation.events()
    made = tellers(
        *("token", "create", "--scope", "record", "--scope", "preside"),
        *("--name", "practice", "--audience", "rehearsal"),
        *("--data", installation.data),
    )
    practice = (
        *("replay", own_file("es-11-3"), "--seconds", "0", "--id", "drill"),
        *("--token", made.stdout.strip(), "--data", installation.data),
    )
    assert "403: this token has the audience rehearsal" in refusal(1, *practice)
    done = tellers(*practice, "--rehearsal")
    assert done.stdout == f"REHEARSAL drill {RESULT}\n", done.stderr
    assert installation.events() == before
    url = f"{installation.running.gateway}/v1/ga/roll-calls/drill/tally"
    assert httpx.get(url, trust_env=False).json()["rehearsal"] is True


def test_a_replay_without_a_valid_token_is_refused(installation: Installation) -> None:
    sentence = refusal(
        1,
        *("replay", own_file("es-11-3"), "--token", "tlr_0_0", "--id", "refused"),
        *("--data", installation.data),
    )
    assert "401" in sentence


def test_a_roll_call_is_watched_to_its_end(installation: Installation) -> None:
    watching = ("--data", installation.data)
    closed = tellers("watch", "es-11-1", *watching)
    assert closed.returncode == 0
    (line,) = closed.stdout.splitlines()
    assert "es-11-1 closed: 141-5-35" in line
    assert "no roll call es-99" in refusal(1, "watch", "es-99", *watching)


def test_a_running_roll_call_is_watched_change_by_change(
    installation: Installation,
) -> None:
    replay = subprocess.Popen(
        command(
            *("replay", own_file("es-11-3"), "--seconds", "3", "--id", "watched"),
            *("--data", installation.data),
        ),
        env=environment(),
        stdout=subprocess.DEVNULL,
    )
    url = f"{installation.running.gateway}/v1/ga/roll-calls/watched/tally"
    wait_until(lambda: httpx.get(url, trust_env=False).is_success, 60, "its beginning")
    watched = tellers("watch", "watched", "--data", installation.data)
    assert replay.wait(20) == 0
    lines = watched.stdout.splitlines()
    assert len(lines) > 20
    assert lines[-1].endswith(f"watched {RESULT}")
    assert any("certain to be adopted" in line for line in lines)


async def test_subscribers_miss_nothing_when_the_gateway_is_killed(
    installation: Installation,
) -> None:
    running = installation.running
    before = len(installation.events())
    replay = await asyncio.create_subprocess_exec(
        *command(
            *("replay", own_file("es-11-3"), "--seconds", "4", "--id", "subscribed"),
            *("--data", installation.data),
        ),
        env=environment(),
        stdout=subprocess.DEVNULL,
    )

    async def follow_events() -> list[int]:
        seqs = []
        async with events(running.gateway, after=before) as log:
            async for event in log:
                seqs.append(int(event["sequence"]))
                if len(seqs) in (30, 90):
                    os.kill(installation.running.processes["gateway"], signal.SIGKILL)
                if event["type"] == "org.tellers.roll_call.closed.v1":
                    return seqs
        raise AssertionError("the feed ended")

    async def follow_tallies() -> list[Tally]:
        shown = []
        async with subscribe(running.gateway) as tallies:
            async for tally in tallies:
                if tally.roll_call == "subscribed":
                    shown.append(tally)
                    if tally.phase is Phase.CLOSED:
                        return shown
        raise AssertionError("the feed ended")

    async with asyncio.timeout(50):
        seqs, shown = await asyncio.gather(follow_events(), follow_tallies())
        assert await replay.wait() == 0
    assert seqs == list(range(before + 1, before + 180))
    assert [tally.seq for tally in shown] == sorted(tally.seq for tally in shown)
    assert shown[-1].verdict.status == "adopted"


def test_tokens_are_made_listed_and_revoked(installation: Installation) -> None:
    data = ("--data", installation.data)
    created = tellers(
        "token", "create", "--scope", "record", "--name", "Machine", *data
    )
    clear = created.stdout.strip()
    token_id = clear.split("_")[1]
    listed = tellers("token", "list", *data).stdout
    assert f"{token_id}  " in listed
    assert "Machine" in listed
    assert clear.split("_", 2)[2] not in listed
    assert token_id in tellers("token", "revoke", token_id, *data).stdout
    assert "no token" in refusal(1, "token", "revoke", token_id, *data)


def test_projections_are_rebuilt_beside_the_running_system(
    installation: Installation,
) -> None:
    done = tellers("rebuild", "--data", installation.data)
    # Rehearsals have a line of their own, if there were any.
    (line, *_) = lines = done.stdout.splitlines()
    assert line.startswith(f"ga: {len(installation.events())} events in ")
    assert all(line.endswith("events/s, 0 tallies changed") for line in lines)


def test_nothing_is_restored_over_a_log(installation: Installation) -> None:
    assert "Redis has the log" in refusal(1, "restore", "--data", installation.data)


def test_a_log_that_is_gone_is_restored(another: Installation) -> None:
    another.start("demo", "--seconds", "0")
    another.wait_for("es-11-1 closed")
    before = another.events()
    token = (another.data / "operator-token").read_text()
    assert another.stop() == 0
    assert "nothing answers" in refusal(1, "watch", "x", "--gateway", _nobody())
    shutil.rmtree(another.data / "redis")
    up = ("up", "--data", another.data, "--port", str(another.port))
    assert "run `tellers restore" in refusal(1, *up)
    restored = tellers("restore", "--data", another.data)
    assert restored.stdout.startswith("ga: 185 events restored"), restored.stderr
    another.start("demo", "--seconds", "0")
    another.wait_for("ES-11/1 was played before")
    after = another.events()
    assert {event["epoch"] for event in before}.isdisjoint(
        event["epoch"] for event in after
    )
    for event in (*before, *after):
        del event["epoch"]
    assert after == before
    assert (another.data / "operator-token").read_text() != token
    assert another.stop() == 0


def test_a_demo_that_was_cut_off_goes_on(another: Installation) -> None:
    another.start("demo", "--seconds", "30")
    wait_until(lambda: len(another.events()) > 20, 60, "some votes")
    assert another.stop() == 0
    another.start("demo", "--seconds", "0")
    another.wait_for("ES-11/1 goes on where it stopped")
    another.wait_for("es-11-1 closed: 141-5-35")
    assert len(another.events()) == 185
    assert another.stop() == 0


def _nobody() -> str:
    return f"http://127.0.0.1:{free_port()}"


def test_a_replay_needs_something_that_runs(tmp_path: Path) -> None:
    arguments = ("--ingest", _nobody(), "--token", "tlr_a_b", "--data", tmp_path)
    sentence = refusal(1, "replay", own_file("es-11-3"), *arguments)
    assert "start it with `tellers up`" in sentence


def test_bad_lines_are_named_before_anything_else_is_asked(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("delegation,vote\nFRA,maybe\n")
    sentence = refusal(1, "replay", bad, "--data", tmp_path)
    assert sentence.startswith(f"{bad}:2: 'maybe' is no vote")


@pytest.mark.parametrize(
    "arguments",
    [
        ("up", "--prot", "3"),
        ("up", "--port", "many"),
        ("nonsense",),
        ("replay",),
        ("demo", "--seconds", "-1"),
        ("token", "create", "--scope", "everything", "--name", "x"),
    ],
)
def test_what_is_not_understood_is_one_sentence(arguments: tuple[str, ...]) -> None:
    assert refusal(2, *arguments)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    sentence = refusal(1, "up", "--data", tmp_path / "file" / "data")
    assert sentence.startswith("cannot write to the data folder")


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        # No file may grow: what a full disk says at the first byte.
        [
            *("sh", "-c", 'ulimit -f 0; exec "$@"', "sh"),
            *command("token", "list", "--data", tmp_path / "data"),
        ],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "tellers: cannot go on: file too large\n"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("REDIS_URL", "redis://127.0.0.1:1/0", "Redis cannot be used"),
        ("REDIS_URL", "gopher://x", "TELLERS_REDIS_URL is not valid"),
        ("DATABASE_URL", "sqlite:////nowhere/archive.db", "archive cannot be opened"),
        ("DATABASE_URL", "nonsense", "archive cannot be opened"),
    ],
)
def test_stores_that_cannot_be_used_are_one_sentence(
    tmp_path: Path, name: str, value: str, words: str
) -> None:
    port = str(free_port(10))
    done = subprocess.run(
        command("up", "--data", tmp_path / "data", "--port", port),
        env={**environment(), f"TELLERS_{name}": value},
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert words in sentence


def test_the_addresses_are_json_for_other_programs(installation: Installation) -> None:
    text = (installation.data / "tellers.json").read_text()
    assert json.loads(text)["gateway"] == installation.running.gateway
