"""The gateway's metrics, each declared once."""

from prometheus_client import Counter, Gauge

VIEWERS = Gauge("tellers_gateway_viewers", "Open feeds.", ["transport"])
WEBSOCKETS = VIEWERS.labels("websocket")
BEHIND = Counter(
    "tellers_gateway_behind_total", "Times a viewer fell behind and was conflated."
)
EVICTED = Counter("tellers_gateway_evicted_total", "Stalled viewers let go.")
ARCHIVE_READS = Counter(
    "tellers_gateway_archive_reads_total", "Questions to the archive."
)
TOO_MANY = Counter(
    "tellers_gateway_too_many_total", "Viewers let go for saying too much."
)
HEAD = Gauge("tellers_gateway_seq", "Head of the log as known here.", ["log"])
HELD = Gauge("tellers_gateway_held", "1 while running roll calls are held.", ["log"])
