"""What FastAPI's OpenAPI documents lack: every refusal is a problem document."""

from collections.abc import Mapping
from typing import Any

from tellers_runtime.health import MONITORING
from tellers_runtime.problems import MEDIA_TYPE

Json = dict[str, Any]
PROBLEM: Json = {
    "title": "Problem",
    "description": "RFC 9457; `code` is stable.",
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string"},
                    "line": {"type": "integer"},
                    "detail": {"type": "string"},
                },
                "required": ["detail"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "code"],
}
_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_FASTAPIS_OWN = ("HTTPValidationError", "ValidationError")
FIRST_REFUSAL = 400


def with_problems(document: Json, refusals: Mapping[int, str]) -> Json:
    """The document, in which every operation may be refused like this.

    Whatever an operation says of its own refusals stays; all are problem documents.
    Monitoring (`health.py`) is left as it is.
    """
    for operations in document.get("paths", {}).values():
        for operation in operations.values():
            if MONITORING not in operation.get("tags", ()):
                _complete(operation["responses"], refusals)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in _FASTAPIS_OWN:
        schemas.pop(name, None)
    schemas["Problem"] = PROBLEM
    return document


def _complete(responses: Json, refusals: Mapping[int, str]) -> None:
    for status, description in refusals.items():
        said = responses.setdefault(str(status), {"description": description})
        if said["description"] == "Validation Error":
            said["description"] = description
    for answered, response in responses.items():
        if int(answered) >= FIRST_REFUSAL:
            response["content"] = _CONTENT
