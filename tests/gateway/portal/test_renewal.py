"""Renewing at the portal: both ways, each only once, and nothing that nobody holds stays open."""

import asyncio
import io
import re
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientResponse
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs12

from ca.ledger import CertificateRecord, CertificateState
from gateway.core.audit import AuditKind
from gateway.core.people import Fingerprint
from gateway.core.renewals import Renewal, RenewalState
from gateway.core.sessions import SessionId
from gateway.kit.renewal import AFTER, BEFORE, MEMBERS, word_of
from gateway.portal import renewing
from gateway.store import RenewalRefused
from tests.gateway.portal.desk import desk_of, real_stick
from tests.gateway.portal.house import PASSWORD, SITE_KEY, House, text_of

FILE_PASSWORD = "una password per il file"
SAME, NEW = "same-key", "new-key"
STICK = "ending"


@asynccontextmanager
async def working(house: House) -> AsyncIterator[None]:
    """Let the authority work for the length of the block, as its process does."""
    desk = desk_of(house)

    async def follow() -> None:
        async for _ in house.store.follow():
            desk.look()

    tasks = [asyncio.create_task(desk.work_for_ever()), asyncio.create_task(follow())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.fixture
async def session(house: House) -> SessionId:
    """Be signed in with a certificate that ends in twelve days."""
    await real_stick(house, STICK)
    return await house.signed_in(STICK)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pages not wait where nobody is there to sign."""
    monkeypatch.setattr(renewing, "PATIENCE", 0.0)


async def ask(
    house: House,
    session: SessionId | None,
    way: str,
    *,
    mark: str = "",
    code: str | None = None,
    password: str = PASSWORD,
) -> ClientResponse:
    """Send the form, with the next code."""
    if code is None:
        house.clock.advance(seconds=30)
        code = house.code()
    form = {"user": "anna", "password": password, "code": code, "way": way, "mark": mark}
    return await post(house, "/renewal", session, form)


async def post(
    house: House, path: str, session: SessionId | None, form: dict[str, str]
) -> ClientResponse:
    """Send a form from a page of the portal."""
    headers = {"Sec-Fetch-Site": "same-origin"}
    return await house.ask("POST", path, stick=STICK, session=session, form=form, headers=headers)


async def get(house: House, path: str, session: SessionId | None) -> ClientResponse:
    """Ask for a page with the certificate that ends."""
    return await house.ask("GET", path, stick=STICK, session=session)


async def fetch(house: House, session: SessionId, token: str, **form: str) -> ClientResponse:
    """Ask for the file with the new key."""
    wanted = {"token": token, "new": FILE_PASSWORD, "again": FILE_PASSWORD, "for": "firefox"}
    return await post(house, "/renewal/key", session, wanted | form)


async def token_in(response: ClientResponse) -> str:
    """Return what the page's form carries."""
    found = re.search(r'name="token" value="([^"]+)"', await response.text())
    assert found is not None, await text_of(response)
    return found[1]


async def certificates(house: House) -> list[CertificateRecord]:
    """Return what was issued on the stick that ends, the oldest first."""
    return await house.store.certificates(user="anna", device=STICK)


class TestTheSameKey:
    async def test_gets_a_certificate_and_a_file_for_the_stick(
        self, house: House, session: SessionId
    ) -> None:
        """For the same key, with the words of the old certificate and of the new one."""
        async with working(house):
            answer = await ask(house, session, SAME)
        assert (answer.status, answer.headers["Location"]) == (303, "/renewal")
        old, new = await certificates(house)
        assert (new.renews, new.state) == (old.serial, CertificateState.VALID)
        assert old.supersede_at == old.not_after
        page = await text_of(await get(house, "/renewal", session))
        assert "Your new certificate is ready" in page
        file = await get(house, "/renewal/renewal.tar", session)
        assert file.headers["Content-Disposition"] == 'attachment; filename="renewal.tar"'
        with tarfile.open(fileobj=io.BytesIO(await file.read())) as archive:
            assert tuple(archive.getnames()) == MEMBERS
            words = [archive.extractfile(name) for name in (BEFORE, AFTER)]
            found = [word.read() for word in words if word is not None]
        fingerprints = [one.fingerprint for one in (old, new)]
        assert found == [word_of(SITE_KEY, one) for one in fingerprints if one is not None]

    async def test_gets_the_certificate_alone_too(self, house: House, session: SessionId) -> None:
        """With what stands above it, for the key of the old one."""
        async with working(house):
            await ask(house, session, SAME)
        pem = await (await get(house, "/renewal/certificate.pem", session)).read()
        leaf, *above = x509.load_pem_x509_certificates(pem)
        assert len(above) == 2
        old, new = [
            x509.load_der_x509_certificate(
                await house.store.certificate_der(one.issuer, one.serial) or b""
            )
            for one in await certificates(house)
        ]
        assert leaf == new
        spki = [
            one.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            for one in (old, new)
        ]
        assert spki[0] == spki[1]

    async def test_is_in_the_audit_log_with_person_certificates_and_address(
        self, house: House, session: SessionId
    ) -> None:
        """Who asked, from where, with what; and what took its place."""
        async with working(house):
            await ask(house, session, SAME)
        old, new = await certificates(house)
        [asked] = await house.audit(AuditKind.RENEWAL_ASKED)
        assert (asked.event.user, asked.event.serial) == ("anna", old.serial)
        assert asked.event.address == "192.0.2.7"
        assert asked.event.detail["way"] == SAME
        issued = (await house.audit(AuditKind.CERTIFICATE_ISSUED))[-1]
        assert (issued.event.serial, issued.event.detail["renews"]) == (new.serial, old.serial)

    async def test_locks_nobody_out_who_does_not_get_to_use_it(self, house: House) -> None:
        """The old one opens what it did until its end; once the new one is used it goes earlier."""
        await real_stick(house, STICK, days=29)
        session = await house.signed_in(STICK)
        async with working(house):
            await ask(house, session, SAME)
        old, new = await certificates(house)
        house.clock.advance(days=15)
        assert await house.store.supersede_due(by="authority") == []
        session = await house.signed_in(STICK)
        page = await text_of(await get(house, "/renewal", session))
        assert "Until you have signed in with the new one, the old one goes on" in page
        assert (await get(house, "/renewal/renewal.tar", session)).status == 200
        assert new.fingerprint is not None
        house.sticks["new"] = Fingerprint(new.fingerprint)
        times = replace(house.site.certificates, overlap=timedelta(days=2))
        house.site = replace(house.site, certificates=times)
        await house.signed_in("new")
        used_at = house.clock()
        house.clock.advance(hours=1)
        await desk_of(house).work()
        old, _ = await certificates(house)
        assert old.supersede_at == used_at + timedelta(days=2)
        assert "the new one is in use" in await text_of(await get(house, "/renewal", session))

    @pytest.mark.usefixtures("impatient")
    async def test_waits_for_an_authority_that_is_down(
        self, house: House, session: SessionId
    ) -> None:
        """The page says that it waits, and then that the request is kept, and then has the file."""
        await ask(house, session, SAME)
        response = await get(house, "/renewal", session)
        assert "is being signed" in await text_of(response)
        assert (await get(house, "/renewal/renewal.tar", session)).status == 303
        house.clock.advance(minutes=1)
        assert "Your request is kept" in await text_of(await get(house, "/renewal", session))
        await desk_of(house).work()
        page = await text_of(await get(house, "/renewal", session))
        assert "Your new certificate is ready" in page


class TestANewKey:
    async def test_is_handed_over_once_under_a_password(
        self, house: House, session: SessionId
    ) -> None:
        """With the certificate that takes the place of the old one; a second time there is none."""
        async with working(house):
            token = await token_in(await ask(house, session, NEW))
            file = await fetch(house, session, token)
        assert file.headers["Content-Disposition"] == 'attachment; filename="anna.p12"'
        found = pkcs12.load_pkcs12(await file.read(), FILE_PASSWORD.encode())
        assert found.cert is not None
        assert found.key is not None
        old, new = await certificates(house)
        assert format(found.cert.certificate.serial_number, "x") == new.serial
        assert found.key.public_key() == found.cert.certificate.public_key()
        assert len(found.additional_certs) == 2
        again = await fetch(house, session, token)
        assert again.status == 403
        assert "was fetched before" in await text_of(again)
        [handed] = await house.audit(AuditKind.RENEWAL_HANDED_OVER)
        assert (handed.event.serial, handed.event.detail["successor"]) == (old.serial, new.serial)

    async def test_is_handed_over_once_to_two_at_the_same_instant(
        self, house: House, session: SessionId
    ) -> None:
        """One gets the file, the other is told."""
        async with working(house):
            token = await token_in(await ask(house, session, NEW))
            answers = await asyncio.gather(
                *(fetch(house, session, token, mark=mark) for mark in ("one page", "another"))
            )
        assert sorted(answer.status for answer in answers) == [200, 403]

    async def test_is_in_both_answers_to_a_double_tap(
        self, house: House, session: SessionId
    ) -> None:
        """The browser throws the first away: the file would be lost by it."""
        async with working(house):
            page = await ask(house, session, NEW)
            token = await token_in(page)
            found = re.search(r'name="mark" value="([^"]+)"', await page.text())
            assert found is not None
            answers = await asyncio.gather(
                *(fetch(house, session, token, mark=found[1]) for _ in range(2))
            )
            late = await fetch(house, session, token, mark=found[1])
            words = {"new": "another for the file", "again": "another for the file"}
            other = await fetch(house, session, token, mark=found[1], **words)
        bodies = {await answer.read() for answer in (*answers, late)}
        assert [answer.status for answer in (*answers, late)] == [200] * 3
        assert len(bodies) == 1
        assert other.status == 403
        assert len(await house.audit(AuditKind.RENEWAL_HANDED_OVER)) == 1

    async def test_that_is_not_fetched_yet_is_not_said_to_be(
        self, house: House, session: SessionId
    ) -> None:
        """Whoever closed its page reads that it lapses, and not that it is in their hands."""
        async with working(house):
            token = await token_in(await ask(house, session, NEW))
        page = await text_of(await get(house, "/renewal", session))
        assert "nobody has fetched it yet" in page
        assert "You have fetched" not in page
        assert "There is a new certificate for you" not in await text_of(
            await get(house, "/", session)
        )
        async with working(house):
            assert (await fetch(house, session, token)).status == 200
        assert "You have fetched" in await text_of(await get(house, "/renewal", session))
        assert "There is a new certificate for you" in await text_of(await get(house, "/", session))

    @pytest.mark.parametrize(
        "form, said",
        [
            ({"new": "short", "again": "short"}, "too short"),
            ({"again": "another password"}, "not the same"),
            ({"new": "parola d’accesso", "again": "parola d’accesso"}, "accents"),
            ({"for": "nothing"}, "Choose what is to open the file"),
        ],
    )
    async def test_takes_no_password_that_programs_do_not_read(
        self, house: House, session: SessionId, form: dict[str, str], said: str
    ) -> None:
        """It is said, and nothing is handed over yet."""
        async with working(house):
            token = await token_in(await ask(house, session, NEW))
            refused = await fetch(house, session, token, **form)
            assert refused.status == 400
            page = await refused.text()
            assert 'role="alert"' in page
            assert said in await text_of(refused)
            assert (await fetch(house, session, token)).status == 200

    async def test_that_nobody_fetches_opens_nothing_after_ten_minutes(
        self, house: House, session: SessionId
    ) -> None:
        """Its certificate is revoked, the old one stays, and one can begin once more."""
        async with working(house):
            token = await token_in(await ask(house, session, NEW))
        house.clock.advance(minutes=9)
        await desk_of(house).work()
        assert [one.state for one in await certificates(house)] == [CertificateState.VALID] * 2
        house.clock.advance(minutes=1)
        await desk_of(house).work()
        old, new = await certificates(house)
        assert (old.state, new.state) == (CertificateState.VALID, CertificateState.REVOKED)
        assert (await fetch(house, session, token)).status == 403
        async with working(house):
            token = await token_in(await ask(house, session, NEW))
            assert (await fetch(house, session, token)).status == 200

    @pytest.mark.usefixtures("impatient")
    async def test_waits_on_its_page_for_an_authority_that_is_down(
        self, house: House, session: SessionId
    ) -> None:
        """The key travels with the form, so another process of the portal can go on with it."""
        response = await ask(house, session, NEW)
        assert "not signed yet" in await text_of(response)
        token = await token_in(response)
        assert "not signed yet" in await text_of(await fetch(house, session, token))
        await desk_of(house).work()
        async with house.another_portal() as other:
            looked = await post(other, "/renewal/key", session, {"token": token, "look": "yes"})
            assert looked.status == 200
            page = await looked.text()
            assert 'role="alert"' not in page
            assert 'name="for"' in page
            assert (await fetch(other, session, token)).status == 200

    @pytest.mark.usefixtures("impatient")
    async def test_that_was_never_signed_is_not_signed_hours_later(
        self, house: House, session: SessionId
    ) -> None:
        """Whoever asked has closed the page by then."""
        await ask(house, session, NEW)
        house.clock.advance(minutes=61)
        await desk_of(house).work()
        assert len(await certificates(house)) == 1

    async def test_travels_for_one_person_and_certificate_alone(
        self, house: House, session: SessionId
    ) -> None:
        """Nobody else's page, and no other certificate of the same person, opens it."""
        async with working(house):
            token = await token_in(await ask(house, session, NEW))
            await real_stick(house, "other")
            other = await house.signed_in("other")
            form = {"token": token, "new": FILE_PASSWORD, "again": FILE_PASSWORD, "for": "firefox"}
            refused = await house.ask(
                "POST", "/renewal/key", stick="other", session=other, form=form
            )
            assert refused.status == 403
            garbled = await fetch(house, session, token[:-8] + "AAAAAAA=")
            assert garbled.status == 403
            assert (await fetch(house, session, token)).status == 200

    async def test_that_did_not_arrive_is_taken_back_and_made_anew(
        self, house: House, session: SessionId
    ) -> None:
        """As long as nobody has signed in with it; what is in use stays."""
        async with working(house):
            await fetch(house, session, await token_in(await ask(house, session, NEW)))
            page = await text_of(await get(house, "/renewal", session))
            assert "It did not arrive" in page
            await fetch(house, session, await token_in(await ask(house, session, NEW)))
            _, lost, new = await certificates(house)
            assert (lost.state, new.state) == (CertificateState.REVOKED, CertificateState.VALID)
            assert new.fingerprint is not None
            house.sticks["new"] = Fingerprint(new.fingerprint)
            await house.signed_in("new")
            refused = await ask(house, session, NEW)
        assert refused.status == 303
        assert (await certificates(house))[-1] == new
        assert "the new one is in use" in await text_of(await get(house, "/renewal", session))


class TestWhoMay:
    @pytest.mark.parametrize("path", ["/renewal", "/renewal/renewal.tar"])
    async def test_whoever_is_not_signed_in_is_asked_to(
        self, house: House, session: SessionId, path: str
    ) -> None:
        """A certificate alone renews nothing."""
        del session
        answer = await get(house, path, None)
        assert answer.status == 303
        assert answer.headers["Location"].startswith("/sign-in?to=")

    async def test_a_form_without_a_session_does_nothing(
        self, house: House, session: SessionId
    ) -> None:
        """Nor does the file's."""
        del session
        assert (await ask(house, None, SAME)).status == 303
        assert (await post(house, "/renewal/key", None, {"token": "x"})).status == 303
        assert await house.store.waiting_renewals() == []

    @pytest.mark.parametrize("way", [SAME, NEW])
    async def test_password_and_code_are_asked_for_again(
        self, house: House, session: SessionId, way: str
    ) -> None:
        """What is wrong is paced with the sign-in, and in the audit log; nothing is asked for."""
        answer = await ask(house, session, way, password="wrong password")
        assert answer.status == 403
        assert "That was not right" in await text_of(answer)
        answer = await ask(house, session, way, code="000000")
        assert answer.status == 403
        refused = await house.audit(AuditKind.ACCOUNT_CHANGE_REFUSED)
        assert [line.event.reason for line in refused] == ["wrong-password", "wrong-code"]
        assert await house.store.waiting_renewals() == []
        for _ in range(4):
            last = await ask(house, session, way, code="000000")
        assert last.status == 429
        assert (await house.sign_in(stick=STICK)).status == 429

    async def test_a_page_of_another_site_renews_nothing(
        self, house: House, session: SessionId
    ) -> None:
        """The same-origin rule holds here as everywhere (decision 7)."""
        house.clock.advance(seconds=30)
        form = {"user": "anna", "password": PASSWORD, "code": house.code(), "way": SAME}
        answer = await house.ask(
            "POST",
            "/renewal",
            stick=STICK,
            session=session,
            form=form,
            headers={"Sec-Fetch-Site": "cross-site"},
        )
        assert answer.status == 403
        assert await house.store.waiting_renewals() == []

    async def test_it_is_too_early_until_the_last_thirty_days(self, house: House) -> None:
        """The page says when; a form that was made up does nothing."""
        await real_stick(house, STICK, days=40)
        session = await house.signed_in(STICK)
        page = await get(house, "/renewal", session)
        assert "you can renew it yourself in 9 days" in await text_of(page)
        assert 'name="code"' not in await page.text()
        await ask(house, session, SAME)
        assert await house.store.waiting_renewals() == []

    async def test_the_setting_moves_that_day(self, house: House) -> None:
        """Also for the authority, which looks for itself."""
        await real_stick(house, STICK, days=40)
        session = await house.signed_in(STICK)
        times = replace(house.site.certificates, renew_before=timedelta(days=60))
        before, house.site = house.site, replace(house.site, certificates=times)
        await ask_impatiently(house, session)
        house.site = before
        await desk_of(house).work()
        [refused] = await house.audit(AuditKind.RENEWAL_REFUSED)
        assert "has more than" in refused.event.detail["words"]
        assert len(await certificates(house)) == 1

    async def test_a_way_must_be_chosen(self, house: House, session: SessionId) -> None:
        """Neither is the default of a form that was made up."""
        answer = await ask(house, session, "both")
        assert answer.status == 400
        assert "Choose first" in await text_of(answer)


async def ask_impatiently(house: House, session: SessionId) -> None:
    """Ask, where nobody is there to sign, without waiting for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(renewing, "PATIENCE", 0.0)
        await ask(house, session, SAME)


class TestOnlyOnce:
    async def test_a_form_that_is_sent_twice_is_one_renewal(
        self, house: House, session: SessionId
    ) -> None:
        """A double tap on a weak network."""
        house.clock.advance(seconds=30)
        code = house.code()
        async with working(house):
            answers = await asyncio.gather(
                *(ask(house, session, SAME, mark="m", code=code) for _ in range(2))
            )
        assert [answer.status for answer in answers] == [303, 303]
        assert len(await certificates(house)) == 2
        assert await house.failures() == []

    async def test_a_code_that_is_used_up_for_nothing_leaves_a_line(
        self, house: House, session: SessionId, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever it was that came in between: the code is gone, so who used it is written."""
        ask_renewal = house.store.ask_renewal

        async def too_late(*words: Any) -> Renewal:
            await house.store.set_recovery_codes("anna", ["d" * 64])
            return await ask_renewal(*words)

        async def on_hold(*words: Any) -> Renewal:
            raise RenewalRefused("it is on hold: release it first")

        monkeypatch.setattr(house.store, "ask_renewal", too_late)
        answer = await ask(house, session, SAME)
        assert "changed" in await text_of(answer)
        monkeypatch.setattr(house.store, "ask_renewal", on_hold)
        assert (await ask(house, session, SAME)).status == 303
        lines = await house.audit(AuditKind.ACCOUNT_CHANGE_REFUSED)
        assert [(line.event.user, line.event.reason) for line in lines] == [
            ("anna", "overtaken")
        ] * 2

    @pytest.mark.usefixtures("impatient")
    async def test_two_authorities_sign_one_certificate(
        self, house: House, session: SessionId
    ) -> None:
        """Two nodes work off the same request at the same instant."""
        await ask(house, session, SAME)
        await asyncio.gather(*(desk_of(house).work() for _ in range(3)))
        usable = [one for one in await certificates(house) if one.state is CertificateState.VALID]
        assert len(usable) == 2
        standing = await house.store.renewal_standing(house.sticks[STICK])
        assert standing is not None
        assert standing.asked is not None
        assert standing.asked.state is RenewalState.SIGNED
        assert standing.successor == usable[1].serial

    @pytest.mark.usefixtures("impatient")
    async def test_what_was_revoked_meanwhile_is_not_renewed(
        self, house: House, session: SessionId
    ) -> None:
        """Between the form and the signature."""
        await ask(house, session, SAME)
        await house.revoke("anna", STICK)
        await desk_of(house).work()
        assert len(await certificates(house)) == 1
        [refused] = await house.audit(AuditKind.RENEWAL_REFUSED)
        assert "revoked" in refused.event.detail["words"]

    @pytest.mark.usefixtures("impatient")
    async def test_whoever_was_disabled_meanwhile_gets_nothing(
        self, house: House, session: SessionId
    ) -> None:
        """Between the form and the signature."""
        await ask(house, session, SAME)
        await house.store.set_enabled("anna", False)
        await desk_of(house).work()
        assert len(await certificates(house)) == 1


async def test_another_authoritys_certificate_is_for_that_to_renew(
    house: House, session: SessionId
) -> None:
    """What is not in the ledger cannot be asked for."""
    del session
    standing = await house.store.renewal_standing(Fingerprint("f" * 64))
    assert standing is None


async def test_the_first_page_speaks_of_the_end_until_the_new_one_is_taken(
    house: House, session: SessionId
) -> None:
    """First that it ends and can be renewed, then that there is a new one; with that, neither."""
    page = await get(house, "/", session)
    assert "Renew it now" in await text_of(page)
    async with working(house):
        await ask(house, session, SAME)
    text = await text_of(await get(house, "/", session))
    assert "There is a new certificate for you" in text
    assert "Renew it now" not in text
    _, new = await certificates(house)
    assert new.fingerprint is not None
    house.sticks["new"] = Fingerprint(new.fingerprint)
    other = await house.signed_in("new")
    text = await text_of(await house.ask("GET", "/", stick="new", session=other))
    assert "new certificate" not in text
    assert "Renew it now" not in text
