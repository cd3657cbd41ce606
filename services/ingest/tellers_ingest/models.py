"""The bodies of commands as they arrive: shape first, then sense.

Strict types, no unknown fields, every fault named by its JSON pointer. What can be said
without the roll call is said here; the rest is the core's business.
"""

import unicodedata
from collections.abc import Callable, Iterable
from typing import Annotated, Literal, TypeVar

import msgspec
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from tellers_core.codec import LogName
from tellers_core.errors import BadRequest, Problem
from tellers_core.events import Figures, Reveal, RollCallScheduled, Vote
from tellers_core.majority import NAMED, Fraction, Rule, majority
from tellers_core.members import Chamber
from tellers_core.publication import MAX_DELAY_SECONDS
from tellers_core.recorded import MAX_ROWS
from tellers_runtime.problems import HttpProblem, pointer

# No body of ours has so many faults; who sends more is not helped by a longer list.
MAX_FAULTS = 1000
ROLL_CALL_ID = r"^[a-z0-9][a-z0-9.-]{0,63}$"
DELEGATION = r"^[A-Z]{3}$"
RULES = (*NAMED, "security_council")
# Invisible, and pasted from elsewhere unnoticed: left out. Soft hyphen, marks of
# direction, zero-width space, word joiner, byte order mark.
_LEFT_OUT = dict.fromkeys(map(ord, "\xad\u061c\u200b\u200e\u200f\u2060\ufeff"))
# Whatever else cannot be seen is refused: control characters, line separators, and
# what turns the direction of a text, which could show another one than is stored.
_REFUSED = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
# Letters of Persian and of Indian languages are joined, or not, by these two.
_JOINERS = "\u200c\u200d"


class Body(BaseModel):
    """A JSON object with exactly these fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _fault(detail: str) -> PydanticCustomError:
    # A literal template: braces in what people send must not be filled in.
    return PydanticCustomError("tellers", "{detail}", {"detail": detail})


def _text(least: int, most: int) -> Callable[[str], str]:
    def normalised(text: str) -> str:
        text = text.translate(_LEFT_OUT)
        for letter in text:
            hidden = unicodedata.category(letter) in _REFUSED
            if hidden and letter not in _JOINERS:
                raise _fault(f"has the control character U+{ord(letter):04X}")
        text = unicodedata.normalize("NFC", text.strip())
        if not least <= len(text) <= most:
            raise _fault(f"must have {least} to {most} characters, it has {len(text)}")
        return text

    return normalised


def _schema(least: int, most: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "minLength": least, "maxLength": most})


Title = Annotated[str, AfterValidator(_text(1, 500)), _schema(1, 500)]
Symbol = Annotated[str, AfterValidator(_text(0, 64)), _schema(0, 64)]
Reason = Annotated[str, AfterValidator(_text(1, 500)), _schema(1, 500)]
Note = Annotated[str, AfterValidator(_text(0, 500)), _schema(0, 500)]


def _rule(sent: object) -> Rule:
    if sent in RULES:
        return sent
    if not isinstance(sent, dict):
        raise _fault(f"allowed: {', '.join(RULES)}, or an object with a fraction")
    try:
        rule = msgspec.convert(sent, Fraction)
        majority(rule)
    except ValueError as error:  # msgspec's errors are ValueErrors too
        raise _fault(f"{error}; such as {_EXAMPLE}") from error
    return rule


def _reveal(sent: object) -> Reveal:
    for reveal in Reveal:
        if sent == reveal:
            return reveal
    raise _fault(f"allowed: {', '.join(Reveal)}")


_EXAMPLE = '{"fraction":"2/3","of":"members","strict":false}'
_RULE_SCHEMA = {
    "anyOf": [
        {"type": "string", "enum": list(RULES)},
        {
            "type": "object",
            "properties": {
                "fraction": {"type": "string", "pattern": r"^\d{1,4}/\d{1,4}$"},
                "of": {"type": "string", "enum": ["present_and_voting", "members"]},
                "strict": {"type": "boolean", "default": False},
            },
            "required": ["fraction", "of"],
            "additionalProperties": False,
        },
    ]
}
RuleField = Annotated[Rule, PlainValidator(_rule), WithJsonSchema(_RULE_SCHEMA)]
Count = Annotated[int, Field(ge=0, le=10_000)]


class NothingBody(Body):
    """No body, or an empty object."""


class SteppingBackBody(Body):
    """What a second person needs to carry it out; see docs/console.md."""

    approval: str | None = Field(default=None, max_length=64)


def _rule_to_approve(sent: object, info: ValidationInfo) -> Rule | None:
    if info.data.get("command") == "rule":
        return _rule(sent)
    if sent is not None:
        raise _fault("goes with the command rule only")
    return None


class ApprovalBody(Body):
    """What the first person approves, and why; of `rule`, which rule it is to be."""

    command: Literal["unlock", "annul", "rule"]
    reason: Reason
    rule: Annotated[
        Rule | None, PlainValidator(_rule_to_approve), WithJsonSchema(_RULE_SCHEMA)
    ] = Field(default=None, validate_default=True)


class _OfLog(Body):
    rehearsal: bool = Field(
        default=False, description="Of rehearsals, not of the real roll calls."
    )

    def log(self, chamber: str) -> LogName:
        """Whose publication it is about."""
        return LogName(chamber, self.rehearsal)


class FreezeBody(_OfLog):
    """Why, for the audit trail."""

    reason: Note | None = None


class ReleaseBody(_OfLog):
    """Nothing more."""


class DelayBody(_OfLog):
    """Seconds that the public is behind; null: as the setting says."""

    seconds: Annotated[float, Field(ge=0, le=MAX_DELAY_SECONDS, strict=False)] | None


class AnnouncedBody(Body):
    """Figures as the president announced them."""

    yes: Count
    no: Count
    abstain: Count


class CloseBody(Body):
    """What was announced, if the figures are to be compared."""

    announced: AnnouncedBody | None = None

    def figures(self) -> Figures | None:
        """The announced figures, None when none were given."""
        said = self.announced
        return Figures(said.yes, said.no, said.abstain) if said else None


class RuleBody(SteppingBackBody):
    """The majority that is required from now on."""

    rule: RuleField


class VoteBody(Body):
    """One delegation's answer; the delegation is in the path."""

    vote: Vote


