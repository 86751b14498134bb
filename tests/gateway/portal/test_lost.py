"""The pages of a lost stick, as a telephone without a certificate meets them."""

import asyncio
import re
from collections.abc import Mapping
from html import unescape

import pytest
from aiohttp import ClientResponse

from gateway.core.audit import AuditKind
from gateway.core.headers import EDGE_ADDRESS, Listener
from gateway.core.lost import TOKEN_LIFETIME
from gateway.core.recovery import code_digest, plain_code
from gateway.portal.pages import CONTENT_SECURITY_POLICY
from tests.gateway.mail.test_letters import MAIL_SITE
from tests.gateway.portal.house import ADDRESS, NUMBER, PASSWORD, SITE_KEY, House, text_of

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
RECOVERY = "7K3M-QX2A-9DFT-04HB"
OTHER_RECOVERY = "0000-1111-2222-3333"
WRONG = "That was not right."


async def knock(
    house: House,
    *,
    user: str = "anna",
    password: str = PASSWORD,
    code: str = "",
    recovery: str = "",
    mark: str = "",
    address: str = ADDRESS,
) -> ClientResponse:
    """Send the first form."""
    form = {"user": user, "password": password, "code": code, "recovery": recovery, "mark": mark}
    return await house.ask(
        "POST",
        "/lost",
        listener=Listener.PUBLIC,
        form=form,
        headers={**SAME_ORIGIN, EDGE_ADDRESS: address},
    )


async def revoke(
    house: House, token: str, lost: str | None, headers: Mapping[str, str] = SAME_ORIGIN
) -> ClientResponse:
    """Send the second form."""
    form = {"token": token} | ({} if lost is None else {"lost": lost})
    return await house.ask(
        "POST", "/lost/revoke", listener=Listener.PUBLIC, form=form, headers=headers
    )


async def token_in(response: ClientResponse) -> str:
    """Return the token of the second form, which must be there."""
    found = re.search(r'name="token" value="([^"]+)"', await response.text())
    assert found, await text_of(response)
    return found[1]


async def choices_in(response: ClientResponse) -> list[str]:
    """Return what there is to choose from."""
    html = await response.text()
    return [unescape(each) for each in re.findall(r'name="lost" value="([^"]+)"', html)]


async def give_recovery_codes(house: House, *codes: str, user: str = "anna") -> None:
    """Let *codes* be those on the person's sheet."""
    digests = [code_digest(SITE_KEY, user, plain_code(code) or "") for code in codes]
    await house.store.set_recovery_codes(user, digests)


class TestTheFirstPage:
    async def test_asks_for_name_password_and_code(self, house: House) -> None:
        """With what password managers and telephones look for, and no script."""
        response = await house.ask("GET", "/lost", listener=Listener.PUBLIC)
        html = await response.text()
        assert response.status == 200
        assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
        assert "frame-ancestors 'none'" in CONTENT_SECURITY_POLICY
        assert response.headers["Cache-Control"] == "no-store"
        for words in (
            'autocomplete="username"',
            'autocomplete="current-password"',
            'autocomplete="one-time-code"',
            'inputmode="numeric"',
            "help@example.it",
        ):
            assert words in html
        assert "<script" not in html
        assert "Set-Cookie" not in response.headers
        for name in re.findall(r'<input id="(\w+)"', html):
            assert f'<label for="{name}">' in html

    async def test_speaks_italian_to_those_who_do(self, house: House) -> None:
        """As every page."""
        response = await house.ask(
            "GET", "/lost", listener=Listener.PUBLIC, headers={"Accept-Language": "it"}
        )
        assert "Segnala una chiavetta persa" in await response.text()

    async def test_is_behind_the_public_door_alone(self, house: House) -> None:
        """At the portal a certificate was asked for; over plain http a password is not typed."""
        assert (await house.get("/lost")).status == 404
        plain = await house.ask("GET", "/lost", listener=Listener.PLAIN_HTTP)
        assert plain.status == 404 or plain.headers["Location"].startswith("https://")

    async def test_is_where_the_second_pages_address_leads(self, house: House) -> None:
        """Who reloads, or has kept the address, begins anew."""
        response = await house.ask("GET", "/lost/revoke", listener=Listener.PUBLIC)
        assert (response.status, response.headers["Location"]) == (303, "/lost")


