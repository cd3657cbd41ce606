"""Who may send which command: bearer tokens and their scopes."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from tellers_runtime.problems import HttpProblem
from tellers_runtime.tokens import Scope, Token, TokenStore


def needs(scope: Scope) -> Callable[..., Awaitable[Token]]:
    """A dependency: the request's token, which has this scope.

    Raises HttpProblem `unauthorized` or `forbidden`.
    """

    async def token(request: Request) -> Token:
        tokens: TokenStore = request.state.tokens
        scheme, _, clear = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not clear:
            raise _unauthorized("send the header Authorization: Bearer <token>")
        found = await tokens.verify(clear.strip())
        if found is None:
            raise _unauthorized("this token is unknown or was revoked")
        if not found.allows(scope):
            raise HttpProblem("forbidden", f"this needs a token with scope {scope}")
        return found

    return token


def _unauthorized(detail: str) -> HttpProblem:
    return HttpProblem("unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})


Recording = Annotated[Token, Depends(needs(Scope.RECORD))]
Presiding = Annotated[Token, Depends(needs(Scope.PRESIDE))]
