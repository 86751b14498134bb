"""What an application is told of the person, and what a client cannot tell it."""

import json
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.whole.applications import Applications
from tests.whole.guests import Guest, signed_in
from tests.whole.people import Person, add_person
from tests.whole.rules import ALLOW, edited
from tests.whole.sites import HOST, PUBLIC_HOST, LiveSite
from tests.whole.wire import wire_of

WIKI, CRM, CHAT = f"wiki.{HOST}", f"crm.{HOST}", f"chat.{HOST}"


def keys(site: LiveSite, folder: Path) -> dict[str, Any]:
    """Fetch the keys of assertions as an application would: without a certificate."""
    answer = Guest(site, None, folder).get(site.url(PUBLIC_HOST, "/.well-known/jwks.json"))
    assert answer.status == 200
    found: dict[str, Any] = json.loads(answer.body)
    return found


def verify(token: str, jwks: dict[str, Any], audience: str, issuer: str) -> dict[str, Any]:
    """Verify an assertion by PyJWT, an application's library and not ours."""
    (key,) = jwt.PyJWKSet.from_dict(jwks).keys
    return jwt.decode(
        token,
        key,
        algorithms=["ES256"],
        audience=audience,
        issuer=issuer,
        options={"require": ["exp", "iat", "sub", "aud", "iss"]},
    )


def test_an_application_learns_who_is_calling(
    site: LiveSite, applications: Applications, inside: Guest, resident: Person
) -> None:
    """User, mail address, groups, origin and host arrive, each once."""
    assert inside.get(site.url(WIKI, "/who")).status == 200
    received = applications.wiki.last("/who")
    authority = f"{WIKI}:{site.port}"
    expected = {
        "Host": authority,
        "X-Forwarded-User": resident.user,
        "X-Forwarded-Email": resident.email,
        "X-Forwarded-Groups": ",".join(resident.groups),
        "X-Forwarded-For": inside.address,
        "X-Forwarded-Host": authority,
        "X-Forwarded-Proto": "https",
        "Forwarded": f'for={inside.address};host="{authority}";proto=https',
    }
    assert {name: received.values(name) for name in expected} == {
        name: [value] for name, value in expected.items()
    }


def test_the_assertion_holds_before_a_judge(
    site: LiveSite, applications: Applications, inside: Guest, resident: Person, guests: Path
) -> None:
    """It verifies with the published keys, for this application alone, bound to the certificate."""
    inside.get(site.url(WIKI, "/assert"))
    (token,) = applications.wiki.last("/assert").values("Pusterla-Assertion")
    jwks, issuer = keys(site, guests), site.portal().rstrip("/")
    claims = verify(token, jwks, "wiki", issuer)
    assert claims["sub"] == resident.user
    assert claims["email"] == resident.email
    assert claims["groups"] == list(resident.groups)
    assert claims["exp"] - claims["iat"] == 60
    thumbprint = urlsafe_b64encode(bytes.fromhex(resident.stick.fingerprint)).rstrip(b"=").decode()
    assert claims["cnf"] == {"x5t#S256": thumbprint}
    with pytest.raises(jwt.InvalidAudienceError):
        verify(token, jwks, "crm", issuer)


CLAIMS = [
    "X-Forwarded-User",
    "X-FORWARDED-USER",
    "X_Forwarded_User",
    "x-forwarded_email",
    "X-Forwarded-Groups",
    "Pusterla-Assertion",
    "PUSTERLA_ASSERTION",
    "Pusterla-Fingerprint",
    "Pusterla-Session",
    "Remote-User",
    "REMOTE_USER",
    "X-Remote-User",
    "X-WebAuth-User",
    "Client-Cert",
    "Client_Cert_Chain",
    "X-SSL-Client-Verify",
    "X-Auth-Request-User",
    "X-Real-IP",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Original-URL",
    "X.Forwarded.User",
]
LIE = "mallory-the-administrator"


def test_no_claim_of_a_client_reaches_an_application(
    site: LiveSite, applications: Applications, inside: Guest, resident: Person
) -> None:
    """Identity fields of a client are taken out in every spelling, in its first request and later."""
    before = len(applications.crm.everything())
    options = [part for name in CLAIMS for part in ("-H", f"{name}: {LIE}")]
    options += ["-H", "Forwarded: for=192.0.2.1;host=mallory-the-administrator"]
    for _ in range(2):
        assert inside.get(site.url(CRM, "/claims"), *options).status == 200
    everything = applications.crm.everything()[before:]
    assert b"/claims" in everything
    assert LIE.encode() not in everything
    assert applications.crm.last("/claims").values("X-Forwarded-User") == [resident.user]
    told = site.wait_for_audit(
        kind="identity-claimed", user=resident.user, app="crm", address=inside.address
    )
    assert told.detail["fields"].startswith("x-forwarded-user ")


def test_a_connection_cannot_be_used_to_nominate_our_fields_away(
    site: LiveSite, applications: Applications, inside: Guest, resident: Person
) -> None:
    """`Connection: X-Forwarded-User` takes out the client's fields, never ours."""
    inside.get(site.url(CRM, "/nominated"), "-H", "Connection: X-Forwarded-User, Cookie, X-Mine")
    received = applications.crm.last("/nominated")
    assert received.values("X-Forwarded-User") == [resident.user]
    assert received.values("X-Mine") == []


