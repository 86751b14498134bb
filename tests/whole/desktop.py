"""A desktop without a screen (Xvfb), and a hand at its keyboard (xdotool)."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import pytest

from tests.whole.sites import wait_for

PROGRAMS: Final = ("Xvfb", "xdotool")
_WINDOW_WITHIN: Final = 60.0


@dataclass(frozen=True, slots=True)
class Desktop:
    """One screen that nobody looks at."""

    display: str

    def environment(self, **more: str) -> dict[str, str]:
        """Return what a program needs in order to show itself here."""
        return {"PATH": os.environ["PATH"], "DISPLAY": self.display, **more}

    def windows(self, title: str) -> list[str]:
        """Return the windows that are shown and whose title matches *title*."""
        return self._hand("search", "--onlyvisible", "--name", title).split()

    def wait_for_window(self, title: str) -> str:
        """Wait for a window, and return it."""
        return wait_for(title, lambda: self.windows(title), within=_WINDOW_WITHIN)[0]

    def type_into(self, window: str, text: str) -> None:
        """Type *text* and Return, as a person does."""
        self._hand("windowfocus", "--sync", window)
        self._hand("type", "--delay", "20", text)
        self._hand("key", "Return")

    def press(self, window: str, key: str) -> None:
        """Press one key."""
        self._hand("windowfocus", "--sync", window)
        self._hand("key", key)

    def _hand(self, *words: str) -> str:
        ran = subprocess.run(
            ["xdotool", *words],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        return ran.stdout


@contextmanager
def desktop() -> Iterator[Desktop]:
    """Run a desktop, or skip the test where there is none."""
    for program in PROGRAMS:
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here (Debian: xvfb xdotool)")
    reading, writing = os.pipe()
    process = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1200x900x24", "-nolisten", "tcp"],
        pass_fds=[writing],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading, encoding="ascii") as answer:
            yield Desktop(f":{answer.readline().strip()}")
    finally:
        process.terminate()
        process.wait()