class TestProving:
    async def test_with_a_code_shows_what_there_is(self, house: House) -> None:
        """Device, the serial's end, since when, and the last sign-in."""
        await house.add_stick("anna", "stick-2")
        await house.add_person("bruno", "Bruno Neri")
        await house.add_stick("bruno", "stick-9")
        await house.signed_in()
        house.clock.advance(hours=2)
        response = await knock(house, code=house.code())
        text = await text_of(response)
        assert response.status == 200
        assert await choices_in(response) == ["device stick-1", "device stick-2", "everything"]
        serial = house.sticks["stick-1"][:32]
        assert f"number …{serial[-6:]}, since 21 November 2026, last signed in 2 hours ago" in text
        assert "Anna Rossi" in text
        assert "stick-9" not in text
        [line] = await house.audit(AuditKind.LOST_REPORT_BEGUN)
        assert (line.event.user, line.event.address) == ("anna", ADDRESS)
        assert line.event.detail == {"code": "one-time", "request": NUMBER}

    async def test_opens_nothing_else(self, house: House) -> None:
        """No session, no cookie, and its code is used up for the sign-in too."""
        code = house.code()
        response = await knock(house, code=code)
        assert "Set-Cookie" not in response.headers
        assert await house.store.sessions() == []
        assert (await house.sign_in(code=code)).status == 403
        assert await house.failures() == ["code-used"]

    async def test_a_capital_of_the_telephone_is_forgiven(self, house: House) -> None:
        """It begins every field with one."""
        assert (await knock(house, user="Anna ", code=house.code())).status == 200

    async def test_a_code_of_the_sign_in_is_used(self, house: House) -> None:
        """And that is told, since the password held."""
        code = house.code()
        await house.sign_in(code=code)
        response = await knock(house, code=code)
        assert response.status == 403
        assert "already been used" in await text_of(response)

    async def test_of_two_with_one_code_one_gets_in(self, house: House) -> None:
        """From two forms, at the same instant."""
        code = house.code()
        answers = await asyncio.gather(
            knock(house, code=code, mark="a"), knock(house, code=code, mark="b")
        )
        assert sorted(answer.status for answer in answers) == [200, 403]

    async def test_a_form_sent_twice_has_one_answer(self, house: House) -> None:
        """A double tap; the second shows what the first did, and is one attempt."""
        code = house.code()
        answers = await asyncio.gather(
            knock(house, code=code, mark="a"), knock(house, code=code, mark="a")
        )
        assert [answer.status for answer in answers] == [200, 200]
        assert (await knock(house, code=code, mark="a")).status == 200
        assert len(await house.audit(AuditKind.LOST_REPORT_BEGUN)) == 1
        house.clock.advance(seconds=61)
        assert (await knock(house, code=code, mark="a")).status == 403

    @pytest.mark.parametrize(
        "change",
        [{"password": "another"}, {"recovery": OTHER_RECOVERY}, {"code": ""}, {"address": "::9"}],
    )
    async def test_a_form_is_the_same_only_with_the_same_words(
        self, house: House, change: dict[str, str]
    ) -> None:
        """Another password, or another sender, is another attempt."""
        code = house.code()
        assert (await knock(house, code=code, mark="a")).status == 200
        fields = {"code": code, "mark": "a", **change}
        assert (await knock(house, **fields)).status == 403

    async def test_a_wrong_attempt_is_no_answer_to_the_next(self, house: House) -> None:
        """The back button, a corrected password: looked at anew."""
        assert (await knock(house, password="wrong", code=house.code(), mark="a")).status == 403
        assert (await knock(house, code=house.code(), mark="a")).status == 200

    async def test_a_recovery_code_is_good_once(self, house: House) -> None:
        """In small letters too; the other codes stay good."""
        await give_recovery_codes(house, RECOVERY, OTHER_RECOVERY)
        assert (await knock(house, recovery=RECOVERY.lower())).status == 200
        again = await knock(house, recovery=RECOVERY)
        assert again.status == 403
        assert "already been used" in await text_of(again)
        assert await house.store.recovery_codes_left("anna") == 1
        begun = await house.audit(AuditKind.LOST_REPORT_BEGUN)
        assert [line.event.detail["code"] for line in begun] == ["recovery"]

    async def test_a_recovery_code_counts_before_a_code_that_was_filled_in(
        self, house: House
    ) -> None:
        """A password manager may have typed the other one."""
        await give_recovery_codes(house, RECOVERY)
        assert (await knock(house, code="000000", recovery=RECOVERY)).status == 200
        # And a wrong one is wrong, whatever else there is.
        assert (await knock(house, code=house.code(), recovery=OTHER_RECOVERY)).status == 403

    async def test_a_wrong_password_uses_no_code_up(self, house: House) -> None:
        """The owner can still use it."""
        await give_recovery_codes(house, RECOVERY)
        code = house.code()
        for fields in ({"code": code}, {"recovery": RECOVERY}):
            assert (await knock(house, password="wrong", **fields)).status == 403
        assert (await knock(house, code=code)).status == 200
        assert (await knock(house, recovery=RECOVERY)).status == 200

    async def test_whoever_is_not_it_gets_one_answer(self, house: House) -> None:
        """Nobody, disabled, without a password, wrong: letter by letter the same page."""
        await house.add_newcomer("nina")
        await house.add_person("bruno", "Bruno Neri")
        await house.store.set_enabled("bruno", False)
        attempts = [
            {"user": "nobody", "code": house.code()},
            {"user": "bruno", "code": house.code()},
            {"user": "nina", "code": house.code()},
            {"password": "wrong", "code": house.code()},
            {"code": "000000"},
            {"code": ""},
            {"recovery": RECOVERY},
            {"user": "' OR 1=1 --\r\nX: y", "code": house.code()},
            {"user": "a" * 5000, "password": "p" * 5000, "code": house.code()},
        ]
        pages = set()
        for fields in attempts:
            response = await knock(house, **fields)
            assert response.status == 403
            html = await response.text()
            assert WRONG in html
            # What is its own in each: the form's mark, and the field that was typed into.
            pages.add(re.sub(r'name="mark" value="\w+"|(?<="field") open', "", html))
        assert len(pages) == 1
        refused = [line.event for line in await house.audit(AuditKind.LOST_REPORT_REFUSED)]
        assert [(event.user, event.reason) for event in refused] == [
            ("", "unknown-person"),
            ("bruno", "person-disabled"),
            ("nina", "not-enrolled"),
            ("anna", "wrong-password"),
            *[("anna", "wrong-code")] * 3,
            *[("", "unknown-person")] * 2,
        ]

    async def test_a_clock_out_of_step_is_told_to_who_knows_the_password(
        self, house: House
    ) -> None:
        """And to nobody else."""
        late = house.code(minutes=-5)
        assert "5 minutes behind" in await text_of(await knock(house, code=late))
        assert WRONG in await text_of(await knock(house, code=late, password="wrong"))

    async def test_a_code_that_is_still_to_come_reads_as_a_wrong_one(self, house: House) -> None:
        """It would sign in with the stick in a while, and guesses here are not counted there."""
        to_come = house.code(minutes=5)
        guessed = await text_of(await knock(house, code=to_come))
        assert guessed == await text_of(await knock(house, code="000000"))
        assert WRONG in guessed
        house.clock.advance(minutes=5)
        assert (await house.sign_in(code=to_come)).status == 303

    async def test_the_field_of_recovery_codes_stays_open(self, house: House) -> None:
        """For whoever mistyped one."""
        closed, opened = '<details class="field">', '<details class="field" open>'
        assert closed in await (await knock(house, code="000000")).text()
        assert opened in await (await knock(house, recovery=RECOVERY)).text()

    async def test_what_was_typed_is_not_shown_again(self, house: House) -> None:
        """Neither in the page nor in the audit log."""
        response = await knock(house, user="my-secret-password", password="other", code="123456")
        assert "my-secret-password" not in await response.text()
        assert "my-secret-password" not in str(await house.store.audit_tail(100))


