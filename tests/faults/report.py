"""What a fault test prints: one line of figures, and one for its negative control."""

import os

import pytest

FULL = os.environ.get("TELLERS_FAULTS") == "full"
# Under this name a test's lines travel in its report, from whichever process ran it.
LINE = "figures"


def size(short: int, full: int) -> int:
    """How much to do: `full` in `make faults`, `short` in `make test`."""
    return full if FULL else short


class Report:
    """Takes the lines; they are printed at the end of the run, in the order given."""

    def __init__(self, properties: list[tuple[str, object]]) -> None:
        self._properties = properties

    def figures(self, fault: str, **figures: int | float | str) -> None:
        """`F1 kill -9 of Redis`, kills=20, lost=0 ..."""
        self._properties.append((LINE, f"{fault}: {_joined(figures)}"))

    def control(self, fault: str, without: str, **figures: int | float | str) -> None:
        """The same with a protection taken away: the figures that then are wrong."""
        line = f"{fault}, control without {without}: {_joined(figures)}"
        self._properties.append((LINE, line))


def print_lines(reporter: pytest.TerminalReporter) -> None:
    """Print every line of figures of this run."""
    lines = [
        str(value)
        for reports in reporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, value in report.user_properties
        if name == LINE
    ]
    if lines:
        reporter.section(f"faults ({'full' if FULL else 'short'} form)")
        for line in sorted(lines, key=_number):
            reporter.write_line(line)


def _number(line: str) -> int:
    digits = line.removeprefix("F").split()[0].rstrip(",:")
    return int(digits) if digits.isdigit() else 0


def _joined(figures: dict[str, int | float | str]) -> str:
    return " ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in figures.items()
    )
