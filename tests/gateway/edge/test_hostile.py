"""Certificates that are made to cost: what OpenSSL does of them in a handshake is bounded."""

import ssl
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.core.site import Demand
from gateway.edge.tls import Channel, HandshakeFailed, make_contexts
from tests.ca.foreign.chains import Made, make_authority, make_person, make_root
from tests.gateway.edge.site import PUBLIC_HOST, WIKI, MadeSite

PROMISED = 0.1
"""Seconds of processor time, of the whole handshake."""
TRIES = 3
CONSTRAINTS = 128
"""What a trust's CA may have of one kind."""


def constrained(count: int) -> x509.NameConstraints:
    """Allow so many domains, none of which is anybody's."""
    return x509.NameConstraints(
        None, [x509.RFC822Name(f"a{number}.example.org") for number in range(count)]
    )


def names(count: int) -> x509.SubjectAlternativeName:
    """Make as many addresses as a message of 100 KiB can hold."""
    return x509.SubjectAlternativeName(
        [x509.RFC822Name(f"b{number}@b.example.com") for number in range(count)]
    )


ROOT = make_root("Corp")
NARROW = make_root("Corp", more={constrained(CONSTRAINTS): True})
STRANGERS = [make_root("Strangers")]
for _ in range(120):
    STRANGERS.append(make_authority(STRANGERS[-1], f"Stranger {len(STRANGERS)}"))
BELOW = [ROOT]
for _ in range(98):
    BELOW.append(make_authority(BELOW[-1], f"Below {len(BELOW)}"))


def cost(
    made: MadeSite, folder: Path, trusted: Made, leaf: Made, chain: Sequence[Made], demand: Demand
) -> float:
    """Let a client show *leaf* and *chain*, and return the processor time that takes the edge."""
    edge = made.folder
    contexts = make_contexts(
        *(edge.server_certificate, edge.server_key, edge.client_trust, PUBLIC_HOST, demand),
        foreign=[trusted.der],
    )
    file = folder / "client.pem"
    certificates = [one.certificate.public_bytes(Encoding.PEM) for one in (leaf, *chain)]
    secret = leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(b"".join(certificates) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(file)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=WIKI)
    channel, spent = Channel(contexts), 0.0
    for _ in range(4):
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            break
        data = outgoing.read()
        begun = time.process_time()
        try:
            channel.shake_hands(data)
            while channel.asking is not None:
                channel.answer(None)
        except HandshakeFailed:
            spent += time.process_time() - begun
            break
        spent += time.process_time() - begun
        incoming.write(channel.pending())
    return spent


@pytest.mark.parametrize("demand", list(Demand))
@pytest.mark.parametrize(
    "trusted, leaf, chain",
    [
        pytest.param(NARROW, make_person(NARROW, more={names(3000): False}), (), id="names"),
        pytest.param(ROOT, make_person(STRANGERS[-1]), STRANGERS[:0:-1], id="strangers"),
        pytest.param(ROOT, make_person(BELOW[-1]), BELOW[:0:-1], id="long"),
    ],
)
def test_no_chain_costs_much(
    made: MadeSite, tmp_path: Path, trusted: Made, leaf: Made, chain: Sequence[Made], demand: Demand
) -> None:
    """Thousands of names against every constraint, a hundred CAs on the way: the best of three."""
    costs = [cost(made, tmp_path, trusted, leaf, chain, demand) for _ in range(TRIES)]
    assert min(costs) > 0.0005  # they were looked at
    assert min(costs) < PROMISED
