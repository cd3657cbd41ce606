"""`/graphics/`: the overlay as files for playout: OBS, OGraf, CasparCG, SPX.

All of them hold the same page (`bundle.self_contained`) and differ in what stands
beside it.
"""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse

from tellers_gateway.bundle import self_contained
from tellers_gateway.pages import HEADERS, WEB
from tellers_gateway.reads import of_type
from tellers_gateway.words import LANGUAGES

router = APIRouter(prefix="/graphics", tags=["graphics"])
ZIP = "application/zip"
# Graphics of the package, with what they begin with; the next steps are the same.
OGRAF_KINDS = {
    "lower-third": ("tellers.js", "Tellers: lower third"),
    "board": ("tellers-board.js", "Tellers: full picture"),
}
LAYOUTS = ("lower-third", "full", "members", "result", "ticker", "bug")
OGRAF_SCHEMA = "https://ograf.ebu.io/v1/specification/json-schemas/graphics/schema.json"


Id = Annotated[str, Query(pattern="^[a-z0-9][a-z0-9.-]{0,63}$")]
ChamberId = Annotated[str, Query(pattern="^[a-z0-9-]{1,32}$")]


def _settings(
    request: Request, chamber: ChamberId = "ga", vote: Id = "current"
) -> dict[str, str]:
    """What the page in the package is set to: this gateway, and what to show."""
    endpoint = str(request.base_url).rstrip("/")
    return {"endpoint": endpoint, "chamber": chamber, "vote": vote}


SettingsDep = Annotated[dict[str, str], Depends(_settings)]


