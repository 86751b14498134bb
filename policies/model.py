"""The words of a policy: rules, who asks for what, and the answers there are."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from policies.calendar import Timetable
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

    def __post_init__(self) -> None:
        """Refuse empty sets."""
        for criterion in ("users", "groups", "devices", "issuers", "methods", "paths", "networks"):
            names = getattr(self, criterion)
            if names is not None and not names:
                message = f"rule {self.name!r}: an empty set of {criterion} matches nobody"
                raise ValueError(message)


@dataclass(frozen=True, slots=True)
class AppPolicy:
    """All rules of one application, and the level that whoever is allowed must have proved."""

    app: str
    rules: tuple[Rule, ...]
    required: Level = Level.PASSWORD_TOTP
    asks_target: bool = field(init=False, compare=False, repr=False)
    """Whether any rule looks at method or path: then one request's answer is not another's."""
    asks_network: bool = field(init=False, compare=False, repr=False)
    """Whether any rule looks at where a request comes from."""
    plan: list[object] = field(default_factory=list, init=False, compare=False, repr=False)
    """Where `decide` keeps what it has worked out of the rules."""

    def __post_init__(self) -> None:
        """Find out what the rules look at."""
        target = any(rule.methods is not None or rule.paths is not None for rule in self.rules)
        network = any(rule.networks is not None for rule in self.rules)
        object.__setattr__(self, "asks_target", target)
        object.__setattr__(self, "asks_network", network)


@dataclass(frozen=True, slots=True)
class Subject:
    """Who asks. A *scope* of `None` is a certificate that opens every application."""

    user: str
    groups: frozenset[str]
    scope: frozenset[str] | None
    level: Level
    device: str = ""
    issuer: str = OWN_ISSUER


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
    """All that a criterion may look at. *now* is aware, in any time zone."""

    subject: Subject
    request: RequestFacts
    now: datetime


@dataclass(frozen=True, slots=True)
class Allow:
    """Let the request pass; *rule* is the first allow rule that matches.

    *observed* are the rules on trial that would have denied it. Up to *until* the answer to
    the same question stays the same; None: as long as the rules do.
    """

    rule: str
    until: datetime | None = None
    observed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepUp:
    """The rules allow, but the session must prove *required* first; *until* as in `Allow`."""

    required: Level
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Deny:
    """Refuse the request; *rule* is the rule that says so, where one does; *until* as in `Allow`.

    Where a rule would allow the request but for one thing, such as the hour, it is that rule.
    """

    reason: Reason
    rule: str | None = None
    until: datetime | None = None


Decision = Allow | StepUp | Deny
