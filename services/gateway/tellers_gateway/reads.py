"""HTTP reads: tallies, roll calls in full, events. Public and cacheable."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Header, Query, Request, Response

from tellers_core.codec import LogName, decode
from tellers_core.tally import Tally, encode_tally
from tellers_gateway import asyncapi
from tellers_gateway.detail import detail, without_names
from tellers_gateway.hub import Hub
from tellers_gateway.resume import MAX_SEQ
from tellers_gateway.state import HubDep
from tellers_gateway.words import Language
from tellers_runtime.archive.reading import Cursor, Wanted
from tellers_runtime.problems import HttpProblem

router = APIRouter(tags=["reads"])
CACHE = "public, s-maxage=1"
MAX_PAGE, MAX_EVENTS, MAX_WAIT = 100, 1000, 30.0
MAX_TEXT = 200
# What `Cursor` writes; a seq within what databases count to.
CURSOR = r"^\d{4}-\d{2}-\d{2}\.\d{1,18}$"

_json = msgspec.json.Encoder().encode


def answer(
    body: bytes,
    etag: str,
    if_none_match: str | None,
    media_type: str = "application/json",
) -> Response:
    """The body with its validator, or 304 when the caller has it already."""
    headers = {"ETag": etag, "Cache-Control": CACHE}
    if if_none_match is not None and _matches(etag, if_none_match):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)


def of_type(media_type: str) -> type[Response]:
    """The class of answers of that media type: what OpenAPI documents of a route."""
    return type("Response", (Response,), {"media_type": media_type})


def _matches(etag: str, if_none_match: str) -> bool:
    tags = (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))
    return any(tag in (etag, "*") for tag in tags)


def etag_of(tally: Tally, variant: str = "") -> str:
    """The strong validator of an answer that follows from this tally."""
    # A tally that is held is another answer than the same tally live.
    held = "-held" if tally.held else ""
    # And so is one of which something was withheld, once it is whole.
    part = "-withheld" if tally.withheld else ""
    return f'"{tally.epoch}-{tally.seq}{held}{part}{variant}"'


async def find(request: Request, hub: Hub, roll_call: str) -> tuple[Hub, Tally]:
    """The tally, among the chamber's roll calls or its rehearsals.

    An address that names a rehearsal shows it (its tally says `rehearsal`); only lists
    and feeds leave rehearsals out. Raises HttpProblem `unknown_roll_call`.
    """
    rehearsals: Hub = request.state.hubs[LogName(hub.log.chamber, rehearsal=True)]
    for place in (hub, rehearsals):
        found = await place.find(roll_call)
        if found is not None:
            return place, found
    raise HttpProblem(
        "unknown_roll_call", f"{hub.log.chamber} has no roll call {roll_call}"
    )


AsOf = Annotated[int | None, Query(ge=1, le=MAX_SEQ, description="As at this seq.")]


async def find_as_of(
    request: Request, hub: Hub, roll_call: str, seq: int | None, name: str = "as_of"
) -> tuple[Hub, Tally]:
    """The same, as it was at a place in the log; None: now. `name`: the parameter's."""
    place, found = await find(request, hub, roll_call)
    if seq is None:
        return place, found
    return place, await _as_of(place, roll_call, seq, name)


async def _as_of(hub: Hub, roll_call: str, seq: int, name: str) -> Tally:
    if seq > hub.head:
        raise HttpProblem(
            "bad_request",
            f"the log ends at {hub.head}",
            errors=[{"pointer": f"/query/{name}", "detail": f"at most {hub.head}"}],
        )
    tallies = await hub.tallies_of(roll_call, seq)
    if not tallies:
        raise HttpProblem("unknown_roll_call", f"there was no {roll_call} at {seq}")
    return tallies[-1]


@router.get("/v1/{chamber}/roll-calls", summary="Tallies, newest first")
async def roll_calls(
    hub: HubDep,
    phase: Annotated[
        Literal["scheduled", "open", "locked", "closed", "annulled"] | None, Query()
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20,
    cursor: Annotated[
        str | None, Query(pattern=CURSOR, description="A page's `next`.")
    ] = None,
    q: Annotated[
        str,
        Query(
            max_length=MAX_TEXT,
            description="Words of title, symbol, id, session or day.",
        ),
    ] = "",
    session: Annotated[
        str | None,
        Query(
            max_length=64,
            pattern=r"^[^\x00]*$",
            description="Session of imported ones: `41`, `ES-11`.",
        ),
    ] = None,
    year: Annotated[int | None, Query(ge=1945, le=9999, description="Of the vote.")] = (
        None
    ),
) -> Response:
    """One page, the newest vote first; `next` is the cursor of the following one, null
    at the end."""
    before = None if cursor is None else Cursor.parse(cursor)
    page = await hub.page(Wanted(phase, q, session, year), limit, before)
    items = [msgspec.Raw(encode_tally(tally)) for tally in page.tallies]
    following = None if page.next is None else str(page.next)
    body = _json({"items": items, "next": following})
    return Response(
        body, headers={"Cache-Control": CACHE}, media_type="application/json"
    )


@router.get("/v1/{chamber}/roll-calls/{roll_call}", summary="A roll call in full")
async def roll_call(
    request: Request,
    hub: HubDep,
    roll_call: str,
    lang: Annotated[Language, Query(description="Language of names.")] = "en",
    as_of: AsOf = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The tally with every vote, who is not voting, intentions and the result. No names
    while it is `withheld`."""
    place, tally = await find_as_of(request, hub, roll_call, as_of)
    entries = await place.past.events_of(roll_call, tally.seq)
    full = detail((decode(entry.body) for entry in entries), lang)
    if tally.withheld is not None:
        full = without_names(full)
    body = encode_tally(tally)[:-1] + b"," + _json(full)[1:]
    return answer(body, etag_of(tally, f"-{lang}"), if_none_match)


@router.get("/v1/{chamber}/roll-calls/{roll_call}/tally", summary="The tally")
async def tally(
    request: Request,
    hub: HubDep,
    roll_call: str,
    as_of: AsOf = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The tally now, or as it was at a place in the log."""
    _, found = await find_as_of(request, hub, roll_call, as_of)
    return answer(encode_tally(found), etag_of(found), if_none_match)


@router.get("/v1/{chamber}/events", summary="The log, from a place on")
async def events(
    hub: HubDep,
    after: Annotated[int, Query(ge=0, le=MAX_SEQ)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_EVENTS)] = 100,
    wait: Annotated[
        float, Query(ge=0, le=MAX_WAIT, description="Seconds to wait for one.")
    ] = 0,
) -> Response:
    """CloudEvents in order; `next` is the `after` of the following request."""
    if wait:
        await hub.events_beyond(after, wait)
    found = await hub.events_after(after, limit)
    body: Mapping[str, object] = {
        "epoch": hub.epoch,
        "events": [msgspec.Raw(event.cloud_event) for event in found],
        "next": found[-1].seq if found else after,
    }
    return Response(
        _json(body), headers={"Cache-Control": CACHE}, media_type="application/json"
    )


@router.get("/asyncapi.json", summary="The live feeds, machine-readable (AsyncAPI 3)")
async def asyncapi_document() -> Response:
    """The AsyncAPI document of the WebSocket."""
    return Response(asyncapi.document(), media_type="application/json")
