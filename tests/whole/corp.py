"""A CA of somebody else's, as `openssl ca` runs it, and the web server where its list is.

And one below it, of which `openssl ocsp` tells, and no list.
"""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

from cryptography import x509

from ca.issue import fingerprint
from tests.whole.people import Stick
from tests.whole.sites import LiveSite

LIST = "corp.crl"
_CONFIG = """\
[ca]
default_ca = corp
[corp]
dir = {folder}
database = $dir/index.txt
new_certs_dir = $dir
certificate = $dir/ca.pem
private_key = $dir/ca.key
rand_serial = yes
crlnumber = $dir/crlnumber
default_md = sha256
default_days = 30
policy = names
unique_subject = no
[names]
commonName = supplied
[req]
distinguished_name = subject
[subject]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
"""
_PERSON = """\
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = email:{email}
"""
_LISTED = "crlDistributionPoints = URI:{url}\n"
_ASKED = "authorityInfoAccess = OCSP;URI:{url}\n"
_BELOW = """\
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Corp:
    """The CA, all of it in *folder*; *url* is where its list is fetched, or its responder asked.

    *above* is the certificate of the CA over it, and *told* says how its cards name the *url*.
    """

    folder: Path
    published: Path
    url: str
    name: str = "corp"
    above: Path | None = None
    told: str = _LISTED

    @property
    def certificate(self) -> Path:
        """The CA's own certificate."""
        return self.folder / "ca.pem"

    def card(self, email: str) -> Stick:
        """Issue a certificate to whoever has the address *email*."""
        name = f"card-{next(_numbers)}"
        key, request, issued = (self.folder / f"{name}.{end}" for end in ("key", "csr", "pem"))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text((_PERSON + self.told).format(email=email, url=self.url))
        self._openssl(
            *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", key, "-out", request, "-subj", f"/CN={name}"),
        )
        self.certify(request, issued, extensions)
        certificate = x509.load_pem_x509_certificate(issued.read_bytes())
        file = self.folder / f"{name}.both.pem"
        file.write_bytes(issued.read_bytes() + key.read_bytes())
        return Stick(file, format(certificate.serial_number, "x"), fingerprint(certificate))

    def revoke(self, card: Stick, *how: str) -> None:
        """Revoke *card*, without a new list."""
        self.revoke_file(card.file, *(how or ("-crl_reason", "keyCompromise")))

    def revoke_file(self, certificate: Path, *how: str) -> None:
        """Revoke what is in a file."""
        self._openssl("ca", "-revoke", certificate, *how)

    def certify(self, request: Path, issued: Path, extensions: Path) -> None:
        """Issue what *request* asks for."""
        self._openssl(
            *("ca", "-batch", "-notext", "-in", request, "-out", issued, "-extfile", extensions)
        )

    def answer(self, request: bytes) -> bytes:
        """Say what `openssl ocsp` says of a certificate of this CA."""
        asked, said = (self.folder / f"ocsp-{next(_numbers)}.{end}" for end in ("req", "resp"))
        asked.write_bytes(request)
        self._openssl(
            *("ocsp", "-index", self.folder / "index.txt", "-CA", self.certificate, "-nmin", "5"),
            *("-rsigner", self.certificate, "-rkey", self.folder / "ca.key"),
            *("-reqin", asked, "-respout", said),
        )
        return said.read_bytes()

    def release(self, card: Stick) -> None:
        """Take a hold back, for which openssl has no word."""
        index = self.folder / "index.txt"
        lines = [line.split("\t") for line in index.read_text().splitlines()]
        for line in lines:
            if line[3].lower().lstrip("0") == card.serial.lstrip("0"):
                line[0], line[2] = "V", ""
        index.write_text("".join("\t".join(line) + "\n" for line in lines))

    def publish(self, life: timedelta = timedelta(hours=1)) -> datetime:
        """Sign a list that is good for *life*, put it in its place, and return when it ends."""
        signed = self.folder / "crl.pem"
        seconds = str(int(life.total_seconds()))
        self._openssl("ca", "-gencrl", "-crlsec", seconds, "-out", signed)
        new = self.published.with_suffix(".new")
        self._openssl("crl", "-in", signed, "-outform", "DER", "-out", new)
        new.replace(self.published)
        crl = x509.load_der_x509_crl(self.published.read_bytes())
        assert crl.next_update_utc is not None
        return crl.next_update_utc

    def trust(self, site: LiveSite, *settings: str) -> None:
        """Let *site* trust this CA, by the mail addresses in its certificates."""
        site.folder.trust.mkdir(exist_ok=True)
        files = [self.certificate, *filter(None, [self.above])]
        pem = site.folder.trust_certificates(self.name)
        pem.write_bytes(b"".join(file.read_bytes() for file in files))
        text = "\n".join(['map = "san-email"', *settings, ""])
        site.folder.trust_settings(self.name).write_text(text)
        site.command("reload")

    def distrust(self, site: LiveSite) -> None:
        """Take the trust away again."""
        site.folder.trust_settings(self.name).unlink()
        site.folder.trust_certificates(self.name).unlink()
        site.command("reload")

    def _openssl(self, command: str, *words: str | Path) -> None:
        config = ("-config", self.folder / "openssl.cnf") if command in {"ca", "req"} else ()
        ran = subprocess.run(
            ["openssl", command, *map(str, (*config, *words))],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr


@contextmanager
def running_corp(folder: Path) -> Iterator[Corp]:
    """Make a CA in *folder*, and serve its list for the length of a block."""
    public = folder / "public"
    public.mkdir(parents=True)
    with serving(public) as port:
        corp = Corp(folder, public / LIST, f"http://127.0.0.1:{port}/{LIST}")
        _furnish(folder)
        corp._openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", folder / "ca.key", "-out", corp.certificate, "-days", "30"),
            *("-subj", "/O=Corp/CN=Corp CA", "-extensions", "authority"),
        )
        corp.publish()
        yield corp


