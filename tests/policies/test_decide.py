"""The decision: each answer, each reason, and what holds of all of them."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_network
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.calendar import Span, Timetable
from policies.decide import Finding, decide, explain
from policies.match import Verdict
from policies.model import (
    Allow,
    AppPolicy,
    CertificateKind,
    Decision,
    Deny,
    Effect,
    Level,
    Reason,
    RequestFacts,
    Rule,
    Spend,
    StepUp,
    Subject,
)
from policies.papers import (
    Agreement,
    AgreementVersion,
    Approval,
    DayQuota,
    LocalDays,
    Papers,
)
from policies.paths import parse_path_pattern

NOW = datetime(2026, 11, 24, 19, 40, tzinfo=UTC)
PAGE = RequestFacts("GET", "/")

ANNA = Subject("anna", frozenset({"technicians"}), scope=None, level=Level.PASSWORD_TOTP)
TECHNICIANS = Rule("technicians", Effect.ALLOW, users=None, groups=frozenset({"technicians"}))
NOT_ANNA = Rule("not anna", Effect.DENY, users=frozenset({"anna"}), groups=None)


def answer(
    *rules: Rule, subject: Subject = ANNA, required: Level = Level.PASSWORD_TOTP
) -> Decision:
    """Decide on a page of the wiki under *rules*."""
    return decide(AppPolicy("wiki", rules, required), subject, PAGE, NOW)


def test_a_matching_allow_rule_allows() -> None:
    """The answer names the rule."""
    assert answer(TECHNICIANS) == Allow("technicians")


def test_the_first_of_several_allow_rules_is_named() -> None:
    """The order of rules chooses the name in the audit log, and nothing else."""
    assert answer(replace(TECHNICIANS, name="first"), TECHNICIANS) == Allow("first")


def test_no_rules_refuse_everybody() -> None:
    """An application without rules is closed."""
    assert answer() == Deny(Reason.NO_RULE_MATCHES)


def test_nothing_matching_is_refused() -> None:
    """Rules for others do not help."""
    bruno = replace(ANNA, user="bruno", groups=frozenset({"sales"}))
    assert answer(TECHNICIANS, NOT_ANNA, subject=bruno) == Deny(Reason.NO_RULE_MATCHES)


@pytest.mark.parametrize("rules", [(TECHNICIANS, NOT_ANNA), (NOT_ANNA, TECHNICIANS)])
def test_deny_beats_allow(rules: tuple[Rule, ...]) -> None:
    """In either order, and the answer names the rule that denies."""
    assert answer(*rules) == Deny(Reason.RULE_DENIES, "not anna")


def test_a_certificate_for_other_applications_is_refused_first() -> None:
    """Its reason is the certificate, even where a rule denies too."""
    scoped = replace(ANNA, scope=frozenset({"crm"}))
    assert answer(TECHNICIANS, NOT_ANNA, subject=scoped) == Deny(Reason.OUTSIDE_CERTIFICATE_SCOPE)


def test_a_certificate_for_this_application_is_judged_by_the_rules() -> None:
    """Scope opens nothing by itself."""
    scoped = replace(ANNA, scope=frozenset({"wiki"}))
    assert answer(TECHNICIANS, subject=scoped) == Allow("technicians")
    assert answer(subject=scoped) == Deny(Reason.NO_RULE_MATCHES)


def test_too_low_a_level_asks_for_the_required_one() -> None:
    """Whoever would be allowed is sent to sign in."""
    unproved = replace(ANNA, level=Level.CERTIFICATE)
    assert answer(TECHNICIANS, subject=unproved) == StepUp(Level.PASSWORD_TOTP)


def test_nobody_is_sent_to_sign_in_for_a_no() -> None:
    """A refusal is said at once."""
    unproved = replace(ANNA, level=Level.CERTIFICATE)
    assert answer(subject=unproved) == Deny(Reason.NO_RULE_MATCHES)
    assert answer(TECHNICIANS, NOT_ANNA, subject=unproved) == Deny(Reason.RULE_DENIES, "not anna")


def test_an_application_can_require_the_certificate_alone() -> None:
    """So the portal's own sign-in page can stand behind the same decision."""
    unproved = replace(ANNA, level=Level.CERTIFICATE)
    assert answer(TECHNICIANS, subject=unproved, required=Level.CERTIFICATE) == Allow("technicians")


