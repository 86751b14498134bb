"""Every way in which Pusterla says no, by name, and the HTTP status of each.

The names go to the log, the audit and the page, so they are only ever added
to, never renamed.
"""

from enum import StrEnum
from http import HTTPStatus
from typing import Final


class Refusal(StrEnum):
    """Why a request is refused, before or instead of an answer of the application."""

    NO_CERTIFICATE = "no-certificate"
    CERTIFICATE_UNKNOWN = "certificate-unknown"
    CERTIFICATE_REVOKED = "certificate-revoked"
    CERTIFICATE_HELD = "certificate-held"
    CERTIFICATE_EXPIRED = "certificate-expired"
    CERTIFICATE_NOT_YET_VALID = "certificate-not-yet-valid"
    CERTIFICATE_STATUS_STALE = "certificate-status-stale"
    """Nobody can say whether it is revoked: the feed has been silent for longer than its grace."""
    CERTIFICATE_UNTRUSTED = "certificate-untrusted"
    """Issued by another CA, and not in such a way that we believe it."""
    PERSON_DISABLED = "person-disabled"
    PERSON_REMOVED = "person-removed"
    PERSON_UNKNOWN = "person-unknown"
    """A certificate of another CA is good, and names nobody here."""
    SESSION_REQUIRED = "session-required"
    SESSION_OF_ANOTHER_CERTIFICATE = "session-of-another-certificate"
    TICKET_REFUSED = "ticket-refused"
    """A hand-over ticket that is forged, too old, or for another place."""
    NOT_ALLOWED = "not-allowed"
    OUTSIDE_HOURS = "outside-hours"
    """The rules would let the person in at another hour, or on another day."""
    OUTSIDE_PERIOD = "outside-period"
    """The rules have let the person in, or will, from one day to another."""
    OUTSIDE_NETWORK = "outside-network"
    """The rules would let the person in from another network."""
    OTHER_CERTIFICATE = "other-certificate"
    """The rules would let the person in with another device, or another CA's certificate."""
    PART_NOT_ALLOWED = "part-not-allowed"
    """The rules let the person into the application, but not there, or not to do that."""
    APPROVAL_MISSING = "approval-missing"
    """The rules would let the person in on a day for which somebody has approved it."""
    AGREEMENT_MISSING = "agreement-missing"
    """The rules would let the person in who has accepted a text, as it is now."""
    DAYS_SPENT = "days-spent"
    """The rules let the person in on so many days, and today is none of those that are left."""
    CODE_REQUIRED = "code-required"
    """A code was given too long ago for what is asked for, by a program that cannot type one."""
    OUTSIDE_CERTIFICATE_SCOPE = "outside-certificate-scope"
    CROSS_SITE_REQUEST = "cross-site-request"
    NOT_FOUND = "not-found"
    METHOD_REFUSED = "method-refused"
    METHOD_UNKNOWN = "method-unknown"
    """A method that nothing here takes: not known, or CONNECT or TRACE, which no gateway passes."""
    UNKNOWN_HOST = "unknown-host"
    MISDIRECTED = "misdirected"
    """SNI and Host disagree: the request came over a connection made for another host."""
    BAD_REQUEST = "bad-request"
    REQUEST_TIMEOUT = "request-timeout"
    BODY_TOO_LARGE = "body-too-large"
    TARGET_TOO_LONG = "target-too-long"
    HEAD_TOO_LARGE = "head-too-large"
    UPSTREAM_UNREACHABLE = "upstream-unreachable"
    UPSTREAM_BROKEN = "upstream-broken"
    UPSTREAM_TIMEOUT = "upstream-timeout"
    NO_UPSTREAM = "no-upstream"
    """An application has several upstreams, or checks, and none is fit for a request."""
    STORE_UNAVAILABLE = "store-unavailable"
    OVERLOADED = "overloaded"
    INTERNAL = "internal"


