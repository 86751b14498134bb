"""How bundles are sealed for whom; that they open there, judges of `test_bundle` say."""

import pytest
from cryptography.hazmat.primitives import hashes

from ca.kinds import KeyKind
from ca.targets import Target, can_import, sealing_for

WINDOWS_BEARS = 600_000
"""Rounds in all, of the three derivations together (KB5025823)."""


@pytest.mark.parametrize("target", Target)
def test_rounds_are_many_and_not_too_many(target: Target) -> None:
    """Well above the 2,048 of old, and within what the strictest reader bears."""
    assert 50_000 <= sealing_for(target).rounds <= WINDOWS_BEARS / 3


@pytest.mark.parametrize("target", [Target.WINDOWS, Target.MACOS, Target.ANDROID])
def test_stores_of_operating_systems_get_the_old_way(target: Target) -> None:
    """The only one that all versions of them read."""
    assert isinstance(sealing_for(target).digest, hashes.SHA1)


@pytest.mark.parametrize("target", Target)
def test_no_browser_imports_ed25519(target: Target) -> None:
    """Only programs do; every other kind goes everywhere, also a key that we cannot name."""
    assert can_import(target, KeyKind.ED25519) is (target is Target.MODERN)
    for kind in (KeyKind.P256, KeyKind.P384, KeyKind.RSA3072, None):
        assert can_import(target, kind)
