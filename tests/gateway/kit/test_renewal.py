"""What renews a stick: the half of its store without the key, and a word that nobody can guess."""

import os
import subprocess
from pathlib import Path

import pytest

from ca.kinds import KeyKind
from gateway.kit.choices import FILE as CHOICES
from gateway.kit.renewal import AFTER, BEFORE, MEMBERS, renewal_members, word_of
from gateway.kit.store import CERTIFICATES, KEYS, Identity, Shown, build_store
from tests.ca.makers import make_ca
from tests.gateway.kit.persons import NOW, make_identity

PASSWORD = "cavallo batteria"
KINDS = [kind for kind in KeyKind if kind is not KeyKind.ED25519]


def renewed(old: Identity) -> Shown:
    """Return the same person with another certificate for the same key."""
    ca = make_ca()
    return Shown(old.name, ca.client(old.key, NOW), ca.issuing.chain)


@pytest.mark.usefixtures("judges")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("password", [PASSWORD, "another one of hers"], ids=["built", "changed"])
def test_nss_finds_the_key_of_the_new_certificate(
    tmp_path: Path, kind: KeyKind, password: str
) -> None:
    """pk12util takes both out of a store of which only that half is new.

    Under the primary password that it was built with, or one to which the person has changed it.
    """
    old = make_identity(kind)
    ca_chain = old.chain
    new = Shown(old.name, renewed(old).certificate, ca_chain)
    files = build_store(old, PASSWORD, os.urandom, rounds=1000)
    members = renewal_members(new, ["pusterla.localhost"], (b"1", b"2"), NOW)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "built").write_text(PASSWORD)
    (tmp_path / "password").write_text(password)
    store = ("-d", f"sql:{tmp_path}")
    if password != PASSWORD:
        files_of = ("-f", str(tmp_path / "built"), "-@", str(tmp_path / "password"))
        changed = ("certutil", "-W", *store, *files_of)
        subprocess.run(changed, check=True, capture_output=True, timeout=30)
    (tmp_path / CERTIFICATES).write_bytes(members[CERTIFICATES])
    listed = subprocess.run(
        ["certutil", "-L", *store, "-f", str(tmp_path / "password")],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert "C,," in listed.stdout
    assert "u,u,u" in listed.stdout
    out = tmp_path / "out.p12"
    subprocess.run(
        [
            *("pk12util", "-o", str(out), "-n", old.name, *store),
            *("-k", str(tmp_path / "password"), "-W", "x"),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    words = ["openssl", "pkcs12", "-in", str(out), "-passin", "pass:x", "-nodes", "-nokeys"]
    ran = subprocess.run([*words, "-clcerts"], check=True, capture_output=True, timeout=30)
    shown = subprocess.run(
        ["openssl", "x509", "-noout", "-serial"], input=ran.stdout, check=True, capture_output=True
    )
    assert int(shown.stdout.decode().strip().removeprefix("serial="), 16) == (
        new.certificate.serial_number
    )


def test_the_file_holds_nothing_secret(anna: Identity) -> None:
    """No database of keys; what it holds is what every launcher takes out of it."""
    members = renewal_members(renewed(anna), ["pusterla.localhost"], (b"1", b"2"), NOW)
    assert set(members) == set(MEMBERS)
    assert KEYS not in members
    assert (members[BEFORE], members[AFTER]) == (b"1", b"2")
    assert b"pusterla.localhost" in members[CHOICES]


def test_a_word_is_that_of_one_certificate_at_one_site() -> None:
    """Neither another certificate nor another site has it."""
    words = {word_of(key, one) for key in (b"1" * 32, b"2" * 32) for one in ("aa", "bb")}
    assert len(words) == 4
    assert word_of(b"1" * 32, "aa") == word_of(b"1" * 32, "aa")
