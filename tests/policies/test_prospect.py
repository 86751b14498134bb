"""What somebody has of an application, told beforehand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.calendar import Span, Timetable
from policies.decide import FRONT_PAGE, decide
from policies.model import (
    Allow,
    AppPolicy,
    CertificateKind,
    Effect,
    Level,
    Reason,
    RequestFacts,
    Rule,
    StepUp,
    Subject,
)
from policies.paths import parse_path_pattern
from policies.prospect import Closed, Hidden, Opens, Prospect, prospect

NOW = datetime(2026, 11, 24, 19, 40, tzinfo=UTC)
ANNA = Subject("anna", frozenset({"technicians"}), None, Level.PASSWORD_TOTP, device="stick-1")
TECHNICIANS = Rule("technicians", Effect.ALLOW, users=None, groups=frozenset({"technicians"}))
OFFICE = Rule("office", Effect.ALLOW, users=None, groups=frozenset({"office"}))
EVERYBODY = Rule("everybody", Effect.ALLOW, users=None, groups=None)
NOT_ANNA = Rule("not anna", Effect.DENY, users=frozenset({"anna"}), groups=None)
TRIAL = replace(NOT_ANNA, effect=Effect.OBSERVE)
MANUAL = parse_path_pattern("/manual/**")
YESTERDAY = NOW.date() - timedelta(days=1)
BY_DAY = Timetable(UTC, hours=(Span(8 * 3600, 19 * 3600),))
IN_THE_MORNING = datetime(2026, 11, 25, 8, tzinfo=UTC)


def look(*rules: Rule, subject: Subject = ANNA, address: str = "192.0.2.7") -> Prospect:
    """Look at the wiki under *rules*."""
    request = replace(FRONT_PAGE, address=address)
    return prospect(AppPolicy("wiki", rules), subject, NOW, request)


@pytest.mark.parametrize(
    "rules,found",
    [
        ((TECHNICIANS,), Opens()),
        ((EVERYBODY,), Opens()),
        ((TECHNICIANS, TRIAL), Opens()),
        ((), Hidden()),
        ((OFFICE,), Hidden()),
        ((OFFICE, NOT_ANNA), Hidden()),
        ((NOT_ANNA,), Hidden()),
        ((TRIAL,), Hidden()),
        ((TECHNICIANS, NOT_ANNA), Closed(Reason.RULE_DENIES)),
        ((EVERYBODY, NOT_ANNA), Closed(Reason.RULE_DENIES)),
        (
            (replace(TECHNICIANS, when=BY_DAY),),
            Closed(Reason.OUTSIDE_HOURS, IN_THE_MORNING),
        ),
        (
            (
                TECHNICIANS,
                replace(NOT_ANNA, when=Timetable(UTC, hours=(Span(19 * 3600, 20 * 3600),))),
            ),
            Closed(Reason.RULE_DENIES, NOW.replace(hour=20, minute=0)),
        ),
        ((replace(OFFICE, when=BY_DAY),), Hidden()),
        (
            (replace(TECHNICIANS, networks=(ip_network("10.0.0.0/8"),)),),
            Closed(Reason.OUTSIDE_NETWORK),
        ),
        (
            (replace(TECHNICIANS, devices=frozenset({"stick-2"})),),
            Closed(Reason.OTHER_CERTIFICATE),
        ),
        (
            (replace(TECHNICIANS, certificate=CertificateKind.LIMITED),),
            Closed(Reason.OTHER_CERTIFICATE),
        ),
        (
            (replace(TECHNICIANS, paths=(parse_path_pattern("/manual/**"),)),),
            Opens("/manual", ("/manual/**",)),
        ),
        (
            (replace(TECHNICIANS, paths=tuple(map(parse_path_pattern, ("/x/*/y", "/a", "/b")))),),
            Opens("/a", ("/x/*/y", "/a", "/b")),
        ),
        (
            (replace(TECHNICIANS, paths=(parse_path_pattern("/x/*/y"),)),),
            Closed(Reason.OTHER_PATH, None, ("/x/*/y",)),
        ),
        (
            (replace(TECHNICIANS, paths=(parse_path_pattern("/a"),), when=BY_DAY),),
            Closed(Reason.OUTSIDE_HOURS, IN_THE_MORNING, ("/a",)),
        ),
        (
            (
                replace(TECHNICIANS, when=BY_DAY),
                replace(EVERYBODY, paths=(parse_path_pattern("/a"),)),
            ),
            Opens("/a", ("/a",)),
        ),
        (
            (replace(TECHNICIANS, paths=(MANUAL,), networks=(ip_network("10.0.0.0/8"),)),),
            Closed(Reason.NO_RULE_MATCHES, None, ("/manual/**",)),
        ),
        (
            (
                replace(TECHNICIANS, networks=(ip_network("10.0.0.0/8"),)),
                replace(OFFICE, groups=None, paths=(MANUAL,), devices=frozenset({"x"})),
            ),
            Closed(Reason.OUTSIDE_NETWORK),
        ),
        ((replace(TECHNICIANS, when=Timetable(UTC, last=NOW.date())),), Opens()),
        ((replace(TECHNICIANS, when=Timetable(UTC, last=YESTERDAY)),), Hidden()),
        ((replace(TECHNICIANS, when=Timetable(UTC, last=YESTERDAY)), NOT_ANNA), Hidden()),
        (
            (replace(TECHNICIANS, when=Timetable(UTC, first=NOW.date() + timedelta(days=90))),),
            Closed(Reason.OUTSIDE_PERIOD),
        ),
        ((replace(TECHNICIANS, methods=frozenset({"POST"})),), Closed(Reason.OTHER_METHOD)),
        (
            (replace(TECHNICIANS, methods=frozenset({"POST"}), devices=frozenset({"x"})),),
            Closed(Reason.NO_RULE_MATCHES),
        ),
    ],
)
def test_what_is_not_for_somebody_is_not_told_of(rules: tuple[Rule, ...], found: Prospect) -> None:
    """And what is for them is, with the reason why it does not open, and when it will."""
    assert look(*rules) == found


def test_what_the_certificate_does_not_open_is_told_of_only_to_whom_it_is_for() -> None:
    """With another of their devices they may open it; others learn nothing of it."""
    narrow = replace(ANNA, scope=frozenset({"crm"}))
    assert look(TECHNICIANS, subject=narrow) == Closed(Reason.OUTSIDE_CERTIFICATE_SCOPE)
    assert look(OFFICE, subject=narrow) == Hidden()


def test_whoever_must_prove_more_is_told_so() -> None:
    """It is theirs, and not open yet."""
    low = replace(ANNA, level=Level.CERTIFICATE)
    assert look(TECHNICIANS, subject=low) == Closed(None)
    assert look(OFFICE, subject=low) == Hidden()


def test_what_wants_a_code_again_opens_and_says_so() -> None:
    """The click asks for it; also where a part alone opens, and where the sign-in is too old."""
    code = Rule("code", Effect.STEP_UP, None, None, totp_within=timedelta(minutes=10))
    then, now = replace(ANNA, proved_at=NOW - timedelta(minutes=11)), replace(ANNA, proved_at=NOW)
    assert look(TECHNICIANS, code, subject=then) == Opens(confirming=True)
    assert look(TECHNICIANS, code, subject=now) == Opens()
    assert look(OFFICE, code, subject=then) == Hidden()
    part = replace(TECHNICIANS, paths=(MANUAL,))
    assert look(part, code, subject=then) == Opens("/manual", ("/manual/**",), confirming=True)
    assert look(part, code, subject=now) == Opens("/manual", ("/manual/**",))
    policy = AppPolicy("wiki", (TECHNICIANS,), lifetime=timedelta(hours=1))
    assert prospect(policy, ANNA, NOW) == Opens(confirming=True)
    assert prospect(policy, replace(ANNA, signed_in_at=NOW), NOW) == Opens()


_HOUR = timedelta(hours=1)
_RULES = st.builds(
    lambda effect, **asked: Rule(
        "rule", effect, **asked, totp_within=_HOUR if effect is Effect.STEP_UP else None
    ),
    st.sampled_from(Effect),
    users=st.sampled_from([None, frozenset({"anna"}), frozenset({"bruno"})]),
    groups=st.sampled_from([None, frozenset({"technicians"}), frozenset({"office"})]),
    devices=st.sampled_from([None, frozenset({"stick-1"}), frozenset({"stick-2"})]),
    methods=st.sampled_from([None, frozenset({"GET"}), frozenset({"POST"})]),
    paths=st.sampled_from([None, None, (MANUAL,), (parse_path_pattern("/*/x"),)]),
    when=st.sampled_from(
        [None, BY_DAY, Timetable(UTC, last=NOW.date()), Timetable(UTC, weekdays=frozenset({0, 5}))]
    ),
)
_SUBJECTS = st.builds(
    Subject,
    st.just("anna"),
    st.sampled_from([frozenset[str](), frozenset({"technicians"})]),
    st.sampled_from([None, frozenset({"wiki"}), frozenset({"crm"})]),
    st.sampled_from(Level),
    device=st.sampled_from(["stick-1", "stick-2"]),
)


@given(st.lists(_RULES, max_size=4), _SUBJECTS, st.integers(0, 7 * 24 * 60))
def test_it_agrees_with_the_decision(rules: list[Rule], subject: Subject, minutes: int) -> None:
    """It opens where the edge lets through, and at the moment that it tells the edge will not refuse."""
    policy, now = AppPolicy("wiki", tuple(rules)), NOW + timedelta(minutes=minutes)
    found = prospect(policy, subject, now)
    allowed = isinstance(decide(policy, subject, FRONT_PAGE, now), Allow)
    assert (found == Opens()) == allowed
    if isinstance(found, Opens):
        answer = decide(policy, subject, RequestFacts("GET", found.path), now)
        assert isinstance(answer, StepUp if found.confirming else Allow)
        fresh = replace(subject, proved_at=now)
        assert isinstance(decide(policy, fresh, RequestFacts("GET", found.path), now), Allow)
    if isinstance(found, Closed) and found.opens_at is not None:
        assert found.opens_at > now
        then = prospect(policy, subject, found.opens_at)
        assert isinstance(then, Opens) or then == Closed(None) or found.parts
    if subject.level < policy.required:
        assert not isinstance(found, Opens)
    if isinstance(found, Hidden):
        for later in (1, 60, 24 * 60):
            moment = now + timedelta(minutes=later)
            for path in ("/x", "/manual", "/a/x"):
                request = RequestFacts("POST", path)
                assert not isinstance(decide(policy, subject, request, moment), Allow)
