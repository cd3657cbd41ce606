"""Tally processes that start at once: forked from one that has imported everything.

Real processes, to be killed and frozen; Python's start alone would take a second each,
on two cores shared with their tests.
"""

import multiprocessing
import os
import subprocess
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import cast

from tests.e2e.stack import Service

_nursery = multiprocessing.get_context("forkserver")
_nursery.set_forkserver_preload(["pytest", "tellers_tally.__main__", __name__])


def _run(env: dict[str, str], log: str, prepare: Callable[[], None] | None) -> None:
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(env)
    from tellers_tally.__main__ import main  # noqa: PLC0415 - not in the tests' process

    if prepare is not None:
        prepare()
    main()


class _Popen:
    """Such a process, to be handled like one of `subprocess`."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        self.pid = process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, seconds: float | None = None) -> int:
        self._process.join(seconds)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("tellers_tally", seconds or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None and self.pid is not None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()


class Forked(Service):
    """The process of a service of ours, started quickly.

    `prepare` is called in the new process before all else: to break something there.
    """

    def __init__(
        self, like: Service, log: str, prepare: Callable[[], None] | None = None
    ) -> None:
        super().__init__("tally", like.port, like.log.parent, like._env)
        self.log = like.log.with_name(log)
        self.prepare = prepare

    def _spawn(self, output: int) -> "subprocess.Popen[bytes]":
        process = _nursery.Process(
            target=_run, args=(self._env, str(self.log), self.prepare), daemon=True
        )
        process.start()
        return cast("subprocess.Popen[bytes]", _Popen(process))
