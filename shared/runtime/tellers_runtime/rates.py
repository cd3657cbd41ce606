"""How many requests a second anybody may make: one token, or one address.

The generic cell rate algorithm: for each key one number, the time at which it would
have used up what it was granted. Each process counts by itself.
"""

from collections.abc import Callable
from math import ceil, floor
from time import monotonic

from tellers_runtime.problems import HttpProblem

# What may come at once, in seconds' worth of the rate.
BURST_SECONDS = 2.0
# Beyond this many senders at once, all are forgiven rather than the memory filled.
MAX_KEYS = 50_000


class Rate:
    """Lets each key take so many a second on average, and twice that at once.

    Args:
        per_second: 0 is without limit.
    """

    def __init__(self, per_second: float, now: Callable[[], float] = monotonic) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._ahead = BURST_SECONDS - self._interval
        self._now = now
        self._due: dict[str, float] = {}

    def take(self, key: str) -> float:
        """Take one: 0.0. Or the seconds until there is one, and nothing is taken."""
        if not self._interval:
            return 0.0
        now = self._now()
        due = max(self._due.get(key, now), now)
        wait = due - now - max(0.0, self._ahead)
        if wait > 0:
            return wait
        self._due[key] = due + self._interval
        if len(self._due) > MAX_KEYS:
            self._forget(now)
        return 0.0

    def headers(self, key: str) -> dict[str, str]:
        """What is granted and what is left of it, as the draft RateLimit header fields
        for HTTP (IETF httpapi, 10) write it; nothing where there is no limit."""
        if not self._interval:
            return {}
        ahead = max(0.0, self._ahead)
        used = max(0.0, self._due.get(key, 0.0) - self._now())
        quota = floor(ahead / self._interval) + 1
        left = max(0, floor((ahead - used) / self._interval + 1e-9) + 1)
        return {
            "RateLimit-Policy": f'"reads";q={quota};w={ceil(BURST_SECONDS)}',
            "RateLimit": f'"reads";r={min(left, quota)};t={ceil(used)}',
        }

    def _forget(self, now: float) -> None:
        self._due = {key: due for key, due in self._due.items() if due > now}
        if len(self._due) > MAX_KEYS // 2:
            self._due = {}


def too_many(wait: float, detail: str) -> HttpProblem:
    """The refusal of who has to wait so many seconds."""
    later = {"Retry-After": str(max(1, ceil(wait)))}
    return HttpProblem("too_many_requests", detail, headers=later)
