"""Name constraints: the same verdict as openssl's on every kind of name."""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from ca.foreign.paths import PathFault
from tests.ca.foreign.cases import Case, Changes, agree, chain, more
from tests.ca.foreign.chains import (
    UPN,
    Made,
    authority_extensions,
    make,
    make_person,
    make_root,
)

ONE_ID, OTHER_ID = (x509.ObjectIdentifier(f"1.3.6.1.4.1.99999.{last}") for last in (2, 3))
EXAMPLE = x509.RFC822Name("example.com")
BELOW = x509.RFC822Name(".example.com")
ANNA = x509.RFC822Name("anna@example.com")
NAMES = PathFault.NAME_CONSTRAINTS
IPV4, IPV6 = ip_network("10.0.0.0/8"), ip_network("fd00::/8")


def mail(*names: str) -> Changes:
    """Give the person these mail addresses."""
    return more(x509.SubjectAlternativeName([x509.RFC822Name(one) for one in names]))


def names(*found: x509.GeneralName) -> Changes:
    """Give the person these alternative names."""
    return more(x509.SubjectAlternativeName(found))


def permitted(*found: x509.GeneralName) -> Changes:
    """Let a CA certify these names, of their kinds, and no others."""
    return more(x509.NameConstraints(found, None), critical=True)


def excluded(*found: x509.GeneralName) -> Changes:
    """Let a CA not certify these names."""
    return more(x509.NameConstraints(None, found), critical=True)


def organisation(text: str) -> x509.DirectoryName:
    """Constrain to those of one organisation."""
    return x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, text)]))


def address(text: str) -> x509.UniformResourceIdentifier:
    """Name somebody by an address, or constrain its host."""
    return x509.UniformResourceIdentifier(text)


def _below_constrained() -> Sequence[Made]:
    root = make_root(**permitted(organisation("Example")))
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Other")])
    below = make(subject, root, authority_extensions())
    return root, below, make_person(below)


CASES = {
    # name constraints: mail
    "mail of the host": Case(chain(issuing=permitted(EXAMPLE))),
    "mail of another host": Case(
        chain(issuing=permitted(EXAMPLE), person=mail("anna@evil.com")), NAMES
    ),
    "mail of a host below": Case(
        chain(issuing=permitted(EXAMPLE), person=mail("anna@a.example.com")), NAMES
    ),
    "mail below": Case(chain(issuing=permitted(BELOW), person=mail("anna@a.example.com"))),
    "mail at what it is below": Case(chain(issuing=permitted(BELOW)), NAMES),
    "mail of a host that ends so": Case(
        chain(issuing=permitted(EXAMPLE), person=mail("anna@notexample.com")), NAMES
    ),
    "one mailbox": Case(chain(issuing=permitted(ANNA))),
    "another mailbox": Case(chain(issuing=permitted(ANNA), person=mail("bob@example.com")), NAMES),
    "mail in capitals": Case(chain(issuing=permitted(EXAMPLE), person=mail("anna@EXAMPLE.com"))),
    "second mail outside": Case(
        chain(issuing=permitted(EXAMPLE), person=mail("anna@example.com", "anna@evil.com")), NAMES
    ),
    "mail excluded": Case(chain(issuing=excluded(EXAMPLE)), NAMES),
    "mail not excluded": Case(chain(issuing=excluded(EXAMPLE), person=mail("anna@a.example.com"))),
    "mailbox excluded in capitals": Case(
        chain(issuing=excluded(ANNA), person=mail("ANNA@example.com")),
        NAMES,
        differs="tells mailboxes apart by case, and nobody's directory does",
    ),
    "mail by the root": Case(chain(root=permitted(EXAMPLE), person=mail("anna@evil.com")), NAMES),
    # name constraints: hosts, addresses
    "host": Case(
        chain(
            issuing=permitted(x509.DNSName("example.com")),
            person=names(x509.DNSName("a.example.com")),
        )
    ),
    "host outside": Case(
        chain(
            issuing=permitted(x509.DNSName("example.com")),
            person=names(x509.DNSName("aexample.com")),
        ),
        NAMES,
    ),
    "host excluded": Case(
        chain(
            issuing=excluded(x509.DNSName("example.com")),
            person=names(x509.DNSName("A.EXAMPLE.com")),
        ),
        NAMES,
    ),
    "network": Case(
        chain(
            issuing=permitted(x509.IPAddress(IPV4)),
            person=names(x509.IPAddress(ip_address("10.1.2.3"))),
        )
    ),
    "network outside": Case(
        chain(
            issuing=permitted(x509.IPAddress(IPV4)),
            person=names(x509.IPAddress(ip_address("11.1.2.3"))),
        ),
        NAMES,
    ),
    "network of the other version": Case(
        chain(
            issuing=permitted(x509.IPAddress(IPV4)),
            person=names(x509.IPAddress(ip_address("fd00::1"))),
        ),
        NAMES,
    ),
    "network excluded": Case(
        chain(
            issuing=excluded(x509.IPAddress(IPV6)),
            person=names(x509.IPAddress(ip_address("fd00::1"))),
        ),
        NAMES,
    ),
    "address of a host": Case(
        chain(
            issuing=permitted(address("example.com")),
            person=names(address("https://example.com:8443/anna")),
        )
    ),
    "address of a host below": Case(
        chain(
            issuing=permitted(address(".example.com")),
            person=names(address("https://a.example.com/anna")),
        )
    ),
    "address of another host": Case(
        chain(
            issuing=permitted(address("example.com")),
            person=names(address("https://example.com.evil.com/")),
        ),
        NAMES,
    ),
    "address without a host": Case(
        chain(issuing=permitted(address("example.com")), person=names(address("urn:example.com"))),
        NAMES,
    ),
    "address without a host and exclusions": Case(
        chain(issuing=excluded(address("example.com")), person=names(address("urn:anna"))), NAMES
    ),
    "address excluded": Case(
        chain(
            issuing=excluded(address("example.com")), person=names(address("https://EXAMPLE.com/"))
        ),
        NAMES,
    ),
    # name constraints: directory names
    "organisation": Case(chain(issuing=permitted(organisation("Example")))),
    "organisation in capitals": Case(chain(issuing=permitted(organisation(" EXAMPLE ")))),
    "organisation outside": Case(chain(issuing=permitted(organisation("Other"))), NAMES),
    "organisation excluded": Case(chain(issuing=excluded(organisation("EXAMPLE"))), NAMES),
    "CA below outside": Case(_below_constrained, NAMES),
    # name constraints: other kinds
    "principal names nobody constrains": Case(
        chain(issuing=permitted(EXAMPLE), person=names(ANNA, x509.OtherName(UPN, b"\x0c\x01a")))
    ),
    "principal names that are constrained": Case(
        chain(
            issuing=permitted(x509.OtherName(UPN, b"\x0c\x01a")),
            person=names(x509.OtherName(UPN, b"\x0c\x01a")),
        ),
        NAMES,
    ),
    "registered ids that are excluded": Case(
        chain(
            issuing=excluded(x509.RegisteredID(ONE_ID)), person=names(x509.RegisteredID(OTHER_ID))
        ),
        NAMES,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_verdict_is_openssls(case: Case, tmp_path: Path) -> None:
    """What openssl refuses is refused, with the reason; where the two differ, the table says why."""
    agree(case, tmp_path)
