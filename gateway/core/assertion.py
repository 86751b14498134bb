"""The signed statement of who is calling: a JWT (RFC 7519) for one application.

ES256 (RFC 7518, section 3.4), audience = the application's name, lives for
`LIFETIME`, bound to the certificate by `cnf` with `x5t#S256` (RFC 8705, section
3.1). An application that checks it needs to trust nothing between us and it.
"""

import json
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from hashlib import sha256

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from jwt.algorithms import ECAlgorithm

from gateway.core.people import Fingerprint, Person

LIFETIME = timedelta(minutes=1)
JWKS_PATH = "/.well-known/jwks.json"


def public_jwk(key: EllipticCurvePublicKey) -> dict[str, str]:
    """Return *key* as a JWK (RFC 7517) with its thumbprint (RFC 7638) as `kid`.

    ES256 is defined for P-256 alone; another key raises `ValueError`.
    """
    if key.curve.name != SECP256R1.name:
        message = f"assertions are signed by a P-256 key, and this one is {key.curve.name}"
        raise ValueError(message)
    jwk: dict[str, str] = ECAlgorithm.to_jwk(key, as_dict=True)
    members = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    text = json.dumps(members, sort_keys=True, separators=(",", ":"))
    return {**members, "alg": "ES256", "use": "sig", "kid": _base64(sha256(text.encode()).digest())}


def key_set(key: EllipticCurvePublicKey) -> dict[str, list[dict[str, str]]]:
    """Return the JWK set with which applications check assertions."""
    return {"keys": [public_jwk(key)]}


class Asserter:
    """Signs assertions with one key, in the name of one site."""

    def __init__(self, key: EllipticCurvePrivateKey, issuer: str) -> None:
        """*issuer* is the site's origin, which becomes `iss`."""
        self._key = key
        self._issuer = issuer
        self._kid = public_jwk(key.public_key())["kid"]

    def sign(self, person: Person, fingerprint: Fingerprint, app: str, now: datetime) -> str:
        """Return the assertion that *person* calls *app* with the certificate *fingerprint*."""
        claims: dict[str, object] = {
            "iss": self._issuer,
            "aud": app,
            "sub": person.user,
            "email": person.email,
            "name": person.name,
            "groups": sorted(person.groups),
            "iat": int(now.timestamp()),
            "exp": int((now + LIFETIME).timestamp()),
            "cnf": {"x5t#S256": _base64(bytes.fromhex(fingerprint))},
        }
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": self._kid})


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
