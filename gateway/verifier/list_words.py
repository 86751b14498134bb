"""What is said of lists: events for the log, answers about a certificate, and their words. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from ca.foreign.coverage import Known
from ca.foreign.facts import ListFacts
from ca.foreign.revoked import RevokedIndex
from ca.trust import Revocation
from gateway.core.foreign import ForeignList
from gateway.core.trusts import PastEnd, Trust


class ListEventKind(StrEnum):
    """What has happened to a list; never renamed, only added."""

    TAKEN = "taken"
    REFUSED = "refused"
    """It came, and is not taken."""
    FAILED = "failed"
    """It did not come, or could not be kept."""
    ENDED = "ended"
    """The one in force is past its nextUpdate, and no newer was had."""


@dataclass(frozen=True, slots=True)
class ListEvent:
    """Something to be logged: *words* are a sentence that names the trust and the source.

    *reason* is the `CRLFault` of what was refused, else empty.
    """

    kind: ListEventKind
    trust: str
    source: str
    words: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ListStatus:
    """What the lists say of a certificate.

    *good_until* is the nextUpdate of the best of them, with the grace of the trust where it goes
    on past it; None where no list speaks for the certificate, so nothing is known. *words* say
    it to people. A *revocation* stands, however old the list.
    """

    revocation: Revocation | None
    good_until: datetime | None
    words: str


def status_of(known: Known, trust: Trust, now: datetime) -> ListStatus:
    """Say what *known* means under the rules of *trust*."""
    until = trust.good_until(known.until)
    if known.revocation is not None:
        at, reason = known.revocation.at, known.revocation.reason
        words = f"the CA has revoked it: {reason}, {time_text(at)}"
    elif now > until:
        words = f"the newest list ended on {time_text(known.until)}"
    elif now > known.until:
        words = (
            f"not revoked as far as is known: the newest list ended on {time_text(known.until)}, "
            f"and is gone by until {time_text(until)}"
        )
    else:
        words = f"not revoked, as is known until {time_text(until)}"
    return ListStatus(known.revocation, until, words)


def ended_words(facts: ListFacts, trust: Trust) -> str:
    """Say that a list in force has ended, and what comes of it."""
    words = f"{facts.name} of {facts.issuer} ended on {time_text(facts.next_update)}: "
    if trust.past_end is PastEnd.GO_ON:
        until = time_text(trust.good_until(facts.next_update))
        return f"{words}it is gone by until {until}, and then nobody gets in"
    return f"{words}nobody whom it speaks for gets in"


def stays_words(held: RevokedIndex | None) -> str:
    """Say what stays in force where the next list is not had."""
    if held is None:
        return "nothing is held in its place"
    return f"{held.facts.name} stays in force, good until {time_text(held.facts.next_update)}"


def in_force(plain: ForeignList, index: RevokedIndex) -> ForeignList:
    """Let *plain* speak of the list that is in force."""
    facts = index.facts
    return replace(
        plain,
        issuer=facts.issuer,
        number="" if facts.number is None else str(facts.number),
        this_update=facts.this_update,
        next_update=facts.next_update,
        entries=len(index),
    )


def told_of(index: RevokedIndex) -> str:
    """Say which list was taken."""
    facts = index.facts
    return (
        f"took {facts.name} of {facts.issuer}, {len(index)} entries, as of "
        f"{time_text(facts.this_update)}, good until {time_text(facts.next_update)}"
    )


def time_text(moment: datetime) -> str:
    """Write a moment, to the second."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
