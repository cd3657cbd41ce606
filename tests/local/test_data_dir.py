"""The data folder: who owns it, who may read it, where its ports are."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tellers_local.addresses import Ports, Services, find_services, url_of
from tellers_local.data_dir import DataDir, Running
from tellers_local.failure import Failure
from tellers_local.replaying import token_for
from tests.servers import free_port

RUNNING = Running(
    1234,
    "http://127.0.0.1:9000",
    "http://127.0.0.1:9001",
    "http://127.0.0.1:9002",
    "redis://127.0.0.1:9009/0",
    "sqlite:////data/archive.db",
    {"redis": 1235},
)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOKEN", "INGEST_URL", "GATEWAY_URL", "DATA_DIR"):
        monkeypatch.delenv(f"TELLERS_{name}", raising=False)


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    folder = DataDir(tmp_path / "data")
    folder.prepare()
    return folder


@pytest.fixture
def running(data: DataDir) -> Iterator[DataDir]:
    with data.locked():
        data.note(RUNNING)
        yield data


def test_a_folder_has_one_owner(data: DataDir) -> None:
    with (
        data.locked(),
        pytest.raises(Failure, match=f"in use by process {os.getpid()}"),
        DataDir(data.path).locked(),
    ):
        pass
    with data.locked():
        pass


def test_the_lock_of_a_killed_owner_is_free(data: DataDir) -> None:
    code = (
        "import os; from pathlib import Path;"
        "from tellers_local.data_dir import DataDir;"
        f"lock = DataDir(Path({str(data.path)!r})).locked(); lock.__enter__();"
        "os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with data.locked():
        pass


def test_what_runs_is_known_while_it_runs(data: DataDir) -> None:
    assert data.running() is None
    with data.locked():
        assert data.running() is None
        data.note(RUNNING)
        assert data.running() == RUNNING
    assert data.running() is None, "left over by an owner that was killed"


def test_a_folder_that_is_not_there_has_nothing_running(tmp_path: Path) -> None:
    assert DataDir(tmp_path / "none").running() is None


def test_nobody_else_may_read_token_and_addresses(running: DataDir) -> None:
    running.keep_token("tlr_a_b")
    running.keep_token("tlr_c_d")
    assert running.read_token() == "tlr_c_d"
    modes = {
        name: (running.path / name).stat().st_mode & 0o777
        for name in ("operator-token", "tellers.json", "lock")
    }
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("path", ["file", "file/data", "/proc/none"])
def test_a_folder_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, path: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Failure) as failure:
        DataDir(tmp_path / path).prepare()
    (sentence,) = str(failure.value).splitlines()
    assert sentence.startswith(f"cannot write to the data folder {tmp_path / path}: ")


def test_ports_follow_the_first() -> None:
    assert Ports.starting_at(8000) == Ports(8000, 8001, 8002, 8003, 8009)


@pytest.mark.parametrize("first", [-1, 0, 65527, 70000])
def test_what_are_no_ports_is_refused(first: int) -> None:
    with pytest.raises(Failure, match="between 1 and 65526"):
        Ports.starting_at(first)


@pytest.mark.parametrize(
    ("offset", "name"), [(0, "gateway"), (2, "tally"), (9, "redis")]
)
def test_a_port_that_is_taken_is_named(offset: int, name: str) -> None:
    first = free_port(10)
    with (
        socket.create_server(("127.0.0.1", first + offset)),
        pytest.raises(Failure, match=rf"{name} .*127.0.0.1:{first + offset}"),
    ):
        Ports.starting_at(first).check_free("127.0.0.1", redis=True)
    Ports.starting_at(first).check_free("127.0.0.1", redis=True)


def test_several_gateways_have_ports_of_their_own_between_the_others() -> None:
    ports = Ports.starting_at(8000)
    assert ports.own(1) == []
    assert ports.own(2) == [8004, 8005]
    assert not {*ports.own(5)} & {*ports}
    with pytest.raises(Failure, match="TELLERS_GATEWAY_PROCESSES must be at most 5"):
        ports.own(6)


def test_their_ports_are_looked_at_too() -> None:
    first = free_port(10)
    with socket.create_server(("127.0.0.1", first + 5)):
        ports = Ports.starting_at(first)
        ports.check_free("127.0.0.1", redis=True)
        with pytest.raises(Failure, match=rf"gateway .*127.0.0.1:{first + 5}"):
            ports.check_free("127.0.0.1", redis=True, gateways=2)


def test_the_port_of_a_redis_elsewhere_does_not_matter() -> None:
    first = free_port(10)
    with socket.create_server(("127.0.0.1", first + 9)):
        Ports.starting_at(first).check_free("127.0.0.1", redis=False)


def test_addresses_of_this_machine() -> None:
    assert url_of("127.0.0.1", 80) == "http://127.0.0.1:80"
    assert url_of("0.0.0.0", 80) == "http://127.0.0.1:80"
    assert url_of("::1", 80) == "http://[::1]:80"


def test_services_are_found_by_option_environment_folder_and_default(
    running: DataDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = Services("http://127.0.0.1:8000", "http://127.0.0.1:8001")
    assert find_services(tmp_path / "none") == default
    assert find_services(running.path) == Services(RUNNING.gateway, RUNNING.ingest)
    monkeypatch.setenv("TELLERS_GATEWAY_URL", "http://a:1/")
    monkeypatch.setenv("TELLERS_INGEST_URL", "http://a:2")
    assert find_services(running.path) == Services("http://a:1", "http://a:2")
    given = find_services(running.path, "https://b:1", "https://b:2")
    assert given == Services("https://b:1", "https://b:2")


def test_what_is_no_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="no address"):
        find_services(tmp_path, "127.0.0.1:8000")


def test_the_token_is_given_in_the_environment_or_kept(
    data: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Failure, match="no token"):
        token_for(data.path, None)
    data.keep_token("tlr_kept_x")
    assert token_for(data.path, None) == "tlr_kept_x"
    monkeypatch.setenv("TELLERS_TOKEN", "tlr_env_x")
    assert token_for(data.path, None) == "tlr_env_x"
    assert token_for(data.path, "tlr_given_x") == "tlr_given_x"
