"""Rules back to TOML, so that `parse` reads the same from it."""

import json
from collections.abc import Iterable

from policies.calendar import Timetable, show_weekdays
from policies.durations import show_duration
from policies.model import AppPolicy, Rule
from policies.requirements import AGREEMENT, APPROVAL


def rules_text(policy: AppPolicy) -> str:
    """Write all rules of *policy* as apps/NAME.toml has them; "" where there are none."""
    return "\n".join(map(rule_text, policy.rules))


def rule_text(rule: Rule) -> str:
    """Write one rule as a `[[rules]]` table."""
    lines = ["[[rules]]", f"name = {_text(rule.name)}", f"effect = {_text(rule.effect)}"]
    for key in ("users", "groups", "devices", "issuers", "methods"):
        names: frozenset[str] | None = getattr(rule, key)
        if names is not None:
            lines.append(f"{key} = {_list(sorted(names))}")
    if rule.users is None and rule.groups is None:
        lines.append("everybody = true")
    if rule.certificate is not None:
        lines.append(f"certificate = {_text(rule.certificate)}")
    if rule.paths is not None:
        lines.append(f"paths = {_list(map(str, rule.paths))}")
    if rule.networks is not None:
        lines.append(f"networks = {_list(map(str, rule.networks))}")
    if rule.when is not None:
        lines += _when_lines(rule.when)
    lines += _paper_lines(rule)
    return "\n".join(lines) + "\n"


def narrowing_in_words(rule: Rule) -> str:
    """Say in a line what *rule* asks beside who somebody is; "" where that is nothing."""
    parts = []
    for key in ("devices", "issuers", "methods"):
        names: frozenset[str] | None = getattr(rule, key)
        if names is not None:
            parts.append(f"{key} {', '.join(sorted(names))}")
    if rule.certificate is not None:
        parts.append(f"{rule.certificate} certificates")
    if rule.paths is not None:
        parts.append(f"paths {', '.join(map(str, rule.paths))}")
    if rule.networks is not None:
        parts.append(f"from {', '.join(map(str, rule.networks))}")
    if rule.when is not None:
        parts.append(str(rule.when))
    if required := _required(rule):
        parts.append(f"requires {', '.join(required)}")
    if rule.days is not None:
        parts.append(f"{rule.days} ({rule.days.count})")
    if rule.totp_within is not None:
        parts.append(f"a code within {show_duration(rule.totp_within)}")
    return "; ".join(parts)


def session_in_words(policy: AppPolicy) -> str:
    """Say what *policy* asks of a session besides its level; "" where that is nothing."""
    parts = []
    if policy.lifetime is not None:
        parts.append(f"password and code every {show_duration(policy.lifetime)}")
    if policy.idle is not None:
        parts.append(f"a code after {show_duration(policy.idle)} without use")
    return "; ".join(parts)


def _when_lines(when: Timetable) -> Iterable[str]:
    if when.hours:
        yield f"hours = {_list(map(str, when.hours))}"
    if when.weekdays is not None:
        yield f"weekdays = {_text(show_weekdays(when.weekdays))}"
    if when.first is not None:
        yield f"valid_from = {when.first}"
    if when.last is not None:
        yield f"valid_until = {when.last}"
    if when.off:
        yield f"except_holidays = {_list(each.name for each in when.off)}"
    if when.only:
        yield f"only_holidays = {_list(each.name for each in when.only)}"


def _paper_lines(rule: Rule) -> Iterable[str]:
    if required := _required(rule):
        yield f"requires = {_list(required)}"
    if rule.days is not None:
        row = "true" if rule.days.consecutive else "false"
        yield (
            f"days = {{ per_month = {rule.days.per_month}, consecutive = {row}, "
            f"count = {_text(rule.days.count)} }}"
        )
    if rule.totp_within is not None:
        yield f"totp_within = {_text(show_duration(rule.totp_within))}"


def _required(rule: Rule) -> list[str]:
    approval = [] if rule.approval is None else [APPROVAL]
    return approval + [AGREEMENT + one.name for one in rule.agreements or ()]


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_text, texts))}]"


def _text(text: str) -> str:
    # JSON's escapes are TOML's; names of rules are printable, so DEL is not in them.
    return json.dumps(text, ensure_ascii=False)
