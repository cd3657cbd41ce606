"""Reads that follow from a roll call's events: flat rows, exports, moments, groups,
comparison. Each is a pure module; this one finds the events and sets the headers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated
from xml.sax.saxutils import escape

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request, Response

from tellers_core.codec import Recorded, decode
from tellers_core.errors import CorruptHistory
from tellers_core.roll_call import Phase
from tellers_core.tally import Tally
from tellers_gateway.compare import compare
from tellers_gateway.detail import Detail, detail
from tellers_gateway.flat import (
    COLUMNS,
    MEMBER_COLUMNS,
    VOTE_COLUMNS,
    flat_row,
    member_rows,
    vote_rows,
)
from tellers_gateway.groups import groups
from tellers_gateway.hub import Hub
from tellers_gateway.moments import Moment, moments
from tellers_gateway.reads import AsOf, answer, etag_of, find, find_as_of
from tellers_gateway.state import HubDep
from tellers_gateway.tabular import Cell, Sheet, attribute, to_csv, to_xlsx, to_xml
from tellers_gateway.timeline import timeline
from tellers_gateway.words import Language, Words

router = APIRouter(prefix="/v1/{chamber}/roll-calls/{roll_call}", tags=["exports"])
CSV, XML, JSON = "text/csv", "application/xml", "application/json"
ATOM = "application/atom+xml"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# While votes can still come; a locked vote may be opened again.
RUNNING = (Phase.SCHEDULED, Phase.OPEN, Phase.LOCKED)
_json = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Asked:
    """What every one of these requests names."""

    place: Hub
    tally: Tally
    history: list[Recorded]
    words: Words
    if_none_match: str | None

    @cached_property
    def full(self) -> Detail:
        """The roll call's votes, members and result."""
        return detail(self.history, self.words.language)

    @property
    def row(self) -> dict[str, Cell]:
        """The tally as one flat row."""
        return flat_row(self.tally, self.full, self.words)

    @property
    def rows(self) -> list[dict[str, Cell]]:
        """One flat row a member."""
        return vote_rows(self.tally, self.full, self.words)

    def about(self, **members: object) -> bytes:
        """JSON that says whose it is and up to where, then these members."""
        tally = self.tally
        head = {
            "chamber": tally.chamber,
            "roll_call": tally.roll_call,
            "epoch": tally.epoch,
            "seq": tally.seq,
        }
        return _json(head | members)

    def answer(self, body: bytes, media_type: str, variant: str = "") -> Response:
        """The answer with its validators; `variant` tells formats apart."""
        etag = etag_of(self.tally, f"-{self.words.language}{variant}")
        return answer(body, etag, self.if_none_match, media_type)


