"""Issuing, judged by programs that nobody here wrote."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from ca.errors import IssuanceRefused, LintFailed
from ca.identity import Identity, identity_of
from ca.issue import Issuer, der, fingerprint, issue, make_root, refuse_difference
from ca.kinds import make_key
from tests.ca.makers import (
    ANNA,
    CA,
    CA_URL,
    CLIENT_PROFILE,
    HOST,
    NOW,
    OCSP_URL,
    ask,
    client_request,
    judge,
    lint_with_pkilint,
    make_ca,
    new_serial,
    write_pem,
)

KEY = make_key()
SOON = NOW + timedelta(minutes=1)
UNUSUAL = Identity("Łukasz d'Àbc", "stick_2.b-1", HOST, "lukasz+stick@example.pl")


@pytest.fixture(scope="session")
def anna(ca: CA) -> x509.Certificate:
    """Return a client certificate."""
    return ca.client(KEY, NOW)


@pytest.fixture(scope="session")
def server(ca: CA) -> x509.Certificate:
    """Return the server certificate."""
    return ca.server(KEY, NOW)


class TestProfileOfAClient:
    def test_extensions_and_their_criticality(self, anna: x509.Certificate, ca: CA) -> None:
        """The whole profile, once, as the finished certificate shows it."""
        found = {type(one.value): (one.critical, one.value) for one in anna.extensions}
        critical, basic = found.pop(x509.BasicConstraints)
        assert (critical, basic) == (True, x509.BasicConstraints(ca=False, path_length=None))
        critical, usage = found.pop(x509.KeyUsage)
        assert isinstance(usage, x509.KeyUsage)
        assert (critical, usage.digital_signature) == (True, True)
        assert not any((usage.key_agreement, usage.key_cert_sign, usage.key_encipherment))
        issuer = ca.issuing.certificate.extensions
        identifier = issuer.get_extension_for_class(x509.SubjectKeyIdentifier).value
        assert found.pop(x509.AuthorityKeyIdentifier) == (
            False,
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
        )
        assert found.pop(x509.ExtendedKeyUsage) == (
            False,
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),
        )
        assert {kind for kind, (critical, _) in found.items() if not critical} == {
            x509.SubjectKeyIdentifier,
            x509.SubjectAlternativeName,
            x509.CRLDistributionPoints,
            x509.AuthorityInformationAccess,
        }

    def test_where_to_ask(self, anna: x509.Certificate) -> None:
        """Its responder and its issuer's certificate are named, each by its address."""
        value = anna.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
        assert [(one.access_method, one.access_location.value) for one in value] == [
            (AuthorityInformationAccessOID.OCSP, OCSP_URL),
            (AuthorityInformationAccessOID.CA_ISSUERS, CA_URL),
        ]

    @pytest.mark.parametrize("identity", [ANNA, UNUSUAL, Identity("x", "y", HOST)])
    def test_names_come_back(self, ca: CA, identity: Identity) -> None:
        """The certificate names exactly whom it was issued for."""
        assert identity_of(ca.client(KEY, NOW, identity)) == identity

    def test_dates_and_serial(self, ca: CA) -> None:
        """Time and serial are those that were given."""
        request = client_request(KEY, lifetime=timedelta(days=30))
        certificate = issue(ca.issuing, CLIENT_PROFILE, request, NOW + timedelta(days=1))
        assert certificate.serial_number == request.serial
        assert certificate.not_valid_after_utc == NOW + timedelta(days=31)
        assert len(fingerprint(certificate)) == 64
        assert der(certificate) == certificate.public_bytes(Encoding.DER)