def test_an_explanation_shows_every_rule_and_criterion() -> None:
    """Also the rules that come after the one that decides."""
    scoped = replace(ANNA, scope=frozenset({"wiki", "crm"}), level=Level.CERTIFICATE)
    explanation = explain(AppPolicy("wiki", (NOT_ANNA, TECHNICIANS)), scoped, PAGE, NOW)
    assert explanation.app == "wiki"
    assert explanation.scope == Finding("certificate scope", Verdict.HIT, "wiki", "crm, wiki")
    assert [(each.rule.name, each.matches) for each in explanation.rules] == [
        ("not anna", True),
        ("technicians", True),
    ]
    assert explanation.rules[1].findings[:2] == (
        Finding("users", Verdict.NOT_ASKED, "any", "anna"),
        Finding("groups", Verdict.HIT, "technicians", "technicians"),
    )
    criteria = [finding.criterion for finding in explanation.rules[0].findings]
    assert criteria == [finding.criterion for finding in explanation.rules[1].findings]
    (when,) = [each for each in explanation.rules[1].findings if each.criterion == "when"]
    assert when == Finding("when", Verdict.NOT_ASKED, "any", "tue 2026-11-24 19:40")
    assert explanation.level == Finding("level", Verdict.MISS, "password + totp", "certificate")
    assert explanation.decision == Deny(Reason.RULE_DENIES, "not anna")


ROME = ZoneInfo("Europe/Rome")
OFFICE = Timetable(ROME, (Span(8 * 3600, 19 * 3600),), frozenset(range(5)))
HOUR = timedelta(hours=1)
AT_NINE = datetime(2026, 11, 24, 9, tzinfo=ROME)
AT_NIGHT = datetime(2026, 11, 24, 23, tzinfo=ROME)


def at(moment: datetime, *rules: Rule, **request: str) -> Decision:
    """Decide for Anna on a page of the wiki at *moment*."""
    facts = RequestFacts(**({"method": "GET", "path": "/"} | request))
    return decide(AppPolicy("wiki", rules), ANNA, facts, moment)


def test_a_rule_with_hours_allows_until_they_end() -> None:
    """And says when that is."""
    rule = replace(TECHNICIANS, when=OFFICE)
    assert at(AT_NINE, rule) == Allow("technicians", AT_NINE.replace(hour=19))
    morning = datetime(2026, 11, 25, 8, tzinfo=ROME)
    assert at(AT_NIGHT, rule) == Deny(Reason.OUTSIDE_HOURS, "technicians", morning)


def test_a_deny_rule_with_hours_ends_what_is_allowed() -> None:
    """What is allowed now is known to end when the deny rule begins."""
    night = replace(NOT_ANNA, when=Timetable(ROME, (Span(22 * 3600, 6 * 3600),)))
    assert at(AT_NINE, TECHNICIANS, night) == Allow("technicians", AT_NINE.replace(hour=22))
    assert at(AT_NIGHT, TECHNICIANS, night) == Deny(
        Reason.RULE_DENIES, "not anna", datetime(2026, 11, 25, 6, tzinfo=ROME)
    )


def test_rules_for_others_do_not_shorten_a_decision() -> None:
    """Only what may be for this person and this request counts."""
    bruno = replace(NOT_ANNA, users=frozenset({"bruno"}), when=OFFICE)
    admin = replace(NOT_ANNA, paths=(parse_path_pattern("/admin/**"),), when=OFFICE)
    assert at(AT_NINE, TECHNICIANS, bruno, admin) == Allow("technicians")


def test_a_rule_that_has_ended_is_another_reason_than_an_hour() -> None:
    """Waiting does not help there."""
    ended = replace(TECHNICIANS, when=Timetable(ROME, last=date(2026, 11, 23)))
    assert isinstance(found := at(AT_NINE, ended), Deny)
    assert (found.reason, found.rule) == (Reason.OUTSIDE_PERIOD, "technicians")


@pytest.mark.parametrize(
    "narrowed, reason",
    [
        (replace(TECHNICIANS, devices=frozenset({"stick-2"})), Reason.OTHER_CERTIFICATE),
        (replace(TECHNICIANS, issuers=frozenset({"partner"})), Reason.OTHER_CERTIFICATE),
        (replace(TECHNICIANS, certificate=CertificateKind.LIMITED), Reason.OTHER_CERTIFICATE),
        (replace(TECHNICIANS, methods=frozenset({"POST"})), Reason.OTHER_METHOD),
        (replace(TECHNICIANS, paths=(parse_path_pattern("/wiki/*"),)), Reason.OTHER_PATH),
        (replace(TECHNICIANS, networks=(ip_network("10.0.0.0/8"),)), Reason.OUTSIDE_NETWORK),
    ],
)
def test_the_one_thing_that_is_wrong_is_the_reason(narrowed: Rule, reason: Reason) -> None:
    """With the rule that would allow it otherwise; two wrong things are nobody's rule."""
    assert at(AT_NINE, narrowed, address="192.0.2.1") == Deny(reason, "technicians")
    others = replace(narrowed, groups=frozenset({"sales"}))
    assert at(AT_NINE, others) == Deny(Reason.NO_RULE_MATCHES)
    twice = replace(narrowed, devices=frozenset({"x"}), methods=frozenset({"PUT"}))
    assert at(AT_NINE, twice) == Deny(Reason.NO_RULE_MATCHES)


