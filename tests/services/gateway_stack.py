"""A whole system for the tests of the gateway that break nothing of it.

A pytest plugin (`pytest_plugins`), so that several modules share one: it takes seconds
to start. Nobody imports it: pytest would warn. Roll calls have names of their own in
every test, so none sees another's.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from tests.certificates import COSIGNER, WITNESS
from tests.e2e.stack import Clerk, Stack
from tests.servers import wait_until
from tests.services.viewing import HEARTBEAT, PATIENCE, STALLED, SUBSCRIBE


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Redis, archive, ingest, tally and gateway."""
    settings = {
        "TELLERS_HEARTBEAT_SECONDS": f"{HEARTBEAT}",
        "TELLERS_SUBSCRIBE_SECONDS": f"{SUBSCRIBE}",
        "TELLERS_STALLED_SECONDS": f"{STALLED}",
        # A busy machine is slow, and that is not what is tested here.
        "TELLERS_SILENT_SECONDS": "20",
        "TELLERS_WITNESSES": f"{WITNESS.key}, {COSIGNER.key}",
    }
    with Stack(tmp_path_factory.mktemp("gateway"), settings=settings) as stack:
        yield stack


@pytest.fixture(scope="session")
def url(stack: Stack) -> str:
    """The gateway's address."""
    return stack.gateway_url


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx.Client]:
    """A reader that keeps no answer."""
    with httpx.Client(base_url=url, timeout=PATIENCE, verify=False) as client:
        yield client


class AwaitedClerk(Clerk):
    """A clerk who goes on when the gateway knows the new roll call."""

    def __init__(self, ingest_url: str, token: str, gateway_url: str) -> None:
        super().__init__(ingest_url, token)
        self._gateway = httpx.Client(base_url=gateway_url, verify=False)

    def schedule(
        self, roll_call: str, rule: Any = "two_thirds", chamber: str = "ga", **more: Any
    ) -> dict[str, Any]:
        answer = super().schedule(roll_call, rule, chamber, **more)
        path = f"/v1/{chamber}/roll-calls/{roll_call}/tally"
        wait_until(lambda: self._gateway.get(path).is_success, PATIENCE, path)
        return answer

    def close(self) -> None:
        self.http.close()
        self._gateway.close()


@pytest.fixture(scope="session")
def clerk(stack: Stack) -> Iterator[Clerk]:
    """Who records votes."""
    with closing(
        AwaitedClerk(stack.ingest_url, stack.token, stack.gateway_url)
    ) as clerk:
        yield clerk
