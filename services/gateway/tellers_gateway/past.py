"""The past of one log: from Redis, or from the archive where Redis was trimmed."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from tellers_core.codec import decode, roll_call_of
from tellers_core.errors import CorruptHistory
from tellers_core.tally import Tally, absorb, tally
from tellers_gateway import metrics
from tellers_runtime.archive.reading import ArchiveReader, archived
from tellers_runtime.log import Entry, LogLost, LogReader

READ_AT_ONCE = 1000
Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


async def ask(
    read: Callable[Arguments, Answer],
    *arguments: Arguments.args,
    **options: Arguments.kwargs,
) -> Answer:
    """Ask the archive, in a thread of its own."""
    metrics.ARCHIVE_READS.inc()
    return await asyncio.to_thread(read, *arguments, **options)


class Past:
    """Reads back; every method raises LogLost, or what Redis or SQL raise when away."""

    def __init__(self, reader: LogReader, archive: ArchiveReader) -> None:
        self._reader = reader
        self._archive = archive

    async def check_archived(self, seq: int) -> None:
        """The last archived entry must stand in the log, unless the log was trimmed."""
        try:
            found = await self._reader.range(seq - 1, 1) if seq else []
        except LogLost:
            return
        known = await ask(self._archive.events, self._reader.log, seq - 1, 1)
        for entry, kept in zip(found, known, strict=False):
            if archived(entry.body) != archived(kept.body):
                raise LogLost(f"entry {seq} is not the one in the archive")

    async def entries_after(self, seq: int, count: int) -> list[Entry]:
        """Entries that follow `seq`, which is not the last: never none."""
        try:
            entries = await self._reader.range(seq, count)
        except LogLost:
            entries = []
        if not entries:  # trimmed: the archive has it
            log = self._reader.log
            entries = await ask(self._archive.events, log, seq, count)
        if not entries or entries[0].seq != seq + 1:
            raise LogLost(f"entry {seq + 1} is neither in the log nor in the archive")
        return entries

    async def events_of(self, roll_call: str, upto: int) -> list[Entry]:
        """All entries of one roll call up to a seq, its beginning included."""
        archived, entries = await ask(
            self._archive.events_of, self._reader.log, roll_call
        )
        after = archived
        while after < upto and (page := await self._reader.range(after, READ_AT_ONCE)):
            entries += [e for e in page if roll_call_of(e.body) == roll_call]
            after = page[-1].seq
        return [entry for entry in entries if entry.seq <= upto]

    async def touched(self, after: int, upto: int) -> set[str]:
        """The roll calls that have events in (after, upto]."""
        names: set[str | None] = set()
        while after < upto:
            count = min(READ_AT_ONCE, upto - after)
            entries = await self.entries_after(after, count)
            names |= {roll_call_of(entry.body) for entry in entries}
            after = entries[-1].seq
        return {name for name in names if name}

    async def tallies_of(
        self, roll_call: str, epoch: str, after: int, upto: int
    ) -> list[Tally]:
        """The tallies of one roll call at each of its events in (after, upto]."""
        projection = None
        found = []
        for entry in await self.events_of(roll_call, upto):
            try:
                projection = absorb(projection, decode(entry.body))
            except CorruptHistory:
                break  # held there; the tallies before it stand
            if entry.seq > after:
                found.append(tally(projection, epoch))
        return found
