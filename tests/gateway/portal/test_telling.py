"""Letters about what people ask for: to those who decide, and to whoever asked."""

import asyncio
from dataclasses import replace

import pytest

from gateway.config import Configuration
from gateway.core.requests import Ruling
from gateway.core.site import Mail
from gateway.core.spans import parse_spans
from gateway.portal.telling import tell
from tests.gateway.portal.asks import TODAY, asking, berta, newcomer, say_to, send, take_back
from tests.gateway.portal.house import House


@pytest.fixture
def posting(house: House) -> House:
    """A house with a mail server, in which people ask for the wiki."""
    mail = Mail(server="mail.example.it", from_="door@example.it", administrators=("a@example.it",))
    asking(house)
    house.site = replace(house.site, mail=mail)
    return house


async def write(house: House, room: int = 50) -> list[str]:
    """Let the portal write, and return to whom it did."""
    house.letters.clear()
    configuration = Configuration(house.site, house.applications)
    await tell(house.store, configuration, house.letters.append, room, house.clock())
    return [letter.to[0] for letter in house.letters]


async def test_managers_are_told_once(posting: House) -> None:
    """Who asks for what and when, and where to decide; nothing of what was typed."""
    await berta(posting)
    await send(
        posting, await posting.signed_in(), "2026-11-24", reason="<b>see http://evil.example"
    )
    assert await write(posting) == ["berta@example.it"]
    [letter] = posting.letters
    assert "https://pusterla.localhost:8443/requests/decide?number=1" in letter.text
    assert "Anna Rossi (anna)" in letter.text
    assert "Tuesday 24 November 2026" in letter.text
    assert "martedì 24 novembre 2026" in letter.text
    assert "evil" not in letter.text + letter.subject
    assert await write(posting) == []


async def test_whoever_asked_is_told_what_was_decided(posting: House) -> None:
    """Also that it is less than was asked for; and not what was said to it."""
    manager = await berta(posting)
    await send(posting, await posting.signed_in(), "2026-11-24", "2026-11-26")
    await write(posting)
    await say_to(posting, manager, "approve", "2026-11-26", words="see http://evil.example")
    assert await write(posting) == ["anna@example.it"]
    [letter] = posting.letters
    assert "approved · approvato: Wiki" in letter.subject
    assert "  Thursday 26 November 2026\n" in letter.text
    assert "less than you had asked for: Tuesday 24 November 2026; Thursday" in letter.text
    assert "evil" not in letter.text
    assert await write(posting) == []


async def test_of_a_refusal_too_and_of_what_the_command_decides(posting: House) -> None:
    """Whoever decides it, and wherever."""
    await berta(posting)
    await send(posting, await posting.signed_in(), "2026-11-24")
    await write(posting)
    await posting.store.rule_on_access(1, Ruling(None, "no", TODAY), by="command:giulia")
    assert await write(posting) == ["anna@example.it"]
    assert "refused · rifiutato" in posting.letters[0].subject


async def test_administrators_are_told_where_there_is_no_manager(posting: House) -> None:
    """None is named, or none may come in: they can decide by the command."""
    await berta(posting)
    await posting.store.set_enabled("berta", False)
    await send(posting, await posting.signed_in(), "2026-11-24")
    assert await write(posting) == ["a@example.it"]
    assert "pusterla request approve 1" in posting.letters[0].text


async def test_each_manager_gets_a_letter_and_who_asks_none(posting: House) -> None:
    """Whoever is a manager of the group and asks is not written to about it."""
    managers = {"technicians": frozenset({"anna", "berta", "dora", "gone"})}
    posting.site = replace(posting.site, managers=managers)
    await berta(posting)
    await newcomer(posting, "dora", "Dora", "office")
    await send(posting, await posting.signed_in(), "2026-11-24")
    assert await write(posting) == ["berta@example.it", "dora@example.it"]


async def test_two_portals_write_once(posting: House) -> None:
    """Also at the same instant."""
    await berta(posting)
    await send(posting, await posting.signed_in(), "2026-11-24")
    configuration = Configuration(posting.site, posting.applications)
    found = [
        tell(posting.store, configuration, posting.letters.append, 50, posting.clock())
        for _ in range(3)
    ]
    assert sum(await asyncio.gather(*found)) == 1


async def test_nobody_is_written_to_who_need_not_act(posting: House) -> None:
    """What was withdrawn before the letter went out, and where there is no mail server."""
    await berta(posting)
    session = await posting.signed_in()
    await send(posting, session, "2026-11-24")
    site, posting.site = posting.site, replace(posting.site, mail=Mail())
    assert await write(posting) == []
    posting.site = site
    await take_back(posting, session)
    assert await write(posting) == []
    await send(posting, session, "2026-11-24")
    assert await write(posting) == ["berta@example.it"]
    assert parse_spans("2026-11-24") == (await posting.store.access_requests())[1].wanted


async def test_nobody_is_written_to_of_who_is_kept_out(posting: House) -> None:
    """Nor are they themselves, until they may come in again."""
    manager = await berta(posting)
    session = await posting.signed_in()
    await send(posting, session, "2026-11-24")
    await posting.store.set_enabled("anna", False)
    assert await write(posting) == []
    await posting.store.set_enabled("anna", True)
    assert await write(posting) == ["berta@example.it"]
    await say_to(posting, manager, "approve", "2026-11-24")
    await posting.store.set_enabled("anna", False)
    assert await write(posting) == []
    await posting.store.set_enabled("anna", True)
    assert await write(posting) == ["anna@example.it"]


async def test_managers_who_have_gone_get_no_letter(posting: House) -> None:
    """Kept out or removed, though the settings name them still."""
    names = frozenset({"berta", "dora", "emma"})
    posting.site = replace(posting.site, managers={"technicians": names})
    await berta(posting)
    for user in ("dora", "emma"):
        await newcomer(posting, user, user.title(), "office")
    await send(posting, await posting.signed_in(), "2026-11-24")
    await posting.store.set_enabled("berta", False)
    await posting.store.remove_person("dora", TODAY)
    assert await write(posting) == ["emma@example.it"]


async def test_no_manager_is_told_of_what_is_over(posting: House) -> None:
    """It was asked for while there was no mail server, and nobody can answer it any more."""
    await berta(posting)
    session = await posting.signed_in()
    await send(posting, session, "2026-11-22")
    await send(posting, session, "2026-11-24")
    posting.clock.advance(days=3)
    assert await write(posting) == ["berta@example.it"]
    assert "number=2" in posting.letters[0].text


async def test_nobody_is_told_of_an_answer_about_what_is_over(posting: House) -> None:
    """It came while there was no mail server, and opens nothing any more."""
    session = await posting.signed_in()
    await send(posting, session, "2026-11-22")
    await posting.store.rule_on_access(1, Ruling(None, "", TODAY), by="command")
    posting.clock.advance(days=3)
    assert await write(posting) == []


async def test_letters_wait_for_room(posting: House) -> None:
    """Those of a lost stick have theirs; none is passed over, and one request's go together."""
    await berta(posting)
    session = await posting.signed_in()
    for day in ("2026-11-24", "2026-11-26", "2026-11-28"):
        await send(posting, session, day)
    assert await write(posting, room=0) == []
    assert await write(posting, room=2) == ["berta@example.it"] * 2
    assert await write(posting, room=2) == ["berta@example.it"]
    assert await write(posting, room=2) == []
