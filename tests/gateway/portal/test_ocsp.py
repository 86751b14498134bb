"""OCSP over http: both methods, both doors, and what caches may keep."""

import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import ClientResponse
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponseStatus

from ca import ledger
from ca.ocsp import MOST_BYTES, issuer_ids
from gateway.core.headers import Listener
from gateway.portal.ocsp import read_path
from tests.gateway.portal.house import ISSUER, NOW, House, certify, house_ca, open_house

DOORS = [Listener.PUBLIC, Listener.PLAIN_HTTP]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[House]:
    """Open a house that may answer OCSP."""
    async with open_house(tmp_path) as house:
        await certify(house)
        yield house


def request_for(
    serial: int, nonce: bytes | None = None, issuer: x509.Certificate | None = None
) -> bytes:
    """Ask about *serial* of our issuer, or of another."""
    named = issuer_ids(issuer or house_ca().issuing.certificate)[1]
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        named.name_hash, named.key_hash, serial, hashes.SHA256()
    )
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def path_of(der: bytes) -> str:
    """Write a request into a path."""
    return "/ocsp/" + quote(base64.b64encode(der).decode(), safe="")


async def post(house: House, der: bytes, listener: Listener = Listener.PUBLIC) -> ClientResponse:
    """Send a request as a body."""
    assert house.client is not None
    return await house.ask("POST", "/ocsp", listener=listener, body=der)


async def said(response: ClientResponse) -> ocsp.OCSPResponse:
    """Read an answer; every one has its media type, and http has no complaint."""
    assert (response.status, response.content_type) == (200, "application/ocsp-response")
    return ocsp.load_der_ocsp_response(await response.read())


def serial_of(house: House, device: str = "stick-1") -> int:
    """Return the serial of a stick."""
    return int(house.sticks[device][:32], 16)


class TestStatus:
    @pytest.mark.parametrize("listener", DOORS)
    async def test_of_every_serial(self, desk: House, listener: Listener) -> None:
        """Good, revoked, held, reserved, never given: by both methods alike."""
        for device in ("stick-2", "stick-3"):
            await desk.add_stick("anna", device)
        await desk.revoke("anna", "stick-2")
        async with desk.store.begin() as connection:
            await ledger.hold(connection, user="anna", device="stick-3", now=NOW)
            await ledger.reserve_serial(
                connection,
                issuer=ISSUER,
                serial="4a" * 16,
                username="anna",
                device="stick-4",
                scope=None,
                not_before=NOW,
                not_after=NOW + timedelta(days=1),
                now=NOW,
            )
        expected = {
            serial_of(desk): (OCSPCertStatus.GOOD, None),
            serial_of(desk, "stick-2"): (
                OCSPCertStatus.REVOKED,
                x509.ReasonFlags.key_compromise,
            ),
            serial_of(desk, "stick-3"): (
                OCSPCertStatus.REVOKED,
                x509.ReasonFlags.certificate_hold,
            ),
            int("4a" * 16, 16): (OCSPCertStatus.UNKNOWN, None),
            12345: (OCSPCertStatus.UNKNOWN, None),
        }
        for serial, status in expected.items():
            der = request_for(serial)
            for response in (
                await post(desk, der, listener),
                await desk.ask("GET", path_of(der), listener=listener),
            ):
                answer = await said(response)
                assert answer.response_status is OCSPResponseStatus.SUCCESSFUL
                assert (answer.certificate_status, answer.revocation_reason) == status
                assert answer.serial_number == serial

    async def test_of_another_issuer(self, desk: House) -> None:
        """Nobody asked us to speak for it (RFC 5019, section 2.2.3)."""
        root = house_ca().root.certificate
        answer = await said(await post(desk, request_for(7, issuer=root)))
        assert answer.response_status is OCSPResponseStatus.UNAUTHORIZED

    async def test_of_the_responder_itself(self, desk: House) -> None:
        """Its certificate is one of ours too."""
        answer = await said(await post(desk, request_for(serial_of(desk))))
        own = answer.certificates[0].serial_number
        answer = await said(await post(desk, request_for(own)))
        assert answer.certificate_status is OCSPCertStatus.GOOD

    async def test_before_anybody_is_certified(self, house: House) -> None:
        """Try later: the authority has not come to it yet."""
        await house.responders.look()
        answer = await said(await post(house, request_for(serial_of(house))))
        assert answer.response_status is OCSPResponseStatus.TRY_LATER

    async def test_while_the_store_is_away(self, desk: House) -> None:
        """Try later, and no guess."""
        desk.break_store()
        answer = await said(await post(desk, request_for(serial_of(desk))))
        assert answer.response_status is OCSPResponseStatus.TRY_LATER


