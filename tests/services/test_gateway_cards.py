"""The share cards: what they say, in which letters, and that they are the same bytes
wherever they are drawn."""

import asyncio
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellers_core.codec import Recorded
from tellers_core.events import (
    Event,
    Imported,
    Reveal,
    RollCallAnnulled,
    RollCallLocked,
    RollCallOpened,
    VoteRecorded,
)
from tellers_core.reveal import NOT_YET
from tellers_core.roll_call import Close, decide, evolve
from tellers_core.tally import Held, Tally, absorb, tally
from tellers_gateway import cards, rasterize
from tellers_gateway.cards import Pictures, Size, scaled
from tellers_gateway.lettering import (
    ELLIPSIS,
    FILES,
    FOLDER,
    FONTS,
    WIDTHS,
    Letters,
    Weight,
)
from tellers_gateway.pages import WEB
from tellers_gateway.share_card import EDGE, HEIGHT, SMALL, WIDTH, draw
from tellers_gateway.words import LANGUAGES, Language, Words
from tellers_runtime.problems import HttpProblem
from tests.docs.fonts import ours, widths_of
from tests.scenario import recorded, recorded_roll_call
from tests.services.tallying import ASSEMBLY

EN = Words("en")
SVG = "{http://www.w3.org/2000/svg}"
# Of the card below as PNG. Another resvg may draw a pixel otherwise: then look at the
# card (`python -m tellers_gateway.rasterize < card.svg > card.png`) and write it anew.
DIGEST = "699a0d21c8a78a5f7d834fc3153be6c2ee94e534acfc9c502e3eb154dc0bf9e2"
VOTES = [
    VoteRecorded(row.code, row.vote)
    for row in recorded_roll_call("es-11-1")
    if row.vote is not None
]


def told(events: Iterable[Event], **changes: Any) -> Tally:
    """The tally after these events."""
    history: list[Recorded] = list(recorded(events))
    projection = None
    for event in history:
        projection = absorb(projection, event)
    assert projection is not None
    about = {"chamber": "ga", "symbol": "A/ES-11/L.1", **changes}
    return msgspec.structs.replace(tally(projection, "e1"), **about)


def closed() -> list[Event]:
    """ES-11/1 to its end."""
    events: list[Event] = [ASSEMBLY, RollCallOpened(), *VOTES, RollCallLocked()]
    state = None
    for event in events:
        state = evolve(state, event)
    assert state is not None
    return [*events, *decide(state, Close(None))]


FINAL = told(closed(), title="Aggression against Ukraine")
OPEN = told([ASSEMBLY, RollCallOpened(), *VOTES[:50]], title="Aggression")


def lines(svg: str) -> list[str]:
    """The texts of a card, without marks of direction."""
    texts = ElementTree.fromstring(svg).iter(f"{SVG}text")
    joined = ("".join(text.itertext()) for text in texts)
    return [re.sub("[\u2066-\u2069]", "", text) for text in joined]


