"""`/asyncapi.json`: the live feeds, machine-readable (AsyncAPI 3.0). Pure.

Schemas of tally and events come from the types that make them, so they cannot differ
from what is sent; the frames around them are written out here, once, and checked
against real ones in the tests.
"""

from functools import cache
from typing import Any

import msgspec

from tellers_core.codec import TYPE_PREFIX
from tellers_core.events import WIRE_NAMES
from tellers_core.tally import Tally
from tellers_gateway.sockets import BARE, TELLERS, Subscribe, Unsubscribe

Json = dict[str, Any]
_REF = "#/components/schemas/{name}"
CLOUD_EVENT = "application/cloudevents+json"
STRING: Json = {"type": "string"}
SEQ: Json = {"type": "integer", "minimum": 0}


def _ref(name: str) -> Json:
    return {"$ref": _REF.format(name=name)}


def _object(required: Json, optional: Json | None = None) -> Json:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def _frame(op: str, required: Json, optional: Json | None = None) -> Json:
    return _object({"op": {"const": op}, **required}, optional)


def _frames() -> dict[str, Json]:
    """What the server sends under `tellers.v1`, by `op`."""
    number = {"type": "integer"}
    return {
        "subscribed": _frame(
            "subscribed",
            {
                "id": number,
                "epoch": STRING,
                "seq": SEQ,
                "recovered": {"type": ["boolean", "null"]},
            },
            {"reason": STRING},
        ),
        "tally": {
            "allOf": [
                _ref("Tally"),
                {"properties": {"op": {"const": "tally"}}, "required": ["op"]},
            ]
        },
        "event": _frame("event", {"seq": SEQ, "event": _ref("CloudEvent")}),
        "caught_up": _frame("caught_up", {"id": number, "seq": SEQ}),
        "heartbeat": _frame("heartbeat", {"epoch": STRING, "seq": SEQ, "at": STRING}),
        "error": _frame("error", {"problem": _ref("Problem")}, {"id": number}),
    }


def _event_type(name: str, schema: int) -> str:
    return f"{TYPE_PREFIX}{name}.v{schema}"


def _cloud_event(kind: Json, data: Json) -> Json:
    digits = {"type": "string", "pattern": "^[0-9]{16}$"}
    version = {"type": "integer", "minimum": 1}
    return _object(
        {
            "specversion": {"const": "1.0"},
            "id": STRING,
            "source": {"type": "string", "pattern": "^/chambers/"},
            "type": kind,
            "datacontenttype": {"const": "application/json"},
            "sequence": digits,
            "epoch": STRING,
            "data": data,
        },
        {
            # Not there when an entry of the log is unreadable.
            "subject": STRING,
            "time": {"type": "string", "format": "date-time"},
            "rollcall": STRING,
            "rollcallversion": version,
        },
    )


def _schemas() -> dict[str, Json]:
    types = [Tally, Subscribe, Unsubscribe, *WIRE_NAMES]
    _, schemas = msgspec.json.schema_components(types, ref_template=_REF)
    known = {
        _title(name): _cloud_event(
            {"const": _event_type(name, schema)}, _ref(event.__name__)
        )
        for event, (name, schema) in WIRE_NAMES.items()
    }
    problem = _object(
        {
            "type": STRING,
            "title": STRING,
            "status": {"type": "integer"},
            "detail": STRING,
            "code": STRING,
        }
    )
    return {
        **schemas,
        **known,
        # Open to types that come later: a reader passes over what it does not know.
        "CloudEvent": _cloud_event(STRING, {"type": "object"}),
        "Problem": {**problem, "additionalProperties": True},
    }


def _title(name: str) -> str:
    return "Event_" + name.replace(".", "_")


def _channel(title: str, protocol: str, messages: list[str]) -> Json:
    query = {
        "feed": {"type": "string", "enum": ["tally", "events"]},
        "roll_call": STRING,
        "after": SEQ,
        "epoch": STRING,
        "rehearsal": {"type": "string", "enum": ["0", "1"]},
    }
    return {
        "address": "/v1/{chamber}/live",
        "title": title,
        "description": f"WebSocket, subprotocol `{protocol}`. The query subscribes at "
        "once; a reader that was here before names `after` and `epoch`.",
        "parameters": {"chamber": {"description": "ga or sc", "examples": ["ga"]}},
        "messages": {
            name: {"$ref": f"#/components/messages/{name}"} for name in messages
        },
        "bindings": {
            "ws": {
                "method": "GET",
                "query": {"type": "object", "properties": query},
                "bindingVersion": "0.1.0",
            }
        },
    }


def _messages() -> dict[str, Json]:
    frames = {
        name: {"title": name, "payload": schema} for name, schema in _frames().items()
    }
    commands = {
        kind.__name__.lower(): {
            "title": kind.__name__.lower(),
            "payload": _ref(kind.__name__),
        }
        for kind in (Subscribe, Unsubscribe)
    }
    events = {
        _title(name): {
            "title": _event_type(name, schema),
            "contentType": CLOUD_EVENT,
            "payload": _ref(_title(name)),
        }
        for name, schema in WIRE_NAMES.values()
    }
    return {**frames, **commands, **events}


def _operation(action: str, channel: str, messages: list[str], summary: str) -> Json:
    at = f"#/channels/{channel}"
    return {
        "action": action,
        "channel": {"$ref": at},
        "summary": summary,
        "messages": [{"$ref": f"{at}/messages/{name}"} for name in messages],
    }


@cache
def document() -> bytes:
    """The AsyncAPI document, as JSON."""
    frames, commands = list(_frames()), ["subscribe", "unsubscribe"]
    events = [_title(name) for name, _ in WIRE_NAMES.values()]
    return msgspec.json.encode(
        {
            "asyncapi": "3.0.0",
            "info": {
                "title": "Tellers live feeds",
                "version": "1.0",
                "description": "Live tallies and vote events. The same feeds come as "
                "server-sent events from the same address (see /openapi.json).",
            },
            "defaultContentType": "application/json",
            "channels": {
                "live": _channel("Frames", TELLERS, [*frames, *commands]),
                "liveCloudEvents": _channel("Bare CloudEvents", BARE, events),
            },
            "operations": {
                "follow": _operation(
                    "send", "live", frames, "What a subscriber receives."
                ),
                "ask": _operation(
                    "receive", "live", commands, "What a subscriber may send."
                ),
                "followCloudEvents": _operation(
                    "send", "liveCloudEvents", events, "Every event, bare."
                ),
            },
            "components": {"messages": _messages(), "schemas": _schemas()},
        }
    )
