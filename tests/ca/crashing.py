"""Issues certificates, one after the other, each in a process that is killed one line later.

Run as a program, since each of them is a fork and forks want no threads:
`python -m tests.ca.crashing URL FOLDER (bundle|request)`. A line is a line of the code that decides
in which order things become durable. The last process comes to its end; the number of those that
were killed is printed.

The CA's key tells FOLDER/signed each serial just before it signs for it.
"""

import asyncio
import os
import secrets
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    PrivateFormat,
)
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

import ca
from ca import ledger
from ca.authority import Authority, Order
from ca.csr import CertificateRequest
from ca.der import INTEGER, elements
from ca.issue import Issuer, der
from ca.keys import SignerLock
from ca.kinds import make_key
from ca.publishing import Publication
from tests.ca.databases import sqlite_engine
from tests.ca.makers import CLIENT_PROFILE, CRL_URL, HOST, NOW, make_ca

PASSPHRASE = "correct horse"
WATCHED = {f"{ca.__path__[0]}/{name}.py" for name in ("authority", "issue", "keys")}


class TellingKey(ec.EllipticCurvePrivateKey):
    """The CA's key, which writes down for what it is asked to sign before it does."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, told: Path) -> None:
        self._key = key
        self._told = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Tell the serial in the certificate's body, and sign."""
        ((_, body),) = elements(bytes(data))
        serial = next(content for tag, content in elements(body) if tag == INTEGER)
        os.write(self._told, f"{int.from_bytes(serial):x}\n".encode())
        return self._key.sign(data, signature_algorithm)

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """As the key has it."""
        return self._key.public_key()

    @property
    def curve(self) -> ec.EllipticCurve:
        """As the key has it."""
        return self._key.curve

    @property
    def key_size(self) -> int:
        """As the key has it."""
        return self._key.key_size

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        """Never needed."""
        raise NotImplementedError

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        """Never needed."""
        raise NotImplementedError

    def private_bytes(
        self,
        encoding: Encoding,
        format: PrivateFormat,  # noqa: A002 - the library's name
        encryption_algorithm: KeySerializationEncryption,
    ) -> bytes:
        """Never needed."""
        raise NotImplementedError

    def __copy__(self) -> "TellingKey":
        return self

    def __deepcopy__(self, memo: object) -> "TellingKey":
        return self


def open_engine(url: str) -> AsyncEngine:
    """Open the database as the ledger's tests do."""
    database = make_url(url).database
    if url.startswith("sqlite") and database is not None:
        return sqlite_engine(Path(database))
    return create_async_engine(url)


async def prepare(url: str, issuer: Issuer) -> None:
    """Let the ledger know the issuer."""
    engine = open_engine(url)
    async with engine.begin() as connection:
        await ledger.record_issuer(connection, name=issuer.name, der=der(issuer.certificate))
    await engine.dispose()


async def issue_one(url: str, issuer: Issuer, folder: Path, number: int, way: str) -> None:
    """Issue one certificate into a new file."""
    engine = open_engine(url)
    authority = Authority(
        begin=engine.begin,
        issuer=issuer,
        profile=CLIENT_PROFILE,
        host=HOST,
        lock=SignerLock(folder / "lock"),
        entropy=secrets.token_bytes,
        publication=Publication(CRL_URL.removesuffix("issuing-1.crl")),
    )
    order = Order("anna", f"stick-{number}")
    if way == "bundle":
        path = folder / f"{number}.p12"
        await authority.enrol_to_file(order, name="Anna", path=path, passphrase=PASSPHRASE, now=NOW)
    else:
        asked = CertificateRequest(make_key().public_key(), ())
        await authority.enrol_request(order, asked, path=folder / f"{number}.pem", now=NOW)
    await engine.dispose()


def kill_before(line: int) -> None:
    """End this process, at once and for good, before the watched line number *line* runs."""
    count = 0

    def on_line(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        if event == "line":
            count += 1
            if count == line:
                os.kill(os.getpid(), signal.SIGKILL)
        return on_line

    def on_call(frame: FrameType, event: str, argument: object) -> Any:
        return on_line if frame.f_code.co_filename in WATCHED else None

    sys.settrace(on_call)


def main() -> None:
    """Kill one process after the other, until one comes to its end."""
    url, folder, way = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    issuing = make_ca().issuing
    assert isinstance(issuing.key, ec.EllipticCurvePrivateKey)
    issuer = replace(issuing, key=TellingKey(issuing.key, folder / "signed"))
    asyncio.run(prepare(url, issuer))
    number = 0
    while True:
        number += 1
        child = os.fork()
        if child == 0:
            kill_before(number)
            asyncio.run(issue_one(url, issuer, folder, number, way))
            sys.settrace(None)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) == 0:
            break
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    print(number - 1)


if __name__ == "__main__":
    main()
