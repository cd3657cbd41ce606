"""The tally service's metrics, each declared once."""

from prometheus_client import Counter, Gauge

EVENTS = Counter("tellers_tally_events_total", "Entries absorbed.", ["log"])
HEAD = Gauge("tellers_tally_seq", "Seq of the last entry published.", ["log"])
ARCHIVED = Gauge("tellers_tally_archived_seq", "Seq of the last entry in SQL.", ["log"])
HELD = Gauge("tellers_tally_held_roll_calls", "Roll calls held.", ["log"])
DISAGREEMENTS = Gauge(
    "tellers_tally_disagreements",
    "Roll calls held because the two counts differ.",
    ["log"],
)
HALTED = Gauge("tellers_tally_halted", "1 while a log cannot be read on.", ["log"])
LEADING = Gauge("tellers_tally_leading", "1 while this process holds the lease.")
