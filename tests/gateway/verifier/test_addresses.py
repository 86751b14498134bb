"""Which URLs and hosts are asked at all."""

import pytest

from gateway.verifier.addresses import why_not_asked, why_not_reached


@pytest.mark.parametrize(
    "url",
    [
        "http://ca.example.it/crl/one.crl",
        "https://ca.example.it:8443/one.crl?delta=1",
        "HTTP://10.0.0.1/one.crl",
        "http://[fd00::1]/one.crl",
        "http://ca/CertEnroll/Example%20Issuing%20CA.crl",
    ],
)
def test_http_and_https_are_asked(url: str) -> None:
    """What CAs write into their certificates is asked, as long as it is http."""
    assert why_not_asked(url) is None


@pytest.mark.parametrize(
    "url,words",
    [
        ("ldap:///CN=Example,CN=CDP?certificateRevocationList?base", "LDAP is not spoken here"),
        ("ldaps://ca.example.it/CN=Example", "LDAP is not spoken here"),
        ("file:///etc/passwd", "only the settings may"),
        ("ftp://ca.example.it/one.crl", "neither http nor https"),
        ("//ca.example.it/one.crl", "neither http nor https"),
        ("one.crl", "neither http nor https"),
        ("", "neither http nor https"),
        ("http:///one.crl", "names no host"),
        ("http://", "names no host"),
        ("http://anna:secret@ca.example.it/one.crl", "has a user's name in it"),
        ("http://ca.example.it:0/one.crl", "no port"),
        ("http://ca.example.it:99999/one.crl", "is no URL"),
        ("http://[::1/one.crl", "is no URL"),
        ("http://ca.example.it/a b", "printable"),
        ("http://ca.example.it/\r\nHost: x", "printable"),
        ("http://ca.example.ìt/", "printable"),
        ("http://ca.example.it/\u202e", "printable"),
        ("http://ca.example.it/" + "a" * 2048, "2048"),
    ],
)
def test_everything_else_is_refused_with_words(url: str, words: str) -> None:
    """What is not asked is told with the reason, and no secret in the URL is repeated."""
    refused = why_not_asked(url)
    assert refused is not None
    assert words in refused
    assert "secret" not in refused


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.1.1", "93.184.216.34", "::1", "fd12::1", "2a00::1"],
)
def test_public_private_and_own_addresses_are_reached(address: str) -> None:
    """CAs live in the intranet, and sometimes on the same machine."""
    assert why_not_reached(address) is None


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.1.1",
        "fe80::1",
        "fe80::1%eth0",
        "::ffff:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "2002:a9fe:a9fe::1",
        "::169.254.169.254",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
        "0.0.0.0",
        "::",
        "::ffff:0.0.0.0",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
    ],
)
def test_metadata_services_and_no_hosts_are_not_reached(address: str) -> None:
    """However it is written, an address where no CA can be is not connected to."""
    assert why_not_reached(address) is not None
