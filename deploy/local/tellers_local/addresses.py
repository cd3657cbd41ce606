"""Which process listens where, and how a command finds the ones that run."""

import os
import socket
from pathlib import Path
from typing import NamedTuple

from tellers_local.data_dir import DataDir
from tellers_local.failure import Failure

DEFAULT_PORT = 8000
REDIS_OFFSET = 9
# Where each of several gateway processes is asked by itself: N+4 to N+8.
OWN_OFFSET = 4
MOST_GATEWAYS = REDIS_OFFSET - OWN_OFFSET
LAST_PORT = 65535
LOOPBACK = "127.0.0.1"
EVERYWHERE = ("0.0.0.0", "::")


class Ports(NamedTuple):
    """`--port N`: gateway N, ingest N+1, tally N+2, webhooks N+3, the embedded Redis
    N+9; of several gateway processes, the first by itself N+4, the second N+5."""

    gateway: int
    ingest: int
    tally: int
    webhooks: int
    redis: int

    @classmethod
    def starting_at(cls, first: int) -> "Ports":
        """The ports for `--port`. Raises Failure when they are no ports."""
        if not 0 < first <= LAST_PORT - REDIS_OFFSET:
            most = LAST_PORT - REDIS_OFFSET
            raise Failure(f"--port must be between 1 and {most}, not {first}")
        return cls(first, first + 1, first + 2, first + 3, first + REDIS_OFFSET)

    def own(self, gateways: int) -> list[int]:
        """Where each of so many gateway processes is asked by itself; of one, nowhere.

        Raises Failure when there are not so many ports.
        """
        if gateways > MOST_GATEWAYS:
            raise Failure(
                f"TELLERS_GATEWAY_PROCESSES must be at most {MOST_GATEWAYS} here, not "
                f"{gateways}"
            )
        if gateways == 1:
            return []
        return [self.gateway + OWN_OFFSET + number for number in range(gateways)]

    def check_free(self, host: str, *, redis: bool, gateways: int = 1) -> None:
        """Raises Failure naming the first port that is taken."""
        for name, port in self._asdict().items():
            if name != "redis":
                _check_free(name, host, port)
            elif redis:
                _check_free(name, LOOPBACK, port)
        for port in self.own(gateways):
            _check_free("gateway", LOOPBACK, port)


def _check_free(name: str, host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as candidate:
        # As the servers do: connections that linger after a restart are no obstacle.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((host, port))
            candidate.listen()
        except OSError as error:
            raise Failure(
                f"{name} cannot listen on {host}:{port}: "
                f"{(error.strerror or str(error)).lower()}; "
                "stop what uses it or choose other ports with --port"
            ) from error


def url_of(host: str, port: int) -> str:
    """The address at which this machine reaches a service that listens there."""
    if host in EVERYWHERE:
        host = LOOPBACK
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Services(NamedTuple):
    """Where a command finds the running system."""

    gateway: str
    ingest: str


def find_services(
    data: Path, gateway: str | None = None, ingest: str | None = None
) -> Services:
    """The services' addresses: as given, from the environment, of the system that runs
    on the data folder, or the default ones."""
    running = DataDir(data).running()
    ports = Ports.starting_at(DEFAULT_PORT)
    default = Services(
        running.gateway if running else url_of(LOOPBACK, ports.gateway),
        running.ingest if running else url_of(LOOPBACK, ports.ingest),
    )
    return Services(
        _checked(gateway or os.environ.get("TELLERS_GATEWAY_URL") or default.gateway),
        _checked(ingest or os.environ.get("TELLERS_INGEST_URL") or default.ingest),
    )


def _checked(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise Failure(f"{url!r} is no address: it must begin with http:// or https://")
    return url.rstrip("/")
