"""Logs on a Redis Cluster: a node is killed while eight chambers vote."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tellers_core.codec import LogName
from tellers_local.embedded import MULTI_PART, find_server
from tellers_runtime.clients import Clients
from tellers_runtime.log import LogWriter
from tests.faults.clusters import Cluster
from tests.faults.report import Report, size
from tests.faults.writers import Kept, Ledger, begin, kept, until, write

CHAMBERS = 8
EACH = size(20, 500)  # commands acknowledged in each chamber, before and after

pytestmark = pytest.mark.skipif(
    find_server().version < MULTI_PART, reason="cluster-port came with Redis 7"
)
Ledgers = Mapping[str, Ledger]


async def each_more(ledgers: Ledgers, count: int, chambers: Sequence[str] = ()) -> None:
    """Until each of these chambers (all, if none is named) has so many more."""
    wanted = {
        name: len(ledgers[name].acked) + count for name in chambers or tuple(ledgers)
    }
    await until(
        lambda: all(len(ledgers[name].acked) >= many for name, many in wanted.items()),
        f"{count} more in each chamber",
    )


async def killed(cluster: Cluster, ledgers: Ledgers) -> None:
    """A replica loses touch, then its primary is killed; the replica takes over, and
    the old primary comes back to follow it."""
    first = next(iter(ledgers))
    primary, replica = await asyncio.to_thread(cluster.pair_of, first)
    hit = [
        name
        for name in ledgers
        if (await asyncio.to_thread(cluster.pair_of, name))[0] is primary
    ]
    spared = [name for name in ledgers if name not in hit]
    assert hit
    assert spared
    await asyncio.to_thread(replica.keep_from_primary)
    # What is acknowledged now, the replica will never have.
    before = sum(len(ledgers[name].acked) + ledgers[name].in_vain for name in hit)
    await until(
        lambda: (
            sum(len(ledgers[n].acked) + ledgers[n].in_vain for n in hit)
            >= before + 2 * len(hit)
        ),
        "answers meanwhile",
    )
    primary.kill()
    await each_more(ledgers, EACH, spared)  # the others do not even notice
    await until(lambda: replica.leads, "the replica to lead")
    replica.let_to_primary()
    await asyncio.to_thread(primary.start)
    await asyncio.to_thread(cluster.until_in_step, primary)


async def trial(cluster: Cluster, prefix: str, replicas: int) -> tuple[Ledgers, Kept]:
    """Eight chambers through it; what they were told, and what became of it."""
    names = await asyncio.to_thread(cluster.spread, prefix, CHAMBERS)
    for name in names:
        with cluster.client_of(name) as client:
            begin(client, LogName(name))
    ledgers = {name: Ledger() for name in names}
    clients = Clients(cluster.url, "writers", writing=True)
    writer = LogWriter(clients, replicas)
    tasks = [
        asyncio.create_task(write(writer, ledger, "w", log=LogName(name)))
        for name, ledger in ledgers.items()
    ]
    try:
        await each_more(ledgers, EACH)
        await killed(cluster, ledgers)
        await each_more(ledgers, EACH)
        assert not any(task.done() for task in tasks), "a writer gave up"
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        await clients.aclose()
    for end in ended:
        if not isinstance(end, asyncio.CancelledError) and end is not None:
            raise end
    found = []
    for name, ledger in ledgers.items():
        with cluster.client_of(name) as client:
            found.append(kept(client, ledger, LogName(name)))
    return ledgers, Kept(*map(sum, zip(*found, strict=True)))


def figures(ledgers: Ledgers, found: Kept) -> dict[str, int]:
    return {
        "chambers": len(ledgers),
        "acked": sum(len(ledger.acked) for ledger in ledgers.values()),
        "refused": sum(ledger.in_vain for ledger in ledgers.values()),
        **found._asdict(),
    }


async def test_f29_a_node_of_the_cluster_is_killed(
    tmp_path: Path, report: Report
) -> None:
    asyncio.get_running_loop().set_debug(False)  # a stack for each callback is too slow
    with Cluster(tmp_path) as cluster:
        ledgers, found = await trial(cluster, "a", replicas=1)
        report.figures("F29 cluster, primary killed", **figures(ledgers, found))
        heedless, lost = await trial(cluster, "b", replicas=0)
        report.control("F29 cluster", "WAIT", **figures(heedless, lost))
    assert found == Kept(lost=0, dup=0, gaps=0)
    assert any(ledger.in_vain for ledger in ledgers.values())
    assert lost.lost > 0