class TestRefusals:
    def test_what_the_profile_does_not_permit(self, ca: CA) -> None:
        """The limits hold for each request."""
        with pytest.raises(IssuanceRefused, match="between 1 and 825 days"):
            ca.client(KEY, NOW, lifetime=timedelta(days=3650))

    def test_a_key_of_another_certificate(self, ca: CA) -> None:
        """Key and certificate of an issuer must belong together."""
        with pytest.raises(IssuanceRefused, match="does not belong"):
            Issuer("issuing-1", ca.issuing.certificate, KEY)

    def test_a_key_that_signs_wrongly(self, ca: CA) -> None:
        """A signature that the issuer's certificate does not verify is never released."""
        broken = Issuer(ca.issuing.name, ca.issuing.certificate, ca.issuing.key)
        object.__setattr__(broken, "key", make_key())
        with pytest.raises(LintFailed, match="does not fit"):
            issue(broken, CLIENT_PROFILE, client_request(KEY), NOW)

    def test_a_draft_that_breaks_a_rule_is_not_signed(self, ca: CA) -> None:
        """What the profile let through, lint still catches: here a name that we do not write."""
        request = client_request(KEY)
        names = x509.SubjectAlternativeName([x509.DNSName("bank.example")])
        object.__setattr__(request, "alternative_names", names)
        with pytest.raises(LintFailed, match="subjectAltName"):
            issue(ca.issuing, CLIENT_PROFILE, request, NOW)

    def test_a_difference_between_draft_and_result(self, ca: CA) -> None:
        """Another content than the one that was checked is not released."""
        one, two = ca.client(KEY, NOW), ca.client(KEY, NOW)
        refuse_difference(one, one)
        with pytest.raises(LintFailed, match="differs"):
            refuse_difference(one, two)


