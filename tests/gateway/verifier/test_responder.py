"""Asking responders: openssl's over the network, and one that does as it is told."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.ocsp import OCSPCertStatus

from ca.foreign.ocsp import request_for
from ca.trust import Revocation, RevocationReason
from gateway.core.trusts import IdentityMap, PastEnd, Trust
from gateway.verifier.fetching import Fetcher, Patience
from gateway.verifier.responder import (
    OFTEN,
    SELDOM,
    ResponderEvent,
    Responders,
    fingerprint_of,
)
from tests.ca.foreign.makers import (
    DAY,
    FOR_ANSWERING,
    NO_CHECK,
    Holder,
    certify,
    digest_for,
    index_line,
    make_foreign_ca,
    told_at,
    write_holder,
)
from tests.ca.makers import NOW
from tests.gateway.edge.authority import make_authority
from tests.gateway.verifier.web import Asked, Web, answer, open_web, silent

HOUR = timedelta(hours=1)
FOREIGN = make_foreign_ca(NOW)
RESPONDER = certify("responder", FOREIGN, NOW, [FOR_ANSWERING, NO_CHECK])
ISSUER = FOREIGN.certificate
GRACE = timedelta(hours=12)
STOLEN = Revocation(NOW - DAY, RevocationReason.KEY_COMPROMISE)
HELD = Revocation(NOW - DAY, RevocationReason.CERTIFICATE_HOLD)
SHORT = Patience(whole=0.5, silence=0.2)


class Oracle:
    """A responder that says about everybody what it was told to say."""

    def __init__(self, web: Web, path: str = "/ocsp") -> None:
        """Answer below *path*; good, as of `NOW`, for a day."""
        self.url = web.url(path)
        self.path = path
        self.status = OCSPCertStatus.GOOD
        self.revocation: Revocation | None = None
        self.as_of = NOW
        self.lasts = DAY
        self.echoes = True
        self.by = RESPONDER
        self._web = web
        web.answers[path] = self._answer

    def asked(self) -> int:
        """Count the questions."""
        return sum(1 for one in self._web.asked if one.target == self.path)

    def revoke(self, revocation: Revocation | None) -> None:
        """Say from now on that everybody is revoked, or nobody."""
        self.revocation = revocation
        self.status = OCSPCertStatus.GOOD if revocation is None else OCSPCertStatus.REVOKED

    async def _answer(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        assert (asked.method, asked.header["content-type"]) == ("POST", "application/ocsp-request")
        await answer(self.sign(ocsp.load_der_ocsp_request(asked.body)))(asked, writer)

    def sign(self, request: ocsp.OCSPRequest) -> bytes:
        """Sign an answer to *request* now."""
        said = self.revocation
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response_by_hash(
                issuer_name_hash=request.issuer_name_hash,
                issuer_key_hash=request.issuer_key_hash,
                serial_number=request.serial_number,
                algorithm=request.hash_algorithm,
                cert_status=self.status,
                this_update=self.as_of,
                next_update=self.as_of + self.lasts,
                revocation_time=None if said is None else said.at,
                revocation_reason=None if said is None else x509.ReasonFlags(said.reason.value),
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, self.by.certificate)
            .certificates([self.by.certificate])
        )
        if self.echoes:
            for extension in request.extensions:
                builder = builder.add_extension(extension.value, critical=False)
        signed = builder.sign(self.by.key, digest_for(self.by.key))
        return signed.public_bytes(Encoding.DER)


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    """Yield a server on loopback."""
    async with open_web() as web:
        yield web


@pytest.fixture
def oracle(web: Web) -> Oracle:
    """Return a responder on it."""
    return Oracle(web)


def trust(past_end: PastEnd = PastEnd.REFUSE) -> Trust:
    """Return a trust with a grace that counts, or does not."""
    certificates = (ISSUER.public_bytes(Encoding.DER),)
    return Trust(
        "foreign", certificates, IdentityMap.SUBJECT_CN, ocsp=True, past_end=past_end, grace=GRACE
    )


def make_responders(directory: Path, past_end: PastEnd = PastEnd.REFUSE) -> Responders:
    """Make what is tested, without chance."""
    fetcher = Fetcher(answer_patience=SHORT)
    return Responders(directory / "ocsp", trust(past_end), fetcher, draw=lambda: 0.0)


@pytest.fixture
def responders(tmp_path: Path) -> Responders:
    """Return what is tested."""
    return make_responders(tmp_path)


def produced_at(data: bytes) -> datetime:
    """Return when an answer was signed, to the second."""
    return ocsp.load_der_ocsp_response(data).produced_at_utc


def anna_of(*urls: str, lifetime: timedelta = 30 * DAY) -> x509.Certificate:
    """Return a certificate whose status is told at *urls*."""
    return certify("anna", FOREIGN, NOW, [told_at(*urls)], lifetime=lifetime).certificate


class TestAnswers:
    async def test_good_until_the_end_of_the_answer(
        self, oracle: Oracle, responders: Responders
    ) -> None:
        """Asked once, and known from then on; nobody else is known by that."""
        anna = anna_of(oracle.url)
        found = await responders.ask(anna, ISSUER, NOW)
        assert (found.revocation, found.good_until, found.words) == (None, NOW + DAY, "")
        assert await responders.ask(anna, ISSUER, NOW + HOUR / 2) == found
        assert responders.status(anna) == found
        assert oracle.asked() == 1
        assert responders.status(anna_of(oracle.url)).good_until is None

    async def test_revoked(self, oracle: Oracle, responders: Responders) -> None:
        """With date and reason; and for good, so that it is not asked again."""
        oracle.revoke(STOLEN)
        anna = anna_of(oracle.url)
        assert (await responders.ask(anna, ISSUER, NOW)).revocation == STOLEN
        assert responders.due() is None
        oracle.revoke(None)
        assert await responders.refresh(NOW + 20 * DAY) == ()
        assert (await responders.ask(anna, ISSUER, NOW + 20 * DAY)).revocation == STOLEN

    async def test_hold_and_release(self, oracle: Oracle, responders: Responders) -> None:
        """A hold is asked about again, and ends with the answer that says so."""
        oracle.revoke(HELD)
        anna = anna_of(oracle.url)
        assert (await responders.ask(anna, ISSUER, NOW)).revocation == HELD
        oracle.revoke(None)
        oracle.as_of += HOUR
        (event,) = await responders.refresh(NOW + HOUR)
        assert event == ResponderEvent(fingerprint_of(anna), anna.serial_number, "")
        assert responders.status(anna).revocation is None

    @pytest.mark.parametrize(
        "past_end, grace", [(PastEnd.REFUSE, timedelta(0)), (PastEnd.GO_ON, GRACE)]
    )
    async def test_the_grace_counts_where_the_trust_goes_on(
        self, past_end: PastEnd, grace: timedelta, oracle: Oracle, tmp_path: Path
    ) -> None:
        """And nowhere else."""
        responders = make_responders(tmp_path, past_end)
        found = await responders.ask(anna_of(oracle.url), ISSUER, NOW)
        assert found.good_until == NOW + DAY + grace

    async def test_an_answer_that_never_ends_has_no_time_for_a_grace(
        self, oracle: Oracle, tmp_path: Path
    ) -> None:
        """Its nextUpdate is the last second that can be written, as is its signer's end."""
        never = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
        oracle.lasts = never - NOW
        oracle.by = certify(
            "responder", FOREIGN, NOW, [FOR_ANSWERING, NO_CHECK], lifetime=never - NOW + DAY
        )
        responders = make_responders(tmp_path, PastEnd.GO_ON)
        found = await responders.ask(anna_of(oracle.url), ISSUER, NOW)
        assert found.good_until == never

    async def test_a_nonce_is_sent_and_need_not_come_back(
        self, oracle: Oracle, responders: Responders, web: Web
    ) -> None:
        """Each question has its own; who signs beforehand sends none."""
        oracle.echoes = False
        for _ in range(2):
            assert (await responders.ask(anna_of(oracle.url), ISSUER, NOW)).good_until
        nonces = {
            ocsp.load_der_ocsp_request(one.body)
            .extensions.get_extension_for_class(x509.OCSPNonce)
            .value.nonce
            for one in web.asked
        }
        assert sorted(map(len, nonces)) == [32, 32]


