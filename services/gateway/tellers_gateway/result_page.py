"""`/v/{chamber}/{id}`: the page people link to. What those need who read no scripts
(share crawlers, search engines, a reader without JavaScript) is written here; all else
is painted in the browser (web/result.js)."""

from functools import cache
from html import escape
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import msgspec
from fastapi import APIRouter, Query, Request, Response

from tellers_core.errors import CorruptHistory
from tellers_core.tally import Tally
from tellers_gateway import cards
from tellers_gateway.asked import history_of
from tellers_gateway.derived import ATOM
from tellers_gateway.detail import Detail, detail
from tellers_gateway.oembed import in_words
from tellers_gateway.pages import HEADERS, WEB
from tellers_gateway.reads import find_as_of
from tellers_gateway.resume import MAX_SEQ
from tellers_gateway.settings import GatewaySettings
from tellers_gateway.share_card import HEIGHT, WIDTH
from tellers_gateway.state import hub_of
from tellers_gateway.words import LANGUAGES, Language, Words, marked
from tellers_runtime.problems import HttpProblem

router = APIRouter(include_in_schema=False)
OK = 200
# One request a second comes through a cache, however many follow a link.
CACHE = "public, max-age=0, s-maxage=1"
HEAD, PLAIN, TABLE = "<!-- head -->", "<!-- plain -->", "<!-- table -->"
TAGS = {"zh": "zh-Hans"}
# As Open Graph writes a language: with a territory.
LOCALES = {
    "en": "en_GB",
    "fr": "fr_FR",
    "es": "es_ES",
    "ru": "ru_RU",
    "ar": "ar_AR",
    "zh": "zh_CN",
}
FILES = (
    ("votes.csv", "text/csv"),
    ("changes.csv", "text/csv"),
    ("votes.json", "application/json"),
    (
        "votes.xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
)
_json = msgspec.json.Encoder().encode


@cache
def _template() -> str:
    return (WEB / "result.html").read_text("utf-8")


def _page(status: int = OK, **parts: str) -> Response:
    html = _template()
    for mark in (HEAD, PLAIN, TABLE):
        html = html.replace(mark, parts.get(mark[5:-4], ""))
    if language := parts.get("language"):
        direction = "rtl" if Words(_spoken(language)).right_to_left else "ltr"
        tag = TAGS.get(language, language)
        html = html.replace('<html lang="en"', f'<html lang="{tag}" dir="{direction}"')
    headers = {**HEADERS, "Cache-Control": CACHE} if status == OK else HEADERS
    return Response(html, status, headers, "text/html")


def _spoken(language: str) -> Language:
    return next(code for code in LANGUAGES if code == language)


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
        place, tally = await find_as_of(request, hub, roll_call, seq, "seq")
    except HttpProblem as problem:
        return _page(problem.status, head="<title>Tellers</title>")
    words = Words(lang)
    history = await history_of(place, tally)
    try:
        # Who voted what is not on the page while it is withheld.
        full = None if tally.withheld else detail(history, lang)
        table = _table(tally, full, words) if full else ""
    except CorruptHistory:
        table = ""  # held before it began: the sentence says so
    settings: GatewaySettings = request.state.settings
    base = str(request.base_url)
    head = [
        *_tags(base, tally, words, seq),
        _structured(base, tally, words, settings.data_licence),
    ]
    # A page that is to be late must not show the figures of now before its scripts run.
    late = "delay_ms" in request.query_params
    return _page(
        head="\n    ".join(head),
        plain="" if late else escape(in_words(tally, words)),
        table=table,
        language=lang,
    )


def _tags(base: str, tally: Tally, words: Words, seq: int | None) -> list[str]:
    place = f"{tally.chamber}/{quote(tally.roll_call)}"
    page = f"{base}v/{place}"
    said, card = in_words(tally, words), cards.address_of(base, tally, words.language)
    own = words.language if words.language != LANGUAGES[0] else None
    canonical = _address(page, lang=own, seq=seq)
    title = marked(tally.title, tally, words)
    properties = {
        "og:title": title,
        "og:description": said,
        "og:url": canonical,
        "og:type": "website",
        "og:site_name": "Tellers",
        "og:locale": LOCALES[words.language],
        "og:image": card,
        "og:image:type": cards.PNG,
        "og:image:width": str(WIDTH),
        "og:image:height": str(HEIGHT),
        "og:image:alt": said,
    }
    others = (LOCALES[code] for code in LANGUAGES if code != words.language)
    twitter = {
        "twitter:card": "summary_large_image",
        "twitter:title": title,
        "twitter:description": said,
        "twitter:image": card,
        "twitter:image:alt": said,
    }
    feed = _address(f"{_reads(base, tally)}/moments.atom", lang=words.language)
    versions = [(TAGS.get(code, code), code) for code in LANGUAGES]
    return [
        f"<title>{escape(title)} · Tellers</title>",
        f'<meta name="description" content="{escape(said)}">',
        *(['<meta name="robots" content="noindex">'] if tally.rehearsal else []),
        f'<link rel="canonical" href="{escape(canonical)}">',
        *(
            f'<link rel="alternate" hreflang="{tag}" '
            f'href="{escape(_address(page, lang=code, seq=seq))}">'
            for tag, code in versions
        ),
        *(
            f'<meta property="{name}" content="{escape(value)}">'
            for name, value in properties.items()
        ),
        *(
            f'<meta property="og:locale:alternate" content="{other}">'
            for other in others
        ),
        *(
            f'<meta name="{name}" content="{escape(value)}">'
            for name, value in twitter.items()
        ),
        *(
            f'<link rel="alternate" type="{kind}" title="{escape(title)}" '
            f'href="{escape(_oembed(base, canonical, name))}">'
            for name, kind in (
                ("json", "application/json+oembed"),
                ("xml", "text/xml+oembed"),
            )
        ),
        f'<link rel="alternate" type="{ATOM}" href="{escape(feed)}">',
    ]


def _reads(base: str, tally: Tally) -> str:
    return f"{base}v1/{tally.chamber}/roll-calls/{quote(tally.roll_call)}"


def _address(page: str, **query: str | int | None) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return f"{page}?{urlencode(given)}" if given else page


def _oembed(base: str, page: str, name: str) -> str:
    return f"{base}oembed?url={quote(page, safe='')}&format={name}"


def _structured(base: str, tally: Tally, words: Words, licence: str) -> str:
    """The votes as a schema.org Dataset, for search engines that list data."""
    dataset: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "Dataset",
        "name": marked(tally.title, tally, words),
        "description": in_words(tally, words),
        "url": f"{base}v/{tally.chamber}/{quote(tally.roll_call)}",
        "identifier": f"{tally.chamber}/{tally.roll_call}",
        "inLanguage": TAGS.get(words.language, words.language),
        "license": licence,
        "isAccessibleForFree": True,
        "creator": {"@type": "Organization", "name": "Tellers", "url": base},
        "dateModified": tally.at,
        "temporalCoverage": tally.day,
        "version": f"{tally.epoch}-{tally.seq}",
        "image": cards.address_of(base, tally, words.language),
        "distribution": [
            {
                "@type": "DataDownload",
                "encodingFormat": kind,
                "contentUrl": f"{_reads(base, tally)}/{name}",
            }
            for name, kind in FILES
        ],
    }
    # A script's text ends at the first "</", whatever it stands in.
    text = _json(dataset).decode().replace("<", "\\u003c")
    return f'<script type="application/ld+json">{text}</script>'


def _table(tally: Tally, full: Detail, words: Words) -> str:
    """Who voted what, for who reads without scripts."""
    answers = {line.delegation: line.vote for line in full.votes}
    rows = []
    for member in full.members:
        vote = answers.get(member.delegation)
        said = words.say(vote or ("none" if member.entitled else "barred"))
        name = f'<th scope="row">{escape(member.name)}</th>'
        rows.append(f"<tr>{name}<td>{escape(said)}</td></tr>")
    return (
        f'<p><a href="">{escape(words.say("refresh"))}</a></p>'
        f"<table><caption>{escape(tally.title)}: {escape(words.say('members'))}"
        f"</caption><tbody>{''.join(rows)}</tbody></table>"
    )
