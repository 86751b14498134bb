"""Everything that is issued, of every kind of key, before every judge that nobody here wrote.

A finding is a failure; what is accepted stands in `ACCEPTED`, with its reason.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.verification import (
    PolicyBuilder,
    Store,
    VerificationError,
)

from ca.issue import Issuer, issue, make_issuing, make_root
from ca.kinds import KeyKind, PrivateKey, make_key
from ca.ocsp import Issued, Question, Responder, answer, read_request
from ca.scopes import REMOVE_FROM_CRL, Line
from ca.status import CRLHead, encode_lines
from ca.trust import Revocation, RevocationReason
from tests.ca.makers import (
    CA,
    CLIENT_PROFILE,
    CRL_URL,
    HOST,
    ask,
    client_request,
    judge,
    lint_with_pkilint,
    new_serial,
    signed_list,
    write_pem,
)

# certtool and certutil know no time but the present.
NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
WEEK = timedelta(days=7)
PARTITION = CRL_URL.replace("issuing-1", "issuing-1~2-of-4")
FRESH = CRL_URL.replace("issuing-1", "issuing-1~delta")

ACCEPTED = {
    # RFC 5280 leaves wildcards to other standards (4.2.1.6), and RFC 9525 (6.3) has them.
    "server": {f'Invalid domain name syntax: "*.{HOST}"'},
}

NOT_FOR_NSS = {KeyKind.ED25519}
"""Kinds of which NSS takes neither certificate nor list; a test says so when it learns to."""
NOT_FOR_THE_WEB = {KeyKind.ED25519}
"""The same of cryptography's verifier, which goes by the rules of browsers."""


@dataclass(frozen=True)
class Works:
    """All that a CA makes: of one kind of key from root to leaf, but for server and responder.

    Those two are P-256 whatever the CA is. With a key of RSA, NSS would want keyEncipherment in
    the server's certificate, which is for a key exchange that we do not offer.
    """

    kind: KeyKind
    ca: CA
    anna: x509.Certificate
    bruno: x509.Certificate
    server: x509.Certificate
    responder: Responder
    lists: dict[str, x509.CertificateRevocationList]
    answers: dict[str, bytes]

    def certificates(self) -> dict[str, x509.Certificate]:
        """Return each certificate by what it is."""
        return {
            "root": self.ca.root.certificate,
            "issuing": self.ca.issuing.certificate,
            "client": self.anna,
            "server": self.server,
            "responder": self.responder.certificate,
        }


@cache
def works_of(kind: KeyKind) -> Works:
    """Let a CA of *kind* make one of everything; Anna is revoked, and Bruno is not."""
    root_key, key, own = make_key(kind), make_key(kind), make_key(kind)
    root = Issuer("root", make_root(HOST, root_key, new_serial(), NOW), root_key)
    made = make_issuing(root, HOST, key.public_key(), new_serial(), NOW)
    ca = CA(root, Issuer("issuing-1", made, key, root.chain))
    anna, bruno = _person(ca, own), _person(ca, own)
    answering = ec.generate_private_key(ec.SECP256R1())
    responder = Responder("issuing-1", ca.responder(answering, NOW), answering)
    return Works(
        kind,
        ca,
        anna,
        bruno,
        ca.server(make_key(), NOW),
        responder,
        dict(_lists(ca, anna)),
        dict(_answers(ca, responder, anna)),
    )


def _person(ca: CA, key: PrivateKey) -> x509.Certificate:
    return issue(ca.issuing, CLIENT_PROFILE, client_request(key), NOW)


def _line(certificate: x509.Certificate, reason: str) -> Line:
    return f"{certificate.serial_number:x}", int(NOW.timestamp()) * 10**6, reason


def _lists(ca: CA, anna: x509.Certificate) -> Iterator[tuple[str, x509.CertificateRevocationList]]:
    reasons = sorted(RevocationReason)
    lines = [(f"{number:x}", 0, reason) for number, reason in enumerate(reasons, 1)]
    full = CRLHead(10, NOW, NOW + WEEK)
    everything = encode_lines([*lines, _line(anna, "keyCompromise")])
    yield "empty", signed_list(ca.issuing, full, [])
    yield "full", signed_list(ca.issuing, full, [everything])
    yield "base", signed_list(ca.issuing, replace(full, fresh=FRESH), [everything])
    removed = encode_lines([("4a" * 16, 0, REMOVE_FROM_CRL), _line(anna, "keyCompromise")])
    yield "delta", signed_list(ca.issuing, replace(full, number=11, base=10), [removed])
    part = replace(full, point=PARTITION)
    yield "partition", signed_list(ca.issuing, part, [everything])
    part = replace(part, number=11, base=10)
    yield "partition's delta", signed_list(ca.issuing, part, [removed])


