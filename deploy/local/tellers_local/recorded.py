"""Recorded roll calls to be played: read, checked and named before anything is sent."""

import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import msgspec

from tellers_core.errors import BadRequest
from tellers_core.events import Figures, Vote
from tellers_core.majority import Fraction, Rule, RuleName, majority
from tellers_core.members import CHAMBER_IDS, Chamber, chamber_of
from tellers_core.recorded import Row, parse_csv
from tellers_local.failure import Failure
from tellers_runtime.clock import today

DEFAULT_RULE: Rule = "simple"
ID = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded roll call, ready to be played."""

    id: str
    title: str
    symbol: str | None
    rule: Rule
    rows: tuple[Row, ...]

    @property
    def votes(self) -> list[tuple[str, Vote]]:
        """The answers in the file's order; who was absent gave none."""
        return [(row.delegation, row.vote) for row in self.rows if row.vote is not None]

    @property
    def figures(self) -> Figures:
        """The file's own counts."""
        answers = [vote for _, vote in self.votes]
        return Figures(
            answers.count(Vote.YES), answers.count(Vote.NO), answers.count(Vote.ABSTAIN)
        )


def own_file(roll_call: str) -> Path:
    """The copy of a recorded roll call that comes with this package."""
    return Path(str(resources.files(__package__) / "recordings" / f"{roll_call}.csv"))


def _known() -> dict[str, Any]:
    file = resources.files(__package__) / "recordings" / "recordings.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def parse_rule(text: str) -> Rule:
    """A rule's name, or `{"fraction":...}`. Raises Failure naming what is allowed."""
    if not text.startswith("{"):
        if text not in get_args(RuleName):
            allowed = ", ".join(get_args(RuleName))
            raise Failure(f"{text!r} is no rule: {allowed}")
        return text  # type: ignore[return-value]  # it is one of the names
    try:
        rule = msgspec.json.decode(text, type=Fraction)
        majority(rule)
    except (msgspec.DecodeError, ValueError) as error:
        raise Failure(f"{text} is no rule: {error}") from error
    return rule


def chamber_named(name: str) -> Chamber:
    """The chamber as composed today. Raises Failure when there is none of that name."""
    chamber = chamber_of(name, today())
    if chamber is None:
        raise Failure(f"no chamber {name!r}: there are {', '.join(CHAMBER_IDS)}")
    return chamber


def load(
    files: Sequence[Path], chamber: Chamber, rule: Rule | None, roll_call: str | None
) -> list[Recording]:
    """Every recorded roll call in these files.

    Raises Failure with all bad lines of all files, each as `file:line: what`.
    """
    if roll_call is not None and len(files) > 1:
        raise Failure("--id names one roll call, so give one file with it")
    if roll_call is not None and not ID.fullmatch(roll_call):
        raise Failure(f"{roll_call!r} is no id: a-z, 0-9, dots and hyphens, at most 64")
    if rule == "security_council" and not chamber.permanent:
        raise Failure(
            f"security_council needs permanent members: {chamber.id} has none"
        )
    recordings, faults = [], []
    for file in files:
        rows, found = _read(file, chamber)
        faults += found
        if not found:
            recordings.append(_named(file, rows, chamber, rule, roll_call))
    if faults:
        raise Failure("\n".join(faults))
    return recordings


def _read(file: Path, chamber: Chamber) -> tuple[tuple[Row, ...], list[str]]:
    try:
        rows = parse_csv(file.read_bytes())
    except OSError as error:
        return (), [f"{file}: {(error.strerror or str(error)).lower()}"]
    except BadRequest as refusal:
        return (), [f"{file}:{p.where}: {p.detail}" for p in refusal.errors]
    foreign = [
        row
        for row in rows
        if row.vote is not None and row.delegation not in chamber.codes
    ]
    if not foreign:
        return rows, []
    first, others = foreign[0], len(foreign) - 1
    more = f"; nor are {others} others that vote in this file" if others else ""
    place = f"{file}:{first.line}: {first.delegation}"
    return (), [f"{place} is not a member of the {chamber.title}{more}"]


def _named(
    file: Path,
    rows: tuple[Row, ...],
    chamber: Chamber,
    rule: Rule | None,
    roll_call: str | None,
) -> Recording:
    from_file = re.sub(r"[^a-z0-9.-]+", "-", file.stem.casefold()).strip("-.")[:64]
    name = roll_call or from_file or "roll-call"
    known = _known().get(from_file, {}) if chamber.id == "ga" else {}
    return Recording(
        name,
        known.get("title", name),
        known.get("symbol"),
        rule or known.get("rule", DEFAULT_RULE),
        rows,
    )


def rule_as_json(rule: Rule) -> Any:
    """The rule as the ingest API takes it."""
    return json.loads(msgspec.json.encode(rule))
