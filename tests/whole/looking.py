"""What is looked at on every page: its width, what axe-core finds, and the pictures for whoever asks.

axe-core judges what a machine can judge: names of fields, contrast, order of headings, languages.
It stands in the package axe-playwright-python, of which nothing else is used. With the variable
PUSTERLA_SCREENSHOTS every page is also saved as a picture below the folder that it names.
"""

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from tests.whole.browser import Browser

PICTURES: Final = "PUSTERLA_SCREENSHOTS"
NARROWEST: Final = 320
"""No page has to be scrolled sideways on a window of this width (WCAG 2.2, 1.4.10)."""

# Rules of WCAG 2.2 to the level AA, and what those who wrote axe-core hold to be good practice.
_TAGS: Final = (
    *("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"),
)
_SERIOUS: Final = ("serious", "critical")
_JUDGE: Final = """
const done = arguments[arguments.length - 1];
axe.run(document, {runOnly: {type: "tag", values: arguments[0]}, preload: false}).then(
  (found) => done(found.violations.flatMap((rule) => rule.nodes.map((node) => [
    rule.id, node.impact ?? rule.impact, node.target.join(" "),
    node.any.concat(node.all, node.none).map((one) => one.message).join("; "),
  ]))),
  (error) => done([["axe", "critical", "", String(error)]]));
"""
# Not compared with the window's innerWidth: a telephone's window grows with what is too wide for it.
_WIDTH: Final = "return document.documentElement.scrollWidth"
_ROWS: Final = """
return new Set([...document.querySelectorAll("nav li")].map((one) => one.offsetTop)).size
"""


@dataclass(frozen=True, slots=True)
class Window:
    """How a page is seen: by which colours, and in a window of which size."""

    scheme: str
    width: int
    height: int
    mobile: bool

    def __str__(self) -> str:
        """As the pictures' folder is called."""
        return f"{self.scheme}-{self.width}"


WINDOWS: Final = tuple(
    Window(scheme, *size)
    for size in ((1280, 860, False), (360, 740, True))
    for scheme in ("light", "dark")
)


@cache
def _axe() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def see_as(chromium: Browser, window: Window) -> None:
    """Let the browser show its pages as *window* does, from now on."""
    command = chromium.driver.execute_cdp_cmd
    size = {"width": window.width, "height": window.height, "mobile": window.mobile}
    command("Emulation.setDeviceMetricsOverride", {**size, "deviceScaleFactor": 1})
    features = [{"name": "prefers-color-scheme", "value": window.scheme}]
    command("Emulation.setEmulatedMedia", {"features": features})


def faults(chromium: Browser) -> list[str]:
    """Return what axe-core finds wrong, seriously or worse, with the page that is shown."""
    if not chromium.driver.execute_script("return 'axe' in window"):
        chromium.driver.execute_script(_axe())
    found: list[Any] = chromium.driver.execute_async_script(_JUDGE, _TAGS)
    return [
        f"{rule} ({impact}) at {target}: {message}"
        for rule, impact, target, message in found
        if impact in _SERIOUS
    ]


class Inspector:
    """Looks at each page as it comes by, and keeps what is wrong with it."""

    def __init__(self, chromium: Browser, walk: str, language: str) -> None:
        self.wrong: list[str] = []
        self.seen: list[str] = []
        self._chromium = chromium
        self._walk = walk
        self._language = language

    def look(self, name: str) -> None:
        """Look at the page that is shown, in every window; then it is shown as at first."""
        chromium = self._chromium
        self.seen.append(name)
        if chromium.element("html").get_attribute("lang") != self._language:
            self.wrong.append(f"{name}: not in {self._language}")
        for window in WINDOWS:
            see_as(chromium, window)
            self.wrong += [f"{name}, {window}: {fault}" for fault in faults(chromium)]
            if (rows := chromium.driver.execute_script(_ROWS)) > 1:
                self.wrong.append(f"{name}, {window}: the places are in {rows} rows")
            self._take_picture(name, window)
        see_as(chromium, Window("light", NARROWEST, 640, mobile=True))
        width = chromium.driver.execute_script(_WIDTH)
        if width > NARROWEST:
            self.wrong.append(f"{name}: {width} pixels wide in a window of {NARROWEST}")
        see_as(chromium, WINDOWS[0])

    def _take_picture(self, name: str, window: Window) -> None:
        if not (folder := os.environ.get(PICTURES)):
            return
        file = Path(
            folder, self._language, str(window), f"{self._walk}-{len(self.seen):02}-{name}.png"
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        options = {"captureBeyondViewport": True}
        taken = self._chromium.driver.execute_cdp_cmd("Page.captureScreenshot", options)
        file.write_bytes(base64.b64decode(taken["data"]))


@contextmanager
def inspected(chromium: Browser, walk: str, language: str) -> Iterator[Inspector]:
    """Look at the pages of a *walk*; at its end there was nothing wrong with any of them."""
    inspector = Inspector(chromium, walk, language)
    see_as(chromium, WINDOWS[0])
    yield inspector
    assert inspector.wrong == [], "\n".join(inspector.wrong)
    assert chromium.violations() == [], "a page's own policy held something of it back"
