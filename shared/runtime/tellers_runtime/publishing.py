"""What operators say about publication, kept in a stream beside the log (ADR 26).

An entry has `p` (the publication, JSON), `seq` (the log's head when it was said) and
`public` (everything up to there is public, whatever the delay). The last one is so; the
ones before it are the trail of who froze and released.
"""

from collections.abc import Callable
from importlib import resources
from typing import Any

from redis.asyncio import Redis

from tellers_core.codec import LogName
from tellers_core.publication import Publication, encode_publication
from tellers_runtime import keys
from tellers_runtime.log import (
    IDEMPOTENCY_SECONDS,
    Duplicate,
    KeyReused,
    LogLost,
    LogReader,
)

MAX_TRIES = 20


class PublicationDesk:
    """Says what is published of the logs of all chambers."""

    def __init__(self, redis: "Redis") -> None:
        source = resources.files(__package__).joinpath("publish.lua").read_text()
        self._redis = redis
        self._script = redis.register_script(source)

    async def now(self, log: LogName) -> Publication:
        """What is so. Raises LogLost when it is not understood."""
        said = await LogReader(self._redis, log).said()
        return said.publication if said else Publication()

    async def say(
        self,
        log: LogName,
        change: Callable[[Publication], tuple[Publication, bool]],
        answer: Callable[[Publication], bytes],
        digest: str = "",
        fingerprint: str = "",
    ) -> Publication | Duplicate | KeyReused:
        """Say what `change` makes of what is so; nothing when that is the same.

        Args:
            change: what is so afterwards, and whether all that is in the log by then is
                public at once.
            answer: what is kept for a repetition under the same idempotency key.

        Raises LogLost, or what Redis raises: then the same key may be sent again.
        """
        for _ in range(MAX_TRIES):
            said = await LogReader(self._redis, log).said()
            before = said.publication if said else Publication()
            after, all_public = change(before)
            reply = await self._run(
                log,
                digest,
                [
                    fingerprint,
                    IDEMPOTENCY_SECONDS,
                    answer(after),
                    said.place if said else "",
                    encode_publication(after) if after != before else "",
                    "head" if all_public else "same",
                ],
            )
            match reply:
                case [b"OK"]:
                    return after
                case [b"DUP", kept]:
                    return Duplicate(kept)
                case [b"IDEM_CONFLICT"]:
                    return KeyReused()
                case [b"STALE"]:
                    continue
                case _:
                    raise LogLost(f"publication: {reply!r}")
        raise LogLost(f"lost {MAX_TRIES} races for the publication of {log}")

    async def _run(self, log: LogName, digest: str, arguments: list[Any]) -> Any:
        names = [
            keys.public(log),
            keys.meta(log),
            keys.idempotency(log.chamber, digest),
        ]
        return await self._script(keys=names, args=arguments)
