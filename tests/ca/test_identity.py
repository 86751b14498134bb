"""Names in certificates."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from ca.errors import IdentityRefused, NameUnreadable
from ca.identity import (
    Identity,
    alternative_names_of,
    authority_name,
    identity_of,
    server_alternative_names,
    server_name,
    subject_of,
)

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())
ANNA = Identity("anna", "stick-1", "pusterla.localhost", "anna@example.it")


def certify(subject: x509.Name, names: x509.SubjectAlternativeName | None) -> x509.Certificate:
    """Sign a certificate with these names, and read it back from its bytes."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    der = builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)
    return x509.load_der_x509_certificate(der)


def accepted(user: str) -> bool:
    """Tell whether *user* may stand in a certificate."""
    try:
        Identity(user, "d", "h.example")
    except IdentityRefused:
        return False
    return True


labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
hosts = (
    st.lists(labels, min_size=1, max_size=4)
    .map(".".join)
    .filter(lambda host: not host.split(".")[-1].isdigit())
)
users = (
    st.text(
        st.characters(exclude_categories=["C", "Z"], include_characters=" "),
        min_size=1,
        max_size=64,
    )
    .map(lambda text: " ".join(text.split()))
    .filter(accepted)
)
devices = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)
emails = st.builds(
    "{}@{}".format, st.from_regex(r"[A-Za-z0-9+_-]{1,20}(\.[a-z+]{1,9})?", fullmatch=True), hosts
)


class TestRoundTrip:
    @settings(deadline=None)  # signs for each example, and the machine may be busy
    @given(st.builds(Identity, users, devices, hosts, st.none() | emails))
    def test_what_is_written_is_read(self, identity: Identity) -> None:
        """Any identity comes back from a signed certificate as it went in."""
        read = identity_of(certify(subject_of(identity), alternative_names_of(identity)))
        assert read == identity

    @pytest.mark.parametrize(
        "user",
        ["anna", "Anna Rossi", "Łukasz", "o'neill", "a@b", "x/y?z#%", "דנה", "李雷", "a..b"],
    )
    def test_unusual_names_survive(self, user: str) -> None:
        """Other scripts, spaces and the signs that mean something in URIs are kept."""
        identity = Identity(user, "stick-1", "pusterla.localhost", "a+b@example.it")
        read = identity_of(certify(subject_of(identity), alternative_names_of(identity)))
        assert read.user == user

    def test_names_look_as_documented(self) -> None:
        """Subject and alternative names are what the module's text says."""
        assert subject_of(ANNA).rfc4514_string() == "CN=anna,OU=stick-1,DC=pusterla,DC=localhost"
        assert list(alternative_names_of(ANNA)) == [
            x509.UniformResourceIdentifier("https://pusterla.localhost/people/anna/stick-1"),
            x509.RFC822Name("anna@example.it"),
        ]


class TestRefusals:
    @pytest.mark.parametrize(
        "user",
        [
            "",
            ".",
            "..",
            "a" * 65,
            "ł" * 33,
            "anna\0",
            "anna\n",
            "an\u202ena",  # right-to-left override
            "an\u2066na",  # isolate
            "an\u200bna",  # zero-width space
            "an\u00a0na",  # no-break space
            "\ud800",
            "\ue000",
            "Lu\u0301a",  # an accent apart from its letter
            " anna",
            "anna ",
            "anna  rossi",
        ],
    )
    def test_deceiving_user_names(self, user: str) -> None:
        """Controls, bidi, invisible and unassigned characters, and loose spaces are refused."""
        with pytest.raises(IdentityRefused):
            Identity(user, "stick-1", "pusterla.localhost")

    @pytest.mark.parametrize("device", ["", "Stick", "-a", ".a", "a b", "a" * 65, "a\0", "é"])
    def test_device_labels(self, device: str) -> None:
        """A device is a short lower-case label."""
        with pytest.raises(IdentityRefused, match="as in stick-1"):
            Identity("anna", device, "pusterla.localhost")

    @pytest.mark.parametrize(
        "host",
        ["", ".", "a.", "A.example", "-a.example", "a_b", "a" * 64, "é.it", "10.0.0.1", "a.b" * 90],
    )
    def test_hosts(self, host: str) -> None:
        """A host is a DNS name in lower case, not an address."""
        with pytest.raises(IdentityRefused, match="host name"):
            Identity("anna", "stick-1", host)

    @pytest.mark.parametrize(
        "email",
        [
            "",
            "anna",
            "@example.it",
            "anna@",
            "a b@example.it",
            "a..b@example.it",
            "a@b@c.it",
            "a\0@example.it",
            "a@example.it\n",
            "l" * 65 + "@example.it",
            '"a"@example.it',
        ],
    )
    def test_mail_addresses(self, email: str) -> None:
        """What is no address of the plain form name@domain is refused."""
        with pytest.raises(IdentityRefused, match="name@domain"):
            Identity("anna", "stick-1", "pusterla.localhost", email)

    def test_mail_address_of_another_script(self) -> None:
        """An address outside ASCII says what can be done."""
        with pytest.raises(IdentityRefused, match="xn--"):
            Identity("anna", "stick-1", "pusterla.localhost", "łukasz@example.pl")

    def test_all_reasons_at_once(self) -> None:
        """One refusal names every part that is wrong, and cuts a long one short."""
        with pytest.raises(IdentityRefused) as caught:
            Identity("a\0", "D" * 70_000, "no host", "x")
        assert len(caught.value.reasons) == 4
        assert len(str(caught.value)) < 1000


