"""A command's request, read in the one order: chamber, body, headers."""

from typing import NamedTuple

from fastapi import Request
from fastapi.responses import Response

from tellers_core.errors import UnknownChamber
from tellers_core.roll_call import Command
from tellers_ingest import headers
from tellers_ingest.answers import stored
from tellers_ingest.auth import address_of
from tellers_ingest.cache import Place
from tellers_ingest.handler import Asked, Idempotency, Recorder, Sender
from tellers_runtime.log import LogWriter
from tellers_runtime.problems import HttpProblem
from tellers_runtime.tokens import Token

# A batch of all 193 delegations is some 10 KiB, and so is a roll call with 193 reasons
# to be barred; every other command is a line.
MAX_BODY_BYTES = 256 * 1024
MAX_COMMAND_BYTES = 16 * 1024
JSON = "application/json"


class Arrival(NamedTuple):
    """A request that may be read on: its sender and its chamber are known."""

    request: Request
    token: Token
    chamber: str
    body: bytes
    sent: headers.Sent

    def idempotency(self) -> Idempotency | None:
        """What makes it safe to repeat, if it has that. Raises HttpProblem."""
        return headers.idempotency(
            self.request.scope, self.sent, self.chamber, self.body
        )

    async def answer(
        self, roll_call: str, command: Command, version: int | None = None
    ) -> Response:
        """Have the command recorded, and answer; `version`: only if it is still so."""
        recorder: Recorder = self.request.state.recorder
        token = self.token
        asked = Asked(
            Place(self.chamber, roll_call),
            command,
            Sender(token.id, token.name, address_of(self.request)),
            self.idempotency(),
            version if (seen := headers.if_match(self.sent)) is None else seen,
            token.audience,
        )
        status, body, replayed = await recorder.record(asked)
        extra = {"Idempotency-Replayed": "true"} if replayed else None
        return Response(body, status, extra, JSON)

    async def recalled(self) -> Response | None:
        """The answer that was given to the request's Idempotency-Key, if it was."""
        asked = self.idempotency()
        if asked is None:
            return None
        writer = LogWriter(self.request.state.redis)
        kept = await writer.recall(self.chamber, asked.digest)
        if kept is None or not kept.startswith(asked.fingerprint.encode()):
            return None
        status, body, _ = stored(kept[len(asked.fingerprint) :], replayed=True)
        return Response(body, status, {"Idempotency-Replayed": "true"}, JSON)


async def arrive(
    request: Request,
    token: Token,
    chamber: str,
    *media_types: str,
    most: int = MAX_COMMAND_BYTES,
) -> Arrival:
    """The request with its body. A body without a media type is taken for JSON.

    Raises UnknownChamber, or HttpProblem when the body is too large or of another type
    than these (JSON, when none are given). `most`: bytes that it may have.
    """
    if chamber not in request.state.chambers:
        raise UnknownChamber(f"there is no chamber {chamber[:40]!r} here")
    sent = headers.Sent(request.scope["headers"])
    if sent.only("Content-Encoding") not in (None, "identity"):
        raise _unsupported("Content-Encoding", "send the body as it is")
    body = await _body(request, most)
    media_type, allowed = sent.media_type(), media_types or (JSON,)
    if body and media_type and media_type not in allowed:
        raise _unsupported("Content-Type", f"allowed: {', '.join(allowed)}")
    return Arrival(request, token, chamber, body, sent)


async def _body(request: Request, most: int) -> bytes:
    body, more = b"", True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":  # nobody reads the answer
            raise HttpProblem("bad_request", "the body is incomplete", status=400)
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > most:
            detail = f"the body has more than {most} bytes"
            raise HttpProblem("bad_request", detail, status=413)
    return body


def _unsupported(name: str, allowed: str) -> HttpProblem:
    detail, pointer = f"{name}: {allowed}", f"/header/{name}"
    return HttpProblem("bad_request", detail, status=415, pointer=pointer)
