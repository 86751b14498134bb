"""What a rule asks of papers and codes, as TOML says it.

requires = ["approval", "agreement:smart-working-2026"]
days = { per_month = 3, consecutive = false, count = "remote-days" }
totp_within = "10m"               # of a rule with effect = "step-up"
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from policies.model import check_name
from policies.papers import DEFAULT_COUNT, Agreement, DayQuota
from policies.reading import Section
from policies.values import suggest

APPROVAL: Final = "approval"
AGREEMENT: Final = "agreement:"

_DAYS_OF_A_MONTH: Final = 31
_EVERY_SECOND: Final = 16
_SHORTEST_TOTP: Final = timedelta(seconds=30)
_LONGEST_TOTP: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a rule asks, each part as `Rule` has it."""

    approval: bool | None
    agreements: tuple[Agreement, ...] | None
    days: DayQuota | None
    totp_within: timedelta | None

    @property
    def asks_papers(self) -> bool:
        """Whether any of it is only for rules that allow."""
        return not (self.approval is None and self.agreements is None and self.days is None)


def read_requirements(section: Section, agreements: Mapping[str, Agreement]) -> Requirements:
    """Take the keys of papers and codes from *section*; *agreements* are those there are."""

    def check(text: str) -> None:
        _parse_requirement(text, agreements)

    nothing: tuple[str, ...] = ()
    required = section.texts("requires", default=nothing, check=check)
    names = sorted(text.removeprefix(AGREEMENT) for text in required if text != APPROVAL)
    found = tuple(agreements[name] for name in names if name in agreements)
    return Requirements(
        approval=True if APPROVAL in required else None,
        agreements=found or None,
        days=_read_days(section),
        totp_within=section.duration(
            "totp_within", default=None, minimum=_SHORTEST_TOTP, maximum=_LONGEST_TOTP
        ),
    )


def _parse_requirement(text: str, agreements: Mapping[str, Agreement]) -> None:
    if text == APPROVAL:
        return
    if not text.startswith(AGREEMENT):
        known = (APPROVAL, *(AGREEMENT + name for name in agreements))
        hint = suggest(text, known) or f'; write "{APPROVAL}" or "{AGREEMENT}NAME"'
        raise ValueError(f"{text!r} cannot be required{hint}")
    name = text.removeprefix(AGREEMENT)
    if name not in agreements:
        known = tuple(sorted(agreements))
        hint = suggest(name, known) or f"; the agreements are: {', '.join(known) or 'none'}"
        raise ValueError(f"there is no agreement {name!r} (agreements/{name}.toml){hint}")


def _read_days(section: Section) -> DayQuota | None:
    if "days" not in section:
        section.raw("days")
        return None
    days = section.section("days")
    per_month = days.integer("per_month", minimum=1, maximum=_DAYS_OF_A_MONTH)
    consecutive = days.boolean("consecutive", default=True)
    count = days.text("count", default=DEFAULT_COUNT, check=check_name)
    days.finish()
    if per_month is None:
        return None
    if not consecutive and per_month > _EVERY_SECOND:
        days.report(
            "per_month",
            f"no month has {per_month} days of which no two are in a row: "
            f"at most {_EVERY_SECOND}, or consecutive = true",
        )
    return DayQuota(per_month, consecutive, count)
