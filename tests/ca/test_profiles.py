"""Profiles and their limits."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ca.errors import IssuanceRefused, ProfileRefused
from ca.kinds import make_key
from ca.profiles import (
    CLIENT,
    ISSUING,
    ROOT,
    SERVER,
    ProfileConfig,
    Role,
    make_profile,
)
from tests.ca.makers import CA, CA_URL, CLIENT_PROFILE, CRL_URL, NOW, client_request

DAY = timedelta(days=1)
KEY = make_key()
CLIENT_CONFIG = replace(CLIENT, distribution_points=(CRL_URL,), issuer_urls=(CA_URL,))


class TestMaking:
    @pytest.mark.parametrize("config", [ROOT, ISSUING, SERVER, CLIENT_CONFIG])
    def test_our_own_are_sound(self, config: ProfileConfig) -> None:
        """Each profile that comes with the product passes its own check."""
        profile = make_profile(config)
        assert (profile.role, profile.lifetime) == (config.role, config.lifetime)

    @pytest.mark.parametrize("config", [ROOT, ISSUING, SERVER, CLIENT_CONFIG])
    @pytest.mark.parametrize("lifetime", [timedelta(), DAY - timedelta(seconds=1), 26 * 365 * DAY])
    def test_lifetimes(self, config: ProfileConfig, lifetime: timedelta) -> None:
        """Less than a day, or more than the role bears, is refused."""
        with pytest.raises(ProfileRefused, match="lasts between"):
            make_profile(replace(config, lifetime=lifetime))

    @pytest.mark.parametrize("backdate", [timedelta(seconds=-1), timedelta(days=2)])
    def test_backdating(self, backdate: timedelta) -> None:
        """A certificate begins at most a day early, and never late."""
        with pytest.raises(ProfileRefused, match="backdated"):
            make_profile(replace(SERVER, backdate=backdate))

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "https://public.example/crl",
            "http://",
            "http:///crl",
            "http://public.example",
            "http://user@public.example/crl",
            "http://public.example/a b",
            "http://public.example/crl\n",
            "http://public.example/è",
            "ldap://public.example/crl",
        ],
    )
    def test_addresses(self, url: str) -> None:
        """Where CRL and issuer are found is a plain http address, nothing else."""
        for config in (
            replace(SERVER, distribution_points=(CRL_URL, url)),
            replace(SERVER, issuer_urls=(CA_URL, url)),
            replace(CLIENT_CONFIG, ocsp_urls=(url,)),
        ):
            with pytest.raises(ProfileRefused, match="http://host/path"):
                make_profile(config)

    def test_clients_must_say_where(self) -> None:
        """A client profile without the places of CRL and issuer is none."""
        for config in (
            replace(CLIENT_CONFIG, distribution_points=()),
            replace(CLIENT_CONFIG, issuer_urls=()),
        ):
            with pytest.raises(ProfileRefused, match="must say where"):
                make_profile(config)

    def test_roots_have_nothing_above(self) -> None:
        """A root with a CRL address is refused."""
        with pytest.raises(ProfileRefused, match="no issuer"):
            make_profile(replace(ROOT, distribution_points=(CRL_URL,)))

    def test_all_reasons_at_once(self) -> None:
        """One refusal says everything that is wrong."""
        with pytest.raises(ProfileRefused) as caught:
            make_profile(ProfileConfig(Role.ROOT, timedelta(), timedelta(days=9), ("x",), ("y",)))
        assert len(caught.value.reasons) == 5


class TestRequests:
    def test_a_request_that_fits(self) -> None:
        """Nothing is said about a request within the limits."""
        CLIENT_PROFILE.refuse_unfit(client_request(KEY, lifetime=CLIENT_PROFILE.lifetime))

    @pytest.mark.parametrize(
        "key",
        [
            ec.generate_private_key(ec.SECP521R1()).public_key(),
            rsa.generate_private_key(65537, 2048).public_key(),
        ],
    )
    def test_other_keys(self, key: ec.EllipticCurvePublicKey) -> None:
        """Keys of other kinds are not certified."""
        with pytest.raises(IssuanceRefused, match="P-256"):
            CLIENT_PROFILE.refuse_unfit(replace(client_request(KEY), public_key=key))

    @pytest.mark.parametrize("serial", [0, -(1 << 100), 1, (1 << 64) - 1, 1 << 159])
    def test_serials(self, serial: int) -> None:
        """Serials that are not positive, can be guessed or are too long are refused."""
        with pytest.raises(IssuanceRefused, match="serial"):
            CLIENT_PROFILE.refuse_unfit(replace(client_request(KEY), serial=serial))

    @pytest.mark.parametrize("lifetime", [timedelta(), -DAY, 826 * DAY])
    def test_lifetimes(self, lifetime: timedelta) -> None:
        """More than the profile allows, or nothing, cannot be asked for."""
        with pytest.raises(IssuanceRefused, match="between 1 and 825 days"):
            CLIENT_PROFILE.refuse_unfit(client_request(KEY, lifetime=lifetime))

    def test_names(self) -> None:
        """A leaf has both kinds of names, a CA only a subject."""
        request = replace(client_request(KEY), subject=x509.Name([]), alternative_names=None)
        with pytest.raises(IssuanceRefused) as caught:
            CLIENT_PROFILE.refuse_unfit(request)
        assert len(caught.value.reasons) == 2
        with pytest.raises(IssuanceRefused, match="has no alternative names"):
            make_profile(ISSUING).refuse_unfit(client_request(KEY))


class TestValidity:
    def test_whole_seconds_and_backdated(self, ca: CA) -> None:
        """A certificate begins an hour early, for slow clocks, and on a whole second."""
        now = NOW + timedelta(days=3, microseconds=999_999)
        validity = CLIENT_PROFILE.validity(DAY, ca.issuing.certificate, now)
        assert validity.not_before == NOW + timedelta(days=3, hours=-1)
        assert validity.not_after == NOW + timedelta(days=4)

    def test_never_before_or_after_the_issuer(self, ca: CA) -> None:
        """Begin and end are cut to the issuer's."""
        issuer = ca.issuing.certificate
        first, last = issuer.not_valid_before_utc, issuer.not_valid_after_utc
        assert CLIENT_PROFILE.validity(None, issuer, first).not_before == first
        assert CLIENT_PROFILE.validity(None, issuer, last - DAY).not_after == last

    def test_not_from_an_issuer_that_is_over(self, ca: CA) -> None:
        """An issuer that is over, or still to come, issues nothing."""
        issuer = ca.issuing.certificate
        for now in (
            issuer.not_valid_before_utc - timedelta(seconds=1),
            issuer.not_valid_after_utc,
        ):
            with pytest.raises(IssuanceRefused, match="the issuing CA is valid from"):
                CLIENT_PROFILE.validity(DAY, issuer, now)
