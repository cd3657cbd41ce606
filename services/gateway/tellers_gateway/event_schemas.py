"""JSON Schemas of the events as published, from the types that make them. Pure."""

from typing import Any

import msgspec

from tellers_core.codec import TYPE_PREFIX
from tellers_core.events import WIRE_NAMES

Json = dict[str, Any]
_REF = "#/components/schemas/{name}"
CLOUD_EVENT = "application/cloudevents+json"
STRING: Json = {"type": "string"}
TIME: Json = {"type": "string", "format": "date-time"}


def ref(name: str) -> Json:
    """A reference to the schema of that name."""
    return {"$ref": _REF.format(name=name)}


def object_of(required: Json, optional: Json | None = None) -> Json:
    """An object with these fields and no others."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def event_type(name: str, schema: int) -> str:
    """`vote.recorded`, 1 is `org.tellers.vote.recorded.v1`."""
    return f"{TYPE_PREFIX}{name}.v{schema}"


def title_of(name: str) -> str:
    """What the schema of `vote.recorded` is called."""
    return "Event_" + name.replace(".", "_")


def cloud_event(kind: Json, data: Json) -> Json:
    """An event as published; the schemas of its type and of its data."""
    digits = {"type": "string", "pattern": "^[0-9]{16}$"}
    return object_of(
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
            "time": TIME,
            "rollcall": STRING,
            "rollcallversion": {"type": "integer", "minimum": 1},
        },
    )


def schemas_of(*types: type[msgspec.Struct]) -> dict[str, Json]:
    """The schemas of these types, of every event, and of an event of any type."""
    wanted = [*types, *WIRE_NAMES]
    _, schemas = msgspec.json.schema_components(wanted, ref_template=_REF)
    known = {
        title_of(name): cloud_event(
            {"const": event_type(name, schema)}, ref(event.__name__)
        )
        for event, (name, schema) in WIRE_NAMES.items()
    }
    return {
        **schemas,
        **known,
        # Open to types that come later: a reader passes over what it does not know.
        "CloudEvent": cloud_event(STRING, {"type": "object"}),
    }
