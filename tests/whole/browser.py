"""Headless Chromium with a certificate store, a home and a policy of its own.

Chromium asks which certificate to show unless a managed policy answers, and such policies are
read from one folder of the machine. That folder is covered, for the browser and its driver alone,
in a mount namespace; nothing on the machine changes. Without that privilege the test is skipped.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.whole.sites import HOST, LiveSite, wait_for

PROGRAMS = ("chromium", "chromedriver", "certutil", "pk12util", "unshare")
POLICIES = Path("/etc/chromium")
"""Where Debian's Chromium reads policies, in `policies/managed`."""
PASSPHRASE = "open this bundle"
PAGE_WITHIN = 15.0

# chromedriver in a mount namespace where POLICIES holds the policy and nothing else.
_WRAPPER = """\
#!/bin/sh
exec {unshare} sh -c 'mount -t tmpfs none {policies} &&
  mkdir -p {policies}/policies/managed &&
  cp {policy} {policies}/policies/managed/policy.json &&
  exec chromedriver "$@"' chromedriver "$@"
"""
_NAMESPACES = (
    ("unshare", "--mount", "--propagation", "private"),
    ("unshare", "--map-root-user", "--mount", "--propagation", "private"),
)
_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-default-apps", "--disable-dev-shm-usage", "--window-size=1000,860"),
)
_ARRIVED = "return window.left !== arguments[0] && document.readyState === 'complete'"
_leavings = count(1)


def find_namespace() -> Sequence[str]:
    """Return the command that opens a mount namespace, or skip the test that needs a browser."""
    for program in PROGRAMS:
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here (Debian: chromium chromium-driver libnss3-tools)")
    if not POLICIES.is_dir():
        pytest.skip(f"{POLICIES} is not there: not Debian's Chromium")
    for unshare in _NAMESPACES:
        command = [*unshare, "mount", "-t", "tmpfs", "none", str(POLICIES)]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return unshare
    pytest.skip("no mount namespace can be made here, and Chromium's policy must lie in /etc")


class Home:
    """A home with a certificate store that trusts the site's root."""

    def __init__(self, site: LiveSite, folder: Path) -> None:
        self.site = site
        self.folder = folder
        self._store = folder / ".pki" / "nssdb"
        self._store.mkdir(parents=True)
        self._run("certutil", "-N", "--empty-password")
        root = str(site.folder.root_certificate)
        self._run("certutil", "-A", "-n", "root", "-t", "C,,", "-i", root)

    def take(self, bundle: Path) -> None:
        """Import a .p12 file, as a person does in the browser's settings."""
        self._run("pk12util", "-i", str(bundle), "-W", PASSPHRASE, "-K", "")

    def _run(self, program: str, *arguments: str) -> None:
        command = [program, *arguments, "-d", f"sql:{self._store}"]
        subprocess.run(command, capture_output=True, check=True, timeout=30)


class Browser:
    """One running Chromium, and what a person does with it."""

    def __init__(self, driver: Chrome, pictures: Path) -> None:
        self.driver = driver
        self._pictures = pictures

    @property
    def url(self) -> str:
        """The address that is shown."""
        return self.driver.current_url

    @property
    def title(self) -> str:
        """The page's heading."""
        return self.element("h1").text

    @property
    def text(self) -> str:
        """All that can be read on the page."""
        return self.element("body").text

    def go(self, url: str) -> None:
        """Type an address."""
        self.driver.get(url)

    def element(self, selector: str) -> WebElement:
        """Return the first element that *selector* (CSS) finds; it must be there."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def type(self, selector: str, text: str) -> None:
        """Type *text* into a field."""
        self.element(selector).send_keys(text)

    def press(self, selector: str) -> None:
        """Click a button or a link."""
        self.element(selector).click()

    def follow(self, selector: str) -> None:
        """Click a button or a link, and wait for the page that it leads to."""
        with self._leaving(f"the page behind {selector}"):
            self.press(selector)

    def enter(self, selector: str) -> None:
        """Press Enter in a field, and wait for the page that it leads to."""
        with self._leaving(f"the page behind {selector}"):
            self.type(selector, Keys.ENTER)

    def back(self) -> None:
        """Go back as by the browser's button, and wait for the page that comes."""
        with self._leaving("the page before"):
            self.driver.back()

    @contextmanager
    def _leaving(self, what: str) -> Iterator[None]:
        # A number of its own: a page that was kept and is shown again still has that of its time.
        leaving = next(_leavings)
        self.driver.execute_script("window.left = arguments[0]", leaving)
        yield

        def arrived() -> bool:
            try:
                return bool(self.driver.execute_script(_ARRIVED, leaving))
            except WebDriverException:  # between two pages
                return False

        wait_for(what, arrived, within=PAGE_WITHIN)

    def wait_for_url(self, url: str) -> None:
        """Wait until the address is *url*, however many pages come before."""
        wait_for(f"{url} in the browser", lambda: self.url == url, within=PAGE_WITHIN)

    def wait_for_text(self, selector: str, text: str) -> None:
        """Wait until the element that *selector* finds says *text*."""

        def there() -> bool:
            try:
                return text in self.element(selector).text
            except WebDriverException:  # between two pages
                return False

        wait_for(f"{text!r} in {selector}", there, within=PAGE_WITHIN)

    def picture(self, name: str) -> None:
        """Save what is seen, for whoever looks into the folder of the test."""
        self.driver.save_screenshot(str(self._pictures / f"{name}.png"))

    def violations(self) -> list[str]:
        """Return what a page's Content Security Policy has kept the browser from, since last asked."""
        entries = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        lines = [str(entry["message"]) for entry in entries]
        return [line for line in lines if "Content Security Policy" in line]


@contextmanager
def browser(home: Home, folder: Path, language: str) -> Iterator[Browser]:
    """Run Chromium in *home*; *language* is that of its owner. Pictures go into *folder*."""
    unshare = find_namespace()
    folder.mkdir(parents=True, exist_ok=True)
    policy = folder / "policy.json"
    pattern = {"pattern": f"https://[*.]{HOST}:{home.site.port}", "filter": {}}
    policy.write_text(json.dumps({"AutoSelectCertificateForUrls": [json.dumps(pattern)]}))
    wrapper = folder / "chromedriver"
    wrapper.write_text(_WRAPPER.format(unshare=" ".join(unshare), policies=POLICIES, policy=policy))
    wrapper.chmod(0o755)
    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for option in (*_OPTIONS, f"--lang={language}", f"--accept-lang={language}"):
        options.add_argument(option)
    options.add_argument(f"--user-data-dir={folder / 'profile'}")
    # Of a short name, since Chromium puts a socket into it, and gone afterwards, since it
    # leaves the folder of that socket behind.
    with TemporaryDirectory(prefix="pusterla-", dir="/tmp", ignore_cleanup_errors=True) as scratch:
        places = {"HOME": str(home.folder), "TMPDIR": scratch}
        service = Service(str(wrapper), env={"PATH": os.environ["PATH"], **places})
        driver = Chrome(options=options, service=service)
        try:
            driver.set_page_load_timeout(PAGE_WITHIN)
            yield Browser(driver, folder)
        finally:
            driver.quit()