def test_a_rule_on_trial_refuses_nothing_and_is_named() -> None:
    """Also where somebody is in two of its groups, once."""
    trial = Rule("trial", Effect.OBSERVE, None, frozenset({"technicians", "milano"}))
    twice = replace(ANNA, groups=frozenset({"technicians", "milano"}))
    assert answer(trial, TECHNICIANS, subject=twice) == Allow("technicians", observed=("trial",))
    assert answer(trial) == Deny(Reason.NO_RULE_MATCHES)


QUOTA = DayQuota(2, consecutive=False)
REMOTE = replace(
    TECHNICIANS,
    approval=True,
    agreements=(Agreement("home", (AgreementVersion("1", date(2026, 1, 1), frozenset({"a"})),)),),
    days=QUOTA,
    local=LocalDays(ROME),
)
TODAY = date(2026, 11, 24)
APPROVED = (Approval("wiki", TODAY, date(2026, 12, 31)),)


def with_papers(
    accepted: frozenset[str] = frozenset({"a"}),
    approvals: tuple[Approval, ...] = APPROVED,
    days: frozenset[date] = frozenset(),
) -> Subject:
    """Return Anna with papers, as a person has them who asked in time."""
    return replace(ANNA, papers=Papers(accepted, approvals, {"remote-days": days}))


MIDNIGHT = datetime(2026, 11, 25, tzinfo=ROME)


@pytest.mark.parametrize(
    "subject, decision",
    [
        (with_papers(), Allow("technicians", MIDNIGHT, spends=Spend(QUOTA, TODAY))),
        (with_papers(days=frozenset({TODAY})), Allow("technicians", MIDNIGHT)),
        (ANNA, Deny(Reason.APPROVAL_MISSING, "technicians", MIDNIGHT)),
        (
            with_papers(accepted=frozenset({"b"})),
            Deny(Reason.AGREEMENT_MISSING, "technicians"),
        ),
        (
            with_papers(days=frozenset({date(2026, 11, 23)})),
            Deny(Reason.DAYS_SPENT, "technicians", MIDNIGHT),
        ),
        (
            with_papers(days=frozenset({date(2026, 11, 2), date(2026, 11, 10)})),
            Deny(Reason.DAYS_SPENT, "technicians", MIDNIGHT),
        ),
        (
            with_papers(approvals=(Approval("crm", TODAY, TODAY),)),
            Deny(Reason.APPROVAL_MISSING, "technicians", MIDNIGHT),
        ),
    ],
)
def test_papers_are_asked_for_one_after_the_other(subject: Subject, decision: Decision) -> None:
    """An approval, what is to be accepted, and a day that is left; each holds for the day."""
    assert answer(REMOTE, subject=subject) == decision


def test_papers_are_asked_for_at_any_hour() -> None:
    """So that who lacks them does not wait for hours that bring nothing."""
    assert answer(replace(REMOTE, when=OFFICE)) == Deny(
        Reason.APPROVAL_MISSING, "technicians", MIDNIGHT
    )
    over = replace(REMOTE, when=Timetable(ROME, last=date(2026, 11, 20)))
    assert answer(over) == Deny(Reason.NO_RULE_MATCHES)


def test_what_one_can_do_now_comes_before_hours_of_another_rule() -> None:
    """Who would be let in at night without papers is told of those that let in now."""
    night = replace(TECHNICIANS, name="night", when=Timetable(ROME, (Span(0, 3600),)))
    asking = replace(TECHNICIANS, name="asking", approval=True, local=LocalDays(ROME))
    for rules in ((night, asking), (asking, night)):
        found = answer(*rules)
        assert isinstance(found, Deny)
        assert (found.reason, found.rule) == (Reason.APPROVAL_MISSING, "asking")
    elsewhere = replace(asking, name="elsewhere", devices=frozenset({"stick-9"}))
    found = answer(night, elsewhere)
    assert isinstance(found, Deny)
    assert (found.reason, found.rule) == (Reason.OUTSIDE_HOURS, "night")


