"""`tellers key`: what people compare, and a key that is made on purpose."""

import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tellers_core.notes import VerifierKey, fingerprint
from tellers_local.cli import app
from tellers_local.failure import Failure
from tellers_runtime.signing import load_key

LOGS = ["ga", "ga/rehearsal", "sc", "sc/rehearsal"]


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SIGNING_KEY_FILE", "ORIGIN", "CHAMBERS"):
        monkeypatch.delenv(f"TELLERS_{name}", raising=False)


def key(*arguments: str | Path) -> list[str]:
    """The lines that the command prints. Raises Failure."""
    done = CliRunner().invoke(app, ["key", *map(str, arguments)])
    if isinstance(done.exception, Failure):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def told(lines: list[str]) -> dict[str, str]:
    return {line[:13].rstrip(): line[13:] for line in lines}


def vkeys(lines: list[str]) -> list[VerifierKey]:
    return [VerifierKey.parse(line.split()[1]) for line in lines if "vkey" in line]


def test_a_made_up_key_is_shown_as_one(tmp_path: Path) -> None:
    made = load_key("", tmp_path)
    lines = key("--data", tmp_path)
    public = made.verifier("any").public
    assert told(lines)["fingerprint"] == fingerprint(public)
    assert told(lines)["origin"] == "tellers.local"
    assert told(lines)["file"] == str(made.path)
    assert lines[3].startswith("made up      yes")
    assert [k.name for k in vkeys(lines)] == [f"tellers.local/{log}" for log in LOGS]
    assert {k.public for k in vkeys(lines)} == {public}


def test_where_there_is_none_yet_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="there is no signing key in"):
        key("--data", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_one_is_made_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tellers.pem"
    (line,) = key("--create", file)
    assert f"TELLERS_SIGNING_KEY_FILE={file}" in line
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    monkeypatch.setenv("TELLERS_SIGNING_KEY_FILE", str(file))
    monkeypatch.setenv("TELLERS_ORIGIN", "tellers.example")
    monkeypatch.setenv("TELLERS_CHAMBERS", "ga")
    lines = key("--data", tmp_path / "nothing")
    assert lines[3] == "made up      no"
    names = [k.name for k in vkeys(lines)]
    assert names == ["tellers.example/ga", "tellers.example/ga/rehearsal"]
    assert not (tmp_path / "nothing").exists()


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "tellers.pem"
    key("--create", file)
    before = file.read_bytes()
    with pytest.raises(Failure, match="never overwritten"):
        key("--create", file)
    assert file.read_bytes() == before
    with pytest.raises(Failure, match="cannot write"):
        key("--create", tmp_path / "nowhere" / "tellers.pem")


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("TELLERS_SIGNING_KEY_FILE", "/nowhere.pem", "/nowhere.pem cannot be read"),
        ("TELLERS_ORIGIN", "two words", "TELLERS_ORIGIN"),
    ],
)
def test_what_is_no_key_is_said_in_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    why: str,
) -> None:
    load_key("", tmp_path)
    monkeypatch.setenv(variable, value)
    with pytest.raises(Failure, match=why) as refused:
        key("--data", tmp_path)
    assert "\n" not in str(refused.value)
