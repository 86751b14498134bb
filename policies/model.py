"""The words of a policy: rules, who asks for what, and the answers there are."""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum, StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from policies.calendar import Timetable
from policies.papers import NO_PAPERS, Agreement, DayQuota, LocalDays, Papers
from policies.paths import PathPattern

Network = IPv4Network | IPv6Network

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""What a user or a group may be called. Use `check_name`, which matches the whole text."""


def check_name(text: str) -> str:
    """Return *text* if it can name a user or a group, or raise `ValueError`.

    The message is made for the person who typed *text*. That somebody of this
    name exists is not checked.
    """
    if NAME.fullmatch(text):
        return text
    folded = text.strip().lower()
    hint = f"; did you mean {folded!r}?" if NAME.fullmatch(folded) else ""
    message = (
        f"{text!r} cannot be a name: use 1 to 64 of a-z, 0-9, '.', '_' and '-', "
        f"beginning with a letter or a digit{hint}"
    )
    raise ValueError(message)


METHOD: Final = re.compile(r"[A-Z][A-Z-]{0,31}")
"""What a rule can name as a method, and a request can have: every registered one is written so.

No small letters, since an application may take them for capitals that a rule names."""

NEVER_PASSED: Final = frozenset({"CONNECT", "PRI", "TRACE", "TRACK"})
"""Methods that pass the gateway by no rule.

The first would make a tunnel to anywhere, and the second is no request but the preface of HTTP/2.
The others, which are one under two names, would show the client what the application is told of
it, the assertion above all (RFC 9110, section 9.3.8)."""

CLOCKS_DIFFER: Final = timedelta(minutes=1)
"""By how much a moment that is over may be ahead: what lies further was told by a clock that was
wrong, and counts as never."""


class Level(IntEnum):
    """What a session has proved, so that levels compare; the gaps are for levels to come."""

    CERTIFICATE = 0
    PASSWORD_TOTP = 20


class Effect(StrEnum):
    """What a rule does when it matches."""

    ALLOW = "allow"
    DENY = "deny"
    OBSERVE = "observe"
    """A deny rule on trial: what it would refuse is let pass, and written down."""
    STEP_UP = "step-up"
    """What it matches is let pass only shortly after a code was given."""


class CertificateKind(StrEnum):
    """Which applications a certificate opens."""

    LIMITED = "limited"
    """Those that it was issued for."""
    UNLIMITED = "unlimited"
    """All of the site's, as far as rules allow."""


OWN_ISSUER: Final = "own"
"""What rules call our own CA, beside the names of trusts."""


class Reason(StrEnum):
    """Why a request is refused: a closed list.

    The values go to the audit log and to the person's page, so they are only
    ever added to, never renamed.
    """

    OUTSIDE_CERTIFICATE_SCOPE = "outside-certificate-scope"
    """The certificate opens certain applications only, and this is not one of them."""

    RULE_DENIES = "rule-denies"
    """A deny rule matches; no allow rule can outweigh it."""

    NO_RULE_MATCHES = "no-rule-matches"
    """No allow rule matches, which is also the answer of an application without rules."""

    OUTSIDE_HOURS = "outside-hours"
    """An allow rule is for this person, at other hours or on other days."""

    OUTSIDE_PERIOD = "outside-period"
    """An allow rule was for this person and has ended, or has yet to begin."""

    OUTSIDE_NETWORK = "outside-network"
    """An allow rule is for this person, from another network."""

    OTHER_CERTIFICATE = "other-certificate"
    """An allow rule is for this person, with another device or a certificate of another CA."""

    OTHER_PATH = "other-path"
    """An allow rule is for this person, for other paths of the application."""

    OTHER_METHOD = "other-method"
    """An allow rule is for this person, with other methods: to read and not to write, say."""

    APPROVAL_MISSING = "approval-missing"
    """An allow rule is for this person, once somebody has approved it for this day."""

    AGREEMENT_MISSING = "agreement-missing"
    """An allow rule is for this person, once they have accepted a text, or its newest version."""

    DAYS_SPENT = "days-spent"
    """An allow rule is for this person, and today is not one of the days that they have left."""


SETS: Final = (
    *("users", "groups", "devices", "issuers", "methods", "paths", "networks", "agreements"),
)
"""The criteria of a rule that are sets of names, none of which may be empty."""

