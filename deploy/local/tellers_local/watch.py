"""`tellers watch`: a live tally in the terminal, one line a change elsewhere."""

import asyncio
from collections.abc import Callable

import httpx
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tellers_client import (
    GatewayRefused,
    NotUnderstood,
    Restarted,
    State,
    SubscriptionRefused,
    get_tally,
    http_client,
    subscribe,
)
from tellers_core.tally import ENDED, Tally
from tellers_local.failure import Failure
from tellers_local.terminal import say
from tellers_local.words import (
    line,
    notes,
    path_to_majority,
    rule_in_words,
    verdict_in_words,
)

BAR_WIDTH = 50
COLOURS = {
    "yes": "green",
    "no": "red",
    "abstain": "yellow",
    "not voting": "bright_black",
}

Show = Callable[[Tally | None, State], None]


def watch(gateway: str, chamber: str, roll_call: str) -> None:
    """Show a roll call until it has ended. Raises Failure when it cannot be shown."""
    console = Console()
    if not console.is_terminal:
        asyncio.run(_follow(gateway, chamber, roll_call, _print))
        return
    with Live(console=console, refresh_per_second=10) as live:
        asyncio.run(
            _follow(gateway, chamber, roll_call, lambda t, s: live.update(paint(t, s)))
        )


async def _follow(gateway: str, chamber: str, roll_call: str, show: Show) -> None:
    await _check(gateway, chamber, roll_call)
    shown: Tally | None = None

    def on_state(state: State) -> None:
        show(shown, state)

    def on_restart(_: Restarted) -> None:
        nonlocal shown
        shown = None

    tallies = subscribe(
        gateway, chamber, roll_call, on_state=on_state, on_restart=on_restart
    )
    try:
        async with tallies:
            async for tally in tallies:
                shown = tally
                show(tally, tallies.state)
                if tally.phase in ENDED:
                    return
    except (SubscriptionRefused, NotUnderstood) as error:
        raise Failure(str(error)) from error


async def _check(gateway: str, chamber: str, roll_call: str) -> None:
    """Raises Failure when there is no such roll call, or nobody to ask."""
    async with http_client(gateway) as client:
        try:
            await get_tally(client, roll_call, chamber=chamber)
        except GatewayRefused as refused:
            raise Failure(str(refused)) from refused
        except httpx.TransportError as error:
            raise Failure(
                f"nothing answers at {gateway}: start it with `tellers up`, "
                "or give --gateway"
            ) from error


def _print(tally: Tally | None, state: State) -> None:
    """One line: the tally when it changes, the state when it is not live."""
    if state is State.STALE:
        say("STALE: the gateway is silent; trying again")
    elif tally is not None:
        say(f"{tally.at} {line(tally)}")


def paint(tally: Tally | None, state: State) -> RenderableType:
    """The tally as a panel of the terminal."""
    if tally is None:
        return Text("waiting for the gateway")
    counts = tally.counts
    table = Table.grid(padding=(0, 2))
    for name, count in (
        ("yes", counts.yes),
        ("no", counts.no),
        ("abstain", counts.abstain),
        ("not voting", counts.not_voting),
    ):
        filled = BAR_WIDTH * count // max(1, counts.entitled)
        bar = Text("█" * filled, style=COLOURS[name])
        table.add_row(name, Text(str(count), justify="right", style="bold"), bar)
    rule = f"{tally.phase}, {rule_in_words(tally.verdict.rule)} required"
    lines: list[RenderableType] = [
        table,
        Text(),
        Text(verdict_in_words(tally.verdict), style="bold"),
    ]
    if path := path_to_majority(tally):
        lines.append(path)
    lines += [Text(note, style="bold white on red") for note in notes(tally)]
    if state is not State.LIVE:
        lines.append(
            Text("STALE: not live, trying again", style="bold black on yellow")
        )
    title = f"{tally.symbol or tally.roll_call}  {tally.title}"
    return Panel(Group(*lines), title=Text(title), subtitle=Text(f"{rule}, {tally.at}"))
