"""What everybody may have without a certificate."""

import asyncio
import base64
import json
from datetime import timedelta
from email.utils import parsedate_to_datetime

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ca import lists
from ca.issue import der
from ca.lists import CRLRecord
from gateway.core.headers import Listener
from tests.gateway.portal.house import ISSUER, NOW, SITE, House, assertion_key, house_ca, text_of

OPEN_DOORS = [Listener.PUBLIC, Listener.PLAIN_HTTP]
CRL = f"/crl/{ISSUER}.crl"


def make_crl(number: int, lifetime: timedelta = timedelta(days=7)) -> bytes:
    """Sign an empty CRL."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(name)
        .last_update(NOW)
        .next_update(NOW + lifetime)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(
        Encoding.DER
    )


async def publish(house: House, number: int, lifetime: timedelta = timedelta(days=7)) -> bytes:
    """Write a CRL into the ledger, as the authority does."""
    der = make_crl(number, lifetime)
    async with house.store.begin() as connection:
        record = CRLRecord(ISSUER, number, NOW, NOW + lifetime, der)
        await lists.record_crl(connection, record)
    return der


class TestCRL:
    @pytest.mark.parametrize("listener", OPEN_DOORS)
    async def test_the_newest_is_served_on_both_doors(
        self, house: House, listener: Listener
    ) -> None:
        """DER with its media type; the number rises with each publication."""
        for number in (1, 2):
            der = await publish(house, number)
            response = await house.ask("GET", CRL, listener=listener)
            assert response.status == 200
            assert response.content_type == "application/pkix-crl"
            assert await response.read() == der
            served = x509.load_der_x509_crl(await response.read())
            assert (
                served.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == number
            )

    async def test_is_kept_for_a_minute_and_never_past_its_end(self, house: House) -> None:
        """Caches ask again soon; a list that ends sooner is kept no longer than it holds."""
        await publish(house, 1)
        response = await house.ask("GET", CRL, listener=Listener.PUBLIC)
        assert response.headers["Cache-Control"] == "public, max-age=60, must-revalidate"
        assert parsedate_to_datetime(response.headers["Last-Modified"]) == NOW
        house.clock.advance(days=7, seconds=-20)
        response = await house.ask("GET", CRL, listener=Listener.PUBLIC)
        assert response.headers["Cache-Control"] == "public, max-age=20, must-revalidate"
        house.clock.advance(days=1)
        response = await house.ask("GET", CRL, listener=Listener.PUBLIC)
        assert response.headers["Cache-Control"] == "public, max-age=0, must-revalidate"

    async def test_unchanged_is_answered_without_a_body(self, house: House) -> None:
        """ETag first, the date only where there is none."""
        await publish(house, 1)
        first = await house.ask("GET", CRL, listener=Listener.PUBLIC)
        tag, date = first.headers["ETag"], first.headers["Last-Modified"]
        for fields in (
            {"If-None-Match": tag},
            {"If-None-Match": f'"other", W/{tag}'},
            {"If-None-Match": "*"},
            {"If-Modified-Since": date},
        ):
            again = await house.ask("GET", CRL, listener=Listener.PUBLIC, headers=fields)
            assert (again.status, again.headers["ETag"]) == (304, tag)
        await publish(house, 2)
        fields = {"If-None-Match": tag, "If-Modified-Since": date}
        newer = await house.ask("GET", CRL, listener=Listener.PUBLIC, headers=fields)
        assert newer.status == 200

    async def test_head(self, house: House) -> None:
        """A monitor may ask for the fields alone."""
        der = await publish(house, 1)
        response = await house.ask("HEAD", CRL, listener=Listener.PLAIN_HTTP)
        assert (response.status, response.headers["Content-Length"]) == (200, str(len(der)))

    @pytest.mark.parametrize(
        "path",
        [
            CRL,
            "/crl/other.crl",
            "/crl/issuing-1",
            "/crl/issuing-1.crt",
            "/crl/..crl",
            "/crl/%2e.crl",
        ],
    )
    @pytest.mark.parametrize("listener", OPEN_DOORS)
    async def test_is_not_found_where_there_is_none(
        self, house: House, path: str, listener: Listener
    ) -> None:
        """No list yet, another issuer, another name: one answer."""
        assert (await house.ask("GET", path, listener=listener)).status == 404


@pytest.mark.parametrize("listener", OPEN_DOORS)
async def test_ca_certificates(house: House, listener: Listener) -> None:
    """The address in every certificate we issue (caIssuers) leads to its issuer."""
    response = await house.ask("GET", f"/ca/{ISSUER}.crt", listener=listener)
    assert response.status == 200
    assert response.content_type == "application/pkix-cert"
    assert await response.read() == der(house_ca().issuing.certificate)
    tag = {"If-None-Match": response.headers["ETag"]}
    assert (
        await house.ask("GET", f"/ca/{ISSUER}.crt", listener=listener, headers=tag)
    ).status == 304
    assert (await house.ask("GET", "/ca/other.crt", listener=listener)).status == 404


async def test_keys_of_assertions(house: House) -> None:
    """PyJWT reads the key set and finds the public key in it."""
    response = await house.ask("GET", "/.well-known/jwks.json", listener=Listener.PUBLIC)
    assert response.content_type == "application/jwk-set+json"
    assert "max-age=300" in response.headers["Cache-Control"]
    [key] = jwt.PyJWKSet.from_dict(json.loads(await response.text())).keys
    assert isinstance(key.key, ec.EllipticCurvePublicKey)
    assert key.key.public_numbers() == assertion_key().public_numbers()
    assert base64.urlsafe_b64decode(f"{key.key_id}=")


async def test_help_says_where_everything_is(house: House) -> None:
    """Somebody without a certificate learns what this is and whom to ask."""
    response = await house.ask("GET", "/", listener=Listener.PUBLIC)
    html = await response.text()
    assert response.status == 200
    assert 'href="https://pusterla.localhost:8443/"' in html
    assert f'href="{CRL}"' in html
    assert f'href="/ca/{ISSUER}.crt"' in html
    assert "help@example.it" in html
    assert "wiki" not in (await text_of(response)).lower()


class TestPlainHTTP:
    @pytest.mark.parametrize(
        "host",
        ["pusterla.localhost", "public.pusterla.localhost:8080", "WIKI.pusterla.localhost"],
    )
    async def test_leads_to_the_same_place_over_tls(self, house: House, host: str) -> None:
        """308 keeps the method; path and query stay as they are."""
        response = await house.ask(
            "POST", "/a%20b//c?x=1", listener=Listener.PLAIN_HTTP, headers={"Host": host}
        )
        name = host.lower().partition(":")[0]
        assert response.status == 308
        assert response.headers["Location"] == f"https://{name}:{SITE.port}/a%20b//c?x=1"
        assert "Strict-Transport-Security" not in response.headers

    async def test_leads_nowhere_from_a_target_that_is_no_path(self, house: House) -> None:
        """An absolute target has a host of its own, which is anybody's word."""
        assert house.client is not None
        reader, writer = await asyncio.open_connection(house.client.host, house.client.port)
        writer.write(
            b"GET http://evil.example/ HTTP/1.1\r\nHost: pusterla.localhost\r\n"
            b"Pusterla-Listener: plain-http\r\nConnection: close\r\n\r\n"
        )
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"Location" not in answer

    @pytest.mark.parametrize("host", ["evil.example", "", "a b", "pusterla.localhost.evil.example"])
    async def test_leads_nowhere_else(self, house: House, host: str) -> None:
        """A name that is not ours is not redirected."""
        response = await house.ask("GET", "/", listener=Listener.PLAIN_HTTP, headers={"Host": host})
        assert response.status == 404
        assert "Location" not in response.headers