class TestJudges:
    def verify(
        self, store: list[x509.Certificate], time: datetime, ca: CA, *leaf: x509.Certificate
    ) -> None:
        """Ask cryptography's own verifier for clients."""
        verifier = PolicyBuilder().store(Store(store)).time(time).build_client_verifier()
        for certificate in leaf:
            verifier.verify(certificate, [ca.issuing.certificate])

    def test_cryptography_accepts_the_client(self, ca: CA, anna: x509.Certificate) -> None:
        """The library's path validation (web PKI rules) accepts it, now and to its end."""
        root = [ca.root.certificate]
        self.verify(root, SOON, ca, anna, ca.client(KEY, NOW, UNUSUAL))
        self.verify(root, anna.not_valid_after_utc, ca, anna)

    def test_cryptography_refuses_after_the_end(self, ca: CA, anna: x509.Certificate) -> None:
        """The same certificate a second later, or below another root, is refused."""
        late = anna.not_valid_after_utc + timedelta(seconds=1)
        with pytest.raises(VerificationError):
            self.verify([ca.root.certificate], late, ca, anna)
        with pytest.raises(VerificationError):
            self.verify([make_ca().root.certificate], SOON, ca, anna)

    def test_cryptography_tells_client_and_server_apart(
        self, ca: CA, anna: x509.Certificate, server: x509.Certificate
    ) -> None:
        """Neither passes as the other; the server serves the site and each application."""
        policy = PolicyBuilder().store(Store([ca.root.certificate])).time(SOON)
        chain = [ca.issuing.certificate]
        for name in (HOST, f"wiki.{HOST}", f"public.{HOST}"):
            policy.build_server_verifier(x509.DNSName(name)).verify(server, chain)
        with pytest.raises(VerificationError):
            policy.build_server_verifier(x509.DNSName(f"a.b.{HOST}")).verify(server, chain)
        with pytest.raises(VerificationError):
            policy.build_client_verifier().verify(server, chain)
        with pytest.raises(VerificationError):
            policy.build_server_verifier(x509.DNSName(HOST)).verify(anna, chain)

    def test_openssl(
        self, ca: CA, anna: x509.Certificate, server: x509.Certificate, tmp_path: Path
    ) -> None:
        """`openssl verify`, strict, accepts each for its purpose only."""
        root = write_pem(tmp_path / "root.pem", ca.root.certificate)
        chain = write_pem(tmp_path / "issuing.pem", ca.issuing.certificate)
        arguments = ["verify", "-x509_strict", "-attime", f"{SOON.timestamp():.0f}"]
        arguments += ["-CAfile", str(root), "-untrusted", str(chain)]
        files = {
            "sslclient": write_pem(tmp_path / "anna.pem", anna),
            "sslserver": write_pem(tmp_path / "server.pem", server),
        }
        for purpose, file in files.items():
            assert "OK" in judge("openssl", *arguments, "-purpose", purpose, file)
            for other in files.values():
                if other != file:
                    assert ask("openssl", *arguments, "-purpose", purpose, other).returncode != 0
        assert "OK" in judge("openssl", *arguments, chain)

    def test_gnutls(self, tmp_path: Path) -> None:
        """`certtool --verify` accepts the chain; it knows no time but the present."""
        now = datetime.now(UTC)
        ca = make_ca(now)
        chain = write_pem(tmp_path / "chain.pem", ca.client(KEY, now), ca.issuing.certificate)
        root = write_pem(tmp_path / "root.pem", ca.root.certificate)
        answer = judge("certtool", "--verify", "--load-ca-certificate", root, "--infile", chain)
        assert "The certificate is trusted" in answer

    def test_nss(
        self, ca: CA, anna: x509.Certificate, server: x509.Certificate, tmp_path: Path
    ) -> None:
        """`vfychain`, as Firefox and Chromium on Linux look at it, accepts both for their use."""
        one, two, issuing, root = paths = [tmp_path / f"{number}.der" for number in range(4)]
        for path, certificate in zip(paths, (anna, server, *ca.issuing.chain), strict=True):
            path.write_bytes(der(certificate))
        for usage, leaf in (("0", one), ("1", two)):
            answer = judge(
                "vfychain",
                "-pp",
                "-b",
                f"{SOON:%y%m%d%H%MZ}",
                "-u",
                usage,
                leaf,
                issuing,
                "-t",
                root,
            )
            assert "Chain is good" in answer

    def test_pkilint(
        self, ca: CA, anna: x509.Certificate, server: x509.Certificate, tmp_path: Path
    ) -> None:
        """Pkilint finds nothing in any certificate but the wildcard.

        RFC 5280 leaves the wildcard to other standards (4.2.1.6), so pkilint's plain profile
        does not know it.
        """
        linter = "lint_pkix_cert"
        unusual = ca.client(KEY, NOW, UNUSUAL)
        for certificate in (*ca.issuing.chain, anna, unusual):
            file = write_pem(tmp_path / "certificate.pem", certificate)
            assert lint_with_pkilint(linter, file) == []
        (finding,) = lint_with_pkilint(linter, write_pem(tmp_path / "server.pem", server))
        assert finding.endswith(f'Invalid domain name syntax: "*.{HOST}"')

    def test_pkilint_on_the_chain(self, ca: CA, anna: x509.Certificate, tmp_path: Path) -> None:
        """Pkilint finds issuer and issued consistent."""
        issuing = write_pem(tmp_path / "issuing.pem", ca.issuing.certificate)
        root = write_pem(tmp_path / "root.pem", ca.root.certificate)
        leaf = write_pem(tmp_path / "anna.pem", anna)
        for pair in ((root, issuing), (issuing, leaf)):
            assert lint_with_pkilint("lint_pkix_signer_signee_cert_chain", *pair) == []


class TestAuthorities:
    def test_root(self, ca: CA) -> None:
        """The root signs itself, for twenty years, and certifies CAs that certify no CA."""
        root = ca.root.certificate
        assert root.subject == root.issuer
        assert root.not_valid_after_utc == NOW + timedelta(days=7300)
        basic = root.extensions.get_extension_for_class(x509.BasicConstraints)
        assert (basic.critical, basic.value.path_length) == (True, 1)
        root.verify_directly_issued_by(root)

    def test_issuing(self, ca: CA) -> None:
        """The issuing CA is signed by the root and may sign leaves only."""
        issuing = ca.issuing.certificate
        basic = issuing.extensions.get_extension_for_class(x509.BasicConstraints)
        assert (basic.critical, basic.value.path_length) == (True, 0)
        issuing.verify_directly_issued_by(ca.root.certificate)
        assert ca.issuing.chain == (issuing, ca.root.certificate)

    def test_dates_past_2049(self) -> None:
        """A root that ends after 2049 changes the form of that date, and passes."""
        key = make_key()
        root = make_root(HOST, key, new_serial(), datetime(2040, 1, 1, tzinfo=UTC))
        assert root.not_valid_after_utc.year == 2059