class TestTimes:
    @pytest.mark.parametrize(
        "lasts, due",
        [(DAY, SELDOM), (HOUR, HOUR / 2), (timedelta(seconds=40), OFTEN)],
    )
    async def test_asked_again_long_before_the_end(
        self, lasts: timedelta, due: timedelta, oracle: Oracle, responders: Responders
    ) -> None:
        """After half its life, an hour at the latest; and not more often than is civil."""
        oracle.lasts = lasts
        anna = anna_of(oracle.url)
        await responders.ask(anna, ISSUER, NOW)
        assert responders.due() == NOW + due
        assert await responders.refresh(NOW + due - timedelta(seconds=1)) == ()
        oracle.as_of += due
        assert len(await responders.refresh(NOW + due)) == 1
        assert responders.status(anna).good_until == NOW + due + lasts

    async def test_times_are_spread(self, oracle: Oracle, tmp_path: Path) -> None:
        """By up to a tenth, and always earlier."""
        responders = Responders(tmp_path, trust(), Fetcher(), draw=lambda: 1.0)
        await responders.ask(anna_of(oracle.url), ISSUER, NOW)
        assert responders.due() == NOW + SELDOM * 0.9

    async def test_a_clock_that_was_ahead(self, oracle: Oracle, responders: Responders) -> None:
        """What was to be asked in a year is asked when the clock is right again."""
        oracle.as_of += 365 * DAY
        anna = anna_of(oracle.url, lifetime=900 * DAY)
        await responders.ask(anna, ISSUER, NOW + 365 * DAY)
        oracle.as_of = NOW
        assert len(await responders.refresh(NOW)) == 1

    async def test_certificates_that_have_ended_are_forgotten(
        self, oracle: Oracle, responders: Responders, tmp_path: Path
    ) -> None:
        """In memory and on disk."""
        await responders.ask(anna_of(oracle.url, lifetime=2 * DAY), ISSUER, NOW)
        assert len(list((tmp_path / "ocsp").iterdir())) == 1
        assert await responders.refresh(NOW + 2 * DAY) == ()
        assert list((tmp_path / "ocsp").iterdir()) == []
        assert responders.due() is None


