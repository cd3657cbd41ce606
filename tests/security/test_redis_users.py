"""Each service as the Redis user it has in production: it works, and may no more."""

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

from tellers_core.codec import LogName
from tellers_local.embedded import MULTI_PART, find_server
from tellers_runtime import keys
from tellers_runtime.log import LogWriter, connect_writer
from tellers_runtime.settings import ServiceSettings, with_password
from tests.e2e.stack import Service, Stack, recorded
from tests.faults.writers import vote
from tests.servers import HOST, RedisServer, wait_until

MAKE_USERS = Path(__file__).parents[2] / "deploy" / "redis" / "make-users.sh"
SERVICES = ("tellers-ingest", "tellers-tally", "tellers-gateway")
USERS = (*SERVICES, "tellers-webhooks", "tellers-operator", "tellers-subscriber")
GA = LogName("ga")
EVENTS, META, TALLIES = keys.events(GA), keys.meta(GA), keys.tallies(GA)

pytestmark = pytest.mark.skipif(
    find_server().version < MULTI_PART, reason="rights on keys came with Redis 7"
)


class GuardedStack(Stack):
    """The system as ever, but every service has its own user and password file."""

    def __init__(self, folder: Path) -> None:
        self.users = folder / "users"
        subprocess.run([MAKE_USERS, self.users], check=True, stdin=subprocess.DEVNULL)
        super().__init__(folder)
        options = {"aclfile": str(self.users / "users.acl")}
        guarded = RedisServer(folder / "redis", options=options)
        guarded.port = self.redis.port
        guarded.url = self.url("tellers-operator")
        self.redis = guarded

    def url(self, user: str) -> str:
        """With the password."""
        return with_password(self.address(user), self.users / f"{user}.password")

    def address(self, user: str) -> str:
        return f"redis://{user}@{HOST}:{self.redis.port}/0"

    def service(self, name: str, port: int | None = None, **settings: str) -> Service:
        service = super().service(name, port, **settings)
        user = f"tellers-{name}"
        service._env |= {
            "TELLERS_REDIS_URL": self.address(user),
            "TELLERS_REDIS_PASSWORD_FILE": str(self.users / f"{user}.password"),
        }
        return service

    @contextmanager
    def as_user(self, user: str) -> Iterator[Redis]:
        with Redis.from_url(self.url(user), socket_timeout=5) as redis:
            yield redis


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedStack]:
    with GuardedStack(tmp_path_factory.mktemp("guarded")) as stack:
        yield stack


def test_a_whole_roll_call_goes_through(stack: GuardedStack) -> None:
    votes = recorded("es-11-1")
    clerk = stack.clerk()
    with clerk.http as http:
        clerk.replay("es-11-1", votes)
        clerk.schedule("rehearsed", rehearsal=True)
        clerk.schedule("seats", rule="security_council", chamber="sc")
        kept = {"Idempotency-Key": "k"}
        for _ in range(2):
            path = "/v1/ga/roll-calls/es-11-1/intentions"
            body = {"delegation": "FRA", "vote": "no"}
            assert http.post(path, json=body, headers=kept).is_success
    path = f"{stack.gateway_url}/v1/ga/roll-calls/es-11-1/tally"

    def closed() -> bool:
        found = httpx.get(path, verify=False)
        return found.is_success and found.json()["phase"] == "closed"

    wait_until(closed, 60, "the gateway to show it closed")
    counts = httpx.get(path, verify=False).json()["counts"]
    assert sum(counts[vote] for vote in ("yes", "no", "abstain")) == len(votes)
    assert all(service.ready() for service in stack.services)
    for service in stack.services:  # what each was refused, it did without
        assert "NOPERM" not in service.log.read_text()