class TestRevoking:
    async def test_ends_the_chosen_one_and_says_what_to_do(self, house: House) -> None:
        """Whom to ask, the number of the report, and what else may be lost."""
        await house.add_stick("anna", "stick-2")
        session = await house.signed_in()
        house.clock.advance(seconds=60)
        token = await token_in(await knock(house, code=house.code()))
        response = await revoke(house, token, "device stick-1")
        text = await text_of(response)
        assert response.status == 200
        assert "Revoked" in text
        assert "help@example.it" in text
        assert NUMBER in text
        assert await choices_in(response) == ["device stick-2"]
        found = await house.store.session(session)
        assert found is not None
        assert found.ended_at == house.clock()
        assert (await house.get("/")).status == 403
        [line] = await house.audit(AuditKind.LOST_REPORTED)
        assert (line.event.user, line.event.device) == ("anna", "stick-1")

    async def test_of_all_leaves_nothing(self, house: House) -> None:
        """The last choice."""
        await house.add_stick("anna", "stick-2")
        token = await token_in(await knock(house, code=house.code()))
        response = await revoke(house, token, "everything")
        assert await choices_in(response) == []
        assert await house.store.belongings("anna") == []
        # The second one is still known, and has nothing left to do.
        again = await revoke(house, token, "everything")
        assert "Already revoked" in await text_of(again)
        assert len(await house.audit(AuditKind.LOST_REPORTED)) == 1

    async def test_needs_a_choice(self, house: House) -> None:
        """Nothing chosen, or nothing of hers: nothing is done."""
        token = await token_in(await knock(house, code=house.code()))
        for lost in (None, "", "stick-1"):
            response = await revoke(house, token, lost)
            assert response.status == 400
            assert "Nothing was done yet" in await text_of(response)
        await house.add_person("bruno", "Bruno Neri")
        await house.add_stick("bruno", "stick-9")
        await revoke(house, token, "device stick-9")
        assert len(await house.store.belongings("bruno")) == 1
        assert len(await house.store.belongings("anna")) == 1

    @pytest.mark.parametrize("token", ["", "nonsense", "AAAA" * 20, "\N{SNOWMAN}"])
    async def test_needs_a_token_of_ours(self, house: House, token: str) -> None:
        """Whoever has none begins with the first page."""
        response = await revoke(house, token, "everything")
        assert response.status == 403
        assert 'name="password"' in await response.text()
        assert len(await house.store.belongings("anna")) == 1

    async def test_a_page_of_yesterday_does_nothing(self, house: House) -> None:
        """And says so; also one that was used again and again in between."""
        token = await token_in(await knock(house, code=house.code()))
        house.clock.now += TOKEN_LIFETIME / 2
        again = await revoke(house, token, None)
        assert await token_in(again) == token
        house.clock.now += TOKEN_LIFETIME / 2
        response = await revoke(house, token, "everything")
        assert response.status == 403
        assert "longer than ten minutes" in await text_of(response)
        assert len(await house.store.belongings("anna")) == 1

    async def test_an_account_that_changed_meanwhile_does_nothing(self, house: House) -> None:
        """The administrator was faster: a new password ends what the old one has begun."""
        token = await token_in(await knock(house, code=house.code()))
        await house.store.set_password("anna", "$argon2id$other")
        for lost in ("everything", None):
            response = await revoke(house, token, lost)
            assert response.status == 403
            assert "has just changed" in await text_of(response)
            assert "stick-1" not in await response.text()
        assert len(await house.store.belongings("anna")) == 1

    async def test_somebody_else_of_that_name_is_shown_to_nobody(self, house: House) -> None:
        """Who proved to be Anna is nobody any more; the new one's certificates are hers."""
        token = await token_in(await knock(house, code=house.code()))
        await house.store.remove_person("anna", house.clock().date(), by="test")
        await house.add_person("anna", "Another Anna")
        await house.add_stick("anna", "stick-7")
        for lost in ("everything", None):
            response = await revoke(house, token, lost)
            assert response.status == 403
            assert "stick-7" not in await response.text()
        assert len(await house.store.belongings("anna")) == 1

    async def test_somebody_with_nothing_is_told_so(self, house: House) -> None:
        """And whom to ask."""
        await house.add_person("bruno", "Bruno Neri")
        response = await knock(house, user="bruno", code=house.code())
        text = await text_of(response)
        assert "Nothing to revoke" in text
        assert "help@example.it" in text

    async def test_names_of_devices_are_only_text(self, house: House) -> None:
        """Whatever the ledger holds."""
        await house.add_stick("anna", '"><b>x')
        response = await knock(house, code=house.code())
        assert "<b>x" not in await response.text()
        assert 'device "><b>x' in await choices_in(response)

    async def test_what_is_on_hold_can_be_revoked(self, house: House) -> None:
        """Somebody may have put it there on the telephone, in the first minute."""
        await house.store.hold_certificates(user="anna", by="test")
        response = await knock(house, code=house.code())
        assert "on hold" in await text_of(response)
        assert "Revoked" in await text_of(
            await revoke(house, await token_in(response), "device stick-1")
        )


