"""The gateway's metrics, each declared once."""

from prometheus_client import Counter, Gauge

VIEWERS = Gauge("tellers_gateway_viewers", "Open feeds.", ["transport"])
SENT = Counter("tellers_gateway_frames_total", "Frames written.", ["feed"])
BEHIND = Counter(
    "tellers_gateway_behind_total", "Times a viewer fell behind and was conflated."
)
EVICTED = Counter("tellers_gateway_evicted_total", "Stalled viewers let go.")
HEAD = Gauge("tellers_gateway_seq", "Head of the log as known here.", ["log"])
HELD = Gauge("tellers_gateway_held", "1 while running roll calls are held.", ["log"])
