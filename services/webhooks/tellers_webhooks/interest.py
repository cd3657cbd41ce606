"""What an endpoint wants to hear of: chamber, roll call, events, rules. Pure."""

from msgspec import Struct

from tellers_core.codec import TYPE_PREFIX, LogName
from tellers_core.events import WIRE_NAMES
from tellers_webhooks.rules import Rule

TALLY = "tally"
# An entry that is no event of ours is published as one that says so.
UNREADABLE = "unreadable"
# A vote that is not public yet is published as one that says so.
WITHHELD = "withheld"
EVENTS = (*(name for name, _ in WIRE_NAMES.values()), UNREADABLE, WITHHELD)


class Interest(Struct, frozen=True):
    """What is delivered.

    Args:
        events: names without prefix and suffix (`vote.recorded`), and `tally` for every
            new tally, of which the newest alone is delivered.
        chamber: None is every chamber. roll_call: None is every roll call.
        rehearsal: rehearsals instead of the real thing.
        rules: each is told of when it is met.
    """

    events: tuple[str, ...] = EVENTS
    chamber: str | None = None
    roll_call: str | None = None
    rehearsal: bool = False
    rules: tuple[Rule, ...] = ()

    def in_log(self, log: LogName) -> bool:
        """Whether anything of this log may be wanted."""
        return self.rehearsal == log.rehearsal and self.chamber in (None, log.chamber)

    def of(self, roll_call: str | None) -> bool:
        """Whether anything of this roll call is."""
        return self.roll_call in (None, roll_call)


def name_of(cloud_event_type: str) -> str:
    """`org.tellers.vote.recorded.v1` is `vote.recorded`."""
    return cloud_event_type.removeprefix(TYPE_PREFIX).rpartition(".v")[0]
