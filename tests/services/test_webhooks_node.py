"""What we sign, verified by the official library of a second language."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tellers_runtime.clock import utc_now
from tellers_webhooks import signing
from tests.pages.test_modules import find_node

HERE = Path(__file__).parent
LIBRARY = HERE.parent / "web" / "node_modules" / "standardwebhooks"
EVENT = {
    "type": "org.tellers.vote.recorded.v1",
    "subject": "x/CIV",
    "é": "Côte d'Ivoire",
}


def verified(*deliveries: tuple[str, dict[str, str], bytes]) -> list[dict[str, Any]]:
    """What the library makes of each (secret, headers, body)."""
    if not LIBRARY.exists():
        pytest.skip("npm has not installed tests/web: standardwebhooks is missing")
    sent = [
        {"secret": secret, "headers": headers, "body": body.decode()}
        for secret, headers, body in deliveries
    ]
    done = subprocess.run(
        [find_node(), HERE / "verify_hooks.mjs"],
        input=json.dumps(sent),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_the_official_library_for_javascript_accepts_what_we_sign() -> None:
    body = json.dumps(EVENT, ensure_ascii=False).encode()
    old, new = signing.new_secret(), signing.new_secret()
    now = int(utc_now().timestamp())
    one = signing.headers([new], "msg_1", now, body)
    both = signing.headers([new, old], "msg_1", now, body)
    accepted = {"event": EVENT}
    assert verified((new, one, body), (new, both, body), (old, both, body)) == (
        [accepted] * 3
    )


def test_what_the_official_library_for_javascript_refuses() -> None:
    body, secret = b'{"yes":141}', signing.new_secret()
    now = int(utc_now().timestamp())
    good = signing.headers([secret], "msg_1", now, body)
    refused = verified(
        (secret, good, b'{"yes":142}'),
        (secret, good, b'{"yes": 141}'),
        (secret, {**good, "webhook-id": "msg_2"}, body),
        (secret, {**good, "webhook-timestamp": str(now + 1)}, body),
        (secret, signing.headers([secret], "msg_1", now - 301, body), body),
        (signing.new_secret(), good, body),
    )
    assert [list(one) for one in refused] == [["refused"]] * 6
