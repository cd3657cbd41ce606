"""What the kernel says of each container's first process: whose it is, what it may."""

from typing import NamedTuple

from tests.compose.engine import Engine

# Started as root by the stand-in images alone (deploy/compose/podman.yml).
STAND_INS = ("postgres", "prometheus")
HARDENED = (
    *("ingest-1", "ingest-2", "tally-1", "tally-2", "gateway-1", "gateway-2"),
    *("webhooks", "redis-primary", "redis-replica", "proxy"),
)


class Found(NamedTuple):
    """A container, whether it is as tight as it must be, and its figures."""

    name: str
    right: bool
    figures: dict[str, object]


def figures_of_containers(engine: Engine) -> list[Found]:
    """One line for each that is running."""
    return [_figures(engine, name) for name in HARDENED if engine.running(name)]


def _figures(engine: Engine, name: str) -> Found:
    lines = engine.inside(name, "cat", "/proc/1/status").splitlines()
    pairs = (line.partition(":") for line in lines)
    status = {key: value.split() for key, _, value in pairs}
    uid = int(status["Uid"][1])
    capabilities = int(status["CapEff"][0], 16) | int(status["CapBnd"][0], 16)
    gains = status["NoNewPrivs"][0] == "0"
    writes = engine.inside(name, "sh", "-c", "touch /written && echo yes").strip()
    right = uid != 0 and not capabilities and not gains and writes != "yes"
    figures: dict[str, object] = {
        "uid": uid,
        "capabilities": capabilities,
        "gains": "yes" if gains else "no",
        "root_writable": writes or "no",
    }
    return Found(f"container {name}", right, figures)
