"""Keys in a token: SoftHSM, the software one; and errors of every kind that people meet."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pkcs11
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ca.addresses import parse_address
from ca.errors import FileRefused, KeyLocked
from ca.issue import Issuer, make_issuing, make_root
from ca.keys import KeyRing, Protection, load_key, protection_of, write_new
from ca.kinds import KeyKind, PrivateKey, kind_of, make_key
from ca.requests import build_request
from ca.token import open_key, refuse_last_try
from tests.ca.makers import CA, HOST, judge, new_serial, write_pem
from tests.ca.test_kinds import key_of
from tests.softhsm import MODULE, PIN, SoftHSM

NOW = datetime.now(UTC).replace(microsecond=0)
END = f"?module-path={MODULE}"


@pytest.fixture(scope="module")
def hsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHSM]:
    """A token with a key of each kind, and some that are of no use.

    The library reads its configuration once in the life of a process.
    """
    hsm = SoftHSM.make(tmp_path_factory.mktemp("hsm"), "pusterla")
    for number, kind in enumerate(KeyKind, 1):
        hsm.put(kind.value, number, make_key(kind))
    hsm.put("weak", 20, rsa.generate_private_key(65537, 2048))
    for number in (30, 31):
        hsm.put("twins", number, make_key())
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(hsm.configuration)
    yield hsm
    if before is None:
        del os.environ["SOFTHSM2_CONF"]


def opened(hsm: SoftHSM, label: str, pin: str = PIN) -> PrivateKey:
    """Open the key called *label*."""
    return open_key(parse_address(hsm.address(label)), pin.encode())


@pytest.mark.parametrize("kind", KeyKind)
class TestSigning:
    def test_judges_accept_what_it_signs(self, hsm: SoftHSM, kind: KeyKind, tmp_path: Path) -> None:
        """Certificates of people and of the server, below a root in a file; and a root itself."""
        key, root_key = opened(hsm, kind.value), key_of(KeyKind.P256, "root")
        assert kind_of(key.public_key()) is kind
        root = Issuer("root", make_root(HOST, root_key, new_serial(), NOW), root_key)
        certificate = make_issuing(root, HOST, key.public_key(), new_serial(), NOW)
        ca = CA(root, Issuer("issuing-1", certificate, key, root.chain))
        top = write_pem(tmp_path / "root.pem", root.certificate)
        chain = write_pem(tmp_path / "issuing.pem", certificate)
        leaf = key_of(KeyKind.P256, "leaf")
        for issued in (ca.client(leaf, NOW), ca.server(leaf, NOW)):
            file = write_pem(tmp_path / "leaf.pem", issued)
            judge("openssl", "verify", "-x509_strict", "-CAfile", top, "-untrusted", chain, file)
        self_signed = write_pem(tmp_path / "own.pem", make_root(HOST, key, new_serial(), NOW))
        judge("openssl", "verify", "-x509_strict", "-CAfile", self_signed, self_signed)

    def test_requests_and_lists(self, hsm: SoftHSM, kind: KeyKind, tmp_path: Path) -> None:
        """What `cryptography` builds of other sorts is signed as well."""
        key = opened(hsm, kind.value)
        file = tmp_path / "issuing-2.csr"
        file.write_bytes(build_request(key, HOST, 2).public_bytes(Encoding.PEM))
        assert "verify OK" in judge("openssl", "req", "-in", file, "-verify", "-noout")

    def test_it_does_not_leave_the_token(self, hsm: SoftHSM, kind: KeyKind) -> None:
        """There is no way to its bytes."""
        key = opened(hsm, kind.value)
        with pytest.raises(FileRefused, match="does not leave it"):
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def test_its_file_holds_an_address(self, hsm: SoftHSM, kind: KeyKind, tmp_path: Path) -> None:
        """And the PIN is asked for as a passphrase is; a ring keeps it."""
        path = tmp_path / "issuing.key"
        write_new(path, (hsm.address(kind.value) + "\n").encode())
        asked: list[Path] = []

        def ask(path: Path) -> bytes:
            asked.append(path)
            return PIN.encode()

        ring = KeyRing(ask)
        assert ring.load(path) is ring.load(path)
        assert asked == [path]
        assert protection_of(path) is Protection.TOKEN
        with pytest.raises(KeyLocked, match="no PIN"):
            load_key(path)


class TestErrors:
    def test_a_wrong_pin_is_tried_once(self, hsm: SoftHSM) -> None:
        """Or a process that starts by itself would lock the token."""
        with pytest.raises(KeyLocked, match=r"the PIN is wrong$"):
            opened(hsm, "p256", "9999999")
        with pytest.raises(KeyLocked, match="not tried a second time"):
            opened(hsm, "p256", "9999999")
        opened(hsm, "p256")

    @pytest.mark.parametrize("flag", ["USER_PIN_LOCKED", "USER_PIN_FINAL_TRY"])
    def test_the_last_try_is_left_to_people(self, flag: str) -> None:
        """As is a token that is locked."""
        address = parse_address(f"pkcs11:token=t;object=k{END}")
        refuse_last_try(int(pkcs11.TokenFlag.USER_PIN_COUNT_LOW), address)
        with pytest.raises(KeyLocked, match=r"lock"):
            refuse_last_try(int(pkcs11.TokenFlag[flag]), address)

    @pytest.mark.parametrize(
        "address, words",
        [
            (f"pkcs11:token=pusterla;object=none{END}", "no such key"),
            (f"pkcs11:token=other;object=p256{END}", "no such token; is it plugged in"),
            (f"pkcs11:token=pusterla;object=twins{END}", "several keys are called so; add id="),
            (f"pkcs11:token=pusterla;object=weak{END}", "is not P-256, P-384"),
            ("pkcs11:token=pusterla;object=p256?module-path=/no/such.so", "/no/such.so"),
        ],
    )
    def test_what_is_missing_is_named(self, hsm: SoftHSM, address: str, words: str) -> None:
        """Token, key or library."""
        with pytest.raises(FileRefused, match=words):
            open_key(parse_address(address), PIN.encode())

    def test_one_of_two_is_told_by_its_number(self, hsm: SoftHSM) -> None:
        """With id=, as RFC 7512 writes it."""
        address = f"pkcs11:token=pusterla;object=twins;id=%1f{END}"
        open_key(parse_address(address), PIN.encode())

    def test_other_ways_to_sign(self, hsm: SoftHSM) -> None:
        """Are refused rather than done wrong."""
        elliptic, other = opened(hsm, "p256"), opened(hsm, "rsa3072")
        assert isinstance(elliptic, ec.EllipticCurvePrivateKey)
        assert isinstance(other, rsa.RSAPrivateKey)
        with pytest.raises(TypeError):
            elliptic.sign(bytes(32), ec.ECDSA(Prehashed(hashes.SHA256())))
        with pytest.raises(TypeError):
            other.sign(b"", padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


class TestWithoutTheLibrary:
    def test_nobody_loads_it_who_has_no_token(self) -> None:
        """Neither what faces the network nor what signs with keys in files."""
        probe = (
            "import sys, ca.authority, ca.keys, gateway.bootstrap.edge, gateway.bootstrap.portal;"
            "sys.exit('pkcs11' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0

    def test_where_it_is_not_installed_that_is_said(self) -> None:
        """With the way to install it."""
        program = (
            "import sys; sys.modules['pkcs11'] = None\n"
            "from ca.addresses import parse_address\n"
            "from ca.token import open_key\n"
            "open_key(parse_address('pkcs11:token=t;object=k?module-path=/l.so'), b'1234')"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        assert "FileRefused" in done.stderr
        assert "pip install 'pusterla[token]'" in done.stderr
