"""Somebody with a certificate, and the programs that judge what we write."""

import shutil

import pytest

from ca.kinds import KeyKind
from gateway.kit.store import Identity
from tests.gateway.kit.persons import make_identity


@pytest.fixture(scope="session")
def anna() -> Identity:
    """Somebody with a key on P-256."""
    return make_identity(KeyKind.P256)


@pytest.fixture(scope="session")
def judges() -> None:
    """Skip what NSS's own programs are to judge where there are none."""
    for program in ("certutil", "pk12util", "openssl"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here (Debian: libnss3-tools openssl)")