def _answers(ca: CA, by: Responder, of: x509.Certificate) -> Iterator[tuple[str, bytes]]:
    builder = ocsp.OCSPRequestBuilder().add_certificate(of, ca.issuing.certificate, hashes.SHA256())
    asked = read_request(builder.build().public_bytes(Encoding.DER))
    assert isinstance(asked, Question)
    verdicts = {
        "good": Issued(),
        "unknown": None,
        "revoked": Issued(Revocation(NOW, RevocationReason.KEY_COMPROMISE)),
        "held": Issued(Revocation(NOW, RevocationReason.CERTIFICATE_HOLD)),
    }
    for name, issued in verdicts.items():
        yield name, answer(by, asked, issued, NOW)[0]


@pytest.fixture(params=list(KeyKind), ids=str)
def works(request: pytest.FixtureRequest) -> Works:
    """Return what a CA of each kind of key makes."""
    return works_of(KeyKind(request.param))


def write_crl(path: Path, *crls: x509.CertificateRevocationList) -> Path:
    """Write lists for a judge to read."""
    path.write_bytes(b"".join(crl.public_bytes(Encoding.PEM) for crl in crls))
    return path


class TestPkilint:
    def test_certificates(self, works: Works, tmp_path: Path) -> None:
        """From warnings up, there is nothing but what is accepted."""
        for name, certificate in works.certificates().items():
            found = lint_with_pkilint(
                "lint_pkix_cert", write_pem(tmp_path / "one.pem", certificate)
            )
            accepted = ACCEPTED.get(name, set())
            assert [one for one in found if not any(one.endswith(end) for end in accepted)] == []
            # What is no longer found is no longer to be accepted.
            assert len(found) == len(accepted)

    def test_links_of_the_chain(self, works: Works, tmp_path: Path) -> None:
        """Issuer and issued are consistent, for each certificate."""
        files = {
            name: write_pem(tmp_path / f"{name}.pem", certificate)
            for name, certificate in works.certificates().items()
        }
        pairs = [("root", "issuing")]
        pairs += [("issuing", leaf) for leaf in ("client", "server", "responder")]
        for signer, signed in pairs:
            pair = files[signer], files[signed]
            assert lint_with_pkilint("lint_pkix_signer_signee_cert_chain", *pair) == []

    def test_lists(self, works: Works, tmp_path: Path) -> None:
        """Full, delta, of a partition, with every reason there is, and empty."""
        for name, crl in works.lists.items():
            file = write_crl(tmp_path / "list.pem", crl)
            assert (name, lint_with_pkilint("lint_crl", "-t", "CRL", "-p", "PKIX", file)) == (
                name,
                [],
            )

    def test_answers(self, works: Works, tmp_path: Path) -> None:
        """Of OCSP, with each verdict."""
        for name, der in works.answers.items():
            file = tmp_path / "answer.der"
            file.write_bytes(der)
            assert (name, lint_with_pkilint("lint_ocsp_response", file)) == (name, [])

    def test_it_does_find_faults(self, works: Works, tmp_path: Path) -> None:
        """A judge that could not be read would find nothing either."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = works.anna.subject
        bad = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name)
            .public_key(key.public_key()).serial_number(1)
            .not_valid_before(NOW).not_valid_after(NOW + WEEK)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=False)
            .sign(key, hashes.SHA256())
        )  # fmt: skip
        assert lint_with_pkilint("lint_pkix_cert", write_pem(tmp_path / "bad.pem", bad))


class TestLists:
    def test_openssl_and_gnutls(self, works: Works, tmp_path: Path) -> None:
        """Both find the signature of each list good, and trust its issuer."""
        issuer = write_pem(tmp_path / "issuing.pem", works.ca.issuing.certificate)
        for crl in works.lists.values():
            file = write_crl(tmp_path / "list.pem", crl)
            said = judge("openssl", "crl", "-in", file, "-CAfile", issuer, "-noout", "-verify")
            assert "verify OK" in said
            said = judge(
                "certtool", "--verify-crl", "--load-ca-certificate", issuer, "--infile", file
            )
            assert "Verified. The certificate is trusted" in said

    def test_openssl_refuses_whom_they_list(self, works: Works, tmp_path: Path) -> None:
        """Anna by the full list, and by base and delta together; never Bruno."""
        root = write_pem(tmp_path / "root.pem", works.ca.root.certificate)
        chain = write_pem(tmp_path / "issuing.pem", works.ca.issuing.certificate)
        people = {
            "anna": write_pem(tmp_path / "anna.pem", works.anna),
            "bruno": write_pem(tmp_path / "bruno.pem", works.bruno),
        }
        lists = works.lists
        for crls in ((lists["full"],), (lists["base"], lists["delta"])):
            file = write_crl(tmp_path / "lists.pem", *crls)
            said = {
                name: ask(
                    *("openssl", "verify", "-x509_strict", "-crl_check", "-extended_crl"),
                    *("-use_deltas", "-CRLfile", file, "-CAfile", root),
                    *("-untrusted", chain, "-purpose", "sslclient", person),
                ).stdout
                for name, person in people.items()
            }
            assert "certificate revoked" in said["anna"]
            assert "bruno.pem: OK" in said["bruno"]


class TestNSS:
    def test_chains(self, works: Works, tmp_path: Path) -> None:
        """`vfychain` takes each certificate for its use, and no leaf for that of another."""
        if works.kind in NOT_FOR_NSS:
            assert not self._verdict(works, works.anna, "0", tmp_path)
            return
        assert self._verdict(works, works.anna, "0", tmp_path)
        assert self._verdict(works, works.server, "1", tmp_path)
        assert self._verdict(works, works.responder.certificate, "10", tmp_path)
        assert not self._verdict(works, works.anna, "1", tmp_path)
        assert not self._verdict(works, works.server, "10", tmp_path)

    def _verdict(self, works: Works, leaf: x509.Certificate, usage: str, directory: Path) -> bool:
        files = [directory / f"{number}.der" for number in range(3)]
        for file, one in zip(files, (leaf, *works.ca.issuing.chain), strict=True):
            file.write_bytes(one.public_bytes(Encoding.DER))
        own, issuing, root = files
        said = ask("vfychain", "-pp", "-u", usage, own, issuing, "-t", root).stdout
        return "Chain is good" in said

    def test_a_database_takes_certificates_and_list(self, works: Works, tmp_path: Path) -> None:
        """`certutil -V` and `crlutil`, as Firefox keeps them: Anna is revoked, Bruno is not."""
        database = f"sql:{tmp_path}"
        judge("certutil", "-N", "-d", database, "--empty-password")
        crl = tmp_path / "full.der"
        crl.write_bytes(works.lists["full"].public_bytes(Encoding.DER))
        files = {
            "root": write_pem(tmp_path / "root.pem", works.ca.root.certificate),
            "issuing": write_pem(tmp_path / "issuing.pem", works.ca.issuing.certificate),
            "anna": write_pem(tmp_path / "anna.pem", works.anna),
            "bruno": write_pem(tmp_path / "bruno.pem", works.bruno),
        }
        for name, file in files.items():
            trust = "CT,," if name == "root" else ",,"
            added = ask(
                *("certutil", "-A", "-a", "-d", database, "-n", name, "-t", trust, "-i", file)
            )
            assert (added.returncode == 0) is (works.kind not in NOT_FOR_NSS), added.stdout
        if works.kind in NOT_FOR_NSS:
            assert ask("crlutil", "-I", "-d", database, "-i", crl).returncode != 0
            return
        for name in ("anna", "bruno"):
            judge("certutil", "-V", "-e", "-u", "C", "-d", database, "-n", name)
        judge("crlutil", "-I", "-d", database, "-i", crl)
        judge("certutil", "-V", "-e", "-u", "C", "-d", database, "-n", "bruno")
        said = ask("certutil", "-V", "-e", "-u", "C", "-d", database, "-n", "anna")
        assert said.returncode != 0
        assert "revoked" in said.stdout


class TestCryptography:
    def test_its_client_verifier(self, works: Works) -> None:
        """The library's own path validation, strict as it comes."""
        builder = PolicyBuilder().store(Store([works.ca.root.certificate])).time(NOW)
        chain = [works.ca.issuing.certificate]
        if works.kind in NOT_FOR_THE_WEB:
            with pytest.raises(VerificationError, match="Forbidden public key algorithm"):
                builder.build_client_verifier().verify(works.anna, chain)
            return
        verified = builder.build_client_verifier().verify(works.anna, chain)
        assert verified.chain == [works.anna, *works.ca.issuing.chain]
        with pytest.raises(VerificationError):
            builder.build_client_verifier().verify(works.server, chain)
        server = builder.build_server_verifier(x509.DNSName(HOST))
        assert server.verify(works.server, chain)[0] == works.server


class TestAnswers:
    def test_openssl_and_gnutls(self, works: Works, tmp_path: Path) -> None:
        """Both trust each answer by the delegated certificate."""
        anna = write_pem(tmp_path / "anna.pem", works.anna)
        issuer = write_pem(tmp_path / "issuing.pem", works.ca.issuing.certificate)
        root = write_pem(tmp_path / "root.pem", works.ca.root.certificate)
        for verdict, der in works.answers.items():
            file = tmp_path / "answer.der"
            file.write_bytes(der)
            said = judge(
                *("openssl", "ocsp", "-sha256", "-issuer", issuer, "-cert", anna, "-no_nonce"),
                *("-respin", file, "-CAfile", root),
            )
            assert "Response verify OK" in said
            assert f"{anna}: {'revoked' if verdict == 'held' else verdict}" in said
            said = ask(
                "ocsptool", "--verify-response", "--load-response", file, "--load-trust", issuer
            ).stdout
            assert "Verifying OCSP Response: Success" in said
