"""A whole CA in memory, and the judges' answers: shared by the tests of ca/."""

import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca.hierarchy import ISSUER_NAME, ROOT_NAME
from ca.identity import Identity, alternative_names_of, authority_name, subject_of
from ca.issue import Issuer, issue, make_issuing, make_root, server_request
from ca.kinds import PrivateKey, make_key
from ca.profiles import CLIENT, RESPONDER, SERVER, IssueRequest, Profile, make_profile
from ca.scopes import Line
from ca.serials import OCTETS, serial_from, serial_text
from ca.status import CRLHead, encode_lines, sign_crl
from ca.trust import RevocationReason

HOST = "pusterla.localhost"
NOW = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)
CRL_URL = f"http://public.{HOST}:8080/crl/issuing-1.crl"
OCSP_URL = f"http://public.{HOST}:8080/ocsp"
CA_URL = f"http://public.{HOST}:8080/ca/issuing-1.crt"
ANNA = Identity("anna", "stick-1", HOST, "anna@example.it")

CLIENT_PROFILE: Profile = make_profile(
    replace(CLIENT, distribution_points=(CRL_URL,), issuer_urls=(CA_URL,), ocsp_urls=(OCSP_URL,))
)


def new_serial() -> int:
    """Draw a serial."""
    return serial_from(secrets.token_bytes(OCTETS))


@dataclass(frozen=True)
class CA:
    """Root and issuing CA, made at *now*."""

    root: Issuer
    issuing: Issuer

    def client(
        self,
        key: PrivateKey,
        now: datetime,
        identity: Identity = ANNA,
        lifetime: timedelta | None = None,
    ) -> x509.Certificate:
        """Issue a client certificate."""
        return issue(self.issuing, CLIENT_PROFILE, client_request(key, identity, lifetime), now)

    def responder(self, key: PrivateKey, now: datetime) -> x509.Certificate:
        """Let somebody answer OCSP."""
        request = IssueRequest(
            subject=authority_name(HOST, "OCSP responder"),
            public_key=key.public_key(),
            serial=new_serial(),
        )
        return issue(self.issuing, make_profile(RESPONDER), request, now)

    def server(self, key: PrivateKey, now: datetime) -> x509.Certificate:
        """Issue the site's server certificate."""
        hosts = (HOST, f"*.{HOST}", f"public.{HOST}")
        request = server_request(HOST, hosts, key.public_key(), new_serial())
        return issue(self.issuing, make_profile(SERVER), request, now)


def client_request(
    key: PrivateKey, identity: Identity = ANNA, lifetime: timedelta | None = None
) -> IssueRequest:
    """Ask for a client certificate."""
    return IssueRequest(
        subject=subject_of(identity),
        public_key=key.public_key(),
        serial=new_serial(),
        alternative_names=alternative_names_of(identity),
        lifetime=lifetime,
    )


def make_ca(now: datetime = NOW, host: str = HOST) -> CA:
    """Make root and issuing CA."""
    root_key, key = make_key(), make_key()
    root = Issuer(ROOT_NAME, make_root(host, root_key, new_serial(), now), root_key)
    certificate = make_issuing(root, host, key.public_key(), new_serial(), now)
    return CA(root, Issuer(ISSUER_NAME, certificate, key, root.chain))


def signed_list(
    issuer: Issuer, head: CRLHead, lines: Sequence[bytes]
) -> x509.CertificateRevocationList:
    """Sign a list, and read it."""
    return x509.load_der_x509_crl(sign_crl(issuer, head, lines))


def build_crl(
    issuer: Issuer,
    lines: Iterable[Line],
    *,
    number: int,
    this_update: datetime,
    next_update: datetime,
) -> x509.CertificateRevocationList:
    """Sign a full list of *lines*."""
    return signed_list(issuer, CRLHead(number, this_update, next_update), [encode_lines(lines)])


def line_of(serial: int, at: datetime, reason: RevocationReason) -> Line:
    """Make the line of a list."""
    return serial_text(serial), int(at.timestamp()) * 10**6, reason


def write_pem(path: Path, *certificates: x509.Certificate) -> Path:
    """Write certificates for a judge to read."""
    path.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in certificates))
    return path


def judge(program: str, *arguments: str | Path, stdin: str = "") -> str:
    """Ask a program nobody here wrote, and return all it says; fail when it does not agree."""
    answer = ask(program, *arguments, stdin=stdin)
    assert answer.returncode == 0, answer.stdout
    return answer.stdout


def ask(program: str, *arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run *program*; skip the test, visibly, where it is not installed."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    return subprocess.run(
        [program, *map(str, arguments)],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=30,
    )


def lint_with_pkilint(program: str, *arguments: str | Path) -> list[str]:
    """Return pkilint's findings from warnings up."""
    path = Path(sys.executable).parent / program
    answer = ask(str(path), "lint", "-s", "WARNING", *arguments)
    assert "usage:" not in answer.stdout
    return [line.strip() for line in answer.stdout.splitlines() if line.startswith("    ")]
