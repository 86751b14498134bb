"""What each refusal means to the administrator: when it comes, and what to do about it.

Where the person's page must not name a host, a rule or a person, this may: it is read at the
command line (`pusterla explain`) and in docs/refusals.md, never by a stranger. Commands stand
between backticks; `{user}`, `{serial}`, `{device}`, `{app}`, `{trust}` and `{id}` are filled in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.core.refusal_kinds import Refusal

PLACES: Final = ("user", "serial", "device", "app", "trust", "id")
"""What may be filled in; what is not known stays in capitals, as in `cert release SERIAL`."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One refusal in the administrator's words; *do* is one step a line, the likeliest first."""

    when: str
    do: tuple[str, ...]


class _Known(dict[str, str]):
    def __missing__(self, place: str) -> str:
        return place.upper()


def fill(step: str, known: Mapping[str, str]) -> str:
    """Return *step* with what is *known* in its places."""
    return step.format_map(_Known({place: text for place, text in known.items() if text}))


_SYSTEM_LOG: Final = "The log says why: `journalctl -u 'pusterla-*' | grep {id}`."
_APPLICATION: Final = "See whether the application runs where `pusterla app show {app}` says."
_SIGN_IN_AGAIN: Final = "The person signs in again; nothing is to be done."

ADVICE: Final[Mapping[Refusal, Advice]] = {
    Refusal.NO_CERTIFICATE: Advice(
        "No certificate came in the handshake: the browser has none of ours, none was chosen, or it "
        "has expired, for browsers do not offer those.",
        (
            "See whether the person has one that has not ended: `pusterla cert list --user {user}`.",
            "If not, issue one: `pusterla cert issue {user} --device {device} --p12 FILE`.",
            "If so, let them start the browser again and choose it (the page says how).",
        ),
    ),
    Refusal.CERTIFICATE_UNKNOWN: Advice(
        "Our CA has signed it, and the store has no record of it: an older copy of the store is in "
        "use, or a key of the CA was.",
        (
            "Look for it: `pusterla cert show {serial}`.",
            "If the store was restored from a backup, issue the certificate anew.",
            "If it was not, treat the CA's key as stolen (docs/ca.md).",
        ),
    ),
    Refusal.CERTIFICATE_REVOKED: Advice(
        "It was revoked, for good: by an administrator, by its owner at the page of lost sticks, or "
        "because the one that renews it has taken its place.",
        (
            "See when and why: `pusterla cert show {serial}`.",
            (
                "If the person is to get in, issue another: "
                "`pusterla cert issue {user} --device {device} --p12 FILE`."
            ),
        ),
    ),
    Refusal.CERTIFICATE_HELD: Advice(
        "It is on hold, which can be taken back.",
        (
            "If the stick is in the right hands: `pusterla cert release {serial}`.",
            "If it is lost: `pusterla cert revoke --serial {serial} --reason keyCompromise`.",
        ),
    ),
    Refusal.CERTIFICATE_EXPIRED: Advice(
        "Its last day is over.",
        (
            "Renew it: `pusterla cert renew {user} --device {device} --p12 FILE`.",
            "See whose ends next: `pusterla cert list --expiring 30d`.",
        ),
    ),
    Refusal.CERTIFICATE_NOT_YET_VALID: Advice(
        "Its first day is still to come, by the clock of this machine.",
        (
            "See when it begins: `pusterla cert show {serial}`.",
            "Look at this machine's clock: `pusterla doctor`.",
        ),
    ),
    Refusal.CERTIFICATE_STATUS_STALE: Advice(
        "The store was silent for longer than `feed_grace`, or nothing new is known from the CA "
        "that has issued it; so nobody can say whether it is revoked.",
        (
            "See whether the store answers: `pusterla doctor`.",
            "Of another CA, see how its lists stand: `pusterla ca trust list`.",
        ),
    ),
    Refusal.CERTIFICATE_UNTRUSTED: Advice(
        "A CA that the site trusts has issued it, but not as the trust asks for.",
        ("See what was found: `pusterla ca trust certificates`.",),
    ),
    Refusal.PERSON_DISABLED: Advice(
        "The certificate is good, and its person was switched off.",
        ("If they are to get in: `pusterla user enable {user}`.",),
    ),
    Refusal.PERSON_REMOVED: Advice(
        "The certificate is of somebody who was removed.",
        (
            (
                "Add them anew, and issue another certificate: "
                "`pusterla user add {user} --name NAME --email ADDRESS`."
            ),
        ),
    ),
    Refusal.PERSON_UNKNOWN: Advice(
        "A certificate of another CA is good, and what it says of its holder is nobody's here.",
        (
            "Assign it: `pusterla ca trust assign {trust} {serial} --user USER`.",
            "Or add its person, with the address that it names: `pusterla user add USER --email ADDRESS`.",
        ),
    ),
    Refusal.SESSION_REQUIRED: Advice(
        "A script or a program asked without a session, or after its end. A browser that asks for "
        "a page is brought to the sign-in instead.",
        (_SIGN_IN_AGAIN,),
    ),
    Refusal.SESSION_OF_ANOTHER_CERTIFICATE: Advice(
        "The cookie is of a session that was opened with another certificate. It stands in the "
        "audit log alone: the person is brought to the sign-in of the certificate shown.",
        (
            "With two sticks in one browser this is normal.",
            (
                "If the person has only one, their cookie was stolen: "
                "`pusterla session end --user {user}`."
            ),
        ),
    ),
    Refusal.TICKET_REFUSED: Advice(
        "The link that leads from the sign-in to an application was older than some seconds, "
        "altered, or made for another certificate: an old bookmark, or the back button.",
        (_SIGN_IN_AGAIN,),
    ),
    Refusal.NOT_ALLOWED: Advice(
        "No rule of the application lets the person in, or one keeps them out.",
        (
            "See the rules: `pusterla app show {app}`.",
            "See the person's groups: `pusterla user show {user}`.",
        ),
    ),
    Refusal.OUTSIDE_HOURS: Advice(
        "A rule would let the person in at another hour or on another day.",
        (
            "See when it opens to them: `pusterla policy explain {user} {app}`.",
            "If they are to get in now, change the rule's hours in apps/{app}.toml.",
        ),
    ),
    Refusal.OUTSIDE_PERIOD: Advice(
        "A rule was for the person up to a day that is over, or is from a day to come.",
        (
            "See from when to when: `pusterla app show {app}`.",
            "If they are to get in, change the rule's dates in apps/{app}.toml.",
        ),
    ),
    Refusal.OUTSIDE_NETWORK: Advice(
        "A rule would let the person in from another network. Behind a balancer that is not named "
        "(`[listen] balancers`) everybody comes from its address.",
        (
            "See from which: `pusterla app show {app}`.",
            "See what would be from another address: `pusterla policy explain {user} {app}`.",
        ),
    ),
    Refusal.OTHER_CERTIFICATE: Advice(
        "A rule would let the person in with another device, or a certificate of another CA.",
        (
            "See with which: `pusterla app show {app}`.",
            "See which they have: `pusterla cert list --user {user}`.",
        ),
    ),
    Refusal.PART_NOT_ALLOWED: Advice(
        "The rules let the person into the application, and not to this path, or not with this "
        "method.",
        ("See the rules: `pusterla app show {app}`.",),
    ),
    Refusal.APPROVAL_MISSING: Advice(
        "A rule is for the person on days that somebody has approved, and this is none of them.",
        (
            "See what they have asked for: `pusterla request list --user {user} --app {app}`.",
            "Answer what waits: `pusterla request approve NUMBER`, if their manager does not.",
            "They ask for it themselves: the page that refused them leads there.",
        ),
    ),
    Refusal.AGREEMENT_MISSING: Advice(
        "A rule is for the person once they have accepted a text, as it is now.",
        (
            "See which one it is: `pusterla policy explain {user} {app}`.",
            "See what they have accepted: `pusterla agreement list --user {user}`.",
            "They accept it themselves: the page that refused them leads there.",
        ),
    ),
    Refusal.DAYS_SPENT: Advice(
        "A rule is for the person on so many days a month, and this is none of those left.",
        (
            "See which days they have used: `pusterla day list --user {user}`.",
            "Free one that was counted by mistake: `pusterla day give-back {user} DATE`.",
            "If they are to get in, change the rule's days in apps/{app}.toml.",
        ),
    ),
    Refusal.CODE_REQUIRED: Advice(
        "A program asked for what a step-up rule protects, longer after the last code than that.",
        ("The person opens the application in the browser, which asks for a code.",),
    ),
    Refusal.OUTSIDE_CERTIFICATE_SCOPE: Advice(
        "The certificate was issued for certain applications, and this is none of them.",
        (
            "See which: `pusterla cert show {serial}`.",
            (
                "Issue one that opens it: "
                "`pusterla cert issue {user} --device {device} --apps {app} --p12 FILE`."
            ),
        ),
    ),
    Refusal.CROSS_SITE_REQUEST: Advice(
        "Another site's page asked for a change in the person's name, or a browser that says "
        "nothing of where a form came from.",
        ("If it comes again and again, ask the person which page they came from.",),
    ),
    Refusal.NOT_FOUND: Advice(
        "The portal or the public host has nothing at this address. Applications answer for theirs.",
        ("Correct the link that led there.",),
    ),
    Refusal.METHOD_REFUSED: Advice(
        "The portal has the address, and not for this method.",
        ("Correct the program that asks.",),
    ),
    Refusal.METHOD_UNKNOWN: Advice(
        "A method that nothing here takes, or CONNECT or TRACE.",
        ("Correct the program that asks, or look who it is: nobody's browser does so.",),
    ),
    Refusal.UNKNOWN_HOST: Advice(
        "The name leads here, and no application is at it.",
        ("See which there are: `pusterla app list`.",),
    ),
    Refusal.MISDIRECTED: Advice(
        "The request names another host than the connection was made for. Browsers try again by "
        "themselves.",
        ("If it stays, a proxy between changes Host or the server name: correct that.",),
    ),
    Refusal.BAD_REQUEST: Advice(
        "The request cannot be read, or can be read in two ways.",
        (_SYSTEM_LOG,),
    ),
    Refusal.REQUEST_TIMEOUT: Advice(
        "Head or body stopped coming, or came too slowly (`[limits] request_head`, `request_body`, "
        "`body_rate`).",
        ("If honest people are slow, raise the limit in pusterla.toml: `pusterla reload`.",),
    ),
    Refusal.BODY_TOO_LARGE: Advice(
        "More was sent than `[limits] body_bytes` of the site or the application allows.",
        ("If it should pass, raise it in apps/{app}.toml or in pusterla.toml.",),
    ),
    Refusal.TARGET_TOO_LONG: Advice(
        "The address is longer than `[limits] target_bytes`.",
        ("If it should pass, raise it in pusterla.toml: `pusterla reload`.",),
    ),
    Refusal.HEAD_TOO_LARGE: Advice(
        "The fields are more than `[limits] head_bytes` or `head_fields` allow; mostly cookies.",
        ("Let the person delete the cookies of the site, or raise the limit: `pusterla reload`.",),
    ),
    Refusal.UPSTREAM_UNREACHABLE: Advice(
        "The application's address takes no connection.",
        (_APPLICATION, _SYSTEM_LOG),
    ),
    Refusal.UPSTREAM_BROKEN: Advice(
        "The application broke off, or its answer cannot be read.",
        ("Look into the application's own log, at this moment.", _SYSTEM_LOG),
    ),
    Refusal.UPSTREAM_TIMEOUT: Advice(
        "The application did not answer within `[limits] upstream_response`, or stood still.",
        (
            "Look into the application's own log, at this moment.",
            "If it needs that long, raise `upstream_response` in apps/{app}.toml.",
        ),
    ),
    Refusal.NO_UPSTREAM: Advice(
        "None of the application's servers is fit: their checks fail, or none takes connections.",
        (_APPLICATION, _SYSTEM_LOG),
    ),
    Refusal.STORE_UNAVAILABLE: Advice(
        "The store did not answer.",
        ("See what is wrong with it: `pusterla doctor`.", _SYSTEM_LOG),
    ),
    Refusal.OVERLOADED: Advice(
        "The certificate has more connections than `[limits] certificate_connections`, the worker "
        "has `[limits] connections` of people with certificates, or there was no room for a body "
        "that is to be held.",
        (
            (
                "If one person's program does it, talk to them; end it with "
                "`pusterla session end --user {user}`."
            ),
            "If it is right so, raise the limit in pusterla.toml: `pusterla reload`.",
        ),
    ),
    Refusal.INTERNAL: Advice(
        "A fault of Pusterla.",
        (_SYSTEM_LOG, "Report it, with these lines."),
    ),
}
