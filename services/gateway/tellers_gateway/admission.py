"""How many HTTP reads one address may make: the rest are told when to come again."""

from starlette.types import ASGIApp, Receive, Scope, Send

from tellers_runtime import outermost
from tellers_runtime.connections import network_of
from tellers_runtime.rates import Rate, too_many

# Files cost nothing; and who watches the process must not be kept out by a flood.
FREE = ("/web/", "/healthz", "/readyz", "/metrics")


class Admission:
    """Lets each address read so often. Addresses of this machine are not counted: a
    proxy that is not told to us has one of them, with everybody behind it."""

    def __init__(self, app: ASGIApp, reads_per_second: float) -> None:
        self._app = app
        self._reads = Rate(reads_per_second)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(FREE):
            client = scope.get("client")
            network = network_of(client[0]) if client else ""
            wait = self._reads.take(network) if network else 0.0
            if network:
                left = outermost.on_the_line(self._reads.headers(network))
                send = outermost.with_headers(send, left)
            if wait:
                problem = too_many(wait, "too many requests from this address")
                await problem.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)