async def _asked(
    request: Request,
    hub: HubDep,
    roll_call: str,
    lang: Annotated[
        Language, Query(description="Language of names and labels.")
    ] = "en",
    as_of: AsOf = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Asked:
    place, tally = await find_as_of(request, hub, roll_call, as_of)
    history = await _history(place, tally)
    return Asked(place, tally, history, Words(lang), if_none_match)


async def _history(place: Hub, tally: Tally) -> list[Recorded]:
    """The events of a roll call up to its tally, and up to the first that is not
    understood: the tally is held there."""
    found = []
    for entry in await place.past.events_of(tally.roll_call, tally.seq):
        try:
            found.append(decode(entry.body))
        except CorruptHistory:
            break
    return found


AskedDep = Annotated[Asked, Depends(_asked)]


def _values(rows: Sequence[dict[str, Cell]]) -> list[list[Cell]]:
    return [list(row.values()) for row in rows]


def _known(row: dict[str, Cell]) -> dict[str, Cell]:
    return {name: cell for name, cell in row.items() if cell is not None}


@router.get("/flat.json", summary="The tally as one flat row")
async def flat_json(asked: AskedDep) -> Response:
    """An array of one object; what is not known is left out."""
    return asked.answer(_json([_known(asked.row)]), JSON, "-flat")


@router.get("/flat.csv", summary="The tally as one flat row, CSV")
async def flat_csv(asked: AskedDep) -> Response:
    """A header and one row; what is not known is empty."""
    return asked.answer(to_csv(COLUMNS, _values([asked.row])), CSV, "-flat-csv")


@router.get("/flat.xml", summary="The tally as one flat row, XML")
async def flat_xml(asked: AskedDep) -> Response:
    """`<rows><row>...`; what is not known is left out."""
    return asked.answer(to_xml(COLUMNS, _values([asked.row])), XML, "-flat-xml")


@router.get("/members.json", summary="The members as flat rows, for graphics")
async def members_json(asked: AskedDep) -> Response:
    """An array of flat objects in official order; what is not known is left out."""
    rows = member_rows(asked.full, asked.words)
    return asked.answer(_json([_known(row) for row in rows]), JSON, "-members")


@router.get("/members.csv", summary="The members as flat rows, CSV")
async def members_csv(asked: AskedDep) -> Response:
    """A header and a row a member; what is not known is empty."""
    rows = _values(member_rows(asked.full, asked.words))
    return asked.answer(to_csv(MEMBER_COLUMNS, rows), CSV, "-members-csv")


@router.get("/members.xml", summary="The members as flat rows, XML")
async def members_xml(asked: AskedDep) -> Response:
    """`<rows><row>...`; what is not known is left out."""
    rows = _values(member_rows(asked.full, asked.words))
    return asked.answer(to_xml(MEMBER_COLUMNS, rows), XML, "-members-xml")


@router.get("/votes.json", summary="One row a delegation")
async def votes_json(asked: AskedDep) -> Response:
    """Every member of the chamber, in official order."""
    return asked.answer(_json([_known(row) for row in asked.rows]), JSON, "-votes")


@router.get("/votes.csv", summary="One row a delegation, CSV")
async def votes_csv(
    asked: AskedDep,
    bom: Annotated[
        bool, Query(description="Begin with a byte order mark: Excel.")
    ] = False,
) -> Response:
    """RFC 4180; cells that a spreadsheet could take for formulas are escaped."""
    body = to_csv(VOTE_COLUMNS, _values(asked.rows))
    return asked.answer(
        b"\xef\xbb\xbf" + body if bom else body, CSV, f"-votes-csv{int(bom)}"
    )


@router.get("/votes.xlsx", summary="Totals and votes as a workbook")
async def votes_xlsx(asked: AskedDep) -> Response:
    """Sheets `totals` and `votes`; right to left in Arabic."""
    right_to_left = asked.words.right_to_left
    sheets = [
        Sheet(name, columns, _values(rows), right_to_left=right_to_left)
        for name, columns, rows in (
            ("totals", COLUMNS, [asked.row]),
            ("votes", VOTE_COLUMNS, asked.rows),
        )
    ]
    response = asked.answer(to_xlsx(sheets), XLSX, "-votes-xlsx")
    name = f"{asked.tally.roll_call}-{asked.tally.seq}.xlsx"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@router.get("/groups", summary="Counts and cohesion of each regional group")
async def by_group(asked: AskedDep) -> Response:
    """Live, with the bounds that the missing answers can still lead to."""
    body = asked.about(groups=groups(asked.full, running=asked.tally.phase in RUNNING))
    return asked.answer(body, JSON, "-groups")


@router.get("/compare/{other}", summary="Who votes otherwise than in another roll call")
async def compared(request: Request, asked: AskedDep, other: str) -> Response:
    """Live while either runs: who moved, who is silent now, who is new."""
    language = asked.words.language
    place, other_tally = await find(request, asked.place, other)
    history = await _history(place, other_tally)
    comparison = compare(asked.full, detail(history, language), language)
    body = asked.about(
        other=other,
        seq=max(asked.tally.seq, other_tally.seq),
        **msgspec.structs.asdict(comparison),
    )
    return asked.answer(body, JSON, f"-vs-{other}-{other_tally.seq}")


@router.get("/timeline", summary="The figures after each event")
async def through_time(asked: AskedDep) -> Response:
    """Oldest first; each `seq` may be asked for with `as_of`."""
    body = asked.about(points=timeline(asked.history))
    return asked.answer(body, JSON, "-timeline")


@router.get("/moments", summary="What a live-blogger would write")
@router.get("/moments.json", include_in_schema=False)
async def moments_json(asked: AskedDep) -> Response:
    """Oldest first; headlines in the language asked for, ids the same in all."""
    body = asked.about(moments=moments(asked.history, asked.words))
    return asked.answer(body, JSON, "-moments")


@router.get("/moments.atom", summary="The moments as an Atom feed")
async def moments_atom(request: Request, asked: AskedDep) -> Response:
    """Newest first."""
    body = _atom(
        str(request.url), asked.tally, moments(asked.history, asked.words), asked.words
    )
    return asked.answer(body, ATOM, "-atom")


def _atom(address: str, tally: Tally, told: Sequence[Moment], words: Words) -> bytes:
    title = escape(words.say("moment.feed", title=tally.title))
    entries = "".join(
        f"<entry><id>{escape(f'tag:tellers,2026:{moment.id}')}</id>"
        f"<title>{escape(moment.headline)}</title>"
        f"<updated>{moment.at}</updated>"
        f"<category term={attribute(moment.kind)}/>"
        f'<content type="text">{escape(moment.headline)}</content></entry>'
        for moment in reversed(told)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="{words.language}">'
        f"<id>{escape(f'tag:tellers,2026:{tally.chamber}/{tally.roll_call}')}</id>"
        f"<title>{title}</title><updated>{tally.at}</updated>"
        f"<author><name>Tellers</name></author>"
        f'<link rel="self" href={attribute(address)}/>{entries}</feed>\n'
    ).encode()
