"""What strangers may try at the page of a lost stick, and what they cannot do to others."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from statistics import median

import pytest
from argon2 import PasswordHasher

from gateway.core.audit import AuditKind
from gateway.core.credentials import hash_password
from gateway.core.recovery import code_digest, plain_code
from gateway.portal.lanes import QUEUE
from gateway.portal.reporting import (
    Answer,
    Busy,
    Claim,
    Failure,
    Identification,
    NotProved,
    Proved,
    Slowed,
)
from tests.gateway.portal.house import PASSWORD, SITE_KEY, House

RECOVERY = "7K3M-QX2A-9DFT-04HB"
HERE, ELSEWHERE = "192.0.2.7", "198.51.100.9"
ADDRESS_BURST, PAIR_BURST, PAIR_STEP = 10, 5, timedelta(minutes=10)


def claim(
    user: str = "anna",
    password: str = PASSWORD,
    code: str = "000000",
    *,
    recovery: str = "",
    address: str = HERE,
) -> Claim:
    """Return what somebody types."""
    return Claim(user, password, code, recovery, address)


@pytest.fixture
def door(house: House) -> Identification:
    """Return what identifies people, with nobody at it."""
    return Identification(house.services())


async def give_recovery_code(house: House, *codes: str) -> None:
    """Let anna have one, or these."""
    digests = [
        code_digest(SITE_KEY, "anna", plain_code(code) or "") for code in codes or (RECOVERY,)
    ]
    await house.store.set_recovery_codes("anna", digests)


async def exhaust(door: Identification, make: Callable[[int], Claim]) -> list[Answer]:
    """Try until it is too often; return all answers."""
    answers: list[Answer] = []
    for number in range(100):
        answers.append(await door.identify(make(number)))
        if isinstance(answers[-1], Slowed):
            return answers
    raise AssertionError("nobody was slowed")


async def test_an_address_is_slowed_and_not_locked(house: House, door: Identification) -> None:
    """Ten guesses at once, then one a minute; trying meanwhile makes it no longer."""
    answers = await exhaust(door, lambda number: claim(password=f"guess {number}"))
    assert len(answers) == ADDRESS_BURST + 1
    for _ in range(50):
        assert isinstance(await door.identify(claim(password="more")), Slowed)
    house.clock.advance(seconds=60)
    assert isinstance(await door.identify(claim(code=house.code())), Proved)


async def test_a_stranger_cannot_keep_anna_from_her_own_page(
    house: House, door: Identification
) -> None:
    """However many guess at her name: from elsewhere she comes in at once."""
    await exhaust(door, lambda number: claim(password=f"guess {number}"))
    for number in range(200):
        await door.identify(claim(password=f"x {number}", address=f"203.0.113.{number}"))
    answer = await door.identify(claim(code=house.code(), address=ELSEWHERE))
    assert isinstance(answer, Proved)


async def test_a_recovery_code_waits_for_nobody(house: House, door: Identification) -> None:
    """Not even behind the address of the guesser, nor when her password is being misused."""
    await give_recovery_code(house)
    await exhaust(door, lambda number: claim(password=f"guess {number}"))
    await exhaust(door, lambda number: claim(address=f"203.0.113.{number}"))
    assert isinstance(await door.identify(claim(recovery=RECOVERY)), Proved)


async def test_nothing_here_slows_the_sign_in_with_a_certificate(
    house: House, door: Identification
) -> None:
    """Its attempts are counted apart."""
    await exhaust(door, lambda number: claim(password=f"guess {number}"))
    await exhaust(door, lambda number: claim(address=f"203.0.113.{number}"))
    assert await house.signed_in()


async def test_codes_behind_a_known_password_cannot_be_guessed(
    house: House, door: Identification
) -> None:
    """From however many addresses: five at once, then one in ten minutes."""
    answers = await exhaust(door, lambda number: claim(address=f"203.0.113.{number}"))
    assert len(answers) == PAIR_BURST + 1
    house.clock.advance(minutes=10)
    assert isinstance(await door.identify(claim(address=ELSEWHERE)), NotProved)
    assert isinstance(await door.identify(claim(address=ELSEWHERE)), Slowed)


async def test_another_spelling_of_the_password_is_the_same_pair(
    house: House, door: Identification
) -> None:
    """A letter in its full width is the same letter to the hash, so it is to the pace."""
    spellings = [
        PASSWORD[:at] + chr(ord(letter) + 0xFEE0) + PASSWORD[at + 1 :]
        for at, letter in enumerate(PASSWORD)
        if letter != " "
    ]
    answers = await exhaust(
        door, lambda number: claim(password=spellings[number], address=f"203.0.113.{number}")
    )
    assert answers[:-1] == [NotProved(Failure.WRONG_CODE)] * PAIR_BURST


@pytest.mark.parametrize("user", ["anna", "nobody"])
@pytest.mark.parametrize("password", [PASSWORD, "not the password"])
async def test_being_slowed_says_nothing_of_name_or_password(
    house: House, door: Identification, user: str, password: str
) -> None:
    """The right pair is slowed like any other, after as many attempts."""
    answers = await exhaust(
        door, lambda number: claim(user, password, address=f"203.0.113.{number}")
    )
    assert len(answers) == PAIR_BURST + 1
    assert answers[-1] == Slowed(house.clock() + PAIR_STEP)


async def test_a_thief_with_the_sheet_guesses_no_passwords(
    house: House, door: Identification
) -> None:
    """A recovery code frees from waiting for others; all of a sheet have one pace."""
    sheet = [f"7K3M-QX2A-9DFT-04H{number}" for number in range(10)]
    await give_recovery_code(house, *sheet)
    answers = await exhaust(
        door,
        lambda number: claim(
            password=f"guess {number}", recovery=sheet[number % 10], address=f"203.0.113.{number}"
        ),
    )
    assert len(answers) == 6
    assert await house.store.recovery_codes_left("anna") == 10
    # The sheet's owner is kept from nothing else.
    assert isinstance(await door.identify(claim(code=house.code())), Proved)


async def test_an_office_can_report_all_its_sticks(house: House, door: Identification) -> None:
    """What was no guess does not count for the address."""
    for number in range(30):
        await house.add_person(f"p{number}", "Somebody")
        answer = await door.identify(claim(f"p{number}", code=house.code()))
        assert isinstance(answer, Proved)


async def test_a_whole_ipv6_network_is_one(house: House, door: Identification) -> None:
    """Its addresses cost nothing; with IPv4 in IPv6's clothes everybody is themselves."""
    answers = await exhaust(
        door, lambda number: claim(password=f"{number}", address=f"2001:db8:1:2::{number:x}")
    )
    assert len(answers) == ADDRESS_BURST + 1
    for number in range(3 * ADDRESS_BURST):
        mapped = f"::ffff:198.51.100.{number}"
        answer = await door.identify(claim(password=f"m{number}", address=mapped))
        assert isinstance(answer, NotProved)


