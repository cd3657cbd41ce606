"""The one place that reads a clock; tests and replays pass another."""

from collections.abc import Callable
from datetime import UTC, date, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """The moment in UTC with milliseconds: `2026-11-23T17:00:01.234Z`."""
    in_utc = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return in_utc.removesuffix("+00:00") + "Z"


def seconds_of(text: str) -> float:
    """The moment written by `rfc3339`, in seconds since 1970. Raises ValueError."""
    return datetime.fromisoformat(text).timestamp()


def today() -> date:
    """The day now, in UTC."""
    return utc_now().date()
