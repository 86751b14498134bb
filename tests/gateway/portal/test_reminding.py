"""Letters to people whose certificate ends: each step once, whoever sends them."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from ca.authority import Order
from ca.renewals import Renewal
from gateway.core.people import Fingerprint
from gateway.core.renewals import Way, step_of
from gateway.core.site import Mail
from gateway.portal.reminding import remind
from gateway.store import Change, SessionRecord
from tests.gateway.portal.desk import authority_of, desk_of, real_stick
from tests.gateway.portal.house import House


@pytest.fixture
def posting(house: House) -> House:
    """A house with a mail server, and nobody's certificate near its end yet."""
    mail = Mail(server="mail.example.it", from_="door@example.it")
    house.site = replace(house.site, mail=mail, contact="help@example.it")
    return house


async def write(house: House) -> list[str]:
    """Let the portal write, and return to whom and of which device it did."""
    house.letters.clear()
    await remind(house.store, house.site, house.letters.append, house.clock())
    return [letter.to[0] for letter in house.letters]


@pytest.mark.parametrize(
    "left, step",
    [
        (timedelta(days=31), None),
        (timedelta(days=30), 30),
        (timedelta(days=8), 30),
        (timedelta(days=7), 7),
        (timedelta(hours=25), 7),
        (timedelta(days=1), 1),
        (timedelta(seconds=1), 1),
        (timedelta(), None),
    ],
)
def test_the_nearest_step_counts(left: timedelta, step: int | None) -> None:
    """A site that was off for a week writes once, and nothing of what has ended."""
    assert step_of(left) == step


async def test_is_written_to_at_each_step_once(posting: House) -> None:
    """At 30, 7 and 1 days before, in both languages, with the way to the page."""
    await real_stick(posting, "ending", days=40)
    assert await write(posting) == []
    posting.clock.advance(days=11)
    assert await write(posting) == ["anna@example.it"]
    [letter] = posting.letters
    assert "https://pusterla.localhost:8443/renewal" in letter.text
    assert '"ending"' in letter.text
    assert "in 29 days" in letter.text
    assert "tra 29 giorni" in letter.text
    assert "Or ask help@example.it." in letter.text
    assert "Oppure chiedi a help@example.it." in letter.text
    assert await write(posting) == []
    posting.clock.advance(days=22, hours=12)
    assert await write(posting) == ["anna@example.it"]
    posting.clock.advance(days=6)
    assert await write(posting) == ["anna@example.it"]
    assert "in a day" in posting.letters[0].text
    assert await write(posting) == []
    posting.clock.advance(days=1)
    assert await write(posting) == []


async def test_two_portals_write_once(posting: House) -> None:
    """Also at the same instant."""
    await real_stick(posting, "ending")
    found = [
        remind(posting.store, posting.site, posting.letters.append, posting.clock())
        for _ in range(3)
    ]
    assert sum(await asyncio.gather(*found)) == 1


async def test_whoever_need_not_act_gets_none(posting: House) -> None:
    """Renewed already, revoked, or somebody who may not come in."""
    renewed, key = await real_stick(posting, "renewed")
    await real_stick(posting, "revoked")
    await posting.add_person("bruno", "Bruno Bianchi", "technicians")
    await real_stick(posting, "brunos", user="bruno")
    await posting.store.set_enabled("bruno", False)
    await posting.revoke("anna", "revoked")
    record = renewed.record
    renewal = Renewal(record.issuer, record.serial, record.not_after)
    order = Order("anna", "renewed", None, None, timedelta(days=300), renewal)
    await authority_of(posting).enrol(order, key.public_key(), posting.clock())
    assert await write(posting) == []


async def test_whoever_has_not_used_the_new_one_is_told_of_that(posting: House) -> None:
    """Renewed by themselves, and never fetched: it says so, and where it is to be had."""
    await real_stick(posting, "ending")
    credentials = await posting.store.credentials("anna")
    holder = await posting.store.holder(posting.sticks["ending"])
    live = await posting.store.session(await posting.signed_in("ending"))
    assert live is not None
    assert credentials is not None
    assert holder is not None
    change = Change(SessionRecord(live, "ending", holder.serial), credentials.version)
    await posting.store.ask_renewal(change, "1", Way.SAME_KEY)
    await desk_of(posting).work()
    assert await write(posting) == ["anna@example.it"]
    [letter] = posting.letters
    assert "nobody has signed in with the new one yet" in letter.text
    assert "nessuno ha ancora fatto l’accesso con quello nuovo" in letter.text
    assert "https://pusterla.localhost:8443/renewal" in letter.text
    assert "Or ask help@example.it." in letter.text
    posting.sticks["new"] = Fingerprint((await posting.store.certificates())[-1].fingerprint or "")
    await posting.signed_in("new")
    await desk_of(posting).work()
    posting.clock.advance(days=6)
    assert await write(posting) == []


async def test_without_a_mail_server_nobody_is_written_to_and_nothing_is_noted(
    posting: House,
) -> None:
    """Once there is one, the letter goes out."""
    await real_stick(posting, "ending")
    site, posting.site = posting.site, replace(posting.site, mail=Mail())
    assert await write(posting) == []
    posting.site = site
    assert await write(posting) == ["anna@example.it"]


async def test_whoever_may_not_renew_by_themselves_is_told_whom_to_ask(posting: House) -> None:
    """Where the setting says that nobody does."""
    times = replace(posting.site.certificates, renew_before=timedelta())
    posting.site = replace(posting.site, certificates=times)
    await real_stick(posting, "ending")
    await write(posting)
    [letter] = posting.letters
    assert "/renewal" not in letter.text
    assert "For a new one ask help@example.it." in letter.text
