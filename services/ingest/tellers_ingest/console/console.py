"""Serves the console: its page, its files, the members' names, a roll call to read.

The page and the names are public; the roll call needs a token with scope `record`.
"""

import csv
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from tellers_core.codec import LogName
from tellers_core.errors import Refused, UnknownChamber, UnknownRollCall
from tellers_core.events import RollCallClosed
from tellers_core.majority import majority
from tellers_core.members import composed
from tellers_core.roll_call import Close, Phase, RollCall, decide, outcome
from tellers_ingest.approvals import Approval, Approvals
from tellers_ingest.arrival import JSON
from tellers_ingest.auth import Recording, check_audience
from tellers_ingest.cache import Place
from tellers_ingest.console.lock import last_lock
from tellers_runtime import fields
from tellers_runtime.clock import today
from tellers_runtime.log import LogReader, LogWriter

WEB = Path(str(resources.files("tellers_ingest") / "console" / "web"))
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}

router = APIRouter(include_in_schema=False)


@router.get("/console")
async def console() -> Response:
    """The page; it asks for a token itself."""
    return FileResponse(WEB / "console.html", headers=HEADERS)


@router.get("/console/chambers.json")
async def chambers(request: Request) -> Response:
    """The chambers that are served, in the order of the setting."""
    served = request.state.chambers.items()
    composition = (composed(chamber, like, today()) for chamber, like in served)
    found = [{"id": one.id, "title": one.title} for one in composition if one]
    return Response(msgspec.json.encode(found), media_type=JSON, headers=HEADERS)


@router.get("/console/members/{chamber}.json")
async def members(request: Request, chamber: str) -> Response:
    """The chamber's members in official order, with every name they are known by."""
    like = request.state.chambers.get(chamber, "")
    assembly = composed(chamber, like, today())
    if assembly is None:
        raise UnknownChamber(f"there is no chamber {chamber[:40]!r} here")
    former = _former_names()
    found = [
        {
            "code": member.code,
            "iso2": member.iso2,
            "name": member.name,
            "names": [*member.names.values(), *former.get(member.code, ())],
        }
        for member in assembly.members
    ]
    return Response(msgspec.json.encode(found), media_type=JSON, headers=HEADERS)


@cache
def _former_names() -> Mapping[str, list[str]]:
    file = resources.files("tellers_core") / "data" / "former-names.csv"
    found = defaultdict(list)
    for row in csv.DictReader(file.read_text(encoding="utf-8").splitlines()):
        found[row["iso3"]].append(row["name"])
    return found


@router.get("/v1/{chamber}/roll-calls/{roll_call}")
async def roll_call(
    request: Request, token: Recording, chamber: str, roll_call: str
) -> Response:
    """The roll call as the next command will find it, with its votes and version."""
    if chamber not in request.state.chambers:
        raise UnknownChamber(f"there is no chamber {chamber[:40]!r} here")
    loaded = fields.load(await LogWriter(request.state.redis).load(chamber, roll_call))
    if loaded is None:
        raise UnknownRollCall(f"there is no roll call {roll_call[:64]!r}")
    check_audience(token.audience, rehearsal=loaded.roll_call.roll.rehearsal)
    approvals: Approvals = request.state.approvals
    log = LogName(chamber, loaded.roll_call.roll.rehearsal)
    reader = LogReader(request.state.redis.of(chamber), log)
    is_locked = loaded.roll_call.phase is Phase.LOCKED
    shown = {
        "lock": await last_lock(reader, roll_call, loaded.seq) if is_locked else None,
        "version": loaded.version,
        "seq": loaded.seq,
        "epoch": loaded.epoch,
        "approval": _approval(await approvals.pending(Place(chamber, roll_call))),
    }
    body = msgspec.json.encode(_shown(roll_call, loaded.roll_call) | shown)
    return Response(body, media_type=JSON)


def _shown(roll_call_id: str, state: RollCall) -> dict[str, Any]:
    roll = state.roll
    return {
        "id": roll_call_id,
        "title": roll.title,
        "symbol": roll.symbol,
        "rule": state.rule,
        "phase": state.phase,
        "rehearsal": roll.rehearsal,
        "reveal": roll.reveal,
        "intentions": list(state.intentions.values()),
        "called_from": roll.called_from,
        "entitled": roll.entitled,
        "barred": roll.barred,
        "votes": state.votes,
        "required": majority(state.rule).required(state.standing),
        "outcome": outcome(state) if state.phase is Phase.CLOSED else None,
        "closing": _closing(state),
    }


def _approval(pending: Approval | None) -> dict[str, Any] | None:
    """What waits for a second person, without whose token it was."""
    if pending is None:
        return None
    return {
        "approval": pending.approval,
        "command": pending.command,
        "reason": pending.reason,
        "rule": pending.rule,
        "name": pending.name,
        "version": pending.version,
        "expires_at": pending.expires_at,
    }


def _closing(state: RollCall) -> RollCallClosed | None:
    """What closing it now would proclaim; None when it cannot be closed now."""
    try:
        (closed,) = decide(state, Close())
    except Refused:
        return None
    return closed if isinstance(closed, RollCallClosed) else None


class _Files(StaticFiles):
    """Files with the page's headers: the modules of two releases never meet."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(HEADERS)
        return response


def mount_files(app: FastAPI) -> None:
    """Serve scripts, styles and words under /console/web."""
    app.mount("/console/web", _Files(directory=WEB), name="console")
