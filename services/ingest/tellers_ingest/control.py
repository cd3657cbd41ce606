"""What is published: freeze, release, delay, and how far the gateways are (ADR 26).

Not commands on a roll call: they append nothing to the log. Each is a line of the audit
trail and an entry of a stream beside the log, which every gateway reads with the log.
"""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import httpcore
import msgspec
import structlog
from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from msgspec.structs import replace
from redis.asyncio import Redis

from tellers_core.codec import LogName
from tellers_core.errors import UnknownChamber
from tellers_core.publication import Publication
from tellers_ingest.arrival import JSON, Arrival, arrive
from tellers_ingest.auth import Presiding, Recording, address_of, check_audience
from tellers_ingest.handler import IdempotencyConflict
from tellers_ingest.models import DelayBody, FreezeBody, ReleaseBody, parse
from tellers_ingest.openapi import described_answer
from tellers_ingest.settings import IngestSettings
from tellers_runtime.clients import Clients
from tellers_runtime.clock import rfc3339, utc_now
from tellers_runtime.log import Duplicate, KeyReused, LogReader
from tellers_runtime.publishing import PublicationDesk

PUBLICATION = "/v1/{chamber}/publication"
# A gateway that does not answer in this time is shown as one that does not.
ANSWER_SECONDS = 1.0
ChamberId = Annotated[str, Path(description="`ga` or `sc`.")]
Change = Callable[[Publication], tuple[Publication, bool]]

router = APIRouter(tags=["publication"])
logger = structlog.get_logger()


@router.post(
    PUBLICATION + "/freeze", **described_answer("Publish nothing further", FreezeBody)
)
async def freeze(request: Request, token: Presiding, chamber: ChamberId) -> Response:
    arrival = await arrive(request, token, chamber)
    body = parse(FreezeBody, arrival.body)
    said = {"at": rfc3339(utc_now()), "token": token.id, "reason": body.reason or ""}

    def change(before: Publication) -> tuple[Publication, bool]:
        if before.frozen:
            return before, False
        return replace(before, frozen=True, **said), False

    return await _say(arrival, body.log(chamber), change)


@router.post(
    PUBLICATION + "/release",
    **described_answer("Publish again, all that waits at once", ReleaseBody),
)
async def release(request: Request, token: Presiding, chamber: ChamberId) -> Response:
    arrival = await arrive(request, token, chamber)
    body = parse(ReleaseBody, arrival.body)

    def change(before: Publication) -> tuple[Publication, bool]:
        if not before.frozen:
            return before, False
        said = {"at": rfc3339(utc_now()), "token": token.id, "reason": ""}
        return replace(before, frozen=False, **said), True

    return await _say(arrival, body.log(chamber), change)


@router.put(
    PUBLICATION + "/delay",
    **described_answer("Keep the public so many seconds behind", DelayBody),
)
async def delay(request: Request, token: Presiding, chamber: ChamberId) -> Response:
    arrival = await arrive(request, token, chamber)
    body = parse(DelayBody, arrival.body)
    setting = _settings(request).publish_delay_seconds

    def change(before: Publication) -> tuple[Publication, bool]:
        if before.delay_seconds == body.seconds:
            return before, False
        was = setting if before.delay_seconds is None else before.delay_seconds
        said = {"token": token.id}
        if not before.frozen:
            said["at"] = rfc3339(utc_now())
        # Without a delay all was public: a longer one does not take it back.
        public = was == 0 and not before.frozen
        return replace(before, delay_seconds=body.seconds, **said), public

    return await _say(arrival, body.log(chamber), change)


async def _say(arrival: Arrival, log: LogName, change: Change) -> Response:
    request, token = arrival.request, arrival.token
    check_audience(token.audience, rehearsal=log.rehearsal)
    setting = _settings(request).publish_delay_seconds
    idempotency = arrival.idempotency()
    desk = PublicationDesk(_redis(request, log.chamber))
    said = await desk.say(
        log,
        change,
        lambda after: _encode(_shown(log, after, setting)),
        *(idempotency or ("", "")),
    )
    logger.info(
        "publication.said",
        log=str(log),
        path=request.url.path,
        **(_shown(log, said, setting) if isinstance(said, Publication) else {}),
        token=token.id,
        name=token.name,
        address=address_of(request),
    )
    match said:
        case KeyReused():
            raise IdempotencyConflict
        case Duplicate(answer):
            extra = {"Idempotency-Replayed": "true"}
            return Response(answer, headers=extra, media_type=JSON)
        case _:
            return Response(_encode(_shown(log, said, setting)), media_type=JSON)


_encode = msgspec.json.Encoder().encode


def _shown(log: LogName, said: Publication, setting: float) -> dict[str, Any]:
    return {
        "chamber": log.chamber,
        "rehearsal": log.rehearsal,
        "frozen": said.frozen,
        "delay_seconds": (
            setting if said.delay_seconds is None else said.delay_seconds
        ),
        "at": said.at or None,
        "reason": said.reason or None,
    }


@router.get(
    PUBLICATION,
    summary="What is published, and how far each gateway is",
    openapi_extra={"security": [{"token": []}]},
)
async def publication(
    request: Request, token: Recording, chamber: ChamberId, rehearsal: bool = False
) -> Response:
    """As said, with `seq` (the log's head) and `gateways`: each with `url` and what its
    /status.json says of the chamber, or `trouble`. Of rehearsals there is no status."""
    if chamber not in request.state.chambers:
        raise UnknownChamber(f"there is no chamber {chamber[:40]!r} here")
    check_audience(token.audience, rehearsal=rehearsal)
    log = LogName(chamber, rehearsal)
    settings, redis = _settings(request), _redis(request, chamber)
    said = await PublicationDesk(redis).now(log)
    urls = [] if rehearsal else settings.gateways
    body = _shown(log, said, settings.publish_delay_seconds) | {
        "seq": await LogReader(redis, log).head(),
        "gateways": await asyncio.gather(*(_gateway(url, chamber) for url in urls)),
    }
    return Response(_encode(body), media_type=JSON)


async def _gateway(url: str, chamber: str) -> dict[str, Any]:
    try:
        async with (
            asyncio.timeout(ANSWER_SECONDS),
            httpcore.AsyncConnectionPool() as to,
        ):
            answer = await to.request("GET", f"{url}/status.json")
        status: dict[str, Any] = msgspec.json.decode(answer.content)
        return {"url": url, **status["chambers"][chamber]}
    except (
        TimeoutError,
        OSError,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        msgspec.DecodeError,
        KeyError,
        TypeError,
    ) as error:
        return {"url": url, "trouble": str(error) or type(error).__name__}


def _settings(request: Request) -> IngestSettings:
    settings: IngestSettings = request.state.settings
    return settings


def _redis(request: Request, chamber: str) -> "Redis":
    clients: Clients = request.state.redis
    return clients.of(chamber)
