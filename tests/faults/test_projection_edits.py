"""One field of one past event is another. F17 of the list.

What was signed is compared when the log is read as a whole, and whenever something is
proven by it; what was not signed yet is guarded by the counts alone.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import update
from sqlmodel import col

from tellers_runtime import keys
from tellers_runtime.archive.proofs import ProofReader
from tellers_runtime.archive.reading import Position
from tellers_runtime.archive.tables import EventRow, LogRow
from tellers_runtime.archive.trees import TreeBroken, leaf_of
from tellers_runtime.log import Entry
from tellers_runtime.signing import load_key
from tellers_tally.rebuild import Audit, project
from tellers_tally.sealing import Sealer
from tellers_tally.store import Store
from tests.faults.report import Report
from tests.scenario import OPENED, closed, votes
from tests.services.tallying import (
    GA,
    LEASE,
    Archive,
    Logbook,
    tallied,
    until,
)


def sqlite(folder: Path) -> str:
    return f"sqlite:///{folder}/archive.db"


class Edit(NamedTuple):
    """What was changed in which entry."""

    seq: int
    field: str
    body: bytes


def edits(log: list[Entry]) -> list[Edit]:
    """Every field of every entry changed in turn, still canonical JSON."""
    return [
        Edit(entry.seq, field, body)
        for entry in log
        for field, body in _variants(json.loads(entry.body))
    ]


def edited(entry: Entry, seq: int, body: bytes) -> Entry:
    """The entry, or its edited form if it stands at that seq."""
    return Entry(entry.seq, body) if entry.seq == seq else entry


def _variants(event: dict[str, Any]) -> list[tuple[str, bytes]]:
    found = []
    for path in _leaves(event):
        changed = json.loads(json.dumps(event))
        at = changed
        for part in path[:-1]:
            at = at[part]
        at[path[-1]] = _other(at[path[-1]])
        canonical = json.dumps(changed, sort_keys=True, separators=(",", ":"))
        found.append((".".join(map(str, path)), canonical.encode()))
    return found


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    else:
        return [path]
    return [leaf for key, each in inner for leaf in _leaves(each, (*path, key))]


def _other(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case "yes":
            return "no"
        case str():
            return value[:-1] + ("A" if value[-1:] != "A" else "B")
        case _:
            return "X"


@asynccontextmanager
async def signed_log(
    redis_url: str, folder: Path
) -> AsyncIterator[tuple[Logbook, Archive, ProofReader]]:
    """A closed roll call and one that runs, archived and under a signed checkpoint."""
    url = sqlite(folder)
    async with tallied(redis_url, url) as (log, archive, _):
        await log.append("r1", *closed(*OPENED, *votes(yes="FJI FRA", no="NOR")))
        seq = await log.append("r2", *OPENED, *votes(abstain="PER"))
        await until(lambda: archive.seq() == seq, "the archive")
    sealer = Sealer(load_key("", folder), "tellers.test")
    with Archive(url) as archive:
        store = Store(archive.engine, LEASE, "sealer", sealer.seal)
        store.take_by_force()
        store.seal(GA)
        async with Logbook(redis_url) as log:
            yield log, archive, ProofReader(archive.engine)


async def reads_wrong(log: Logbook, position: Position, roots: dict[int, bytes]) -> str:
    """Who notices when the log is read again from its beginning; "" when nobody."""
    audit = Audit(GA, roots)
    try:
        batch = await project(log.reader, position, audit.take)
    except TreeBroken:
        return "checkpoint"
    return "count" if any(tally.held for tally in batch.tallies.values()) else ""


async def rewrite(log: Logbook, entries: list[Entry]) -> None:
    """Put this in the log's place, as somebody with Redis' password could."""
    stream = keys.events(GA)
    pipe = log.redis.pipeline(transaction=True)
    pipe.delete(stream)
    for seq, body in entries:
        pipe.xadd(stream, {"e": body}, id=f"{seq}-0")
    await pipe.execute()


async def found_in_redis(
    log: Logbook, archive: Archive, roots: dict[int, bytes]
) -> Counter[str]:
    """Each edit in turn, in the log; who noticed."""
    true = await log.entries()
    row = archive.rows(LogRow)[0]
    position = Position(row["epoch"], row["seq"])
    by: Counter[str] = Counter()
    for seq, _, body in edits(true):
        await rewrite(log, [edited(e, seq, body) for e in true])
        by[await reads_wrong(log, position, roots)] += 1
    await rewrite(log, true)
    assert await reads_wrong(log, position, roots) == ""
    return by


def found_in_archive(
    true: list[Entry], archive: Archive, proofs: ProofReader
) -> Counter[str]:
    """Each edit in turn, in the archive; who noticed when a certificate was made."""
    (signed,) = proofs.newest(GA, 1)

    def write(seq: int, body: bytes) -> None:
        changed = update(EventRow).where(col(EventRow.seq) == seq)
        with archive.engine.begin() as connection:
            connection.execute(changed.values(body=body.decode()))

    def proven() -> str:
        rows = archive.rows(EventRow)
        leaves = {
            row["seq"] - 1: leaf_of(GA, row["seq"], row["body"].encode())
            for row in rows
        }
        try:
            proofs.inclusion(GA, signed, leaves)
        except TreeBroken:
            return "checkpoint"
        return ""

    by: Counter[str] = Counter()
    for seq, _, body in edits(true):
        write(seq, body)
        by[proven()] += 1
        write(seq, true[seq - 1].body)
    assert proven() == ""
    return by


async def test_f17_no_field_of_the_past_can_be_edited_unnoticed(
    redis_url: str, tmp_path: Path, report: Report
) -> None:
    async with signed_log(redis_url, tmp_path) as (log, archive, proofs):
        in_redis = await found_in_redis(log, archive, proofs.roots(GA))
        in_archive = found_in_archive(await log.entries(), archive, proofs)
        for where, by in (("log", in_redis), ("archive", in_archive)):
            report.figures(
                f"F17 edit, {where}",
                changed=by.total(),
                detected=by.total() - by[""],
                by_checkpoint=by["checkpoint"],
            )
            assert by[""] == 0
            assert by.total() >= 150


async def test_f17_control_without_a_signed_checkpoint(
    redis_url: str, tmp_path: Path, report: Report
) -> None:
    """What has not been signed yet is guarded by the counts alone: a vote that is
    changed into another is just another vote."""
    async with signed_log(redis_url, tmp_path) as (log, archive, _):
        by = await found_in_redis(log, archive, {})
    report.control(
        "F17 edit, log",
        "checkpoints",
        changed=by.total(),
        detected=by["count"],
    )
    assert by[""] > 0
