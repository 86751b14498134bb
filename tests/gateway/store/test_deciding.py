"""Requests for access as they are asked and settled, on both databases."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.changes import Batch, ChangeKind
from gateway.core.requests import (
    DAY_MAXIMUM,
    OPEN_MAXIMUM,
    AccessRequest,
    Fault,
    RequestState,
    Ruling,
)
from gateway.core.spans import parse_spans
from gateway.store import SignInOvertaken, Store
from policies.papers import NO_PAPERS
from tests.gateway.store.scenes import DAY, NOON, TODAY, Clock, new_person
from tests.gateway.store.test_requests import DAYS, actor, always, asked, granted, wish


async def last_event(store: Store) -> AuditEvent:
    """Return the newest line of the audit log."""
    return (await store.audit_tail(1))[0].event


async def approved(store: Store) -> list[str]:
    """Return what opens to Anna, as the edge reads it."""
    papers = (await store.papers("anna")).get("anna", NO_PAPERS)
    return [f"{one.app} {one.first} {one.last} {one.request}" for one in papers.approvals]


class TestAsking:
    async def test_is_written_down_and_told(self, store: Store) -> None:
        """With certificate, address and days; and in the feed."""
        anna = await actor(store, "anna")
        feed = store.follow()
        assert await anext(feed) == Batch(())
        found = await asked(store, anna)
        assert (found.number, found.state, found.wanted) == (1, RequestState.ASKED, DAYS)
        event = await last_event(store)
        assert event.kind is AuditKind.APPROVAL_ASKED
        assert (event.user, event.app, event.serial) == ("anna", "wiki", anna.serial)
        assert event.detail == {
            "number": "1",
            "days": "2026-11-24,2026-12-01/2026-12-03",
            "request": "a-request",
        }
        async for batch in feed:
            if batch.changes:
                assert [(one.kind, one.key) for one in batch.changes] == [(ChangeKind.USER, "anna")]
                break
        await feed.aclose()

    async def test_the_same_days_are_asked_for_once(self, store: Store) -> None:
        """However often, at once too; also once they are granted; another application is another."""
        anna = await actor(store, "anna")
        answers = await asyncio.gather(*(store.ask_access(anna, wish()) for _ in range(4)))
        assert sum(isinstance(one, AccessRequest) for one in answers) == 1
        assert [one for one in answers if isinstance(one, Fault)] == [Fault.ASKED_BEFORE] * 3
        await store.rule_on_access(1, granted("2026-12-01"), by="command")
        assert await store.ask_access(anna, wish("2026-12-01")) is Fault.ASKED_BEFORE
        # Of what was asked for and not granted one may ask again.
        assert isinstance(await store.ask_access(anna, wish("2026-12-02")), AccessRequest)
        assert isinstance(await store.ask_access(anna, wish(app="crm")), AccessRequest)

    async def test_only_so_many_wait(self, store: Store) -> None:
        """Nobody buries a manager in requests."""
        anna = await actor(store, "anna")
        for ahead in range(OPEN_MAXIMUM):
            await asked(store, anna, wish(f"{TODAY + 2 * ahead * DAY}"))
        more = wish(f"{TODAY + 99 * DAY}")
        assert await store.ask_access(anna, more) is Fault.TOO_MANY
        await store.withdraw_access(anna, 1, TODAY)
        assert isinstance(await store.ask_access(anna, more), AccessRequest)

    async def test_only_so_often_in_a_day(self, store: Store, clock: Clock) -> None:
        """Who asks and withdraws for ever would have others get letters for ever."""
        anna = await actor(store, "anna")
        for _ in range(DAY_MAXIMUM):
            found = await asked(store, anna)
            await store.withdraw_access(anna, found.number, TODAY)
        assert await store.ask_access(anna, wish()) is Fault.TOO_OFTEN
        clock.now += timedelta(hours=23)
        assert await store.ask_access(anna, wish()) is Fault.TOO_OFTEN
        clock.now = NOON + DAY
        later = await actor(store, "anna", device="stick-2", since=clock.now)
        tomorrow = replace(wish("2026-12-01"), today=TODAY + DAY)
        assert isinstance(await store.ask_access(later, tomorrow), AccessRequest)

    async def test_what_is_wrong_by_itself_is_said(self, store: Store) -> None:
        """And nothing is written."""
        anna = await actor(store, "anna")
        assert await store.ask_access(anna, wish("2026-11-23")) is Fault.PAST
        assert await store.access_requests() == []

    async def test_needs_a_session_and_a_certificate(self, store: Store) -> None:
        """At the moment at which it is written."""
        anna = await actor(store, "anna")
        await store.end_sessions(user="anna", kind=AuditKind.SIGNED_OUT, by="test")
        with pytest.raises(SignInOvertaken):
            await store.ask_access(anna, wish())
        bruno = await actor(store, "bruno")
        await store.hold_certificates(user="bruno", by="test")
        with pytest.raises(SignInOvertaken):
            await store.ask_access(bruno, wish())

    async def test_a_session_is_one_persons_and_one_certificates(self, store: Store) -> None:
        """Whatever else is said of it, nobody asks in the name of another."""
        anna, bruno = await actor(store, "anna"), await actor(store, "bruno")
        for lie in (
            replace(bruno.session, user="anna"),
            replace(bruno.session, id=anna.session.id),
            replace(bruno.session, fingerprint=anna.session.fingerprint),
        ):
            with pytest.raises(SignInOvertaken):
                await store.ask_access(replace(bruno, session=lie), wish())
        assert await store.access_requests() == []


class TestDeciding:
    async def test_an_approval_is_what_opens(self, store: Store) -> None:
        """From the moment it is written, for the days that were granted and no others."""
        anna, berta = await actor(store, "anna"), await actor(store, "berta")
        await asked(store, anna)
        assert await approved(store) == []
        ruling = granted("2026-12-02/2026-12-03")
        found = await store.decide_access(berta, 1, ruling, always)
        assert isinstance(found, AccessRequest)
        assert (found.state, found.decided_by, found.words) == ("approved", "berta", "enjoy")
        assert (found.wanted, found.granted) == (DAYS, ruling.granted)
        assert await approved(store) == ["wiki 2026-12-02 2026-12-03 1"]
        event = await last_event(store)
        assert (event.kind, event.user) == (AuditKind.APPROVAL_GRANTED, "anna")
        assert event.detail["by"] == "berta"
        assert event.detail["by_serial"] == berta.serial
        assert event.detail["days"] == "2026-12-02/2026-12-03"

    async def test_one_of_two_decides(self, store: Store) -> None:
        """The other is told that it is settled, whatever they said."""
        await asked(store, await actor(store, "anna"))
        berta, carlo = await actor(store, "berta"), await actor(store, "carlo")
        answers = await asyncio.gather(
            store.decide_access(berta, 1, granted(), always),
            store.decide_access(carlo, 1, Ruling(None, "no", TODAY), always),
        )
        assert sum(isinstance(one, AccessRequest) for one in answers) == 1
        assert Fault.SETTLED in answers
        lines = [line.event.kind for line in await store.audit_tail(50)]
        decided = {AuditKind.APPROVAL_GRANTED, AuditKind.APPROVAL_REFUSED}
        assert sum(kind in decided for kind in lines) == 1

    async def test_nobody_decides_their_own(self, store: Store) -> None:
        """Whatever the rules say of them, and with whichever certificate."""
        anna = await actor(store, "anna")
        other = await actor(store, "anna", device="stick-2")
        await asked(store, anna)
        for one in (anna, other):
            assert await store.decide_access(one, 1, granted(), always) is Fault.OWN
        assert await approved(store) == []

    async def test_whoever_may_not_learns_nothing(self, store: Store) -> None:
        """Not even whether there is such a request."""
        await asked(store, await actor(store, "anna"))
        bruno = await actor(store, "bruno")

        async def decide(number: int) -> AccessRequest | Fault:
            return await store.decide_access(bruno, number, granted(), lambda *_: False)

        assert [await decide(1), await decide(2)] == [Fault.UNKNOWN, Fault.UNKNOWN]
        assert await approved(store) == []

    @pytest.mark.parametrize("how", ["disabled", "removed", "signed-out", "held"])
    async def test_who_may_not_come_in_decides_nothing(self, store: Store, how: str) -> None:
        """Though their page is still open."""
        await asked(store, await actor(store, "anna"))
        berta = await actor(store, "berta")
        if how == "disabled":
            await store.set_enabled("berta", False)
        elif how == "removed":
            await store.remove_person("berta", TODAY)
        elif how == "held":
            await store.hold_certificates(user="berta", by="test")
        else:
            await store.end_sessions(user="berta", kind=AuditKind.SIGNED_OUT, by="test")
        with pytest.raises(SignInOvertaken):
            await store.decide_access(berta, 1, granted(), always)
        assert await approved(store) == []

    async def test_no_day_more_than_was_asked_for(self, store: Store) -> None:
        """By whoever decides it; it stays undecided."""
        await asked(store, await actor(store, "anna"))
        more = granted("2026-12-01/2026-12-04")
        assert await store.rule_on_access(1, more, by="command") is Fault.OUTSIDE
        late = replace(granted(), today=TODAY + 60 * DAY)
        assert await store.rule_on_access(1, late, by="command") is Fault.PAST
        assert isinstance(await store.rule_on_access(1, granted(), by="command"), AccessRequest)

    async def test_a_day_that_is_over_is_not_granted(self, store: Store) -> None:
        """What is left of it is, whoever decides; the record says which days those were."""
        await asked(store, await actor(store, "anna"))
        late = replace(granted(), today=TODAY + 8 * DAY)
        found = await store.rule_on_access(1, late, by="command")
        assert isinstance(found, AccessRequest)
        assert found.granted == parse_spans("2026-12-02/2026-12-03")
        assert (await last_event(store)).detail["days"] == "2026-12-02/2026-12-03"

    async def test_an_administrator_decides_by_the_command(self, store: Store) -> None:
        """With a name that may be long."""
        await asked(store, await actor(store, "anna"))
        by = f"command:root({'g' * 90})"
        found = await store.rule_on_access(1, Ruling(None, "not this month", TODAY), by=by)
        assert isinstance(found, AccessRequest)
        assert (found.state, found.decided_by, found.granted) == ("refused", by, ())
        assert (await last_event(store)).detail == {"by": by, "number": "1"}


class TestEnding:
    async def test_withdrawn_is_decided_by_nobody(self, store: Store) -> None:
        """And a second time is told so."""
        anna = await actor(store, "anna")
        await asked(store, anna)
        found = await store.withdraw_access(anna, 1, TODAY)
        assert isinstance(found, AccessRequest)
        assert (found.state, found.ended_by) == ("withdrawn", "anna")
        assert await store.withdraw_access(anna, 1, TODAY) is Fault.SETTLED
        assert await store.rule_on_access(1, granted(), by="command") is Fault.SETTLED
        assert (await last_event(store)).kind is AuditKind.APPROVAL_WITHDRAWN

    async def test_nobody_withdraws_what_is_another_s(self, store: Store) -> None:
        """Nor learns whether it is there."""
        await asked(store, await actor(store, "anna"))
        bruno = await actor(store, "bruno")
        for number in (1, 2):
            assert await store.withdraw_access(bruno, number, TODAY) is Fault.UNKNOWN
        found = await store.access_request(1)
        assert found is not None
        assert found.state is RequestState.ASKED

    async def test_what_was_granted_can_be_given_back(self, store: Store) -> None:
        """It opens nothing from then on, and what was granted stays in the record."""
        anna = await actor(store, "anna")
        await asked(store, anna)
        await store.rule_on_access(1, granted(), by="command")
        found = await store.withdraw_access(anna, 1, TODAY)
        assert isinstance(found, AccessRequest)
        assert (found.state, found.granted, found.decided_by) == ("ended", DAYS, "command")
        assert await approved(store) == []
        # The days are free to be asked for again.
        assert isinstance(await store.ask_access(anna, wish()), AccessRequest)

    async def test_an_administrator_ends_what_was_granted(self, store: Store) -> None:
        """Once; what was not granted has no end."""
        await asked(store, await actor(store, "anna"))
        assert await store.end_access(1, TODAY, by="command") is Fault.SETTLED
        assert await store.end_access(2, TODAY, by="command") is Fault.UNKNOWN
        await store.rule_on_access(1, granted(), by="command")
        found = await store.end_access(1, TODAY, by="command:giulia")
        assert isinstance(found, AccessRequest)
        assert (found.state, found.ended_by) == ("ended", "command:giulia")
        assert await store.end_access(1, TODAY, by="command") is Fault.SETTLED
        assert await approved(store) == []
        event = await last_event(store)
        assert (event.kind, event.user) == (AuditKind.APPROVAL_ENDED, "anna")

    async def test_whoever_has_a_name_again_inherits_nothing(self, store: Store) -> None:
        """What a person of before was granted, or waits for, ends with them."""
        anna = await actor(store, "anna")
        await asked(store, anna, wish("2026-11-24"))
        await asked(store, anna, wish("2026-11-26"))
        await store.rule_on_access(1, granted("2026-11-24"), by="command")
        await store.remove_person("anna", TODAY, by="command:giulia")
        states = [one.state for one in await store.access_requests()]
        assert states == [RequestState.ENDED, RequestState.WITHDRAWN]
        await store.add_person(new_person("anna"))
        assert await approved(store) == []
        lines = await store.audit_tail(50)
        [ended] = [one.event for one in lines if one.event.kind is AuditKind.APPROVAL_ENDED]
        assert (ended.reason, ended.detail["number"]) == ("user-removed", "1")

    async def test_what_is_over_stays_what_it_was(self, store: Store, clock: Clock) -> None:
        """Nobody gives back, ends or withdraws it any more, and no removal does; the log is silent."""
        anna = await actor(store, "anna")
        await asked(store, anna, wish("2026-11-24"))
        await asked(store, anna, wish("2026-11-25"))
        await asked(store, anna, wish("2026-11-24/2026-11-26", app="crm"))
        await store.rule_on_access(1, granted("2026-11-24"), by="command")
        before, tomorrow = await store.access_requests(), TODAY + DAY
        assert await store.end_access(1, tomorrow, by="command") is Fault.SETTLED
        assert await store.withdraw_access(anna, 1, tomorrow) is Fault.SETTLED
        assert await store.withdraw_access(anna, 2, tomorrow + DAY) is Fault.SETTLED
        clock.now += 2 * DAY
        await store.remove_person("anna", tomorrow + DAY)
        after = await store.access_requests()
        assert after[:2] == before[:2]
        assert after[2].state is RequestState.WITHDRAWN
        lines = [one.event for one in await store.audit_tail(50)]
        ends = {AuditKind.APPROVAL_ENDED, AuditKind.APPROVAL_WITHDRAWN}
        assert [one.detail["number"] for one in lines if one.kind in ends] == ["3"]

    async def test_who_has_a_name_again_inherits_no_approval(
        self, store: Store, clock: Clock
    ) -> None:
        """Not of yesterday either, which is today's once the site's time zone is moved west."""
        anna = await actor(store, "anna")
        await asked(store, anna, wish("2026-11-24"))
        await store.rule_on_access(1, granted("2026-11-24"), by="command")
        assert len(await approved(store)) == 1
        clock.now += DAY
        await store.remove_person("anna", TODAY + DAY)
        clock.now += DAY / 24
        await actor(store, "anna")
        assert await approved(store) == []

    async def test_an_application_inherits_nothing_of_who_had_its_name(self, store: Store) -> None:
        """Whether it was removed or another is added: what waits ends, and what was granted."""
        anna, bruno = await actor(store, "anna"), await actor(store, "bruno")
        for who, app in ((anna, "wiki"), (bruno, "wiki"), (anna, "crm")):
            await asked(store, who, wish(app=app))
        await store.rule_on_access(1, granted(), by="command")
        gone = AuditKind.APPLICATION_REMOVED
        ended = await store.turn_application(gone, "wiki", TODAY, by="command:giulia")
        assert [one.number for one in ended] == [1, 2]
        found = await store.access_requests()
        assert [one.state for one in found] == ["ended", "withdrawn", "asked"]
        assert found[0].ended_by == "command:giulia"
        assert await approved(store) == []
        lines = [one.event for one in await store.audit_tail(3)]
        assert [(one.kind, one.user, one.reason) for one in lines] == [
            (gone, "", ""),
            (AuditKind.APPROVAL_ENDED, "anna", gone),
            (AuditKind.APPROVAL_WITHDRAWN, "bruno", gone),
        ]
        new = AuditKind.APPLICATION_ADDED
        [one] = await store.turn_application(new, "crm", TODAY, by="command", host="crm.example")
        assert (one.user, one.app) == ("anna", "crm")

    async def test_whoever_has_a_name_again_is_not_who_asked(
        self, store: Store, clock: Clock
    ) -> None:
        """What the other waited for in vain waits for nobody, and no manager answers it."""
        berta = await actor(store, "berta", since=NOON + DAY)
        await asked(store, await actor(store, "anna"), wish("2026-11-24"))
        clock.now += DAY
        await store.remove_person("anna", TODAY + DAY)
        clock.now += timedelta(minutes=1)
        await store.add_person(new_person("anna"))
        assert await store.waiting_requests() == []
        no = Ruling(None, "", TODAY + DAY)
        assert await store.decide_access(berta, 1, no, always) is Fault.UNKNOWN

    async def test_what_is_over_does_not_count_as_waiting(self, store: Store, clock: Clock) -> None:
        """Requests that nobody answered in time keep nobody from asking."""
        anna = await actor(store, "anna")
        for ahead in range(OPEN_MAXIMUM):
            await asked(store, anna, wish(f"{TODAY + ahead * DAY}"))
        later = replace(wish(f"{TODAY + 30 * DAY}"), today=TODAY + DAY)
        assert isinstance(await store.ask_access(anna, later), AccessRequest)
