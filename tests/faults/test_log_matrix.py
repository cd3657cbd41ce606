"""Every cell of {key} x {phase} x {expected version} x retry, against a small model.

The retry goes to another process, which has not seen the first.
"""

import asyncio
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import httpx
import pytest

from tellers_ingest.handler import Recorder
from tests.faults.report import Report
from tests.services.ingest import STEPS, Hall, hall

KEYS = ("none", "new", "same", "reused")
PHASES = ("missing", "scheduled", "open", "locked", "closed", "annulled")
VERSIONS = ("none", "right", "wrong")
NEVER_OPEN = ("missing", "scheduled")
# From open, where a vote could be taken first.
ONWARD = {**STEPS, "annulled": ("open", "annul")}


class Cell(NamedTuple):
    key: str
    phase: str
    version: str


class Seen(NamedTuple):
    """An answer: its status, its code or "", whether it was given before, and how many
    events were appended."""

    status: int
    code: str = ""
    replayed: bool = False
    appended: int = 0


CELLS = [
    Cell(*cell)
    for cell in itertools.product(KEYS, PHASES, VERSIONS)
    if cell[0] != "same" or cell[1] not in NEVER_OPEN  # no answer can be from before
]


def expected(cell: Cell) -> tuple[Seen, Seen]:
    """What the contract says: the answer, and that to the same request again."""
    refused = None
    if cell.key == "reused":
        refused = Seen(422, "idempotency_conflict")
    elif cell.key == "same":
        refused = Seen(201, replayed=True)
    elif cell.phase == "missing":
        refused = Seen(404, "unknown_roll_call")
    elif cell.version == "wrong":
        refused = Seen(412, "version_conflict")
    elif cell.phase != "open":
        refused = Seen(409, "not_open")
    if refused:
        return refused, refused
    if cell.key == "new":
        again = Seen(201, replayed=True)
    elif cell.version == "right":  # which it is no more
        again = Seen(412, "version_conflict")
    else:
        again = Seen(200)  # it is so already
    return Seen(201, appended=1), again


async def tried(at: Hall, number: int, cell: Cell) -> tuple[Seen, Seen]:
    """The same, as it is."""
    one, other = at.clerks
    roll_call = f"cell-{number}"
    key = {"Idempotency-Key": f"key-{number}"}
    steps: Sequence[str] = ()
    if cell.phase != "missing":
        await one.schedule(roll_call)
        steps = ONWARD[cell.phase]
    if cell.key == "reused":
        await one.schedule(f"before-{number}")
        await one.done("POST", f"/before-{number}/open", headers=key)
    version = int(cell.phase != "missing")
    for step in steps:
        version = (await one.done("POST", f"/{roll_call}/{step}"))["version"]
        if step == "open" and cell.key == "same":
            first = await one.vote("FRA", "yes", roll_call, headers=key)
            version = first.json()["version"]
    headers = {} if cell.key == "none" else dict(key)
    if cell.version != "none":
        headers["If-Match"] = f'"{version + (cell.version == "wrong")}"'

    async def seen(answer: httpx.Response, before: int) -> Seen:
        return Seen(
            answer.status_code,
            answer.json().get("code", ""),
            answer.headers.get("Idempotency-Replayed") == "true",
            await at.length() - before,
        )

    before = await at.length()
    answer = await one.vote("FRA", "yes", roll_call, headers=headers)
    first_seen = await seen(answer, before)
    before = await at.length()
    again = await other.vote("FRA", "yes", roll_call, headers=headers)
    return first_seen, await seen(again, before)


@pytest.mark.parametrize("remembering", [True, False])
async def test_f28_the_append_matrix(
    redis_url: str, report: Report, monkeypatch: pytest.MonkeyPatch, remembering: bool
) -> None:
    cells = CELLS
    if not remembering:
        cells = [cell for cell in CELLS if cell.key == "same"]

        async def forgotten(*_: object) -> None:
            return None

        monkeypatch.setattr(Recorder, "_given_before", forgotten)
    wrong = []
    asyncio.get_running_loop().set_debug(False)
    async with hall(redis_url, 2) as at:
        for number, cell in enumerate(cells):
            found = await tried(at, number, cell)
            wrong += [
                (cell, which, seen, wanted)
                for which, (seen, wanted) in enumerate(
                    zip(found, expected(cell), strict=True)
                )
                if seen != wanted
            ]
    figures = {"cells": 2 * len(cells), "wrong": len(wrong)}
    if remembering:
        report.figures("F28 append matrix", **figures)
        assert not wrong
    else:
        report.control("F28", "answers that outlive what they rest on", **figures)
        assert wrong
