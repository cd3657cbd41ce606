"""A network of its own for one process, which can be cut: F23.

    here: 10.209.x.1 (a relay to Redis and PostgreSQL) --veth-- 10.209.x.2: the gateway

Needs root, `ip` and `nft`; `missing` says what is not there. A cut drops packets
silently, as a broken switch does: nobody gets a reset.
"""

import asyncio
import os
import secrets
import shutil
import subprocess
import threading
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self


def missing() -> str:
    """Why there can be no namespace here; "" when there can."""
    if os.geteuid() != 0:
        return "not root"
    for program in ("ip", "nft"):
        if shutil.which(program) is None:
            return f"no program {program}"
    name = f"tellers-{secrets.token_hex(2)}"
    tried = subprocess.run(
        ["ip", "netns", "add", name], capture_output=True, check=False, text=True
    )
    if tried.returncode:
        return f"no network namespaces: {tried.stderr.strip()}"
    _run("ip", "netns", "delete", name)
    return ""


class Namespace:
    """The network, until the `with` ends.

    `outer` is our address in it, `inner` that of the processes run with `prefix`.
    """

    def __init__(self) -> None:
        word, third = secrets.token_hex(2), secrets.randbelow(254) + 1
        self.outer, self.inner = f"10.209.{third}.1", f"10.209.{third}.2"
        self._name = f"tellers-{word}"
        self._veth = f"tel{word}o", f"tel{word}i"

    @property
    def prefix(self) -> list[str]:
        """What to put before a command."""
        return ["ip", "netns", "exec", self._name]

    def __enter__(self) -> Self:
        outside, inside = self._veth
        _run("ip", "netns", "add", self._name)
        try:
            _run(
                *("ip", "link", "add", outside, "type", "veth"),
                *("peer", "name", inside),
            )
            _run("ip", "link", "set", inside, "netns", self._name)
            _run("ip", "address", "add", f"{self.outer}/24", "dev", outside)
            _run("ip", "link", "set", outside, "up")
            self._inside("ip", "address", "add", f"{self.inner}/24", "dev", inside)
            self._inside("ip", "link", "set", inside, "up")
            self._inside("ip", "link", "set", "lo", "up")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The pair of interfaces goes with it.
        _run("ip", "netns", "delete", self._name)

    def cut(self, *ports: int) -> None:
        """Drop, both ways, whatever is of these ports on our side."""
        self._inside("nft", "add", "table", "ip", "cut")
        for hook, side in (("input", "sport"), ("output", "dport")):
            chain = f"{{ type filter hook {hook} priority 0; }}"
            self._inside("nft", f"add chain ip cut {hook} {chain}")
            for port in ports:
                self._inside("nft", f"add rule ip cut {hook} tcp {side} {port} drop")

    def heal(self) -> None:
        """All is as before the cut."""
        self._inside("nft", "delete", "table", "ip", "cut")

    def _inside(self, *command: str) -> None:
        _run(*self.prefix, *command)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


class Relay:
    """Passes connections on from `host` to ports of this machine: {port: target}."""

    def __init__(self, host: str, *targets: int) -> None:
        self._host = host
        self._targets = targets
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._servers: list[asyncio.Server] = []
        self._links: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        for target in self._targets:
            self._servers.append(self._do(self._listen(target)))
        return self

    async def _listen(self, target: int) -> asyncio.Server:
        async def link(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            there, back = await asyncio.open_connection("127.0.0.1", target)
            self._links |= {writer, back}
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
            self._links -= {writer, back}

        return await asyncio.start_server(link, self._host, target)

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for writer in list(self._links):
            writer.transport.abort()
        await asyncio.sleep(0.1)  # for the links to see it

    def _do(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
