"""Somebody with a certificate, for the tests of kits."""

from ca.kinds import KeyKind, make_key
from gateway.kit.store import Identity
from tests.ca.makers import HOST, NOW, make_ca

__all__ = ["HOST", "NOW", "make_identity"]


def make_identity(kind: KeyKind, name: str = "Anna Ròssi (stick-1)") -> Identity:
    """Make somebody with a key of *kind*, below an issuing CA and a root."""
    ca, key = make_ca(), make_key(kind)
    return Identity(name, key, ca.client(key, NOW), ca.issuing.chain)
