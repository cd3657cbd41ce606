"""Commands that are sent again after a restore, and ingest processes that ran on."""

from functools import partial
from pathlib import Path

import httpx
import pytest

from tellers_core.codec import LogName
from tellers_core.events import Vote
from tellers_runtime import keys
from tellers_runtime.archive.engine import migrate
from tellers_runtime.log import LogReader
from tellers_tally.backup import back_up
from tellers_tally.restore import restore_all, restore_from
from tellers_tally.settings import TallySettings
from tests.services.ingest import LOGS, Clerk, Hall, refusal
from tests.services.tallying import Archive, leading, settings_for, silent, until

pytest_plugins = ("tests.services.two_ingests",)

GA = LogName("ga")
# Every kind of command, in an order in which each is allowed.
COMMANDS: tuple[tuple[str, str, object], ...] = (
    ("POST", "", {"id": "es-11-1", "title": "A title", "rule": "two_thirds"}),
    ("POST", "/es-11-1/open", None),
    ("PUT", "/es-11-1/votes/FRA", {"vote": "yes"}),
    ("PUT", "/es-11-1/votes/PER", {"vote": "no"}),
    ("DELETE", "/es-11-1/votes/PER", None),
    ("POST", "/es-11-1/votes", {"votes": [{"delegation": "NOR", "vote": "no"}]}),
    ("POST", "/es-11-1/rule", {"rule": "simple"}),
    ("POST", "/es-11-1/lock", None),
    ("POST", "/es-11-1/unlock", None),
    ("POST", "/es-11-1/lock", None),
    ("POST", "/es-11-1/close", {}),
    ("POST", "/es-11-1/intentions", {"delegation": "PER", "vote": "yes"}),
    ("POST", "", {"id": "r9", "title": "T", "rule": "simple", "rehearsal": True}),
    ("POST", "/r9/annul", None),
)


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> TallySettings:
    """Redis, and an empty archive."""
    url = f"sqlite:///{tmp_path}/archive.db"
    migrate(url)
    return settings_for(redis_url, url)


async def send(clerk: Clerk, number: int) -> httpx.Response:
    """The command of that number, with a key of its own."""
    method, path, body = COMMANDS[number]
    key = {"Idempotency-Key": f"command-{number}"}
    return await clerk.send(method, path, body, headers=key)


async def archive_all(at: Hall, settings: TallySettings) -> None:
    """Have the tally service archive all there is."""
    logs = [log for log in LOGS if log.chamber == "ga"]
    with Archive(settings.archive_url) as archive:
        async with leading(settings.redis_url, settings.archive_url, logs=logs):
            for log in logs:
                last = await LogReader(at.redis, log).head()
                await until(partial(_reached, archive, log, last), f"{log}")


def _reached(archive: Archive, log: LogName, seq: int) -> bool:
    return archive.seq(log) == seq


async def test_after_a_backup_every_repeat_gets_the_first_answer(
    at: Hall, settings: TallySettings, tmp_path: Path
) -> None:
    path = tmp_path / "backup"
    answers = [await send(at.clerk, number) for number in range(len(COMMANDS))]
    assert {answer.status_code for answer in answers} <= {200, 201}, answers
    await back_up(settings, path, silent)
    events = await at.length()
    await at.redis.flushall()
    with path.open("rb") as file:
        await restore_from(file, settings, silent)
    # The tokens came back too, and both processes ran on.
    for clerk in at.clerks:
        for number, answer in enumerate(answers):
            again = await send(clerk, number)
            assert (again.status_code, again.content) == (
                answer.status_code,
                answer.content,
            )
            assert again.headers["Idempotency-Replayed"] == "true"
    assert await at.length() == events


async def test_after_the_archive_every_repeat_is_decided_anew(
    at: Hall, settings: TallySettings
) -> None:
    """The archive has no answers: nothing is counted twice, and the sender is told."""
    tokens = await at.redis.dump(keys.TOKENS)
    for number in range(6):  # up to the batch: the roll call is open
        await send(at.clerk, number)
    await archive_all(at, settings)
    events = await at.length()
    await at.redis.flushall()
    await restore_all(settings)
    await at.redis.restore(keys.TOKENS, 0, tokens or b"")
    for clerk in at.clerks:
        assert refusal(await send(clerk, 0)) == (409, "already_exists")
        assert refusal(await send(clerk, 1)) == (409, "wrong_phase")
        for number in (2, 5):  # a vote, a batch
            answer = await send(clerk, number)
            assert (answer.status_code, answer.json()["events"]) == (200, [])
    assert await at.length() == events
    assert (await at.state()).votes == {"FRA": Vote.YES, "NOR": Vote.NO}


@pytest.mark.parametrize("source", ["backup", "archive"])
async def test_a_late_repeat_must_not_undo_what_came_after_it(
    at: Hall, settings: TallySettings, tmp_path: Path, source: str
) -> None:
    """What the answers in a backup are for; restored from the archive, which has none,
    the late repeat changes the vote back, as an event that all can see."""
    path = tmp_path / "backup"
    tokens = await at.redis.dump(keys.TOKENS)
    await at.clerk.open()
    key = {"Idempotency-Key": "whose answer was lost"}
    await at.clerk.vote("FRA", "yes", headers=key)
    await at.clerk.vote("FRA", "no")
    await archive_all(at, settings)
    await back_up(settings, path, silent)
    await at.redis.flushall()
    if source == "backup":
        with path.open("rb") as file:
            await restore_from(file, settings, silent)
    else:
        await restore_all(settings)
        await at.redis.restore(keys.TOKENS, 0, tokens or b"")
    again = await at.clerk.vote("FRA", "yes", headers=key)
    after = (await at.state()).votes["FRA"]
    if source == "backup":
        assert (again.status_code, after) == (201, Vote.NO)
    else:
        assert again.json()["events"] == ["vote.changed"]
        assert after is Vote.YES


async def test_a_process_that_ran_on_forgets_what_was_not_restored(
    at: Hall, settings: TallySettings, tmp_path: Path
) -> None:
    """Its roll call is at the version at which the restored one arrives with other
    votes: closed on what it remembers, the result would be a wrong one."""
    path = tmp_path / "backup"
    one, other = at.clerks
    await one.open()
    await back_up(settings, path, silent)
    for code in ("FRA", "PER"):
        await one.vote(code, "yes")
    await at.redis.flushall()
    with path.open("rb") as file:
        await restore_from(file, settings, silent)
    for code in ("NOR", "ZMB"):
        await other.vote(code, "no")
    await one.done("POST", "/es-11-1/lock")
    await one.done("POST", "/es-11-1/close")
    state = await at.state()
    assert state.votes == {"NOR": Vote.NO, "ZMB": Vote.NO}
    closed = (await at.entries())[-1].event
    assert (closed.counts.yes, closed.counts.no) == (0, 2)  # type: ignore[union-attr]
