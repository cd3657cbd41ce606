"""Certificates of results, and the proof of one vote (docs/certificate.md)."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import structlog
from fastapi import APIRouter, Header, Request, Response

from tellers_core.certificate import certify, encode, include, until_closed
from tellers_core.codec import LogName, decode
from tellers_core.events import (
    RollCallScheduled,
    VoteChanged,
    VoteRecorded,
    VoteWithdrawn,
)
from tellers_core.roll_call import Phase
from tellers_core.tally import Tally
from tellers_gateway.hub import Hub
from tellers_gateway.reads import answer, find
from tellers_gateway.state import HubDep, ProofsDep
from tellers_runtime.archive.proofs import ProofReader, Signed
from tellers_runtime.archive.trees import leaf_of
from tellers_runtime.log import Entry
from tellers_runtime.problems import HttpProblem

router = APIRouter(
    prefix="/v1/{chamber}/roll-calls/{roll_call}",
    tags=["proofs"],
    responses={
        404: {"description": "There is none (yet): `not_closed`, `unknown_...`"},
        500: {"description": "The archive is not as it was signed"},
        503: {"description": "Not yet under a signed checkpoint, or the log is away"},
    },
)
# A closing is sealed in the transaction that archives it: normally milliseconds later.
WAIT_SECONDS = 2.0
LOOK_SECONDS = 0.05
# A checkpoint is signed so often while the log grows (tellers_tally.sealing).
CHECKPOINT_SECONDS = 60
logger = structlog.get_logger()


@router.get("/certificate", summary="The proof of a closed roll call's result")
async def certificate(
    request: Request,
    hub: HubDep,
    proofs: ProofsDep,
    roll_call: str,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """One file for `tellers verify` and /verify. It never changes, but that witnesses
    may add their signatures."""
    place, tally = await find(request, hub, roll_call)
    _must_have_a_result(tally)
    entries = await place.past.events_of(roll_call, tally.seq)
    entries = entries[: len(until_closed(entry.body for entry in entries))]
    under = await _sealed(proofs, place, entries[-1].seq)
    body = await asyncio.to_thread(_certificate, proofs, place.log, entries, under)
    return answer(body, _etag(under), if_none_match)


@router.get("/votes/{delegation}/proof", summary="The proof that a vote is in the log")
async def vote_proof(
    request: Request,
    hub: HubDep,
    proofs: ProofsDep,
    roll_call: str,
    delegation: str,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The delegation's latest vote event: recorded, changed or withdrawn."""
    place, tally = await find(request, hub, roll_call)
    if tally.withheld is not None:
        raise _no_result("who voted what is public when the roll call has ended")
    _must_not_be_held(tally)
    entries = await place.past.events_of(roll_call, tally.seq)
    entry = _latest_vote(entries, delegation)
    under = await _sealed(proofs, place, entry.seq)
    body = await asyncio.to_thread(_inclusion, proofs, place.log, entry, under)
    return answer(body, _etag(under), if_none_match)


def _must_not_be_held(tally: Tally) -> None:
    if tally.held is not None:
        raise _no_result(
            f"{tally.roll_call} is held since event {tally.held.seq} "
            f"({tally.held.reason}): nothing is proven of it"
        )


def _must_have_a_result(tally: Tally) -> None:
    _must_not_be_held(tally)
    if tally.phase is Phase.ANNULLED:
        raise _no_result(f"{tally.roll_call} was annulled: it has no result")
    if tally.phase is not Phase.CLOSED:
        raise _no_result(
            f"{tally.roll_call} is {tally.phase}: there is a certificate once it is "
            "closed"
        )


def _no_result(detail: str) -> HttpProblem:
    return HttpProblem("not_closed", detail, status=404)


def _latest_vote(entries: Sequence[Entry], delegation: str) -> Entry:
    latest, members = None, frozenset[str]()
    for entry in entries:
        match decode(entry.body).event:
            case RollCallScheduled() as roll:
                members = frozenset(roll.members)
            case VoteRecorded() | VoteChanged() | VoteWithdrawn() as vote:
                if vote.delegation == delegation:
                    latest = entry
            case _:
                pass
    if latest is not None:
        return latest
    why = "did not vote" if delegation in members else "is no member"
    raise HttpProblem("unknown_delegation", f"{delegation[:40]!r} {why}")


async def _sealed(proofs: ProofReader, hub: Hub, seq: int) -> Signed:
    """The first checkpoint that has the entry. Raises HttpProblem when none has it, or
    it covers what is not public: a proof has the hashes of its neighbours."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + WAIT_SECONDS
    while True:
        found = await asyncio.to_thread(proofs.first, hub.log, seq)
        if found is not None and found.size <= hub.proven_seq:
            return found
        if found is not None and loop.time() >= deadline:
            raise HttpProblem(
                "log_unavailable",
                f"the checkpoint over event {seq} covers events that are not public "
                "yet: another roll call is withheld, or publication is behind",
                headers={"Retry-After": f"{CHECKPOINT_SECONDS}"},
            )
        if loop.time() >= deadline:
            raise HttpProblem(
                "log_unavailable",
                f"event {seq} is not under a signed checkpoint yet: one is signed at "
                f"each closing and every {CHECKPOINT_SECONDS} s",
                headers={"Retry-After": f"{CHECKPOINT_SECONDS}"},
            )
        await asyncio.sleep(LOOK_SECONDS)


def _certificate(
    proofs: ProofReader, log: LogName, entries: Sequence[Entry], under: Signed
) -> bytes:
    leaves = {seq - 1: leaf_of(log, seq, body) for seq, body in entries}
    proof = proofs.inclusion(log, under, leaves)
    bodies = [entry.body for entry in entries]
    return encode(certify(bodies, under.extensions.epoch, proof, under.seal))


def _inclusion(proofs: ProofReader, log: LogName, entry: Entry, under: Signed) -> bytes:
    leaf = leaf_of(log, entry.seq, entry.body)
    proof = proofs.inclusion(log, under, {entry.seq - 1: leaf})
    return encode(include(entry.body, under.extensions.epoch, proof, under.seal))


def _etag(under: Signed) -> str:
    # What is proven does not change; whose signatures stand under it may grow.
    return f'"{under.extensions.epoch}-{under.size}-{len(under.cosignatures)}"'


async def broken(request: Request, error: Exception) -> Response:
    """The answer when the archive does not fit what was signed: loud, and no proof."""
    logger.error("archive.edited", path=request.url.path, why=str(error))
    return HttpProblem(
        "internal_error", "the archive is not as it was signed: no proof is given"
    ).response()