def test_a_rule_that_uses_up_no_day_comes_first() -> None:
    """Wherever it stands."""
    office = replace(TECHNICIANS, name="office")
    assert answer(REMOTE, office, subject=with_papers()) == Allow("office")


def test_two_days_in_a_row_are_two_over_the_end_of_a_month_too() -> None:
    """The last of November keeps the first of December closed."""
    policy = AppPolicy("wiki", (replace(REMOTE, approval=None),))
    anna = with_papers(days=frozenset({date(2026, 11, 30)}))
    first = datetime(2026, 12, 1, 9, tzinfo=ROME)
    assert decide(policy, anna, PAGE, first) == Deny(
        Reason.DAYS_SPENT, "technicians", datetime(2026, 12, 2, tzinfo=ROME)
    )


ADMIN = Rule(
    "admin",
    Effect.STEP_UP,
    None,
    None,
    paths=(parse_path_pattern("/admin/**"),),
    totp_within=timedelta(minutes=10),
)


def test_a_step_up_rule_wants_a_code_given_shortly_before() -> None:
    """For what it matches alone, and the shortest time counts."""
    policy = AppPolicy("wiki", (TECHNICIANS, ADMIN, replace(ADMIN, name="b", totp_within=HOUR)))
    page, admin = PAGE, RequestFacts("GET", "/admin/users")
    ago = replace(ANNA, proved_at=NOW - timedelta(minutes=4))
    assert decide(policy, ago, page, NOW) == Allow("technicians")
    assert decide(policy, ago, admin, NOW) == Allow(
        "technicians", fresh_until=NOW + timedelta(minutes=6)
    )
    wanted = StepUp(Level.PASSWORD_TOTP, None, timedelta(minutes=10), "admin")
    for never in (ANNA, replace(ANNA, proved_at=NOW - timedelta(minutes=10))):
        assert decide(policy, never, admin, NOW) == wanted
    unproved = replace(ANNA, level=Level.CERTIFICATE)
    assert decide(policy, unproved, admin, NOW) == StepUp(Level.PASSWORD_TOTP)


@pytest.mark.parametrize(
    "subject, decision",
    [
        (replace(ANNA, signed_in_at=NOW, proved_at=NOW), Allow),
        (replace(ANNA, signed_in_at=NOW - 2 * HOUR, proved_at=NOW), StepUp(Level.PASSWORD_TOTP)),
        (replace(ANNA, proved_at=NOW, used_at=NOW), StepUp(Level.PASSWORD_TOTP)),
        (
            replace(ANNA, signed_in_at=NOW - HOUR, proved_at=NOW - HOUR),
            StepUp(Level.PASSWORD_TOTP, NOW + HOUR, HOUR / 4),
        ),
        (replace(ANNA, signed_in_at=NOW - HOUR, proved_at=NOW - HOUR / 5), Allow),
        (
            replace(ANNA, signed_in_at=NOW - HOUR, proved_at=NOW - HOUR, used_at=NOW - HOUR / 5),
            Allow,
        ),
        (
            replace(ANNA, signed_in_at=NOW - HOUR, proved_at=NOW - HOUR, used_at=NOW - HOUR / 4),
            StepUp(Level.PASSWORD_TOTP, NOW + HOUR, HOUR / 4),
        ),
    ],
)
def test_an_application_may_want_a_younger_session(subject: Subject, decision: object) -> None:
    """A sign-in that is not too old, and somebody who is there: who uses it, or gives a code."""
    policy = AppPolicy("wiki", (TECHNICIANS,), lifetime=2 * HOUR, idle=HOUR / 4)
    found = decide(policy, subject, PAGE, NOW)
    assert isinstance(found, Allow) if decision is Allow else found == decision
    if isinstance(found, Allow):
        assert subject.signed_in_at is not None
        assert found.until == subject.signed_in_at + 2 * HOUR
        signs = [one for one in (subject.proved_at, subject.used_at) if one is not None]
        assert found.fresh_until == max(signs) + HOUR / 4


