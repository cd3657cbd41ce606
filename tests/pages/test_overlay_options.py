"""Every option of an overlay, as a viewer sees it, at the rasters of broadcasting."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.stack import Clerk, Stack, recorded
from tests.pages.air import LANGUAGES, LAYOUTS, UPRIGHT, Air
from tests.pages.visitor import HALL, SHOWN_MS

RASTERS = [(1280, 720), HALL, (3840, 2160)]
NAME = "optional"
TITLE = "Aggression against Ukraine"
# broadcast.md section 9, of a picture 1080 high.
LEAST_DIGITS, LEAST_LABELS = 60 / 1080, 32 / 1080
GREEN = (0, 0xB1, 0x40, 255)
NOTHING = (0, 0, 0, 0)
PLATE, WHITE = "rgb(16, 24, 32)", "rgb(255, 255, 255)"


@pytest.fixture(scope="module")
def vote(stack: Stack) -> Iterator[Clerk]:
    """A roll call with votes of every kind, and its clerk."""
    clerk = stack.clerk()
    with clerk.http:
        clerk.open(NAME, title=TITLE, symbol="A/ES-11/L.1")
        for delegation, answer in recorded("es-11-1")[:150]:
            clerk.vote(NAME, delegation, answer)
        yield clerk


@pytest.fixture(params=RASTERS, ids=lambda size: f"{size[0]}x{size[1]}")
def air(
    request: pytest.FixtureRequest, browser: Browser, stack: Stack, vote: Clerk
) -> Iterator[Air]:
    """A browser source of each raster."""
    with Air(browser, stack.gateway_url, request.param) as source:
        yield source


@pytest.fixture
def hall(browser: Browser, stack: Stack) -> Iterator[Air]:
    """A browser source of 1920x1080, for what no raster changes."""
    with Air(browser, stack.gateway_url) as source:
        yield source


def style(air: Air, where: str, name: str) -> str:
    """A computed style of the first element there."""
    value: str = air.page.locator(where).first.evaluate(
        "(element, name) => getComputedStyle(element)[name]", name
    )
    return value


# Of every element on the screen with text of its own: its box, how much of its content
# is cut off, the size of its letters, and whether it is a big number.
TEXTS = """() => [...document.querySelectorAll(".plate *")].filter(
  (e) => e.getClientRects().length
    && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())
).map((e) => {
  const { left, top, right, bottom } = e.getBoundingClientRect();
  const size = parseFloat(getComputedStyle(e).fontSize);
  // Letters may be a little higher than their line; a line that is lost is more.
  const lost = e.scrollHeight - e.clientHeight - 0.25 * size;
  const cut = Math.max(e.scrollWidth - e.clientWidth, lost);
  return {
    text: e.textContent,
    box: [left, top, innerWidth - right, innerHeight - bottom],
    cut: e.clientWidth ? cut : 0, // an inline element has no box to be cut by
    size,
    digits: e.matches(".number"),
  };
})"""


@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_text_is_whole_large_enough_and_inside_the_safe_area(
    air: Air, layout: str
) -> None:
    air.opens(NAME, f"?layout={layout}&stamp=1")
    expect(air.page.locator(".number").first).to_have_text("120", timeout=SHOWN_MS)
    if layout == "members":
        expect(air.page.locator(".grid li")).to_have_count(193, timeout=SHOWN_MS)
    size = air.page.viewport_size
    assert size is not None
    across, down = 0.05 * size["width"] - 1, 0.05 * size["height"] - 1
    texts = air.page.evaluate(TEXTS)
    assert len(texts) >= 6  # three labels, three numbers
    for text in texts:
        left, top, right, bottom = text["box"]
        assert min(left, right) >= across, text
        assert min(top, bottom) >= down, text
        assert text["cut"] <= 1, text
        least = LEAST_DIGITS if text["digits"] else LEAST_LABELS
        assert text["size"] >= least * size["height"] - 0.1, text


def test_chroma_paints_the_key_colour_where_there_is_nothing(air: Air) -> None:
    air.opens(NAME)
    assert air.colour_at(0.5, 0.1) == NOTHING
    air.opens(NAME, "?chroma=00b140")
    for corner in ((0, 0), (0.999, 0), (0, 0.999), (0.999, 0.999), (0.5, 0.1)):
        assert air.colour_at(*corner) == GREEN


def test_safe_draws_the_guides_where_the_areas_end(air: Air) -> None:
    size = air.page.viewport_size
    assert size is not None
    pixel = 1 / size["height"]
    # 1.5 pixels into lines of 2 that begin between two pixels.
    action, title = 0.035 + 1.5 * pixel, 0.05 + 1.5 * pixel
    air.opens(NAME)
    assert air.colour_at(0.5, action) == air.colour_at(0.5, title) == NOTHING
    air.opens(NAME, "?safe=1")
    assert air.colour_at(0.5, action) == (0x00, 0xB7, 0xFF, 255)
    assert air.colour_at(0.5, title) == (0xFF, 0xB7, 0x00, 255)
    assert air.colour_at(0.5, 0.1) == NOTHING


@pytest.mark.parametrize(
    ("query", "yes"),
    [
        ("", "rgb(0, 158, 115)"),
        ("?palette=board", "rgb(0, 158, 115)"),
        ("?palette=cvd", "rgb(43, 143, 214)"),
    ],
)
def test_the_palette_colours_the_chips(
    hall: Air, vote: Clerk, query: str, yes: str
) -> None:
    hall.opens(NAME, query)
    assert style(hall, ".chip[data-vote=yes]", "backgroundColor") == yes
    others = [
        style(hall, f".chip[data-vote={vote}]", "backgroundColor")
        for vote in ("no", "abstain")
    ]
    assert others == ["rgb(213, 94, 0)", "rgb(240, 228, 66)"]


@pytest.mark.parametrize(
    ("query", "plate", "ink"),
    [("", PLATE, "rgb(242, 246, 249)"), ("?theme=light", WHITE, PLATE)],
)
def test_the_theme_colours_the_plate(
    hall: Air, vote: Clerk, query: str, plate: str, ink: str
) -> None:
    hall.opens(NAME, query)
    assert style(hall, ".plate", "backgroundColor") == plate
    assert style(hall, ".title", "color") == ink


def test_stamp_says_of_when_the_figures_are(hall: Air, vote: Clerk) -> None:
    hall.opens(NAME)
    expect(hall.page.locator(".stamp")).to_be_hidden()
    hall.opens(NAME, "?stamp=1")
    hall.sees("UTC", ".stamp")
    expect(hall.page.locator(".stamp")).to_be_visible()


def test_without_symbols_there_are_the_words_alone(hall: Air, vote: Clerk) -> None:
    chips = hall.page.locator(".counts .chip:visible")
    hall.opens(NAME)
    expect(chips).to_have_count(3)
    hall.opens(NAME, "?symbols=0")
    expect(chips).to_have_count(0)
    words = hall.page.locator(".counts dt:visible")
    assert words.all_inner_texts()[:3] == ["Yes", "No", "Abstain"]


@pytest.mark.parametrize(
    ("chamber", "query", "first"),
    [
        ("ga", "", "AFG"),
        ("ga", "&labels=name", "Afghanistan"),
        ("sc", "", "China"),
        ("sc", "&labels=code", "CHN"),
    ],
)
def test_labels_are_the_names_or_the_codes_of_the_members(
    hall: Air, clerk: Clerk, chamber: str, query: str, first: str
) -> None:
    name = f"labels-{chamber}-{first.lower()}"
    clerk.open(name, chamber=chamber)
    hall.open(f"/overlay/{chamber}/{name}?layout=members{query}", "LIVE")
    labels = hall.page.locator(".grid li span")
    expect(labels.filter(has_text=first).first).to_be_visible(timeout=SHOWN_MS)
    assert first in labels.all_inner_texts()


# Members whose name or chip leaves the grid, or stands in another's place.
CROSSED = """() => {
  const grid = document.querySelector(".grid").getBoundingClientRect();
  const members = [...document.querySelectorAll(".grid li")].map((item) => {
    const text = document.createRange();
    text.selectNodeContents(item.querySelector("span"));
    const chip = item.querySelector("svg").getBoundingClientRect();
    const { left, right } = text.getBoundingClientRect();
    const { top, bottom } = item.getBoundingClientRect();
    const [first, last] = [Math.min(left, chip.left), Math.max(right, chip.right)];
    return { item, left: first, right: last, top, bottom };
  });
  const crosses = (one, two) => one !== two
    && one.left < two.right - 1 && two.left < one.right - 1
    && one.top < two.bottom - 1 && two.top < one.bottom - 1;
  const leaves = ({ left, right, top, bottom }) => left < grid.left - 1
    || right > grid.right + 1 || top < grid.top - 1 || bottom > grid.bottom + 1;
  return members
    .filter((one) => leaves(one) || members.some((two) => crosses(one, two)))
    .map(({ item }) => item.textContent);
}"""


@pytest.mark.parametrize("labels", ["code", "name"])
@pytest.mark.parametrize("size", [HALL, UPRIGHT], ids=["wide", "upright"])
def test_no_member_of_an_assembly_stands_over_another(
    browser: Browser, stack: Stack, clerk: Clerk, labels: str, size: tuple[int, int]
) -> None:
    name = f"all-{labels}-{size[0]}"
    clerk.open(name, rehearsal=True)  # whose plate takes some of the room
    for language in LANGUAGES:
        with Air(browser, stack.gateway_url, size) as air:
            query = f"?layout=members&labels={labels}&lang={language}&rehearsal=1"
            air.opens(name, query)
            members = air.page.locator(".grid li")
            expect(members).to_have_count(193, timeout=SHOWN_MS)
            assert air.page.evaluate(CROSSED) == [], language


class Moving:
    """Counts the animations that a viewer sees begin."""

    def __init__(self, air: Air, clerk: Clerk, name: str) -> None:
        self._air, self._clerk, self._name = air, clerk, name
        air.page.evaluate(
            "window.begun = 0; addEventListener('animationstart', () => (begun += 1))"
        )
        self._votes = iter(recorded("es-11-1"))
        self._yes = 0

    def begun_by_a_vote(self) -> int:
        """How many begin when a number changes."""
        before = self._begun
        delegation, _ = next(self._votes)
        self._clerk.vote(self._name, delegation, "yes")
        self._yes += 1
        self._air.shows(self._yes, 0, 0, 193 - self._yes)
        self._air.page.wait_for_timeout(300)
        return self._begun - before

    @property
    def _begun(self) -> int:
        begun: int = self._air.page.evaluate("begun")
        return begun

    def obs(self, *, active: bool) -> None:
        """What OBS tells a source."""
        self._air.page.evaluate(
            "active => dispatchEvent("
            "new CustomEvent('obsSourceActiveChanged', { detail: { active } }))",
            active,
        )


def test_a_change_is_seen_and_for_stills_it_is_not(hall: Air, clerk: Clerk) -> None:
    clerk.open("moving")
    hall.opens("moving")
    assert Moving(hall, clerk, "moving").begun_by_a_vote() > 0
    clerk.open("still")
    hall.opens("still", "?animate=0")
    moving = Moving(hall, clerk, "still")
    assert moving.begun_by_a_vote() == 0
    moving.obs(active=True)  # which is no leave to move
    assert moving.begun_by_a_vote() == 0


def test_while_obs_has_the_source_off_it_is_right_without_moving(
    hall: Air, clerk: Clerk
) -> None:
    clerk.open("in-obs")
    hall.opens("in-obs")
    moving = Moving(hall, clerk, "in-obs")
    moving.obs(active=False)
    assert moving.begun_by_a_vote() == 0  # but the number is there
    moving.obs(active=True)
    assert moving.begun_by_a_vote() > 0


def test_what_spx_leaves_in_an_object_is_taken_up(hall: Air, clerk: Clerk) -> None:
    clerk.open("by-spx")
    hall.expects_trouble = True  # the address names another vote, which is let go
    fields = {"f0": "by-spx", "f1": "By hand", "f2": "7", "f3": "5", "f4": "undefined"}
    hall.page.add_init_script(
        f"window.spxData = {{...{fields}, f4: '3', f5: 'full', f6: 'fr', f9: 'Fin'}};"
    )
    hall.opens("never-scheduled", state="LIVE")
    assert hall.numbers == ["7", "5", "3"]
    hall.sees("By hand", ".title")
    hall.sees("Pour", ".count[data-vote=yes]")
    hall.sees("Fin", ".verdict")
    assert hall.page.locator("html").get_attribute("data-layout") == "full"