class TestFailures:
    async def test_the_last_answer_stays_in_force(
        self, oracle: Oracle, responders: Responders, web: Web
    ) -> None:
        """Whatever goes wrong; the words say what, and success takes them back."""
        anna = anna_of(oracle.url)
        good = await responders.ask(anna, ISSUER, NOW)
        said = web.answers[oracle.path]
        web.answers[oracle.path] = answer(b"<html>", status=200)
        (event,) = await responders.refresh(NOW + HOUR)
        found = responders.status(anna)
        assert (found.revocation, found.good_until) == (good.revocation, good.good_until)
        assert found.words == event.words
        assert event.words.startswith(f"{oracle.url}: is no OCSP response")
        health = responders.health()
        assert (health.certificates, health.failing) == (1, 1)
        assert (health.last_failure, health.next_end) == (event.words, NOW + DAY)
        web.answers[oracle.path] = said
        (event,) = await responders.refresh(NOW + HOUR + OFTEN)
        assert event.words == ""
        assert responders.status(anna) == good
        assert responders.health().failing == 0

    async def test_failures_are_spaced_out(self, responders: Responders, web: Web) -> None:
        """Half a minute, a minute, two, four: up to an hour; also for whoever asks between."""
        anna = anna_of(web.url("/nobody"))
        now, pauses = NOW, []
        assert (await responders.ask(anna, ISSUER, now)).good_until is None
        for _ in range(9):
            due = responders.due()
            assert due is not None
            pauses.append((due - now) / OFTEN)
            before = len(web.asked)
            found = await responders.ask(anna, ISSUER, due - timedelta(seconds=1))
            assert found.words == f"{web.url('/nobody')}: the server answers 404"
            assert len(web.asked) == before
            now = due
            await responders.refresh(now)
        assert pauses == [1, 2, 4, 8, 16, 32, 64, 120, 120]

    async def test_a_responder_that_is_silent_is_waited_for_once(
        self, responders: Responders, web: Web
    ) -> None:
        """Its other certificates are told at once, for a moment."""
        web.answers["/ocsp"] = silent()
        url = web.url("/ocsp")
        for _ in range(3):
            found = await responders.ask(anna_of(url), ISSUER, NOW)
            assert found.words == f"{url}: nothing came for 0.2 s"
        assert len(web.asked) == 1
        await responders.ask(anna_of(url), ISSUER, NOW + OFTEN)
        assert len(web.asked) == 2

    async def test_the_next_responder_is_asked(
        self, oracle: Oracle, responders: Responders, web: Web
    ) -> None:
        """A certificate may name several."""
        anna = anna_of(web.url("/nobody"), oracle.url)
        assert (await responders.ask(anna, ISSUER, NOW)).good_until == NOW + DAY

    async def test_responders_that_are_not_asked_are_in_nobodys_way(
        self, oracle: Oracle, responders: Responders
    ) -> None:
        """Whatever stands before it, of those that can be asked the first is."""
        others = [f"ldap://127.0.0.1/cn={number}" for number in range(5)]
        anna = anna_of(*others, "file:///etc/passwd", oracle.url)
        assert (await responders.ask(anna, ISSUER, NOW)).good_until == NOW + DAY

    async def test_addresses_that_are_not_asked(self, responders: Responders) -> None:
        """As for lists: where metadata services are, no CA is."""
        found = await responders.ask(anna_of("http://169.254.169.254/ocsp"), ISSUER, NOW)
        assert "link-local" in found.words

    async def test_a_responder_leads_nowhere(
        self, oracle: Oracle, responders: Responders, web: Web
    ) -> None:
        """A question is not handed on, not even within one server."""
        web.answers["/moved"] = answer(b"", 307, Location=oracle.url)
        url = web.url("/moved")
        found = await responders.ask(anna_of(url), ISSUER, NOW)
        assert found.words == f"{url}: the server answers 307"
        assert oracle.asked() == 0

    async def test_by_https_from_a_server_that_the_ca_has_certified(self, tmp_path: Path) -> None:
        """As of its lists: the CA's own server is believed by the CA's certificate."""
        authority = make_authority(tmp_path / "ca")
        ca = Holder(authority.certificate, authority.key)
        async with open_web(authority.server("localhost")) as web:
            oracle = Oracle(web)
            oracle.by = ca
            url = web.url("/ocsp", "localhost")
            anna = certify("anna", ca, NOW, [told_at(url)]).certificate
            trusting = replace(trust(), certificates=(ca.certificate.public_bytes(Encoding.DER),))
            own = Responders(tmp_path / "own", trusting, Fetcher())
            assert (await own.ask(anna, ca.certificate, NOW)).good_until == NOW + DAY
            other = Responders(tmp_path / "other", trust(), Fetcher())
            found = await other.ask(anna, ca.certificate, NOW)
            assert "certificate verify failed" in found.words

    async def test_nobody_to_ask(self, responders: Responders) -> None:
        """A certificate without a responder has no status, and one by LDAP is not asked."""
        nobody = certify("anna", FOREIGN, NOW).certificate
        found = await responders.ask(nobody, ISSUER, NOW)
        assert (found.good_until, found.words) == (
            None,
            "the certificate names no OCSP responder (AIA)",
        )
        found = await responders.ask(anna_of("ldap://127.0.0.1/cn=ca"), ISSUER, NOW)
        assert "LDAP is not spoken here" in found.words

    async def test_an_answer_that_is_too_long(self, responders: Responders, web: Web) -> None:
        """It is not read to its end."""
        web.answers["/ocsp"] = answer(bytes(64 * 1024 + 1))
        found = await responders.ask(anna_of(web.url("/ocsp")), ISSUER, NOW)
        assert found.words == f"{web.url('/ocsp')}: longer than 65536 octets"

    @pytest.mark.parametrize("past_end", list(PastEnd))
    async def test_a_certificate_that_is_not_known_any_more(
        self, past_end: PastEnd, oracle: Oracle, tmp_path: Path
    ) -> None:
        """Takes back at once that it is good, whatever the grace, also over a restart."""
        responders = make_responders(tmp_path, past_end)
        anna = anna_of(oracle.url)
        await responders.ask(anna, ISSUER, NOW)
        oracle.status = OCSPCertStatus.UNKNOWN
        await responders.refresh(NOW + HOUR)
        assert responders.status(anna).good_until is None
        assert "does not know this certificate" in responders.status(anna).words
        # An answer from before comes back: replayed, or of a responder that is behind.
        oracle.status = OCSPCertStatus.GOOD
        oracle.as_of -= timedelta(seconds=1)
        await responders.refresh(NOW + 2 * HOUR)
        assert responders.status(anna).good_until is None
        oracle.status = OCSPCertStatus.UNKNOWN
        again = make_responders(tmp_path, past_end)
        assert (await again.ask(anna, ISSUER, NOW + 2 * HOUR)).good_until is None
        oracle.status = OCSPCertStatus.GOOD
        oracle.as_of = NOW + 3 * HOUR
        await responders.refresh(NOW + 4 * HOUR)
        assert responders.status(anna).good_until is not None

    async def test_a_hold_that_is_not_known_any_more(
        self, oracle: Oracle, responders: Responders
    ) -> None:
        """What is revoked stays so."""
        oracle.revoke(HELD)
        anna = anna_of(oracle.url)
        await responders.ask(anna, ISSUER, NOW)
        oracle.revoke(None)
        oracle.status = OCSPCertStatus.UNKNOWN
        await responders.refresh(NOW + HOUR)
        assert responders.status(anna).revocation == HELD


