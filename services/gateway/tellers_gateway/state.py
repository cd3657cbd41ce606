"""What every route shares: the hubs and the settings."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from fastapi import Depends, Query
from starlette.requests import HTTPConnection

from tellers_core.codec import LogName
from tellers_gateway.hub import Hub
from tellers_gateway.settings import GatewaySettings
from tellers_runtime.archive.proofs import ProofReader
from tellers_runtime.problems import HttpProblem

if TYPE_CHECKING:  # its routes need what is here
    from tellers_gateway.cards import Pictures

Hubs = Mapping[LogName, Hub]


class State(TypedDict):
    """The application's state, one for the life of the process."""

    hubs: Hubs
    settings: GatewaySettings
    proofs: ProofReader
    pictures: "Pictures"


def unavailable() -> HttpProblem:
    """What the public is told when log or archive are away: no SQL and no address."""
    return HttpProblem(
        "log_unavailable",
        "the log cannot be read now; try again",
        headers={"Retry-After": "1"},
    )


def restarting() -> HttpProblem:
    """What a viewer is told who comes while the gateway stops."""
    return HttpProblem(
        "restarting",
        "this gateway is being restarted; connect again",
        status=503,
        headers={"Retry-After": "1"},
    )


def hub_of(connection: HTTPConnection, chamber: str, rehearsal: str | None) -> Hub:
    """The hub of a chamber, or of its rehearsals when `rehearsal=1` is asked.

    Raises HttpProblem `unknown_chamber`, or `bad_request`.
    """
    if rehearsal not in (None, "0", "1"):
        detail, pointer = "rehearsal must be 1 or 0", "/query/rehearsal"
        raise HttpProblem("bad_request", detail, pointer=pointer)
    hubs: Hubs = connection.state.hubs
    hub = hubs.get(LogName(chamber, rehearsal == "1"))
    if hub is None:
        known = ", ".join(sorted({log.chamber for log in hubs}))
        raise HttpProblem("unknown_chamber", f"no such chamber; there are: {known}")
    return hub


def check_origin(connection: HTTPConnection) -> None:
    """Let pages of the allowed origins in, and programs, which have none.

    Raises HttpProblem `forbidden`.
    """
    settings: GatewaySettings = connection.state.settings
    allowed = {name.strip() for name in settings.allowed_origins.split(",")}
    origin = connection.headers.get("Origin")
    if origin is not None and not allowed & {"*", origin}:
        raise HttpProblem("forbidden", "this origin may not open a feed here")


def _hub(
    connection: HTTPConnection,
    chamber: str,
    rehearsal: Annotated[
        Literal["0", "1"] | None,
        Query(description="1: rehearsals instead of the real thing"),
    ] = None,
) -> Hub:
    return hub_of(connection, chamber, rehearsal)


def _settings(connection: HTTPConnection) -> GatewaySettings:
    settings: GatewaySettings = connection.state.settings
    return settings


def _proofs(connection: HTTPConnection) -> ProofReader:
    proofs: ProofReader = connection.state.proofs
    return proofs


HubDep = Annotated[Hub, Depends(_hub)]
SettingsDep = Annotated[GatewaySettings, Depends(_settings)]
ProofsDep = Annotated[ProofReader, Depends(_proofs)]