STATUS: Final = {
    Refusal.NO_CERTIFICATE: HTTPStatus.FORBIDDEN,
    Refusal.CERTIFICATE_UNKNOWN: HTTPStatus.FORBIDDEN,
    Refusal.CERTIFICATE_REVOKED: HTTPStatus.FORBIDDEN,
    Refusal.CERTIFICATE_HELD: HTTPStatus.FORBIDDEN,
    Refusal.CERTIFICATE_EXPIRED: HTTPStatus.FORBIDDEN,
    Refusal.CERTIFICATE_NOT_YET_VALID: HTTPStatus.FORBIDDEN,
    Refusal.CERTIFICATE_STATUS_STALE: HTTPStatus.SERVICE_UNAVAILABLE,
    Refusal.CERTIFICATE_UNTRUSTED: HTTPStatus.FORBIDDEN,
    Refusal.PERSON_DISABLED: HTTPStatus.FORBIDDEN,
    Refusal.PERSON_REMOVED: HTTPStatus.FORBIDDEN,
    Refusal.PERSON_UNKNOWN: HTTPStatus.FORBIDDEN,
    Refusal.SESSION_REQUIRED: HTTPStatus.UNAUTHORIZED,
    Refusal.SESSION_OF_ANOTHER_CERTIFICATE: HTTPStatus.FORBIDDEN,
    Refusal.TICKET_REFUSED: HTTPStatus.FORBIDDEN,
    Refusal.NOT_ALLOWED: HTTPStatus.FORBIDDEN,
    Refusal.OUTSIDE_HOURS: HTTPStatus.FORBIDDEN,
    Refusal.OUTSIDE_PERIOD: HTTPStatus.FORBIDDEN,
    Refusal.OUTSIDE_NETWORK: HTTPStatus.FORBIDDEN,
    Refusal.OTHER_CERTIFICATE: HTTPStatus.FORBIDDEN,
    Refusal.PART_NOT_ALLOWED: HTTPStatus.FORBIDDEN,
    Refusal.APPROVAL_MISSING: HTTPStatus.FORBIDDEN,
    Refusal.AGREEMENT_MISSING: HTTPStatus.FORBIDDEN,
    Refusal.DAYS_SPENT: HTTPStatus.FORBIDDEN,
    Refusal.CODE_REQUIRED: HTTPStatus.UNAUTHORIZED,
    Refusal.OUTSIDE_CERTIFICATE_SCOPE: HTTPStatus.FORBIDDEN,
    Refusal.CROSS_SITE_REQUEST: HTTPStatus.FORBIDDEN,
    Refusal.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Refusal.METHOD_REFUSED: HTTPStatus.METHOD_NOT_ALLOWED,
    Refusal.METHOD_UNKNOWN: HTTPStatus.NOT_IMPLEMENTED,
    Refusal.UNKNOWN_HOST: HTTPStatus.MISDIRECTED_REQUEST,
    Refusal.MISDIRECTED: HTTPStatus.MISDIRECTED_REQUEST,
    Refusal.BAD_REQUEST: HTTPStatus.BAD_REQUEST,
    Refusal.REQUEST_TIMEOUT: HTTPStatus.REQUEST_TIMEOUT,
    Refusal.BODY_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Refusal.TARGET_TOO_LONG: HTTPStatus.REQUEST_URI_TOO_LONG,
    Refusal.HEAD_TOO_LARGE: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    Refusal.UPSTREAM_UNREACHABLE: HTTPStatus.BAD_GATEWAY,
    Refusal.UPSTREAM_BROKEN: HTTPStatus.BAD_GATEWAY,
    Refusal.UPSTREAM_TIMEOUT: HTTPStatus.GATEWAY_TIMEOUT,
    Refusal.NO_UPSTREAM: HTTPStatus.SERVICE_UNAVAILABLE,
    Refusal.STORE_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Refusal.OVERLOADED: HTTPStatus.SERVICE_UNAVAILABLE,
    Refusal.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}
