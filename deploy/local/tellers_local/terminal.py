"""What the commands show while they work: on a terminal, and in a file."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn


def say(sentence: str) -> None:
    """Tell the operator, at once even when standard output is a file."""
    print(sentence, flush=True)


def warn(sentence: str) -> None:
    """Tell the operator beside what the command is asked for."""
    print(f"tellers: {sentence}", file=sys.stderr, flush=True)


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal, nothing elsewhere; call it with (done, of)."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _, __: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
