"""What somebody in a case has accepted, been granted and used.

accepted = ["smart-working", "privacy 2026-1"]       # as it is, or one version
approved = [2026-11-24, "2026-12-01/2026-12-03"]
days_used = [2026-11-24]
"""

from datetime import date, timedelta
from typing import Final

from gateway.core.spans import DaySpan, parse_spans
from policies.model import AppPolicy
from policies.papers import Agreement, Approval, Papers
from policies.reading import Section
from policies.values import suggest

_LONGEST: Final = timedelta(days=366)


def read_papers(section: Section, policy: AppPolicy | None) -> Papers:
    """Take the papers of a case about *policy*, of whose rules some must ask for them."""
    used, approved = _spans(section, "days_used"), _spans(section, "approved")
    accepted = section.texts("accepted", default=())
    if policy is None:
        return Papers()
    counts = {rule.days.count for rule in policy.rules if rule.days is not None}
    if used and not counts:
        section.report("days_used", f"no rule of {policy.app!r} counts days")
    if approved and not any(rule.approval for rule in policy.rules):
        section.report("approved", f"no rule of {policy.app!r} requires an approval")
    days = frozenset(
        date.fromordinal(number)
        for span in used
        for number in range(span.first.toordinal(), span.last.toordinal() + 1)
    )
    return Papers(
        accepted=_accepted(section, accepted, policy),
        approvals=tuple(Approval(policy.app, span.first, span.last) for span in approved),
        days=dict.fromkeys(counts, days),
    )


def _accepted(section: Section, texts: tuple[str, ...], policy: AppPolicy) -> frozenset[str]:
    known: dict[str, Agreement] = {
        agreement.name: agreement for rule in policy.rules for agreement in rule.agreements or ()
    }
    found: set[str] = set()
    for text in texts:
        name, _, version = text.partition(" ")
        if name not in known:
            section.report(
                "accepted",
                f"no rule of {policy.app!r} requires an agreement {name!r}{suggest(name, known)}",
            )
            continue
        versions = {one.version: one.digests for one in known[name].versions}
        if version and version not in versions:
            section.report(
                "accepted",
                f"there is no version {version!r} of {name!r}{suggest(version, versions)}",
            )
            continue
        chosen = [versions[version]] if version else versions.values()
        found = found.union(*chosen)
    return frozenset(found)


def _spans(section: Section, key: str) -> tuple[DaySpan, ...]:
    """Take a list of days and spans of days, as texts or as TOML's own dates."""
    values = section.raw(key)
    if values is None:
        return ()
    if not isinstance(values, list):
        section.report(key, "expected a list of days, as [2026-11-24]")
        return ()
    found: list[DaySpan] = []
    for value in values:
        try:
            # A moment has an hour too, and what is no date at all no form that can be read.
            spans = parse_spans(str(value))
        except ValueError:
            section.report(key, f"{value} is no day such as 2026-11-24 or 2026-12-01/2026-12-03")
            continue
        if any(span.last - span.first > _LONGEST for span in spans):
            section.report(key, f"{value} is longer than a year")
            continue
        found += spans
    return tuple(found)
