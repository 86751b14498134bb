"""Keys that answer OCSP: asked for, certified, and followed by others in time."""

import asyncio
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ca import ledger
from ca import responders as ca_responders
from ca.ledger import IssuerState
from gateway.core.changes import ChangeKind
from gateway.portal.responders import Responders
from tests.gateway.portal.house import ISSUER, House, certify, house_ca


async def test_a_key_is_asked_for_and_certified(house: House) -> None:
    """The authority signs what it finds in the store; the private half is nowhere."""
    responders = house.responders
    assert responders.responder(ISSUER) is None
    follower = house.store.follow()
    await anext(follower)
    await responders.look()
    assert responders.responder(ISSUER) is None
    batch = await anext(follower)
    assert [change.kind for change in batch.changes] == [ChangeKind.CERTIFICATE]
    await follower.aclose()
    await certify(house)
    found = responders.responder(ISSUER)
    assert found is not None
    found.certificate.verify_directly_issued_by(house_ca().issuing.certificate)
    assert found.certificate.public_key() == found.key.public_key()
    extensions = found.certificate.extensions
    usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [one.dotted_string for one in usage] == ["1.3.6.1.5.5.7.3.9"]
    assert x509.OCSPNoCheck() in [one.value for one in extensions]
    assert "PRIVATE" not in repr(found)


async def test_another_follows_after_a_quarter_of_its_life(house: House) -> None:
    """The first goes on answering until the second is certified; at its end it answers no more."""
    responders = house.responders
    await certify(house)
    first = responders.responder(ISSUER)
    await responders.look()
    assert responders.responder(ISSUER) is first
    house.clock.advance(days=2)
    await responders.look()
    assert responders.responder(ISSUER) is first
    await certify(house)
    second = responders.responder(ISSUER)
    assert first is not None
    assert second is not None
    assert second.key.private_numbers() != first.key.private_numbers()
    house.clock.advance(days=8)
    assert responders.responder(ISSUER) is None


async def test_one_from_the_future_does_not_answer(house: House) -> None:
    """It was certified while a clock was ahead, and another is asked for at once."""
    house.clock.advance(days=700)
    await certify(house)
    early = house.responders.responder(ISSUER)
    assert early is not None
    house.clock.advance(days=-700)
    assert house.responders.responder(ISSUER) is None
    await certify(house)
    found = house.responders.responder(ISSUER)
    assert found is not None
    assert found.certificate != early.certificate


async def test_each_portal_has_its_own(house: House) -> None:
    """Two on one store ask for themselves, and neither takes what is the other's."""
    others = Responders(house.store, house.clock)
    await others.look()
    await certify(house)
    await others.look()
    one, two = house.responders.responder(ISSUER), others.responder(ISSUER)
    assert one is not None
    assert two is not None
    assert isinstance(one.key, ec.EllipticCurvePrivateKey)
    assert one.certificate != two.certificate


async def test_it_follows_by_itself(house: House) -> None:
    """From the start of the process on, as soon as the authority has answered."""
    task = asyncio.get_running_loop().create_task(house.responders.follow())
    async with asyncio.timeout(5):
        while house.responders.responder(ISSUER) is None:
            await certify(house, look=False)
            await asyncio.sleep(0.05)
    task.cancel()


async def test_it_outlives_a_store_that_goes_away(house: House) -> None:
    """And forgets nobody whom it may answer for."""
    await certify(house)
    house.break_store()
    task = asyncio.get_running_loop().create_task(house.responders.follow())
    await asyncio.sleep(0.1)
    assert not task.done()
    task.cancel()
    house.clock.now += timedelta(minutes=1)
    assert house.responders.responder(ISSUER) is not None


async def test_a_request_that_was_lost_is_made_again(house: House) -> None:
    """An hour later, since nobody would ever answer the first."""
    await house.responders.look()
    async with house.store.begin() as connection:
        await connection.execute(ledger.responder.delete())
    await house.responders.look()
    async with house.store.begin() as connection:
        assert await ca_responders.unanswered(connection, ISSUER) == []
    house.clock.advance(hours=1)
    await certify(house)
    assert house.responders.responder(ISSUER) is not None


async def test_nobody_answers_for_an_issuer_that_has_retired(house: House) -> None:
    """Its last certificate has ended, and nobody would certify the key."""
    async with house.store.begin() as connection:
        await connection.execute(ledger.issuer.update().values(state=IssuerState.RETIRED))
    await house.responders.look()
    async with house.store.begin() as connection:
        assert await ca_responders.unanswered(connection, ISSUER) == []
