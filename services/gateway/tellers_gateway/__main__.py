"""`python -m tellers_gateway`: read settings, follow the logs, serve the public."""

import asyncio
import os
import socket
import sys

from tellers_core.notes import BadNote
from tellers_gateway.app import create_app
from tellers_gateway.drain import drain
from tellers_gateway.hub import Hub
from tellers_gateway.settings import GatewaySettings
from tellers_gateway.sockets import LiveSockets
from tellers_gateway.state import Hubs
from tellers_runtime import logs
from tellers_runtime.archive.engine import open_engine
from tellers_runtime.archive.proofs import ProofReader
from tellers_runtime.archive.reading import ArchiveReader
from tellers_runtime.clients import Clients
from tellers_runtime.log import LogReader, TallyChannel
from tellers_runtime.server import Background, listen, run, serve
from tellers_runtime.tracing import traces_to

LOOPBACK = "127.0.0.1"
# What the kernel may hold for a viewer beyond our own bound: without it a stalled
# viewer reads frames that are minutes old (4 MiB measured).
SEND_BUFFER_BYTES = 65_536
# Where they share a machine, a storm of viewers must not keep a vote waiting.
NICENESS = 5
# After the drain nobody is left but reads that are being answered.
GRACE_SECONDS = 1


async def _main(settings: GatewaySettings) -> None:
    socks = _listening(settings)
    engine = open_engine(settings.archive_url)
    archive = ArchiveReader(engine)
    redis = Clients(settings.redis_url, "tellers-gateway")
    traces = traces_to(settings.traces_endpoint, "gateway")
    hubs: Hubs = {
        log: Hub(
            LogReader(of_log, log),
            TallyChannel(of_log, log),
            archive,
            traces,
            settings.publish_delay_seconds,
        )
        for log in settings.logs
        for of_log in [redis.of(log.chamber)]
    }

    async def beat() -> None:
        while True:
            await asyncio.sleep(settings.heartbeat_seconds)
            for hub in hubs.values():
                hub.heartbeat()

    try:
        await serve(
            create_app(settings, hubs, ProofReader(engine)),
            socks,
            [beat, *(_following(hub, settings) for hub in hubs.values())],
            limits=settings.limits,
            sockets=LiveSockets(),
            stopping=lambda: drain(hubs.values(), settings.drain_seconds),
            grace_seconds=GRACE_SECONDS,
        )
    finally:
        await redis.aclose()
        engine.dispose()


def _listening(settings: GatewaySettings) -> list[socket.socket]:
    """Where the public is served; and where this process alone is asked, if it is."""
    shared = settings.gateway_processes > 1
    socks = [listen(settings.host, settings.gateway_port, shared=shared)]
    if settings.gateway_own_port:
        socks.append(listen(LOOPBACK, settings.gateway_own_port))
    for sock in socks:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        # Whoever takes nothing for so long is gone, whatever it speaks: a WebSocket was
        # let go before, but a stalled reader of server-sent events is the kernel's to
        # end.
        patience_ms = int(4000 * settings.stalled_seconds)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience_ms)
    return socks


def _following(hub: Hub, settings: GatewaySettings) -> Background:
    return lambda: hub.run(settings.silent_seconds)


def main() -> None:
    """The process."""
    settings = GatewaySettings()
    try:
        _ = settings.witness_keys
    except BadNote as error:
        sys.exit(f"TELLERS_WITNESSES cannot be used: {error.detail}")
    logs.configure("gateway", settings.log_level)
    os.nice(NICENESS)
    run(_main(settings))


if __name__ == "__main__":
    main()