def test_claims_do_not_come_in_by_a_websocket_either(
    site: LiveSite, applications: Applications, inside: Guest, resident: Person
) -> None:
    """The request that opens a WebSocket is cleaned like any other."""
    with wire_of(inside, CHAT) as wire:
        wire.begin(
            "GET",
            "/claimed",
            inside.cookie_field(CHAT),
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("X-Forwarded-User", LIE),
            ("X_Remote_User", LIE),
        )
        assert wire.socket.recv(4096).startswith(b"HTTP/1.1 101 ")
    opened = next(one for one in applications.chat.opened if one.target == "/claimed")
    assert LIE not in [value for _, value in opened.fields]
    assert opened.values("X-Forwarded-User") == [resident.user]


def test_cookies_of_the_application_pass_and_ours_do_not(
    site: LiveSite, applications: Applications, inside: Guest
) -> None:
    """The application's cookies arrive letter by letter; the gateway's arrives nowhere."""
    ours = inside.cookie(WIKI)
    with wire_of(inside, WIKI) as wire:
        reply = wire.ask(
            "GET", "/cookie", ("Cookie", f'a=1; __Host-pusterla={ours}; b="x y"; c=d=e')
        )
        assert reply.status == 200
        assert wire.ask("GET", "/lone", ("Cookie", f"__Host-pusterla={ours}")).status == 200
    assert applications.wiki.last("/cookie").values("Cookie") == ['a=1; b="x y"; c=d=e']
    assert applications.wiki.last("/lone").values("Cookie") == []
    assert ours.encode() not in applications.wiki.everything()


def test_an_application_cannot_set_the_gateways_cookie(site: LiveSite, inside: Guest) -> None:
    """Its own cookies pass untouched; one with the gateway's name is dropped."""
    with wire_of(inside, WIKI) as wire:
        reply = wire.ask("GET", "/cookies", inside.cookie_field(WIKI))
    assert reply.values("Set-Cookie") == ["flavour=oat; Path=/", "size=large; Path=/cookies"]


def test_each_request_of_a_connection_is_told_whose_it_is(
    site: LiveSite, applications: Applications, inside: Guest, guests: Path
) -> None:
    """Two people whose requests share the application's connections are not mixed up."""
    one, other = inside, signed_in(site, add_person(site, "other"), guests, "wiki")
    users: list[list[str]] = []
    with wire_of(one, WIKI) as first, wire_of(other, WIKI) as second:
        for number in range(4):
            wire, guest = (first, one) if number % 2 == 0 else (second, other)
            assert wire.ask("GET", f"/mixed-{number}", guest.cookie_field(WIKI)).status == 200
            users.append(applications.wiki.last(f"/mixed-{number}").values("X-Forwarded-User"))
    assert users[0] == users[2] != users[1] == users[3]


def test_an_application_may_have_a_header_of_its_own_for_the_user(
    site: LiveSite, applications: Applications, inside: Guest, resident: Person
) -> None:
    """`user_header` is sent besides the others, and taken from no client in any spelling."""
    keys = 'user_header = "X-Wiki-Login"\n'
    with edited(site, "wiki", applications.wiki.upstream, ALLOW, keys=keys):
        claims = [
            part
            for name in ("X-Wiki-Login", "X_WIKI_LOGIN", "x-wiki_login", "X.Wiki.Login")
            for part in ("-H", f"{name}: {LIE}")
        ]
        assert inside.get(site.url(WIKI, "/own-header"), *claims).status == 200
    received = applications.wiki.last("/own-header")
    assert received.values("X-Wiki-Login") == [resident.user]
    assert LIE not in [value for _, value in received.fields]


def test_an_application_may_be_handed_the_certificate(
    site: LiveSite, applications: Applications, inside: Guest, resident: Person
) -> None:
    """`client_certificate`: certificate and issuing CA as RFC 9440 has them, the root left out."""
    options = ("-H", f"Client-Cert: {LIE}", "-H", f"Client-Cert-Chain: {LIE}")
    assert inside.get(site.url(WIKI, "/not-handed"), *options).status == 200
    assert applications.wiki.last("/not-handed").values("Client-Cert") == []
    keys = "client_certificate = true\n"
    with edited(site, "wiki", applications.wiki.upstream, ALLOW, keys=keys):
        assert inside.get(site.url(WIKI, "/handed"), *options).status == 200
    received = applications.wiki.last("/handed")
    leaf, issuing = x509.load_pem_x509_certificates(resident.stick.file.read_bytes())
    assert received.values("Client-Cert") == [byte_sequence(leaf)]
    assert received.values("Client-Cert-Chain") == [byte_sequence(issuing)]


def byte_sequence(certificate: x509.Certificate) -> str:
    """Write *certificate* as a Byte Sequence of structured fields (RFC 8941, section 3.3.5)."""
    return f":{b64encode(certificate.public_bytes(Encoding.DER)).decode()}:"
