"""Two ingest services on one Redis, for what must hold on each of them.

A pytest plugin (`pytest_plugins`), as `gateway_stack` is.
"""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.servers import RedisServer
from tests.services.ingest import Hall, hall, in_thread


@pytest.fixture(scope="module")
def services(redis_server: RedisServer) -> Iterator[list[str]]:
    with in_thread(redis_server.url) as one, in_thread(redis_server.url) as other:
        yield [one, other]


@pytest.fixture
async def at(redis_url: str, services: list[str]) -> AsyncIterator[Hall]:
    async with hall(redis_url, services) as found:
        yield found
