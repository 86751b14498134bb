"""Names in certificates: the only module that writes and reads them.

A client certificate says who holds it in two places:

- subject: ``DC=localhost, DC=pusterla, OU=stick-1, CN=anna`` for the site pusterla.localhost;
- subject alternative names: the URI ``https://pusterla.localhost/people/anna/stick-1``, and the
  person's mail address as rfc822Name where there is one.

Why so. ``domainComponent`` is how a domain is written in a distinguished name (RFC 4519, 2.4),
and unlike O it holds names of any length, a label at a time. The device is an OU, the free-text
attribute that every tool shows: serialNumber is for the numbers of physical devices and, like
dnQualifier, a PrintableString, which has no underscore. CN is the name that a person signs in
with, which is unique and stays; the full name is left out, since it may change while the
certificate may not. The URI names the person by an address under the site's own host, as WebID
does: it says site, user and device at once, comes under the name constraints for URIs of
RFC 5280 (4.2.1.10), and needs no scheme that validators do not know (they refuse ``acct`` of
RFC 7565, the runner-up). Nothing needs to answer there.

Lengths are those of RFC 5280, appendix A.1: 64 for CN and OU.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, unquote

from cryptography import x509
from cryptography.x509.oid import NameOID

from ca.errors import IdentityRefused, NameUnreadable

NAME_LIMIT = 64
"""ub-common-name of RFC 5280. Counted in UTF-8 octets: some software, `cryptography` among it,
takes the bound for octets, and a name that only half the world accepts is of no use."""

_DEVICE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_HOST_LIMIT = 253
_EMAIL_LIMIT = 254
_LOCAL_LIMIT = 64
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL_PART = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_SEGMENT_SAFE = "!$&'()*+,;=:@"
"""What a path segment may hold unescaped besides letters and digits (RFC 3986, 3.3)."""
_URI = re.compile(r"https://(?P<host>[^/]*)/people/(?P<user>[^/]*)/(?P<device>[^/]*)")


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose certificate it is, on which device, at which site.

    *user* is what the person signs in with: up to 64 octets of UTF-8, of any script, in
    Unicode's composed form (NFC). Since names in certificates compare without regard to case (RFC 5280,
    7.1), whoever keeps the users sees to it that no two differ in case only. *host* is the
    site's, in lower case (xn-- form for other scripts); *email* is plain ASCII.

    Raises `IdentityRefused`, with every reason, when a part does not belong in a certificate.
    """

    user: str
    device: str
    host: str
    email: str | None = None

    def __post_init__(self) -> None:
        """Check every part, and report all that is wrong at once."""
        reasons = [*_user_faults(self.user), *_device_faults(self.device)]
        reasons += host_faults(self.host)
        if self.email is not None:
            reasons += _email_faults(self.email)
        if reasons:
            raise IdentityRefused(reasons)

    @property
    def uri(self) -> str:
        """Site, user and device as one URI."""
        return f"https://{self.host}/people/{quote(self.user, safe=_SEGMENT_SAFE)}/{self.device}"


def _user_faults(user: str) -> Iterator[str]:
    """Say what keeps *user* out of a certificate: length, form, or characters that deceive."""
    octets = len(user.encode(errors="surrogatepass"))
    if not 1 <= octets <= NAME_LIMIT:
        yield f"a user name has 1 to {NAME_LIMIT} octets of UTF-8, not {octets}"
        return
    if hidden := sorted({character for character in user if not is_visible(character)}):
        names = ", ".join(f"U+{ord(character):04X}" for character in hidden)
        yield f"the user name {user!a} holds characters that cannot be seen or that deceive: {names}"
    elif unicodedata.normalize("NFC", user) != user:
        yield f"the user name {user!a} is not in Unicode's composed form (NFC)"
    if user in {".", ".."}:
        yield f"the user name {user} means a folder in every path"
    if user.strip(" ") != user or "  " in user:
        yield f"the user name {user!a} begins or ends with a space, or holds two in a row"


def is_visible(character: str) -> bool:
    """Tell whether *character* shows as itself: no control, bidi, private or unassigned one.

    Of all the spaces only the ordinary one counts as visible.
    """
    return character == " " or unicodedata.category(character)[0] not in "CZ"


def _device_faults(device: str) -> Iterator[str]:
    if not _DEVICE.fullmatch(device):
        yield (
            f"the device {shortened(device)} must be 1 to 64 of a-z 0-9 . _ - and begin with"
            " a letter or digit, as in stick-1"
        )


