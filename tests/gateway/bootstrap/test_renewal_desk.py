"""What people ask for is signed once, wherever the one who signs is killed."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from ca.authority import Authority, Enrolled, Order, Witness
from ca.errors import FileRefused, LintFailed
from ca.ledger import CertificateRecord, CertificateState
from gateway.bootstrap.renewal_desk import RenewalDesk
from gateway.core.audit import AuditKind
from gateway.core.renewals import Renewal, RenewalState, Way
from gateway.store import Change, SessionRecord
from tests.gateway.portal.desk import authority_of, desk_of, real_stick
from tests.gateway.portal.house import House, open_house

STICK = "ending"


class Killed(BaseException):
    """The process ends here, as by SIGKILL: nothing of ours hears of it."""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Yield a store with anna and a certificate that ends in twelve days."""
    async with open_house(tmp_path) as house:
        await real_stick(house, STICK)
        yield house


async def ask(
    house: House, number: str = "1", way: Way = Way.SAME_KEY, *, stick: str = STICK
) -> Renewal:
    """Ask for a renewal as the portal does, having proved who one is."""
    session = await house.signed_in(stick)
    live = await house.store.session(session)
    credentials = await house.store.credentials("anna")
    holder = await house.store.holder(house.sticks[stick])
    assert live is not None
    assert credentials is not None
    assert holder is not None
    change = Change(SessionRecord(live, stick, holder.serial), credentials.version)
    key = b"" if way is Way.SAME_KEY else b"this is no key"
    return await house.store.ask_renewal(change, number, way, key)


async def certificates(house: House) -> list[CertificateState]:
    """Return how the certificates of the stick stand, the oldest first."""
    found = await house.store.certificates(user="anna", device=STICK)
    return [one.state for one in found]


async def state(house: House, stick: str = STICK) -> RenewalState:
    """Return how far the request has come."""
    standing = await house.store.renewal_standing(house.sticks[stick])
    assert standing is not None
    assert standing.asked is not None
    return standing.asked.state


class DyingWitness:
    """Lets everything be written that is written in one transaction, and dies before its end."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness

    def __getattr__(self, name: str) -> object:
        return getattr(self._witness, name)

    async def issued(self, connection: AsyncConnection, record: CertificateRecord) -> None:
        """Settle and tell, and die."""
        await self._witness.issued(connection, record)
        raise Killed


def dying_desk(house: House, *, early: bool) -> RenewalDesk:
    """Return a desk that dies while it signs: before anything is recorded, or in the middle of it."""

    async def open_(witness: Witness) -> Authority:
        if early:
            authority = authority_of(house, witness)

            async def die(*_: object, **__: object) -> None:
                raise Killed

            authority._record = die  # type: ignore[method-assign,assignment]
            return authority
        dying: Witness = DyingWitness(witness)  # type: ignore[assignment] # the rest is passed on
        return authority_of(house, dying)

    return RenewalDesk(house.store, lambda: house.site, house.clock, open_, "authority")


@pytest.mark.parametrize("early", [True, False], ids=["before-recording", "while-recording"])
async def test_whoever_is_killed_has_signed_nothing_and_the_next_one_does(
    house: House, *, early: bool
) -> None:
    """At most a serial is left that nobody has; the request waits, and is then met once."""
    await ask(house)
    with pytest.raises(Killed):
        await dying_desk(house, early=early).work()
    assert await state(house) is RenewalState.ASKED
    assert await certificates(house) == [CertificateState.VALID, CertificateState.RESERVED]
    for _ in range(2):
        await desk_of(house).work()
    assert await state(house) is RenewalState.SIGNED
    valid = [one for one in await certificates(house) if one is CertificateState.VALID]
    assert len(valid) == 2


async def test_a_key_that_is_locked_leaves_the_request_as_it_is(house: House) -> None:
    """It is met once the passphrase is there."""
    await ask(house)

    async def locked(witness: Witness) -> Authority:
        raise FileRefused("issuing.key is under a passphrase")

    desk = RenewalDesk(house.store, lambda: house.site, house.clock, locked, "authority")
    with pytest.raises(FileRefused):
        await desk.work()
    assert await state(house) is RenewalState.ASKED
    await desk_of(house).work()
    assert await state(house) is RenewalState.SIGNED


async def test_what_is_asked_for_anew_while_it_is_signed_is_signed_alone(house: House) -> None:
    """The one that was replaced is not recorded."""
    first = await ask(house)
    await ask(house, "2")
    desk = desk_of(house)
    await desk._sign(first)
    assert await certificates(house) == [CertificateState.VALID, CertificateState.RESERVED]
    await desk.work()
    assert (await certificates(house)).count(CertificateState.VALID) == 2


async def test_what_is_no_key_is_refused(house: House) -> None:
    """The portal is not believed to have made one."""
    await ask(house, way=Way.NEW_KEY)
    await desk_of(house).work()
    assert await state(house) is RenewalState.REFUSED
    [line] = await house.audit(AuditKind.RENEWAL_REFUSED)
    assert line.event.detail["words"] == "what was handed in is no public key"


async def test_one_that_breaks_the_rules_keeps_up_no_other(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """It is our fault, so it is an error in the log; it takes no second serial."""
    await real_stick(house, "sound")
    await ask(house)
    await ask(house, "2", stick="sound")

    async def open_(witness: Witness) -> Authority:
        authority = authority_of(house, witness)
        enrol = authority.enrol

        async def check(order: Order, *words: Any, **more: Any) -> Enrolled:
            if order.device == STICK:
                raise LintFailed(["the subject has no name"])
            return await enrol(order, *words, **more)

        authority.enrol = check  # type: ignore[method-assign] # no such order is at hand
        return authority

    desk = RenewalDesk(house.store, lambda: house.site, house.clock, open_, "authority")
    with caplog.at_level("ERROR"):
        await desk.work()
    assert "the subject has no name" in caplog.text
    assert await state(house) is RenewalState.REFUSED
    assert await state(house, "sound") is RenewalState.SIGNED
    assert await house.store.waiting_renewals() == []


async def test_the_next_certificate_lasts_as_long_as_the_settings_say(house: House) -> None:
    """Whatever was asked for: a request says nothing of that."""
    await ask(house)
    await desk_of(house).work()
    _, new = await house.store.certificates(user="anna", device=STICK)
    lasts = new.not_after - house.clock()
    assert abs(lasts - house.site.certificates.lifetime) < timedelta(hours=1)
