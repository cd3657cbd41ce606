"""Metrics of the ingest service, each declared once."""

from prometheus_client import Counter, Histogram

COMMANDS = Counter(
    "tellers_ingest_commands",
    "Commands answered; outcome: appended, unchanged, replayed, or a problem's code",
    ["command", "outcome"],
)
CONFLICTS = Counter(
    "tellers_ingest_conflicts",
    "Commands decided anew because the roll call had moved on meanwhile",
)
APPEND_SECONDS = Histogram(
    "tellers_ingest_append_seconds",
    "Seconds for one append, from asking Redis to its answer",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
