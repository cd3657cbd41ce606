"""An answer that many ask for at once is worked out once."""

import asyncio

import pytest

from tellers_gateway.once import Once


class Work:
    """Counts how often it is done; `result` may be an error. Waits for `gate`."""

    def __init__(self, result: int | Exception = 7) -> None:
        self.result = result
        self.times = 0
        self.gate = asyncio.Event()

    async def __call__(self) -> int:
        self.times += 1
        await self.gate.wait()
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


async def test_many_at_once_are_one(work: Work) -> None:
    once: Once[str, int] = Once(keep=4)
    asking = [asyncio.create_task(once.get("a", work)) for _ in range(50)]
    await asyncio.sleep(0)
    work.gate.set()
    assert await asyncio.gather(*asking) == [7] * 50
    assert await once.get("a", work) == 7
    assert work.times == 1


async def test_other_questions_are_other_work(work: Work) -> None:
    once: Once[str, int] = Once(keep=4)
    work.gate.set()
    assert [await once.get(key, work) for key in "abab"] == [7] * 4
    assert work.times == 2


async def test_only_the_newest_are_kept(work: Work) -> None:
    once: Once[str, int] = Once(keep=2)
    work.gate.set()
    for key in "abcbc":
        await once.get(key, work)
    assert work.times == 3
    await once.get("a", work)
    assert work.times == 4


async def test_an_error_is_told_to_all_and_not_kept(work: Work) -> None:
    once: Once[str, int] = Once(keep=4)
    work.result = ValueError("away")
    asking = [asyncio.create_task(once.get("a", work)) for _ in range(3)]
    await asyncio.sleep(0)
    work.gate.set()
    told = await asyncio.gather(*asking, return_exceptions=True)
    assert [str(error) for error in told] == ["away"] * 3
    work.result = 8
    assert await once.get("a", work) == 8
    assert work.times == 2


async def test_who_gives_up_stops_nobody_else(work: Work) -> None:
    once: Once[str, int] = Once(keep=4)
    first, second = (asyncio.create_task(once.get("a", work)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    work.gate.set()
    assert await second == 7
    with pytest.raises(asyncio.CancelledError):
        await first
    assert work.times == 1


async def test_what_does_not_last_is_asked_again(work: Work) -> None:
    once: Once[str, int] = Once(keep=4, lasts=lambda answer: answer != 7)
    work.gate.set()
    assert [await once.get("a", work) for _ in range(2)] == [7, 7]
    assert work.times == 2


async def test_what_is_forgotten_while_it_is_looked_for_is_not_kept(
    work: Work,
) -> None:
    once: Once[str, int] = Once(keep=4)
    old = asyncio.create_task(once.get("a", work))
    await asyncio.sleep(0)
    once.forget("a")
    newer = Work(8)
    newer.gate.set()
    assert await once.get("a", newer) == 8
    work.gate.set()
    assert await old == 7
    assert await once.get("a", newer) == 8
    assert newer.times == 1


@pytest.fixture
async def work() -> Work:
    """Work that waits for its gate."""
    return Work()
