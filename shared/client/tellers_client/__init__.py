"""The SDK for subscribers: live tallies, resumed after a gap.

    async for tally in subscribe("http://127.0.0.1:8000", roll_call="es-11-1"):
        print(tally.counts.yes, tally.verdict.status)

    async with events("http://127.0.0.1:8000", after=0) as log:
        async for event in log:  # every CloudEvent exactly once
            ...

Both reconnect for ever and go on where they were. `checked` hands on only what this
process has counted itself (`recount`). `verify` (a package of its own: it
needs no connection) checks certificates of results. `resumer` holds the rules, without
a socket or a clock; `subscription` the socket.
"""

from tellers_client.errors import GatewayRefused, NotUnderstood, SubscriptionRefused
from tellers_client.reading import get_roll_call, get_tally, http_client
from tellers_client.recount import Differs, Recount, checked
from tellers_client.resumer import CloudEvent, Restarted, State
from tellers_client.subscription import Subscription, events, subscribe

__all__ = [
    "CloudEvent",
    "Differs",
    "GatewayRefused",
    "NotUnderstood",
    "Recount",
    "Restarted",
    "State",
    "Subscription",
    "SubscriptionRefused",
    "checked",
    "events",
    "get_roll_call",
    "get_tally",
    "http_client",
    "subscribe",
]
