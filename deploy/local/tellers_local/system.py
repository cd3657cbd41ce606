"""The whole system on one machine: which processes, with which settings, in what order.

redis (unless TELLERS_REDIS_URL) --> tally, ingest, gateway, webhooks
"""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import ValidationError
from redis.asyncio.connection import parse_url
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from tellers_core.codec import LogName
from tellers_gateway.settings import GatewaySettings
from tellers_local.addresses import LOOPBACK, Ports, url_of
from tellers_local.data_dir import DataDir, Running
from tellers_local.embedded import redis_command, redis_url
from tellers_local.failure import Failure
from tellers_local.probes import http_probe, redis_probe
from tellers_local.supervisor import Program, Supervisor
from tellers_runtime.archive.engine import migrate, open_engine
from tellers_runtime.archive.reading import ArchiveReader
from tellers_runtime.clients import Clients
from tellers_runtime.cluster import ClusterUrl
from tellers_runtime.log import LogLost, LogReader, RedisTooOld, check_version
from tellers_runtime.tokens import Scope, TokenStore

REDIS_SECONDS = 120.0  # a long append-only file takes a while to load
SERVICES_SECONDS = 30.0


def settings_of(data: Path) -> GatewaySettings:
    """The settings of this environment, with that data folder.

    Raises Failure naming a variable that cannot be read.
    """
    try:
        return GatewaySettings(data_dir=data)
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise Failure(f"TELLERS_{name} is not valid: {first['msg'].lower()}") from error


def archive_url(data: DataDir) -> str:
    """Where the archive is."""
    return settings_of(data.path).archive_url


def external_redis(data: DataDir) -> str | None:
    """TELLERS_REDIS_URL, when Redis is not to be embedded. Raises Failure."""
    settings = settings_of(data.path)
    if "redis_url" not in settings.model_fields_set:
        return None
    try:
        if ClusterUrl.parse(settings.redis_url) is None:
            parse_url(settings.redis_url)
    except ValueError as error:
        raise Failure(f"TELLERS_REDIS_URL is not valid: {error}") from error
    return settings.redis_url


def prepare_archive(url: str) -> None:
    """Bring the archive's schema up to date. Raises Failure when it will not open."""
    try:
        migrate(url)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise Failure(f"the archive cannot be opened: {reason}") from error
    except LogLost as error:
        raise Failure(f"the archive is not whole: {error}") from error