class TestReading:
    def read(self, subject: x509.Name, *names: x509.GeneralName) -> Identity:
        """Read the identity of a certificate with these names."""
        return identity_of(certify(subject, x509.SubjectAlternativeName(names)))

    def test_without_alternative_names(self) -> None:
        """A certificate that has only a subject is not ours."""
        with pytest.raises(NameUnreadable):
            identity_of(certify(subject_of(ANNA), None))

    @pytest.mark.parametrize(
        "uri",
        [
            "https://pusterla.localhost/people/bruno/stick-1",
            "https://pusterla.localhost/people/anna/stick-2",
            "https://other.localhost/people/anna/stick-1",
            "https://pusterla.localhost/people/%61nna/stick-1",
            "https://pusterla.localhost/people/%ff/stick-1",
            "https://pusterla.localhost/people/anna/stick-1/",
            "http://pusterla.localhost/people/anna/stick-1",
            "anna@pusterla.localhost",
        ],
    )
    def test_subject_and_uri_disagree(self, uri: str) -> None:
        """A URI that is not exactly what belongs to the subject is not ours."""
        with pytest.raises(NameUnreadable):
            self.read(subject_of(ANNA), x509.UniformResourceIdentifier(uri))

    def test_more_than_we_write(self) -> None:
        """A further name of any kind, known or not, makes the whole unreadable."""
        uri = x509.UniformResourceIdentifier(ANNA.uri)
        for extra in (x509.DNSName("x.example"), uri, x509.RFC822Name("b@example.it")):
            with pytest.raises(NameUnreadable):
                self.read(subject_of(ANNA), uri, x509.RFC822Name("a@example.it"), extra)

    def test_more_in_the_subject(self) -> None:
        """A second device or another attribute makes the whole unreadable."""
        for oid in (NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.TITLE):
            subject = x509.Name([*subject_of(ANNA), x509.NameAttribute(oid, "x")])
            with pytest.raises(NameUnreadable):
                self.read(subject, *alternative_names_of(ANNA))


class TestAuthorityAndServer:
    def test_authority_carries_the_site(self) -> None:
        """The common name of a CA says which site it is of."""
        name = authority_name("pusterla.localhost", "Root CA")
        assert name.rfc4514_string() == "CN=pusterla.localhost Root CA,DC=pusterla,DC=localhost"

    def test_long_hosts_still_fit(self) -> None:
        """A host too long for a common name stands in the domain components alone."""
        host = ".".join(["a" * 60] * 3)
        common = authority_name(host, "Root CA").get_attributes_for_oid(NameOID.COMMON_NAME)
        assert [str(attribute.value) for attribute in common] == ["Pusterla Root CA"]
        assert server_name(host).get_attributes_for_oid(NameOID.COMMON_NAME) == []

    def test_server_names(self) -> None:
        """A wildcard stands before a host; a name asked for twice is written once."""
        names = server_alternative_names(("a.example", "*.a.example", "a.example"))
        assert names.get_values_for_type(x509.DNSName) == ["a.example", "*.a.example"]

    @pytest.mark.parametrize("hosts", [(), ("a*.example",), ("*.*.example",), ("*",), ("A.it",)])
    def test_server_names_refused(self, hosts: tuple[str, ...]) -> None:
        """No name, or a wildcard anywhere but first and whole, is refused."""
        with pytest.raises(IdentityRefused):
            server_alternative_names(hosts)