class TestTelling:
    async def test_writes_to_administrators_and_to_the_person(self, house: House) -> None:
        """What was revoked, in the language of the page; and the page says so."""
        house.site = MAIL_SITE
        token = await token_in(await knock(house, code=house.code()))
        assert house.letters == []
        response = await revoke(
            house, token, "device stick-1", {**SAME_ORIGIN, "Accept-Language": "it"}
        )
        assert "Gli amministratori vengono avvisati" in await text_of(response)
        assert [letter.to for letter in house.letters] == [
            ("helpdesk@example.it", "giulia@example.it"),
            ("anna@example.it",),
        ]
        to_all, to_her = house.letters
        serial = house.sticks["stick-1"][:32]
        for words in (serial, ADDRESS, NUMBER, "stick-1"):
            assert words in to_all.text
            assert words in to_her.text
        assert "Non apre più nulla" in to_her.text

    async def test_writes_once(self, house: House) -> None:
        """A report that came twice, or was about nothing, tells nobody anything."""
        house.site = MAIL_SITE
        token = await token_in(await knock(house, code=house.code()))
        for lost in (None, "device stick-1", "device stick-1", "everything"):
            await revoke(house, token, lost)
        assert len(house.letters) == 2

    async def test_needs_a_mail_server(self, house: House) -> None:
        """Without one the page promises nothing."""
        token = await token_in(await knock(house, code=house.code()))
        response = await revoke(house, token, "device stick-1")
        assert house.letters == []
        assert "by mail" not in await text_of(response)


