"""What the lists and the responder of one trust say together."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from ca.trust import RevocationReason
from gateway.core.foreign import PersonBy
from gateway.core.people import Fingerprint
from gateway.core.trusts import IdentityMap, PastEnd, Trust
from gateway.verifier.fetching import Fetcher
from gateway.verifier.findings import Found
from gateway.verifier.knowledge import RESPONDER, Knowledge, Status, verdict_of
from tests.ca.foreign.chains import Extensions, Made, make_authority, make_person, make_root
from tests.ca.foreign.crl_makers import make_crl, point_at
from tests.ca.foreign.makers import Holder
from tests.gateway.verifier.saying import say, told_by
from tests.gateway.verifier.web import Web, answer, open_web

DAY = timedelta(days=1)
NOW = datetime.now(UTC).replace(microsecond=0)
LONG: dict[str, Any] = {"begin": NOW - DAY, "end": NOW + 300 * DAY}
ROOT = make_root("Corp", **LONG)
GOOD, REVOKED = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED
UNKNOWN = ocsp.OCSPCertStatus.UNKNOWN
HELD = RevocationReason.CERTIFICATE_HOLD
STOLEN = RevocationReason.KEY_COMPROMISE


@dataclass
class Corp:
    """A CA with a list and a responder on one server, and somebody's card."""

    web: Web
    knowledge: Knowledge
    found: Found

    def publish(self, *, held: bool = False) -> None:
        """Publish a list that is good for two days."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(ROOT.certificate.subject)
            .last_update(NOW)
            .next_update(NOW + 2 * DAY)
            .add_extension(x509.CRLNumber(1), critical=False)
        )
        if held:
            entry = (
                x509.RevokedCertificateBuilder()
                .serial_number(self.found.certificate.serial_number)
                .revocation_date(NOW)
                .add_extension(x509.CRLReason(x509.ReasonFlags.certificate_hold), critical=False)
            )
            builder = builder.add_revoked_certificate(entry.build())
        crl = builder.sign(ROOT.key, hashes.SHA256())
        self.web.answers["/corp.crl"] = answer(crl.public_bytes(Encoding.DER))

    def say(self, status: ocsp.OCSPCertStatus) -> None:
        """Let the responder say *status* of the card, for a day."""
        said = say(ROOT, self.found.certificate, status, NOW)
        self.web.answers["/ocsp"] = answer(said)

    async def ask(self) -> Status:
        """Ask for what there is, and say what comes of it."""
        await self.knowledge.refresh_about(self.found, NOW)
        return self.knowledge.status(self.found, NOW)


@pytest.fixture
async def corp(tmp_path: Path) -> AsyncIterator[Corp]:
    """Yield a CA of which neither is had yet."""
    async with open_web() as web:
        card = make_person(ROOT, more=told_by(web.url("/ocsp")), **LONG)
        urls = (web.url("/corp.crl"),)
        trust = Trust("corp", (ROOT.der,), IdentityMap.SAN_EMAIL, urls, ocsp=True)
        found = Found(
            fingerprint=Fingerprint(card.certificate.fingerprint(hashes.SHA256()).hex()),
            trust="corp",
            certificate=card.certificate,
            authority=ROOT.certificate,
            by=PersonBy.EMAIL,
            identity="anna@example.com",
            words="",
            ends=NOW + 300 * DAY,
        )
        yield Corp(web, Knowledge(trust, tmp_path / "corp", Fetcher()), found)


def reason(status: Status) -> RevocationReason | None:
    """Return why the card is revoked."""
    return None if status.revocation is None else status.revocation.reason


async def test_it_is_known_for_as_long_as_one_of_them_says(corp: Corp) -> None:
    """Either is enough; without both nobody can say."""
    assert (await corp.ask()).good_until is None
    corp.publish()
    corp.knowledge.hurry()
    assert (await corp.ask()).good_until == NOW + 2 * DAY


async def test_the_responder_alone_is_enough(corp: Corp) -> None:
    """Whose CA publishes no list any more."""
    corp.say(GOOD)
    status = await corp.ask()
    assert (status.revocation, status.good_until) == (None, NOW + DAY)


async def test_revoked_is_what_one_of_them_calls_so(corp: Corp) -> None:
    """For good, if one of them says that."""
    corp.publish(held=True)
    corp.say(REVOKED)
    assert reason(await corp.ask()) is STOLEN


async def test_a_hold_on_the_list_stands_beside_a_responder(corp: Corp) -> None:
    """Which may not have heard of it."""
    corp.publish(held=True)
    corp.say(GOOD)
    assert reason(await corp.ask()) is HELD


async def test_what_the_responder_does_not_know_is_not_good(corp: Corp) -> None:
    """Though no list revokes it: somebody else may sign in the CA's name."""
    corp.publish()
    corp.say(UNKNOWN)
    status = await corp.ask()
    assert (status.revocation, status.good_until) == (None, None)


