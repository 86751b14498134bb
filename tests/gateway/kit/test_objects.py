import pytest

from ca.kinds import KeyKind
from gateway.kit.objects import INDEXES, authenticated, serial_der, take_apart, trust_object
from gateway.kit.store import Identity
from tests.gateway.kit.persons import make_identity

CURVES = {KeyKind.P256: "06082a8648ce3d030107", KeyKind.P384: "06052b81040022"}


@pytest.mark.parametrize("kind", CURVES)
def test_a_key_on_a_curve_names_it(kind: KeyKind) -> None:
    """CKA_EC_PARAMS is the curve's object identifier; the only secret is one number."""
    parts = take_apart(make_identity(kind).key)
    assert bytes.fromhex(CURVES[kind]) in parts.opened.values()
    assert bytes.fromhex(CURVES[kind]) in parts.public.values()
    assert len(parts.secret) == 1


def test_of_an_rsa_key_six_numbers_are_secret() -> None:
    """And two that are open need a MAC: NSS asks for one."""
    parts = take_apart(make_identity(KeyKind.RSA3072).key)
    assert len(parts.secret) == 6
    assert len(authenticated(parts.opened)) == 2
    assert not set(parts.secret) & set(parts.public)


def test_trust_needs_seven_macs(anna: Identity) -> None:
    """As many as NSS writes for `certutil -A`."""
    assert len(authenticated(trust_object(anna.chain[-1]))) == 7


def test_a_serial_is_a_whole_integer(anna: Identity) -> None:
    """With its tag and length, and a zero where it would be negative."""
    serial = serial_der(anna.certificate)
    assert serial[0] == 0x02
    assert int.from_bytes(serial[2:], signed=True) == anna.certificate.serial_number


def test_nss_looks_for_four_attributes() -> None:
    """Those for which its databases have indexes."""
    assert sorted(INDEXES) == ["ckaid", "issuer", "label", "subject"]