def crowd_at(door: Identification) -> "asyncio.Future[list[Answer]]":
    """Let many strangers come at once."""
    crowd = [claim(password=f"g{number}", address=f"10.1.{number}.1") for number in range(20)]
    return asyncio.gather(*map(door.identify, crowd))


async def test_passwords_are_hashed_one_at_a_time_and_the_queue_has_an_end(
    door: Identification,
) -> None:
    """Memory and processor are bounded; who comes too many is told, and has lost no attempt."""
    async with door._strangers._turn:
        guessing = crowd_at(door)
        refused = await come_when_full(door)
        assert not guessing.done()
    assert refused == [Busy()] * PAIR_BURST * 2
    answers = await guessing
    assert sum(isinstance(answer, NotProved) for answer in answers) == QUEUE
    assert sum(isinstance(answer, Busy) for answer in answers) == len(answers) - QUEUE


async def come_when_full(door: Identification) -> list[Answer]:
    """Come once the queue is full, more often than the pace of a pair allows."""
    async with asyncio.timeout(10):
        while door._strangers._waiting < QUEUE:  # noqa: ASYNC110 - the queue tells nobody
            await asyncio.sleep(0.01)
    return [await door.identify(claim()) for _ in range(PAIR_BURST * 2)]


async def test_a_crowd_of_strangers_does_not_keep_out_who_has_a_recovery_code(
    house: House, door: Identification
) -> None:
    """They have a queue of their own."""
    await give_recovery_code(house)
    async with door._strangers._turn:
        guessing = crowd_at(door)
        assert isinstance(await door.identify(claim(recovery=RECOVERY)), Proved)
        assert not guessing.done()
    await guessing