def _download(body: bytes | str, name: str, media_type: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(body, headers=headers, media_type=media_type)


def _zipped(files: Mapping[str, str]) -> bytes:
    """The files as an archive; the same files give the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, text.encode())
    return out.getvalue()


@router.get("/", include_in_schema=False)
async def index() -> Response:
    """What there is to download, with how to use it."""
    body = (WEB / "graphics.html").read_bytes()
    return Response(body, headers=HEADERS, media_type="text/html")


@router.get(
    "/overlay.html",
    summary="The overlay as one file that runs from disk",
    response_class=HTMLResponse,
)
async def overlay(settings: SettingsDep) -> Response:
    """For OBS ("local file") and whatever shows a page; comes up by itself when the
    gateway does."""
    page = self_contained(WEB, "overlay.html", settings)
    return _download(page, "tellers-overlay.html", "text/html")


@router.get(
    "/ograf.zip",
    summary="The overlay as an OGraf v1 package",
    response_class=of_type(ZIP),
)
async def ograf(settings: SettingsDep) -> Response:
    """Two manifests, their modules, and the page they show."""
    files = {
        **{
            f"tellers.{kind}.ograf.json": json.dumps(
                ograf_manifest(kind, settings), indent=2
            )
            for kind in OGRAF_KINDS
        },
        "tellers.js": (WEB / "overlay" / "ograf.js").read_text("utf-8"),
        "tellers-board.js": (WEB / "overlay" / "ograf-board.js").read_text("utf-8"),
        "overlay.html": self_contained(WEB, "overlay.html", settings),
    }
    return _download(_zipped(files), "tellers-ograf.zip", ZIP)


@router.get(
    "/casparcg.zip",
    summary="The overlay as a CasparCG template",
    response_class=of_type(ZIP),
)
async def casparcg(settings: SettingsDep) -> Response:
    """`CG 1-20 ADD 1 "tellers/overlay" 1 "{...}"`."""
    page = self_contained(WEB, "overlay.html", settings)
    return _download(
        _zipped({"tellers/overlay.html": page}), "tellers-casparcg.zip", ZIP
    )


@router.get(
    "/spx.zip",
    summary="The overlay as an SPX template",
    response_class=of_type(ZIP),
)
async def spx(settings: SettingsDep) -> Response:
    """Fields f0 vote, f1 title, f2 yes, f3 no, f4 abstain, f5 layout, f6 lang,
    f7 chamber, f8 absent, f9 result."""
    definition = f"window.SPXGCTemplateDefinition = {_spx_definition(settings)};"
    head = f"<script>{definition}</script>\n    "
    page = self_contained(WEB, "overlay.html", settings, head)
    return _download(_zipped({"tellers/overlay.html": page}), "tellers-spx.zip", ZIP)


def ograf_manifest(kind: str, settings: Mapping[str, str]) -> dict[str, Any]:
    """The manifest of one of OGRAF_KINDS; only fields that the schema of OGraf v1
    knows."""
    main, name = OGRAF_KINDS[kind]
    return {
        "$schema": OGRAF_SCHEMA,
        "id": f"org.tellers.{kind}",
        "version": "1.1",
        "name": name,
        "description": "Live tally of a roll call in three steps: "
        "the tally, who voted how, the result.",
        "author": {"name": "Tellers"},
        "main": main,
        "supportsRealTime": True,
        "supportsNonRealTime": False,
        "stepCount": 3,
        "schema": {"type": "object", "properties": _ograf_data(settings)},
        "customActions": [
            {"id": name, "name": name.capitalize(), "description": what, "schema": None}
            for name, what in (
                ("hold", "Freeze what is on air"),
                ("release", "Back to the newest number, in one step"),
                ("clear", "Off, until another vote or Show"),
                ("show", "On again"),
            )
        ],
        "renderRequirements": [{"accessToPublicInternet": {"ideal": True}}],
    }


def _ograf_data(settings: Mapping[str, str]) -> dict[str, Any]:
    """What a controller may set, as fields of OGraf's data schema (GDD)."""

    def text(title: str, default: str = "") -> dict[str, Any]:
        field = {"type": "string", "gddType": "single-line"}
        return {**field, "title": title, "default": default}

    def choice(title: str, labels: Mapping[str, str]) -> dict[str, Any]:
        return {
            "type": "string",
            "gddType": "select",
            "title": title,
            "enum": list(labels),
            "gddOptions": {"labels": dict(labels)},
            "default": next(iter(labels)),
        }

    # No default: a figure that nobody typed is not there, never 0.
    number = {"type": ["integer", "null"], "minimum": 0}
    return {
        "endpoint": text("Gateway", settings["endpoint"]),
        "chamber": text("Chamber", settings["chamber"]),
        "vote": text("Roll call, or current", settings["vote"]),
        "follow": {"type": "boolean", "title": "Follow the vote that is on"},
        "lang": choice("Language", {code: code for code in LANGUAGES}),
        "palette": choice("Palette", {"board": "Board", "cvd": "Blue for yes"}),
        "symbols": {"type": "boolean", "title": "Symbols", "default": True},
        "delayMs": {
            "type": "integer",
            "title": "Delay in milliseconds",
            "minimum": 0,
            "maximum": 60000,
            "default": 0,
        },
        "title": text("Title by hand"),
        "yes": {**number, "title": "Yes by hand"},
        "no": {**number, "title": "No by hand"},
        "abstain": {**number, "title": "Abstain by hand"},
    }


def _spx_definition(settings: Mapping[str, str]) -> str:
    """SPX's description of the template. Fields keep their numbers for ever."""

    def typed(title: str, value: str = "") -> dict[str, Any]:
        return {"ftype": "textfield", "title": title, "value": value}

    def chosen(title: str, values: Sequence[str]) -> dict[str, Any]:
        items = [{"text": value, "value": value} for value in values]
        return {
            "ftype": "dropdown",
            "title": title,
            "items": items,
            "value": values[0],
        }

    fields = [
        typed("Roll call, or current", settings["vote"]),
        typed("Title by hand"),
        typed("Yes by hand"),
        typed("No by hand"),
        typed("Abstain by hand"),
        chosen("Layout of the first step", LAYOUTS),
        chosen("Language", LANGUAGES),
        typed("Chamber", settings["chamber"]),
        typed("Not voting by hand"),
        typed("Result by hand"),
    ]
    return json.dumps(
        {
            "description": "Tellers: live tally of a roll call",
            "playserver": "OVERLAY",
            "playchannel": "1",
            "playlayer": "7",
            "webplayout": "7",
            "out": "manual",
            "dataformat": "json",
            "steps": "3",
            "uicolor": "1",
            "DataFields": [
                {"field": f"f{number}", **field} for number, field in enumerate(fields)
            ],
        }
    ).replace("<", "\\u003c")
