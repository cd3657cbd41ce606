"""How fresh everything is, for the page /status and for people who script."""

import asyncio
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from tellers_core.certificate import Key
from tellers_gateway.hub import Hub, NotReady
from tellers_gateway.state import Hubs, ProofsDep
from tellers_runtime.archive.proofs import Signed
from tellers_runtime.clock import rfc3339, utc_now

router = APIRouter(tags=["status"])


@router.get("/status.json", summary="How fresh each chamber is, and the signing key")
async def status(request: Request, proofs: ProofsDep) -> Response:
    """`seq`: the last public event; `tally_seq`: counted so far; `held`: why not live,
    null when it is; `frozen`: whether operators froze publication. `key` is that of the
    newest checkpoint; null before the first."""
    hubs: Hubs = request.state.hubs
    chambers: dict[str, Any] = {}
    key: Key | None = None
    for log, hub in hubs.items():
        if log.rehearsal:
            continue
        newest = await asyncio.to_thread(proofs.newest, log, 1, hub.proven_seq)
        signed = newest[0] if newest else None
        chambers[log.chamber] = _chamber(hub, signed)
        if key is None and signed is not None:
            key = signed.seal.key
    body = {"at": rfc3339(utc_now()), "chambers": chambers, "key": key}
    headers = {"Cache-Control": "no-store"}
    return Response(
        msgspec.json.encode(body), headers=headers, media_type="application/json"
    )


def _chamber(hub: Hub, signed: Signed | None) -> dict[str, Any]:
    try:
        epoch, seq, tally_seq = hub.epoch, hub.head, hub.tally_seq
    except NotReady:
        epoch, seq, tally_seq = None, None, None
    checkpoint = None
    if signed is not None:
        checkpoint = {"size": signed.size, "at": signed.at, "vkey": signed.vkey}
    return {
        "epoch": epoch,
        "seq": seq,
        "tally_seq": tally_seq,
        "held": hub.trouble or None,
        "frozen": hub.frozen,
        "delay_seconds": hub.delay_seconds,
        "viewers": len(hub.feeds),
        "checkpoint": checkpoint,
    }
