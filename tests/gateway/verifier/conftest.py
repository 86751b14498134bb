"""Fixtures of the verifier's tests."""

import asyncio
from collections.abc import Callable, Mapping

import uvloop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the verifier's tests in the loop that the verifier runs in: it can do less."""
    return {"uvloop": uvloop.new_event_loop}
