"""Killed at every step, on real databases: nothing signed is unrecorded, no file is half full."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12
from sqlalchemy.ext.asyncio import AsyncEngine

from ca import ledger
from ca.issue import fingerprint
from ca.ledger import CertificateState
from tests.ca.crashing import PASSPHRASE
from tests.ca.databases import Begin

ROOT = Path(__file__).parents[2]


def handed_out(path: Path) -> x509.Certificate:
    """Return the certificate in a file that somebody may have found."""
    if path.suffix == ".pem":
        leaf, *_ = x509.load_pem_x509_certificates(path.read_bytes())
        return leaf
    bundle = pkcs12.load_pkcs12(path.read_bytes(), PASSPHRASE.encode())
    assert bundle.cert is not None
    return bundle.cert.certificate


@pytest.mark.parametrize(
    "engine, way",
    [("sqlite", "bundle"), ("sqlite", "request"), ("postgresql", "bundle")],
    indirect=["engine"],
)
async def test_killed_before_every_line(
    begin: Begin, engine: AsyncEngine, tmp_path: Path, way: str
) -> None:
    """Some hundred processes die at as many places, and the ledger has all that they signed."""
    url = engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "tests.ca.crashing", url, str(tmp_path), way]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    killed = int(done.stdout)
    assert killed > 100
    async with begin() as connection:
        found = await ledger.list_certificates(connection)
    records = {record.serial: record for record in found}
    signed = set((tmp_path / "signed").read_text().split())
    # What the CA's key was asked to sign, whether or not it came to it.
    assert signed <= records.keys()
    # It did die in between: after the reservation, after the signature, after the record.
    states = {serial: record.state for serial, record in records.items()}
    assert CertificateState.RESERVED in {states[serial] for serial in states.keys() - signed}
    assert CertificateState.RESERVED in {states[serial] for serial in signed}
    files = [path for path in tmp_path.iterdir() if path.suffix in {".pem", ".p12"}]
    filled = [path for path in files if path.stat().st_size]
    # Files appear whole, and hold what the ledger calls valid.
    certificates = [handed_out(path) for path in filled]
    assert len(certificates) >= 1
    for certificate in certificates:
        record = records[f"{certificate.serial_number:x}"]
        assert record.state is CertificateState.VALID
        assert record.fingerprint == fingerprint(certificate)
    valid = [serial for serial, state in states.items() if state is CertificateState.VALID]
    assert len(valid) > len(certificates)
    # The last one was not killed.
    assert (tmp_path / f"{killed + 1}").with_suffix(".p12" if way == "bundle" else ".pem") in filled