@contextmanager
def running_below(above: Corp, folder: Path) -> Iterator[Corp]:
    """Make a CA in *folder* below *above*, and let responders tell of both, on this machine."""
    folder.mkdir()
    _furnish(folder)
    with responding() as (port, responders):
        below = Corp(
            *(folder, folder, f"http://127.0.0.1:{port}/below", "staff"),
            above=above.certificate,
            told=_ASKED,
        )
        responders |= {"/above": above, "/below": below}
        request, extensions = folder / "ca.csr", folder / "ca.ext"
        extensions.write_text(_BELOW + _ASKED.format(url=f"http://127.0.0.1:{port}/above"))
        below._openssl(
            *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", folder / "ca.key", "-out", request, "-subj", "/CN=Corp Staff CA"),
        )
        above.certify(request, below.certificate, extensions)
        yield below


def _furnish(folder: Path) -> None:
    (folder / "openssl.cnf").write_text(_CONFIG.format(folder=folder))
    (folder / "index.txt").touch()
    (folder / "crlnumber").write_text("01\n")


@contextmanager
def responding() -> Iterator[tuple[int, dict[str, Corp]]]:
    """Serve OCSP on a port of this machine, at each path for the CA that the block puts there."""
    responders: dict[str, Corp] = {}

    class Responder(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Have `openssl ocsp` answer."""
            said = responders[self.path].answer(
                self.rfile.read(int(self.headers["Content-Length"]))
            )
            self.send_response(200)
            self.send_header("Content-Type", "application/ocsp-response")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            """Say nothing of each request."""

    with _serving(Responder) as port:
        yield port, responders


@contextmanager
def serving(folder: Path) -> Iterator[int]:
    """Serve the files in *folder* on a port of this machine."""

    class Files(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            """Say nothing of each request."""

    with _serving(Files) as port:
        yield port


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def utc_now() -> datetime:
    """Return this moment."""
    return datetime.now(UTC)