class TestOrder:
    async def test_an_older_answer_takes_nothing_back(
        self, oracle: Oracle, responders: Responders
    ) -> None:
        """A replayed *good* after *revoked* is refused, though it has not ended."""
        oracle.revoke(HELD)
        anna = anna_of(oracle.url)
        await responders.ask(anna, ISSUER, NOW)
        oracle.revoke(None)
        oracle.as_of -= timedelta(seconds=1)
        oracle.echoes = False
        (event,) = await responders.refresh(NOW + HOUR)
        assert event.words == f"{oracle.url}: an answer that is older than one that came before"
        assert responders.status(anna).revocation == HELD

    @pytest.mark.parametrize("restart", [False, True])
    @pytest.mark.parametrize("before", [None, OCSPCertStatus.GOOD, OCSPCertStatus.REVOKED])
    async def test_nothing_from_before_unknown_is_believed_after_it(
        self, restart: bool, before: OCSPCertStatus | None, oracle: Oracle, tmp_path: Path
    ) -> None:
        """A *good* that is newer than what was held then, and older than *unknown*."""
        oracle.echoes = False
        responders = make_responders(tmp_path)
        anna = anna_of(oracle.url)
        if before is not None:
            oracle.revoke(HELD if before is OCSPCertStatus.REVOKED else None)
            await responders.ask(anna, ISSUER, NOW)
        oracle.revoke(None)
        oracle.status, oracle.as_of = OCSPCertStatus.UNKNOWN, NOW + HOUR
        await responders.ask(anna, ISSUER, NOW + HOUR)
        if restart:
            responders = make_responders(tmp_path)
        oracle.status, oracle.as_of = OCSPCertStatus.GOOD, NOW + HOUR / 2
        found = await responders.ask(anna, ISSUER, NOW + 3 * HOUR)
        if before is OCSPCertStatus.REVOKED:
            assert found.revocation == HELD
        else:
            assert (found.good_until, found.unknown) == (None, True)
        oracle.as_of = NOW + 2 * HOUR
        found = await responders.ask(anna, ISSUER, NOW + 5 * HOUR)
        assert (found.revocation, found.good_until) == (None, NOW + 2 * HOUR + DAY)

    async def test_an_unknown_from_before_takes_nothing_back(
        self, oracle: Oracle, responders: Responders
    ) -> None:
        """Of a time when the responder had not heard of the certificate yet."""
        anna = anna_of(oracle.url)
        good = await responders.ask(anna, ISSUER, NOW)
        oracle.status, oracle.as_of = OCSPCertStatus.UNKNOWN, NOW - HOUR
        (event,) = await responders.refresh(NOW + HOUR)
        assert "older" in event.words
        assert responders.status(anna).good_until == good.good_until

    @pytest.mark.parametrize("status", [OCSPCertStatus.REVOKED, OCSPCertStatus.UNKNOWN])
    @pytest.mark.parametrize("good_first", [False, True])
    async def test_of_two_of_the_same_moment_the_worse_counts(
        self,
        status: OCSPCertStatus,
        good_first: bool,
        oracle: Oracle,
        responders: Responders,
        web: Web,
    ) -> None:
        """Whichever came first: nobody can tell which is true."""
        anna = anna_of(oracle.url)
        request = ocsp.load_der_ocsp_request(request_for(anna, ISSUER, None))
        good = worse = b""
        for _ in range(50):
            oracle.revoke(None)
            good = oracle.sign(request)
            oracle.status = status
            oracle.revocation = HELD if status is OCSPCertStatus.REVOKED else None
            worse = oracle.sign(request)
            if produced_at(good) == produced_at(worse):
                break
        first, second = (good, worse) if good_first else (worse, good)
        web.answers[oracle.path] = answer(first)
        await responders.ask(anna, ISSUER, NOW)
        web.answers[oracle.path] = answer(second)
        found = await responders.ask(anna, ISSUER, NOW + 2 * HOUR)
        assert found.revocation == (HELD if status is OCSPCertStatus.REVOKED else None)
        assert found.unknown is (status is OCSPCertStatus.UNKNOWN)

    async def test_a_responder_that_is_a_little_behind(
        self, oracle: Oracle, responders: Responders
    ) -> None:
        """Is no failure while it says the same; what is held ends when it did."""
        anna = anna_of(oracle.url)
        good = await responders.ask(anna, ISSUER, NOW)
        oracle.as_of -= timedelta(seconds=1)
        oracle.lasts = 10 * DAY
        (event,) = await responders.refresh(NOW + HOUR)
        assert event.words == ""
        assert responders.status(anna) == good
        (event,) = await responders.refresh(NOW + DAY)
        assert "older" in event.words