class TestWhatItSays:
    def test_a_final_result_is_its_figures_and_its_day(self) -> None:
        said = lines(draw(FINAL, EN))
        assert said[0] == "Final result \u00b7 23 November 2026"
        assert said[1:4] == [
            "General Assembly \u00b7 A/ES-11/L.1",
            "Aggression against Ukraine",
            "Adopted",
        ]
        assert [text for text in said if text.isdigit()] == ["141", "5", "35", "12"]
        assert "LIVE" not in " ".join(said)

    def test_while_it_is_open_it_says_so_with_the_time_of_the_count(self) -> None:
        said = lines(draw(OPEN, EN))
        assert said[0] == f"LIVE \u00b7 as of {OPEN.at[11:19]} UTC"
        assert "50 of 193 recorded" in " ".join(said)
        assert "Final" not in " ".join(said)

    def test_a_settled_one_never_without_its_condition(self) -> None:
        clinched = told([ASSEMBLY, RollCallOpened(), *VOTES[:150]])
        said = lines(draw(clinched, EN))
        assert "Clinched" in said
        assert "unless delegations change their votes" in said

    def test_one_that_is_held_says_that_instead(self) -> None:
        held = msgspec.structs.replace(OPEN, held=Held(OPEN.seq, "the log is away"))
        assert lines(draw(held, EN))[0].startswith("HELD \u00b7 as of ")

    def test_before_it_is_open_there_is_no_number(self) -> None:
        said = lines(draw(told([ASSEMBLY], title="Draft"), EN))
        assert "Voting has not begun" in said
        assert not any(text.isdigit() for text in said)

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_one_of_which_nothing_is_told_has_no_number(
        self, language: Language
    ) -> None:
        """A 0 there would be a figure that nobody voted."""
        words, policy = Words(language), Reveal.NOTHING_UNTIL_CLOSE
        roll = msgspec.structs.replace(ASSEMBLY, reveal=policy)
        secret = told([roll, RollCallOpened()], held=Held(2, NOT_YET))
        svg = draw(msgspec.structs.replace(secret, title="Election"), words)
        said = lines(svg)[2:]
        assert said[1:] == [words.say("phase.open"), words.say(f"held.{NOT_YET}")]
        assert "<path" not in svg
        shown = draw(msgspec.structs.replace(secret, withheld=None), words)
        assert "<path" in shown

    def test_an_annulled_one_decides_nothing(self) -> None:
        annulled = told([ASSEMBLY, RollCallOpened(), RollCallAnnulled()])
        assert "Annulled: these votes decide nothing" in lines(draw(annulled, EN))

    def test_one_of_the_past_has_the_day_of_the_vote_and_no_majority_of_ours(
        self,
    ) -> None:
        past = Imported("1974-12-12", "29", "voeten", "1443", None)
        said = " ".join(lines(draw(msgspec.structs.replace(FINAL, imported=past), EN)))
        assert "12 December 1974" in said
        assert "2026" not in said
        assert "assumed" in said
        assert "98 votes" not in said

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_a_rehearsal_is_marked_in_every_language(self, language: Language) -> None:
        words = Words(language)
        rehearsal = msgspec.structs.replace(OPEN, rehearsal=True)
        said = " ".join(lines(draw(rehearsal, words)))
        for key in ("rehearsal", "not_real"):
            assert words.say(key).upper() in said.upper()
        assert words.say("not_real") not in " ".join(lines(draw(OPEN, words)))

    @pytest.mark.parametrize(
        "title",
        [
            '<script>alert("x")</script> & <b>',
            "]]></svg><svg onload=alert(1)>",
            "null\x00 and \x1b control and \ufffe nothing",
            '"><image href="http://elsewhere.test/x.png"/>',
        ],
    )
    def test_a_hostile_title_is_text(self, title: str) -> None:
        svg = draw(msgspec.structs.replace(OPEN, title=title, symbol=title), EN)
        tags = {element.tag for element in ElementTree.fromstring(svg).iter()}
        shapes = ("svg", "title", "rect", "text", "tspan", "g", "path")
        assert tags == {f"{SVG}{name}" for name in shapes}

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("tally_", [FINAL, OPEN], ids=["final", "open"])
    def test_nothing_leaves_the_middle_of_the_card(
        self, language: Language, tally_: Tally
    ) -> None:
        """1080x566, which crops leave; and no letter is smaller than 32."""
        title = "Territorial integrity of Ukraine: defending the principles " * 6
        svg = draw(msgspec.structs.replace(tally_, title=title), Words(language))
        for text in ElementTree.fromstring(svg).iter(f"{SVG}text"):
            size, x = int(text.attrib["font-size"]), float(text.attrib["x"])
            bold = text.attrib["font-weight"] == "700"
            weight: Weight = "Bold" if bold else "Regular"
            wide = Letters(weight).width("".join(text.itertext())) * size
            left = {"start": x, "middle": x - wide / 2, "end": x - wide}
            assert size >= SMALL
            assert left[text.attrib["text-anchor"]] >= EDGE - 0.5
            assert left[text.attrib["text-anchor"]] + wide <= WIDTH - EDGE + 0.5
            assert 32 <= float(text.attrib["y"]) <= HEIGHT - 32

    def test_arabic_begins_at_the_right(self) -> None:
        texts = ElementTree.fromstring(draw(FINAL, Words("ar"))).iter(f"{SVG}text")
        title = next(t for t in texts if "Aggression" in "".join(t.itertext()))
        assert (title.attrib["x"], title.attrib["text-anchor"]) == ("1140", "end")


class TestLetters:
    @pytest.mark.parametrize("weight", ["Regular", "Bold"])
    def test_our_fonts_have_every_character_of_our_words_and_names(
        self, weight: Any
    ) -> None:
        signs = set("\u2190\u2192\u2265")  # of moments and reasons; no card has them
        missing = {char for char in ours() - signs if not Letters(weight).family(char)}
        assert not missing
        assert not Letters(weight).family("\uac00")  # Korean is no language of ours

    def test_the_widths_are_those_of_the_fonts(self) -> None:
        table = msgspec.json.decode((FOLDER / WIDTHS).read_bytes())
        assert table == {name: widths_of(FOLDER / name) for name in FONTS}

    def test_the_licence_goes_with_them(self) -> None:
        licence = (FOLDER / "OFL.txt").read_text("utf-8")
        assert "SIL OPEN FONT LICENSE Version 1.1" in licence
        assert all(family in licence for family in FILES)

    def test_each_script_has_its_font(self) -> None:
        assert Letters("Bold").runs("A/1 \u2068\u6cd5\u2069 \u0646\u0639\u0645") == [
            ("Noto Sans", "A/1 \u2068"),
            ("Noto Sans CJK SC", "\u6cd5\u2069"),
            ("Noto Sans", " "),
            ("Noto Sans Arabic", "\u0646\u0639\u0645"),
        ]

    def test_chinese_breaks_between_characters_but_not_before_a_comma(self) -> None:
        assert Letters("Bold").wrap("\u6cd5\u56fd\u6cd5\uff0c\u56fd", 3, 9) == [
            "\u6cd5\u56fd",
            "\u6cd5\uff0c\u56fd",
        ]

    @given(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])),
        st.sampled_from(["Regular", "Bold"]),
        st.integers(5, 30),
        st.integers(1, 4),
    )
    def test_no_line_is_wider_than_its_room_and_nothing_is_lost(
        self, text: str, weight: Any, room: int, most: int
    ) -> None:
        letters = Letters(weight)
        found = letters.wrap(text, room, most)
        assert len(found) <= most
        assert all(letters.width(line) <= room for line in found)
        kept, whole = "".join("".join(found).split()), "".join(text.split())
        assert kept == whole or (
            kept.endswith(ELLIPSIS) and whole.startswith(kept.removesuffix(ELLIPSIS))
        )