def test_an_explanation_tells_what_is_asked_of_the_session() -> None:
    """How long ago each was, and how long it may have been; the rule that wants a code is named."""
    policy = AppPolicy("wiki", (TECHNICIANS, ADMIN), lifetime=2 * HOUR, idle=HOUR / 4)
    subject = replace(
        ANNA, signed_in_at=NOW - HOUR, proved_at=NOW - HOUR / 3, used_at=NOW - HOUR / 60
    )
    found = explain(policy, subject, RequestFacts("GET", "/admin"), NOW)
    assert found.session == (
        Finding("lifetime", Verdict.HIT, "within 2h", "1h ago"),
        Finding("code", Verdict.MISS, "within 10m (rule 'admin')", "20m ago"),
        Finding("idle", Verdict.HIT, "within 15m", "1m ago"),
    )
    assert explain(policy, ANNA, PAGE, NOW).session == (
        Finding("lifetime", Verdict.MISS, "within 2h", "never"),
        Finding("idle", Verdict.MISS, "within 15m", "never"),
    )
    assert explain(AppPolicy("wiki", (TECHNICIANS,)), ANNA, PAGE, NOW).session == ()


@pytest.mark.parametrize("ahead", [timedelta(minutes=2), timedelta(days=400)])
def test_what_was_proved_in_the_future_was_not_proved(ahead: timedelta) -> None:
    """A clock that was put back opens nothing for as long as it was wrong; clocks differ a little."""
    policy, page = AppPolicy("wiki", (TECHNICIANS, ADMIN)), RequestFacts("GET", "/admin/users")
    soon, wrong = NOW + timedelta(seconds=30), NOW + ahead
    assert isinstance(decide(policy, replace(ANNA, proved_at=soon), page, NOW), Allow)
    assert isinstance(decide(policy, replace(ANNA, proved_at=wrong), page, NOW), StepUp)
    old = replace(policy, lifetime=HOUR)
    assert isinstance(decide(old, replace(ANNA, signed_in_at=soon), PAGE, NOW), Allow)
    assert isinstance(decide(old, replace(ANNA, signed_in_at=wrong), PAGE, NOW), StepUp)
    idle = replace(policy, idle=HOUR)
    assert isinstance(decide(idle, replace(ANNA, used_at=soon), PAGE, NOW), Allow)
    assert isinstance(decide(idle, replace(ANNA, used_at=wrong), PAGE, NOW), StepUp)


# Few names, so that rules and people meet often.
USERS = st.sampled_from(["anna", "bruno", "carla"])
GROUPS = st.sampled_from(["technicians", "sales", "milano"])
SCOPES = st.none() | st.frozensets(st.sampled_from(["wiki", "crm"]))
DEVICES = st.sampled_from(["stick-1", "stick-2"])
ISSUERS = st.sampled_from(["own", "partner"])
METHODS = st.sampled_from(["GET", "POST"])
PATTERNS = st.sampled_from([*map(parse_path_pattern, ("/", "/admin/**", "/*/edit", "/Admin"))])
PATHS = st.sampled_from(["/", "/admin", "/admin/x", "//admin", "/ADMIN;x", "/a/edit", "/Admin"])
NETWORKS = st.sampled_from([*map(ip_network, ("10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"))])
ADDRESSES = st.sampled_from(["", "10.1.2.3", "192.0.2.1", "2001:db8::1", "::ffff:10.0.0.1"])
SPANS = st.sampled_from([Span(8 * 3600, 19 * 3600), Span(22 * 3600, 6 * 3600), Span(0, 86_400)])
TIMETABLES = st.builds(
    Timetable,
    zone=st.just(ROME),
    hours=st.lists(SPANS, max_size=2).map(tuple),
    weekdays=st.none() | st.frozensets(st.integers(0, 6), min_size=1),
    first=st.none() | st.just(date(2026, 11, 24)),
    last=st.none() | st.just(date(2026, 11, 26)),
)
LOCAL = LocalDays(ROME)
TEXTS = Agreement(
    "home",
    (
        AgreementVersion("1", date(2026, 1, 1), frozenset({"one"})),
        AgreementVersion("2", date(2026, 11, 25), frozenset({"two", "due"})),
    ),
)
QUOTAS = st.builds(DayQuota, st.integers(1, 3), st.booleans(), st.sampled_from(["a", "b"]))
DAYS = st.dates(date(2026, 11, 20), date(2026, 11, 28))
APPROVALS = st.builds(
    lambda app, first, length: Approval(app, first, first + timedelta(days=length)),
    st.sampled_from(["wiki", "wiki", "crm"]),
    DAYS,
    st.integers(0, 2),
)
PAPERS = st.builds(
    Papers,
    accepted=st.frozensets(st.sampled_from(["one", "two", "due", "other"])),
    approvals=st.lists(APPROVALS, max_size=2).map(tuple),
    days=st.dictionaries(st.sampled_from(["a", "b"]), st.frozensets(DAYS, max_size=3)),
)


