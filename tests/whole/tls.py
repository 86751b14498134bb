"""`openssl s_client`, a client that says what it sees of a handshake."""

import re
import subprocess
from dataclasses import dataclass

from tests.whole.people import Stick
from tests.whole.sites import LiveSite
from tests.whole.wire import PATIENCE

VERSIONS = ("-tls1_2", "-tls1_3")

_ALERT = re.compile(r"<<< TLS [0-9.]+, Alert \[length [0-9a-f]+\], fatal (.+)")


@dataclass(frozen=True, slots=True)
class Handshake:
    """What s_client printed: messages of the protocol, alerts, and what the server then said."""

    text: str

    @property
    def asks_for_a_certificate(self) -> bool:
        """Whether the server sent a CertificateRequest (RFC 8446, section 4.3.2)."""
        return "CertificateRequest" in self.text

    @property
    def alert(self) -> str | None:
        """The server's fatal alert, as openssl names it."""
        found = _ALERT.search(self.text)
        return found[1].strip() if found else None

    @property
    def status(self) -> int | None:
        """The status of the HTTP response, if there was one."""
        found = re.search(r"^HTTP/1\.1 (\d{3}) ", self.text, re.MULTILINE)
        return int(found[1]) if found else None


def shake_hands(
    site: LiveSite, name: str, version: str, *options: str, stick: Stick | None = None
) -> Handshake:
    """Connect under the server name *name*, ask for its front page, and read until the close."""
    shown = [] if stick is None else ["-cert", str(stick.file), "-key", str(stick.file)]
    ran = subprocess.run(
        [
            *("openssl", "s_client", "-connect", f"127.0.0.1:{site.port}", "-servername", name),
            *("-CAfile", str(site.folder.root_certificate), "-verify_return_error"),
            *("-ign_eof", "-nocommands", "-msg", version, *shown, *options),
        ],
        input=f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=PATIENCE,
        check=False,
    )
    return Handshake(ran.stdout)
