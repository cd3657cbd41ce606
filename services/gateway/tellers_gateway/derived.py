"""Reads that follow from a roll call's events: flat rows, exports, moments, groups,
comparison. Each is a pure module; `asked` finds the events."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response

from tellers_core.roll_call import Phase
from tellers_gateway import live_blog
from tellers_gateway.asked import AskedDep, history_of
from tellers_gateway.compare import compare
from tellers_gateway.detail import detail
from tellers_gateway.flat import COLUMNS, MEMBER_COLUMNS, VOTE_COLUMNS, mode_of
from tellers_gateway.groups import groups
from tellers_gateway.reads import find, of_type
from tellers_gateway.research import (
    ABOUT_COLUMNS,
    CHANGE_COLUMNS,
    CHART_COLUMNS,
    VOETEN_COLUMNS,
    about_rows,
    change_rows,
    chart_rows,
    voeten_rows,
)
from tellers_gateway.tabular import Cell, Sheet, to_csv, to_xlsx, to_xml
from tellers_runtime.problems import HttpProblem

router = APIRouter(prefix="/v1/{chamber}/roll-calls/{roll_call}", tags=["exports"])
CSV, XML, JSON = "text/csv", "application/xml", "application/json"
ATOM, JSON_LD = "application/atom+xml", "application/ld+json"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# While votes can still come; a locked vote may be opened again.
RUNNING = (Phase.SCHEDULED, Phase.OPEN, Phase.LOCKED)
_json = msgspec.json.Encoder().encode


def _values(rows: Sequence[dict[str, Cell]]) -> list[list[Cell]]:
    return [list(row.values()) for row in rows]


def _known(row: dict[str, Cell]) -> dict[str, Cell]:
    return {name: cell for name, cell in row.items() if cell is not None}


@router.get("/flat.json", summary="The tally as one flat row")
async def flat_json(asked: AskedDep) -> Response:
    """An array of one object; what is not known is left out."""
    return asked.answer(_json([_known(asked.row)]), JSON, "-flat")


@router.get(
    "/flat.csv", summary="The tally as one flat row, CSV", response_class=of_type(CSV)
)
async def flat_csv(asked: AskedDep) -> Response:
    """A header and one row; what is not known is empty."""
    return asked.answer(to_csv(COLUMNS, _values([asked.row])), CSV, "-flat-csv")


@router.get(
    "/flat.xml", summary="The tally as one flat row, XML", response_class=of_type(XML)
)
async def flat_xml(asked: AskedDep) -> Response:
    """`<rows><row>...`; what is not known is left out."""
    return asked.answer(to_xml(COLUMNS, _values([asked.row])), XML, "-flat-xml")


@router.get("/members.json", summary="The members as flat rows, for graphics")
async def members_json(asked: AskedDep) -> Response:
    """An array of flat objects in official order; what is not known is left out."""
    rows = asked.members
    return asked.answer(_json([_known(row) for row in rows]), JSON, "-members")


@router.get(
    "/members.csv", summary="The members as flat rows, CSV", response_class=of_type(CSV)
)
async def members_csv(asked: AskedDep) -> Response:
    """A header and a row a member; what is not known is empty."""
    rows = _values(asked.members)
    return asked.answer(to_csv(MEMBER_COLUMNS, rows), CSV, "-members-csv")


@router.get(
    "/members.xml", summary="The members as flat rows, XML", response_class=of_type(XML)
)
async def members_xml(asked: AskedDep) -> Response:
    """`<rows><row>...`; what is not known is left out."""
    rows = _values(asked.members)
    return asked.answer(to_xml(MEMBER_COLUMNS, rows), XML, "-members-xml")


@router.get("/votes.json", summary="One row a delegation")
async def votes_json(asked: AskedDep) -> Response:
    """Every member of the chamber, in official order."""
    return asked.answer(_json([_known(row) for row in asked.rows]), JSON, "-votes")


@router.get(
    "/votes.csv", summary="One row a delegation, CSV", response_class=of_type(CSV)
)
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


@router.get(
    "/changes.csv", summary="Everything that happened, CSV", response_class=of_type(CSV)
)
async def changes_csv(asked: AskedDep) -> Response:
    """A row an event, oldest first: who went from which answer to which."""
    rows = change_rows(asked.tally, asked.history, asked.words)
    return asked.answer(to_csv(CHANGE_COLUMNS, rows), CSV, "-changes-csv")


@router.get(
    "/chart.csv",
    summary="Label, number and colour for a chart, CSV",
    response_class=of_type(CSV),
)
async def chart_csv(asked: AskedDep) -> Response:
    """Yes, no, abstain, not recorded, always in this order."""
    rows = chart_rows(asked.tally, asked.words)
    return asked.answer(to_csv(CHART_COLUMNS, rows), CSV, "-chart-csv")


@router.get(
    "/voeten.csv",
    summary="As the UN voting data of E. Voeten, CSV",
    response_class=of_type(CSV),
)
async def voeten_csv(asked: AskedDep) -> Response:
    """1 yes, 2 abstain, 3 no, 8 absent; empty while the answer may still come."""
    rows = voeten_rows(asked.tally, asked.full)
    return asked.answer(to_csv(VOETEN_COLUMNS, rows), CSV, "-voeten-csv")


@router.get(
    "/votes.xlsx",
    summary="Totals and votes as a workbook",
    response_class=of_type(XLSX),
)
async def votes_xlsx(asked: AskedDep) -> Response:
    """Sheets `totals`, `votes`, `changes` and `about`; right to left in Arabic."""
    right_to_left = asked.words.right_to_left
    about = about_rows(asked.tally, asked.words, asked.source)
    sheets = [
        Sheet(name, columns, rows, right_to_left=right_to_left)
        for name, columns, rows in (
            ("totals", COLUMNS, _values([asked.row])),
            ("votes", VOTE_COLUMNS, _values(asked.rows)),
            (
                "changes",
                CHANGE_COLUMNS,
                change_rows(asked.tally, asked.history, asked.words),
            ),
            ("about", ABOUT_COLUMNS, about),
        )
    ]
    response = asked.answer(to_xlsx(sheets), XLSX, "-votes-xlsx")
    name = f"{asked.tally.roll_call}-{asked.tally.seq}.xlsx"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@router.get("/groups", summary="Counts and cohesion of each regional group")
async def by_group(asked: AskedDep) -> Response:
    """Live, with the bounds that the missing answers can still lead to. No groups while
    names are withheld."""
    withheld, running = asked.tally.withheld, asked.tally.phase in RUNNING
    found = [] if withheld else groups(asked.full, running=running)
    body = asked.about(groups=found)
    return asked.answer(body, JSON, "-groups")


@router.get("/compare/{other}", summary="Who votes otherwise than in another roll call")
async def compared(request: Request, asked: AskedDep, other: str) -> Response:
    """Live while either runs: who moved, who is silent now, who is new."""
    language = asked.words.language
    place, other_tally = await find(request, asked.place, other)
    for tally in (asked.tally, other_tally):
        if tally.withheld is not None:
            raise HttpProblem(
                "not_closed",
                f"who votes what in {tally.roll_call} is public when it has ended",
                status=404,
            )
    history = await history_of(place, other_tally)
    comparison = compare(asked.full, detail(history, language), language)
    body = asked.about(
        other=other,
        other_mode=mode_of(other_tally),
        seq=max(asked.tally.seq, other_tally.seq),
        **msgspec.structs.asdict(comparison),
    )
    return asked.answer(body, JSON, f"-vs-{other}-{other_tally.seq}")


@router.get("/timeline", summary="The figures after each event")
async def through_time(asked: AskedDep) -> Response:
    """Oldest first; each `seq` may be asked for with `as_of`."""
    body = asked.about(points=asked.points)
    return asked.answer(body, JSON, "-timeline")


@router.get("/moments", summary="What a live-blogger would write")
@router.get("/moments.json", include_in_schema=False)
async def moments_json(asked: AskedDep) -> Response:
    """Oldest first; headlines in the language asked for, ids the same in all."""
    body = asked.about(moments=asked.moments)
    return asked.answer(body, JSON, "-moments")


@router.get(
    "/moments.atom", summary="The moments as an Atom feed", response_class=of_type(ATOM)
)
async def moments_atom(request: Request, asked: AskedDep) -> Response:
    """Newest first."""
    told = asked.moments
    body = live_blog.atom(str(request.url), asked.tally, told, asked.words)
    return asked.answer(body, ATOM, "-atom")


@router.get(
    "/moments.jsonld",
    summary="The moments as a schema.org LiveBlogPosting",
    response_class=of_type(JSON_LD),
)
async def moments_jsonld(asked: AskedDep) -> Response:
    """`liveBlogUpdate` has an item a moment, ready for a live blog of one's own."""
    told = asked.moments
    posting = live_blog.posting(asked.tally, told, asked.words, asked.source.page)
    return asked.answer(_json(posting), JSON_LD, "-jsonld")
