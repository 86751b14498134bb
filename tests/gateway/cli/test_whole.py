"""From an empty folder to a revoked certificate, with the program that people run."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(sys.executable).with_name("pusterla")
OPENSSL = "openssl"


def run(*words: str, stdin: str = "", site: Path | None = None) -> str:
    """Run the program as a shell would, and return what it prints; it must succeed."""
    environment = {key: value for key, value in os.environ.items() if key != "PUSTERLA_SITE"}
    if site is not None:
        environment["PUSTERLA_SITE"] = str(site)
    done = subprocess.run(
        [PROGRAM, *words], input=stdin, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def openssl(*words: str | Path, stdin: bytes = b"") -> str:
    """Ask openssl."""
    done = subprocess.run([OPENSSL, *words], input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder; without the programs there is nothing to test."""
    if not PROGRAM.exists():
        pytest.skip("the project is not installed: there is no pusterla program")
    if shutil.which(OPENSSL) is None:
        pytest.skip("openssl is not installed")
    return tmp_path


def test_the_whole_way(folder: Path) -> None:
    """init, user, app, certificate, revocation: openssl reads what comes of each."""
    site, bundle = folder / "site", folder / "anna.p12"
    run("init", str(site), "--host", "pusterla.localhost", "--port", "8443")
    words = ("user", "add", "anna", "--name", "Anna Rossi", "--email", "anna@example.it")
    added = run(
        *(*words, "--group", "technicians", "--password-stdin", "--json"),
        stdin="correct horse battery\n",
        site=site,
    )
    assert json.loads(added)["totp_uri"].startswith("otpauth://totp/")
    run(
        *("app", "add", "wiki", "--host", "wiki.pusterla.localhost"),
        *("--upstream", "http://127.0.0.1:9000", "--allow", "group:technicians"),
        site=site,
    )
    issued: dict[str, Any] = json.loads(
        run(
            *("cert", "issue", "anna", "--device", "stick-1", "--days", "365", "--apps", "wiki"),
            *("--p12", str(bundle), "--p12-password-stdin", "--json"),
            stdin="staple\n",
            site=site,
        )
    )
    pem = openssl("pkcs12", "-in", bundle, "-passin", "pass:staple", "-nokeys", "-clcerts")
    serial = openssl("x509", "-noout", "-serial", stdin=pem.encode()).strip()
    assert serial.partition("=")[2].lower() == issued["serial"]
    (folder / "anna.pem").write_text(pem, encoding="ascii")
    trust = ("-CAfile", site / "keys" / "edge" / "clients.pem", "-purpose", "sslclient")
    assert "OK" in openssl("verify", *trust, folder / "anna.pem")

    run("cert", "revoke", "--user", "anna", "--reason", "keyCompromise", site=site)
    text = openssl("crl", "-inform", "DER", "-noout", "-text", stdin=published(site))
    assert f"Serial Number: {issued['serial'].upper()}" in text
    assert "Key Compromise" in text
    assert "CRL Number" in text
    run("doctor", site=site)


def published(site: Path) -> bytes:
    """Return the newest CRL of *site*."""
    database = sqlite3.connect(site / "store" / "pusterla.sqlite3")
    (der,) = database.execute("SELECT der FROM crl ORDER BY number DESC LIMIT 1").fetchone()
    database.close()
    return bytes(der)


def test_a_reader_that_goes_away_is_no_error(folder: Path) -> None:
    """`pusterla ... | head` ends quietly."""
    site = folder / "site"
    run("init", str(site), "--host", "pusterla.localhost")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [PROGRAM, "--site", site, "audit", "tail"],
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert done.stderr == b""
