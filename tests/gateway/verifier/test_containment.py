"""What fails is kept where it fails; what wants an end is not."""

import asyncio

import pytest

from gateway.core.ports import StoreUnavailable
from gateway.verifier.containment import Containment, logged


class Panic(BaseException):
    """What a library raises that has broken: no `Exception`."""


@pytest.mark.parametrize(
    "error", [ValueError(), Panic(), BaseExceptionGroup("several", [Panic(), ValueError()])]
)
async def test_what_fails_is_kept(error: BaseException) -> None:
    """Told to whom it is to be told, and the block says that it has failed."""
    told: list[BaseException] = []
    with Containment(told.append) as block:
        raise error
    assert (told, block.failed) == ([error], True)


async def test_what_does_not_fail() -> None:
    """Nothing is told of it."""
    told: list[BaseException] = []
    with Containment(told.append) as block:
        pass
    assert (told, block.failed) == ([], False)


@pytest.mark.parametrize("end", [asyncio.CancelledError, KeyboardInterrupt, SystemExit])
async def test_what_wants_an_end_passes(end: type[BaseException]) -> None:
    """By itself, and out of groups."""
    told: list[BaseException] = []
    for error in (
        end(),
        BaseExceptionGroup("outer", [Panic(), BaseExceptionGroup("inner", [end()])]),
    ):
        with pytest.raises(type(error)) as caught, Containment(told.append):
            raise error
        assert caught.value is error
    assert told == []


async def test_a_task_that_fails_while_it_is_cancelled_is_cancelled() -> None:
    """A group raises what its tasks have raised, and not that it was to end."""
    told: list[BaseException] = []

    async def fail_at_the_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise Panic

    async def work() -> None:
        while True:
            with Containment(told.append):
                async with asyncio.TaskGroup() as group:
                    group.create_task(fail_at_the_end())

    working = asyncio.create_task(work())
    await asyncio.sleep(0.01)
    working.cancel()
    done, _ = await asyncio.wait([working], timeout=5)
    assert done
    assert working.cancelled()
    assert told == []


async def test_the_log_says_how(caplog: pytest.LogCaptureFixture) -> None:
    """With a trace, but for what the store says itself."""
    with Containment(logged("lab: broken")):
        raise Panic
    with Containment(logged("lab: not noted")):
        raise StoreUnavailable("no store")
    assert [(one.getMessage(), one.exc_info is not None) for one in caplog.records] == [
        ("lab: broken", True),
        ("lab: not noted: no store", False),
    ]
