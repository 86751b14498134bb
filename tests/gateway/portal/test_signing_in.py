"""What happens when something changes between the door and the end of a sign-in."""

from gateway.core.headers import Listener
from gateway.portal.callers import Caller, Visitor, admit
from gateway.portal.proving import Failed, Failure, Form, Proving
from gateway.portal.signing_in import SignedIn, SignIn
from tests.gateway.portal.house import ADDRESS, PASSWORD, House


async def visitor_of(house: House) -> Visitor:
    """Let anna in through the door."""
    caller = Caller(Listener.PORTAL, ADDRESS, house.sticks["stick-1"], None)
    return await admit(caller, house.store, house.clock())


def sign_in(house: House) -> SignIn:
    """Return who signs people in."""
    services = house.services()
    return SignIn(services, Proving(services))


def form_of(house: House) -> Form:
    """Fill in the form as it should be."""
    return Form("anna", PASSWORD, house.code())


async def test_all_right(house: House) -> None:
    """The way that everything else departs from."""
    result = await sign_in(house).attempt(await visitor_of(house), form_of(house))
    assert isinstance(result, SignedIn)


async def test_revoked_between_door_and_session(house: House) -> None:
    """The store looks once more in the transaction that opens the session."""
    visitor = await visitor_of(house)
    await house.revoke("anna", "stick-1")
    result = await sign_in(house).attempt(visitor, form_of(house))
    assert result == Failed(Failure.OVERTAKEN)
    assert await house.failures() == ["overtaken"]
    assert await house.store.sessions() == []


async def test_removed_between_door_and_session(house: House) -> None:
    """Somebody who is no longer there has no credentials to compare with."""
    visitor = await visitor_of(house)
    await house.store.remove_person("anna", house.clock().date())
    result = await sign_in(house).attempt(visitor, form_of(house))
    assert result == Failed(Failure.OVERTAKEN)


async def test_disabled_between_door_and_session(house: House) -> None:
    """A person who was disabled a moment ago is not signed in."""
    visitor = await visitor_of(house)
    await house.store.set_enabled("anna", enabled=False)
    result = await sign_in(house).attempt(visitor, form_of(house))
    assert result == Failed(Failure.OVERTAKEN)
