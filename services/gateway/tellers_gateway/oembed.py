"""`/oembed`: what a content system asks for a link to one of our pages (oEmbed 1.0).

WordPress is the strictest: it keeps one blockquote and one iframe with few attributes,
so that is what it is given.
"""

import re
from html import escape
from typing import Annotated, Any
from urllib.parse import parse_qs, quote, urlsplit
from xml.sax.saxutils import escape as escape_xml

import msgspec
from fastapi import APIRouter, Query, Request, Response

from tellers_core.tally import Tally
from tellers_gateway import cards
from tellers_gateway.reads import CACHE, find
from tellers_gateway.share_card import HEIGHT as CARD_HEIGHT
from tellers_gateway.share_card import WIDTH as CARD_WIDTH
from tellers_gateway.state import hub_of
from tellers_gateway.words import LANGUAGES, Language, Words, against, is_blank, marked
from tellers_runtime.problems import HttpProblem

router = APIRouter(tags=["embeds"])
WIDTH, HEIGHT = 600, 420
CACHE_SECONDS = 60
_page = re.compile(
    r"/(?:v|board|embed)/(?P<chamber>[a-z0-9-]{1,32})/"
    r"(?P<id>[a-z0-9][a-z0-9.-]{0,63})/?"
).fullmatch
_json = msgspec.json.Encoder().encode
FORMATS = ("json", "xml")
# Any text comes in: the standard wants 501 for a form that is not offered, not 422.
Format = Annotated[str, Query(json_schema_extra={"enum": list(FORMATS)})]
Pixels = Annotated[int | None, Query(ge=1, le=10_000)]


@router.get(
    "/oembed",
    summary="How to embed one of our pages (oEmbed 1.0)",
    responses={501: {"description": "`not_implemented`: no such `format`."}},
)
async def oembed(
    request: Request,
    url: Annotated[str, Query(max_length=2000, description="Address of the page.")],
    maxwidth: Pixels = None,
    maxheight: Pixels = None,
    format: Format = "json",  # noqa: A002  (the standard's own name)
    lang: Annotated[
        Language | None, Query(description="Else that of the page's address.")
    ] = None,
) -> Response:
    """`rich`: a quotation of the figures, and a frame that is live."""
    if format not in FORMATS:
        raise HttpProblem(
            "not_implemented",
            f"format must be {' or '.join(FORMATS)}",
            errors=[{"pointer": "/query/format", "detail": f"no such form: {format}"}],
        )
    chamber, roll_call, spoken = _target(request, url)
    _, tally = await find(request, hub_of(request, chamber, None), roll_call)
    width = min(WIDTH, maxwidth or WIDTH)
    height = min(HEIGHT, maxheight or HEIGHT)
    answer = _rich(str(request.base_url), tally, Words(lang or spoken), width, height)
    headers = {"Cache-Control": CACHE}
    if format == "xml":
        return Response(_xml(answer), headers=headers, media_type="text/xml")
    return Response(_json(answer), headers=headers, media_type="application/json")


def _target(request: Request, url: str) -> tuple[str, str, Language]:
    """Chamber, roll call and language of a page of ours. Raises HttpProblem 404."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    found = _page(parts.path)
    ours = parts.scheme in ("http", "https") and parts.netloc == request.url.netloc
    if not ours or found is None:
        raise HttpProblem(
            "unknown_roll_call",
            "url must be a page of this gateway: /v/, /board/ or /embed/",
            errors=[{"pointer": "/query/url", "detail": "no page of this gateway"}],
        )
    asked = parse_qs(parts.query).get("lang", [""])[0]
    spoken = next((code for code in LANGUAGES if code == asked), LANGUAGES[0])
    return found["chamber"], found["id"], spoken


def _rich(
    base: str, tally: Tally, words: Words, width: int, height: int
) -> dict[str, Any]:
    place = f"{tally.chamber}/{quote(tally.roll_call)}"
    page, frame = f"{base}v/{place}", f"{base}embed/{place}?lang={words.language}"
    title = marked(words.say("embed_title", title=tally.title), tally, words)
    thumbnail = cards.scaled(width, height)
    return {
        "type": "rich",
        "version": "1.0",
        "title": title,
        "provider_name": "Tellers",
        "provider_url": base,
        "cache_age": CACHE_SECONDS,
        "width": width,
        "height": height,
        "thumbnail_url": cards.address_of(base, tally, words.language, thumbnail),
        "thumbnail_width": thumbnail,
        "thumbnail_height": -(-thumbnail * CARD_HEIGHT // CARD_WIDTH),
        "html": (
            f'<blockquote><a href="{escape(page)}">{escape(in_words(tally, words))}</a>'
            f'</blockquote><iframe src="{escape(frame)}" width="{width}" '
            f'height="{height}" frameborder="0" scrolling="no" '
            f'title="{escape(title)}"></iframe>'
        ),
    }


def in_words(tally: Tally, words: Words) -> str:
    """The figures as one sentence, for who cannot show the frame."""
    return marked(_in_words(tally, words), tally, words)


def _in_words(tally: Tally, words: Words) -> str:
    counts, ended = tally.counts, tally.phase in ("closed", "annulled")
    figures = [
        words.say("in_favour", n=counts.yes),
        against(words, counts.no) if ended else words.say("against", n=counts.no),
        words.say("abstentions", n=counts.abstain),
    ]
    key = f"status.{tally.verdict.status}" if ended else f"phase.{tally.phase}"
    if is_blank(tally):
        return f"{tally.title}. {words.say(key)}"
    said = words.say(
        "moment.closed",
        outcome=words.say(key),
        figures=words.say("list.comma").join(figures),
    )
    held = f" ({words.say('state.held')})" if tally.held else ""
    return f"{tally.title}. {said}{held}"


def _xml(answer: dict[str, Any]) -> bytes:
    members = "".join(
        f"<{name}>{escape_xml(str(value))}</{name}>" for name, value in answer.items()
    )
    return (
        '<?xml version="1.0" encoding="utf-8" standalone="yes"?>\n'
        f"<oembed>{members}</oembed>\n"
    ).encode()
