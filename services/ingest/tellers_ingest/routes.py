"""The ingest API: each route parses, hands one command on, and maps the answer.

Checks come in this order: route, token, chamber, body, roll call.
"""

import re
from secrets import token_hex
from typing import Annotated

import structlog
from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from msgspec import json, to_builtins

from tellers_core.errors import BadRequest, UnknownChamber, UnknownDelegation
from tellers_core.members import composed
from tellers_core.roll_call import (
    Annul,
    CastVote,
    Close,
    Command,
    Lock,
    Open,
    RecordIntention,
    Schedule,
    SwitchRule,
    Unlock,
    WithdrawVote,
)
from tellers_ingest import batch
from tellers_ingest.approvals import Approvable, Approvals, refused
from tellers_ingest.arrival import JSON, MAX_BODY_BYTES, Arrival, arrive
from tellers_ingest.auth import Presiding, Recording, address_of
from tellers_ingest.cache import Place
from tellers_ingest.direct import CommandRoute
from tellers_ingest.handler import Recorder
from tellers_ingest.models import (
    DELEGATION,
    ApprovalBody,
    CloseBody,
    IntentionBody,
    NewRollCall,
    NothingBody,
    RuleBody,
    SteppingBackBody,
    VoteBody,
    VotesBody,
    parse,
)
from tellers_ingest.openapi import described, described_answer
from tellers_ingest.settings import IngestSettings
from tellers_runtime.clock import today
from tellers_runtime.problems import HttpProblem

_DELEGATION = re.compile(DELEGATION)
router = APIRouter(route_class=CommandRoute)
logger = structlog.get_logger()
ROLL_CALLS = "/v1/{chamber}/roll-calls"
ROLL_CALL = ROLL_CALLS + "/{roll_call}"
VOTE = ROLL_CALL + "/votes/{delegation}"

ChamberId = Annotated[str, Path(description="`ga` or `sc`.")]
RollCallId = Annotated[str, Path(description="The roll call's id.")]
Code = Annotated[str, Path(description="ISO 3166-1 alpha-3, upper case.")]


# First, since routes are tried in this order and most commands are votes.
@router.put(VOTE, **described("Record or change a vote", VoteBody, created=True))
async def cast_vote(
    request: Request,
    token: Recording,
    chamber: ChamberId,
    roll_call: RollCallId,
    delegation: Code,
) -> Response:
    arrival = await arrive(request, token, chamber)
    vote = parse(VoteBody, arrival.body).vote
    return await arrival.answer(roll_call, CastVote(_code(delegation), vote))


@router.post(ROLL_CALLS, **described("Schedule a roll call", NewRollCall, created=True))
async def schedule(request: Request, token: Presiding, chamber: ChamberId) -> Response:
    arrival = await arrive(request, token, chamber, most=MAX_BODY_BYTES)
    body = parse(NewRollCall, arrival.body)
    assembly = composed(chamber, request.state.chambers[chamber], today())
    if assembly is None:
        raise UnknownChamber(f"the chamber {chamber} is configured but not known")
    return await arrival.answer(body.id, Schedule(body.settled(assembly)))


async def _step(
    request: Request, token: Presiding, place: Place, command: Command
) -> Response:
    arrival = await arrive(request, token, place.chamber)
    parse(NothingBody, arrival.body)
    return await arrival.answer(place.roll_call, command)


async def _step_back(
    request: Request, token: Presiding, place: Place, name: Approvable, command: Command
) -> Response:
    """A step that undoes the lock."""
    arrival = await arrive(request, token, place.chamber)
    approval = parse(SteppingBackBody, arrival.body).approval
    return await _by_two(arrival, place, approval, name, command)


async def _by_two(
    arrival: Arrival,
    place: Place,
    approval: str | None,
    name: Approvable,
    command: Command,
) -> Response:
    """The answer to a command with a second person's approval, if it needs one."""
    settings: IngestSettings = arrival.request.state.settings
    if approval is None and not settings.two_persons:
        return await arrival.answer(place.roll_call, command)
    approvals: Approvals = arrival.request.state.approvals
    rule = command.rule if isinstance(command, SwitchRule) else None
    try:
        if approval is None:
            raise refused(
                f"{name} needs a second person: one sends POST .../approvals, another "
                'the command, with {"approval": ...}'
            )
        found = await approvals.check(place, approval, name, arrival.token, rule)
    except HttpProblem:
        # An answer once given is given again, whatever has become of the approval.
        recalled = await arrival.recalled()
        if recalled is None:
            raise
        return recalled
    return await arrival.answer(place.roll_call, command, version=found.only_at)