def with_effect(rule: Rule, effect: Effect) -> Rule:
    """Make *rule* one of another effect, without what such a rule cannot ask."""
    within = (rule.totp_within or timedelta(minutes=90)) if effect is Effect.STEP_UP else None
    if effect is Effect.ALLOW:
        return replace(rule, effect=effect, totp_within=within)
    return replace(
        rule, effect=effect, totp_within=within, approval=None, agreements=None, days=None
    )


RULES = st.builds(
    Rule,
    name=st.sampled_from(["a", "b", "c", "d"]),
    effect=st.just(Effect.ALLOW),
    users=st.none() | st.frozensets(USERS, min_size=1),
    groups=st.none() | st.frozensets(GROUPS, min_size=1),
    devices=st.none() | st.frozensets(DEVICES, min_size=1),
    issuers=st.none() | st.frozensets(ISSUERS, min_size=1),
    certificate=st.none() | st.sampled_from(CertificateKind),
    methods=st.none() | st.frozensets(METHODS, min_size=1),
    paths=st.none() | st.lists(PATTERNS, min_size=1, max_size=2).map(tuple),
    networks=st.none() | st.lists(NETWORKS, min_size=1, max_size=2).map(tuple),
    when=st.none() | TIMETABLES,
    approval=st.sampled_from([None, None, True]),
    agreements=st.sampled_from([None, None, (TEXTS,)]),
    days=st.none() | QUOTAS,
    local=st.just(LOCAL),
)
RULES = st.builds(with_effect, RULES, st.sampled_from(Effect))
MOMENTS = st.integers(0, 4 * 24 * 60).map(
    lambda minutes: datetime(2026, 11, 23, tzinfo=UTC) + timedelta(minutes=minutes)
)
SUBJECTS = st.builds(
    Subject,
    user=USERS,
    groups=st.frozensets(GROUPS),
    scope=SCOPES,
    level=st.sampled_from(Level),
    device=DEVICES,
    issuer=ISSUERS,
    papers=PAPERS,
    proved_at=st.none() | MOMENTS,
    signed_in_at=st.none() | MOMENTS,
    used_at=st.none() | MOMENTS,
)
REQUESTS = st.builds(RequestFacts, method=METHODS | st.just("HEAD"), path=PATHS, address=ADDRESSES)
POLICIES = st.builds(
    AppPolicy,
    app=st.just("wiki"),
    rules=st.lists(RULES, max_size=6).map(tuple),
    required=st.sampled_from(Level),
    lifetime=st.none() | st.sampled_from([HOUR, 30 * HOUR]),
    idle=st.none() | st.sampled_from([HOUR / 4, 20 * HOUR]),
)


def openness(decision: Decision) -> int:
    """How far *decision* lets a person in: not at all, after signing in, now."""
    match decision:
        case Deny():
            return 0
        case StepUp():
            return 1
        case Allow():
            return 2


def gist(decision: Decision) -> object:
    """What *decision* says, without the name of the rule, which the order of rules chooses."""
    match decision:
        case Deny(reason):
            return reason
        case StepUp(required, _, within):
            return required, within
        case Allow():
            return Allow


@given(POLICIES, SUBJECTS, REQUESTS, MOMENTS, RULES, st.data())
def test_a_deny_rule_never_widens_access(
    policy: AppPolicy,
    subject: Subject,
    request: RequestFacts,
    now: datetime,
    rule: Rule,
    data: st.DataObject,
) -> None:
    """Wherever it is put."""
    place = data.draw(st.integers(0, len(policy.rules)))
    deny = with_effect(rule, Effect.DENY)
    stricter = replace(policy, rules=(*policy.rules[:place], deny, *policy.rules[place:]))
    before, after = (openness(decide(each, subject, request, now)) for each in (policy, stricter))
    assert after <= before


@given(POLICIES, SUBJECTS, REQUESTS, MOMENTS, RULES)
def test_an_allow_rule_never_narrows_access(
    policy: AppPolicy, subject: Subject, request: RequestFacts, now: datetime, rule: Rule
) -> None:
    """And it never outweighs a deny rule."""
    wider = replace(policy, rules=(*policy.rules, with_effect(rule, Effect.ALLOW)))
    before, after = (decide(each, subject, request, now) for each in (policy, wider))
    assert openness(after) >= openness(before)
    if isinstance(before, Deny) and before.reason is Reason.RULE_DENIES:
        assert gist(after) == gist(before)


