"""The `report` fixture."""

import pytest

from tests.faults.report import Report


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Where a fault test puts its figures."""
    return Report(request.node.user_properties)
