"""The custom element `<tellers-tally>`: one file that needs nothing else of ours, so
that a hash of it (SRI) protects all of it and it may be copied to another host.

Its address without a hash is a promise: v1 only mends. The one with a hash is of these
bytes and no others, to be kept for ever; it is there as long as this release runs.
"""

from base64 import b64encode
from functools import cache
from hashlib import sha384
from typing import NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from tellers_gateway.bundle import one_module
from tellers_gateway.cards import FOREVER
from tellers_gateway.pages import HEADERS, WEB
from tellers_runtime.problems import HttpProblem

router = APIRouter(include_in_schema=False)
NAME = "/elements/tellers-tally.v1"
JAVASCRIPT = "text/javascript"
# So many hexadecimal digits of the hash tell releases apart.
SHORT = 16


class Release(NamedTuple):
    """The element as this gateway has it."""

    script: bytes
    digest: bytes

    @property
    def address(self) -> str:
        """Where exactly these bytes are."""
        return f"{NAME}.{self.digest.hex()[:SHORT]}.js"

    @property
    def integrity(self) -> str:
        """The hash as HTML writes it (Subresource Integrity)."""
        return f"sha384-{b64encode(self.digest).decode()}"


# The files do not change while a process runs.
@cache
def release() -> Release:
    """The one that is served."""
    script = one_module(WEB, "element/tellers-tally.v1.js").encode()
    return Release(script, sha384(script).digest())


@router.get(f"{NAME}.js")
async def newest() -> Response:
    """The element, whatever its release."""
    return Response(release().script, headers=HEADERS, media_type=JAVASCRIPT)


@router.get(f"{NAME}.json")
async def about(request: Request) -> JSONResponse:
    """Where this release is for ever, and its hash."""
    found = release()
    script = f"{str(request.base_url).rstrip('/')}{found.address}"
    return JSONResponse(
        {"script": script, "integrity": found.integrity}, headers=HEADERS
    )


@router.get(f"{NAME}.{{digest}}.js")
async def exactly(digest: str, request: Request) -> Response:
    """The release of that hash. 404 when this gateway has another one."""
    found = release()
    if request.url.path != found.address:
        raise HttpProblem(
            "not_found", f"no release {digest} here; {NAME}.json names the one there is"
        )
    headers = {**HEADERS, "Cache-Control": FOREVER}
    return Response(found.script, headers=headers, media_type=JAVASCRIPT)