async def test_a_restart_goes_on_with_what_was_said(corp: Corp, tmp_path: Path) -> None:
    """Without asking anybody; and asks again when that is due."""
    corp.say(GOOD)
    first = await corp.ask()
    asked = len(corp.web.asked)
    again = Knowledge(corp.knowledge.trust, tmp_path / "corp", Fetcher())
    await again.take_up(corp.found, NOW)
    assert again.status(corp.found, NOW).good_until == first.good_until
    assert len(corp.web.asked) == asked
    corp.say(REVOKED)
    await again.refresh(NOW + timedelta(hours=2))
    assert reason(again.status(corp.found, NOW)) is STOLEN


async def test_both_are_told_of(corp: Corp) -> None:
    """For doctor and metrics, the responders as one."""
    corp.publish()
    corp.say(GOOD)
    await corp.ask()
    one, other = corp.knowledge.health()
    assert (one.source, one.next_update) == (corp.web.url("/corp.crl"), NOW + 2 * DAY)
    assert (other.source, other.next_update, other.entries) == (RESPONDER, NOW + DAY, 1)
    assert (one.failure, other.failure) == ("", "")


@dataclass
class Chain:
    """A root, a CA below it, and a card of that one."""

    web: Web
    directory: Path
    issuing: Made
    card: Made
    past_end: PastEnd = PastEnd.REFUSE
    grace: timedelta = timedelta()
    urls: tuple[str, ...] = ()
    ocsp: bool = False

    def publish(self, ca: Made, path: str, *revoked: Made, life: timedelta = DAY) -> None:
        """Let *ca* publish a list at *path*."""
        lost = x509.ReasonFlags.key_compromise
        entries = [(one.certificate.serial_number, lost) for one in revoked]
        holder = Holder(ca.certificate, ca.key)
        self.web.answers[path] = answer(make_crl(holder, entries, begins=NOW, lifetime=life))

    @property
    def knowledge(self) -> Knowledge:
        """Know what is on disk."""
        trust = Trust(
            *("corp", (self.issuing.der, ROOT.der), IdentityMap.SAN_EMAIL),
            crl_urls=self.urls,
            ocsp=self.ocsp,
            past_end=self.past_end,
            grace=self.grace,
        )
        return Knowledge(trust, self.directory, Fetcher())

    @property
    def found(self) -> Found:
        """The card, as it is found."""
        return Found(
            fingerprint=Fingerprint(self.card.certificate.fingerprint(hashes.SHA256()).hex()),
            trust="corp",
            certificate=self.card.certificate,
            authority=self.issuing.certificate,
            by=PersonBy.EMAIL,
            identity="anna@example.com",
            words="",
            ends=NOW + 300 * DAY,
            above=(ROOT.certificate,),
        )

    async def ask(self, knowledge: Knowledge | None = None) -> Status:
        """Ask for what there is, as at the first contact, and say what comes of it."""
        knowledge = knowledge or self.knowledge
        await knowledge.take_up(self.found, NOW)
        await knowledge.refresh_about(self.found, NOW)
        return knowledge.status(self.found, NOW)


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    """Yield a server of lists."""
    async with open_web() as web:
        yield web


def chain(web: Web, directory: Path, more: Extensions | None = None, **changes: Any) -> Chain:
    """Make a CA with the extensions *more*, whose own list is good for two days."""
    issuing = make_authority(ROOT, "Issuing", more=more, **LONG)
    card = make_person(issuing, more=listed_at(web.url("/issuing.crl")), **LONG)
    made = Chain(web, directory, issuing, card, **changes)
    made.publish(issuing, "/issuing.crl", life=2 * DAY)
    return made


def listed_at(url: str) -> Extensions:
    """Let a certificate say that its list is at *url*."""
    return {x509.CRLDistributionPoints([point_at(url)]): False}


async def test_a_ca_that_names_no_list_is_believed(web: Web, tmp_path: Path) -> None:
    """The administrator has named it, and so is the anchor; nobody says anything of either."""
    status = await chain(web, tmp_path).ask()
    assert (status.revocation, status.good_until) == (None, NOW + 2 * DAY)


async def test_a_ca_whose_list_is_held_is_looked_up_there(web: Web, tmp_path: Path) -> None:
    """Though it does not name it: the administrator does."""
    urls = (web.url("/issuing.crl"), web.url("/root.crl"))
    made = chain(web, tmp_path, urls=urls)
    made.publish(ROOT, "/root.crl", made.issuing)
    assert reason(await made.ask()) is RevocationReason.CA_COMPROMISE