class TestBadInput:
    @pytest.mark.parametrize("der", [b"", b"hello", b"\x30\x84\xff\xff\xff\xff", bytes(20_000)])
    async def test_what_is_no_request(self, desk: House, der: bytes) -> None:
        """Malformed, by either method, and nobody keeps that."""
        response = await post(desk, der)
        assert (await said(response)).response_status is OCSPResponseStatus.MALFORMED_REQUEST
        assert response.headers["Cache-Control"] == "no-store"
        if len(der) < 1000:
            response = await desk.ask("GET", path_of(der) + "A", listener=Listener.PUBLIC)
            assert (await said(response)).response_status is OCSPResponseStatus.MALFORMED_REQUEST
            assert response.headers["Cache-Control"] == "no-store"

    @pytest.mark.parametrize(
        "path", ["/ocsp/", "/ocsp/%00", "/ocsp/!!!", "/ocsp/////", "/ocsp/%C3%A8"]
    )
    async def test_what_is_no_path(self, desk: House, path: str) -> None:
        """An answer says so, and not a page."""
        response = await desk.ask("GET", path, listener=Listener.PLAIN_HTTP)
        if path == "/ocsp/":
            assert response.status == 405
            return
        assert (await said(response)).response_status is OCSPResponseStatus.MALFORMED_REQUEST

    async def test_only_post_without_a_path(self, desk: House) -> None:
        """There is nothing to get."""
        response = await desk.ask("GET", "/ocsp", listener=Listener.PUBLIC)
        assert (response.status, response.headers["Allow"]) == (405, "POST")

    async def test_nothing_of_it_is_at_the_portal(self, desk: House) -> None:
        """Behind the certificate there is no OCSP."""
        response = await desk.ask("GET", "/ocsp/MA==", listener=Listener.PORTAL)
        assert response.status == 404


class TestPaths:
    DER = b"\x30\x10" + bytes([0xFB, 0xEF, 0xBE, 0xFF, 0xFF, 0xFF] * 3)

    @pytest.mark.parametrize("safe", ["", "/", "+", "/+=", "="])
    @pytest.mark.parametrize("padded", [True, False])
    @pytest.mark.parametrize("before", ["", "/"])
    def test_however_it_is_encoded(self, safe: str, padded: bool, before: str) -> None:
        """Slashes bare or encoded, with padding or without, behind one slash or two."""
        for der in (self.DER, self.DER + b"x", self.DER + b"xy"):
            encoded = base64.b64encode(der).decode()
            encoded = encoded if padded else encoded.rstrip("=")
            assert read_path("/ocsp/" + before + quote(encoded, safe=safe)) == der

    def test_a_path_has_an_end(self) -> None:
        """What is longer than any request is not even decoded."""
        assert read_path("/ocsp/" + "M" * (2 * MOST_BYTES)) is None


class TestCaching:
    async def test_a_get_may_be_kept(self, desk: House) -> None:
        """For a minute, less what it is old already; never past its end (RFC 5019, section 6)."""
        path = path_of(request_for(serial_of(desk)))
        first = await desk.ask("GET", path, listener=Listener.PUBLIC)
        answer = await said(first)
        control = "max-age={}, public, no-transform, must-revalidate"
        assert first.headers["Cache-Control"] == control.format(60)
        assert answer.next_update_utc is not None
        assert parsedate_to_datetime(first.headers["Expires"]) == answer.next_update_utc
        assert parsedate_to_datetime(first.headers["Last-Modified"]) == answer.this_update_utc
        desk.clock.advance(seconds=20)
        again = await desk.ask("GET", path, listener=Listener.PUBLIC)
        assert await again.read() == await first.read()
        assert again.headers["Cache-Control"] == control.format(40)
        fields = {"If-None-Match": first.headers["ETag"]}
        unchanged = await desk.ask("GET", path, listener=Listener.PUBLIC, headers=fields)
        assert (unchanged.status, unchanged.headers["ETag"]) == (304, first.headers["ETag"])
        desk.clock.advance(seconds=40)
        later = await desk.ask("GET", path, listener=Listener.PUBLIC, headers=fields)
        assert (await said(later)).this_update_utc == answer.this_update_utc + timedelta(minutes=1)

    async def test_a_revocation_is_said_at_once(self, desk: House) -> None:
        """What was signed a moment ago is not given to the next who asks."""
        path = path_of(request_for(serial_of(desk)))
        before = await said(await desk.ask("GET", path, listener=Listener.PUBLIC))
        await desk.revoke("anna", "stick-1")
        after = await said(await desk.ask("GET", path, listener=Listener.PUBLIC))
        assert before.certificate_status is OCSPCertStatus.GOOD
        assert after.certificate_status is OCSPCertStatus.REVOKED

    async def test_post_and_nonce_are_not_kept(self, desk: House) -> None:
        """Both are answers to one question of one client."""
        for nonce in (b"a" * 32, b"b" * 32):
            der = request_for(serial_of(desk), nonce)
            for response in (
                await post(desk, der),
                await desk.ask("GET", path_of(der), listener=Listener.PUBLIC),
            ):
                assert response.headers["Cache-Control"] == "no-store"
                answer = await said(response)
                found = answer.extensions.get_extension_for_class(x509.OCSPNonce).value
                assert found.nonce == nonce
        response = await post(desk, request_for(serial_of(desk)))
        assert response.headers["Cache-Control"] == "no-store"
