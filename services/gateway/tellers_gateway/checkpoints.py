"""Signed checkpoints of a log, what they prove of each other, and witnesses' signatures
under them (docs/certificate.md)."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse
from starlette.requests import ClientDisconnect

from tellers_core.certificate import Consistency, encode
from tellers_core.codec import LogName
from tellers_core.notes import (
    BadNote,
    Signature,
    VerifierKey,
    parse_note,
    to_base64,
)
from tellers_gateway.resume import MAX_SEQ
from tellers_gateway.state import HubDep, ProofsDep, SettingsDep
from tellers_runtime.archive.proofs import Cosignature, ProofReader, Signed
from tellers_runtime.problems import HttpProblem
from tellers_runtime.signing import holds

router = APIRouter(
    prefix="/v1/{chamber}/checkpoints",
    tags=["proofs"],
    responses={404: {"description": "No such checkpoint"}},
)
CACHE = "public, s-maxage=1"
MAX_LISTED = 100
MAX_NOTE_BYTES = 4096
TEXT = "text/plain; charset=utf-8"

Size = Annotated[int, Path(ge=1, le=MAX_SEQ, description="Events that it covers.")]


@router.get("", summary="Signed checkpoints, newest first")
async def checkpoints(
    hub: HubDep,
    proofs: ProofsDep,
    limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = 20,
) -> Response:
    """Keep one, and nobody can show you another past."""
    newest = await asyncio.to_thread(proofs.newest, hub.log, limit, hub.proven_seq)
    items = [
        {"size": s.size, "root": s.root, "at": s.at, "checkpoint": s.text}
        for s in newest
    ]
    body = msgspec.json.encode({"items": items})
    return _answer(body, "application/json")


@router.get(
    "/{size}",
    summary="One checkpoint, as a signed note",
    response_class=PlainTextResponse,
)
async def checkpoint(hub: HubDep, proofs: ProofsDep, size: Size) -> Response:
    """Text as c2sp.org/tlog-checkpoint has it, with all signatures."""
    found = await _find(proofs, hub.log, size)
    return _answer(found.text.encode(), TEXT)


@router.get(
    "/{size}/consistency",
    summary="The proof that the log only grew",
    responses={500: {"description": "The archive is not as it was signed"}},
)
async def consistency(
    hub: HubDep,
    proofs: ProofsDep,
    size: Size,
    old: Annotated[
        int, Query(alias="from", ge=1, le=MAX_SEQ, description="The older size.")
    ],
) -> Response:
    """The log at the older checkpoint is the beginning of that at the newer one."""
    if old > size:
        detail = f"at most {size}"
        raise HttpProblem(
            "bad_request",
            f"the log of {old} events is no beginning of that of {size}",
            errors=[{"pointer": "/query/from", "detail": detail}],
        )
    before = await _find(proofs, hub.log, old)
    after = await _find(proofs, hub.log, size)
    if before.vkey != after.vkey:
        raise HttpProblem(
            "not_found",
            f"another key signed at {old} than at {size}: no one key vouches for both",
        )
    proof = await asyncio.to_thread(proofs.consistency, hub.log, before, after)
    text, key, witnesses = after.seal
    hashes = tuple(map(to_base64, proof))
    body = encode(Consistency(before.note, text, hashes, key, witnesses))
    return _answer(body, "application/json")


@router.post(
    "/{size}/witness",
    summary="A witness signs the checkpoint too",
    response_class=PlainTextResponse,
    responses={
        403: {"description": "No signature of a witness that is named here"},
        413: {"description": f"More than {MAX_NOTE_BYTES} bytes"},
        422: {"description": "No note, or not of this checkpoint"},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
async def witness(
    request: Request, hub: HubDep, proofs: ProofsDep, settings: SettingsDep, size: Size
) -> Response:
    """The body: the checkpoint's text and the witness's signature line. The answer: the
    note with all signatures. Sent again, it changes nothing."""
    body = await _body(request)
    under = await _find(proofs, hub.log, size)
    for vkey, line in cosignatures(body, under, settings.witness_keys):
        await asyncio.to_thread(proofs.cosign, hub.log, size, vkey, line)
    found = await _find(proofs, hub.log, size)
    return Response(found.text.encode(), media_type=TEXT)


def cosignatures(
    body: bytes, under: Signed, witnesses: Sequence[VerifierKey]
) -> list[Cosignature]:
    """The witnesses' signature lines in this note. Raises HttpProblem, naming what is
    wrong, unless all of its lines are good and one is a witness's."""
    try:
        note = parse_note(body.decode())
    except UnicodeDecodeError as error:
        raise HttpProblem("bad_request", "the note is not UTF-8") from error
    except BadNote as error:
        raise _bad_line(error.line, error.detail) from error
    _must_be_ours(note.text, parse_note(under.note).text)
    known = {line for _, line in under.cosignatures} | {under.note.splitlines()[-1]}
    first = note.text.count("\n") + 2
    found = []
    for number, signature in enumerate(note.signatures, first):
        key = next((key for key in witnesses if signature.is_of(key)), None)
        if key is not None:
            _must_hold(key, note.text, signature, number)
            found.append(Cosignature(str(key), str(signature)))
        elif str(signature) not in known:
            raise _forbidden(number, f"{signature.name} with this key is no witness")
    if not found:
        raise HttpProblem("forbidden", "no signature line is a witness's")
    return found


def _must_be_ours(text: str, ours: str) -> None:
    if text == ours:
        return
    lines, known = text.split("\n"), ours.split("\n")
    for number, (line, expected) in enumerate(zip(lines, known, strict=False), 1):
        if line != expected:
            raise _bad_line(number, f"{line[:100]!r}, not {expected!r}")
    raise _bad_line(min(len(lines), len(known)), "the text is longer or shorter")


def _must_hold(key: VerifierKey, text: str, line: Signature, number: int) -> None:
    if not holds(key, text, line.value):
        raise _forbidden(number, f"the signature of {key.name} does not verify")


def _bad_line(number: int, detail: str) -> HttpProblem:
    return HttpProblem(
        "bad_request",
        f"line {number}: {detail}",
        errors=[{"line": number, "detail": detail}],
    )


def _forbidden(number: int, detail: str) -> HttpProblem:
    return HttpProblem("forbidden", f"line {number}: {detail}")


async def _find(proofs: ProofReader, log: LogName, size: int) -> Signed:
    found = await asyncio.to_thread(proofs.checkpoint, log, size)
    if found is None:
        raise HttpProblem("not_found", f"no checkpoint of {log} was signed at {size}")
    return found


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_NOTE_BYTES:
                raise HttpProblem("too_large", f"at most {MAX_NOTE_BYTES} bytes")
    except ClientDisconnect as gone:  # nobody reads the answer
        raise HttpProblem("bad_request", "the body is incomplete", status=400) from gone
    return bytes(body)


def _answer(body: bytes, media_type: str) -> Response:
    return Response(body, headers={"Cache-Control": CACHE}, media_type=media_type)
