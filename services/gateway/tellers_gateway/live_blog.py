"""The moments of a roll call in the forms that newsrooms take: an Atom feed, and a
schema.org LiveBlogPosting whose items go into a live blog as they are: each says of
itself when it is of a rehearsal. Pure."""

from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from tellers_core.events import Counts
from tellers_core.tally import ENDED, Tally
from tellers_gateway.moments import Moment
from tellers_gateway.tabular import attribute, in_xml
from tellers_gateway.words import Words, marked


def figures(counts: Counts, words: Words) -> str:
    """The counts in words: `141 in favour, 5 against, 35 abstentions`."""
    return words.say(
        "counts",
        yes=words.say("in_favour", n=counts.yes),
        no=words.say("against", n=counts.no),
        abstain=words.say("abstentions", n=counts.abstain),
    )


def atom(address: str, tally: Tally, told: Sequence[Moment], words: Words) -> bytes:
    """The feed, newest first; `address` is its own."""
    title = _text(_title(tally, words))
    entries = "".join(
        f"<entry><id>{_text(f'tag:tellers,2026:{moment.id}')}</id>"
        f"<title>{_text(marked(moment.headline, tally, words))}</title>"
        f"<updated>{moment.at}</updated>"
        f"<category term={attribute(moment.kind)}/>"
        f'<content type="text">{_text(_body(moment, tally, words))}</content></entry>'
        for moment in reversed(told)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="{words.language}">'
        f"<id>{_text(f'tag:tellers,2026:{tally.chamber}/{tally.roll_call}')}</id>"
        f"<title>{title}</title><updated>{tally.at}</updated>"
        f"<author><name>Tellers</name></author>"
        f'<link rel="self" href={attribute(address)}/>{entries}</feed>\n'
    ).encode()


def _text(text: str) -> str:
    return escape(in_xml(text))


def posting(
    tally: Tally, told: Sequence[Moment], words: Words, page: str
) -> dict[str, Any]:
    """A LiveBlogPosting; `page` is where the roll call can be read. What a newsroom
    knows better (author, publisher, image) is left to it."""
    begun = next((moment.at for moment in told if moment.kind == "opened"), None)
    found: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "LiveBlogPosting",
        "@id": page,
        "url": page,
        "headline": _title(tally, words),
        "inLanguage": words.language,
        "dateModified": tally.at,
        "liveBlogUpdate": [_update(moment, tally, words, page) for moment in told],
    }
    if begun:
        found |= {"datePublished": begun, "coverageStartTime": begun}
    if tally.phase in ENDED:
        found["coverageEndTime"] = tally.at
    return found


def _update(moment: Moment, tally: Tally, words: Words, page: str) -> dict[str, Any]:
    address = f"{page.partition('?')[0]}?seq={moment.seq}"
    return {
        "@type": "BlogPosting",
        "@id": f"{page.partition('?')[0]}#{moment.id}",
        "headline": marked(moment.headline, tally, words),
        "datePublished": moment.at,
        "articleBody": _body(moment, tally, words),
        "url": address,
        "inLanguage": words.language,
    }


def _title(tally: Tally, words: Words) -> str:
    return marked(words.say("moment.feed", title=tally.title), tally, words)


def _body(moment: Moment, tally: Tally, words: Words) -> str:
    """The headline and, where it does not tell them itself, the figures then."""
    headline = marked(moment.headline, tally, words)
    if moment.kind in ("closed", "opened"):
        return headline
    told = words.say("two_parts", a=headline, b=figures(moment.counts, words))
    return told.replace("..", ".")
