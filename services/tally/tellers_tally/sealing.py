"""Signs checkpoints: the root of a log's tree at one size (docs/certificate.md).

A checkpoint is signed within the transaction that archives a closing, and from time to
time while the log grows; this module makes them, `store` writes them.
"""

import asyncio
from collections.abc import Sequence

import structlog
from sqlalchemy.exc import DBAPIError

from tellers_core.certificate import Extensions
from tellers_core.codec import LogName
from tellers_core.merkle import Frontier
from tellers_core.notes import Checkpoint, Note, to_base64
from tellers_runtime.archive.tables import CheckpointRow
from tellers_runtime.archive.trees import TreeBroken
from tellers_runtime.clock import Clock, rfc3339, utc_now
from tellers_runtime.signing import SigningKey
from tellers_runtime.together import in_thread
from tellers_tally.store import Store

SECONDS = 60.0
logger = structlog.get_logger()


class Sealer:
    """Makes signed checkpoints under one key.

    Args:
        origin: of all our logs; a log's own is `<origin>/<log>`.
    """

    def __init__(self, key: SigningKey, origin: str, clock: Clock = utc_now) -> None:
        self._key = key
        self._origin = origin
        self._clock = clock

    def seal(self, log: LogName, epoch: str, tree: Frontier) -> CheckpointRow:
        """The signed checkpoint of a log as it is."""
        origin = f"{self._origin}/{log}"
        root = tree.root()
        lines = Extensions(epoch, self._key.made_up).lines()
        text = Checkpoint(origin, tree.size, root, lines).text()
        return CheckpointRow(
            log=str(log),
            size=tree.size,
            root=to_base64(root),
            note=str(Note(text, (self._key.sign(origin, text),))),
            vkey=str(self._key.verifier(origin)),
            at=rfc3339(self._clock()),
        )


async def seal_while_leading(
    store: Store, logs: Sequence[LogName], seconds: float = SECONDS
) -> None:
    """Sign a checkpoint of each log that has grown, now and every so often, for ever.

    Raises LeaseLost.
    """
    while True:
        for log in logs:
            try:
                await in_thread(store.seal, log)
            except DBAPIError as error:
                logger.error("checkpoint.late", log=str(log), why=str(error.orig))
            except TreeBroken as error:
                logger.error("checkpoint.refused", log=str(log), why=str(error))
        await asyncio.sleep(seconds)
