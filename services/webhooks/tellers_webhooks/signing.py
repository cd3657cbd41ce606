"""Standard Webhooks signatures, `v1`: HMAC-SHA256 over `<id>.<timestamp>.<body>`."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """A secret as the subscriber gets it: `whsec_` and 256 bits in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sign(secret: str, webhook_id: str, timestamp: int, body: bytes) -> str:
    """`v1,<base64>` over these very bytes."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    message = b"%b.%d.%b" % (webhook_id.encode(), timestamp, body)
    digest = hmac.new(key, message, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def headers(
    signing_secrets: Sequence[str], webhook_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """The three headers of one try, with a signature for each secret alive.

    Args:
        timestamp: of this try, seconds since 1970.
    """
    signed = (sign(one, webhook_id, timestamp, body) for one in signing_secrets)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signed),
    }
