"""`/asyncapi.json`: the live feeds, machine-readable (AsyncAPI 3.0). Pure.

Schemas of tally and events come from the types that make them (`event_schemas.py`), so
they cannot differ from what is sent; the frames around them are written out here, once,
and checked against real ones in the tests.
"""

from functools import cache

import msgspec

from tellers_core.events import WIRE_NAMES
from tellers_core.tally import Tally
from tellers_gateway.event_schemas import (
    CLOUD_EVENT,
    STRING,
    Json,
    event_type,
    object_of,
    ref,
    schemas_of,
    title_of,
)
from tellers_gateway.sockets import BARE, TELLERS, Subscribe, Unsubscribe

SEQ: Json = {"type": "integer", "minimum": 0}


def _frame(op: str, required: Json, optional: Json | None = None) -> Json:
    return object_of({"op": {"const": op}, **required}, optional)


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
                ref("Tally"),
                {"properties": {"op": {"const": "tally"}}, "required": ["op"]},
            ]
        },
        "event": _frame("event", {"seq": SEQ, "event": ref("CloudEvent")}),
        "caught_up": _frame("caught_up", {"id": number, "seq": SEQ}),
        "heartbeat": _frame("heartbeat", {"epoch": STRING, "seq": SEQ, "at": STRING}),
        "error": _frame("error", {"problem": ref("Problem")}, {"id": number}),
    }


def _schemas() -> dict[str, Json]:
    problem = object_of(
        {
            "type": STRING,
            "title": STRING,
            "status": {"type": "integer"},
            "detail": STRING,
            "code": STRING,
        }
    )
    return {
        **schemas_of(Tally, Subscribe, Unsubscribe),
        "Problem": {**problem, "additionalProperties": True},
    }


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
            "payload": ref(kind.__name__),
        }
        for kind in (Subscribe, Unsubscribe)
    }
    events = {
        title_of(name): {
            "title": event_type(name, schema),
            "contentType": CLOUD_EVENT,
            "payload": ref(title_of(name)),
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
    events = [title_of(name) for name, _ in WIRE_NAMES.values()]
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