async def test_nobody_takes_as_long_as_anybody(house: House) -> None:
    """Disabled or unknown, a password is hashed, with the cost that passwords have."""
    await house.store.set_password("anna", hash_password(PASSWORD))
    await house.add_person("bruno", "Bruno Neri")
    await house.store.set_password("bruno", hash_password(PASSWORD))
    await house.store.set_enabled("bruno", False)
    door = Identification(house.services())
    await door.identify(claim("warm", "up"))
    took: dict[str, list[float]] = {}
    for number in range(3):
        for user in ("anna", "bruno", "nobody"):
            before = time.perf_counter()
            await door.identify(
                claim(user, f"wrong {number}", address=f"10.0.{number}.{len(user)}")
            )
            took.setdefault(user, []).append(time.perf_counter() - before)
    slowest, fastest = (pick(map(median, took.values())) for pick in (max, min))
    # A hash is tens of milliseconds; without it the answer takes two or three.
    assert fastest > slowest / 3, took


async def test_nobodys_hash_costs_what_everybodys_does(house: House) -> None:
    """With parameters that are those of new passwords."""
    door = Identification(house.services())
    await door.identify(claim("nobody"))
    assert door._nobodys_hash is not None
    assert not PasswordHasher().check_needs_rehash(door._nobodys_hash)


async def test_who_was_slowed_can_send_the_same_form_again(
    house: House, door: Identification
) -> None:
    """Only what was proved is remembered with a form."""
    await exhaust(door, lambda number: claim(address=f"203.0.113.{number}"))
    form = Claim("anna", PASSWORD, house.code(minutes=10), "", HERE, mark="a")
    assert isinstance(await door.identify(form), Slowed)
    house.clock.advance(minutes=10)
    assert isinstance(await door.identify(form), Proved)
    house.clock.advance(seconds=30)
    assert isinstance(await door.identify(form), Proved)


async def test_a_store_that_fails_fails_both_of_a_form(house: House) -> None:
    """Whoever waits for the first one's answer is not left waiting, and the next is looked at."""
    door = Identification(house.services())
    form = Claim("anna", PASSWORD, house.code(), "", HERE, mark="a")
    house.break_store()
    answers = await asyncio.gather(door.identify(form), door.identify(form), return_exceptions=True)
    assert [isinstance(answer, Exception) for answer in answers] == [True, True]


async def test_what_strangers_try_is_not_written_into_the_store(
    house: House, door: Identification
) -> None:
    """But for one line of what was looked at; what was only slowed leaves nothing at all."""
    await exhaust(door, lambda number: claim(password=f"guess {number}"))
    lines = len(await house.store.audit_tail(1000))
    for _ in range(20):
        await door.identify(claim(password="again"))
    assert len(await house.store.audit_tail(1000)) == lines
    refused = await house.audit(AuditKind.LOST_REPORT_REFUSED)
    assert {line.event.reason for line in refused} == {Failure.WRONG_PASSWORD.value}
    assert len(refused) == ADDRESS_BURST