class TestOtherSites:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
        ],
    )
    @pytest.mark.parametrize("path", ["/lost", "/lost/revoke"])
    async def test_cannot_send_our_forms(
        self, house: House, path: str, headers: dict[str, str]
    ) -> None:
        """Another site, and an application of this one, which is another origin."""
        fields = {name: value for name, value in headers.items() if value}
        token = await token_in(await knock(house, code=house.code()))
        form = {
            "user": "anna",
            "password": PASSWORD,
            "code": house.code(seconds=30),
            "token": token,
            "lost": "everything",
        }
        response = await house.ask(
            "POST", path, listener=Listener.PUBLIC, form=form, headers=fields
        )
        assert response.status == 403
        assert "cross-site-request" in await response.text()
        assert len(await house.store.belongings("anna")) == 1

    async def test_an_older_browser_is_known_by_its_origin(self, house: House) -> None:
        """The public host's, not the portal's."""
        own = {"Origin": "https://public.pusterla.localhost:8443"}
        form = {"user": "anna", "password": PASSWORD, "code": house.code()}
        response = await house.ask(
            "POST", "/lost", listener=Listener.PUBLIC, form=form, headers=own
        )
        assert response.status == 200
        portal = {"Origin": "https://pusterla.localhost:8443"}
        refused = await house.ask(
            "POST", "/lost", listener=Listener.PUBLIC, form=form, headers=portal
        )
        assert refused.status == 403


class TestTheWayThere:
    async def test_is_on_the_public_hosts_front_page(self, house: House) -> None:
        """A button."""
        response = await house.ask("GET", "/", listener=Listener.PUBLIC)
        assert 'href="/lost"' in await response.text()

    async def test_is_on_the_sign_in_page(self, house: House) -> None:
        """For whoever has another stick with them."""
        response = await house.get("/sign-in")
        assert 'href="https://public.pusterla.localhost:8443/lost"' in await response.text()
