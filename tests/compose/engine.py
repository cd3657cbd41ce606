"""The containers of docker-compose.yml under podman: started, looked at, killed."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.servers import wait_until

ROOT = Path(__file__).parents[2]
FILES = (ROOT / "docker-compose.yml", ROOT / "deploy" / "compose" / "podman.yml")
PROJECT = "tellers-compose-test"
COMMAND_SECONDS = 900.0  # the first build fetches every package
HEALTHY_SECONDS = 240.0

# In this order, each stage healthy before the next: podman 4.3 cannot wait for
# `depends_on` conditions, which say the same to those who can.
STAGES = (
    ("redis-primary", "redis-replica", "postgres", "prometheus"),
    ("archive",),
    ("tally-1", "tally-2"),
    ("ingest-1", "ingest-2", "gateway-1", "gateway-2", "webhooks"),
    ("proxy",),
)
ONE_SHOT = "archive"
CNI_ADDRESSES = Path("/var/lib/cni/networks")


class Ports(NamedTuple):
    """Where the host finds them."""

    public: int
    operators: int
    prometheus: int


def missing() -> str:
    """Why nothing can be started here; "" when it can."""
    for program in ("podman", "podman-compose"):
        if shutil.which(program) is None:
            return f"there is no {program} on the path"
    if os.geteuid() != 0:
        return "podman's networks with fixed addresses need root"
    return ""


class Engine:
    """One project of containers.

    Args:
        secrets: a folder for them.
        log: a file for the output of every command.
    """

    def __init__(self, secrets: Path, log: Path, ports: Ports) -> None:
        self.ports = ports
        self.secrets = secrets
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        self._environment = {
            **os.environ,
            "BUILDAH_FORMAT": "docker",  # OCI's format has no HEALTHCHECK
            "TELLERS_SECRETS": str(self.secrets),
            "TELLERS_PUBLIC_PORT": str(ports.public),
            "TELLERS_OPERATORS_PORT": str(ports.operators),
            "TELLERS_PROMETHEUS_PORT": str(ports.prometheus),
        }
        self._run([str(ROOT / "deploy/compose/make-secrets.sh"), str(self.secrets)])

    def build(self) -> None:
        """Every image."""
        self._compose("--profile", "operator", "build")

    def up(self, stages: Sequence[Sequence[str]] = STAGES) -> None:
        """Start what is not running, stage by stage."""
        for stage in stages:
            self._compose("up", "--detach", "--no-deps", *stage)
            for service in stage:
                self._wait(service)

    def _wait(self, service: str) -> None:
        if service == ONE_SHOT:
            wait_until(lambda: self._done(service), HEALTHY_SECONDS, f"{service}'s end")
            return
        if self.inspect(service)["Config"].get("Healthcheck"):
            wait_until(lambda: self.healthy(service), HEALTHY_SECONDS, service)

    def _done(self, service: str) -> bool:
        state = self.inspect(service)["State"]
        return bool(state["Status"] == "exited" and state["ExitCode"] == 0)

    def healthy(self, service: str) -> bool:
        """Whether its HEALTHCHECK says so now; without systemd nobody else asks."""
        return not self._podman("healthcheck", "run", self.name(service), check=False)

    def name(self, service: str) -> str:
        """The container's."""
        return f"{PROJECT}_{service}_1"

    def inspect(self, service: str) -> dict[str, Any]:
        """All that podman knows of a container."""
        text = self._output("inspect", self.name(service))
        found: dict[str, Any] = json.loads(text)[0]
        return found

    def kill(self, service: str) -> None:
        """SIGKILL, as a crash; nothing is said to anybody."""
        self._podman("kill", "--signal", "KILL", self.name(service))

    def start(self, service: str) -> None:
        """Start a container again on its data, if nobody has yet."""
        self._podman("start", self.name(service))
        self._wait(service)

    def lose(self, service: str) -> None:
        """The container and all it has kept, as with its machine."""
        mounts = self.inspect(service)["Mounts"]
        self._podman("rm", "--force", "--time", "0", self.name(service))
        for mount in mounts:
            if mount["Type"] == "volume":
                self._podman("volume", "rm", "--force", mount["Name"])

    def running(self, service: str) -> bool:
        """Whether there is such a container, and it runs."""
        shown = self._output(
            *("inspect", "--format", "{{.State.Status}}", self.name(service)),
            check=False,
        )
        return shown.strip() == "running"

    def recreate(self, services: Sequence[str], **environment: str) -> None:
        """New containers in their place, with another environment."""
        self._environment |= environment
        for service in services:
            self._podman("rm", "--force", "--time", "6", self.name(service))
        self._compose("up", "--detach", "--no-deps", *services)
        for service in services:
            self._wait(service)

    def inside(self, service: str, *command: str) -> str:
        """What a command in a container says; "" when it fails."""
        return self._output("exec", self.name(service), *command, check=False)

    def operator(self, *arguments: str) -> str:
        """What `tellers` says."""
        run = ["run", "--rm", "-T", "--no-deps", "operator", *arguments]
        return self._compose("--profile", "operator", *run)

    def note_logs(self) -> None:
        """What every container has said, into the log: somebody will want to know."""
        for service in (service for stage in STAGES for service in stage):
            self._run(
                ["podman", "logs", "--tail", "100", self.name(service)], check=False
            )

    def down(self) -> None:
        """Remove containers, networks and volumes."""
        self._compose("--profile", "operator", "down", "--volumes", "--timeout", "6")
        # Who was killed has not given its address back, and the next one would not
        # get it.
        for kept in CNI_ADDRESSES.glob(f"{PROJECT}_*"):
            shutil.rmtree(kept)

    def _compose(self, *arguments: str) -> str:
        files = [part for file in FILES for part in ("--file", str(file))]
        return self._run(
            ["podman-compose", "--project-name", PROJECT, *files, *arguments]
        )

    def _output(self, *arguments: str, check: bool = True) -> str:
        return self._run(["podman", *arguments], check=check)

    def _podman(self, *arguments: str, check: bool = True) -> int:
        with self._log.open("ab") as log:
            log.write(f"$ podman {' '.join(arguments)}\n".encode())
            log.flush()
            done = subprocess.run(
                ["podman", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=COMMAND_SECONDS,
                check=check,
            )
        return done.returncode

    def _run(self, command: list[str], *, check: bool = True) -> str:
        """Standard output. Raises CalledProcessError; why is at the end of the log."""
        with self._log.open("ab") as log:
            log.write(f"$ {' '.join(command)}\n".encode())
            log.flush()
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                timeout=COMMAND_SECONDS,
                check=False,
            )
            if "inspect" not in command:
                log.write(done.stdout)
        if done.returncode and check:
            raise subprocess.CalledProcessError(done.returncode, command)
        return done.stdout.decode() if not done.returncode else ""


@contextmanager
def started(
    secrets: Path, log: Path, ports: Ports, *, build: bool = True
) -> Iterator[Engine]:
    """Built, started, and removed at the end."""
    engine = Engine(secrets, log, ports)
    engine.down()  # what a run that was cut off left behind
    began = time.monotonic()
    if build:
        engine.build()
    built = time.monotonic()
    try:
        engine.up()
        up = time.monotonic()
        print(f"built in {built - began:.0f} s, started in {up - built:.0f} s")
        yield engine
    except BaseException:
        engine.note_logs()
        raise
    finally:
        engine.down()
