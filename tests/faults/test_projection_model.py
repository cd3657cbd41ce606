"""The whole system against a sheet of paper, both through HTTP. F26 of the list."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tellers_core.events import Figures
from tellers_core.majority import Fraction
from tellers_core.roll_call import (
    Annul,
    CastVote,
    CastVotes,
    Close,
    Command,
    Lock,
    Open,
    RecordIntention,
    SwitchRule,
    Unlock,
    WithdrawVote,
)
from tests import strategies
from tests.core.test_properties import Model
from tests.e2e.stack import Clerk, Stack
from tests.faults.report import FULL, Report, size
from tests.scenario import SIX
from tests.servers import wait_until
from tests.strategies import BARRED


class System:
    """Commands to ingest, and what the gateway shows; one roll call after another."""

    numbers: ClassVar[Iterator[int]] = itertools.count(1)

    def __init__(self, clerk: Clerk, gateway: httpx.Client) -> None:
        self.steps = self.examples = 0
        self._clerk = clerk
        self._gateway = gateway
        self._name = ""
        self._version = 0

    def begin(self) -> None:
        """A new roll call of six, one of them barred, and opened."""
        self.examples += 1
        self._name = f"model-{next(self.numbers)}"
        roll: dict[str, Any] = {
            "entitled": SIX[:-1],
            "barred": {BARRED: "Charter Article 19"},
        }
        self._clerk.open(self._name, rule="simple", **roll)
        self._version = 2

    def put(self, command: Command) -> str | None:
        """The code of the refusal; None when it was done."""
        self.steps += 1
        method, path, body = _request(command)
        path = f"/v1/ga/roll-calls/{self._name}/{path}"
        answer = self._clerk.http.request(method, path, json=body)
        if answer.is_success:
            self._version = answer.json()["version"]
            return None
        code: str = answer.json()["code"]
        assert answer.status_code < 500, answer.text
        return code

    def shown(self) -> dict[str, Any]:
        """The roll call in full, as the gateway shows it when it is up to date."""
        path = f"/v1/ga/roll-calls/{self._name}"
        found: dict[str, Any] = {}

        def is_there() -> bool:
            answer = self._gateway.get(path)
            found.update(answer.json() if answer.is_success else {})
            return bool(found) and found["version"] >= self._version

        wait_until(is_there, 60, f"version {self._version} of {path}")
        return found


def _request(command: Command) -> tuple[str, str, Any]:
    match command:
        case CastVote(code, vote):
            return "PUT", f"votes/{code}", {"vote": vote}
        case WithdrawVote(code):
            return "DELETE", f"votes/{code}", None
        case CastVotes(votes):
            lines = [{"delegation": v.delegation, "vote": v.vote} for v in votes]
            return "POST", "votes", {"votes": lines}
        case Close(announced):
            given = announced and dict(zip(FIGURES, _values(announced), strict=True))
            return "POST", "close", {"announced": given} if given else {}
        case SwitchRule(asked):
            return "POST", "rule", {"rule": _rule(asked)}
        case RecordIntention(code, vote, note):
            body = {"delegation": code, "vote": vote, "note": note}
            return "POST", "intentions", body
        case _:
            return "POST", type(command).__name__.lower(), {}


FIGURES = ("yes", "no", "abstain")


def _values(figures: Figures) -> tuple[int, ...]:
    return figures.yes, figures.no, figures.abstain


def _rule(asked: Any) -> Any:
    if not isinstance(asked, Fraction):
        return asked
    return {"fraction": asked.fraction, "of": asked.of, "strict": asked.strict}


# The Assembly has no permanent members; an empty batch is no batch.
rules = strategies.rules.filter(lambda asked: asked != "security_council")
notes = st.none() | st.sampled_from(["late", "an error"])
commands: st.SearchStrategy[Command] = st.one_of(
    strategies.casts,
    st.builds(CastVote, strategies.anybody, strategies.votes),
    st.builds(WithdrawVote, strategies.anybody),
    strategies.batches().filter(lambda batch: bool(batch.votes)),
    st.sampled_from([Lock(), Unlock(), Close(), Close(Figures(1, 0, 0)), Open()]),
    st.builds(SwitchRule, rules),
    st.builds(RecordIntention, strategies.anybody, strategies.votes, notes),
)


class TheSystemAgreesWithASheetOfPaper(RuleBasedStateMachine):
    """Any commands in any order through HTTP: same refusals, same votes and figures."""

    system: ClassVar[System]
    paper_kind: ClassVar[type[Model]] = Model

    def __init__(self) -> None:
        super().__init__()
        self.put_so_far = 0
        self.system.begin()
        self.paper = self.paper_kind(
            phase="open", rule="simple", votes={}, intentions={}
        )

    def put(self, command: Command) -> None:
        self.put_so_far += 1
        assert self.system.put(command) == self.paper.step(command), command

    @rule(command=commands)
    def any_command(self, command: Command) -> None:
        self.put(command)

    @rule(code=strategies.entitled, vote=strategies.votes)
    def a_delegation_answers(self, code: str, vote: Any) -> None:
        self.put(CastVote(code, vote))

    @precondition(lambda self: self.put_so_far > 20)
    @rule(end=st.sampled_from([Annul(), Close()]))
    def it_ends(self, end: Command) -> None:
        self.put(Lock())
        self.put(end)

    @precondition(lambda self: self.put_so_far > 15)
    @rule()
    def the_right_figures_are_announced(self) -> None:
        self.put(Lock())
        self.put(Close(Figures(*self.paper.figures())))

    def teardown(self) -> None:
        shown, paper = self.system.shown(), self.paper
        counts = shown["counts"]
        assert tuple(counts[name] for name in FIGURES) == paper.figures()
        assert shown["phase"] == paper["phase"]
        assert shown["verdict"]["rule"] == _rule(paper["rule"])
        assert shown["confirmed"]
        votes = {line["delegation"]: line["vote"] for line in shown["votes"]}
        assert votes == paper["votes"]
        said = {i["delegation"]: (i["vote"], i["note"]) for i in shown["intentions"]}
        assert said == paper["intentions"]


class LockedIsOpen(Model):
    """One rule of the paper is another: votes are taken while locked, too."""

    def step(self, command: Command) -> str | None:
        locked = self["phase"] == "locked"
        if locked and isinstance(command, CastVote | WithdrawVote | CastVotes):
            return self.answer(command)
        return super().step(command)


class Flipped(TheSystemAgreesWithASheetOfPaper):
    """Soon at the rule that is another."""

    paper_kind = LockedIsOpen

    def __init__(self) -> None:
        super().__init__()
        self.put(Lock())

    def teardown(self) -> None:
        """Only what was answered."""


@contextmanager
def system(folder: Path) -> Iterator[System]:
    with (
        Stack(folder) as stack,
        httpx.Client(base_url=stack.gateway_url, timeout=10, verify=False) as gateway,
    ):
        clerk = stack.clerk()
        with clerk.http:
            yield System(clerk, gateway)


def quick(examples: int, steps: int) -> settings:
    """No shrinking: a difference of the whole system is looked at as it came."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        database=None,
        deadline=None,
    )


def test_f26_the_system_agrees_with_a_sheet_of_paper(
    tmp_path: Path, report: Report
) -> None:
    machine = TheSystemAgreesWithASheetOfPaper
    with system(tmp_path) as machine.system:
        run_state_machine_as_test(machine, settings=quick(size(8, 600), size(25, 60)))
        found = machine.system
        report.figures(
            "F26 model", examples=found.examples, steps=found.steps, diverged=0
        )
        if FULL:
            assert found.examples >= 500
            assert found.steps >= 20_000

        flipped = Flipped.system = System(found._clerk, found._gateway)
        with pytest.raises(AssertionError, match="not_open"):
            run_state_machine_as_test(Flipped, settings=quick(500, 50))
        report.control(
            "F26 model",
            "one rule (votes while locked)",
            steps=flipped.steps,
            diverged=1,
        )
