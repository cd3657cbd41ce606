"""Management of endpoints: what the gateway hands on from `/v1/admin/webhooks`.

The token is checked here, wherever the request came from: whoever may reach this port
for monitoring manages nothing.
"""

import hashlib
import secrets
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Header, Query, Request, Response

from tellers_core.codec import LogName
from tellers_runtime.clock import rfc3339
from tellers_runtime.idempotency import MAX_KEY, key_in
from tellers_runtime.problems import HttpProblem
from tellers_runtime.together import in_thread
from tellers_runtime.tokens import Scope, Token
from tellers_webhooks import messages
from tellers_webhooks.endpoints import (
    Endpoint,
    OtherRequest,
    Registered,
    Registration,
    TooMany,
    milliseconds,
)
from tellers_webhooks.guard import Blocked
from tellers_webhooks.models import Change, NewEndpoint, Replay, shown, shown_delivery
from tellers_webhooks.queue import State
from tellers_webhooks.state import Desk, desk_of

MAX_REPLAYED = 5000
MAX_LISTED = 100
logger = structlog.get_logger()


async def _admitted(request: Request) -> Token:
    """The request's token. Raises HttpProblem `unauthorized` or `forbidden`."""
    scheme, _, clear = request.headers.get("Authorization", "").partition(" ")
    token = None
    if scheme.lower() == "bearer":
        token = await desk_of(request).tokens.verify(clear.strip())
    if token is None:
        raise HttpProblem(
            "unauthorized",
            "send the header Authorization: Bearer <token>, with a good token",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if not token.allows(Scope.WEBHOOKS):
        raise HttpProblem(
            "forbidden", f"this needs a token with scope {Scope.WEBHOOKS}"
        )
    return token


router = APIRouter(
    prefix="/v1/admin/webhooks", tags=["webhooks"], dependencies=[Depends(_admitted)]
)
DeskDep = Annotated[Desk, Depends(desk_of)]
TokenDep = Annotated[Token, Depends(_admitted)]


@router.post("", status_code=201, summary="Register an endpoint")
async def create(
    desk: DeskDep,
    token: TokenDep,
    body: NewEndpoint,
    response: Response,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> dict[str, Any]:
    """The answer has the secret that verifies deliveries: nobody sees it again, but who
    repeats the request with its Idempotency-Key."""
    _check(desk, body.url)
    _known_chamber(desk, body.chamber)
    registration = _registration(idempotency_key, token, body)
    try:
        found = await _given_before(desk, registration)
        found = found or await _register(desk, token, body, registration)
    except OtherRequest as error:
        raise HttpProblem("idempotency_conflict", str(error)) from error
    except TooMany as error:
        raise HttpProblem("too_many_requests", str(error), status=409) from error
    if found.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return {**shown(found.endpoint), "secret": found.secret}


async def _given_before(
    desk: Desk, registration: Registration | None
) -> Registered | None:
    if registration is None:
        return None
    return await in_thread(desk.endpoints.registered, registration)


async def _register(
    desk: Desk, token: Token, body: NewEndpoint, registration: Registration | None
) -> Registered:
    if desk.follower.trouble:
        # An endpoint that is registered gets every event from then on.
        raise _later("the archive cannot be followed now")
    origin = await _asked(desk, body.url) if body.handshake else None
    found = await in_thread(
        desk.endpoints.create,
        body.url,
        body.description,
        body.interest(),
        origin,
        registration,
    )
    desk.couriers.refresh()
    logger.info("endpoint.created", endpoint=found.endpoint.id, token=token.id)
    return found


def _registration(
    header: str | None, token: Token, body: NewEndpoint
) -> Registration | None:
    """What makes the request safe to repeat, for who sent it. Raises HttpProblem."""
    if header is None:
        return None
    key = key_in(header)
    if key is None:
        raise HttpProblem(
            "bad_request",
            f"Idempotency-Key must be 1 to {MAX_KEY} printable ASCII letters",
            status=400,
            pointer="/header/Idempotency-Key",
        )
    said = (f"{token.id}\n{key}", body.model_dump_json())
    return Registration(*(hashlib.sha256(text.encode()).hexdigest() for text in said))


async def _asked(desk: Desk, url: str) -> str:
    """The origin under which the receiver allows deliveries. Raises HttpProblem."""
    async with desk.asking() as sender:
        answer = await sender.ask(url, desk.origin)
    if answer.trouble:
        detail = f"the receiver does not allow deliveries: {answer.trouble}"
        raise _bad("/url", detail)
    return desk.origin


@router.get("", summary="All endpoints")
async def list_all(desk: DeskDep) -> dict[str, Any]:
    """Oldest first."""
    return {"items": [shown(e) for e in await in_thread(desk.endpoints.all)]}


@router.get("/{endpoint}", summary="One endpoint")
async def show(desk: DeskDep, endpoint: str) -> dict[str, Any]:
    """Why it is disabled, since when it fails, and what it wants."""
    return shown(await _find(desk, endpoint))


@router.patch("/{endpoint}", summary="Enable, disable or change an endpoint")
async def change(
    desk: DeskDep, token: TokenDep, endpoint: str, body: Change
) -> dict[str, Any]:
    """Enabled again, it gets what still waited; what came meanwhile: replay it."""
    if body.url is not None:
        _check(desk, body.url)
    if body.wants is not None:
        _known_chamber(desk, body.wants.chamber)
    was_asked = (await _find(desk, endpoint)).origin is not None
    origin = await _asked(desk, body.url) if body.url and was_asked else None
    found = await in_thread(
        desk.endpoints.change,
        endpoint,
        url=body.url,
        description=body.description,
        interest=None if body.wants is None else body.wants.interest(),
        enabled=body.enabled,
        origin=origin,
    )
    desk.couriers.refresh()
    desk.couriers.wake([endpoint])
    logger.info("endpoint.changed", endpoint=endpoint, token=token.id)
    return shown(_there(found, endpoint))


@router.delete("/{endpoint}", status_code=204, summary="Forget an endpoint")
async def delete(desk: DeskDep, token: TokenDep, endpoint: str) -> Response:
    """And all deliveries to it."""
    if not await in_thread(desk.endpoints.delete, endpoint):
        raise _unknown(endpoint)
    desk.couriers.refresh()
    logger.info("endpoint.deleted", endpoint=endpoint, token=token.id)
    return Response(status_code=204)


@router.post("/{endpoint}/secret", summary="Change the secret")
async def rotate(desk: DeskDep, token: TokenDep, endpoint: str) -> dict[str, Any]:
    """Until `previous_until` each delivery has a signature of both."""
    rotated = await in_thread(desk.endpoints.rotate, endpoint)
    if rotated is None:
        raise _unknown(endpoint)
    logger.info("endpoint.rotated", endpoint=endpoint, token=token.id)
    secret, until = rotated
    return {"secret": secret, "previous_until": rfc3339(until)}


@router.post("/{endpoint}/test", status_code=202, summary="Deliver a test event")
async def test(desk: DeskDep, endpoint: str) -> dict[str, Any]:
    """`org.tellers.webhook.test.v1`; see the deliveries for what came of it."""
    found = await _find(desk, endpoint)
    if not found.enabled:
        raise HttpProblem("wrong_phase", "the endpoint is disabled")
    now = desk.clock()
    message = messages.test(endpoint, secrets.token_hex(8), rfc3339(now))
    delivery = message.to(endpoint)
    await in_thread(desk.queue.put, [delivery], milliseconds(now))
    desk.couriers.wake([endpoint])
    return {"webhook_id": delivery.id}


@router.get("/{endpoint}/deliveries", summary="What came of deliveries")
async def deliveries(
    desk: DeskDep,
    endpoint: str,
    state: State | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = 20,
    cursor: Annotated[int | None, Query(ge=1, le=2**53)] = None,
) -> dict[str, Any]:
    """Newest first; `next` is the cursor of the following page. Kept for 14 days."""
    await _find(desk, endpoint)
    found = await in_thread(desk.queue.listed, endpoint, state, limit, cursor)
    following = str(found[-1].number) if len(found) == limit else None
    return {"items": [shown_delivery(one) for one in found], "next": following}


@router.post("/{endpoint}/replay", status_code=202, summary="Deliver a range again")
async def replay(
    desk: DeskDep, token: TokenDep, endpoint: str, body: Replay
) -> dict[str, Any]:
    """The events it wants after `after` up to `upto`, at most 5000, with the webhook-id
    they always had; of rules that were met there, those still in the list."""
    found = await _find(desk, endpoint)
    log = LogName(body.chamber, body.rehearsal)
    _known_chamber(desk, body.chamber)
    seqs = range(body.after + 1, body.upto + 1)
    if not 0 < len(seqs) <= MAX_REPLAYED:
        detail = f"1 to {MAX_REPLAYED} events can be replayed at once"
        raise _bad("/upto", detail)
    if not found.interest.in_log(log):
        raise _bad("/chamber", "the endpoint wants nothing of this chamber")
    wanted = await in_thread(desk.planner.events, log, seqs, found)
    now = milliseconds(desk.clock())
    queued = await in_thread(desk.queue.requeue, endpoint, log, seqs, wanted, now)
    desk.couriers.wake([endpoint])
    logger.info("endpoint.replayed", endpoint=endpoint, token=token.id, queued=queued)
    return {"queued": queued}


async def _find(desk: Desk, endpoint: str) -> Endpoint:
    return _there(await in_thread(desk.endpoints.find, endpoint), endpoint)


def _there(found: Endpoint | None, endpoint: str) -> Endpoint:
    if found is None:
        raise _unknown(endpoint)
    return found


def _unknown(endpoint: str) -> HttpProblem:
    return HttpProblem("not_found", f"there is no endpoint {endpoint[:40]}")


def _bad(pointer: str, detail: str) -> HttpProblem:
    return HttpProblem("bad_request", detail, pointer=pointer)


def _later(detail: str) -> HttpProblem:
    return HttpProblem("log_unavailable", detail, headers={"Retry-After": "1"})


def _check(desk: Desk, url: str) -> None:
    try:
        desk.guard.check_url(url)
    except Blocked as error:
        raise _bad("/url", str(error)) from error


def _known_chamber(desk: Desk, chamber: str | None) -> None:
    known = sorted({log.chamber for log in desk.logs})
    if chamber is not None and chamber not in known:
        detail = f"no such chamber; there are: {', '.join(known)}"
        raise HttpProblem("unknown_chamber", detail)
