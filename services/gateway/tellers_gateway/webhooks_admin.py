"""Management of webhooks: handed on to the webhooks service, with the caller's token.

The gateway looks at nothing and decides nothing here: it holds no right to write, and
the service checks the token itself (ADR 18).
"""

import asyncio
from typing import Annotated, Any

import httpcore
import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPBearer
from starlette.requests import ClientDisconnect

from tellers_gateway.settings import GatewaySettings
from tellers_runtime.problems import HttpProblem

PREFIX = "/v1/admin/webhooks"
MAX_BODY_BYTES = 16_384
ANSWER_SECONDS = 10.0
HANDED_ON = ("authorization", "content-type", "idempotency-key")
HANDED_BACK = (
    "content-type",
    "idempotency-replayed",
    "retry-after",
    "www-authenticate",
)
logger = structlog.get_logger()

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "`bad_request`: the body is not JSON"},
    401: {"description": "`unauthorized`"},
    403: {"description": "`forbidden`: the token lacks scope `webhooks`"},
    409: {"description": "`wrong_phase`: it is disabled; or too many endpoints"},
    413: {"description": f"More than {MAX_BODY_BYTES} bytes"},
}
JSON: dict[str, Any] = {"content": {"application/json": {"schema": {"type": "object"}}}}
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same request gives the same endpoint, not a "
    "second one, for 24 hours.",
    "schema": {"type": "string"},
}
# The document says that a token is needed; the service looks at it, not we.
needs_token = Depends(HTTPBearer(scheme_name="token", auto_error=False))

router = APIRouter(
    prefix=PREFIX, tags=["webhooks"], dependencies=[needs_token], responses=REFUSALS
)


def _described(
    summary: str, status: int = 200, *, body: bool = False, keyed: bool = False
) -> dict[str, Any]:
    """What a route's decorator is told besides its path.

    Args:
        keyed: it knows the header Idempotency-Key.
    """
    extra: dict[str, Any] = {"requestBody": {"required": True, **JSON}} if body else {}
    if keyed:
        extra["parameters"] = [KEY]
    return {
        "summary": summary,
        "status_code": status,
        "responses": {status: {"description": "Done", **JSON}} if status != 204 else {},  # noqa: PLR2004
        "openapi_extra": extra,
    }


def _service(request: Request) -> str:
    settings: GatewaySettings = request.state.settings
    return settings.webhooks_url.rstrip("/")


ServiceDep = Annotated[str, Depends(_service)]


async def _hand_on(request: Request, service: str) -> Response:
    """The webhooks service's answer to this request."""
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    headers = [
        (name, request.headers[name]) for name in HANDED_ON if name in request.headers
    ]
    body = await _body(request)
    try:
        async with (
            asyncio.timeout(ANSWER_SECONDS),
            httpcore.AsyncConnectionPool() as to,
        ):
            answer = await to.request(
                request.method, service + path, headers=headers, content=body
            )
    except (
        TimeoutError,
        OSError,
        httpcore.NetworkError,
        httpcore.ProtocolError,
    ) as error:
        logger.error("webhooks.unreachable", why=str(error) or type(error).__name__)
        raise HttpProblem(
            "webhooks_unavailable",
            "webhooks cannot be managed now; try again",
            status=503,
            headers={"Retry-After": "1"},
        ) from error
    back = {
        name.decode("latin-1").lower(): value.decode("latin-1")
        for name, value in answer.headers
    }
    kept = {name: back[name] for name in HANDED_BACK if name in back}
    kept["Cache-Control"] = "no-store"
    return Response(answer.content, answer.status, kept)


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise HttpProblem("too_large", f"at most {MAX_BODY_BYTES} bytes")
    except ClientDisconnect as gone:  # nobody reads the answer
        raise HttpProblem("bad_request", "the body is incomplete", status=400) from gone
    return bytes(body)


@router.get("", **_described("All endpoints"))
async def endpoints(request: Request, service: ServiceDep) -> Response:
    """`{"items":[...]}`, oldest first."""
    return await _hand_on(request, service)


@router.post("", **_described("Register an endpoint", 201, body=True, keyed=True))
async def register(request: Request, service: ServiceDep) -> Response:
    """`url` and what is wanted (docs/webhooks.md); the answer has the secret, once."""
    return await _hand_on(request, service)


@router.get("/{endpoint}", **_described("One endpoint"))
async def endpoint(request: Request, service: ServiceDep, endpoint: str) -> Response:
    """What it wants, and why it is disabled."""
    return await _hand_on(request, service)


@router.patch("/{endpoint}", **_described("Enable, disable or change it", body=True))
async def change(request: Request, service: ServiceDep, endpoint: str) -> Response:
    """`enabled`, `url`, `description`, `wants`: what is given is changed."""
    return await _hand_on(request, service)


@router.delete("/{endpoint}", **_described("Forget it", 204))
async def forget(request: Request, service: ServiceDep, endpoint: str) -> Response:
    """And all deliveries to it."""
    return await _hand_on(request, service)


@router.post("/{endpoint}/secret", **_described("Change the secret"))
async def secret(request: Request, service: ServiceDep, endpoint: str) -> Response:
    """The new one, once; the old one signs too for a day."""
    return await _hand_on(request, service)


@router.post("/{endpoint}/test", **_described("Deliver a test event", 202))
async def test(request: Request, service: ServiceDep, endpoint: str) -> Response:
    """Its `webhook_id`; what came of it is among the deliveries."""
    return await _hand_on(request, service)


@router.get("/{endpoint}/deliveries", **_described("What came of deliveries"))
async def deliveries(
    request: Request,
    service: ServiceDep,
    endpoint: str,
    state: str | None = None,
    limit: int | None = None,
    cursor: int | None = None,
) -> Response:
    """Newest first; `state` is waiting, delivered, failed or dropped."""
    return await _hand_on(request, service)


@router.post(
    "/{endpoint}/replay", **_described("Deliver a range again", 202, body=True)
)
async def replay(request: Request, service: ServiceDep, endpoint: str) -> Response:
    """`{"chamber","after","upto","rehearsal"?}`: seqs, at most 5000."""
    return await _hand_on(request, service)
