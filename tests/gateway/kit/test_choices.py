from base64 import b64decode

from hypothesis import given
from hypothesis import strategies as st

from ca.kinds import KeyKind
from gateway.kit.choices import build_choices
from gateway.kit.store import Identity
from tests.gateway.kit.persons import NOW, make_identity

SLOT = 1286
ANNA = make_identity(KeyKind.P256)
LABEL = st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True)


def keys(file: bytes) -> list[str]:
    """Return the keys of all slots, whose checksums must be right."""
    found = []
    for at in range(0, len(file), SLOT):
        slot = file[at : at + SLOT]
        checksum = 0
        for octet in range(0, SLOT, 2):
            checksum ^= int.from_bytes(slot[octet : octet + 2])
        assert checksum == 0, "the checksum is the XOR of the rest"
        found.append(slot[6:262].rstrip(b"\0").decode("ascii"))
    return found


def test_each_host_has_a_line_for_each_site_it_could_be_in(anna: Identity) -> None:
    """Which of them is the registrable domain is Firefox's to know."""
    file, left_out = build_choices(["wiki.gate.example.org"], anna.certificate, NOW)
    assert keys(file) == [
        f"wiki.gate.example.org,,^partitionKey=%28https%2C{site}%29"
        for site in ("wiki.gate.example.org", "gate.example.org", "example.org")
    ]
    assert left_out == ()


def test_the_certificate_is_named_by_serial_and_issuer(anna: Identity) -> None:
    """Behind the numbers of module and slot, with their lengths."""
    file, _ = build_choices(["example.org"], anna.certificate, NOW)
    value = b64decode(file[262:SLOT].rstrip(b"\0"))
    sizes = [int.from_bytes(value[at : at + 4]) for at in (0, 4, 8, 12)]
    assert sizes[:2] == [0, 0]
    serial, issuer = value[16 : 16 + sizes[2]], value[16 + sizes[2] :]
    assert int.from_bytes(serial) == anna.certificate.serial_number
    assert issuer == anna.certificate.issuer.public_bytes()
    assert len(issuer) == sizes[3]


def test_a_line_has_a_score_and_a_day(anna: Identity) -> None:
    """Days since 1970."""
    file, _ = build_choices(["example.org"], anna.certificate, NOW)
    assert int.from_bytes(file[2:4]) == 1
    assert int.from_bytes(file[4:6]) == NOW.timestamp() // 86400


def test_what_firefox_would_drop_is_told(anna: Identity) -> None:
    """It keeps 1024 lines; and no line is longer than a slot."""
    hosts = [f"app{number}.gate.example.org" for number in range(400)]
    file, left_out = build_choices(hosts, anna.certificate, NOW)
    assert len(keys(file)) <= 1024
    assert left_out == tuple(hosts[341:])
    long = ".".join(["a" * 60] * 4)
    assert build_choices([long], anna.certificate, NOW) == (b"", (long,))


@given(st.lists(st.lists(LABEL, min_size=1, max_size=4).map(".".join), max_size=5))
def test_no_host_but_those_is_named(hosts: list[str]) -> None:
    """And each only once."""
    file, left_out = build_choices(hosts, ANNA.certificate, NOW)
    named = [key.partition(",")[0] for key in keys(file)]
    assert set(named) | set(left_out) == set(hosts)
    assert len(set(keys(file))) == len(named)
