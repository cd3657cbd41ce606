"""Asks a process whether it is ready."""

import httpx

from tellers_client.reading import http_client
from tellers_local.embedded import trouble_of
from tellers_local.supervisor import Probe


def http_probe(url: str) -> Probe:
    """Asks `/readyz`, which names what is missing."""

    async def probe() -> str | None:
        try:
            async with http_client(url) as client:
                response = await client.get("/readyz")
        except httpx.TransportError:
            return "it does not answer"
        if response.status_code == httpx.codes.OK:
            return None
        return _missing(response)

    return probe


def _missing(response: httpx.Response) -> str:
    try:
        missing = response.json()["missing"].items()
    except (ValueError, KeyError, AttributeError):
        return f"it answers {response.status_code}"
    return ", ".join(f"{name}: {reason}" for name, reason in missing)


def redis_probe(url: str) -> Probe:
    """Asks Redis for a sign of life."""

    async def probe() -> str | None:
        return trouble_of(url)  # blocks for milliseconds, on loopback

    return probe