class TestRestart:
    async def test_answers_are_kept(self, oracle: Oracle, tmp_path: Path) -> None:
        """Nobody is asked again before it is due, and the grace goes on."""
        anna = anna_of(oracle.url)
        before = await make_responders(tmp_path, PastEnd.GO_ON).ask(anna, ISSUER, NOW)
        again = make_responders(tmp_path, PastEnd.GO_ON)
        assert await again.ask(anna, ISSUER, NOW + HOUR / 2) == before
        assert oracle.asked() == 1
        assert again.due() == NOW + HOUR

    async def test_a_revocation_stays(self, oracle: Oracle, tmp_path: Path) -> None:
        """What was revoked for good is asked no more, and replayed by nobody."""
        oracle.revoke(STOLEN)
        anna = anna_of(oracle.url)
        await make_responders(tmp_path).ask(anna, ISSUER, NOW)
        oracle.revoke(None)
        found = await make_responders(tmp_path).ask(anna, ISSUER, NOW + 9 * DAY)
        assert found.revocation == STOLEN

    async def test_what_is_kept_is_verified_again(self, oracle: Oracle, tmp_path: Path) -> None:
        """A file about somebody else says nothing."""
        anna, bruno = anna_of(oracle.url), anna_of(oracle.url)
        await make_responders(tmp_path).ask(anna, ISSUER, NOW)
        kept = tmp_path / "ocsp"
        (kept / f"{fingerprint_of(anna)}.json").rename(kept / f"{fingerprint_of(bruno)}.json")
        oracle.status = OCSPCertStatus.UNKNOWN
        assert (await make_responders(tmp_path).ask(bruno, ISSUER, NOW)).good_until is None
        assert oracle.asked() == 2

    async def test_a_disk_that_takes_nothing(self, oracle: Oracle, tmp_path: Path) -> None:
        """The answer counts, and health says why it is not kept."""
        (tmp_path / "ocsp").write_bytes(b"")
        responders = make_responders(tmp_path)
        assert (await responders.ask(anna_of(oracle.url), ISSUER, NOW)).good_until == NOW + DAY
        assert "cannot be written" in responders.health().last_failure


