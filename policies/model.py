"""The words of a policy: rules, who asks for what, and the answers there are."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Final

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


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: it matches when every criterion that it asks holds.

    `None` means *not asked*; a rule that asks nothing matches everybody, so
    the criteria have no defaults and `parse` wants `everybody = true` for it.
    An empty set is refused with `ValueError`: in a deny rule it would deny
    nobody, without a word.
    """

    name: str
    effect: Effect
    users: frozenset[str] | None
    groups: frozenset[str] | None

    def __post_init__(self) -> None:
        """Refuse empty sets."""
        for criterion, names in (("users", self.users), ("groups", self.groups)):
            if names is not None and not names:
                message = f"rule {self.name!r}: an empty set of {criterion} matches nobody"
                raise ValueError(message)


@dataclass(frozen=True, slots=True)
class AppPolicy:
    """All rules of one application, and the level that whoever is allowed must have proved."""

    app: str
    rules: tuple[Rule, ...]
    required: Level = Level.PASSWORD_TOTP


@dataclass(frozen=True, slots=True)
class Subject:
    """Who asks. A *scope* of `None` is a certificate that opens every application."""

    user: str
    groups: frozenset[str]
    scope: frozenset[str] | None
    level: Level


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What is asked for, in the normalised form in which it is also forwarded."""

    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Question:
    """All that a criterion may look at. *now* is aware, in any time zone."""

    subject: Subject
    request: RequestFacts
    now: datetime


@dataclass(frozen=True, slots=True)
class Allow:
    """Let the request pass; *rule* is the first allow rule that matches."""

    rule: str


@dataclass(frozen=True, slots=True)
class StepUp:
    """The rules allow, but the session must prove *required* first."""

    required: Level


@dataclass(frozen=True, slots=True)
class Deny:
    """Refuse the request; *rule* is the rule that says so, where one does."""

    reason: Reason
    rule: str | None = None


Decision = Allow | StepUp | Deny
