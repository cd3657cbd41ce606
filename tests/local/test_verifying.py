"""`tellers verify` as a user meets it: with nothing running, and nobody asked."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tellers_core.codec import LogName
from tellers_core.events import (
    Figures,
    RollCallClosed,
    RollCallOpened,
    Vote,
    VoteWithdrawn,
)
from tellers_core.notes import fingerprint
from tellers_local.verifying import verify_file
from tests.certificates import (
    COSIGNER,
    OURS,
    STRANGER,
    WITNESS,
    Log,
    Signer,
    as_json,
    make_certificate,
    make_consistency,
    make_inclusion,
)
from tests.local.test_commands import refusal, tellers
from tests.scenario import closed, opened, scheduled, votes

FINGERPRINT = make_certificate()["key"]["fingerprint"]
Output = pytest.CaptureFixture[str]


def saved(folder: Path, value: Any) -> Path:
    file = folder / "es-11-1.json"
    file.write_text(json.dumps(value))
    return file


def said(capsys: Output, folder: Path, value: Any, key: str | None = None) -> str:
    """What is said of a valid file."""
    assert verify_file(saved(folder, value), key) == 0
    said, warned = capsys.readouterr()
    assert not warned
    return said


def objection(capsys: Output, file: Path, key: str | None = None) -> str:
    """The sentence about a file that cannot be read."""
    assert verify_file(file, key) == 2
    said, warned = capsys.readouterr()
    assert not said
    return warned


# ---- as a process


def test_a_valid_certificate_exits_0(tmp_path: Path) -> None:
    done = tellers("verify", saved(tmp_path, make_certificate()))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("VALID ")


def test_an_invalid_certificate_exits_1_and_says_what_differs(tmp_path: Path) -> None:
    value = make_certificate()
    value["tally"]["counts"]["yes"] = 142
    done = tellers("verify", saved(tmp_path, value))
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines()[1:] == ["  /tally/counts/yes is 142, should be 141"]


def test_a_certificate_of_another_key_exits_1(tmp_path: Path) -> None:
    forged = saved(tmp_path, make_certificate(signer=STRANGER))
    assert tellers("verify", forged).returncode == 0  # nobody said which key
    done = tellers("verify", forged, "--key", FINGERPRINT)
    assert done.returncode == 1
    assert "/key/fingerprint" in done.stdout


def test_a_file_that_is_not_there_exits_2(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere.json"
    assert refusal(2, "verify", nowhere) == (
        f"cannot read {nowhere}: No such file or directory"
    )


def test_nobody_is_asked(tmp_path: Path) -> None:
    """From the start of the process to its end not one socket is made."""
    watched = (
        "import sys\n"
        "def hook(event, arguments):\n"
        "    if event.startswith('socket.'):\n"
        "        print(event, file=sys.stderr); sys.stderr.flush()\n"
        "        raise RuntimeError('the network is asked')\n"
        "sys.addaudithook(hook)\n"
        "from tellers_local.cli import main\n"
        "main()\n"
    )

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", watched, *map(str, arguments)],
            cwd=tmp_path,
            env={"PATH": os.defpath},
            capture_output=True,
            text=True,
            timeout=55,
            check=False,
        )

    done = run("verify", saved(tmp_path, make_certificate()))
    assert (done.returncode, done.stderr) == (0, "")
    # The hook sees what does ask: `watch` makes a socket.
    asked = run("watch", "es-11-1", "--gateway", "http://127.0.0.1:9")
    assert asked.returncode != 0
    assert "socket." in asked.stderr


# ---- what is said


def test_the_result_on_one_screen(tmp_path: Path, capsys: Output) -> None:
    value = make_certificate(witnesses=(WITNESS, COSIGNER))
    text = said(capsys, tmp_path, value)
    lines = [line.strip() for line in text.splitlines()]
    assert lines == [
        f"VALID    {tmp_path}/es-11-1.json",
        "roll call  es-11-1, chamber ga",
        "A/ES-11/L.1: Aggression against Ukraine",
        "result     141-5-35 (yes-no-abstain), 12 not voting",
        "two thirds: adopted (141 >= 2 x 5)",
        "closed     2026-11-23T17:02:41.002Z, event 188",
        "recomputed everything, from 185 events",
        "in the log tellers.local/ga of 192 events, epoch k3v9",
        f"root {value['checkpoint'].splitlines()[2]}",
        f"signed by  {FINGERPRINT}",
        "a key made up on first start",
        "compare it with the key you know, or give it with --key",
        f"witnesses  {fingerprint_of(WITNESS)}",
        f"{fingerprint_of(COSIGNER)}, at 2026-11-18T11:06:40Z",
    ]
    assert len(lines) <= 24


def fingerprint_of(witness: Signer) -> str:
    return f"{witness.name} {fingerprint(witness.key.public)}"


@pytest.mark.parametrize("key", [FINGERPRINT, str(OURS.key), f" {FINGERPRINT}\n"])
def test_the_key_that_was_asked_for(tmp_path: Path, capsys: Output, key: str) -> None:
    text = said(capsys, tmp_path, make_certificate(made_up=False), key)
    assert "the key you asked for" in text
    assert "made up" not in text
    assert "compare it" not in text


def test_a_rehearsal_is_said_to_be_one(tmp_path: Path, capsys: Output) -> None:
    name = LogName("ga", rehearsal=True)
    log = Log(name, signer=Signer(f"tellers.local/{name}", b"the log's"))
    log.write(*closed(scheduled(rehearsal=True), RollCallOpened(), *votes(yes="FJI")))
    assert "REHEARSAL" in said(capsys, tmp_path, as_json(log.certificate()))
    assert "REHEARSAL" in said(capsys, tmp_path, as_json(log.inclusion(log.entries[2])))
    assert "REHEARSAL" not in said(capsys, tmp_path, make_certificate())


def test_announced_figures_are_said(tmp_path: Path, capsys: Output) -> None:
    *before, end = closed(*opened(), *votes(yes="FJI"))
    assert isinstance(end, RollCallClosed)
    announced = RollCallClosed(end.counts, end.outcome, Figures(1, 0, 0))
    text = said(capsys, tmp_path, make_certificate((*before, announced)))
    assert "announced  1-0-0" in text


def test_a_vote_in_the_log(tmp_path: Path, capsys: Output) -> None:
    text = said(capsys, tmp_path, make_inclusion("FRA"))
    assert "vote       FRA: yes" in text
    assert "later events may follow it" in text


def test_a_vote_taken_back(tmp_path: Path, capsys: Output) -> None:
    withdrawn = VoteWithdrawn("FJI", Vote.YES)
    log = Log().write(*opened(), *votes(yes="FJI"), withdrawn)
    text = said(capsys, tmp_path, as_json(log.inclusion(log.entries[-1])))
    assert "FJI: taken back" in text


def test_an_event_that_is_no_vote(tmp_path: Path, capsys: Output) -> None:
    log = Log().write(*opened())
    text = said(capsys, tmp_path, as_json(log.inclusion(log.entries[-1])))
    assert "roll_call.opened, event 2" in text


def test_a_log_that_only_grew(tmp_path: Path, capsys: Output) -> None:
    text = said(capsys, tmp_path, make_consistency(64))
    assert "of 64 events is the beginning of the log of 192 events" in text


def test_many_differences_stay_on_one_screen(tmp_path: Path, capsys: Output) -> None:
    value = make_certificate()
    value["tally"] = {str(number): number for number in range(30)}
    assert verify_file(saved(tmp_path, value), None) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert lines[-1].strip().endswith("more differences")


def test_long_lines_are_cut(tmp_path: Path, capsys: Output) -> None:
    value = make_certificate()
    value["checkpoint"] = value["checkpoint"].replace("192", "9" * 99999)
    value["n" * 99999] = "v" * 99999
    assert verify_file(saved(tmp_path, value), None) == 1
    del value["n" * 99999]
    assert verify_file(saved(tmp_path, value), None) == 1
    assert max(map(len, capsys.readouterr().out.splitlines())) < 800


def test_nothing_in_a_file_steers_the_terminal(tmp_path: Path, capsys: Output) -> None:
    nasty = "\x1b[2J\x9b31m\u202e\u2028\r\nVALID"
    value = make_certificate()
    value["tally"]["title"] = nasty
    value[nasty] = nasty
    value["checkpoint"] = nasty + value["checkpoint"]
    assert verify_file(saved(tmp_path, value), None) == 1
    value = make_certificate(closed(scheduled(title=nasty), RollCallOpened()))
    assert "\\u001b[2J" in said(capsys, tmp_path, value)
    odd = tmp_path / f"a{nasty.replace('/', '')}.json"
    assert verify_file(odd, None) == 2
    out, err = capsys.readouterr()
    assert all(line.isprintable() for line in (out + err).split("\n"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no JSON"),
        ("{}", "no type known here"),
        ('{"type":"org.tellers.certificate.v2"}', "certificate.v2"),
    ],
)
def test_what_cannot_be_read(
    tmp_path: Path, capsys: Output, text: str, says: str
) -> None:
    file = tmp_path / "file.json"
    file.write_text(text)
    assert says in objection(capsys, file)


def test_a_folder_cannot_be_read(tmp_path: Path, capsys: Output) -> None:
    assert "Is a directory" in objection(capsys, tmp_path)


def test_an_endless_file_is_not_read_to_its_end(capsys: Output) -> None:
    assert "more than 16 MiB" in objection(capsys, Path("/dev/zero"))


def test_what_is_no_key(tmp_path: Path, capsys: Output) -> None:
    file = saved(tmp_path, make_certificate())
    assert "--key: neither a fingerprint" in objection(capsys, file, "nonsense")
