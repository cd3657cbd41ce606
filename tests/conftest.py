"""What every test may ask for: a Redis, a database, a browser."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.faults.report import print_lines
from tests.servers import (
    PostgresServer,
    RedisServer,
    find_chromium,
    find_postgres,
    find_redis,
)

# No deadline and no check for slowness: a machine under load is slow, not wrong.
# A failure prints a blob that repeats it, on any machine.
settings.register_profile(
    "dev",
    deadline=None,
    max_examples=50,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("ci", settings.get_profile("dev"), max_examples=100)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of the faults, which other processes may have measured."""
    print_lines(terminalreporter)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The Redis all tests share. Who wants to kill one starts one of his own."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """An empty Redis."""
    return _emptied(redis_server)


@pytest.fixture(scope="session", params=find_redis(), ids=str)
def every_redis_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RedisServer]:
    """Each redis-server of this machine in turn; see `every_redis_url`."""
    with RedisServer(tmp_path_factory.mktemp("redis"), request.param) as server:
        yield server


@pytest.fixture
def every_redis_url(every_redis_server: RedisServer) -> str:
    """An empty Redis of each version here: for what must hold from 6.2 on."""
    return _emptied(every_redis_server)


def _emptied(server: RedisServer) -> str:
    server.start()  # when some test has ended it
    with server.client() as client:
        client.flushall()
    return server.url


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The PostgreSQL all tests share."""
    if not find_postgres():
        pytest.skip("no PostgreSQL: neither Debian's nor the wheel's is installed")
    with PostgresServer() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind we support."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tellers.sqlite'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    server.start()  # when some test has ended it
    return server.new_database()


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser's program. Under root it needs the argument --no-sandbox."""
    found = find_chromium()
    if found is None:
        pytest.skip("no Chromium on the path; install the package chromium")
    return found
