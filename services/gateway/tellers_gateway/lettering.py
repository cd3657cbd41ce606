"""The letters of the share cards: which font has a character, how wide a text is, where
its lines break. Pure, but for reading the fonts' table once.

The fonts are our own cuts of Noto (tests/docs/fonts.py; licence in fonts/OFL.txt), so
that a card is the same on every machine. An Arabic letter is reckoned as it stands
alone, which is seldom narrower than within a word: a line may end early, never late.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal

FOLDER = Path(str(resources.files("tellers_gateway") / "fonts"))
WIDTHS = "widths.json"
Weight = Literal["Regular", "Bold"]
# Of these the first that has a character sets it. Chinese has one weight.
FILES: Mapping[str, Mapping[Weight, str]] = {
    "Noto Sans": {"Regular": "NotoSans-Regular.ttf", "Bold": "NotoSans-Bold.ttf"},
    "Noto Sans Arabic": {
        "Regular": "NotoSansArabic-Regular.ttf",
        "Bold": "NotoSansArabic-Bold.ttf",
    },
    "Noto Sans CJK SC": {
        "Regular": "NotoSansCJK-Bold.otf",
        "Bold": "NotoSansCJK-Bold.otf",
    },
}
FONTS = sorted({file for files in FILES.values() for file in files.values()})
ELLIPSIS = "\u2026"
# What a font's box for a missing character takes, in thousandths of the size.
_BOX = 600
# Marks of direction: no width, and no font's business.
_unseen = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069]").match
# Words, with the spaces after them; a Chinese character is a word, and takes the mark
# along that may not begin a line.
_cjk = "\u2e80-\u2fff\u3040-\u9fff\uf900-\ufaff"
_closing = "\u3001\u3002\u300b\u300d\u3011\uff01\uff09\uff0c\uff1a\uff1b\uff1f\u201d"
_words = re.compile(rf"[{_cjk}][{_closing}]*\s*|[^\s{_cjk}]+\s*").findall


@dataclass(frozen=True)
class Letters:
    """A text in one weight."""

    weight: Weight

    def runs(self, text: str) -> list[tuple[str, str]]:
        """The text as (family, part): each part in the first font that has it all.

        What no font has stays with what is before it, as a mark of direction does.
        """
        found: list[tuple[str, str]] = []
        for char in text:
            family = self.family(char) or (found[-1][0] if found else next(iter(FILES)))
            if found and found[-1][0] == family:
                found[-1] = (found[-1][0], found[-1][1] + char)
            else:
                found.append((family, char))
        return found

    def width(self, text: str) -> float:
        """How wide the text is, in sizes of its letters."""
        return sum(self._advance(char) for char in text) / 1000

    def wrap(self, text: str, width: float, most: int) -> list[str]:
        """The text in at most so many lines of that width (in sizes of its letters);
        what is too long ends with an ellipsis."""
        lines: list[str] = []
        for word in self._broken(" ".join(text.split()), width):
            if lines and self.width((lines[-1] + word).rstrip()) <= width:
                lines[-1] += word
            else:
                lines.append(word)
        if len(lines) > most:
            last = lines[most - 1] + lines[most]
            while self.width(last.rstrip() + ELLIPSIS) > width:
                last = last[:-1]
            lines = [*lines[: most - 1], last.rstrip() + ELLIPSIS]
        return [line.strip() for line in lines]

    def _broken(self, text: str, width: float) -> Iterator[str]:
        """The words of a text; one that is wider than a line in parts."""
        for word in _words(text):
            part = ""
            for char in word:
                if part and not char.isspace() and self.width(part + char) > width:
                    yield part
                    part = ""
                part += char
            yield part

    def family(self, char: str) -> str | None:
        """The first font that has the character; None: none has, or none need to."""
        if _unseen(char):
            return None
        table = _widths()
        return next(
            (name for name in FILES if char in table[FILES[name][self.weight]]), None
        )

    def _advance(self, char: str) -> int:
        if _unseen(char):
            return 0
        family = self.family(char)
        return _widths()[FILES[family][self.weight]][char] if family else _BOX


@cache
def _widths() -> Mapping[str, Mapping[str, int]]:
    """Of each font file the characters it has, with their widths."""
    tables: dict[str, dict[str, str]] = json.loads((FOLDER / WIDTHS).read_text("utf-8"))
    return {
        file: {char: int(width) for width, chars in table.items() for char in chars}
        for file, table in tables.items()
    }