@given(POLICIES, SUBJECTS, REQUESTS, MOMENTS, RULES)
def test_a_step_up_rule_never_widens_access(
    policy: AppPolicy, subject: Subject, request: RequestFacts, now: datetime, rule: Rule
) -> None:
    """And a code given now is enough for any."""
    stricter = replace(policy, rules=(*policy.rules, with_effect(rule, Effect.STEP_UP)))
    before, after = (decide(each, subject, request, now) for each in (policy, stricter))
    assert openness(after) <= openness(before)
    assert isinstance(before, Deny) == isinstance(after, Deny)
    fresh = replace(subject, proved_at=now)
    assert openness(decide(stricter, fresh, request, now)) >= openness(before)


@given(POLICIES, SUBJECTS, REQUESTS, MOMENTS)
def test_what_is_asked_of_a_session_never_widens_access(
    policy: AppPolicy, subject: Subject, request: RequestFacts, now: datetime
) -> None:
    """Nor does it refuse anybody: with password and code given now it is as if it were not asked."""
    plain = replace(policy, lifetime=None, idle=None)
    before, after = (decide(each, subject, request, now) for each in (plain, policy))
    assert openness(after) <= openness(before)
    assert isinstance(before, Deny) == isinstance(after, Deny)
    fresh = replace(subject, proved_at=now, signed_in_at=now)
    assert openness(decide(policy, fresh, request, now)) >= openness(before)


@given(POLICIES, SUBJECTS, REQUESTS, MOMENTS, MOMENTS)
def test_a_later_sign_of_somebody_never_narrows_access(
    policy: AppPolicy, subject: Subject, request: RequestFacts, now: datetime, later: datetime
) -> None:
    """A use, a code, a sign-in: whoever is told of one more lets in no less."""
    before = openness(decide(policy, subject, request, now))
    for told in (
        replace(subject, used_at=max(later, subject.used_at or later)),
        replace(subject, proved_at=max(later, subject.proved_at or later)),
        replace(subject, signed_in_at=max(later, subject.signed_in_at or later)),
    ):
        assert openness(decide(policy, told, request, now)) >= before


@given(POLICIES, SUBJECTS, REQUESTS, MOMENTS, PAPERS)
def test_more_papers_never_narrow_access(
    policy: AppPolicy, subject: Subject, request: RequestFacts, now: datetime, more: Papers
) -> None:
    """Whoever accepts more texts and is granted more days, may not do less."""
    mine = subject.papers
    richer = Papers(mine.accepted | more.accepted, (*mine.approvals, *more.approvals), mine.days)
    before = decide(policy, subject, request, now)
    after = decide(policy, replace(subject, papers=richer), request, now)
    assert openness(after) >= openness(before)


@given(POLICIES, SUBJECTS, REQUESTS, MOMENTS)
def test_a_day_that_was_counted_stays_open(
    policy: AppPolicy, subject: Subject, request: RequestFacts, now: datetime
) -> None:
    """What is let in to use up a day is let in when it has, and uses up no other."""
    match decide(policy, subject, request, now):
        case Allow(spends=Spend(quota, day)):
            days = {**subject.papers.days}
            days[quota.count] = days.get(quota.count, frozenset()) | {day}
            counted = replace(subject, papers=replace(subject.papers, days=days))
            found = decide(policy, counted, request, now)
            assert isinstance(found, Allow)
            assert found.spends is None
        case _:
            pass


@given(POLICIES, SUBJECTS, REQUESTS, MOMENTS, RULES)
def test_a_rule_on_trial_changes_no_answer(
    policy: AppPolicy, subject: Subject, request: RequestFacts, now: datetime, rule: Rule
) -> None:
    """And it is named exactly where it would change one, as a deny rule."""
    trial = replace(
        policy, rules=(*policy.rules, replace(with_effect(rule, Effect.OBSERVE), name="t"))
    )
    acting = replace(
        policy, rules=(*policy.rules, replace(with_effect(rule, Effect.DENY), name="t"))
    )
    before = decide(policy, subject, request, now)
    after = decide(trial, subject, request, now)
    assert gist(after) == gist(before)
    if isinstance(after, Allow):
        assert ("t" in after.observed) == (
            decide(acting, subject, request, now) != before
            and isinstance(decide(acting, subject, request, now), Deny)
        )


@given(POLICIES, SUBJECTS, REQUESTS, MOMENTS, st.data())
def test_the_order_of_rules_does_not_matter(
    policy: AppPolicy,
    subject: Subject,
    request: RequestFacts,
    now: datetime,
    data: st.DataObject,
) -> None:
    """But for the name of the rule that is given as the cause."""
    shuffled = replace(policy, rules=tuple(data.draw(st.permutations(policy.rules))))
    before = decide(policy, subject, request, now)
    after = decide(shuffled, subject, request, now)
    assert gist(before) == gist(after)


