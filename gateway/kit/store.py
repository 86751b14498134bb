"""The certificate store of a browser's profile: NSS's cert9.db and key4.db, written by us.

Both are SQLite. An object of PKCS #11 is a row, an attribute the column `a` with its number in
hexadecimal. What was learned from stores that certutil and pk12util made is in docs/kit.md; they
are the judges in the tests.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from cryptography import x509

from ca.kinds import PrivateKey
from gateway.kit.objects import (
    INDEXES,
    Attributes,
    KeyParts,
    authenticated,
    certificate_object,
    private_key_object,
    public_key_object,
    public_parts,
    take_apart,
    trust_object,
)
from gateway.kit.sealing import ROUNDS, Entropy, Sealer

CERTIFICATES: Final = "cert9.db"
KEYS: Final = "key4.db"

# All columns that NSS 3.87 makes. A query for one that is missing fails in NSS.
_PLAIN = (
    "0 1 2 3 10 11 12 80 81 82 83 84 85 86 87 88 89 8a 8b 90 100 101 102 103 104 105 106 107 108"
    " 109 10a 10b 10c 110 111 120 121 122 123 124 125 126 127 128 129 130 131 132 133 134 160 161"
    " 162 163 164 165 166 170 180 181 200 201 202 210 300 301 302 400 401 402 403 404 405 406 480"
    " 481 482 500 501 502 503 40000211 40000212 80000001 ce534351 ce534352 ce534353 ce534354"
    " ce534355 ce534356 ce534357 ce534358 ce534364 ce534365 ce534366 ce534367 ce534368 ce534369"
    " ce534373 ce534374 ce536351 ce536352 ce536353 ce536354 ce536355 ce536356 ce536357 ce536358"
    " ce536359 ce53635a ce53635b ce53635c ce53635d ce53635e ce53635f ce536360 ce5363b4 ce5363b5"
    " d5a0db00"
)
_COLUMNS = ", ".join(f"a{number}" for number in _PLAIN.split())

Row = tuple[str, bytes, bytes | None]


@dataclass(frozen=True, slots=True)
class Shown:
    """Who a profile is: a *certificate*, shown as *name*; and whom it believes.

    *chain* is what stands above the certificate, the nearest first; the last one is the root.
    """

    name: str
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """The same with its *key*."""

    name: str
    key: PrivateKey
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]


def build_store(
    identity: Identity, password: str, entropy: Entropy, *, rounds: int = ROUNDS
) -> dict[str, bytes]:
    """Return the files of a store that holds *identity* under the primary *password*.

    The root is trusted to sign for web servers, and for nothing else. Raises `ValueError` for
    a key that no browser takes. Takes a good part of a second, on purpose.
    """
    sealer = Sealer(password, entropy, rounds)
    parts = take_apart(identity.key)
    opened = _opened(Shown(identity.name, identity.certificate, identity.chain), parts)
    sealed = {number: sealer.encrypt(value) for number, value in parts.secret.items()}
    check = sealer.password()
    rows = [
        ("password", check.salt, check.check),
        # Secrets are signed as they are before they are sealed, and with no object's number.
        *_signatures(sealer, "key", _KEY_ROW, parts.secret, signed_as=0),
        *_signatures(sealer, "key", _KEY_ROW, authenticated(parts.opened)),
        *_signatures(sealer, "cert", _TRUST_ROW, authenticated(opened[_TRUST_ROW])),
        *_signatures(sealer, "cert", _PUBLIC_KEY_ROW, authenticated(parts.public)),
    ]
    key = private_key_object(identity.name, identity.certificate.subject, parts)
    return {
        CERTIFICATES: _database("nssPublic", opened),
        KEYS: _database("nssPrivate", {_KEY_ROW: key | sealed}, rows),
    }


def certificate_store(identity: Shown) -> bytes:
    """Return the half of a store that holds no key, for the same key as before.

    It takes the place of that half of a kit: NSS finds the key by its number, and what the other
    half has signed, trust and public key, is the same in the same place. Raises `ValueError` for
    a key that no browser takes.
    """
    parts = public_parts(identity.certificate.public_key())
    return _database("nssPublic", _opened(identity, parts))


def _opened(identity: Shown, parts: KeyParts) -> dict[int, Attributes]:
    root = identity.chain[-1]
    return {
        _ROOT_ROW: certificate_object(root),
        _TRUST_ROW: trust_object(root),
        _PUBLIC_KEY_ROW: public_key_object(parts),
        _OWN_ROW: certificate_object(identity.certificate, identity.name, parts.id),
        **{_ABOVE + at: certificate_object(one) for at, one in enumerate(identity.chain[:-1])},
    }


# Numbers of the objects; any below 2^30 will do.
_ROOT_ROW, _TRUST_ROW, _PUBLIC_KEY_ROW, _OWN_ROW, _ABOVE = 1, 2, 3, 4, 5
_KEY_ROW = 1


def _signatures(
    sealer: Sealer, base: str, row: int, values: Attributes, *, signed_as: int | None = None
) -> Iterator[Row]:
    for number, value in values.items():
        mac = sealer.sign(row if signed_as is None else signed_as, number, value)
        yield f"sig_{base}_{row:08x}_{number:08x}", mac, None


def _database(table: str, objects: Mapping[int, Attributes], meta: Sequence[Row] = ()) -> bytes:
    """Return a database, made in memory: no file of it is ever written but the kit's own."""
    with closing(sqlite3.connect(":memory:")) as base:
        base.execute(f"CREATE TABLE {table} (id PRIMARY KEY UNIQUE ON CONFLICT ABORT, {_COLUMNS})")
        for name, number in INDEXES.items():
            base.execute(f"CREATE INDEX {name} ON {table} (a{number:x})")
        if meta:
            base.execute(
                "CREATE TABLE metaData (id PRIMARY KEY UNIQUE ON CONFLICT REPLACE, item1, item2)"
            )
            base.executemany("INSERT INTO metaData VALUES (?, ?, ?)", meta)
        for place, attributes in objects.items():
            columns = ", ".join(f"a{number:x}" for number in attributes)
            marks = ", ".join("?" * (len(attributes) + 1))
            base.execute(
                f"INSERT INTO {table} (id, {columns}) VALUES ({marks})",  # noqa: S608 - our own numbers
                (place, *attributes.values()),
            )
        base.commit()
        return base.serialize()
