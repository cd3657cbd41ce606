"""The SDK for subscribers: live tallies, resumed after a gap.

    async for tally in subscribe("http://127.0.0.1:8000", roll_call="es-11-1"):
        print(tally.counts.yes, tally.verdict.status)

    async with events("http://127.0.0.1:8000", after=0) as log:
        async for event in log:  # every CloudEvent exactly once
            ...

Both reconnect for ever and go on where they were. `verify` (a package of its own: it
needs no connection) checks certificates of results. `resumer` holds the rules, without
a socket or a clock; `subscription` the socket.
"""

from tellers_client.errors import GatewayRefused, NotUnderstood, SubscriptionRefused
from tellers_client.reading import get_roll_call, get_tally, http_client
from tellers_client.resumer import CloudEvent, Restarted, State
from tellers_client.subscription import Subscription, events, subscribe

__all__ = [
    "CloudEvent",
    "GatewayRefused",
    "NotUnderstood",
    "Restarted",
    "State",
    "Subscription",
    "SubscriptionRefused",
    "events",
    "get_roll_call",
    "get_tally",
    "http_client",
    "subscribe",
]
