"""The request headers that commands know; two of them make one safe to repeat."""

import hashlib
import re
from collections.abc import Sequence

from starlette.types import Scope

from tellers_ingest.handler import Idempotency
from tellers_runtime.idempotency import MAX_KEY, key_in
from tellers_runtime.problems import HttpProblem

_VERSION = re.compile(r'"(\d{1,15})"')


class Sent:
    """The headers of a request, none of which may be there twice.

    Starlette's are looked through from the start for each name that is asked for.
    """

    def __init__(self, raw: Sequence[tuple[bytes, bytes]]) -> None:
        self._raw = raw
        self._values = dict(raw)

    def only(self, name: str) -> str | None:
        """The header's value, None when it is not there. Raises HttpProblem naming it
        when it is there more than once."""
        key = name.lower().encode()
        value = self._values.get(key)
        if value is None:
            return None
        is_list = len(self._values) < len(self._raw)
        if is_list and sum(key == other for other, _ in self._raw) > 1:
            raise _bad(name, "is there more than once")
        return value.decode("latin-1").strip()

    def media_type(self) -> str:
        """The body's media type without parameters, "" when there is none."""
        return (self.only("Content-Type") or "").partition(";")[0].strip().lower()


def idempotency(
    scope: Scope, sent: Sent, chamber: str, body: bytes
) -> Idempotency | None:
    """What names this request and what it says, when it has an Idempotency-Key.

    Raises HttpProblem naming the header.
    """
    text = sent.only("Idempotency-Key")
    if text is None:
        return None
    key = key_in(text)
    if key is None:
        raise _bad("Idempotency-Key", f"must be 1 to {MAX_KEY} printable ASCII letters")
    said = (scope["method"], scope["path"], sent.media_type(), "")
    return Idempotency(
        hashlib.sha256(f"{chamber}\n{key}".encode()).hexdigest(),
        hashlib.sha256("\n".join(said).encode() + body).hexdigest(),
    )


def if_match(sent: Sent) -> int | None:
    """The version that the sender saw. Raises HttpProblem naming the header."""
    text = sent.only("If-Match")
    if text is None:
        return None
    version = _VERSION.fullmatch(text)
    if version is None:
        raise _bad("If-Match", 'must be one version in quotes, such as "12"')
    return int(version[1])


def _bad(name: str, detail: str) -> HttpProblem:
    return HttpProblem(
        "bad_request",
        f"the header {name} {detail}",
        status=400,
        pointer=f"/header/{name}",
    )
