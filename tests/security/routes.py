"""Every operation of both OpenAPI documents, and what it needs.

A new one must be entered here: `test_scopes.py` compares these tables with the
documents.
"""

from collections.abc import Mapping
from typing import NamedTuple

from tellers_runtime.tokens import Scope

VOTES = "/es-11-1/votes"
WISH = {"delegation": "FRA", "vote": "yes"}
ANNOUNCED = {"yes": 0, "no": 0, "abstain": 0}
NEW = {"id": "x", "title": "T", "rule": "simple"}
APPROVED = {"command": "annul", "reason": "a drill"}
FRACTION = {"fraction": "2/3", "of": "members"}


class Command(NamedTuple):
    """A command: below `/v1/{chamber}/roll-calls`, a body that is right, the scope."""

    method: str
    path: str
    body: Mapping[str, object] | None
    scope: Scope

    @property
    def below(self) -> str:
        """Its path below the chamber."""
        of_chamber = self.path.startswith(("/publication", "/imports"))
        return self.path if of_chamber else f"/roll-calls{self.path}"

    @property
    def address(self) -> str:
        """In the General Assembly."""
        return f"/v1/ga{self.below}"


COMMANDS = [
    Command("POST", "", NEW, Scope.PRESIDE),
    Command("POST", "/es-11-1/open", None, Scope.PRESIDE),
    Command("POST", "/es-11-1/lock", None, Scope.PRESIDE),
    Command("POST", "/es-11-1/unlock", None, Scope.PRESIDE),
    Command("POST", "/es-11-1/close", {"announced": ANNOUNCED}, Scope.PRESIDE),
    Command("POST", "/es-11-1/annul", None, Scope.PRESIDE),
    Command("POST", "/es-11-1/rule", {"rule": FRACTION}, Scope.PRESIDE),
    Command("PUT", VOTES + "/FRA", {"vote": "yes"}, Scope.RECORD),
    Command("DELETE", VOTES + "/FRA", None, Scope.RECORD),
    Command("POST", VOTES, {"votes": [WISH]}, Scope.RECORD),
    Command("POST", "/es-11-1/intentions", WISH, Scope.RECORD),
    Command("POST", "/es-11-1/approvals", APPROVED, Scope.PRESIDE),
    Command("POST", "/publication/freeze", None, Scope.PRESIDE),
    Command("POST", "/publication/release", None, Scope.PRESIDE),
    Command("PUT", "/publication/delay", {"seconds": 0}, Scope.PRESIDE),
]
# Its body is lines, each a roll call: tests/services/test_ingest_imports.py.
IN_LINES = [Command("POST", "/imports", None, Scope.PRESIDE)]
# Of ingest, and not public.
GUARDED_READS = {("GET", "/v1/{chamber}/publication")}

MONITORING = {("GET", path) for path in ("/healthz", "/readyz", "/metrics")}

# Of the gateway: all of it is public, and all but one only reads. A witness signs what
# it sends: the signature is the credential (docs/certificate.md).
_ROLL_CALL = "/v1/{chamber}/roll-calls/{roll_call}"
_CHECKPOINT = "/v1/{chamber}/checkpoints/{size}"
READS = [
    "/asyncapi.json",
    "/oembed",
    "/status.json",
    "/graphics/casparcg.zip",
    "/graphics/ograf.zip",
    "/graphics/overlay.html",
    "/graphics/spx.zip",
    "/v1/{chamber}/checkpoints",
    _CHECKPOINT,
    f"{_CHECKPOINT}/consistency",
    "/v1/{chamber}/events",
    "/v1/{chamber}/live",
    "/v1/{chamber}/roll-calls",
    _ROLL_CALL,
    f"{_ROLL_CALL}/card.png",
    f"{_ROLL_CALL}/card.svg",
    f"{_ROLL_CALL}/certificate",
    f"{_ROLL_CALL}/changes.csv",
    f"{_ROLL_CALL}/chart.csv",
    f"{_ROLL_CALL}/compare/{{other}}",
    f"{_ROLL_CALL}/flat.csv",
    f"{_ROLL_CALL}/flat.json",
    f"{_ROLL_CALL}/flat.xml",
    f"{_ROLL_CALL}/groups",
    f"{_ROLL_CALL}/moments",
    f"{_ROLL_CALL}/moments.atom",
    f"{_ROLL_CALL}/moments.jsonld",
    f"{_ROLL_CALL}/tally",
    f"{_ROLL_CALL}/timeline",
    f"{_ROLL_CALL}/members.csv",
    f"{_ROLL_CALL}/members.json",
    f"{_ROLL_CALL}/members.xml",
    f"{_ROLL_CALL}/voeten.csv",
    f"{_ROLL_CALL}/votes.csv",
    f"{_ROLL_CALL}/votes.json",
    f"{_ROLL_CALL}/votes.xlsx",
    f"{_ROLL_CALL}/votes/{{delegation}}/proof",
]
WRITES = [f"{_CHECKPOINT}/witness"]

# Handed on to the webhooks service, which checks the token: its own tests have the
# table of credentials.
_ENDPOINT = "/v1/admin/webhooks/{endpoint}"
MANAGEMENT = {
    ("GET", "/v1/admin/webhooks"),
    ("POST", "/v1/admin/webhooks"),
    ("GET", _ENDPOINT),
    ("PATCH", _ENDPOINT),
    ("DELETE", _ENDPOINT),
    ("GET", f"{_ENDPOINT}/deliveries"),
    ("POST", f"{_ENDPOINT}/replay"),
    ("POST", f"{_ENDPOINT}/secret"),
    ("POST", f"{_ENDPOINT}/test"),
}
PUBLIC = {("GET", path) for path in READS} | {("POST", path) for path in WRITES}