@router.post(
    ROLL_CALL + "/approvals",
    **described_answer("Approve what another is to carry out", ApprovalBody),
)
async def approve(
    request: Request, token: Presiding, chamber: ChamberId, roll_call: RollCallId
) -> Response:
    arrival = await arrive(request, token, chamber)
    body = parse(ApprovalBody, arrival.body)
    approvals: Approvals = request.state.approvals
    given = await approvals.give(
        Place(chamber, roll_call),
        token_hex(8),
        body.command,
        body.reason,
        token,
        body.rule,
    )
    logger.info(
        "approval.given",
        chamber=chamber,
        roll_call=roll_call,
        **to_builtins(given),
        address=address_of(request),
    )
    return Response(json.encode(given), 200, media_type=JSON)


@router.post(ROLL_CALL + "/open", **described("Begin to take votes", NothingBody))
async def open_(
    request: Request, token: Presiding, chamber: ChamberId, roll_call: RollCallId
) -> Response:
    return await _step(request, token, Place(chamber, roll_call), Open())


@router.post(ROLL_CALL + "/lock", **described("Stop taking votes", NothingBody))
async def lock(
    request: Request, token: Presiding, chamber: ChamberId, roll_call: RollCallId
) -> Response:
    return await _step(request, token, Place(chamber, roll_call), Lock())


@router.post(ROLL_CALL + "/unlock", **described("Take votes again", SteppingBackBody))
async def unlock(
    request: Request, token: Presiding, chamber: ChamberId, roll_call: RollCallId
) -> Response:
    place = Place(chamber, roll_call)
    return await _step_back(request, token, place, "unlock", Unlock())


@router.post(ROLL_CALL + "/annul", **described("Declare it void", SteppingBackBody))
async def annul(
    request: Request, token: Presiding, chamber: ChamberId, roll_call: RollCallId
) -> Response:
    place = Place(chamber, roll_call)
    return await _step_back(request, token, place, "annul", Annul())


@router.post(
    ROLL_CALL + "/close",
    **described("Proclaim the result, which must be as announced", CloseBody),
)
async def close(
    request: Request, token: Presiding, chamber: ChamberId, roll_call: RollCallId
) -> Response:
    arrival = await arrive(request, token, chamber)
    announced = parse(CloseBody, arrival.body).figures()
    return await arrival.answer(roll_call, Close(announced))


@router.post(ROLL_CALL + "/rule", **described("Require another majority", RuleBody))
async def switch_rule(
    request: Request, token: Presiding, chamber: ChamberId, roll_call: RollCallId
) -> Response:
    arrival = await arrive(request, token, chamber)
    body = parse(RuleBody, arrival.body)
    place, command = Place(chamber, roll_call), SwitchRule(body.rule)
    return await _by_two(arrival, place, body.approval, "rule", command)


@router.delete(VOTE, **described("Take a vote back", NothingBody))
async def withdraw_vote(
    request: Request,
    token: Recording,
    chamber: ChamberId,
    roll_call: RollCallId,
    delegation: Code,
) -> Response:
    arrival = await arrive(request, token, chamber)
    parse(NothingBody, arrival.body)
    return await arrival.answer(roll_call, WithdrawVote(_code(delegation)))


@router.post(
    ROLL_CALL + "/votes",
    **described("Record many votes, all or nothing", VotesBody, lines=True),
)
async def cast_votes(
    request: Request, token: Recording, chamber: ChamberId, roll_call: RollCallId
) -> Response:
    arrival = await arrive(request, token, chamber, *batch.READERS, most=MAX_BODY_BYTES)
    media_type = arrival.sent.media_type() or JSON
    votes, problems, _ = batch.read(media_type, arrival.body)
    if problems:
        recorder: Recorder = request.state.recorder
        more = await recorder.faults(Place(chamber, roll_call), votes)
        raise BadRequest("nothing was recorded", batch.in_order(*problems, *more))
    return await arrival.answer(roll_call, votes)


@router.post(
    ROLL_CALL + "/intentions",
    **described("Record how a delegation had meant to vote", IntentionBody),
)
async def record_intention(
    request: Request, token: Recording, chamber: ChamberId, roll_call: RollCallId
) -> Response:
    arrival = await arrive(request, token, chamber)
    body = parse(IntentionBody, arrival.body)
    command = RecordIntention(body.delegation, body.vote, body.note or None)
    return await arrival.answer(roll_call, command)


def _code(delegation: str) -> str:
    if not _DELEGATION.fullmatch(delegation):
        raise UnknownDelegation(
            "a delegation is named by its ISO 3166-1 alpha-3 code, such as FRA"
        )
    return delegation
