"""Whatever is combined with whatever: the verdict is openssl's."""

from ipaddress import ip_address, ip_network
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from ca.foreign.paths import ValidPath
from tests.ca.foreign.cases import verdict
from tests.ca.foreign.chains import (
    DAY,
    NOW,
    UPN,
    Made,
    authority_extensions,
    make,
    name,
    new_key,
    openssl_says,
    person_extensions,
    usage,
)

KEYS = [new_key() for _ in range(5)]
HOSTS = ["example.com", "a.example.com", "notexample.com", "EXAMPLE.com"]
PRINCIPAL = x509.OtherName(UPN, b"\x0c\x01a")


def directory(text: str) -> x509.DirectoryName:
    """Name those of an organisation."""
    return x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, text)]))


def address(text: str) -> x509.UniformResourceIdentifier:
    """Name somebody by an address, or constrain its host."""
    return x509.UniformResourceIdentifier(text)


hosts = st.sampled_from(HOSTS)
subtrees = st.one_of(
    hosts.map(x509.RFC822Name),
    hosts.map(lambda host: x509.RFC822Name(f".{host}")),
    hosts.map(lambda host: x509.RFC822Name(f"anna@{host}")),
    hosts.map(x509.DNSName),
    hosts.map(address),
    hosts.map(lambda host: address(f".{host}")),
    st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "fd00::/8"]).map(
        lambda network: x509.IPAddress(ip_network(network))
    ),
    st.sampled_from(["Example", "EXAMPLE", "Other"]).map(directory),
    st.just(PRINCIPAL),
)
alternatives = st.one_of(
    hosts.map(lambda host: x509.RFC822Name(f"anna@{host}")),
    hosts.map(x509.DNSName),
    hosts.map(lambda host: address(f"https://{host}/anna")),
    st.sampled_from(["10.1.2.3", "11.1.2.3", "fd00::1"]).map(
        lambda text: x509.IPAddress(ip_address(text))
    ),
    st.sampled_from(["Example", "Other"]).map(directory),
    st.just(PRINCIPAL),
)
constraints = st.builds(
    lambda kept, cut: x509.NameConstraints(kept or None, cut or None) if kept or cut else None,
    st.lists(subtrees, max_size=3),
    st.lists(subtrees, max_size=2),
)
CLIENTS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
SERVERS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
purposes = st.sampled_from([None, None, None, None, None, None, CLIENTS, CLIENTS, CLIENTS, SERVERS])
rarely = st.integers(0, 9).map(lambda number: number == 0)


@st.composite
def authorities(draw: st.DrawFn) -> list[Made]:
    """Draw one to four CAs, each below the one before."""
    found: list[Made] = []
    for depth in range(draw(st.integers(1, 4))):
        extensions = [draw(constraints) if draw(st.booleans()) else None, draw(purposes)]
        subject = name("Same" if draw(rarely) else f"CA {depth}")
        ended = draw(rarely)
        found.append(
            make(
                subject,
                found[-1] if found else None,
                authority_extensions(draw(st.sampled_from([None, None, 0, 1, 2]))),
                key=KEYS[depth],
                more={one: True for one in extensions if one is not None},
                begin=NOW - 3 * DAY,
                end=NOW + (-DAY if ended else DAY),
            )
        )
    return found


@st.composite
def paths(draw: st.DrawFn) -> list[Made]:
    """Draw a person's certificate too."""
    found = draw(authorities())
    given_names = draw(st.lists(alternatives, min_size=1, max_size=3))
    organisation = draw(st.sampled_from(["Example", "Example", "Other"]))
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, "Anna"),
        ]
    )
    purpose = draw(purposes)
    more: dict[x509.ExtensionType, bool] = {} if purpose is None else {purpose: False}
    if draw(rarely):
        more[usage(sign=False, lists=True)] = True
    person = make(subject, found[-1], person_extensions(*given_names), key=KEYS[-1], more=more)
    return [*found, person]


@settings(max_examples=60, deadline=None)
@given(paths())
def test_the_verdict_is_openssls_on_any_path(made: list[Made]) -> None:
    """Constraints, lengths, purposes, dates and names, on any CA of it."""
    *above, person = made
    with TemporaryDirectory() as folder:
        said = openssl_says(Path(folder), person.der, above)
    found = verdict(made)
    assert isinstance(found, ValidPath) is (said == ""), (found, said)