def host_faults(host: str) -> Iterator[str]:
    """Say why *host* is not a host name in the form that certificates hold."""
    labels = host.split(".")
    if (
        len(host) > _HOST_LIMIT
        or not all(_LABEL.fullmatch(label) for label in labels)
        or labels[-1].isdigit()  # an IPv4 address, which is no name
    ):
        yield (
            f"the host {shortened(host)} is not a host name in lower case"
            " (other scripts in their xn-- form)"
        )


def _email_faults(email: str) -> Iterator[str]:
    """Say why *email* cannot be an rfc822Name: RFC 5280, 4.2.1.6 and 7.5."""
    local, _, domain = email.rpartition("@")
    if not email.isascii():
        yield (
            f"the mail address {shortened(email)} is not plain ASCII: write its domain in the xn--"
            " form, or leave the address out of the certificate"
        )
    elif (
        len(email) > _EMAIL_LIMIT
        or len(local) > _LOCAL_LIMIT
        or not _LOCAL_PART.fullmatch(local)
        or any(host_faults(domain.lower()))
    ):
        yield f"{shortened(email)} is not a mail address of the form name@domain"


def shortened(text: str, limit: int = 80) -> str:
    """Quote *text* for a message: in ASCII, and not without end."""
    return ascii(text) if len(text) <= limit else f"{text[:limit]!a}..."


def subject_of(identity: Identity) -> x509.Name:
    """Write the subject of a client certificate."""
    return x509.Name(
        [
            *_domain(identity.host),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, identity.device),
            x509.NameAttribute(NameOID.COMMON_NAME, identity.user),
        ]
    )


def alternative_names_of(identity: Identity) -> x509.SubjectAlternativeName:
    """Write the subject alternative names of a client certificate."""
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(identity.uri)]
    if identity.email is not None:
        names.append(x509.RFC822Name(identity.email))
    return x509.SubjectAlternativeName(names)


_UNREADABLE = (
    IdentityRefused,
    ValueError,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.UnsupportedGeneralNameType,
)
"""All that reading names can raise: ours, and what cryptography says of malformed ones."""


def identity_of(certificate: x509.Certificate) -> Identity:
    """Read who a client certificate of ours names; the opposite of the two functions above.

    Only for certificates whose signature somebody has verified. Raises `NameUnreadable` when
    the names are not exactly such as this module writes: anything more, less or contradictory.
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = _parts(names)
    except _UNREADABLE as error:
        raise NameUnreadable(f"the certificate's names are not ours: {error}") from error
    if (subject_of(found), alternative_names_of(found)) != (certificate.subject, names):
        raise NameUnreadable("the certificate's names hold something that we do not write")
    return found


def _parts(names: x509.SubjectAlternativeName) -> Identity:
    """Take the names apart; whether the subject agrees is for the caller to compare."""
    (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
    emails = names.get_values_for_type(x509.RFC822Name)
    if (match := _URI.fullmatch(uri)) is None:
        raise NameUnreadable(f"{shortened(uri)} is not the address of a person and a device")
    return Identity(
        user=unquote(match["user"], errors="strict"),
        device=match["device"],
        host=match["host"],
        email=emails[0] if emails else None,
    )


def authority_name(host: str, title: str) -> x509.Name:
    """Name a CA of the site *host*, for example with *title* "Root CA".

    The common name carries the site too, since browsers show only that when they let a person
    choose among certificates; it gives way where both do not fit.
    """
    common = f"{host} {title}"
    return x509.Name(
        [
            *_domain(host),
            x509.NameAttribute(
                NameOID.COMMON_NAME, common if len(common) <= NAME_LIMIT else f"Pusterla {title}"
            ),
        ]
    )


def server_name(host: str) -> x509.Name:
    """Name the site's server certificate; what counts for clients are the alternative names."""
    common = [x509.NameAttribute(NameOID.COMMON_NAME, host)] if len(host) <= NAME_LIMIT else []
    return x509.Name([*_domain(host), *common])


def server_alternative_names(hosts: tuple[str, ...]) -> x509.SubjectAlternativeName:
    """Write DNS names, of which a leading ``*.`` may stand for one label (RFC 6125, 6.4.3).

    Raises `IdentityRefused` with every name that is none.
    """
    reasons = [fault for host in hosts for fault in host_faults(host.removeprefix("*."))]
    if not hosts:
        reasons.append("a server certificate needs at least one host name")
    if reasons:
        raise IdentityRefused(reasons)
    return x509.SubjectAlternativeName([x509.DNSName(host) for host in dict.fromkeys(hosts)])


def _domain(host: str) -> list[x509.NameAttribute[str]]:
    """Write *host* as domain components, the top level first, as RFC 2247 does."""
    if faults := [*host_faults(host)]:
        raise IdentityRefused(faults)
    return [
        x509.NameAttribute(NameOID.DOMAIN_COMPONENT, label) for label in reversed(host.split("."))
    ]
