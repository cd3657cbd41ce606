"""What stands around every HTTP app of ours: whose request it is, and how it is shown.

Outermost, so that it holds for the answer to an error of ours too.
"""

from collections.abc import Mapping, Sequence
from ipaddress import ip_network

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

RawHeaders = Sequence[tuple[bytes, bytes]]
# The same for everything that is not a page: nothing of it runs, nobody frames it.
HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}


class AnswerHeaders:
    """Adds headers to every answer that does not have them already."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self._app = app
        self._headers = on_the_line(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        await self._app(scope, receive, with_headers(send, self._headers))


def on_the_line(headers: Mapping[str, str]) -> RawHeaders:
    """The headers as they are sent: once a process, not eight times an answer."""
    return list(Headers(headers).raw)


def with_headers(send: Send, headers: RawHeaders) -> Send:
    """The send that adds headers to the answer, if it does not have them already."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            answered = [*message.get("headers", ())]
            present = {name for name, _ in answered}
            answered += [pair for pair in headers if pair[0] not in present]
            message["headers"] = answered
        await send(message)

    return sending


def proxies(text: str) -> list[str]:
    """The addresses and networks in a list. Raises ValueError for anything else."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    return [str(ip_network(name)) for name in names]


def behind(trusted: str, app: ASGIApp) -> ASGIApp:
    """The app, which sees the client's address where these proxies name it.

    Nobody else is believed: whoever may write X-Forwarded-For is no address.
    """
    if not trusted:
        return app
    # uvicorn's types for ASGI are stricter than Starlette's.
    return ProxyHeadersMiddleware(app, proxies(trusted))  # type: ignore[arg-type, return-value]
