"""`/v/{chamber}/{id}`: the page people link to. The head is written here, for those who
read no scripts (share crawlers, search engines, a reader without JavaScript); all else
is painted in the browser (web/result.js)."""

from functools import cache
from html import escape
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response

from tellers_core.tally import Tally
from tellers_gateway.oembed import in_words
from tellers_gateway.pages import HEADERS, WEB
from tellers_gateway.reads import find_as_of
from tellers_gateway.resume import MAX_SEQ
from tellers_gateway.state import hub_of
from tellers_gateway.words import Language, Words
from tellers_runtime.problems import HttpProblem

router = APIRouter(include_in_schema=False)
HEAD, PLAIN = "<!-- head -->", "<!-- plain -->"


@cache
def _template() -> str:
    return (WEB / "result.html").read_text("utf-8")


@router.get("/v/{chamber}/{roll_call}")
async def result(
    request: Request,
    chamber: str,
    roll_call: str,
    lang: Language = "en",
    seq: Annotated[int | None, Query(ge=1, le=MAX_SEQ)] = None,
) -> Response:
    """The page; 404, and says so, when there is no such roll call (yet)."""
    try:
        hub = hub_of(request, chamber, None)
        _, tally = await find_as_of(request, hub, roll_call, seq)
    except HttpProblem as problem:
        html = _template().replace(HEAD, "<title>Tellers</title>").replace(PLAIN, "")
        return Response(html, problem.status, HEADERS, "text/html")
    base, words = str(request.base_url), Words(lang)
    html = _template().replace(HEAD, _head(base, tally, words, seq))
    html = html.replace(PLAIN, escape(in_words(tally, words)))
    return Response(html, headers=HEADERS, media_type="text/html")


def _head(base: str, tally: Tally, words: Words, seq: int | None) -> str:
    place = f"{tally.chamber}/{quote(tally.roll_call)}"
    at = f"?seq={seq}" if seq else ""
    page = f"{base}v/{place}"
    said = in_words(tally, words)
    properties = {
        "og:title": tally.title,
        "og:description": said,
        "og:url": f"{page}{at}",
        "og:type": "website",
        "og:site_name": "Tellers",
        "og:locale": words.language,
    }
    tags = [
        f"<title>{escape(tally.title)} · Tellers</title>",
        f'<meta name="description" content="{escape(said)}">',
        f'<link rel="canonical" href="{escape(page + at)}">',
        *(
            f'<meta property="{name}" content="{escape(value)}">'
            for name, value in properties.items()
        ),
        *(
            f'<link rel="alternate" type="{kind}" title="{escape(tally.title)}" '
            f'href="{escape(_oembed(base, page, name))}">'
            for name, kind in (
                ("json", "application/json+oembed"),
                ("xml", "text/xml+oembed"),
            )
        ),
    ]
    return "\n    ".join(tags)


def _oembed(base: str, page: str, name: str) -> str:
    return f"{base}oembed?url={quote(page, safe='')}&format={name}"
