"""Why somebody is let in or not, as a table or JSON: from the certificate, rule by rule."""

from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from gateway.cli.matrix import shown_moment
from gateway.cli.output import say, say_facts, table, utc
from policies.cases import SIGN_IN, STEP_UP
from policies.decide import Explanation, Finding, RuleFinding
from policies.durations import show_duration
from policies.match import Verdict
from policies.model import Allow, Decision, Deny, RequestFacts, StepUp

if TYPE_CHECKING:
    from gateway.bootstrap.access import Judgement


def say_judgement(
    judgement: "Judgement",
    facts: RequestFacts,
    now: datetime,
    zone: tzinfo,
    code_age: timedelta = timedelta(),
) -> None:
    """Print *judgement*, from the certificate to the answer, of a sign-in *code_age* ago."""
    explanation, holder = judgement.explanation, judgement.holder
    local = now.astimezone(zone)
    place = f" from {facts.address}" if facts.address else ""
    certificate = "none" if holder is None else f"{holder.device} {holder.serial}"
    if holder is not None and holder.trust:
        certificate += f", of the trust {holder.trust}"
    say_facts(
        [
            ("application", explanation.app),
            ("request", f"{facts.method} {facts.path}{place}"),
            ("when", f"{shown_moment(now, zone)} {local.tzname()}"),
            ("certificate", f"{certificate}: {judgement.refusal or 'good'}"),
            ("it opens", _scope(explanation)),
            ("sign-in", _sign_in(code_age)),
            *((one.criterion, f"{one.wanted}: {one.found}") for one in explanation.session),
        ]
    )
    say()
    if explanation.rules:
        say(table([("RULE", "EFFECT", "MATCHES", "WHY"), *map(rule_line, explanation.rules)]))
    else:
        say("there are no rules: nobody gets in")
    say()
    say(_verdict(judgement, zone))


def _sign_in(code_age: timedelta) -> str:
    when = f"{show_duration(code_age)} ago, with password and code" if code_age else "done just now"
    return f"as if it were {when}"


def _scope(explanation: Explanation) -> str:
    scope = explanation.scope
    if scope.verdict is Verdict.NOT_ASKED:
        return "every application, as far as rules allow"
    missed = " and not this application" if scope.verdict is Verdict.MISS else ""
    return f"{scope.found}{missed}"


def rule_line(found: RuleFinding) -> tuple[str, ...]:
    """Return a rule as a line of a table: name, effect, whether it matches, and why."""
    asked = [one for one in found.findings if one.verdict is not Verdict.NOT_ASKED]
    missed = [one for one in asked if one.verdict is Verdict.MISS]
    why = "; ".join(f"{one.criterion}: {one.wanted}, found {one.found}" for one in missed or asked)
    answer = "yes" if found.matches else "no"
    return (found.rule.name, found.rule.effect, answer, why or "it is for everybody, always")


def decision_in_words(decision: Decision) -> str:
    """Write a decision of the rules, for people."""
    match decision:
        case Allow(rule, _, observed, spends=spends):
            trial = f", against {', '.join(map(repr, observed))} on trial" if observed else ""
            day = f", which uses up {spends.day} ({spends.quota.count})" if spends else ""
            return f"let in by {rule!r}{day}{trial}"
        case StepUp(_, _, timedelta() as within, rule):
            by = f"the last one is older than {show_duration(within)} ({rule!r})"
            unused = f"nobody has used it for {show_duration(within)}"
            return f"let in after a code: {by if rule else unused}"
        case StepUp():
            return "let in after a sign-in"
        case Deny(reason, rule):
            return f"refused: {reason}" + (f" ({rule!r})" if rule else "")


def _verdict(judgement: "Judgement", zone: tzinfo) -> str:
    decision = judgement.explanation.decision
    words = decision_in_words(decision)
    if isinstance(decision, Allow) and decision.until is not None:
        words += f"; until {shown_moment(decision.until, zone)} at least"
    if isinstance(decision, Allow) and decision.fresh_until is not None:
        words += f"; from {shown_moment(decision.fresh_until, zone)} on after a code"
    if judgement.opens is not None:
        words += f"; opens {shown_moment(judgement.opens, zone)}"
    if judgement.refusal is None:
        return words
    return f"refused: {judgement.refusal}, whatever the rules say; by them they would be {words}"


def facts_of_judgement(judgement: "Judgement", now: datetime) -> dict[str, Any]:
    """Return *judgement* as programs read it."""
    explanation, holder = judgement.explanation, judgement.holder
    return {
        "at": utc(now),
        "app": explanation.app,
        "certificate": None
        if holder is None
        else {"serial": holder.serial, "device": holder.device, "trust": holder.trust},
        "certificate_refusal": None if judgement.refusal is None else judgement.refusal.value,
        **facts_of_explanation(explanation),
        "opens": utc(judgement.opens),
        "allowed": judgement.refusal is None and isinstance(explanation.decision, Allow),
    }


def facts_of_explanation(explanation: Explanation) -> dict[str, Any]:
    """Return as programs read it what the rules decide, and why."""
    return {
        **_decision_facts(explanation.decision),
        "scope": _finding(explanation.scope),
        "level": _finding(explanation.level),
        "session": list(map(_finding, explanation.session)),
        "rules": [
            {
                "name": each.rule.name,
                "effect": each.rule.effect.value,
                "matches": each.matches,
                "criteria": list(map(_finding, each.findings)),
            }
            for each in explanation.rules
        ],
    }


def _finding(finding: Finding) -> dict[str, str]:
    return {
        "criterion": finding.criterion,
        "verdict": finding.verdict.value,
        "wanted": finding.wanted,
        "found": finding.found,
    }


def _decision_facts(decision: Decision) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "reason": None,
        "rule": None,
        "observed": [],
        "until": utc(decision.until),
        "fresh_until": utc(decision.fresh_until) if isinstance(decision, Allow) else None,
        "in_words": decision_in_words(decision),
    }
    match decision:
        case Allow(rule, _, observed, spends=spends):
            allowed = {"decision": "allow", **facts, "rule": rule, "observed": list(observed)}
            if spends is None:
                return allowed
            day = {"day": spends.day.isoformat(), "count": spends.quota.count}
            return allowed | {"spends": day}
        case StepUp(within=None):
            return {"decision": SIGN_IN, **facts}
        case StepUp(rule=rule):
            return {"decision": STEP_UP, **facts, "rule": rule}
        case Deny(reason, rule):
            return {"decision": "deny", **facts, "reason": reason.value, "rule": rule}
