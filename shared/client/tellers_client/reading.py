"""Small HTTP reads of the gateway's public API."""

from ipaddress import ip_address
from typing import Any

import httpx

from tellers_client.errors import GatewayRefused
from tellers_core.tally import Tally, decode_tally

TIMEOUT_SECONDS = 5.0


def is_loopback(url: str) -> bool:
    """Whether the address is on this machine; no proxy leads there."""
    host = httpx.URL(url).host
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def http_client(url: str) -> httpx.AsyncClient:
    """A client for a service of Tellers at that address, with short timeouts."""
    return httpx.AsyncClient(
        base_url=url, timeout=TIMEOUT_SECONDS, trust_env=not is_loopback(url)
    )


async def get_tally(
    client: httpx.AsyncClient,
    roll_call: str,
    *,
    chamber: str = "ga",
    as_of: int | None = None,
) -> Tally:
    """The tally now, or as it was at the seq `as_of`.

    Raises GatewayRefused (404: no such roll call), or httpx.TransportError.
    """
    params = {} if as_of is None else {"as_of": as_of}
    path = f"/v1/{chamber}/roll-calls/{roll_call}/tally"
    return decode_tally((await _get(client, path, params)).content)


async def get_roll_call(
    client: httpx.AsyncClient, roll_call: str, *, chamber: str = "ga"
) -> dict[str, Any]:
    """The tally with every delegation's vote.

    Raises GatewayRefused (404: no such roll call), or httpx.TransportError.
    """
    path = f"/v1/{chamber}/roll-calls/{roll_call}"
    found: dict[str, Any] = (await _get(client, path, {})).json()
    return found


async def _get(
    client: httpx.AsyncClient, path: str, params: dict[str, int]
) -> httpx.Response:
    response = await client.get(path, params=params)
    if response.status_code != httpx.codes.OK:
        raise GatewayRefused(response.status_code, detail_of(response))
    return response


def detail_of(response: httpx.Response) -> str:
    """The sentence in a problem document, or what HTTP calls the status."""
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return response.reason_phrase
