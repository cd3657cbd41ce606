"""Who may send which command: bearer tokens and their scopes."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from tellers_runtime.problems import HttpProblem
from tellers_runtime.tokens import Scope, Token, TokenStore

_bearer = HTTPBearer(
    auto_error=False, description="A token made by `tellers token create`."
)
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def needs(scope: Scope) -> Callable[..., Awaitable[Token]]:
    """A dependency: the request's token, which has this scope.

    Raises HttpProblem `unauthorized` or `forbidden`.
    """

    async def token(request: Request, credentials: _Credentials) -> Token:
        tokens: TokenStore = request.state.tokens
        if credentials is None:
            raise _unauthorized("send the header Authorization: Bearer <token>")
        found = await tokens.verify(credentials.credentials)
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
