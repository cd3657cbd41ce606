"""Frames of tellers.v1 as a gateway sends them."""

import json
from typing import Any

import msgspec

from tellers_core.tally import Held, Tally, tally
from tests.scenario import EPOCH, projected, result


def frame(op: str, **members: Any) -> bytes:
    return json.dumps({"op": op, **members}).encode()


def subscribed(seq: int = 0, epoch: str = EPOCH, **members: Any) -> bytes:
    return frame("subscribed", id=0, epoch=epoch, seq=seq, **members)


def heartbeat(seq: int = 0, epoch: str = EPOCH) -> bytes:
    return frame("heartbeat", epoch=epoch, seq=seq, at="2026-11-23T17:02:41.002Z")


def caught_up(seq: int) -> bytes:
    return frame("caught_up", id=0, seq=seq)


def a_tally(
    seq: int,
    *,
    epoch: str = EPOCH,
    roll_call: str = "es-11-1",
    held: Held | None = None,
) -> Tally:
    """A tally of the General Assembly; what it counts does not matter here."""
    painted = tally(projected(result(3, 1, 0)), epoch)
    return msgspec.structs.replace(painted, seq=seq, roll_call=roll_call, held=held)


def tally_frame(value: Tally) -> bytes:
    return frame("tally", **msgspec.to_builtins(value))


def an_event(
    seq: int, version: int | None = None, epoch: str = EPOCH
) -> dict[str, Any]:
    """An event; in a chamber's feed the version does not matter."""
    return {
        "specversion": "1.0",
        "id": f"ga-{seq:016}",
        "epoch": epoch,
        "rollcall": "es-11-1",
        "rollcallversion": seq if version is None else version,
    }


def event_frame(event: dict[str, Any]) -> bytes:
    return frame("event", seq=int(event["id"][3:]), event=event)
