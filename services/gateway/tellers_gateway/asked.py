"""A roll call as a derived read asks for it: its tally, its events as far as they are
public, and what is made of them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated
from urllib.parse import quote

import msgspec
from fastapi import Depends, Header, Query, Request, Response
from msgspec.structs import replace

from tellers_core.codec import Recorded, decode
from tellers_core.errors import CorruptHistory
from tellers_core.reveal import public_history, shown_of
from tellers_core.tally import SETTLED, Tally, tallies
from tellers_gateway.detail import Detail, detail, without_names
from tellers_gateway.flat import flat_row, member_rows, mode_of, vote_rows
from tellers_gateway.hub import Hub
from tellers_gateway.moments import Moment, moments
from tellers_gateway.reads import AsOf, answer, etag_of, find_as_of
from tellers_gateway.research import Source
from tellers_gateway.settings import GatewaySettings
from tellers_gateway.state import HubDep
from tellers_gateway.tabular import Cell
from tellers_gateway.timeline import Point, point_of, timeline
from tellers_gateway.words import Language, Words

_json = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Asked:
    """What every one of these requests names."""

    place: Hub
    tally: Tally
    whole: list[Recorded]
    words: Words
    if_none_match: str | None
    source: Source

    @cached_property
    def history(self) -> list[Recorded]:
        """Its events, as far as they are public."""
        withheld = self.tally.withheld is not None
        return public_history(self.whole) if withheld else self.whole

    @cached_property
    def full(self) -> Detail:
        """The roll call's votes, members and result; no names while withheld."""
        full = detail(self.history, self.words.language)
        return full if self.tally.withheld is None else without_names(full)

    @cached_property
    def tallies(self) -> list[Tally]:
        """What is shown of it while something is withheld."""
        return shown_of(tallies(self.whole, self.tally.epoch))

    @property
    def points(self) -> list[Point]:
        """The figures through time."""
        if self.tally.withheld is None:
            return timeline(self.whole)
        return [point_of(tally) for tally in self.tallies]

    @property
    def moments(self) -> list[Moment]:
        """The moments; while something is withheld, those that give nothing away."""
        found = moments(self.whole, self.words)
        if self.tally.withheld is None:
            return found
        shown = {tally.seq: tally for tally in self.tallies}
        return [
            replace(one, counts=now.counts, status=now.verdict.status)
            for one in found
            if (now := shown.get(one.seq)) is not None and _is_told(one, now)
        ]

    @property
    def members(self) -> list[dict[str, Cell]]:
        """One row a member, for a list on air."""
        return member_rows(self.tally, self.full, self.words)

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
            "mode": mode_of(tally),
        }
        if tally.withheld is not None:
            head["withheld"] = tally.withheld
        return _json(head | members)

    def answer(self, body: bytes, media_type: str, variant: str = "") -> Response:
        """The answer with its validators; `variant` tells formats apart."""
        etag = etag_of(self.tally, f"-{self.words.language}{variant}")
        response = answer(body, etag, self.if_none_match, media_type)
        response.headers["Link"] = (
            f'<{self.source.licence}>; rel="license", '
            f'<{self.source.page}>; rel="describedby"'
        )
        return response


def _is_told(moment: Moment, shown: Tally) -> bool:
    """Whether it names nobody and says no more than the tally that is shown."""
    if moment.kind in SETTLED:
        return moment.kind == shown.verdict.status
    if moment.kind == "retracted":
        return shown.verdict.retracted is not None
    return moment.delegation is None


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
    history = await history_of(place, tally)
    settings: GatewaySettings = request.state.settings
    page = f"{request.base_url}v/{tally.chamber}/{quote(tally.roll_call)}"
    return Asked(
        place,
        tally,
        history,
        Words(lang),
        if_none_match,
        Source(f"{page}?seq={tally.seq}", settings.data_licence),
    )


async def history_of(place: Hub, tally: Tally) -> list[Recorded]:
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
