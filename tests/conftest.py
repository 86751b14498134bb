"""House rules for every test: no skip goes unseen, and nothing leaves this machine."""

import os
import signal
from collections.abc import Generator

import pytest
from hypothesis import settings

# Who starts the tests in the background has them ignore Ctrl-C, and so would every program that
# they start, and some of which they interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A PostgreSQL for whoever asks for one; only the root's conftest may name plugins.
pytest_plugins = ("tests.postgres",)

# Where every program is installed, a skip means that something was not tested.
NO_SKIP = os.environ.get("PUSTERLA_NO_SKIP") == "1"

# A busy machine is not a failure: only pytest's own time limit ends a test. CI draws the same
# examples each time, so that what it says of a commit stays true of it; developers draw new ones.
settings.register_profile("house", deadline=None, derandomize=NO_SKIP)
settings.load_profile("house")


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return why *report* was skipped, in the words of whoever skipped it."""
    match report.longrepr:
        case (_, _, str(reason)):
            return reason.removeprefix("Skipped: ")
        case other:
            return str(other)


def forbid_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skipped *report* into a failed one; an expected failure stays what it is."""
    if NO_SKIP and report.skipped and not hasattr(report, "wasxfail"):
        report.longrepr = f"Skipped where no skip is allowed: {reason_of(report)}"
        report.outcome = "failed"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Apply the skip policy to a single test."""
    report = yield
    forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Apply the skip policy to a whole file (`pytest.skip` or `importorskip` at its top)."""
    report = yield
    forbid_skip(report)
    return report


def pytest_report_header() -> str:
    """Say which skip policy is in force."""
    return "skips: " + ("are failures" if NO_SKIP else "are allowed, each with its reason below")
