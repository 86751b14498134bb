"""Headless Firefox in a profile of its own, driven by Marionette, the protocol inside it.

Debian has no geckodriver, and what a test needs of Marionette is little: a TCP connection on
which every message is its length, a colon, and a JSON list.
"""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.whole.browser import PASSPHRASE
from tests.whole.sites import LiveSite, wait_for

PROGRAMS: Final = ("firefox-esr", "certutil", "pk12util")
_STARTED_WITHIN: Final = 60.0
_PREFERENCES: Final = {
    "marionette.port": 0,
    "security.default_personal_cert": "Select Automatically",
    "network.http.speculative-parallel-limit": 0,
    "network.trr.mode": 5,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.enabled": False,
    "app.normandy.enabled": False,
    "services.settings.server": "data:,",
    "browser.safebrowsing.update.enabled": False,
    "extensions.update.enabled": False,
}


def find_firefox() -> None:
    """Skip the test where there is no Firefox, or nothing to fill its certificate store with."""
    for program in PROGRAMS:
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here (Debian: firefox-esr libnss3-tools)")


class ErrorPage(Exception):
    """The browser shows a page of its own instead of ours; the message is the code of the error."""


class Firefox:
    """One running Firefox."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._stream = connection.makefile("rb")
        self._number = 0
        self._read()  # who it is
        self._ask("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {}}})

    def go(self, url: str) -> None:
        """Type an address; raises `ErrorPage` where no page of ours comes."""
        self._ask("WebDriver:Navigate", {"url": url})

    @property
    def url(self) -> str:
        """The address that is shown."""
        return str(self._ask("WebDriver:GetCurrentURL", {})["value"])

    @property
    def text(self) -> str:
        """All that can be read on the page."""
        return str(self.run("return document.body.innerText"))

    def run(self, script: str, *arguments: str) -> Any:
        """Run *script* in the page, and return what it returns."""
        parameters = {"script": script, "args": [*arguments]}
        return self._ask("WebDriver:ExecuteScript", parameters)["value"]

    def wait_for(self, script: str, *arguments: str) -> Any:
        """Run *script*, which hands what it finds to the last of its arguments, later."""
        parameters = {"script": script, "args": [*arguments]}
        return self._ask("WebDriver:ExecuteAsyncScript", parameters)["value"]

    def inside(self, script: str, *arguments: str) -> Any:
        """Run *script* in the browser's own window instead of the page."""
        self._ask("Marionette:SetContext", {"value": "chrome"})
        try:
            return self.run(script, *arguments)
        finally:
            self._ask("Marionette:SetContext", {"value": "content"})

    def quit(self, *, at_once: bool = True) -> None:
        """End it; not *at_once* as a person does, so that it clears what it is to clear."""
        flag = "eForceQuit" if at_once else "eAttemptQuit"
        self._ask("Marionette:Quit", {"flags": [flag]})
        self._stream.close()

    def _ask(self, command: str, parameters: dict[str, Any]) -> Any:
        self._number += 1
        message = json.dumps([0, self._number, command, parameters]).encode()
        self._connection.sendall(b"%d:%b" % (len(message), message))
        _, number, error, result = self._read()
        assert number == self._number
        if error is None:
            return result
        if "Reached error page" not in str(error["message"]):
            raise AssertionError(error)
        script = "return document.getNetErrorInfo().errorCodeString"
        found = self._ask("WebDriver:ExecuteScript", {"script": script, "args": []})
        raise ErrorPage(str(found["value"]))

    def _read(self) -> Any:
        digits = b""
        while (octet := self._stream.read(1)) != b":":
            assert octet, "Firefox has closed the connection"
            digits += octet
        return json.loads(self._stream.read(int(digits)))


@contextmanager
def firefox(site: LiveSite, folder: Path, bundle: Path | None = None) -> Iterator[Firefox]:
    """Run Firefox with the site's root among those it trusts, and the certificate of *bundle*."""
    find_firefox()
    profile = folder / "profile"
    profile.mkdir(parents=True)
    store = ["-d", f"sql:{profile}"]
    root = str(site.folder.root_certificate)
    commands = [
        ["certutil", "-N", "--empty-password"],
        ["certutil", "-A", "-n", "root", "-t", "C,,", "-i", root],
    ]
    if bundle is not None:
        commands.append(["pk12util", "-i", str(bundle), "-W", PASSPHRASE, "-K", ""])
    for command in commands:
        subprocess.run([*command, *store], capture_output=True, check=True, timeout=30)
    lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in _PREFERENCES.items()]
    (profile / "user.js").write_text("".join(lines), encoding="utf-8")
    with (folder / "firefox.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *("firefox-esr", "--headless", "--marionette", "--remote-allow-system-access"),
                *("--no-remote", "--profile", str(profile)),
            ],
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "MOZ_CRASHREPORTER_DISABLE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            with driven(profile) as running:
                yield running
            process.wait(30)
        finally:
            process.kill()
            process.wait()


@contextmanager
def driven(profile: Path, *, at_once: bool = True) -> Iterator[Firefox]:
    """Drive the Firefox that was started with *profile*, and end it as `Firefox.quit` does."""
    port = wait_for("Marionette", lambda: _port(profile), within=_STARTED_WITHIN)
    with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as connection:
        running = Firefox(connection)
        yield running
        running.quit(at_once=at_once)


def _port(profile: Path) -> int | None:
    file = profile / "MarionetteActivePort"
    text = file.read_text() if file.exists() else ""
    return int(text) if text else None
