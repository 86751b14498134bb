"""What a list says of itself."""

import json
from dataclasses import replace

from cryptography import x509
from cryptography.x509.oid import NameOID

from ca.foreign.facts import (
    ListFacts,
    Only,
    authority_of,
    name_text,
    pack_facts,
    unpack_facts,
    urls_of,
)
from tests.ca.foreign.crl_makers import NOW, WEEK
from tests.ca.foreign.makers import make_foreign_ca, new_key

FACTS = ListFacts(
    authority="ab",
    issuer="'CN=Foreign CA'",
    number=2**159 - 1,
    base=7,
    this_update=NOW,
    next_update=NOW + WEEK,
    points=("one", "two"),
    only=Only.USERS,
    fresh=(("http://a/", "http://b/"), ("http://c/",)),
    digest="cd",
)


def test_what_is_packed_is_unpacked() -> None:
    """Through JSON and back, nothing is lost."""
    for facts in (FACTS, replace(FACTS, number=None, base=None, points=(), fresh=())):
        assert unpack_facts(json.loads(json.dumps(pack_facts(facts)))) == facts


def test_a_scope_is_whose_and_for_what() -> None:
    """Neither number nor dates nor the order of names belong to it."""
    later = replace(FACTS, number=8, base=None, digest="ef", points=("two", "one"), fresh=())
    assert later.scope == FACTS.scope
    for other in (
        replace(FACTS, authority="ba"),
        replace(FACTS, only=Only.ALL),
        replace(FACTS, points=("one",)),
        replace(FACTS, points=()),
    ):
        assert other.scope != FACTS.scope


def test_an_authority_is_a_name_and_a_key() -> None:
    """A new certificate of the same CA is the same CA; a new key is another."""
    key = new_key()
    one, same = make_foreign_ca(NOW, key=key), make_foreign_ca(NOW + WEEK, key=key)
    assert authority_of(one.certificate) == authority_of(same.certificate)
    for other in (make_foreign_ca(NOW), make_foreign_ca(NOW, "Another CA", key)):
        assert authority_of(other.certificate) != authority_of(one.certificate)


def test_urls_that_nobody_writes_are_none() -> None:
    """A certificate may have any octets where a URL belongs; they come into no log."""
    good = "http://ca.example.it/1.crl"
    hostile = [good + "\0", good + "\r\nHost: x", good + "\x1b[2J", good + "a" * 2048]
    names = [x509.DNSName("ca.example.it"), *map(x509.UniformResourceIdentifier, [*hostile, good])]
    assert urls_of(names) == (good,)
    assert urls_of(None) == ()


def test_names_are_told_apart() -> None:
    """Two names have one text only when they are of one kind and one value."""
    names = [
        x509.UniformResourceIdentifier("http://a/"),
        x509.UniformResourceIdentifier("http://a/\n"),
        x509.UniformResourceIdentifier("http://A/"),
        x509.DNSName("http://a/"),
        x509.RFC822Name("http://a/"),
        x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a")])),
        x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "b")])),
        x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\5\0"),
        x509.OtherName(x509.ObjectIdentifier("1.2.4"), b"\5\0"),
    ]
    texts = set(map(name_text, names))
    assert len(texts) == len(names)
    assert not any("\n" in text for text in texts)
