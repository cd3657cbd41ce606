"""A whole system for the tests of the gateway that break nothing of it.

A pytest plugin (`pytest_plugins`), so that several modules share one: it takes seconds
to start. Nobody imports it: pytest would warn. Roll calls have names of their own in
every test, so none sees another's.
"""

from collections.abc import Iterator

import pytest

from tests.e2e.stack import Clerk, Stack
from tests.services.viewing import HEARTBEAT, STALLED, SUBSCRIBE


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Redis, archive, ingest, tally and gateway."""
    settings = {
        "TELLERS_HEARTBEAT_SECONDS": f"{HEARTBEAT}",
        "TELLERS_SUBSCRIBE_SECONDS": f"{SUBSCRIBE}",
        "TELLERS_STALLED_SECONDS": f"{STALLED}",
        # A busy machine is slow, and that is not what is tested here.
        "TELLERS_SILENT_SECONDS": "20",
    }
    with Stack(tmp_path_factory.mktemp("gateway"), settings=settings) as stack:
        yield stack


@pytest.fixture(scope="session")
def url(stack: Stack) -> str:
    """The gateway's address."""
    return stack.gateway_url


@pytest.fixture(scope="session")
def clerk(stack: Stack) -> Iterator[Clerk]:
    """Who records votes."""
    clerk = stack.clerk()
    yield clerk
    clerk.http.close()