@pytest.mark.parametrize("past_end", PastEnd)
async def test_a_ca_that_names_a_list_needs_it(web: Web, tmp_path: Path, past_end: PastEnd) -> None:
    """As a person does; past its end it counts for the grace, if the trust has one."""
    grace = 5 * DAY if past_end is PastEnd.GO_ON else timedelta()
    more = listed_at(web.url("/root.crl"))
    made = chain(web, tmp_path, more, past_end=past_end, grace=grace)
    status = await made.ask()
    assert status.good_until is None
    assert "the CA 'CN=Issuing,O=Example' above it: no revocation list of corp" in status.words
    assert web.url("/root.crl") in status.words
    made.publish(ROOT, "/root.crl")
    knowledge = made.knowledge
    knowledge.hurry()
    status = await made.ask(knowledge)
    assert (status.revocation, status.good_until) == (None, NOW + DAY + grace)


async def test_a_list_that_nobody_can_have_is_named_too(web: Web, tmp_path: Path) -> None:
    """Such as one for some reasons alone: the CA says that it may be revoked."""
    point = x509.DistributionPoint(
        [x509.UniformResourceIdentifier(web.url("/root.crl"))],
        None,
        frozenset({x509.ReasonFlags.key_compromise}),
        None,
    )
    made = chain(web, tmp_path, {x509.CRLDistributionPoints([point]): False})
    assert (await made.ask()).good_until is None


async def test_the_list_of_a_ca_is_had_where_the_ca_says(web: Web, tmp_path: Path) -> None:
    """Also where the trust names the list of those that it issues to; and once."""
    urls = (web.url("/issuing.crl"),)
    made = chain(web, tmp_path, listed_at(web.url("/root.crl")), urls=urls)
    made.publish(ROOT, "/root.crl")
    first = await made.ask()
    assert first.good_until == NOW + DAY
    asked = len(web.asked)
    assert await made.ask() == first
    assert len(web.asked) == asked


async def test_where_the_trust_names_the_list_of_a_ca_nobody_else_is_asked(
    web: Web, tmp_path: Path
) -> None:
    """Once it is held."""
    urls = (web.url("/issuing.crl"), web.url("/all.crl"))
    made = chain(web, tmp_path, listed_at(web.url("/root.crl")), urls=urls)
    made.publish(ROOT, "/all.crl")
    await made.ask()
    again = made.knowledge
    assert (await made.ask(again)).good_until == NOW + DAY
    assert web.url("/root.crl") not in {one.source for one in again.health()}


async def test_a_responder_is_asked_about_a_ca_that_names_one(web: Web, tmp_path: Path) -> None:
    """Where the trust has responders asked; else what it names is nothing."""
    made = chain(web, tmp_path, told_by(web.url("/ocsp")))
    assert (await made.ask()).good_until == NOW + 2 * DAY
    made.ocsp = True
    assert (await made.ask()).good_until is None
    said = say(ROOT, made.issuing.certificate, REVOKED, NOW)
    made.web.answers["/ocsp"] = answer(said)
    assert reason(await made.ask()) is RevocationReason.CA_COMPROMISE


async def test_a_responder_that_nobody_can_ask_is_named_too(web: Web, tmp_path: Path) -> None:
    """The CA says that it may be revoked, and nothing says that it is not."""
    made = chain(web, tmp_path, told_by("http://ca.example.it/\r\n"), ocsp=True)
    status = await made.ask()
    assert status.good_until is None
    assert "the CA 'CN=Issuing,O=Example' above it" in status.words
    assert status.words.isprintable()


def ends(certificate: timedelta, authority: timedelta) -> Iterator[datetime | None]:
    """Yield the end of a verdict whose information is good for 100 days."""
    card = make_person(ROOT, begin=NOW - DAY, end=NOW + certificate)
    found = Found(
        fingerprint=Fingerprint("ca" * 32),
        trust="corp",
        certificate=card.certificate,
        authority=ROOT.certificate,
        by=PersonBy.EMAIL,
        identity="anna@example.com",
        words="",
        ends=NOW + min(certificate, authority),
    )
    yield verdict_of(found, Status(None, NOW + 100 * DAY, "")).good_until


def test_a_ca_that_ends_first_ends_the_verdict() -> None:
    """The end of the certificate itself has a page of its own, so it does not shorten it."""
    assert [*ends(50 * DAY, 200 * DAY)] == [NOW + 100 * DAY]
    assert [*ends(200 * DAY, 50 * DAY)] == [NOW + 50 * DAY]
