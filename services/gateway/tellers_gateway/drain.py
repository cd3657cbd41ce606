"""The end of a gateway that others can take over from: its viewers go a few at a time.

Told all at once, they would all come back at once, to somebody who has viewers of his
own. Whoever comes meanwhile is sent on; reads are answered until the end.
"""

import asyncio
import math
import random
from collections.abc import Collection

from tellers_gateway.hub import Hub

SLICE_SECONDS = 0.2
# So few are no storm: nobody waits for them.
LEAST_AT_ONCE = 25


def at_once(viewers: int, seconds: float) -> int:
    """How many to let go every SLICE_SECONDS, so that it takes about `seconds`."""
    slices = max(1.0, seconds / SLICE_SECONDS)
    return max(LEAST_AT_ONCE, math.ceil(viewers / slices))


async def drain(hubs: Collection[Hub], seconds: float) -> None:
    """End every feed within about `seconds`, and let no new one begin."""
    for hub in hubs:
        hub.refuse_feeds()
    feeds = [feed for hub in hubs for feed in hub.feeds]
    random.shuffle(feeds)
    number = at_once(len(feeds), seconds)
    for first in range(0, len(feeds), number):
        if first:
            await asyncio.sleep(SLICE_SECONDS)
        for feed in feeds[first : first + number]:
            feed.end()
    for hub in hubs:
        hub.close()
