"""The real system as processes: Redis, archive, tally, ingest, gateway; and its users.

Everything runs on loopback ports of its own; each process can be killed and started
again. `Stack` is what the tests of services, pages and whole runs share.
"""

import asyncio
import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import httpx
from redis.asyncio import Redis

from tellers_runtime.archive.engine import migrate
from tellers_runtime.tokens import Scope, TokenStore
from tests.servers import HOST, RedisServer, Server, free_port, wait_until

ROLL_CALLS = Path(__file__).parents[1] / "fixtures" / "roll-calls"


def _get(url: str) -> httpx.Response:
    # Unverified: to load the certificates takes 0.1 s of a processor, every time.
    return httpx.get(url, timeout=2, verify=False)


class Service(Server):
    """One of our processes, `python -m tellers_<name>`; ready when /healthz answers."""

    def __init__(self, name: str, port: int, folder: Path, env: dict[str, str]) -> None:
        super().__init__(f"tellers_{name}", folder / f"{name}.log")
        self.port = port
        self.url = f"http://{HOST}:{port}"
        self._module = f"tellers_{name}"
        self._env = env

    def _spawn(self, output: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", self._module],
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )

    def _answers(self) -> bool:
        try:
            return _get(f"{self.url}/healthz").is_success
        except httpx.HTTPError:
            return False

    def ready(self) -> bool:
        """Whether /readyz says 200."""
        try:
            return _get(f"{self.url}/readyz").is_success
        except httpx.HTTPError:
            return False


class Stack:
    """A whole system on its own data.

    Args:
        folder: for the data and the logs.
        database_url: the archive; SQLite in the folder unless given.
        settings: further TELLERS_* settings, e.g. {"TELLERS_LEASE_SECONDS": "1"}.
    """

    def __init__(
        self,
        folder: Path,
        database_url: str | None = None,
        settings: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.redis = RedisServer(folder / "redis")
        self.database_url = database_url or f"sqlite:///{folder}/archive.db"
        self._settings = settings or {}
        first = free_port(block=4)
        self._webhooks_port = first + 3
        self._gateway_port = first
        self.gateway = self.service("gateway", first)
        self.ingest = self.service("ingest", first + 1)
        self.tally = self.service("tally", first + 2)
        # Started only by who needs it.
        self.webhooks = self.service("webhooks", first + 3)
        self.token = ""

    @property
    def gateway_url(self) -> str:
        return self.gateway.url

    @property
    def ingest_url(self) -> str:
        return self.ingest.url

    def service(self, name: str, port: int | None = None, **settings: str) -> Service:
        """A process on this stack's Redis and archive; a second one of a kind too, with
        settings of its own."""
        port = port or free_port()
        env = {
            **os.environ,
            "TELLERS_REDIS_URL": self.redis.url,
            "TELLERS_DATABASE_URL": self.database_url,
            "TELLERS_DATA_DIR": str(self.folder),
            "TELLERS_WEBHOOKS_URL": f"http://{HOST}:{self._webhooks_port}",
            "TELLERS_GATEWAY_URLS": f"http://{HOST}:{self._gateway_port}",
            f"TELLERS_{name.upper()}_PORT": str(port),
            **self._settings,
            **settings,
        }
        return Service(name, port, self.folder, env)

    @property
    def services(self) -> list[Service]:
        return [self.tally, self.ingest, self.gateway]

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        self.redis.start()
        migrate(self.database_url)
        self.token = asyncio.run(self._new_token())
        for service in self.services:
            service.start()
        self.wait_ready()

    def wait_ready(self, seconds: float = 60.0) -> None:
        """Until every process is ready."""
        for service in self.services:
            wait_until(service.ready, seconds, f"{service.url}/readyz")

    async def _new_token(self) -> str:
        redis = Redis.from_url(self.redis.url)
        try:
            return await TokenStore(redis).create("tests", [Scope.ADMIN])
        finally:
            await redis.aclose()

    def __exit__(self, *_: object) -> None:
        for service in reversed(self.services):
            service.stop()
        self.redis.stop()

    def clerk(self) -> "Clerk":
        """Somebody who records votes."""
        return Clerk(self.ingest_url, self.token)


class Clerk:
    """Commands to ingest, as a person at the console gives them. Blocking."""

    def __init__(self, ingest_url: str, token: str) -> None:
        self.http = httpx.Client(
            base_url=ingest_url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
            verify=False,
        )

    def schedule(
        self, roll_call: str, rule: Any = "two_thirds", chamber: str = "ga", **more: Any
    ) -> dict[str, Any]:
        """A new roll call."""
        body = {"id": roll_call, "title": f"Title of {roll_call}", "rule": rule, **more}
        return self._post(f"/v1/{chamber}/roll-calls", body)

    def step(
        self, roll_call: str, step: str, chamber: str = "ga", **body: Any
    ) -> dict[str, Any]:
        """open, lock, unlock, close, annul, rule, intentions."""
        return self._post(f"/v1/{chamber}/roll-calls/{roll_call}/{step}", body)

    def vote(
        self, roll_call: str, delegation: str, vote: str, chamber: str = "ga"
    ) -> dict[str, Any]:
        """One delegation's vote."""
        path = f"/v1/{chamber}/roll-calls/{roll_call}/votes/{delegation}"
        answer = self.http.put(path, json={"vote": vote})
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def open(self, roll_call: str, chamber: str = "ga", **more: Any) -> None:
        """Schedule and open."""
        self.schedule(roll_call, chamber=chamber, **more)
        self.step(roll_call, "open", chamber)

    def replay(self, name: str, votes: list[tuple[str, str]]) -> None:
        """A whole roll call, vote by vote, closed at the end."""
        self.open(name)
        for delegation, vote in votes:
            self.vote(name, delegation, vote)
        self.step(name, "lock")
        self.step(name, "close")

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.http.post(path, json=body)
        if answer.is_error:
            raise AssertionError(f"{path}: {answer.status_code} {answer.text}")
        found: dict[str, Any] = answer.json()
        return found


def recorded(name: str) -> list[tuple[str, str]]:
    """Delegation and vote of a recorded roll call, in file order, absents left out."""
    with (ROLL_CALLS / f"{name}.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    return [(row["iso3"], row["vote"]) for row in rows if row["vote"] != "absent"]
