"""The header Idempotency-Key: with it a request is safe to repeat."""

import re

MAX_KEY = 255
# A Structured Fields string (RFC 9651): printable ASCII, `"` and `\` escaped.
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_BARE = re.compile(r"[!#-~][ -~]*")


def key_in(sent: str) -> str | None:
    """The key that the header's value is, quoted or not; None when it is none."""
    key = _unquoted(sent)
    return key if key is not None and 0 < len(key) <= MAX_KEY else None


def _unquoted(sent: str) -> str | None:
    quoted = _QUOTED.fullmatch(sent) if sent.startswith('"') else None
    if quoted is not None:
        return re.sub(r"\\(.)", r"\1", quoted[1])
    return sent if _BARE.fullmatch(sent) else None
