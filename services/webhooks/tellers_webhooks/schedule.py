"""When a delivery is tried again, and what an endpoint's answer means. Pure.

State (events, rules that were met) is tried for about three days. A tally is worthless
late: a few tries, and dropped after a minute.
"""

from email.utils import parsedate_to_datetime
from typing import NamedTuple

# Seconds from one try to the next; the first try is at once.
STATE = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
BRIEF = (5, 15)
BRIEF_SECONDS = 60
JITTER = 0.1
LONGEST_RETRY_AFTER = 86_400

OK, MULTIPLE, GONE = 200, 300, 410
# Those that may say when to come again.
SLOW_DOWN = (429, 503)


class Answer(NamedTuple):
    """How a try ended: the status, None when there was no answer; `trouble` says why
    not, or what was wrong with it. `retry_after`: seconds that were asked for."""

    status: int | None
    trouble: str = ""
    retry_after: float | None = None

    @property
    def delivered(self) -> bool:
        """2xx and nothing else."""
        return self.status is not None and OK <= self.status < MULTIPLE

    @property
    def gone(self) -> bool:
        """The subscriber wants no more."""
        return self.status == GONE


def wait_after(tries: int, *, brief: bool, jitter: float) -> float | None:
    """Seconds to wait after so many failed tries; None when there are no more.

    Args:
        jitter: from 0 to 1. Never earlier than the schedule, up to a tenth later.
    """
    schedule = BRIEF if brief else STATE
    if tries > len(schedule):
        return None
    return schedule[tries - 1] * (1 + JITTER * jitter)


def retry_after(status: int, header: str | None, now: float) -> float | None:
    """Seconds that an answer asks us to stay away (RFC 9110: seconds or a date), at
    most a day; None when it does not, or not legibly.

    Args:
        now: seconds since 1970.
    """
    if status not in SLOW_DOWN or header is None:
        return None
    if header.strip().isdecimal():
        seconds = float(header)
    else:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - now
        except ValueError:
            return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)
