import os
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ca.kinds import KeyKind, make_key
from gateway.kit.store import CERTIFICATES, KEYS, Identity, build_store
from tests.gateway.kit.persons import make_identity

PASSWORD = "cavallo batteria gràffetta"
pytestmark = pytest.mark.usefixtures("judges")


def stored(identity: Identity, folder: Path, password: str = PASSWORD) -> Path:
    """Write a store for NSS's programs, and its password beside it."""
    folder.mkdir()
    for name, content in build_store(identity, password, os.urandom).items():
        (folder / name).write_bytes(content)
    (folder / "password").write_text(password, encoding="utf-8")
    return folder


def judge(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Ask one of NSS's programs about the store in *folder*."""
    return subprocess.run(
        [*words, "-d", f"sql:{folder}"], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("kind", [KeyKind.P256, KeyKind.P384, KeyKind.RSA3072])
def test_nss_finds_the_key_and_takes_it_out_as_it_went_in(kind: KeyKind, tmp_path: Path) -> None:
    """certutil lists certificate and key as belonging together; pk12util exports the same key."""
    identity = make_identity(kind)
    folder = stored(identity, tmp_path / "store")
    password = str(folder / "password")
    listed = judge("certutil", "-L", folder=folder)
    assert "Anna Ròssi (stick-1)" in listed.stdout
    assert "u,u,u" in listed.stdout
    keys = judge("certutil", "-K", "-f", password, folder=folder)
    assert (keys.returncode, keys.stdout.count("Anna Ròssi (stick-1)")) == (0, 1), keys.stderr
    bundle = tmp_path / "out.p12"
    words = ("pk12util", "-o", str(bundle), "-n", identity.name, "-W", "x", "-k", password)
    exported = judge(*words, folder=folder)
    assert exported.returncode == 0, exported.stderr
    pem = subprocess.run(
        ["openssl", "pkcs12", "-in", str(bundle), "-nodes", "-nocerts", "-passin", "pass:x"],
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout
    key = load_pem_private_key(pem, None)
    assert key.public_key() == identity.key.public_key()


def test_the_root_is_trusted_for_websites_and_nothing_else(anna: Identity, tmp_path: Path) -> None:
    """The flags are those of `certutil -t C,,`; NSS takes it for an authority over servers only."""
    folder = stored(anna, tmp_path / "store")
    root = anna.chain[-1].subject.rfc4514_string()
    listed = judge("certutil", "-L", folder=folder).stdout.splitlines()
    flags = {line.rsplit(maxsplit=1)[0].strip(): line.split()[-1] for line in listed if "," in line}
    assert flags[root] == "C,,"
    assert judge("certutil", "-V", "-u", "L", "-n", root, folder=folder).returncode == 0
    assert judge("certutil", "-V", "-u", "S", "-n", root, folder=folder).returncode != 0


def test_the_issuing_authority_is_there_and_trusted_by_its_root_alone(
    anna: Identity, tmp_path: Path
) -> None:
    """Firefox shows the certificate also to a server that names the root alone."""
    folder = stored(anna, tmp_path / "store")
    issuing = anna.chain[0].subject.rfc4514_string()
    listed = judge("certutil", "-L", folder=folder).stdout
    (line,) = [line for line in listed.splitlines() if line.startswith(issuing)]
    assert line.split()[-1] == ",,"


def test_another_password_opens_nothing(anna: Identity, tmp_path: Path) -> None:
    """NSS itself says so."""
    folder = stored(anna, tmp_path / "store")
    (folder / "wrong").write_text("another password")
    keys = judge("certutil", "-K", "-f", str(folder / "wrong"), folder=folder)
    assert keys.returncode != 0
    assert "SEC_ERROR_BAD_PASSWORD" in keys.stderr


def test_a_person_may_change_the_password(anna: Identity, tmp_path: Path) -> None:
    """NSS changes it in our store as in its own, and finds the key under the new one."""
    folder = stored(anna, tmp_path / "store")
    (folder / "new").write_text("quattro parole nuove qui")
    words = ("certutil", "-W", "-f", str(folder / "password"), "-@", str(folder / "new"))
    changed = judge(*words, folder=folder)
    assert changed.returncode == 0, changed.stderr
    keys = judge("certutil", "-K", "-f", str(folder / "new"), folder=folder)
    assert (keys.returncode, keys.stdout.count(anna.name)) == (0, 1), keys.stderr


def test_neither_key_nor_password_is_in_the_files(anna: Identity) -> None:
    """Nor anything of the key but its public half."""
    files = build_store(anna, PASSWORD, os.urandom, rounds=1000)
    assert set(files) == {CERTIFICATES, KEYS}
    # Only keys on curves have one number; the test's is.
    secret = anna.key.private_numbers().private_value  # type: ignore[union-attr]
    for content in files.values():
        assert PASSWORD.encode() not in content
        assert secret.to_bytes(32) not in content


def test_a_key_that_no_browser_takes_is_refused(anna: Identity) -> None:
    """Before anything is made."""
    identity = Identity("x", make_key(KeyKind.ED25519), anna.certificate, anna.chain)
    with pytest.raises(ValueError, match="Ed25519"):
        build_store(identity, PASSWORD, os.urandom, rounds=1000)
