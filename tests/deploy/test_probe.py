"""The container's question to its own service."""

import subprocess
import sys
from pathlib import Path

import pytest

from tellers_runtime.probe import trouble
from tellers_runtime.settings import ArchiveSettings
from tests.e2e.stack import Stack
from tests.servers import free_port


def asked(**environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tellers_runtime.probe"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_service_that_lives_and_one_that_does_not(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    with stack.redis, stack.ingest as ingest:
        port = str(ingest.port)
        done = asked(TELLERS_SERVICE="ingest", TELLERS_INGEST_PORT=port)
        assert (done.returncode, done.stderr) == (0, "")
        ingest.kill()
        done = asked(TELLERS_SERVICE="ingest", TELLERS_INGEST_PORT=port)
        assert done.returncode == 1
        assert f"no answer on port {port}" in done.stderr


def test_nobody_listens() -> None:
    assert "no answer" in trouble(free_port())


def test_a_service_that_is_none_is_refused_by_name() -> None:
    done = asked(TELLERS_SERVICE="gatway")
    assert done.returncode == 1
    assert (
        "must be one of gateway, ingest, tally, webhooks, not 'gatway'" in done.stderr
    )


def test_the_archives_password_comes_from_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "password"
    file.write_text("it's@secret\n")
    monkeypatch.setenv("TELLERS_DATABASE_PASSWORD_FILE", str(file))
    with pytest.raises(ValueError, match="PASSWORD_FILE needs TELLERS_DATABASE_URL"):
        ArchiveSettings()
    monkeypatch.setenv("TELLERS_DATABASE_URL", "postgresql+psycopg://tellers@pg/t")
    expected = "postgresql+psycopg://tellers:it%27s%40secret@pg/t"
    assert ArchiveSettings().archive_url == expected
