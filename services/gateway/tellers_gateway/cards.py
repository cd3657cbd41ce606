"""`.../card.svg` and `.png`: the picture that goes with a link to a roll call.

`?seq=` is the state then. Such an address never changes its picture, and whoever shares
pictures keeps them by address: so the pages link to the card with seq and epoch.
"""

import asyncio
import sys
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated
from urllib.parse import quote, urlencode

import structlog
from fastapi import APIRouter, Depends, Header, Query, Request, Response

from tellers_core.tally import Tally
from tellers_gateway.once import Once
from tellers_gateway.reads import answer, etag_of, find_as_of, of_type
from tellers_gateway.resume import MAX_SEQ
from tellers_gateway.share_card import HEIGHT, WIDTH, draw
from tellers_gateway.state import HubDep
from tellers_gateway.words import Language, Words
from tellers_runtime.problems import HttpProblem

router = APIRouter(prefix="/v1/{chamber}/roll-calls/{roll_call}", tags=["embeds"])
FOREVER = "public, max-age=31536000, immutable"
SVG, PNG = "image/svg+xml", "image/png"
# 40 KiB each: the cards of some forty open votes in six languages, or of one vote's
# every change.
KEPT = 256
# Who would wait longer than a few is told to come back.
WAITING = 16
# On a busy machine; a picture is 0.2 s of a processor.
PATIENCE_SECONDS = 30.0
logger = structlog.get_logger()


class Size(IntEnum):
    """Widths in pixels that a picture is drawn in; few, as each is kept."""

    WHOLE = WIDTH
    HALF = 600
    SMALL = 300


class Pictures:
    """Draws PNGs in a process beside this one, one at a time, and keeps the newest."""

    def __init__(self) -> None:
        self._once: Once[tuple[str, int], bytes] = Once(KEPT)
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0

    async def png(self, svg: str, width: int = WIDTH) -> bytes:
        """The picture. Raises HttpProblem `overloaded` when too many wait already."""
        return await self._once.get((svg, width), lambda: self._draw(svg, width))

    async def _draw(self, svg: str, width: int) -> bytes:
        if self._waiting >= WAITING:
            raise _busy()
        self._waiting += 1
        try:
            async with self._turn:
                return await _rasterized(svg, width)
        finally:
            self._waiting -= 1


def _busy() -> HttpProblem:
    return HttpProblem(
        "overloaded",
        "too many pictures are being drawn; try again",
        status=503,
        headers={"Retry-After": "5"},
    )


async def _rasterized(svg: str, width: int) -> bytes:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tellers_gateway.rasterize", str(width)),
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            png, said = await process.communicate(svg.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        raise _busy() from None
    if process.returncode != 0:
        logger.error("card.failed", why=said.decode(errors="replace")[-500:])
        raise HttpProblem("internal_error", "the picture cannot be drawn")
    return png


@dataclass(frozen=True)
class Wanted:
    """Which card is asked for."""

    tally: Tally
    words: Words
    forever: bool
    if_none_match: str | None

    @property
    def svg(self) -> str:
        """The card as SVG."""
        return draw(self.tally, self.words)

    def answer(self, body: bytes, media_type: str, variant: str) -> Response:
        """The card with its validators; kept for ever when it is of a seq."""
        etag = etag_of(self.tally, f"-{self.words.language}-{variant}")
        response = answer(body, etag, self.if_none_match, media_type)
        if self.forever:
            response.headers["Cache-Control"] = FOREVER
        return response


async def _wanted(
    request: Request,
    hub: HubDep,
    roll_call: str,
    lang: Annotated[Language, Query(description="Language of the card.")] = "en",
    seq: Annotated[
        int | None, Query(ge=1, le=MAX_SEQ, description="As at this seq; for ever.")
    ] = None,
    epoch: Annotated[
        str | None,
        Query(max_length=64, description="Of that seq: another one is not kept."),
    ] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Wanted:
    _, tally = await find_as_of(request, hub, roll_call, seq, "seq")
    # A log that was restored may have another event at that seq.
    forever = seq is not None and epoch in (None, tally.epoch)
    return Wanted(tally, Words(lang), forever, if_none_match)


WantedDep = Annotated[Wanted, Depends(_wanted)]


@router.get("/card.svg", summary="The share card, SVG", response_class=of_type(SVG))
async def card_svg(wanted: WantedDep) -> Response:
    """1200x630. Text stays text, set in Noto Sans where the reader has it."""
    return wanted.answer(wanted.svg.encode(), SVG, "svg")


@router.get("/card.png", summary="The share card, PNG", response_class=of_type(PNG))
async def card_png(
    request: Request,
    wanted: WantedDep,
    width: Annotated[
        Size, Query(description="In pixels; 1200 is 1200x630.")
    ] = Size.WHOLE,
) -> Response:
    """The same bytes wherever it is drawn."""
    pictures: Pictures = request.state.pictures
    body = await pictures.png(wanted.svg, width)
    return wanted.answer(body, PNG, f"png{width:d}")


def scaled(width: int, height: int) -> int:
    """The widest card that fits in this room; the narrowest if none does."""
    fitting = [
        size for size in Size if size <= width and size * HEIGHT <= height * WIDTH
    ]
    return max(fitting, default=min(Size))


def address_of(base: str, tally: Tally, language: Language, width: int = WIDTH) -> str:
    """Where the card of exactly this tally is."""
    place = f"{tally.chamber}/roll-calls/{quote(tally.roll_call)}"
    query = {"lang": language, "seq": tally.seq, "epoch": tally.epoch}
    if width != WIDTH:
        query["width"] = width
    return f"{base}v1/{place}/card.png?{urlencode(query)}"
