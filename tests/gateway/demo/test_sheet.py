import re
import shlex
from pathlib import Path

import pytest

from gateway.demo.sheet import END_WORDS, Listed, Sheet, curl_line, render

SHEET = Sheet(
    place=Path("/tmp/a demo"),
    portal="https://pusterla.localhost:8443/",
    user="anna",
    password="pa$$ word",
    bundle=Path("/tmp/a demo/anna.p12"),
    passphrase="it's",
    totp_uri="otpauth://totp/demo:anna?secret=JBSWY3DPEHPK3PXP&issuer=demo",
    secret="JBSWY3DPEHPK3PXP",
    root=Path("/tmp/a demo/root.pem"),
    apps=(
        Listed("wiki", "a wiki", "https://wiki.pusterla.localhost:8443/", "technicians", False),
        Listed("crm", "a crm", "https://crm.pusterla.localhost:8443/", "sales", True),
    ),
    page="https://wiki.pusterla.localhost:8443/?a=b&c",
    next_code=("/a b/python", "/tmp/a demo/code.py"),
    command=("/a b/pusterla", "--site", "/tmp/a demo/site"),
    contained=True,
)


class TestSheet:
    def test_the_curl_line_is_one_line_and_survives_a_shell(self) -> None:
        """Spaces, quotes and dollars in paths and passwords reach curl as they are."""
        line = curl_line(SHEET)
        assert "\n" not in line
        shown = line.replace("$('/a b/python' '/tmp/a demo/code.py')", "CODE")
        assert shlex.split(shown) == [
            *("curl", "-sSL", "--cacert", "/tmp/a demo/root.pem"),
            *("--cert-type", "P12", "--cert", "/tmp/a demo/anna.p12:it's", "-b", ""),
            *("-d", "user=anna", "-d", "password=pa$$ word", "-d", "code=CODE"),
            *("--data-urlencode", "to=https://wiki.pusterla.localhost:8443/?a=b&c"),
            "https://pusterla.localhost:8443/sign-in",
        ]

    @pytest.mark.parametrize("unicode", [True, False])
    def test_it_holds_all_that_one_needs(self, *, unicode: bool) -> None:
        """Certificate, passphrase, user, password, code, secret, addresses and the way out."""
        text = render(SHEET, "123456", 7, unicode=unicode)
        for expected in (
            SHEET.portal,
            str(SHEET.bundle),
            SHEET.passphrase,
            SHEET.user,
            SHEET.password,
            SHEET.secret,
            "123456   (for another 7 s",
            str(SHEET.root),
            "https://wiki.pusterla.localhost:8443/",
            "anna is not in sales: a refusal",
            "cert revoke --user anna --reason keyCompromise",
            END_WORDS,
        ):
            assert expected in text

    def test_without_unicode_it_is_ascii(self) -> None:
        """A terminal that knows only ASCII is drawn the code in colours."""
        assert render(SHEET, "123456", 7, unicode=False).isascii()
        assert re.search("[▀▄█]", render(SHEET, "123456", 7, unicode=True))
