"""What a fault test prints: one line of figures, and one for its negative control."""

import os

import pytest

FULL = os.environ.get("TELLERS_FAULTS") == "full"
LINES = pytest.StashKey[list[str]]()


def size(short: int, full: int) -> int:
    """How much to do: `full` in `make faults`, `short` in `make test`."""
    return full if FULL else short


class Report:
    """Takes the lines; they are printed at the end of the run, in the order given."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def figures(self, fault: str, **figures: int | float | str) -> None:
        """`F1 kill -9 of Redis`, kills=20, lost=0 ..."""
        self._lines.append(f"{fault}: {_joined(figures)}")

    def control(self, fault: str, without: str, **figures: int | float | str) -> None:
        """The same with a protection taken away: the figures that then are wrong."""
        self._lines.append(f"{fault}, control without {without}: {_joined(figures)}")


def _joined(figures: dict[str, int | float | str]) -> str:
    return " ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in figures.items()
    )
