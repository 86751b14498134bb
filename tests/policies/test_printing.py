"""Rules written as TOML are read as the same rules."""

import tomllib
from datetime import date, timedelta
from ipaddress import ip_network
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from policies.calendar import Span, Timetable
from policies.days import Calendar
from policies.model import AppPolicy, CertificateKind, Effect, Rule
from policies.papers import Agreement, DayQuota
from policies.parse import parse_rules
from policies.paths import parse_path_pattern
from policies.printing import narrowing_in_words, rules_text, session_in_words
from policies.reading import Problem
from policies.times import Almanac

ROME = ZoneInfo("Europe/Rome")
CALENDARS = {name: Calendar(name, ()) for name in ("it", "office")}

NAME = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,8}", fullmatch=True)
NAMES = st.frozensets(NAME, min_size=1)
SECONDS = st.integers(0, 86_399)
SPANS = st.builds(Span, SECONDS, st.integers(1, 86_400)).filter(lambda one: one.start != one.end)
SOME_CALENDARS = st.frozensets(st.sampled_from(sorted(CALENDARS))).map(
    lambda names: tuple(CALENDARS[name] for name in sorted(names))
)
TIMETABLES = st.builds(
    Timetable,
    zone=st.just(ROME),
    hours=st.lists(SPANS, max_size=3, unique=True).map(lambda spans: tuple(sorted(spans))),
    weekdays=st.none() | st.frozensets(st.integers(0, 6), min_size=1),
    first=st.none() | st.dates(date(2000, 1, 1), date(2020, 1, 1)),
    last=st.none() | st.dates(date(2020, 1, 1), date(2100, 1, 1)),
    off=SOME_CALENDARS,
    only=SOME_CALENDARS,
).filter(lambda made: made != Timetable(ROME))
PATHS = ("/", "/admin/**", "/*/edit", "/caff\N{LATIN SMALL LETTER E WITH GRAVE}/%20")
NETWORKS = ("10.0.0.0/8", "192.0.2.1", "2001:db8::/32")
AGREEMENTS = {name: Agreement(name, ()) for name in ("home", "secrecy")}
DURATIONS = st.integers(30, 86_400).map(lambda seconds: timedelta(seconds=seconds))
QUOTAS = st.builds(DayQuota, st.integers(1, 16), st.booleans(), st.just("remote-days") | NAME)
EFFECTS = st.one_of(
    st.fixed_dictionaries(
        {
            "effect": st.just(Effect.ALLOW),
            "approval": st.sampled_from([None, True]),
            "agreements": st.none()
            | st.frozensets(st.sampled_from(sorted(AGREEMENTS)), min_size=1).map(
                lambda names: tuple(AGREEMENTS[name] for name in sorted(names))
            ),
            "days": st.none() | QUOTAS,
        }
    ),
    st.fixed_dictionaries({"effect": st.sampled_from([Effect.DENY, Effect.OBSERVE])}),
    st.fixed_dictionaries({"effect": st.just(Effect.STEP_UP), "totp_within": DURATIONS}),
)
RULES = st.builds(
    lambda effect, **asked: Rule(**effect, **asked),
    name=st.text(min_size=1, max_size=80).filter(
        lambda name: bool(name.isprintable() and name.strip())
    ),
    effect=EFFECTS,
    users=st.none() | NAMES,
    groups=st.none() | NAMES,
    devices=st.none() | NAMES,
    issuers=st.none() | NAMES,
    certificate=st.none() | st.sampled_from(CertificateKind),
    methods=st.none() | st.frozensets(st.sampled_from(["GET", "M-SEARCH"]), min_size=1),
    paths=st.none()
    | st.lists(st.sampled_from([*map(parse_path_pattern, PATHS)]), min_size=1, unique_by=str).map(
        tuple
    ),
    networks=st.none()
    | st.lists(st.sampled_from([*map(ip_network, NETWORKS)]), min_size=1, unique=True).map(tuple),
    when=st.none() | TIMETABLES,
)


@given(st.lists(RULES, max_size=4, unique_by=lambda rule: rule.name).map(tuple))
def test_what_is_written_is_read_as_the_same(rules: tuple[Rule, ...]) -> None:
    """Every criterion, every effect, any name."""
    policy = AppPolicy("wiki", rules)
    problems: list[Problem] = []
    data = tomllib.loads(rules_text(policy)).get("rules")
    read = parse_rules("wiki", data, "wiki: rules", problems, Almanac(ROME, CALENDARS, AGREEMENTS))
    assert problems == []
    assert read == policy


def test_what_narrows_a_rule_reads_as_a_line() -> None:
    """For tables; whom it is for stands in other columns."""
    rule = Rule(
        "x",
        Effect.ALLOW,
        frozenset({"anna"}),
        None,
        devices=frozenset({"stick-1"}),
        certificate=CertificateKind.LIMITED,
        methods=frozenset({"GET"}),
        paths=(parse_path_pattern("/admin/**"),),
        networks=(ip_network("10.0.0.0/8"),),
        when=Timetable(ROME, weekdays=frozenset({0})),
    )
    assert narrowing_in_words(rule) == (
        "devices stick-1; methods GET; limited certificates; paths /admin/**; from 10.0.0.0/8; mon"
    )
    assert narrowing_in_words(Rule("x", Effect.ALLOW, None, None)) == ""
    remote = Rule(
        "x",
        Effect.ALLOW,
        None,
        None,
        approval=True,
        agreements=(AGREEMENTS["home"],),
        days=DayQuota(3, consecutive=False),
    )
    assert narrowing_in_words(remote) == (
        "requires approval, agreement:home; 3 a month, never two in a row (remote-days)"
    )
    code = Rule("x", Effect.STEP_UP, None, None, totp_within=timedelta(minutes=10))
    assert narrowing_in_words(code) == "a code within 10m"


def test_what_is_asked_of_sessions_is_said_in_words() -> None:
    """Nothing where nothing is asked."""
    hours, minutes = timedelta(hours=8), timedelta(minutes=15)
    assert session_in_words(AppPolicy("wiki", ())) == ""
    both = session_in_words(AppPolicy("wiki", (), lifetime=hours, idle=minutes))
    assert both == "password and code every 8h; a code after 15m without use"
