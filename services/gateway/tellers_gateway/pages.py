"""The pages: static files, nothing from another host, a strict content policy."""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from tellers_gateway.bundle import module_of, one_module, with_one_module

WEB = Path(str(resources.files("tellers_gateway") / "web"))
# frame-ancestors: these pages have no cookies and no actions, but only /embed is for
# framing.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
FRAMED = {**HEADERS, "Content-Security-Policy": POLICY.rpartition("'none'")[0] + "*"}

OVERLAY = "/elements/tellers-overlay.v1.js"

router = APIRouter(include_in_schema=False)


def _page(name: str, headers: Mapping[str, str] = HEADERS) -> Response:
    return FileResponse(WEB / name, headers=headers)


@router.get("/")
async def index() -> Response:
    """What is on now, then the past."""
    return _page("index.html")


@router.get("/board/{chamber}/{roll_call}")
async def board(chamber: str, roll_call: str) -> Response:
    """The hall's board; the page reads its address itself."""
    return _page("board.html")


@router.get("/overlay/{chamber}/{roll_call}")
async def overlay(chamber: str, roll_call: str) -> Response:
    """The overlay for air; the page reads its address itself. What it loads comes as
    one module, for players with an older Chromium."""
    page = with_one_module(WEB, "overlay.html", OVERLAY)
    return Response(page, headers=HEADERS, media_type="text/html")


@router.get(OVERLAY)
async def overlay_module() -> Response:
    """All modules of the overlay."""
    module = module_of(WEB, "overlay.html")
    return Response(module, headers=HEADERS, media_type="text/javascript")


@router.get("/dock/{chamber}/{roll_call}")
async def dock(chamber: str, roll_call: str) -> Response:
    """The operator's desk: how the feed is, what overlays show; hold, release."""
    return _page("dock.html")


@router.get("/embed/{chamber}/{roll_call}")
async def embed(chamber: str, roll_call: str) -> Response:
    """The tally for the frame of somebody else's page: no cookies, no storage."""
    return _page("embed.html", FRAMED)


@router.get("/elements/tellers-client.v1.js")
@router.get("/elements/tellers-client.v1.mjs")
async def client() -> Response:
    """The subscriber's module for browser and node, as one file that may be copied."""
    module = one_module(WEB, "client.js")
    return Response(module, headers=HEADERS, media_type="text/javascript")


@router.get("/elements/tellers-height.v1.js")
async def height() -> Response:
    """For pages that frame ours: gives the frame its height. v1 only mends, too."""
    return _page("element/tellers-height.v1.js")


@router.get("/verify")
async def verify() -> Response:
    """A certificate, verified in the browser; nothing comes back here."""
    return _page("verify.html")


@router.get("/status")
async def status() -> Response:
    """How fresh the feed is, and the signing key; painted from /status.json."""
    return _page("status.html")


@router.get("/docs")
async def docs() -> Response:
    """The API for people; painted from /openapi.json."""
    return _page("docs.html")


class _Files(StaticFiles):
    """Files with the headers of the pages: always checked, so that the modules of two
    releases never meet in one browser."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(HEADERS)
        return response


def mount_files(app: FastAPI) -> None:
    """Serve scripts and styles under /web."""
    app.mount("/web", _Files(directory=WEB), name="web")
