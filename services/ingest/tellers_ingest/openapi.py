"""The machine-readable contract: what FastAPI cannot know, since bodies are read late.

A body is parsed only after the token and the chamber were checked, so the routes take
it from the request themselves, and its schema is added here.
"""

from typing import Any, TypedDict

import msgspec
from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from tellers_core.past import PastRollCall
from tellers_ingest import models
from tellers_ingest.answers import CommandAnswer, ImportAnswer
from tellers_runtime.openapi import with_problems

_REF = "#/components/schemas/"
_BODIES: tuple[type[BaseModel], ...] = (
    models.NothingBody,
    models.NewRollCall,
    models.CloseBody,
    models.RuleBody,
    models.VoteBody,
    models.VotesBody,
    models.IntentionBody,
    models.SteppingBackBody,
    models.ApprovalBody,
    models.FreezeBody,
    models.ReleaseBody,
    models.DelayBody,
)
_OPTIONAL = (
    models.NothingBody,
    models.CloseBody,
    models.SteppingBackBody,
    models.FreezeBody,
    models.ReleaseBody,
)
_CSV = "delegation,vote\nFRA,yes\nPER,abstain\n"
_LINES = '{"delegation":"FRA","vote":"yes"}\n{"delegation":"PER","vote":"no"}\n'
_REFUSALS = {
    400: "Not JSON, or a malformed header: `bad_request`",
    401: "`unauthorized`",
    403: "`forbidden`: the token lacks the scope, or is for the other audience; "
    "`not_entitled`; `second_person`",
    404: "`unknown_chamber`, `unknown_roll_call`, `unknown_delegation`",
    409: "`already_exists`, `not_open`, `not_closed`, `already_closed`, `wrong_phase`, "
    "`announced_mismatch` (with both sets of figures)",
    412: "`version_conflict`: the roll call has moved on",
    413: "The body is too large: `bad_request`",
    415: "Another media type: `bad_request`",
    422: "`bad_request` with every bad place in `errors`, or `idempotency_conflict`",
    429: "`too_many_requests`",
    503: "`log_unavailable`: nothing was recorded, or the same key may be sent again",
}


class Described(TypedDict):
    """What a route's decorator is told besides its path."""

    summary: str
    responses: dict[int | str, dict[str, Any]]
    openapi_extra: dict[str, Any]
    tags: list[str | Any]


def described(
    summary: str, body: type[models.Body], *, created: bool = False, lines: bool = False
) -> Described:
    """A command's documentation.

    Args:
        created: it may answer 201.
        lines: the body may also be CSV or one JSON object a line.
    """
    content: dict[str, Any] = {"application/json": {"schema": _ref(body.__name__)}}
    if lines:
        text = {"type": "string"}
        content["text/csv"] = {"schema": text, "example": _CSV}
        content["application/x-ndjson"] = {"schema": text, "example": _LINES}
    answer = {"content": {"application/json": {"schema": _ref("CommandAnswer")}}}
    responses: dict[int | str, dict[str, Any]] = {
        200: {"description": "Done, or true already", **answer}
    }
    if created:
        responses[201] = {"description": "Recorded", **answer}
    extra = {
        "requestBody": {"content": content, "required": body not in _OPTIONAL},
        "parameters": _HEADERS,
        "security": [{"token": []}],
    }
    return {
        "summary": summary,
        "responses": responses,
        "openapi_extra": extra,
        "tags": ["commands"],
    }


def import_described() -> Described:
    """The documentation of the import of whole roll calls."""
    said = {"content": {"application/json": {"schema": _ref("ImportAnswer")}}}
    content = {"application/x-ndjson": {"schema": _ref("PastRollCall")}}
    return {
        "summary": "Record whole roll calls of the past, each all or nothing",
        "responses": {200: {"description": "What became of each line", **said}},
        "openapi_extra": {
            "requestBody": {"content": content, "required": True},
            "parameters": _HEADERS[:1],
            "security": [{"token": []}],
        },
        "tags": ["commands"],
    }


def described_answer(summary: str, body: type[models.Body]) -> Described:
    """The same for what is no command on a roll call: it answers in its own words."""
    content: dict[str, Any] = {"application/json": {"schema": _ref(body.__name__)}}
    answer = {"content": {"application/json": {"schema": {"type": "object"}}}}
    return {
        "summary": summary,
        "responses": {200: {"description": "So it is", **answer}},
        "openapi_extra": {
            "requestBody": {"content": content, "required": body not in _OPTIONAL},
            "parameters": _HEADERS[:1],
            "security": [{"token": []}],
        },
        "tags": ["publication"],
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": _REF + name}


def _header(name: str, description: str, example: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string", "examples": [example]},
    }


_HEADERS = [
    _header(
        "Idempotency-Key",
        "The same key with the same request gives the same answer and no new event, "
        "for 24 hours, on every ingest process.",
        "c1f0f1a2-7d0e-4c52-9d5f-0f9d5a1f2b3c",
    ),
    _header("If-Match", "The roll call's version, in quotes, as you saw it.", '"12"'),
]


_TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "description": "A token made by `tellers token create`.",
}


class IngestApp(FastAPI):
    """The app, with the bodies of commands in its OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            document = with_problems(super().openapi(), _REFUSALS)
            components = document.setdefault("components", {})
            _, bodies = models_json_schema(
                [(model, "validation") for model in _BODIES],
                ref_template=_REF + "{model}",
            )
            _, answers = msgspec.json.schema_components(
                [CommandAnswer, ImportAnswer, PastRollCall],
                ref_template=_REF + "{name}",
            )
            components.setdefault("schemas", {}).update(bodies["$defs"] | answers)
            components["securitySchemes"] = {"token": _TOKEN}
        assert self.openapi_schema is not None
        return self.openapi_schema
