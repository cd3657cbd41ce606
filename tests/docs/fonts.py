"""Cuts the fonts of the share cards from Debian's (fonts-noto-core, fonts-noto-cjk),
and tables their widths: `python -m tests.docs.fonts`. What comes out is committed; run
it again when words or names have characters that a font lacks (a test says so)."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from fontTools import subset  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

from tellers_core.members import all_members
from tellers_gateway.lettering import FOLDER, WIDTHS
from tellers_gateway.pages import WEB

DEBIAN = Path("/usr/share/fonts")
CORE, CJK = DEBIAN / "truetype/noto", DEBIAN / "opentype/noto"
SIMPLIFIED = 2  # the number of "Noto Sans CJK SC" within Debian's collections
LATIN = (
    (0x20, 0x7E),
    (0xA0, 0x24F),
    (0x2C6, 0x2DD),
    (0x300, 0x323),
    (0x384, 0x3CE),
    (0x400, 0x45F),
    (0x490, 0x4F9),
    (0x1E80, 0x1EF9),
    (0x2010, 0x2027),
    (0x2030, 0x203A),
    (0x20AC, 0x20BA),
    (0x2116, 0x2122),
    (0x2190, 0x2195),
    (0x2212, 0x2265),
)
ARABIC = ((0x20, 0x20), (0x28, 0x2F), (0x3A, 0x3A), (0x5B, 0x5D), (0x600, 0x6FF))
CJK_MARKS = ((0x20, 0x20), (0x3001, 0x3011), (0xFF01, 0xFF1F))
# Of GB 2312 the first level: the 3755 commonest characters, 99.7 % of what is written.
LEVEL_ONE = (range(0xB0, 0xD8), range(0xA1, 0xFF))
LATIN_FEATURES = ["kern", "ccmp", "mark", "mkmk", "locl", "tnum"]
ARABIC_FEATURES = ["init", "medi", "fina", "isol", "rlig", "liga", "calt", "curs"]
CJK_FEATURES = ["ccmp", "locl"]


def ours() -> set[str]:
    """Every character of our words and of the members' names."""
    texts = [path.read_text("utf-8") for path in (WEB / "words").glob("*.json")]
    for member in all_members().values():
        texts += member.names.values()
    return {char for text in texts for char in text if char.isprintable()}


def _between(*ranges: tuple[int, int]) -> set[str]:
    return {chr(code) for first, last in ranges for code in range(first, last + 1)}


def _level_one() -> Iterator[str]:
    for row in LEVEL_ONE[0]:
        for cell in LEVEL_ONE[1]:
            try:
                yield bytes((row, cell)).decode("gb2312")
            except UnicodeDecodeError:
                continue  # the last row is not full


def _cut(source: Path, chars: set[str], features: list[str], number: int = -1) -> None:
    options = subset.Options(
        hinting=False, notdef_outline=True, layout_features=features
    )
    options.drop_tables += ["vhea", "vmtx", "VORG", "BASE", "DSIG"]
    with TTFont(source, fontNumber=number, lazy=True) as font:
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=[ord(char) for char in chars])
        cutter.subset(font)
        font.save(FOLDER / f"{source.stem}{'.otf' if 'CFF ' in font else '.ttf'}")


def widths_of(path: Path) -> dict[str, str]:
    """The characters of a font by width, in thousandths of its size."""
    with TTFont(path) as font:
        scale = 1000 / font["head"].unitsPerEm
        advances = font["hmtx"]
        by_width: dict[int, str] = defaultdict(str)
        for code, glyph in sorted(font.getBestCmap().items()):
            by_width[round(advances[glyph][0] * scale)] += chr(code)
    return {str(width): by_width[width] for width in sorted(by_width)}


def main() -> None:
    """Cut them all and write their widths."""
    latin = _between(*LATIN) | {char for char in ours() if ord(char) < 0x530}
    arabic = _between(*ARABIC)
    chinese = {char for char in ours() if ord(char) > 0x2E7F} | set(_level_one())
    for weight in ("Regular", "Bold"):
        _cut(CORE / f"NotoSans-{weight}.ttf", latin, LATIN_FEATURES)
        features = LATIN_FEATURES + ARABIC_FEATURES
        _cut(CORE / f"NotoSansArabic-{weight}.ttf", arabic, features)
    collection = CJK / "NotoSansCJK-Bold.ttc"
    _cut(collection, chinese | _between(*CJK_MARKS), CJK_FEATURES, SIMPLIFIED)
    fonts = sorted(path for path in FOLDER.iterdir() if path.suffix in (".ttf", ".otf"))
    table = {path.name: widths_of(path) for path in fonts}
    text = json.dumps(table, ensure_ascii=False, indent=0)
    (FOLDER / WIDTHS).write_text(text + "\n", "utf-8")
    for path in fonts:
        print(f"{path.name}: {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
