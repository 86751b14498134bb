"""The signed statement of who is calling, as applications check it."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import jwt
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.core.assertion import LIFETIME, Asserter, key_set, public_jwk
from gateway.core.people import Fingerprint, Person

KEY = ec.derive_private_key(20261124, ec.SECP256R1())
ISSUER = "https://pusterla.example"
ANNA = Person(
    user="anna",
    name="Anna Ròssi",
    email="anna@example.it",
    groups=frozenset({"technicians", "admins"}),
    enabled=True,
)
CERTIFICATE = sha256(b"a certificate's DER")
FINGERPRINT = Fingerprint(CERTIFICATE.hexdigest())


def now() -> datetime:
    """Ask the clock that the judges ask too."""
    return datetime.now(UTC)


def asserted(at: datetime) -> str:
    """Sign what the wiki is told of anna."""
    return Asserter(KEY, ISSUER).sign(ANNA, FINGERPRINT, "wiki", at)


def checked(token: str, audience: str = "wiki", issuer: str = ISSUER) -> dict[str, Any]:
    """Check *token* as an application does that knows our key set and nothing else."""
    keys = jwt.PyJWKSet.from_dict(dict(key_set(KEY.public_key())))
    claims: dict[str, Any] = jwt.decode(
        token,
        keys[jwt.get_unverified_header(token)["kid"]],
        algorithms=["ES256"],
        audience=audience,
        issuer=issuer,
        options={"require": ["exp", "iat", "sub", "aud", "iss"]},
    )
    return claims


def base64url(data: bytes) -> str:
    """Encode as RFC 7515, section 2."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def plain(part: str) -> bytes:
    """Decode one part of a token."""
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_an_application_learns_who_is_calling() -> None:
    """Person, groups in order, and for how long this holds."""
    at = now()
    claims = checked(asserted(at))
    assert claims["sub"] == "anna"
    assert claims["email"] == "anna@example.it"
    assert claims["name"] == "Anna Ròssi"
    assert claims["groups"] == ["admins", "technicians"]
    assert claims["iat"] == int(at.timestamp())
    assert claims["exp"] - claims["iat"] == LIFETIME.total_seconds()


def test_an_assertion_is_bound_to_the_certificate() -> None:
    """`cnf` holds the base64url of the certificate's SHA-256 (RFC 8705, section 3.1)."""
    assert checked(asserted(now()))["cnf"] == {"x5t#S256": base64url(CERTIFICATE.digest())}


def test_an_assertion_is_for_one_application_of_one_site() -> None:
    """The wiki's is refused by the CRM, and by the wiki of another site."""
    token = asserted(now())
    with pytest.raises(jwt.InvalidAudienceError):
        checked(token, audience="crm")
    with pytest.raises(jwt.InvalidIssuerError):
        checked(token, issuer="https://other.example")


def test_an_assertion_ends() -> None:
    """After a minute nobody takes it."""
    with pytest.raises(jwt.ExpiredSignatureError):
        checked(asserted(now() - LIFETIME - timedelta(seconds=1)))


def test_a_changed_assertion_is_refused() -> None:
    """Neither the claims nor the algorithm can be replaced."""
    header, claims, signature = asserted(now()).split(".")
    other = base64url(plain(claims).replace(b'"anna"', b'"root"'))
    with pytest.raises(jwt.InvalidSignatureError):
        checked(f"{header}.{other}.{signature}")
    unsigned = base64url(plain(header).replace(b"ES256", b"none"))
    with pytest.raises(jwt.InvalidAlgorithmError):
        checked(f"{unsigned}.{claims}.")


def test_the_signature_is_plain_ecdsa() -> None:
    """P-256 with SHA-256 over header and claims, r and s of 32 bytes each (RFC 7518, 3.4)."""
    head, _, tail = asserted(now()).rpartition(".")
    raw = plain(tail)
    assert len(raw) == 64
    signature = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    KEY.public_key().verify(signature, head.encode(), ec.ECDSA(SHA256()))
    with pytest.raises(InvalidSignature):
        KEY.public_key().verify(signature, head.encode() + b"x", ec.ECDSA(SHA256()))


def test_the_header_names_the_key() -> None:
    """`kid` is the one of the key set, so that keys can be changed one day."""
    header = json.loads(plain(asserted(now()).partition(".")[0]))
    assert header == {"typ": "JWT", "alg": "ES256", "kid": public_jwk(KEY.public_key())["kid"]}


def short_coordinates() -> list[ec.EllipticCurvePublicKey]:
    """Find keys whose x or y begins with a zero byte, which careless encoders drop."""
    keys = [ec.derive_private_key(number, ec.SECP256R1()).public_key() for number in range(1, 900)]
    numbers = [(key, key.public_numbers()) for key in keys]
    found = [key for key, point in numbers if min(point.x, point.y) < 1 << 248]
    assert found
    return [*found, keys[0]]


def test_the_key_id_is_the_thumbprint() -> None:
    """RFC 7638 computed by hand from the point, also where a coordinate begins with zero."""
    for key in short_coordinates():
        point = key.public_numbers()
        x, y = base64url(point.x.to_bytes(32)), base64url(point.y.to_bytes(32))
        text = f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'
        assert public_jwk(key) == {
            "kty": "EC",
            "crv": "P-256",
            "x": x,
            "y": y,
            "alg": "ES256",
            "use": "sig",
            "kid": base64url(sha256(text.encode()).digest()),
        }


def test_the_key_set_holds_no_private_part() -> None:
    """What everybody may read contains `d` nowhere, and only this one key."""
    keys = key_set(KEY.public_key())["keys"]
    assert len(keys) == 1
    assert "d" not in keys[0]


def test_a_key_on_another_curve_is_refused_at_the_start() -> None:
    """ES256 is defined for P-256 alone: better no process than one that fails at each request."""
    with pytest.raises(ValueError, match="secp384r1"):
        Asserter(ec.generate_private_key(ec.SECP384R1()), ISSUER)
