"""The family of refusals: why a command causes no event.

A refusal knows its stable `code` (part of the public contract) and a sentence for the
person who sent the command. It knows nothing of HTTP: the ingest service owns the one
table from code to status.
"""

from typing import ClassVar, NamedTuple


class Problem(NamedTuple):
    """One bad place in an input.

    Args:
        where: a JSON pointer such as `/votes/3/vote`, or a line number of a file.
        detail: what is wrong there and what is allowed.
    """

    where: str | int
    detail: str

    def as_json(self) -> dict[str, str | int]:
        """The problem as an item of `errors` in a problem document."""
        key = "line" if isinstance(self.where, int) else "pointer"
        return {key: self.where, "detail": self.detail}


class Refused(Exception):
    """A command that the rules do not allow. `code` is stable."""

    code: ClassVar[str]

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class BadRequest(Refused):
    """The command itself is malformed; `errors` names every bad place."""

    code = "bad_request"

    def __init__(self, detail: str, errors: tuple[Problem, ...] = ()) -> None:
        super().__init__(detail)
        self.errors = errors


class UnknownChamber(Refused):
    code = "unknown_chamber"


class UnknownRollCall(Refused):
    code = "unknown_roll_call"


class UnknownDelegation(Refused):
    code = "unknown_delegation"


class NotEntitled(Refused):
    code = "not_entitled"


class AlreadyExists(Refused):
    code = "already_exists"


class NotOpen(Refused):
    code = "not_open"


class NotClosed(Refused):
    code = "not_closed"


class AlreadyClosed(Refused):
    code = "already_closed"


class WrongPhase(Refused):
    code = "wrong_phase"


class AnnouncedMismatch(Refused):
    """The announced figures differ from the recorded ones; both are kept."""

    code = "announced_mismatch"

    def __init__(self, announced: dict[str, int], recorded: dict[str, int]) -> None:
        def figures(counts: dict[str, int]) -> str:
            return "-".join(str(n) for n in counts.values())

        super().__init__(
            f"announced {figures(announced)} (yes-no-abstain), "
            f"recorded {figures(recorded)}"
        )
        self.announced = announced
        self.recorded = recorded


class CorruptHistory(Exception):
    """An event that contradicts what came before it, or that nobody here understands.

    Never raised for a command: the log itself is wrong, or newer than this code. Who
    meets it holds the roll call at its last good tally.
    """
