"""The `report` fixture, and its lines at the end of the run."""

import pytest

from tests.faults.report import FULL, LINES, Report


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Where a fault test puts its figures."""
    return Report(request.config.stash.setdefault(LINES, []))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print every line of figures."""
    lines = config.stash.get(LINES, [])
    if lines:
        terminalreporter.section(f"faults ({'full' if FULL else 'short'} form)")
        for line in sorted(lines, key=_number):
            terminalreporter.write_line(line)


def _number(line: str) -> int:
    digits = line.removeprefix("F").split()[0].rstrip(",:")
    return int(digits) if digits.isdigit() else 0
