"""Who calls: the edge's words, and what the store knows of them."""

from dataclasses import replace
from datetime import timedelta

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from gateway.core.headers import EDGE_LISTENER, Listener
from gateway.core.people import Fingerprint, Holder, Person
from gateway.core.refusals import Refusal
from gateway.portal.callers import (
    Caller,
    NotBehindTheEdge,
    admit,
    person_behind,
    read_caller,
)
from gateway.portal.refuse import Refused
from tests.gateway.portal.house import ADDRESS, NOW, House

HOUR = timedelta(hours=1)
ANNA = Person("anna", "Anna", "anna@example.it", frozenset(), enabled=True)
HOLDER = Holder(
    fingerprint=Fingerprint("f" * 64),
    issuer="issuing-1",
    serial="01",
    device="stick-1",
    scope=None,
    not_before=NOW - HOUR,
    not_after=NOW + HOUR,
    revoked_at=None,
    reason=None,
    user="anna",
    person=ANNA,
)


class TestReading:
    @pytest.mark.parametrize(
        "fields",
        [
            [],
            [(EDGE_LISTENER, "")],
            [(EDGE_LISTENER, "Portal")],
            [(EDGE_LISTENER, "portal"), (EDGE_LISTENER, "portal")],
            [(EDGE_LISTENER, "portal"), ("Pusterla-Session", "a"), ("pusterla-session", "b")],
            [
                (EDGE_LISTENER, "portal"),
                ("Pusterla-Fingerprint", "a"),
                ("Pusterla-Fingerprint", "a"),
            ],
        ],
    )
    def test_refuses_what_no_edge_says(self, fields: list[tuple[str, str]]) -> None:
        """Missing, senseless or doubled words are nobody's we know."""
        request = make_mocked_request("GET", "/", headers=CIMultiDict(fields))
        with pytest.raises(NotBehindTheEdge):
            read_caller(request)

    def test_reads_what_the_edge_says(self) -> None:
        """An empty word is as good as none."""
        fields = CIMultiDict({EDGE_LISTENER: "public", "Pusterla-Session": ""})
        caller = read_caller(make_mocked_request("GET", "/", headers=fields))
        assert caller == Caller(Listener.PUBLIC, "", None, None)

    async def test_a_stranger_on_the_socket_learns_nothing(self, house: House) -> None:
        """Without the edge's words the answer is a plain failure, and the log says why."""
        assert house.client is not None
        response = await house.client.get("/", headers={"Accept": "text/html"})
        assert response.status == 500
        assert "Something went wrong on our side" in await response.text()


class TestObjections:
    @pytest.mark.parametrize(
        "holder,expected",
        [
            (HOLDER, ANNA),
            (replace(HOLDER, not_before=NOW), ANNA),
            (replace(HOLDER, not_after=NOW), ANNA),
            (replace(HOLDER, not_after=NOW - HOUR), Refusal.CERTIFICATE_EXPIRED),
            (replace(HOLDER, not_before=NOW + HOUR), Refusal.CERTIFICATE_NOT_YET_VALID),
            (replace(HOLDER, person=None), Refusal.PERSON_REMOVED),
            (replace(HOLDER, person=replace(ANNA, enabled=False)), Refusal.PERSON_DISABLED),
            (replace(HOLDER, revoked_at=NOW + HOUR), Refusal.CERTIFICATE_REVOKED),
            (
                replace(HOLDER, revoked_at=NOW, reason="certificateHold"),
                Refusal.CERTIFICATE_HELD,
            ),
            (
                replace(HOLDER, revoked_at=NOW, not_after=NOW - HOUR, person=None),
                Refusal.CERTIFICATE_REVOKED,
            ),
        ],
    )
    def test_each_has_its_own_name(self, holder: Holder, expected: Person | Refusal) -> None:
        """What is final comes first."""
        assert person_behind(holder, NOW) is expected


class TestAdmitting:
    async def test_asks_the_store_and_not_the_edge_alone(self, house: House) -> None:
        """A person comes with what the store has of them."""
        caller = Caller(Listener.PORTAL, ADDRESS, house.sticks["stick-1"], None)
        visitor = await admit(caller, house.store, NOW)
        assert visitor.person.name == "Anna Rossi"
        assert visitor.holder.device == "stick-1"
        assert visitor.session is None

    @pytest.mark.parametrize(
        "fingerprint,refusal",
        [(None, Refusal.NO_CERTIFICATE), (Fingerprint("0" * 64), Refusal.CERTIFICATE_UNKNOWN)],
    )
    async def test_refuses_strangers(
        self, house: House, fingerprint: Fingerprint | None, refusal: Refusal
    ) -> None:
        """No certificate and an unknown one are two answers."""
        with pytest.raises(Refused) as refused:
            await admit(Caller(Listener.PORTAL, ADDRESS, fingerprint, None), house.store, NOW)
        assert refused.value.refusal is refusal


class TestTheWholeWay:
    async def test_revoked_disabled_and_removed_meet_their_pages(self, house: House) -> None:
        """Every page of the portal is closed to them, though the edge let them through."""
        session = await house.signed_in()
        await house.store.set_enabled("anna", enabled=False)
        disabled = await house.get("/", session)
        await house.store.set_enabled("anna", enabled=True)
        await house.revoke("anna", "stick-1")
        revoked = await house.get("/", session)
        posted = await house.sign_in()
        assert (disabled.status, revoked.status, posted.status) == (403, 403, 403)
        assert "person-disabled" in await disabled.text()
        assert "certificate-revoked" in await revoked.text()
        assert "certificate-revoked" in await posted.text()
        assert await house.failures() == []

    async def test_dates_are_asked_for_each_request(self, house: House) -> None:
        """A certificate also ends while somebody is signed in with it."""
        await house.add_stick("anna", "short", days=1)
        await house.add_stick("anna", "future", starts=timedelta(days=1))
        session = await house.signed_in("short")
        assert (await house.ask("GET", "/", stick="short", session=session)).status == 200
        early = await house.ask("GET", "/sign-in", stick="future")
        assert "certificate-not-yet-valid" in await early.text()
        house.clock.advance(days=2)
        late = await house.ask("GET", "/", stick="short", session=session)
        assert "certificate-expired" in await late.text()
