"""The share card of a tally as SVG: 1200x630, what matters in the middle 1080x566, no
letter smaller than 32 pixels. Pure: the same tally is the same card, byte for byte.

A card outlives its moment: those who fetch it keep it for days. So one that is not
final says so, with the time of the count, and one that is held says that.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

from babel.dates import format_date

from tellers_core.reveal import NOT_YET
from tellers_core.roll_call import Phase
from tellers_core.tally import ENDED, SETTLED, Tally
from tellers_gateway.lettering import Letters, Weight
from tellers_gateway.tabular import in_xml
from tellers_gateway.words import (
    Words,
    headline,
    is_blank,
    marked,
    rehearsal_mark,
    rule_words,
)

WIDTH, HEIGHT, EDGE = 1200, 630, 60
ROOM = WIDTH - 2 * EDGE
GROUND, INK, SOFT, LINE = "#101820", "#f2f6f9", "#a9b8c4", "#33434f"
SILENT = "#5e7080"
COLOURS = {"yes": "#009e73", "no": "#d55e00", "abstain": "#f0e442", "none": SILENT}
# The shapes of web/symbols.js, so that colour is never alone; in a square of 24.
SHAPES = {
    "yes": "M4.5 12.5 9.75 17.75 19.5 7",
    "no": "M6.25 6.25 17.75 17.75M17.75 6.25 6.25 17.75",
    "abstain": "M12 5.75a6.25 6.25 0 1 1 0 12.5a6.25 6.25 0 1 1 0-12.5Z",
    "none": "M6.5 12H17.5",
}
SMALL, BIG, NUMBER = 32, 58, 88
# Size of the title and how many lines it may have then, the best first.
TITLES = ((72, 1), (54, 2), (42, 3))
REHEARSED_TITLES = ((54, 1), (42, 2))
TITLE_FROM, HEADLINE_AT, QUALIFIER_AT = 86, 312, 358
BAR_AT, BAR_HIGH, NUMBERS_AT, LABELS_AT = 384, 32, 500, 548
BAND_AT, BAND_HIGH = 24, 60
BADGE_PAD = 18
Side = Literal["start", "middle", "end"]
_MIRRORED: Mapping[Side, Side] = {"start": "end", "middle": "middle", "end": "start"}
_RLI, _LRI, _PDI = "\u2067", "\u2066", "\u2069"
_TERRITORY = {"en": "en_GB"}  # the United Nations write 2 March 2022


class _Drawing:
    """Shapes and lines of text, measured from the side where reading begins."""

    def __init__(self, *, right_to_left: bool) -> None:
        self._right_to_left = right_to_left
        self.parts: list[str] = []

    def rectangle(
        self, x: float, y: float, wide: float, high: float, fill: str, round_: int = 0
    ) -> None:
        left = WIDTH - x - wide if self._right_to_left else x
        self.parts.append(
            f'<rect x="{left:g}" y="{y:g}" width="{wide:g}" height="{high:g}" '
            f'rx="{round_}" fill="{fill}"/>'
        )

    def text(
        self,
        text: str,
        x: float,
        y: float,
        size: int,
        weight: Weight = "Regular",
        fill: str = INK,
        *,
        side: Side = "start",
        right_to_left: bool | None = None,
    ) -> None:
        """A line; `right_to_left`: the text's own direction, else the card's."""
        mirrored = self._right_to_left
        turned = mirrored if right_to_left is None else right_to_left
        anchor = _MIRRORED[side] if mirrored else side
        spans = "".join(
            f"<tspan font-family={quoteattr(family)}>{escape(part)}</tspan>"
            for family, part in Letters(weight).runs(text)
        )
        self.parts.append(
            f'<text x="{WIDTH - x if mirrored else x:g}" y="{y:g}" font-size="{size}" '
            f'font-weight="{700 if weight == "Bold" else 400}" fill="{fill}" '
            f'text-anchor="{anchor}">{_RLI if turned else _LRI}{spans}{_PDI}</text>'
        )

    def chip(self, kind: str, x: float, y: float, size: float) -> None:
        """The shape of a vote on its colour."""
        silent = kind == "none"
        left = WIDTH - x - size if self._right_to_left else x
        ground = "none" if silent else COLOURS[kind]
        self.parts.append(
            f'<g transform="translate({left:g} {y:g}) scale({size / 24:g})">'
            f'<rect x="1" y="1" width="22" height="22" rx="5" fill="{ground}" '
            f'stroke="{COLOURS[kind]}" stroke-width="2"/>'
            f'<path d="{SHAPES[kind]}" fill="none" '
            f'stroke="{SOFT if silent else GROUND}" stroke-width="3.2" '
            'stroke-linecap="round" stroke-linejoin="round"/></g>'
        )


def draw(tally: Tally, words: Words) -> str:
    """The card as an SVG document."""
    drawing = _Drawing(right_to_left=words.right_to_left)
    shift = _band(drawing, words) if tally.rehearsal else 0
    _top(drawing, tally, words, EDGE + 12 + shift)
    _title(drawing, tally, TITLE_FROM + shift)
    _verdict(drawing, tally, words)
    # Where nothing is known yet, or nothing is told, nothing is 0.
    if tally.phase is not Phase.SCHEDULED and not is_blank(tally):
        _bar(drawing, tally)
        _numbers(drawing, tally, words)
    said = in_xml(marked(f"{tally.title}. {_state(tally, words)}", tally, words))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" role="img" '
        f'xml:lang="{words.language}" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}"><title>{escape(said)}</title>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{GROUND}"/>'
        f"{''.join(drawing.parts)}</svg>\n"
    )


def _band(drawing: _Drawing, words: Words) -> int:
    """Says across the card that it is no real vote; returns how much room it takes."""
    drawing.parts.append(
        '<pattern id="band" width="48" height="48" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="48" height="48" fill="#f2f6f9"/>'
        '<rect width="24" height="48" fill="#dbe4ea"/></pattern>'
        f'<rect y="{BAND_AT}" width="{WIDTH}" height="{BAND_HIGH}" fill="url(#band)"/>'
    )
    at = BAND_AT + BAND_HIGH - 19
    drawing.text(rehearsal_mark(words), EDGE, at, SMALL + 2, "Bold", GROUND)
    return BAND_HIGH - 8


def _top(drawing: _Drawing, tally: Tally, words: Words, y: float) -> None:
    state = _state(tally, words)
    badge = tally.phase is Phase.OPEN or _held(tally)
    weight: Weight = "Bold" if badge else "Regular"
    wide = Letters(weight).width(state) * SMALL
    if badge:
        wide += 2 * BADGE_PAD
        left = WIDTH - EDGE - wide
        drawing.rectangle(left, y - 36, wide, 50, INK, 10)
        middle = left + wide / 2
        drawing.text(state, middle, y, SMALL, weight, GROUND, side="middle")
    else:
        drawing.text(state, WIDTH - EDGE, y, SMALL, weight, side="end")
    key = f"chamber.{tally.chamber}"
    chamber = words.say(key) if words.has(key) else tally.chamber
    symbol = in_xml(tally.symbol) if tally.symbol else ""
    both = f"{chamber} \u00b7 {_LRI}{symbol}{_PDI}" if symbol else chamber
    where = _fitting((both, symbol or chamber), (ROOM - wide) / SMALL - 1)
    drawing.text(where, EDGE, y, SMALL, fill=SOFT)


def _fitting(wordings: Iterable[str], room: float) -> str:
    """The first wording that fits in the room, or the last one cut short."""
    letters, text = Letters("Regular"), ""
    for text in wordings:
        if letters.width(text) <= room:
            return text
    return letters.wrap(text, room, 1)[0]


def _held(tally: Tally) -> bool:
    return tally.held is not None and tally.phase not in ENDED


def _state(tally: Tally, words: Words) -> str:
    """What the figures are, and of when: live, held, or final."""
    phase = words.say(f"phase.{tally.phase}")
    if tally.phase in ENDED:
        day = date.fromisoformat(tally.day)
        locale = _TERRITORY.get(words.language, words.language)
        return f"{phase} \u00b7 {format_date(day, 'long', locale=locale)}"
    if tally.phase is Phase.SCHEDULED:
        return phase
    time = words.say("as_of", time=f"{tally.at[11:19]} UTC")
    if _held(tally):
        return f"{words.say('state.held').upper()} \u00b7 {time}"
    if tally.phase is Phase.LOCKED:
        return f"{phase} \u00b7 {time}"
    return f"{words.say('state.live').upper()} \u00b7 {time}"


def _title(drawing: _Drawing, tally: Tally, top: float) -> None:
    letters, title = Letters("Bold"), in_xml(tally.title)
    sizes = REHEARSED_TITLES if tally.rehearsal else TITLES
    for size, most in sizes:
        lines = letters.wrap(title, ROOM / size, most + 1)
        if len(lines) <= most:
            break
    else:
        size, most = sizes[-1]
        lines = letters.wrap(title, ROOM / size, most)
    turned = _reads_right_to_left(title)
    for number, line in enumerate(lines, 1):
        y = top + number * size * 1.16
        drawing.text(line, EDGE, y, size, "Bold", right_to_left=turned)


def _reads_right_to_left(text: str) -> bool:
    """As the first letter that has a direction does."""
    directions = (unicodedata.bidirectional(char) for char in text)
    return next((one for one in directions if one in ("L", "R", "AL")), "L") != "L"


def _verdict(drawing: _Drawing, tally: Tally, words: Words) -> None:
    drawing.text(headline(tally, words), EDGE, HEADLINE_AT, BIG, "Bold")
    told = _fitting(_qualifiers(tally, words), ROOM / SMALL)
    drawing.text(told, EDGE, QUALIFIER_AT, SMALL, fill=SOFT)


def _qualifiers(tally: Tally, words: Words) -> Iterable[str]:
    """What must be said with the headline, the fullest wording first."""
    counts, verdict = tally.counts, tally.verdict
    rule = rule_words(words, verdict.rule)
    if is_blank(tally):
        yield words.say(f"held.{NOT_YET}")
        return
    if tally.imported:  # what was required then its source does not say
        yield words.say("rule_assumed", rule=rule)
        return
    if tally.phase is Phase.CLOSED and verdict.status == "tied":
        told = words.say("second_vote")
    elif tally.phase is Phase.CLOSED:
        told = words.say("required", n=verdict.required)
    elif tally.phase in (Phase.SCHEDULED, Phase.ANNULLED):
        yield rule
        return
    elif verdict.status in SETTLED:
        locked = tally.phase is Phase.LOCKED
        yield words.say("unannounced" if locked else "unless")
        return
    else:
        recorded = counts.entitled - counts.not_voting
        told = words.say("recorded_of", a=recorded, b=counts.entitled)
    yield f"{told} \u00b7 {rule}"
    yield told


def _amounts(tally: Tally) -> dict[str, int]:
    counts = tally.counts
    return {
        "yes": counts.yes,
        "no": counts.no,
        "abstain": counts.abstain,
        "none": counts.not_voting,
    }


def _bar(drawing: _Drawing, tally: Tally) -> None:
    entitled, x = max(1, tally.counts.entitled), float(EDGE)
    drawing.rectangle(EDGE, BAR_AT, ROOM, BAR_HIGH, LINE)
    for kind, amount in _amounts(tally).items():
        wide = ROOM * amount / entitled
        if amount and kind != "none":
            drawing.rectangle(x, BAR_AT, max(2, wide - 2), BAR_HIGH, COLOURS[kind])
        x += wide


def _numbers(drawing: _Drawing, tally: Tally, words: Words) -> None:
    over = tally.phase is Phase.LOCKED or tally.phase in ENDED
    labels = {"none": words.say("not_voting" if over else "not_recorded")}
    letters, column = Letters("Regular"), ROOM / len(SHAPES)
    for place, (kind, amount) in enumerate(_amounts(tally).items()):
        x = EDGE + place * column
        drawing.chip(kind, x, NUMBERS_AT - 55, 48)
        fill = SOFT if kind == "none" else INK
        drawing.text(str(amount), x + 62, NUMBERS_AT, NUMBER, "Bold", fill)
        label = labels.get(kind) or words.say(kind)
        for number, line in enumerate(letters.wrap(label, (column - 20) / SMALL, 2)):
            drawing.text(line, x, LABELS_AT + number * 38, SMALL, fill=SOFT)