class VoteEntry(Body):
    """One answer of a batch."""

    delegation: str = Field(pattern=DELEGATION)
    # Entries are checked one by one, as Python objects: a string must do.
    vote: Vote = Field(strict=False)


class VotesBody(Body):
    """A batch: all of it is recorded, or nothing."""

    votes: list[VoteEntry] = Field(max_length=MAX_ROWS)


class IntentionBody(Body):
    """How a delegation had meant to vote."""

    delegation: str = Field(pattern=DELEGATION)
    vote: Vote
    note: Note | None = None


class NewRollCall(Body):
    """A roll call to schedule."""

    id: str = Field(pattern=ROLL_CALL_ID)
    title: Title
    symbol: Symbol | None = None
    rule: RuleField
    entitled: list[str] | None = Field(
        default=None, description="Codes that may vote; all members when not given."
    )
    barred: dict[str, Reason] = Field(
        default={}, description="Members without a vote (Article 19), with the reason."
    )
    called_from: str | None = Field(
        default=None, description="Where a call by name begins."
    )
    rehearsal: bool = False
    reveal: Annotated[
        Reveal, PlainValidator(_reveal), WithJsonSchema({"enum": list(Reveal)})
    ] = Reveal.LIVE

    def settled(self, chamber: Chamber) -> RollCallScheduled:
        """The event that freezes the roll. Raises BadRequest naming every fault."""
        faults = list(self._faults(chamber.codes))
        listed = frozenset(chamber.codes if self.entitled is None else self.entitled)
        entitled = tuple(
            code for code in chamber.codes if code in listed and code not in self.barred
        )
        if not entitled and not faults:
            faults.append(Problem("/entitled", "nobody would be entitled to vote"))
        if faults:
            raise BadRequest("the request is not valid", tuple(faults[:MAX_FAULTS]))
        return RollCallScheduled(
            title=self.title,
            symbol=self.symbol or None,
            rule=self.rule,
            members=chamber.codes,
            entitled=entitled,
            barred={
                code: self.barred[code] for code in chamber.codes if code in self.barred
            },
            permanent=chamber.permanent,
            called_from=self.called_from,
            rehearsal=self.rehearsal,
            reveal=self.reveal,
        )

    def _faults(self, members: tuple[str, ...]) -> Iterable[Problem]:
        no_member = "is no member of this chamber"
        first: dict[str, int] = {}
        for place, code in enumerate(self.entitled or ()):
            if code not in members:
                yield Problem(f"/entitled/{place}", f"{code[:40]!r} {no_member}")
            elif code in first:
                at = f"/entitled/{first[code]}"
                yield Problem(f"/entitled/{place}", f"{code} stands already at {at}")
            first.setdefault(code, place)
        for code in self.barred:
            if code not in members:
                yield Problem(pointer(("barred", code)), no_member)
        if self.called_from is not None and self.called_from not in members:
            yield Problem("/called_from", no_member)


BodyKind = TypeVar("BodyKind", bound=Body)


def parse(kind: type[BodyKind], body: bytes) -> BodyKind:
    """The body as that model; no body counts as an empty object.

    Raises HttpProblem when it is no JSON (400), BadRequest naming every fault (422).
    """
    try:
        return kind.model_validate_json(body.strip() or b"{}")
    except ValidationError as error:
        _raise_if_not_json(error)
        raise BadRequest("the request is not valid", faults(error)) from error


def _raise_if_not_json(error: ValidationError) -> None:
    """Raises HttpProblem when the text could not even be read."""
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        raise HttpProblem(
            "bad_request",
            "the body is not JSON",
            status=400,
            errors=[{"pointer": "", "detail": first["msg"]}],
        ) from error


def faults(error: ValidationError, *at: str | int) -> tuple[Problem, ...]:
    """Every fault with its JSON pointer, below the place `at`."""
    listed = error.errors(include_url=False, include_context=False, include_input=False)
    return tuple(
        Problem(
            pointer((*at, *(part for part in fault["loc"] if part != "[key]"))),
            fault["msg"],
        )
        for fault in listed[:MAX_FAULTS]
    )
