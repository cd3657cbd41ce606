"""The two request headers that make a command safe to repeat."""

import hashlib
import re

from fastapi import Request
from starlette.datastructures import Headers

from tellers_ingest.handler import Idempotency
from tellers_runtime.problems import HttpProblem

MAX_KEY = 255
# A Structured Fields string (RFC 9651): printable ASCII, `"` and `\` escaped.
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_BARE = re.compile(r"[!#-~][ -~]*")
_VERSION = re.compile(r'"(\d{1,15})"')


def idempotency(request: Request, chamber: str, body: bytes) -> Idempotency | None:
    """What names this request and what it says, when it has an Idempotency-Key.

    Raises HttpProblem naming the header.
    """
    sent = _only(request.headers, "Idempotency-Key")
    if sent is None:
        return None
    key = _unquoted(sent)
    if key is None or not 0 < len(key) <= MAX_KEY:
        raise _bad("Idempotency-Key", f"must be 1 to {MAX_KEY} printable ASCII letters")
    said = (request.method, request.scope["path"], media_type(request.headers))
    return Idempotency(
        hashlib.sha256(f"{chamber}\n{key}".encode()).hexdigest(),
        hashlib.sha256("\n".join((*said, "")).encode() + body).hexdigest(),
    )


def if_match(headers: Headers) -> int | None:
    """The version that the sender saw. Raises HttpProblem naming the header."""
    sent = _only(headers, "If-Match")
    if sent is None:
        return None
    version = _VERSION.fullmatch(sent)
    if version is None:
        raise _bad("If-Match", 'must be one version in quotes, such as "12"')
    return int(version[1])


def media_type(headers: Headers) -> str:
    """The body's media type without parameters, "" when there is none."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _only(headers: Headers, name: str) -> str | None:
    values = headers.getlist(name)
    if len(values) > 1:
        raise _bad(name, "is there more than once")
    return values[0].strip() if values else None


def _unquoted(sent: str) -> str | None:
    quoted = _QUOTED.fullmatch(sent) if sent.startswith('"') else None
    if quoted is not None:
        return re.sub(r"\\(.)", r"\1", quoted[1])
    return sent if _BARE.fullmatch(sent) else None


def _bad(name: str, detail: str) -> HttpProblem:
    return HttpProblem(
        "bad_request",
        f"the header {name} {detail}",
        status=400,
        errors=[{"pointer": f"/header/{name}", "detail": detail}],
    )
