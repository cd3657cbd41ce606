"""A vote's way to a painted pixel in Chromium, and the board under a whole roll call.

Two measurements of the real system and a real browser on this machine:

1. The 201 of a vote -> the frame that shows its count is presented, on the board and on
   the overlay. A page notes, in its own clock, when the frame after the change of the
   number has been painted (two animation frames and a task later); Chromium's
   `performance.timeOrigin` and ours are the same clock of one machine.
   Baseline of the same run: the same from the socket's message on, in the same page.
2. The board with 193 updates in two seconds: the time between animation frames, and
   tasks of 50 ms or more (PerformanceObserver `longtask`). Baseline: the same board in
   two seconds without an update.
"""

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright

from tellers_runtime.clock import utc_now
from tests.bench.report import quantile, table
from tests.e2e.stack import Clerk, Stack, recorded
from tests.pages.conftest import ARGUMENTS

VOTES = 60
PAUSE_SECONDS = 0.1
STORM_SECONDS = 2.0
# What the pages must keep, in milliseconds.
PIXEL_MS, FRAME_MS = 100, 50

# Notes when a number that changed has been painted, and when its message came.
WATCH = """(selector) => {
  window.painted = new Map();
  const number = document.querySelector(selector);
  const noteWhenPainted = (text) =>
    requestAnimationFrame(() => requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () =>
        painted.set(text, performance.timeOrigin + performance.now());
      channel.port2.postMessage(0);
    }));
  new MutationObserver(() => noteWhenPainted(number.textContent))
    .observe(number, { childList: true, characterData: true, subtree: true });
}"""
# Before the page's own scripts: when each tally's message reaches the page.
HEARD = """
window.heard = new Map();
const Plain = window.WebSocket;
window.WebSocket = class extends Plain {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.op !== "tally") return;
      heard.set(String(frame.counts.yes), performance.timeOrigin + performance.now());
    });
  }
};
"""
# Every animation frame and every long task, until it is told to stop.
FRAMES = """() => {
  window.frames_ = []; window.tasks_ = [];
  const mine = window.counting = {}; // a count before this one ends with it
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) tasks_.push(entry.duration);
  }).observe({ entryTypes: ["longtask"] });
  let last = performance.now();
  const step = (now) => {
    frames_.push(now - last);
    last = now;
    if (counting === mine) requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}"""


def _page(browser: Browser, address: str, state: str) -> Page:
    # Our own questions to the page would break its policy.
    page = browser.new_page(viewport={"width": 1920, "height": 1080}, bypass_csp=True)
    page.add_init_script(HEARD)
    page.goto(address)
    page.wait_for_function(f"document.documentElement.dataset.state === '{state}'")
    return page


def _to_pixels(page: Page, clerk: Clerk, name: str, selector: str) -> list[list[float]]:
    """Milliseconds from the 201, and from the page's message, to the painted number."""
    page.evaluate(WATCH, selector)
    codes = [code for code, _ in recorded("es-11-1")][:VOTES]
    accepted: dict[str, float] = {}
    for number, code in enumerate(codes, 1):
        clerk.vote(name, code, "yes")
        accepted[str(number)] = utc_now().timestamp() * 1000
        page.wait_for_function(f"painted.has('{number}')")
        time.sleep(PAUSE_SECONDS)
    painted: dict[str, float] = page.evaluate("Object.fromEntries(painted)")
    heard: dict[str, float] = page.evaluate("Object.fromEntries(heard)")
    return [
        [painted[number] - at, painted[number] - heard[number]]
        for number, at in accepted.items()
    ]


class Frames(NamedTuple):
    """Seconds that the work took; milliseconds between animation frames meanwhile, and
    of each long task."""

    took: float
    between: list[float]
    tasks: list[float]


def _frames(page: Page, seconds: float, work: Any) -> Frames:
    """While the work is done, or for so many seconds if it takes less."""
    page.evaluate(FRAMES)
    began = time.monotonic()
    work()
    took = max(time.monotonic() - began, seconds)
    page.wait_for_timeout(max(0.0, began + took - time.monotonic()) * 1000 + 500)
    page.evaluate("counting = null")
    frames: list[float] = page.evaluate("frames_.slice(1)")
    tasks: list[float] = page.evaluate("tasks_")
    return Frames(took, frames, tasks)


def _storm(clerk: Clerk, name: str) -> None:
    """A whole roll call in two seconds, one vote after the other."""
    votes = recorded("es-11-1")
    silent = 193 - len(votes)
    began = time.monotonic()
    for number, (code, vote) in enumerate(votes + votes[:silent], 1):
        again = number > len(votes)
        clerk.vote(name, code, "abstain" if again and vote != "abstain" else vote)
        ahead = began + STORM_SECONDS * number / 193 - time.monotonic()
        time.sleep(max(0.0, ahead))


def run() -> None:
    """Print the tables."""
    chromium = shutil.which("chromium")
    with (
        tempfile.TemporaryDirectory() as folder,
        Stack(Path(folder)) as stack,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        clerk = stack.clerk()
        _print_pixels(stack, browser, clerk)
        _print_frames(stack, browser, clerk)
        browser.close()


def _print_pixels(stack: Stack, browser: Browser, clerk: Clerk) -> None:
    rows = []
    for what, path, state, selector in (
        ("board", "/board/ga/pixels-board", "live", "#counts .number"),
        ("overlay", "/overlay/ga/pixels-overlay", "LIVE", ".number"),
    ):
        name = path.rpartition("/")[2]
        clerk.open(name)
        page = _page(browser, stack.gateway_url + path, state)
        samples = _to_pixels(page, clerk, name, selector)
        page.close()
        whole, inside = ([sample[n] for sample in samples] for n in (0, 1))
        ratio = quantile(whole, 0.95) / quantile(inside, 0.95)
        rows.append(
            [
                what,
                *(f"{quantile(whole, q):.1f}" for q in (0.5, 0.95)),
                *(f"{quantile(inside, q):.1f}" for q in (0.5, 0.95)),
                f"{ratio:.2f}",
                "yes" if quantile(whole, 0.95) <= PIXEL_MS else "NO",
            ]
        )
    table(
        f"201 of a vote -> painted pixel in Chromium, ms ({VOTES} votes)",
        ["page", "p50", "p95", "from message p50", "p95", "ratio", f"<= {PIXEL_MS}"],
        rows,
    )


def _print_frames(stack: Stack, browser: Browser, clerk: Clerk) -> None:
    clerk.open("storm")
    page = _page(browser, f"{stack.gateway_url}/board/ga/storm", "live")
    still = _frames(page, STORM_SECONDS, lambda: None)
    busy = _frames(page, STORM_SECONDS, lambda: _storm(clerk, "storm"))
    page.close()
    rows = []
    for what, (took, frames, tasks) in (
        ("nothing happens (baseline)", still),
        ("193 updates in 2 s", busy),
    ):
        over = sum(frame > FRAME_MS for frame in frames)
        rows.append(
            [
                what,
                f"{took:.1f}",
                f"{len(frames)}",
                f"{quantile(frames, 0.5):.1f}",
                f"{max(frames):.1f}",
                f"{over}",
                f"{len(tasks)}",
                f"{max(tasks, default=0):.0f}",
            ]
        )
    table(
        "The board, 1920x1080: time between frames, ms",
        [
            "what",
            "took s",
            "frames",
            "p50",
            "longest",
            f"> {FRAME_MS}",
            "long tasks",
            "longest",
        ],
        rows,
    )
