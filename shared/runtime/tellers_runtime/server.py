"""Runs one service: the HTTP server and its background work in one task group.

A background task that dies ends the process (the supervisor starts it again), instead
of leaving a server that answers without it.
"""

import asyncio
import functools
import gc
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence

import uvicorn
import uvloop
from fastapi import FastAPI
from starlette.types import ASGIApp

from tellers_runtime.connections import (
    Doors,
    GuardedProtocol,
    Limits,
    Sockets,
    fitting,
)

# Objects that may come before the collector looks for cycles among them; Python's own
# 700 are those of a few dozen requests, which are all still in use.
GARBAGE_THRESHOLD = 10_000
Background = Callable[[], Coroutine[None, None, None]]


def listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening socket. Ends the process with one sentence when the port is taken.

    `shared`: other processes of this user may listen on the same port in the same way;
    the kernel deals the connections out among them.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, else asyncio leaves Nagle's algorithm on: 40 ms more for each answer.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sys.exit(f"cannot listen on {host}:{port}: {error.strerror}")
    sock.set_inheritable(True)
    return sock


async def serve(
    app: FastAPI,
    sock: socket.socket | Sequence[socket.socket],
    background: Sequence[Background] = (),
    *,
    limits: Limits,
    sockets: Sockets | None = None,
    stopping: Background | None = None,
    grace_seconds: int = 5,
) -> None:
    """Serve until SIGTERM or SIGINT, with `background` running beside the server.

    Args:
        sock: where it listens; several: on all of them.
        limits: what is granted to those who connect.
        sockets: takes over who asks for a WebSocket; None: nobody is asked to.
        stopping: runs before the server stops accepting, to say goodbye to viewers.
        grace_seconds: for the requests that are being answered then.
    """
    config = configuration(app, limits, sockets, grace_seconds)
    server = uvicorn.Server(config)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    leave_the_program_alone()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work()) for work in background]
        serving = group.create_task(_serve(server, sock))
        waiting = group.create_task(stop.wait())
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if stopping is not None:
            await stopping()
        server.should_exit = True
        await serving
        for task in (*tasks, waiting):
            task.cancel()


def configuration(
    app: ASGIApp,
    limits: Limits,
    sockets: Sockets | None = None,
    grace_seconds: int = 5,
) -> uvicorn.Config:
    """How every service of ours is served by uvicorn."""
    doors = Doors(fitting(limits))
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        # Any callable that makes a protocol will do; uvicorn's types ask for a class.
        http=functools.partial(  # type: ignore[arg-type]
            GuardedProtocol, doors=doors, sockets=sockets
        ),
        ws="none",  # ours are no ASGI: see `Upgrade`
        proxy_headers=False,  # uvicorn believes all of this machine; see outermost.py
        timeout_graceful_shutdown=grace_seconds,
        backlog=4096,
        server_header=False,
    )


def leave_the_program_alone() -> None:
    """Have the collector never again look through what was loaded until now: it is here
    to stay, and to look through it took an eighth of a vote's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)


async def _serve(
    server: uvicorn.Server, sock: socket.socket | Sequence[socket.socket]
) -> None:
    socks = [sock] if isinstance(sock, socket.socket) else list(sock)
    # Server.serve() would install its own signal handlers and raise the signal anew.
    await server._serve(sockets=socks)


def run(main: Coroutine[None, None, None]) -> None:
    """Run a service's main coroutine on uvloop."""
    uvloop.run(main)
