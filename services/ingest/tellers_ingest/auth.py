"""Who may send which command, and how many: tokens, their scopes, their rates."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import structlog
from fastapi import Depends, Request

from tellers_ingest.settings import IngestSettings
from tellers_runtime.connections import network_of
from tellers_runtime.problems import HttpProblem
from tellers_runtime.rates import Rate, too_many
from tellers_runtime.tokens import Audience, Scope, Token, TokenStore

logger = structlog.get_logger()


class Gate:
    """Lets good tokens in, one process's worth of them."""

    def __init__(self, tokens: TokenStore, settings: IngestSettings) -> None:
        self._tokens = tokens
        self._commands = Rate(settings.commands_per_second)
        self._failures = Rate(settings.failures_per_second)

    async def admit(self, request: Request, scope: Scope) -> Token:
        """The request's token, which has this scope.

        Raises HttpProblem `unauthorized`, `forbidden` or `too_many_requests`.
        """
        token = await self._known(request)
        wait = self._commands.take(token.id)
        if wait:
            raise too_many(wait, "this token sends too many commands")
        if not token.allows(scope):
            logger.warning(
                "command.forbidden",
                token=token.id,
                address=address_of(request),
                needs=scope,
            )
            raise HttpProblem("forbidden", f"this needs a token with scope {scope}")
        return token

    async def _known(self, request: Request) -> Token:
        scheme, _, clear = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not clear:
            raise self._failed(request, "send the header Authorization: Bearer <token>")
        # First: who has a good token is let in, whoever else guesses from there.
        token = await self._tokens.verify(clear.strip())
        if token is None:
            raise self._failed(request, "this token is unknown, was revoked or expired")
        return token

    def _failed(self, request: Request, detail: str) -> HttpProblem:
        address = address_of(request)
        wait = self._failures.take(network_of(address))
        if wait:
            return too_many(wait, "too many failed authentications from this address")
        # Never more lines than the rate lets through: no flood fills the disk.
        logger.warning("authentication.failed", address=address, why=detail)
        challenge = {"WWW-Authenticate": "Bearer"}
        return HttpProblem("unauthorized", detail, headers=challenge)


def check_audience(audience: Audience | None, *, rehearsal: bool) -> None:
    """Raises HttpProblem `forbidden` when a token for this audience (None: both) may
    not touch that kind of roll calls."""
    if audience is None or audience.has(rehearsal=rehearsal):
        return
    other = "no rehearsal" if rehearsal else "rehearsals only"
    raise HttpProblem(
        "forbidden", f"this token has the audience {audience}: it reaches {other}"
    )


def address_of(request: Request) -> str:
    """Where the request comes from; "" when that is no network address."""
    return request.client.host if request.client else ""


def needs(scope: Scope) -> Callable[..., Awaitable[Token]]:
    """A dependency: the request's token, which has this scope."""

    async def token(request: Request) -> Token:
        gate: Gate = request.state.gate
        return await gate.admit(request, scope)

    return token


Recording = Annotated[Token, Depends(needs(Scope.RECORD))]
Presiding = Annotated[Token, Depends(needs(Scope.PRESIDE))]
