"""What `pusterla doctor` says of CAs that are not ours: their files, and how long they last."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from ca.foreign.authorities import SOON
from gateway.bootstrap.examination import Finding, ok, problem, warning
from gateway.bootstrap.folder import SiteFolder
from gateway.bootstrap.trusted import trusts_of
from gateway.bootstrap.trusting import Authority, authorities_of
from gateway.config import Problems
from gateway.core.trusts import Trust

_NEXT = "ask those who run it for the next one, add it to the file, and pusterla reload"


def examine_trusts(folder: SiteFolder, now: datetime) -> Iterator[Finding]:
    """Read trust/ as `serve` does; says nothing where there are no trusts."""
    found = trusts_of(folder)
    if isinstance(found, Problems):
        for each in found.problems:
            yield problem("trust", str(each), "correct the file")
        return
    for trust in found.values():
        ill = [*_examine(trust, now)]
        last = min(one.not_after for one in authorities_of(trust))
        words = f"{trust.name} names people by {trust.identity.value}, its CAs last until {last:%F}"
        yield from ill or [ok("trust", words)]


def _examine(trust: Trust, now: datetime) -> Iterator[Finding]:
    for one in authorities_of(trust):
        if (finding := _examine_dates(trust, one, now)) is not None:
            yield finding
    if trust.crl_file is not None and not Path(trust.crl_file).exists():
        words = f"{trust.name}: there is no {trust.crl_file}, or this user cannot see it"
        yield warning("trust", words, "see that whoever brings the lists brings them there")


def _examine_dates(trust: Trust, one: Authority, now: datetime) -> Finding | None:
    name = f"{trust.name}: the CA {one.subject}"
    if now > one.not_after:
        words = f"{name} has expired at {one.not_after:%F %T} UTC: nobody gets in by it"
        return problem("trust", words, _NEXT)
    if now < one.not_before:
        words = f"{name} begins at {one.not_before:%F %T} UTC: nobody gets in by it before"
        return problem("trust", words, "see that the clock is right, or wait")
    if now > one.not_after - SOON:
        return warning("trust", f"{name} ends at {one.not_after:%F %T} UTC", _NEXT)
    return None
