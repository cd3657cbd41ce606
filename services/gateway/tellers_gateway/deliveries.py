"""What webhooks deliver, for the OpenAPI document's `webhooks`. Pure.

The events have the schemas that the feeds have, from the types that make them; the
tests hold what the webhooks service really sends against all of it.
"""

from tellers_core.events import WIRE_NAMES
from tellers_core.tally import Tally
from tellers_gateway.event_schemas import (
    CLOUD_EVENT,
    STRING,
    TIME,
    Json,
    cloud_event,
    event_type,
    object_of,
    ref,
    schemas_of,
    title_of,
)

_OPEN: Json = {"type": "object"}
_RULE = object_of({"rule": STRING}, {"value": {"type": "integer"}})
# What is no event of the log has a name here too, by which it is asked for.
_OTHERS: dict[str, tuple[str, Json]] = {
    "unreadable": ("An entry of the log that is no event of ours", _OPEN),
    "withheld": ("A vote that is not public yet, in its place", _OPEN),
    "tally.updated": ("A new tally, the newest only (`tally`)", ref("Tally")),
    "rule.matched": (
        "A rule was met by this event; the tally after it",
        object_of({"rule": _RULE, "event": ref("CloudEvent"), "tally": ref("Tally")}),
    ),
}
_TEST = "webhook.test"
_RESPONSES: Json = {
    "2XX": {"description": "Taken, within 15 seconds: it is not sent again"},
    "410": {"description": "No more of this: the endpoint is disabled"},
    "429": {"description": "Later; `Retry-After` is heeded, here and at 503"},
    "default": {"description": "Not taken, redirects too: it is tried again"},
}


def _header(name: str, description: str, *, required: bool = True) -> Json:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": description,
        "schema": STRING,
    }


_HEADERS = [
    _header("webhook-id", "The same at every try and every replay: dedupe by it."),
    _header("webhook-timestamp", "Of this try, seconds since 1970."),
    _header(
        "webhook-signature",
        "Standard Webhooks: `v1,` and the HMAC-SHA256 of `id.timestamp.body` in "
        "base64; several, separated by spaces, while the secret changes.",
    ),
    _header(
        "WebHook-Request-Origin",
        "Who sends, to an endpoint registered with `handshake`.",
        required=False,
    ),
]


def _delivery(name: str, summary: str) -> Json:
    content = {CLOUD_EVENT: {"schema": ref(title_of(name))}}
    return {
        "post": {
            "operationId": f"deliver_{name.replace('.', '_')}",
            "tags": ["webhooks"],
            "summary": summary,
            "parameters": _HEADERS,
            "requestBody": {"required": True, "content": content},
            "responses": _RESPONSES,
            "security": [],
        }
    }


def deliveries() -> Json:
    """`webhooks`: what may be delivered, by name."""
    events = {
        name: " ".join((kind.__doc__ or name).split(".", maxsplit=1)[0].split())
        for kind, (name, _) in WIRE_NAMES.items()
    }
    others = {name: summary for name, (summary, _) in _OTHERS.items()}
    described = {**events, **others, _TEST: "A test event, when it was asked for"}
    return {name: _delivery(name, said) for name, said in described.items()}


def schemas() -> dict[str, Json]:
    """What `deliveries` refers to."""
    others = {
        title_of(name): cloud_event({"const": event_type(name, 1)}, data)
        for name, (_, data) in _OTHERS.items()
    }
    test = object_of(
        {
            "specversion": {"const": "1.0"},
            "id": STRING,
            "source": {"type": "string", "pattern": "^/webhooks/"},
            "type": {"const": event_type(_TEST, 1)},
            "time": TIME,
            "datacontenttype": {"const": "application/json"},
            "data": object_of({"endpoint": STRING}),
        }
    )
    return {**schemas_of(Tally), **others, title_of(_TEST): test}
