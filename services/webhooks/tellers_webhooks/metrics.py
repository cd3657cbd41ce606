"""The webhooks service's metrics, each declared once."""

from prometheus_client import Counter, Gauge

TRIES = Counter(
    "tellers_webhooks_tries_total",
    "Tries, by what came of them: delivered, retry, failed or dropped.",
    ["outcome"],
)
QUEUED = Counter(
    "tellers_webhooks_queued_total", "Deliveries made from the log.", ["log"]
)
SEQ = Gauge("tellers_webhooks_seq", "Seq up to which a log is queued.", ["log"])
WAITING = Gauge("tellers_webhooks_waiting", "Deliveries that wait, of all endpoints.")
ENDPOINTS = Gauge("tellers_webhooks_endpoints", "Endpoints that are enabled.")
