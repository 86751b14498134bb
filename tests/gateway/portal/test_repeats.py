"""A form that is sent twice has one answer."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from gateway.portal import repeats as module
from gateway.portal.repeats import Repeats, new_mark
from tests.gateway.portal.house import Clock


@dataclass
class Desk:
    """Answers forms, and counts them."""

    clock: Clock = field(default_factory=Clock)
    asked: int = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def repeats(self) -> Repeats[str]:
        """Remember every answer but "no"."""
        return Repeats(self.clock, lambda answer: answer != "no")

    async def yes(self) -> str:
        """Answer when the desk is open."""
        await self.open.wait()
        self.asked += 1
        return f"yes {self.asked}"

    async def no(self) -> str:
        """Say no."""
        self.asked += 1
        return "no"


async def test_at_once_and_later_it_is_asked_once() -> None:
    """Those who come meanwhile wait for the same answer; a minute later it is forgotten."""
    desk = Desk()
    repeats, mark = desk.repeats(), new_mark()
    waiting = [asyncio.create_task(repeats.once(mark, ("a",), desk.yes)) for _ in range(3)]
    await asyncio.sleep(0)
    desk.open.set()
    assert await asyncio.gather(*waiting) == ["yes 1"] * 3
    assert await repeats.once(mark, ("a",), desk.yes) == "yes 1"
    desk.clock.now += timedelta(minutes=1)
    assert await repeats.once(mark, ("a",), desk.yes) == "yes 2"


async def test_what_was_shown_once_is_kept_no_longer_than_it_may_be_shown_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though nobody sends another form; recovery codes are not left in memory for a day."""
    monkeypatch.setattr(module, "_TWICE", timedelta(milliseconds=20))
    desk = Desk()
    desk.open.set()
    repeats = desk.repeats()
    await repeats.once(new_mark(), ("a",), desk.yes)
    assert len(repeats._forms) == 1
    await asyncio.wait_for(gone(repeats), 5)


async def gone(repeats: Repeats[str]) -> None:
    """Wait until nothing is remembered."""
    while repeats._forms:  # noqa: ASYNC110 - nobody tells of it
        await asyncio.sleep(0.005)


async def test_another_mark_or_another_word_is_another_form() -> None:
    """And without a mark each one is."""
    desk = Desk()
    desk.open.set()
    repeats, mark = desk.repeats(), new_mark()
    forms = [(mark, ("a",)), (mark, ("b",)), (mark, ("a", "")), (new_mark(), ("a",))]
    forms += [("", ("a",)), ("", ("a",))]
    answers = [await repeats.once(of, words, desk.yes) for of, words in forms]
    assert len(set(answers)) == len(forms)


async def test_whoever_is_told_no_may_try_again() -> None:
    """With the same words on the same page."""
    desk = Desk()
    repeats, mark = desk.repeats(), new_mark()
    assert [await repeats.once(mark, ("a",), desk.no) for _ in range(2)] == ["no", "no"]
    assert desk.asked == 2


async def test_an_error_is_not_remembered() -> None:
    """Whoever waits for it gets it too, and the next one tries."""
    desk = Desk()
    repeats, mark = desk.repeats(), new_mark()

    async def fail() -> str:
        await desk.open.wait()
        raise ZeroDivisionError

    waiting = [asyncio.create_task(repeats.once(mark, (), fail)) for _ in range(2)]
    await asyncio.sleep(0)
    desk.open.set()
    for task in waiting:
        with pytest.raises(ZeroDivisionError):
            await task
    assert await repeats.once(mark, (), desk.yes) == "yes 1"


async def test_one_that_is_broken_off_is_not_remembered() -> None:
    """A connection that goes away leaves nothing behind for those who wait but an error."""
    desk = Desk()
    repeats, mark = desk.repeats(), new_mark()
    first = asyncio.create_task(repeats.once(mark, (), desk.yes))
    await asyncio.sleep(0)
    second = asyncio.create_task(repeats.once(mark, (), desk.yes))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    with pytest.raises(TimeoutError):
        await second
    desk.open.set()
    assert await repeats.once(mark, (), desk.yes) == "yes 1"


async def test_remembers_only_so_many() -> None:
    """The oldest is forgotten first."""
    desk = Desk()
    desk.open.set()
    repeats = desk.repeats()
    for number in range(502):
        await repeats.once(str(number + 1), (), desk.yes)
    assert await repeats.once("1", (), desk.yes) == "yes 503"
    assert await repeats.once("500", (), desk.yes) == "yes 500"
