"""Bodies of the admin API, and what it answers."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tellers_runtime.clock import rfc3339
from tellers_webhooks import rules
from tellers_webhooks.endpoints import Endpoint
from tellers_webhooks.interest import EVENTS, TALLY, Interest
from tellers_webhooks.queue import Delivery

MAX_RULES = 20


def _known(names: list[str]) -> list[str]:
    for name in names:
        if name not in (*EVENTS, TALLY):
            raise ValueError(f"no event {name!r}; there are {', '.join(EVENTS)}, tally")
    return names


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RuleBody(_Body):
    """`{"rule":"margin_below","value":5}`."""

    rule: rules.Name
    value: Annotated[int | None, Field(ge=-1000, le=1000, strict=True)] = None

    @model_validator(mode="after")
    def _is_one(self) -> "RuleBody":
        if why := rules.problem(self.as_rule()):
            raise ValueError(why)
        return self

    def as_rule(self) -> rules.Rule:
        return rules.Rule(self.rule, self.value)


Chamber = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
RollCall = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$")]
Events = Annotated[list[str], Field(max_length=20), AfterValidator(_known)]


class _Wanted(_Body):
    description: Annotated[str, Field(max_length=200)] = ""
    events: Events | None = None
    chamber: Chamber | None = None
    roll_call: RollCall | None = None
    rehearsal: Annotated[bool, Field(strict=True)] = False
    rules: Annotated[list[RuleBody], Field(max_length=MAX_RULES)] = []

    def interest(self) -> Interest:
        """Without `events`: all of them, or, when there are rules, none."""
        events = self.events
        if events is None:
            events = [] if self.rules else list(EVENTS)
        return Interest(
            tuple(dict.fromkeys(events)),
            self.chamber,
            self.roll_call,
            self.rehearsal,
            tuple(rule.as_rule() for rule in self.rules),
        )

    @model_validator(mode="after")
    def _wants_something(self) -> "_Wanted":
        if self.events == [] and not self.rules:
            raise ValueError("neither events nor rules: nothing would be delivered")
        return self


class NewEndpoint(_Wanted):
    """An endpoint to register; `handshake`: only if it says that it allows it."""

    url: str
    handshake: Annotated[bool, Field(strict=True)] = False


class Change(_Body):
    """What to change of an endpoint; what it wants is replaced as a whole."""

    url: str | None = None
    description: Annotated[str | None, Field(max_length=200)] = None
    enabled: Annotated[bool | None, Field(strict=True)] = None
    wants: _Wanted | None = None


class Replay(_Body):
    """Deliver the events after `after` up to `upto` once more."""

    chamber: Chamber
    rehearsal: Annotated[bool, Field(strict=True)] = False
    after: Annotated[int, Field(ge=0, le=2**53, strict=True)]
    upto: Annotated[int, Field(ge=1, le=2**53, strict=True)]


def shown(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint as answered: never a secret."""
    wants = endpoint.interest
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "description": endpoint.description,
        "events": list(wants.events),
        "chamber": wants.chamber,
        "roll_call": wants.roll_call,
        "rehearsal": wants.rehearsal,
        "rules": [_rule(rule) for rule in wants.rules],
        "handshake": endpoint.origin is not None,
        "enabled": endpoint.enabled,
        "disabled_reason": endpoint.disabled_reason,
        "failing_since": _time(endpoint.failing_since),
        "created": _time(endpoint.created),
    }


def _rule(rule: rules.Rule) -> dict[str, Any]:
    found: dict[str, Any] = {"rule": rule.rule}
    return found if rule.value is None else {**found, "value": rule.value}


def shown_delivery(delivery: Delivery) -> dict[str, Any]:
    """A delivery as listed."""
    waiting = delivery.state == "waiting"
    return {
        "webhook_id": delivery.id,
        "type": delivery.type,
        "log": delivery.log,
        "seq": delivery.seq,
        "roll_call": delivery.roll_call,
        "state": delivery.state,
        "tries": delivery.tries,
        "status": delivery.status,
        "trouble": delivery.trouble,
        "created": _time(delivery.created),
        "due": _time(delivery.due) if waiting else None,
        "finished": _time(delivery.finished),
    }


def _time(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return rfc3339(datetime.fromtimestamp(milliseconds / 1000, UTC))