class TestTheSameBytes:
    SOURCE = draw(FINAL, EN)

    def test_today_and_on_every_machine(self) -> None:
        png = rasterize.to_png(self.SOURCE)
        assert hashlib.sha256(png).hexdigest() == DIGEST

    def test_whatever_fonts_and_settings_a_machine_has(self, tmp_path: Path) -> None:
        """In a process with none of this one's surroundings."""
        there = {"HOME": str(tmp_path), "LANG": "ar_EG.UTF-8", "TZ": "Asia/Tokyo"}
        env = {**there, "PYTHONHASHSEED": "7", "FONTCONFIG_FILE": "/nowhere"}
        drawn = subprocess.run(
            [sys.executable, "-m", "tellers_gateway.rasterize"],
            input=draw(FINAL, Words("zh")).encode(),
            env={**env, "PATH": os.environ["PATH"]},
            cwd=tmp_path,
            capture_output=True,
            check=True,
        )
        assert drawn.stdout == rasterize.to_png(draw(FINAL, Words("zh")))

    def test_a_font_of_the_machine_is_never_used(self) -> None:
        """Whatever family is asked for; with our own it is another picture."""

        def drawn(family: str) -> bytes:
            return rasterize.to_png(self.SOURCE.replace("Noto Sans", family))

        assert drawn("DejaVu Serif") == drawn("No Such Font")
        assert drawn("DejaVu Serif") != drawn("Noto Sans")

    def test_a_changed_figure_is_another_picture(self) -> None:
        assert rasterize.to_png(draw(OPEN, EN)) != rasterize.to_png(self.SOURCE)

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_one_is_small_enough_for_those_who_share_it(
        self, language: Language
    ) -> None:
        png = rasterize.to_png(draw(FINAL, Words(language)))
        size = int.from_bytes(png[16:20]), int.from_bytes(png[20:24])
        assert size == (WIDTH, HEIGHT)
        assert len(png) < 200_000


class TestPictures:
    async def test_who_asks_at_the_same_time_shares_one_drawing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drawn: list[str] = []

        async def draw_(svg: str, width: int) -> bytes:
            drawn.append(svg)
            await asyncio.sleep(0)
            return svg.encode()

        monkeypatch.setattr(cards, "_rasterized", draw_)
        pictures = Pictures()
        found = await asyncio.gather(*(pictures.png(f"{n % 3}") for n in range(9)))
        assert found == [b"0", b"1", b"2"] * 3
        assert sorted(drawn) == ["0", "1", "2"]
        assert await pictures.png("1", 300) == b"1"
        assert len(drawn) == 4

    async def test_who_would_wait_too_long_is_told_to_come_back(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        go = asyncio.Event()

        async def draw_(svg: str, width: int) -> bytes:
            await go.wait()
            return b"drawn"

        monkeypatch.setattr(cards, "_rasterized", draw_)
        pictures = Pictures()
        first = [
            asyncio.create_task(pictures.png(f"{n}")) for n in range(cards.WAITING)
        ]
        await asyncio.sleep(0.01)
        with pytest.raises(HttpProblem, match="too many") as refused:
            await pictures.png("one more")
        assert refused.value.status == 503
        go.set()
        assert set(await asyncio.gather(*first)) == {b"drawn"}
        assert await pictures.png("one more") == b"drawn"

    async def test_what_cannot_be_drawn_is_an_error_and_is_not_kept(self) -> None:
        pictures = Pictures()
        for _ in range(2):
            with pytest.raises(HttpProblem) as failed:
                await pictures.png("<svg")
            assert failed.value.code == "internal_error"

    def test_the_widest_that_fits(self) -> None:
        assert scaled(2000, 2000) is Size.WHOLE
        assert scaled(600, 420) is Size.HALF
        assert scaled(1200, 320) is Size.HALF
        assert scaled(300, 250) is Size.SMALL
        assert scaled(100, 100) is Size.SMALL


def test_the_shapes_are_those_of_the_pages() -> None:
    script = (WEB / "symbols.js").read_text("utf-8")
    svg = ElementTree.fromstring(draw(FINAL, EN))
    shapes = [path.attrib["d"] for path in svg.iter(f"{SVG}path")]
    assert len(shapes) == 4
    assert all(shape in script for shape in shapes)
