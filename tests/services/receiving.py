"""A subscriber's endpoint, as its own people would write it: with the official library
of Standard Webhooks, on loopback; and a whole system that delivers to it."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.e2e.stack import Stack
from tests.servers import HOST, wait_until

PATIENCE = 20.0
PATH = "/v1/admin/webhooks"
TRUSTING = {
    "TELLERS_WEBHOOKS_ALLOW_HTTP": "1",
    "TELLERS_WEBHOOKS_ALLOW_LOOPBACK": "1",
}


class Received(NamedTuple):
    """One request that the official library accepted."""

    id: str
    event: dict[str, Any]
    headers: dict[str, str]
    body: bytes
    answered: int
    at: float

    @property
    def seq(self) -> int:
        return int(self.event.get("sequence", 0))

    @property
    def name(self) -> str:
        """`vote.recorded`."""
        kind: str = self.event["type"]
        return kind.removeprefix("org.tellers.").rpartition(".v")[0]


class Reply(NamedTuple):
    """What the endpoint answers, after so many seconds."""

    status: int = 204
    headers: Mapping[str, str] = {}
    body: bytes = b""
    seconds: float = 0.0


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Whoever was killed, or ran out of time, is not there for the answer."""


class Receiver:
    """Verifies, dedupes by `webhook-id`, and answers.

    `reply` decides the answer from what came, given how often this id came before.
    `secrets` are all tried; what none of them verifies is in `refused`. `permission`
    are the headers with which it answers OPTIONS, None to answer nothing; `asked` has
    the headers of each.
    """

    def __init__(self) -> None:
        self.secrets: list[str] = []
        self.received: list[Received] = []
        self.refused: list[tuple[dict[str, str], bytes]] = []
        self.others: list[str] = []
        self.permission: Mapping[str, str] | None = {}
        self.asked: list[dict[str, str]] = []
        self.reply: Callable[[Received, int], Reply] = lambda _, __: Reply()
        self._lock = threading.Lock()
        self._server = _Server((HOST, 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://{HOST}:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> "Receiver":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def kept(self) -> list[Received]:
        """What it took: each id once, in the order of its first acceptance."""
        found: dict[str, Received] = {}
        for one in list(self.received):
            if one.answered < 300:
                found.setdefault(one.id, one)
        return list(found.values())

    def tries_of(self, webhook_id: str) -> list[Received]:
        return [one for one in list(self.received) if one.id == webhook_id]

    def wait_for(self, holds: Callable[[], object], what: str) -> None:
        wait_until(lambda: bool(holds()), PATIENCE, what)

    def wait_for_kept(self, number: int) -> None:
        self.wait_for(lambda: len(self.kept) >= number, f"{number} to arrive")

    def take(self, headers: dict[str, str], body: bytes) -> Reply:
        """One request, as a web framework would hand it over."""
        for secret in self.secrets:
            try:
                event = Webhook(secret).verify(body, headers)
                break
            except (WebhookVerificationError, ValueError):
                continue
        else:
            with self._lock:
                self.refused.append((headers, body))
            return Reply(400)
        with self._lock:
            webhook_id = headers["webhook-id"]
            come = Received(webhook_id, event, headers, body, 0, time.monotonic())
            reply = self.reply(come, len(self.tries_of(webhook_id)))
            self.received.append(come._replace(answered=reply.status))
        return reply

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:  # the sender was killed: no request came
                    self.close_connection = True
                    return
                headers = {name.lower(): text for name, text in self.headers.items()}
                if self.path != "/hook":
                    receiver.others.append(self.path)
                reply = receiver.take(headers, body)
                time.sleep(reply.seconds)
                self.send_response(reply.status)
                for name, text in reply.headers.items():
                    self.send_header(name, text)
                if reply.status != 204:
                    self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def do_OPTIONS(self) -> None:
                receiver.asked.append(
                    {name.lower(): text for name, text in self.headers.items()}
                )
                if receiver.permission is None:
                    time.sleep(30)
                    return
                self.send_response(200)
                for name, text in receiver.permission.items():
                    self.send_header(name, text)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                receiver.others.append(self.path)
                self.send_error(405)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


class Subscribers:
    """A whole system with webhooks, and who manages them through the gateway."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.webhooks = stack.webhooks
        self.http = httpx.Client(
            base_url=stack.gateway_url,
            headers={"Authorization": f"Bearer {stack.token}"},
            timeout=10,
            verify=False,
        )

    def subscribe(self, receiver: Receiver, **wants: Any) -> str:
        """Register the receiver; its id. The secret goes to the receiver."""
        answer = self.http.post(PATH, json={"url": receiver.url, **wants})
        assert answer.status_code == 201, answer.text
        found = answer.json()
        receiver.secrets.append(found["secret"])
        return str(found["id"])

    def endpoint(self, endpoint: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"{PATH}/{endpoint}").json()
        return found

    def deliveries(self, endpoint: str, **query: Any) -> list[dict[str, Any]]:
        """All of them, newest first."""
        found: list[dict[str, Any]] = []
        query = {"limit": 100, **query}
        while True:
            answer = self.http.get(f"{PATH}/{endpoint}/deliveries", params=query)
            assert answer.is_success, answer.text
            found += answer.json()["items"]
            if answer.json()["next"] is None:
                return found
            query["cursor"] = answer.json()["next"]


@contextmanager
def subscribed_stack(
    folder: Path, database_url: str | None = None, **settings: str
) -> Iterator[Subscribers]:
    """The system as processes, delivering to loopback."""
    env = {**TRUSTING, **settings}
    with Stack(folder, database_url, env) as stack, stack.webhooks:
        wait_until(stack.webhooks.ready, PATIENCE, "webhooks to be ready")
        subscribers = Subscribers(stack)
        with closing(subscribers.http):
            yield subscribers