class System:
    """One installation that is being run.

    Args:
        say: told what the operator should know.
    """

    def __init__(self, data: DataDir, ports: Ports, say: Callable[[str], None]) -> None:
        self.data = data
        self.settings = settings_of(data.path)
        self.gateway = url_of(self.settings.host, ports.gateway)
        self.ingest = url_of(self.settings.host, ports.ingest)
        self.tally = url_of(self.settings.host, ports.tally)
        self.webhooks = url_of(self.settings.host, ports.webhooks)
        self.token = ""
        self.supervisor = Supervisor(data.logs, say, self._note)
        self._ports = ports
        self._say = say
        external = external_redis(data)
        self._redis_is_ours = external is None
        self._redis_url = external or redis_url(ports.redis)
        self._database_url = self.settings.archive_url

    def check(self) -> None:
        """Everything that can be known before anything is started.

        Raises Failure.
        """
        gateways = self.settings.gateway_processes
        redis = self._redis_is_ours
        self._ports.check_free(self.settings.host, redis=redis, gateways=gateways)
        prepare_archive(self._database_url)

    async def start(self) -> None:
        """Start everything and wait until it is ready.

        Raises Failure. Who is started and not ready is told, and kept running.
        """
        if self._redis_is_ours:
            self.supervisor.start(self._redis())
            for why in (await self.supervisor.until_ready(REDIS_SECONDS)).values():
                raise Failure(f"redis-server is not ready: {why}")
        await self._use_redis()
        for program in self._services():
            self.supervisor.start(program)
        missing = await self.supervisor.until_ready(SERVICES_SECONDS)
        for name, why in missing.items():
            self._say(f"{name} is not ready: {why} (see {self.data.logs}/{name}.log)")

    async def _use_redis(self) -> None:
        redis = Clients(self._redis_url, "tellers-up")
        try:
            await check_version(redis.tokens)
            await self._check_log(redis)
            store = TokenStore(redis.tokens)
            self.token = await _operator_token(store, self.data)
        except RedisTooOld as error:
            raise Failure(str(error)) from error
        except (RedisError, OSError) as error:
            raise Failure(f"Redis cannot be used: {error}") from error
        finally:
            await redis.aclose()

    async def _check_log(self, redis: Clients) -> None:
        """A log that is gone must be restored before anything else is recorded."""
        engine = open_engine(self._database_url)
        try:
            for log in self.settings.logs:
                archived = ArchiveReader(engine).position(log)
                if archived is None or not archived.seq:
                    continue
                if await LogReader(redis.of(log.chamber), log).epoch() is None:
                    raise Failure(_gone(log, archived.seq, self.data))
        finally:
            engine.dispose()

    def _redis(self) -> Program:
        command = redis_command(self.data, self._ports.redis)
        probe = redis_probe(self._redis_url)
        return Program("redis", tuple(command), os.environ, probe)

    def _services(self) -> list[Program]:
        environment = self._environment()
        return [
            _service("tally", self.tally, environment),
            _service("ingest", self.ingest, environment),
            *self._gateways(environment),
            _service("webhooks", self.webhooks, environment),
        ]

    def _gateways(self, environment: Mapping[str, str]) -> list[Program]:
        """One, or several that share its port, each of which is asked by itself."""
        own = self._ports.own(self.settings.gateway_processes)
        if not own:
            return [_service("gateway", self.gateway, environment)]
        return [
            _service(
                "gateway",
                url_of(LOOPBACK, port),
                {**environment, "TELLERS_GATEWAY_OWN_PORT": str(port)},
                number,
            )
            for number, port in enumerate(own, 1)
        ]

    def _environment(self) -> Mapping[str, str]:
        return {
            **os.environ,
            "TELLERS_REDIS_URL": self._redis_url,
            "TELLERS_DATABASE_URL": self._database_url,
            "TELLERS_DATA_DIR": str(self.data.path),
            "TELLERS_GATEWAY_PORT": str(self._ports.gateway),
            "TELLERS_INGEST_PORT": str(self._ports.ingest),
            "TELLERS_TALLY_PORT": str(self._ports.tally),
            "TELLERS_WEBHOOKS_PORT": str(self._ports.webhooks),
            "TELLERS_WEBHOOKS_URL": self.webhooks,
            "TELLERS_GATEWAY_URLS": self.gateway,
        }

    def _note(self) -> None:
        self.data.note(
            Running(
                os.getpid(),
                self.gateway,
                self.ingest,
                self.tally,
                self._redis_url,
                self._database_url,
                self.supervisor.pids,
            )
        )


def _service(
    kind: str, url: str, environment: Mapping[str, str], number: int = 1
) -> Program:
    name = kind if number == 1 else f"{kind}-{number}"
    command = (sys.executable, "-m", f"tellers_{kind}")
    return Program(name, command, environment, http_probe(url), kind)


def _gone(log: LogName, archived: int, data: DataDir) -> str:
    return (
        f"the log of {log} is empty, but the archive has {archived} events of it: "
        f"run `tellers restore --data {data.path}` first"
    )


async def _operator_token(store: TokenStore, data: DataDir) -> str:
    """The token kept in the data folder; a new one when Redis does not know it."""
    kept = data.read_token()
    if kept is not None and await store.verify(kept) is not None:
        return kept
    clear = await store.create("operator", [Scope.ADMIN])
    data.keep_token(clear)
    return clear


async def forever() -> None:
    """Wait until cancelled."""
    await asyncio.Event().wait()
