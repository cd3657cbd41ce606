"""`tellers up` and `tellers demo`: run the system until Ctrl-C."""

from collections.abc import Awaitable, Callable

from tellers_local.addresses import Ports, Services
from tellers_local.data_dir import DataDir
from tellers_local.failure import Failure
from tellers_local.replaying import DEMO_CHAMBER, Target, play_demo
from tellers_local.supervisor import run_until_stopped
from tellers_local.system import System, forever
from tellers_local.terminal import say, warn

Then = Callable[[System], Awaitable[None]]


async def _nothing(_: System) -> None:
    pass


def run_system(data: DataDir, ports: Ports, then: Then = _nothing) -> None:
    """Run the whole system, and `then` on it, until it is told to stop.

    Raises Failure when it cannot start.
    """
    data.prepare()
    with data.locked():
        system = System(data, ports, warn)
        system.check()
        try:
            run_until_stopped(system.supervisor, _run(system, then))
        finally:
            data.forget()
        say("stopped; everything is kept in " + str(data.path))


async def _run(system: System, then: Then) -> None:
    await system.start()
    _introduce(system)
    try:
        await then(system)
    except Failure as failure:
        warn(str(failure))
    await forever()


def _introduce(system: System) -> None:
    say(
        f"Tellers runs on {system.data.path}\n"
        f"  public pages and API   {system.gateway}\n"
        f"  commands (ingest API)  {system.ingest}\n"
        f"  operator's token       {system.token}\n"
        "  Ctrl-C ends it"
    )


def run_demo(data: DataDir, ports: Ports, seconds: float) -> None:
    """Run the system and play resolution ES-11/1 on it, once. Raises Failure."""

    async def play(system: System) -> None:
        services = Services(system.gateway, system.ingest)
        await play_demo(Target(services, system.token, DEMO_CHAMBER), seconds)

    run_system(data, ports, play)
