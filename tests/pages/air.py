"""The picture that an overlay puts on air, to the pixel."""

import struct
import zlib
from typing import Any

from playwright.sync_api import expect

from tests.pages.visitor import SHOWN_MS, Visitor

UPRIGHT = (1080, 1920)
LANGUAGES = ("en", "fr", "es", "ru", "ar", "zh")
LAYOUTS = ("lower-third", "full", "members", "result", "ticker", "bug")
BARE: dict[str, Any] = {"omit_background": True, "animations": "disabled"}
# Samples of a pixel, by PNG's kind of colour.
SAMPLES = {2: 3, 6: 4}


class Air(Visitor):
    """What goes out."""

    def opens(self, roll_call: str, query: str = "", state: str = "LIVE") -> None:
        self.open(f"/overlay/ga/{roll_call}{query}", state)

    @property
    def numbers(self) -> list[str]:
        """Every number that is on the screen."""
        texts: list[str] = self.page.evaluate(
            "document.getElementById('overlay').hidden ? [] :"
            "[...document.querySelectorAll('.number')]"
            ".filter(n => n.getClientRects().length).map(n => n.textContent)"
        )
        return texts

    def shows(self, *numbers: int, within_ms: float = SHOWN_MS) -> None:
        """Yes, no, abstain, not voting."""
        where = self.page.locator(".number")
        expect(where).to_have_text([str(n) for n in numbers], timeout=within_ms)

    @property
    def is_clear(self) -> bool:
        """Not one pixel is painted."""
        return all(value == 0 for value in pixels(self.page.screenshot(**BARE)))

    def colour_at(self, x: float, y: float) -> tuple[int, ...]:
        """(red, green, blue, alpha) there; x and y are parts of the picture, 0 to 1."""
        size = self.page.viewport_size
        assert size is not None
        place = {"x": int(x * size["width"]), "y": int(y * size["height"])}
        clip: Any = {**place, "width": 1, "height": 1}
        return tuple(pixels(self.page.screenshot(clip=clip, **BARE)))


def pixels(png: bytes) -> bytes:
    """Red, green, blue, alpha of every pixel, row filters left in: all 0 when nothing
    is there (a row of zeros is zeros under every filter of PNG); of a single pixel it
    is the colour."""
    place, data = 8, b""
    while place < len(png):
        size, kind = struct.unpack_from(">I4s", png, place)
        if kind == b"IDAT":
            data += png[place + 8 : place + 8 + size]
        place += 12 + size
    raw = zlib.decompress(data)
    width, samples = struct.unpack_from(">I", png, 16)[0], SAMPLES[png[25]]
    row = 1 + samples * width
    rows = b"".join(raw[n + 1 : n + row] for n in range(0, len(raw), row))
    if samples == 4:
        return rows
    return b"".join(rows[n : n + 3] + b"\xff" for n in range(0, len(rows), 3))
