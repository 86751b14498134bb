"""Why somebody is let in or not, as a table or JSON: from the certificate, rule by rule."""

from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any

from gateway.cli.matrix import shown_moment
from gateway.cli.output import say, say_facts, table, utc
from policies.decide import Explanation, RuleFinding
from policies.match import Verdict
from policies.model import Allow, Deny, RequestFacts, StepUp

if TYPE_CHECKING:
    from gateway.bootstrap.access import Story


def say_story(story: "Story", facts: RequestFacts, now: datetime, zone: tzinfo) -> None:
    """Print *story*, from the certificate to the answer."""
    explanation, holder = story.explanation, story.holder
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
            ("certificate", f"{certificate}: {story.refusal or 'good'}"),
            ("it opens", _scope(explanation)),
            ("sign-in", "as if it were done"),
        ]
    )
    say()
    if explanation.rules:
        say(table([("RULE", "EFFECT", "MATCHES", "WHY"), *map(rule_line, explanation.rules)]))
    else:
        say("there are no rules: nobody gets in")
    say()
    say(_verdict(story, zone))


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


def _verdict(story: "Story", zone: tzinfo) -> str:
    decision = story.explanation.decision
    match decision:
        case Allow(rule, until, observed):
            words = f"let in by {rule!r}"
            if until is not None:
                words += f" until {shown_moment(until, zone)} at least"
            if observed:
                words += f", against {', '.join(map(repr, observed))} on trial"
        case StepUp():
            words = "sent to sign in"
        case Deny(reason, rule):
            by = f" ({rule!r})" if rule else ""
            words = f"refused: {reason}{by}"
            if story.opens is not None:
                words += f"; opens {shown_moment(story.opens, zone)}"
    if story.refusal is None:
        return words
    return f"refused: {story.refusal}, whatever the rules say; by them they would be {words}"


def story_facts(story: "Story", now: datetime) -> dict[str, Any]:
    """Return *story* as programs read it."""
    explanation, holder = story.explanation, story.holder
    return {
        "at": utc(now),
        "app": explanation.app,
        "certificate": None
        if holder is None
        else {"serial": holder.serial, "device": holder.device, "trust": holder.trust},
        "certificate_refusal": None if story.refusal is None else story.refusal.value,
        "scope": explanation.scope.verdict.value,
        "rules": [
            {
                "name": each.rule.name,
                "effect": each.rule.effect.value,
                "matches": each.matches,
                "findings": [
                    {
                        "criterion": one.criterion,
                        "verdict": one.verdict.value,
                        "wanted": one.wanted,
                        "found": one.found,
                    }
                    for one in each.findings
                ],
            }
            for each in explanation.rules
        ],
        **_decision_facts(explanation),
        "opens": utc(story.opens),
        "allowed": story.refusal is None and isinstance(explanation.decision, Allow),
    }


def _decision_facts(explanation: Explanation) -> dict[str, Any]:
    decision = explanation.decision
    facts: dict[str, Any] = {"until": utc(decision.until), "rule": None, "observed": []}
    match decision:
        case Allow(rule, _, observed):
            facts |= {"decision": "allow", "rule": rule, "observed": list(observed)}
        case StepUp():
            facts |= {"decision": "sign-in"}
        case Deny(reason, rule):
            facts |= {"decision": "deny", "reason": reason.value, "rule": rule}
    return facts
