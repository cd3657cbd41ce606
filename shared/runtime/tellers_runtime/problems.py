"""RFC 9457 problem documents with a stable `code`, for every HTTP service.

`install` makes an app answer every error that way: refusals of the core, validation
errors of FastAPI, unknown paths, and what nobody expected (500, logged, no details).
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import Match

from tellers_core.errors import AnnouncedMismatch, BadRequest, Refused

MEDIA_TYPE = "application/problem+json"
logger = structlog.get_logger()

# The stable codes of the contract and their HTTP status.
STATUS: Mapping[str, int] = {
    "bad_request": 422,
    "unauthorized": 401,
    "forbidden": 403,
    "unknown_chamber": 404,
    "unknown_roll_call": 404,
    "unknown_delegation": 404,
    "not_entitled": 403,
    "already_exists": 409,
    "not_open": 409,
    "not_closed": 409,
    "already_closed": 409,
    "wrong_phase": 409,
    "announced_mismatch": 409,
    "version_conflict": 412,
    "idempotency_conflict": 422,
    "too_many_requests": 429,
    "log_unavailable": 503,
    # Beside the contract: what HTTP itself can refuse.
    "not_found": 404,
    "method_not_allowed": 405,
    "too_large": 413,
    "unsupported_media_type": 415,
    "internal_error": 500,
    "not_implemented": 501,
}

METHOD_NOT_ALLOWED = 405
_CODE_OF_STATUS = {
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}


class HttpProblem(Exception):
    """Answer with this problem; for what only the HTTP shell can know.

    Args:
        pointer: what of the request is bad, when that is one thing: a JSON pointer into
            the body, or `/header/<name>`, `/query/<name>`. A `bad_request` always has
            `errors`.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        pointer: str = "",
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status or STATUS[code]
        self.headers = headers
        self.members = members
        if code == "bad_request":
            members.setdefault("errors", [{"pointer": pointer, "detail": detail}])

    def body(self) -> dict[str, Any]:
        """The problem document as a dictionary."""
        return {
            "type": f"urn:tellers:problem:{self.code}",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **self.members,
        }

    def response(self) -> Response:
        """The problem as an HTTP answer."""
        return Response(
            msgspec.json.encode(self.body()),
            self.status,
            dict(self.headers or {}),
            MEDIA_TYPE,
        )


def of_refusal(refusal: Refused) -> HttpProblem:
    """The one table from refusals of the core to HTTP."""
    match refusal:
        case AnnouncedMismatch():
            return HttpProblem(
                refusal.code,
                refusal.detail,
                announced=refusal.announced,
                recorded=refusal.recorded,
            )
        case BadRequest(errors=errors):
            return HttpProblem(
                refusal.code, refusal.detail, errors=[e.as_json() for e in errors]
            )
        case _:
            return HttpProblem(refusal.code, refusal.detail)


def pointer(place: Iterable[int | str]) -> str:
    """The JSON pointer (RFC 6901) to this place."""
    parts = [str(part).replace("~", "~0").replace("/", "~1") for part in place]
    return "".join(f"/{part}" for part in parts)


def of_validation(errors: list[dict[str, Any]]) -> HttpProblem:
    """FastAPI's validation errors: malformed JSON is 400, all else 422."""
    if any(error["type"] == "json_invalid" for error in errors):
        return HttpProblem(
            "bad_request",
            "the body is not JSON",
            status=400,
            errors=[
                {"pointer": "", "detail": str(errors[0].get("ctx", {}).get("error"))}
            ],
        )
    listed = []
    for error in errors:
        source, *place = error["loc"]
        where = pointer(place) if source == "body" else pointer(error["loc"])
        listed.append({"pointer": where, "detail": error["msg"]})
    return HttpProblem("bad_request", "the request is not valid", errors=listed)


def _methods(app: FastAPI, request: Request) -> Iterable[str]:
    """What may be done at this path."""
    for method in ("DELETE", "GET", "PATCH", "POST", "PUT"):
        scope = {**request.scope, "method": method}
        if any(route.matches(scope)[0] is Match.FULL for route in app.router.routes):
            yield method


def install(app: FastAPI) -> None:
    """Make every error of this app a problem document."""

    @app.exception_handler(HttpProblem)
    async def _problem(_: Request, problem: HttpProblem) -> Response:
        return problem.response()

    @app.exception_handler(Refused)
    async def _refused(_: Request, refusal: Refused) -> Response:
        return of_refusal(refusal).response()

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> Response:
        return of_validation(list(error.errors())).response()

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        status, headers = error.status_code, error.headers
        if status == METHOD_NOT_ALLOWED:
            # Of a path with several routes, Starlette names the first one's methods.
            headers = {"Allow": ", ".join(_methods(app, request))}
        code = _CODE_OF_STATUS.get(status, "bad_request")
        problem = HttpProblem(code, str(error.detail), status=status, headers=headers)
        return problem.response()

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> Response:
        logger.error("request.failed", path=request.url.path, exc_info=error)
        return HttpProblem("internal_error", "an error on our side").response()