LOCAL_UTC: Final = LocalDays(UTC)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: it matches when every criterion that it asks holds.

    `None` means *not asked*; a rule that asks nothing matches everybody, so
    those that say who have no defaults, and `parse` wants `everybody = true` for it.
    An empty set is refused with `ValueError`: in a deny rule it would deny
    nobody, without a word.
    """

    name: str
    effect: Effect
    users: frozenset[str] | None
    groups: frozenset[str] | None
    devices: frozenset[str] | None = None
    """What certificates are called: the device that each was issued for."""
    issuers: frozenset[str] | None = None
    """`own`, and the names of trusts."""
    certificate: CertificateKind | None = None
    methods: frozenset[str] | None = None
    """With GET among them HEAD is too."""
    paths: tuple[PathPattern, ...] | None = None
    networks: tuple[Network, ...] | None = None
    when: Timetable | None = None
    approval: bool | None = None
    """Whether somebody must have approved it for the day; False is never written."""
    agreements: tuple[Agreement, ...] | None = None
    """Texts all of which must have been accepted."""
    days: DayQuota | None = None
    totp_within: timedelta | None = None
    """Of a step-up rule: how long ago the last code may have been given."""
    local: LocalDays = field(default=LOCAL_UTC, compare=False, repr=False)
    """Which day it is, for those of the criteria that go by days."""

    def __post_init__(self) -> None:
        """Refuse empty sets, and what only some effects can have."""
        if (self.effect is Effect.STEP_UP) != (self.totp_within is not None):
            message = f"rule {self.name!r}: a step-up rule, and no other, says within what time"
            raise ValueError(message)
        if self.asks_papers and self.effect is not Effect.ALLOW:
            message = f"rule {self.name!r}: only who is allowed can need papers or use up days"
            raise ValueError(message)
        for criterion in SETS:
            names = getattr(self, criterion)
            if names is not None and not names:
                message = f"rule {self.name!r}: an empty set of {criterion} matches nobody"
                raise ValueError(message)

    @property
    def asks_papers(self) -> bool:
        """Whether it asks for anything that changes at midnight, or when somebody does something."""
        return not (self.approval is None and self.agreements is None and self.days is None)


@dataclass(frozen=True, slots=True)
class AppPolicy:
    """All rules of one application, and what the session of whoever is allowed must be like.

    It has proved *required*, no longer than *lifetime* ago; and not longer than *idle* ago either
    the application was used or a code was given. None: as long as the session lasts.
    """

    app: str
    rules: tuple[Rule, ...]
    required: Level = Level.PASSWORD_TOTP
    lifetime: timedelta | None = None
    idle: timedelta | None = None
    asks_target: bool = field(init=False, compare=False, repr=False)
    """Whether any rule looks at method or path: then one request's answer is not another's."""
    asks_network: bool = field(init=False, compare=False, repr=False)
    """Whether any rule looks at where a request comes from."""
    asks_approval: bool = field(init=False, compare=False, repr=False)
    """Whether any rule is for days that somebody has approved."""
    plan: list[object] = field(default_factory=list, init=False, compare=False, repr=False)
    """Where `decide` keeps what it has worked out of the rules."""

    def __post_init__(self) -> None:
        """Find out what the rules look at."""
        target = any(rule.methods is not None or rule.paths is not None for rule in self.rules)
        network = any(rule.networks is not None for rule in self.rules)
        object.__setattr__(self, "asks_target", target)
        object.__setattr__(self, "asks_network", network)
        approval = any(rule.approval is not None for rule in self.rules)
        object.__setattr__(self, "asks_approval", approval)


@dataclass(frozen=True, slots=True)
class Subject:
    """Who asks. A *scope* of `None` is a certificate that opens every application."""

    user: str
    groups: frozenset[str]
    scope: frozenset[str] | None
    level: Level
    device: str = ""
    issuer: str = OWN_ISSUER
    papers: Papers = NO_PAPERS
    proved_at: datetime | None = None
    """When they last gave a code; None: not on this session."""
    signed_in_at: datetime | None = None
    """When they last gave password and code; None: not on this session."""
    used_at: datetime | None = None
    """When they last used the application on this session, as far as that is counted."""


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What is asked for, in the normalised form in which it is also forwarded, and from where.

    An *address* that is not known, "", is in no network that a rule allows, and in every one
    that a rule denies.
    """

    method: str
    path: str
    address: str = ""


@dataclass(slots=True)  # made for each decision: not frozen, which costs
class Question:
    """All that a criterion may look at. *now* is aware, in any time zone.

    *day* is the day of *now*, where whoever asks has found it out already.
    """

    subject: Subject
    request: RequestFacts
    now: datetime
    app: str = ""
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Spend:
    """A day that has to be counted before the request passes."""

    quota: DayQuota
    day: date


@dataclass(frozen=True, slots=True)
class Allow:
    """Let the request pass; *rule* is the first allow rule that matches.

    *observed* are the rules on trial that would have denied it. Up to *until* the answer to
    the same question stays the same; None: as long as the rules do. *fresh_until* is when a code
    will have been given too long ago for a request to come; what is under way goes on. *spends*
    is the day that this one begins to use up: to be counted first, by whoever can say that
    nobody else does at the same time.
    """

    rule: str
    until: datetime | None = None
    observed: tuple[str, ...] = ()
    fresh_until: datetime | None = None
    spends: Spend | None = None


@dataclass(frozen=True, slots=True)
class StepUp:
    """The rules allow, but the session must prove *required* first; *until* as in `Allow`.

    *within* is how long ago a code may have been given, where a code is all that is missing;
    *rule* is then the one that wants it; None: nobody has used the application for that long.
    """

    required: Level
    until: datetime | None = None
    within: timedelta | None = None
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Deny:
    """Refuse the request; *rule* is the rule that says so, where one does; *until* as in `Allow`.

    Where a rule would allow the request but for one thing, such as the hour, it is that rule.
    """

    reason: Reason
    rule: str | None = None
    until: datetime | None = None


Decision = Allow | StepUp | Deny
