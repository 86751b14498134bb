"""Addresses of keys in tokens."""

import pytest

from ca.addresses import parse_address
from ca.errors import FileRefused

END = "?module-path=/usr/lib/softhsm/libsofthsm2.so"


class TestAddresses:
    def test_as_the_standard_writes_them(self) -> None:
        """Escapes are undone; type=private is what we mean anyway."""
        found = parse_address(
            f"pkcs11:serial=%30%31;token=My%20token;id=%01%ff;type=private{END}\n"
        )
        assert (found.token, found.serial, found.identifier) == ("My token", b"01", b"\x01\xff")
        assert found.label is None

    @pytest.mark.parametrize(
        "address, words",
        [
            ("pkcs11:token=t;object=k", "module-path"),
            ("pkcs11:token=t;object=k?module-path=lib.so", "module-path"),
            (f"pkcs11:object=k{END}", "token="),
            (f"pkcs11:token=t{END}", "object="),
            (f"pkcs11:token=t;token=u;object=k{END}", "token=u"),
            (f"pkcs11:token=t;object=k{END}&pin-value=1234", "PIN"),
            (f"pkcs11:token=t;object=k;slot-id=1{END}", "slot-id"),
            (f"pkcs11:token=t;;object=k{END}", "not an attribute"),
            ("pkcs11:", "not an attribute"),
        ],
    )
    def test_what_is_wrong_with_one(self, address: str, words: str) -> None:
        """Is said; and a PIN has no place in it."""
        with pytest.raises(FileRefused, match=words) as caught:
            parse_address(address)
        assert "1234" not in str(caught.value)