@given(POLICIES, SUBJECTS, REQUESTS, MOMENTS)
def test_a_scope_never_widens_access(
    policy: AppPolicy, subject: Subject, request: RequestFacts, now: datetime
) -> None:
    """A certificate with a scope opens at most what the rules open to it."""
    scoped = decide(policy, subject, request, now)
    if subject.scope is not None and "wiki" not in subject.scope:
        assert scoped == Deny(Reason.OUTSIDE_CERTIFICATE_SCOPE)


@given(POLICIES, SUBJECTS, REQUESTS, MOMENTS)
def test_a_higher_level_changes_nothing_but_the_step_up(
    policy: AppPolicy, subject: Subject, request: RequestFacts, now: datetime
) -> None:
    """Signing in turns *sign in first* into *come in*, and no *no* into anything."""
    unproved = decide(policy, replace(subject, level=Level.CERTIFICATE), request, now)
    signed_in = replace(subject, level=Level.PASSWORD_TOTP, proved_at=now, signed_in_at=now)
    proved = decide(policy, signed_in, request, now)
    assert not isinstance(proved, StepUp)
    assert isinstance(unproved, Deny) == isinstance(proved, Deny)
    assert openness(proved) >= openness(unproved)


@given(POLICIES, SUBJECTS, REQUESTS, MOMENTS)
def test_a_decision_stays_the_same_until_it_says(
    policy: AppPolicy, subject: Subject, request: RequestFacts, now: datetime
) -> None:
    """At every quarter of an hour before that, and a microsecond before it."""
    decision = decide(policy, subject, request, now)
    assert decision.until is None or decision.until > now
    end = decision.until or now + timedelta(days=7)
    if isinstance(decision, Allow) and decision.fresh_until is not None:
        assert decision.fresh_until > now
        end = min(end, decision.fresh_until)
    moments = [end - timedelta(microseconds=1)]
    moments += [now + timedelta(minutes=15 * step) for step in range(96)]
    for moment in moments:
        if now <= moment < end:
            later = decide(policy, subject, request, moment)
            assert openness(later) == openness(decision)
            if isinstance(decision, Allow) and isinstance(later, Allow):
                assert later.observed == decision.observed


@given(POLICIES, SUBJECTS, REQUESTS, MOMENTS)
def test_an_explanation_agrees_with_the_decision(
    policy: AppPolicy, subject: Subject, request: RequestFacts, now: datetime
) -> None:
    """The decision can be read off the table by the order of *decide*, and is the same."""
    explanation = explain(policy, subject, request, now)
    for each in explanation.rules:
        verdicts = [finding.verdict for finding in each.findings]
        assert each.matches == (Verdict.MISS not in verdicts)
    matching = [each.rule for each in explanation.rules if each.matches]
    names = {effect: [rule.name for rule in matching if rule.effect is effect] for effect in Effect}
    decision = explanation.decision
    if explanation.scope.verdict is Verdict.MISS:
        assert decision == Deny(Reason.OUTSIDE_CERTIFICATE_SCOPE)
    elif names[Effect.DENY]:
        assert isinstance(decision, Deny)
        assert (decision.reason, decision.rule) == (Reason.RULE_DENIES, names[Effect.DENY][0])
    elif not names[Effect.ALLOW]:
        assert isinstance(decision, Deny)
        assert decision.reason not in {Reason.RULE_DENIES, Reason.OUTSIDE_CERTIFICATE_SCOPE}
    elif explanation.level.verdict is Verdict.MISS:
        assert isinstance(decision, StepUp)
        assert decision.required is policy.required
        assert decision.within is None
    elif missed := [one.criterion for one in explanation.session if one.verdict is Verdict.MISS]:
        assert isinstance(decision, StepUp)
        shortest = min(
            (rule.totp_within for rule in matching if rule.totp_within is not None), default=None
        )
        within = {"lifetime": None, "code": shortest, "idle": policy.idle}
        assert decision.within == within[missed[0]]
        assert (decision.rule in names[Effect.STEP_UP]) == (missed[0] == "code")
    else:
        assert isinstance(decision, Allow)
        today = LOCAL.look(now)[0]
        free = [
            rule.name
            for rule in matching
            if rule.effect is Effect.ALLOW
            and (rule.days is None or today in subject.papers.days_of(rule.days))
        ]
        assert decision.rule == (free or names[Effect.ALLOW])[0]
        assert (decision.spends is None) == bool(free)
        assert decision.observed == tuple(names[Effect.OBSERVE])
    assert decision == decide(policy, subject, request, now)
    assert [each.rule for each in explanation.rules] == list(policy.rules)