async def test_many_at_once(oracle: Oracle, responders: Responders) -> None:
    """Each certificate is asked about once, whoever asks how often."""
    people = [anna_of(oracle.url) for _ in range(20)]
    found = await asyncio.gather(*(responders.ask(one, ISSUER, NOW) for one in people * 3))
    assert {one.good_until for one in found} == {NOW + DAY}
    assert oracle.asked() == 20
    oracle.as_of += HOUR
    assert len(await responders.refresh(NOW + HOUR)) == 20


async def test_openssl_as_the_responder(tmp_path: Path) -> None:
    """`openssl ocsp` over the network: good, revoked, and a certificate not in its index."""
    now = datetime.now(UTC).replace(microsecond=0)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    foreign = make_foreign_ca(now)
    signer = certify("responder", foreign, now, [FOR_ANSWERING, NO_CHECK])
    anna, bruno, carla = (
        certify(name, foreign, now, [told_at(f"http://127.0.0.1:{port}/")]).certificate
        for name in ("anna", "bruno", "carla")
    )
    revoked = f"{now - HOUR:%y%m%d%H%M%SZ},superseded"
    index = tmp_path / "index.txt"
    index.write_text(index_line(anna) + index_line(bruno, revoked))
    issuer, _ = write_holder(tmp_path, "ca", foreign)
    certificate, key = write_holder(tmp_path, "responder", signer)
    process = await asyncio.create_subprocess_exec(
        *("openssl", "ocsp", "-index", index, "-CA", issuer, "-rsigner", certificate),
        *("-rkey", key, "-port", str(port), "-nmin", "10"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        assert process.stdout is not None
        said = await asyncio.wait_for(process.stdout.readline(), 10)
        assert b"ACCEPT" in said or b"waiting" in said.lower(), said
        responders = Responders(tmp_path / "ocsp", trust(), Fetcher())
        good = await responders.ask(anna, foreign.certificate, now)
        assert good.revocation is None
        assert good.good_until is not None, good.words
        found = await responders.ask(bruno, foreign.certificate, now)
        assert found.revocation == Revocation(now - HOUR, RevocationReason.SUPERSEDED)
        unknown = await responders.ask(carla, foreign.certificate, now)
        assert "does not know this certificate" in unknown.words
    finally:
        process.terminate()
        await process.communicate()
