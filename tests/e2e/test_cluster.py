"""The whole system on a Redis Cluster, while primaries and replicas change places."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tellers_local.data_dir import DataDir
from tellers_local.embedded import MULTI_PART, find_server
from tellers_local.failure import Failure
from tellers_local.maintenance import backup, restore
from tellers_runtime.log import connect
from tellers_runtime.tokens import Scope, TokenStore
from tests.e2e.stack import Clerk, Service, Stack
from tests.faults.clusters import Cluster
from tests.servers import wait_until

CHAMBERS = "ga,sc,first=ga,second=ga"
NAMES = ("ga", "sc", "first", "second")
VOTES = (("FRA", "yes"), ("GBR", "no"), ("CHN", "abstain"))
PATIENCE = 30.0

pytestmark = pytest.mark.skipif(
    find_server().version < MULTI_PART, reason="cluster-port came with Redis 7"
)


class ClusterStack(Stack):
    """The system as ever; the log is in a cluster that somebody else runs."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self._cluster = cluster
        super().__init__(
            folder,
            settings={"TELLERS_CHAMBERS": CHAMBERS, "TELLERS_REPLICAS": "1"},
        )

    def service(self, name: str, port: int | None = None, **settings: str) -> Service:
        service = super().service(name, port, **settings)
        service._env["TELLERS_REDIS_URL"] = self._cluster.url
        return service

    async def _new_token(self) -> str:
        redis = connect(self._cluster.url, "tests")
        try:
            return await TokenStore(redis).create("tests", [Scope.ADMIN])
        finally:
            await redis.aclose()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path / "cluster") as cluster:
        yield cluster


def counts(stack: Stack, chamber: str) -> dict[str, int] | None:
    answer = httpx.get(
        f"{stack.gateway_url}/v1/{chamber}/roll-calls/one/tally", verify=False
    )
    if not answer.is_success or answer.json().get("held"):
        return None
    found: dict[str, int] = answer.json()["counts"]
    return {name: found[name] for name in ("yes", "no", "abstain")}


def until_counted(stack: Stack, chamber: str) -> None:
    expected = {"yes": 1, "no": 1, "abstain": 1}
    what = f"the tally of {chamber}"
    wait_until(lambda: counts(stack, chamber) == expected, PATIENCE, what)


def patiently(clerk: Clerk, chamber: str, delegation: str, vote: str) -> None:
    """As a console does it: until it is taken."""

    def taken() -> bool:
        path = f"/v1/{chamber}/roll-calls/one/votes/{delegation}"
        answer = clerk.http.put(path, json={"vote": vote})
        assert answer.is_success or answer.json()["code"] == "log_unavailable"
        return answer.is_success

    wait_until(taken, PATIENCE, f"{chamber} to take a vote")


def test_votes_in_four_chambers_while_their_nodes_change(
    tmp_path: Path, cluster: Cluster
) -> None:
    with ClusterStack(tmp_path, cluster) as stack:
        clerk = stack.clerk()
        with clerk.http:
            for chamber in NAMES:
                clerk.open("one", chamber, rule="simple")
                clerk.vote("one", *VOTES[0], chamber)
            pids = [service.pid for service in stack.services]
            for primary, replica in {cluster.pair_of(chamber) for chamber in NAMES}:
                # Planned: whoever waits in a blocking read is sent away (UNBLOCKED).
                replica.asked("CLUSTER FAILOVER")
                cluster.until_leads(replica)
                cluster.until_in_step(primary)
            for chamber in NAMES:
                for delegation, vote in VOTES[1:]:
                    patiently(clerk, chamber, delegation, vote)
        for chamber in NAMES:
            until_counted(stack, chamber)
        stack.wait_ready()
        # Nobody had to be started again for it.
        assert [service.pid for service in stack.services] == pids
        assert all(service.running for service in stack.services)


def test_what_works_on_one_redis_alone_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELLERS_REDIS_URL", "redis+cluster://127.0.0.1:1")
    with pytest.raises(Failure, match="tellers restore works on one Redis"):
        restore(DataDir(tmp_path / "data"))
    with pytest.raises(Failure, match="tellers backup works on one Redis"):
        backup(DataDir(tmp_path / "data"), tmp_path / "file")
    assert not (tmp_path / "file").exists()