def tellers(
    stack: GuardedStack, redis: RedisServer, folder: Path, *command: str
) -> str:
    """What a command of the operator says, who has a password file too."""
    environment = {
        **os.environ,
        "TELLERS_REDIS_URL": f"redis://tellers-operator@{HOST}:{redis.port}/0",
        "TELLERS_REDIS_PASSWORD_FILE": str(stack.users / "tellers-operator.password"),
        "TELLERS_DATABASE_URL": stack.database_url,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tellers_local", *command, "--data", str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_operators_commands_work(stack: GuardedStack, tmp_path: Path) -> None:
    clerk = stack.clerk()
    with clerk.http:
        clerk.replay("kept", [("FRA", "yes")])
    wait_until(stack.tally.ready, 60, "the tally service to be ready")
    create = ("token", "create", "--scope", "record", "--name", "desk 4")
    clear = tellers(stack, stack.redis, tmp_path, *create)
    assert "desk 4" in tellers(stack, stack.redis, tmp_path, "token", "list")
    tellers(stack, stack.redis, tmp_path, "token", "revoke", clear.split("_")[1])
    backup = tmp_path / "backup"
    tellers(stack, stack.redis, tmp_path, "backup", str(backup))
    for source in ((), ("--from", str(backup))):
        options = {"aclfile": str(stack.users / "users.acl")}
        empty = RedisServer(tmp_path / f"redis{len(source)}", options=options)
        place = f"{HOST}:{empty.port}"
        empty.url = stack.url("tellers-operator").replace(
            f"{HOST}:{stack.redis.port}", place
        )
        stack.tally.stop()  # it holds the lease
        try:
            with empty:
                said = tellers(stack, empty, tmp_path, "restore", *source)
                assert "events restored" in said
        finally:
            stack.tally.start()


# What nobody may do, and what only some may not.
NEVER: list[tuple[str | int, ...]] = [
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("SWAPDB", 0, 1),
    ("DEL", EVENTS),
    ("UNLINK", EVENTS),
    ("XTRIM", EVENTS, "MAXLEN", 0),
    ("XDEL", EVENTS, "1-0"),
    ("XSETID", EVENTS, "1-0"),
    ("EXPIRE", EVENTS, 1),
    ("CONFIG", "SET", "appendfsync", "no"),
    ("CONFIG", "GET", "*"),
    ("ACL", "LIST"),
    ("SHUTDOWN", "NOSAVE"),
    ("REPLICAOF", "NO", "ONE"),
    ("FUNCTION", "FLUSH"),
    ("SCRIPT", "FLUSH"),
    ("KEYS", "*"),
    ("SET", "elsewhere", "1"),
]
REFUSED: dict[str, list[tuple[str | int, ...]]] = {
    "tellers-ingest": [
        ("HSET", keys.TOKENS, "0badcafe", "{}"),
        ("HDEL", keys.TOKENS, "0badcafe"),
        ("XADD", TALLIES, "*", "t", "{}"),
        ("RENAME", EVENTS, TALLIES),
        ("EVAL", "return redis.call('XTRIM', KEYS[1], 'MAXLEN', 0)", 1, EVENTS),
        ("EVAL", "return redis.call('DEL', KEYS[1])", 1, EVENTS),
    ],
    "tellers-tally": [
        ("XADD", EVENTS, "*", "e", "{}"),
        ("HGETALL", keys.TOKENS),
        ("HSET", keys.roll_call("ga", "es-11-1"), "phase", "open"),
        ("RENAME", TALLIES, EVENTS),
        ("EVAL", "return 1", 0),
    ],
    "tellers-gateway": [
        ("XADD", EVENTS, "*", "e", "{}"),
        ("XADD", TALLIES, "*", "t", "{}"),
        ("HSET", META, "seq", "0"),
        ("HGETALL", keys.TOKENS),
        ("HGETALL", keys.roll_call("ga", "es-11-1")),
        ("EVAL", "return 1", 0),
    ],
    "tellers-webhooks": [
        ("HSET", keys.TOKENS, "id", "{}"),
        ("HGETALL", keys.TOKENS),
        ("XRANGE", EVENTS, "-", "+"),
        ("HGET", META, "epoch"),
    ],
    "tellers-operator": [("EVAL", "return 1", 0)],
    "tellers-subscriber": [
        ("XADD", EVENTS, "*", "e", "{}"),
        ("XGROUP", "DESTROY", EVENTS, "newsroom"),
        ("HSET", META, "seq", "0"),
        ("XREAD", "STREAMS", TALLIES, "0"),
    ],
}


@pytest.mark.parametrize("user", USERS)
def test_what_a_user_may_not_is_refused(stack: GuardedStack, user: str) -> None:
    with stack.as_user("tellers-operator") as redis:
        before = redis.xrange(EVENTS)
    with stack.as_user(user) as redis:
        for command in (*NEVER, *REFUSED[user]):
            with pytest.raises((NoPermissionError, ResponseError)) as refused:
                redis.execute_command(*command)  # type: ignore[no-untyped-call]
            text = str(refused.value)
            # Of a script, Redis 7.0 says so in other words.
            in_script = "ACL failure" in text or "can't run this command" in text
            denied = isinstance(refused.value, NoPermissionError)
            assert denied or in_script, (command, text)
        # The same connection does what the user is for.
        if user == "tellers-webhooks":
            assert redis.hget(keys.TOKENS, "nobody") is None
        elif user != "tellers-operator":
            assert redis.hget(META, "epoch")
    with stack.as_user("tellers-operator") as redis:
        assert redis.xrange(EVENTS) == before


def test_without_a_user_there_is_nothing(stack: GuardedStack) -> None:
    with (
        Redis.from_url(f"redis://{HOST}:{stack.redis.port}/0") as nobody,
        pytest.raises(AuthenticationError),
    ):
        nobody.ping()


def test_a_redis_without_users_lets_all_of_it_through(redis_url: str) -> None:
    """The control: what is refused above, is for its rights, not for its form."""
    with Redis.from_url(redis_url) as redis:
        for command in (
            ("DEL", EVENTS),
            ("XTRIM", EVENTS, "MAXLEN", 0),
            ("HSET", keys.TOKENS, "0badcafe", "{}"),
            ("EVAL", "return redis.call('DEL', KEYS[1])", 1, EVENTS),
            ("FLUSHALL",),
        ):
            redis.execute_command(*command)


def test_no_secret_is_in_the_users_or_in_a_process(stack: GuardedStack) -> None:
    acl = (stack.users / "users.acl").read_text()
    for user in USERS:
        file = stack.users / f"{user}.password"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        password = file.read_text().strip()
        assert len(password) >= 40
        assert password not in acl
        for service in stack.services:
            for name in ("cmdline", "environ"):
                shown = Path(f"/proc/{service.pid}/{name}").read_bytes()
                assert password.encode() not in shown
            assert password not in service.log.read_text()


def test_the_password_comes_from_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "password"
    file.write_text("p@ss/w:rd\n")
    monkeypatch.setenv("TELLERS_REDIS_PASSWORD_FILE", str(file))
    with pytest.raises(ValidationError, match="needs TELLERS_REDIS_URL"):
        ServiceSettings()
    monkeypatch.setenv("TELLERS_REDIS_URL", "redis://me@host:6379/0")
    whole = "redis://me:p%40ss%2Fw%3Ard@host:6379/0"
    assert ServiceSettings().redis_url == whole
    assert ServiceSettings(redis_url=whole).redis_url == whole
    monkeypatch.setenv("TELLERS_REDIS_URL", "redis://me:other@host:6379/0")
    with pytest.raises(ValidationError, match="another password in the URL"):
        ServiceSettings()
    monkeypatch.setenv("TELLERS_REDIS_URL", "redis://host:6379/0")
    file.unlink()
    with pytest.raises(ValidationError, match="cannot read"):
        ServiceSettings()


def appended(folder: Path, users: str) -> tuple[int, int]:
    """Events in the log before and after Redis is killed and started again, with these
    users; an append as ingest makes it, which is a transaction in the file."""
    folder.mkdir()
    subprocess.run([MAKE_USERS, folder], check=True, stdin=subprocess.DEVNULL)
    file = folder / "users.acl"
    default = next(li for li in file.read_text().splitlines() if "user default" in li)
    file.write_text(file.read_text().replace(default, users or default))
    server = RedisServer(folder / "redis", options={"aclfile": str(file)})
    place = f"{HOST}:{server.port}/0"
    server.url, ingest = (
        with_password(f"redis://{user}@{place}", folder / f"{user}.password")
        for user in ("tellers-operator", "tellers-ingest")
    )

    def events() -> int:
        with server.client() as redis:
            return int(redis.xlen(EVENTS))

    with server:
        with server.client() as redis:
            redis.hset(META, "epoch", "k3v9")
        asyncio.run(_append(ingest))
        before = events()
        server.kill()
        server.start()
        return before, events()


async def _append(url: str) -> None:
    redis = connect_writer(url, "test")
    try:
        for number in range(3):
            await LogWriter(redis).append(vote("one", f"c{number}"))
    finally:
        await redis.aclose()


def test_redis_reads_its_own_file_again(tmp_path: Path) -> None:
    assert appended(tmp_path / "ours", "") == (3, 3)
    # The control: without rights for the user that is off, all is lost at a restart.
    bare = "user default off resetkeys resetchannels -@all"
    assert appended(tmp_path / "bare", bare) == (3, 0)


def test_nobody_can_be_the_user_that_redis_reads_its_file_as(
    stack: GuardedStack,
) -> None:
    with Redis(HOST, stack.redis.port) as nobody:
        with pytest.raises(AuthenticationError):
            nobody.ping()
        for password in ("", "nopass", "default"):
            with pytest.raises((AuthenticationError, ResponseError)):
                nobody.execute_command("AUTH", "default", password)
        with pytest.raises(AuthenticationError):
            nobody.get("anything")
