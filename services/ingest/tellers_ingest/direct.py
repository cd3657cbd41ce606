"""Serves commands without FastAPI's machinery, which costs more than all else in a
command (ADR 32).

A command's endpoint takes the request, the token that it needs, and the parts of its
path. That is all written in its signature, from which FastAPI documents it as ever;
`CommandRoute` calls it with just these. `Direct` stands in front of FastAPI and goes to
such a route without a detour; what the endpoint raises is answered by the app's own
handlers. Every other request is FastAPI's: "no such path", "method not allowed".
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from inspect import signature
from typing import Any, get_args

from fastapi import Request
from fastapi.params import Depends
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from tellers_runtime.tokens import Token

Admit = Callable[[Request], Awaitable[Token]]
Handler = Callable[[Request, Exception], Awaitable[Response]]


class CommandRoute(APIRoute):
    """A command's route: its endpoint takes `request`, `token`, and parts of the path.

    `token` is annotated with what admits a request (`auth.Recording`).
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        super().__init__(path, endpoint, **more)
        self._admit = _admission(endpoint, set(self.param_convertors))

    def get_route_handler(self) -> Callable[[Request], Any]:
        """What FastAPI calls, if a request comes to it."""
        return self.respond

    async def respond(self, request: Request) -> Response:
        """The endpoint's answer. Raises whatever the endpoint does."""
        token = await self._admit(request)
        response: Response = await self.endpoint(
            request=request, token=token, **request.path_params
        )
        return response


def _admission(endpoint: Callable[..., Any], path: set[str]) -> Admit:
    """What admits a request to the endpoint.

    Raises TypeError when it takes more, or less, than a command does.
    """
    parameters = dict(signature(endpoint, eval_str=True).parameters)
    token = parameters.pop("token", None)
    for annotation in get_args(token.annotation) if token else ():
        if isinstance(annotation, Depends) and parameters.keys() == {"request"} | path:
            admit: Admit = annotation.dependency  # type: ignore[assignment]
            return admit
    takes = ", ".join(("request", "token", *sorted(path)))
    raise TypeError(f"the command {endpoint.__name__} must take {takes}")


class Direct:
    """Goes to the commands among these routes; leaves all else to the app.

    Args:
        handlers: for each kind of exception, what answers it; that of `Exception`
            answers what nobody expected, which is raised on to the server.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: Iterable[BaseRoute],
        handlers: Mapping[Any, Any],
    ) -> None:
        self._app = app
        self._handlers: Mapping[Any, Handler] = handlers
        self._routes: dict[str, list[CommandRoute]] = defaultdict(list)
        for route in routes:
            if isinstance(route, CommandRoute):
                for method in route.methods or ():
                    self._routes[method].append(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._find(scope) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive, send)
        try:
            response = await route.respond(request)
        except Exception as error:
            kind = next(k for k in type(error).__mro__ if k in self._handlers)
            response = await self._handlers[kind](request, error)
            if kind is Exception:
                await response(scope, receive, send)
                raise
        await response(scope, receive, send)

    def _find(self, scope: Scope) -> CommandRoute | None:
        """The command that is asked for; the scope has its parts of the path then."""
        for route in self._routes.get(scope["method"], ()):
            found = route.path_regex.match(scope["path"])
            if found:
                scope["path_params"] = found.groupdict()
                return route
        return None
