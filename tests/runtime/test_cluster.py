"""Addresses of a Redis Cluster, and chambers that are configured."""

from datetime import date

import pytest
from pydantic import ValidationError
from redis.exceptions import ConnectionError as RedisConnectionError

from tellers_core.members import composed, general_assembly, security_council
from tellers_runtime.clients import Clients
from tellers_runtime.cluster import Address, ClusterUrl
from tellers_runtime.settings import ServiceSettings
from tests.servers import HOST, free_port

DAY = date(2026, 11, 27)


def test_a_url_names_nodes_and_how_to_connect() -> None:
    url = ClusterUrl.parse("redis+cluster://me:p%40ss@a:7000,[::1]:7001/0")
    assert url is not None
    assert url.seeds == (Address("a", 7000), Address("::1", 7001))
    assert url.options == {"username": "me", "password": "p@ss"}
    assert not url.tls
    secure = ClusterUrl.parse("rediss+cluster://a:7000")
    assert secure is not None
    assert secure.tls


def test_another_url_is_not_a_clusters() -> None:
    assert ClusterUrl.parse("redis://a:7000/0") is None


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("redis+cluster://a", "'a' is no node: write host:port"),
        ("redis+cluster://a:1,:2", "':2' is no node"),
        ("redis+cluster://a:7000/3", "a cluster has database 0 alone"),
    ],
)
def test_a_bad_url_is_refused_by_name(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        ClusterUrl.parse(url)


async def test_of_one_server_there_is_one_client() -> None:
    clients = Clients("redis://127.0.0.1:1/0", "test")
    assert clients.of("ga") is clients.of("sc") is clients.tokens
    assert not clients.clustered
    await clients.aclose()


async def test_a_cluster_that_is_away_is_unavailable() -> None:
    clients = Clients(f"redis+cluster://{HOST}:{free_port()}", "test")
    assert clients.of("ga") is not clients.of("sc")
    with pytest.raises(RedisConnectionError, match="no node of the cluster answers"):
        await clients.of("ga").ping()
    await clients.aclose()


def test_a_chamber_may_have_the_members_of_another() -> None:
    settings = ServiceSettings(chambers="ga, sc,first-committee=ga")
    assert settings.composition == {"ga": "ga", "sc": "sc", "first-committee": "ga"}
    assert [log.chamber for log in settings.logs][-1] == "first-committee"
    committee = composed("first-committee", "ga", DAY)
    assert committee is not None
    assert committee.codes == general_assembly().codes
    assert committee.id == "first-committee"
    assert committee.title == "first-committee (General Assembly)"
    assert composed("sc", "sc", DAY) == security_council(DAY)
    assert composed("x", "", DAY) is None


@pytest.mark.parametrize(
    ("chambers", "why"),
    [
        ("ga,mars", "write mars=MEMBERS, which is ga or sc"),
        ("ga,first=mars", "write first=MEMBERS, which is ga or sc"),
        ("GA", "'GA' is no chamber"),
        ("ga,ga", "'ga' is no chamber, or twice"),
    ],
)
def test_a_chamber_that_is_none_is_refused_by_name(chambers: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        ServiceSettings(chambers=chambers)
