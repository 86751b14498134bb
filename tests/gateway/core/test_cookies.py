"""Cookies and tickets: only ours, only whole, only in their place."""

from base64 import b64encode, urlsafe_b64decode
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.core.cookies import (
    COOKIE_NAME,
    KEY_BYTES,
    TICKET_SECONDS,
    clearing_header,
    cookie_header,
    mint_cookie,
    mint_ticket,
    read_cookie,
    read_ticket,
)
from gateway.core.people import Fingerprint
from gateway.core.sessions import SessionId

KEY = bytes(range(KEY_BYTES))
HOST = "wiki.pusterla.example"
SESSION = SessionId("00112233445566778899aabbccddeeff")
FINGERPRINT = Fingerprint("ab" * 32)
TARGET = "/pages/1?view=all"
NOW = datetime(2026, 11, 24, 19, 40, tzinfo=UTC)

keys = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)
sessions = st.binary(min_size=16, max_size=16).map(lambda raw: SessionId(raw.hex()))
positions = st.integers(min_value=0, max_value=10_000)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def a_ticket(now: datetime = NOW) -> str:
    """Mint the ticket that the tests bend."""
    return mint_ticket(KEY, SESSION, HOST, FINGERPRINT, TARGET, now)


def taken(value: str, now: datetime = NOW) -> SessionId | None:
    """Read *value* where the ticket belongs."""
    return read_ticket(KEY, value, HOST, FINGERPRINT, TARGET, now)


@given(keys, sessions, st.text(max_size=60))
def test_a_cookie_comes_back_as_its_session(key: bytes, session: SessionId, host: str) -> None:
    """What was minted for a host is read on that host."""
    assert read_cookie(key, mint_cookie(key, session, host), host) == session


@given(sessions, st.text(max_size=20), st.text(max_size=20))
def test_a_cookie_is_of_no_use_on_another_host(session: SessionId, host: str, other: str) -> None:
    """What one application leaks opens no other."""
    assume(host != other)
    assert read_cookie(KEY, mint_cookie(KEY, session, host), other) is None


@given(keys, sessions)
def test_a_cookie_of_another_key_is_none(key: bytes, session: SessionId) -> None:
    """Another site's cookie is worth nothing here."""
    assume(key != KEY)
    assert read_cookie(KEY, mint_cookie(key, session, HOST), HOST) is None


@given(positions, st.sampled_from(ALPHABET))
def test_a_cookie_with_a_changed_character_is_none(position: int, other: str) -> None:
    """Neither the session nor the MAC can be touched."""
    value = mint_cookie(KEY, SESSION, HOST)
    place = position % len(value)
    assume(value[place] != other)
    assert read_cookie(KEY, value[:place] + other + value[place + 1 :], HOST) is None


@given(st.text(max_size=70) | st.text(st.characters(), min_size=64, max_size=64))
def test_a_strangers_cookie_is_none(value: str) -> None:
    """Reading never raises, whatever is sent."""
    assert read_cookie(KEY, value, HOST) is None


def other_spellings(value: str) -> list[str]:
    """Write the bytes of *value* in ways that lenient decoders take."""
    data = urlsafe_b64decode(value + "=" * (-len(value) % 4))
    standard = b64encode(data).decode().rstrip("=")
    return [
        *({standard} - {value}),
        value + "=",
        value + "==",
        value + "\n",
        " " + value,
        value[:10] + "\n" + value[10:],
        value[:10] + "!" + value[10:],
        f'"{value}"',
        value[:-1],
        value + "A",
        value.replace(value[0], chr(ord(value[0]) + 0xFEE0), 1),
    ]


@given(sessions)
def test_a_cookie_has_one_spelling(session: SessionId) -> None:
    """Other letters, padding, blanks and quotes around the same bytes are refused."""
    for spelling in other_spellings(mint_cookie(KEY, session, HOST)):
        assert read_cookie(KEY, spelling, HOST) is None


@given(sessions)
def test_a_cookie_needs_no_quoting(session: SessionId) -> None:
    """Its value holds only letters that every parser of cookies takes as they are."""
    assert set(mint_cookie(KEY, session, HOST)) <= set(ALPHABET)


@given(keys, sessions, st.text(max_size=40), st.text(st.characters(), max_size=40))
def test_a_ticket_comes_back_as_its_session(
    key: bytes, session: SessionId, host: str, target: str
) -> None:
    """What was minted is taken up at once; the target may be any text at all."""
    value = mint_ticket(key, session, host, FINGERPRINT, target, NOW)
    assert read_ticket(key, value, host, FINGERPRINT, target, NOW) == session


def test_a_ticket_is_bound_to_its_place() -> None:
    """Another key, host, certificate or target: none of them takes it up."""
    value, other = a_ticket(), Fingerprint("cd" * 32)
    assert taken(value) == SESSION
    assert read_ticket(bytes(KEY_BYTES), value, HOST, FINGERPRINT, TARGET, NOW) is None
    assert read_ticket(KEY, value, "crm.pusterla.example", FINGERPRINT, TARGET, NOW) is None
    assert read_ticket(KEY, value, HOST, other, TARGET, NOW) is None
    assert read_ticket(KEY, value, HOST, FINGERPRINT, TARGET + "&a", NOW) is None
    assert read_ticket(KEY, value, HOST, FINGERPRINT, "/pages/1\ud800", NOW) is None


@given(st.text(max_size=30), positions, positions)
def test_the_fields_of_a_ticket_do_not_run_together(text: str, one: int, two: int) -> None:
    """Letters cannot wander from the host into the target."""
    here, there = one % (len(text) + 1), two % (len(text) + 1)
    assume(here != there)
    value = mint_ticket(KEY, SESSION, text[:here], FINGERPRINT, text[here:], NOW)
    assert read_ticket(KEY, value, text[:there], FINGERPRINT, text[there:], NOW) is None


@pytest.mark.parametrize(
    "later, session",
    [
        (timedelta(0), SESSION),
        (timedelta(seconds=TICKET_SECONDS), SESSION),
        (timedelta(seconds=TICKET_SECONDS, microseconds=1), None),
        (timedelta(days=1), None),
        (timedelta(seconds=-1), None),
    ],
)
def test_a_ticket_ends(later: timedelta, session: SessionId | None) -> None:
    """It lives for `TICKET_SECONDS`, and one from the future is none."""
    assert taken(a_ticket(), NOW + later) == session


@given(st.integers(min_value=0, max_value=999_999))
def test_a_ticket_made_within_a_second_lives_no_longer(microseconds: int) -> None:
    """Rounding shortens a ticket's life, never lengthens it."""
    made = NOW + timedelta(microseconds=microseconds)
    assert taken(a_ticket(made), made) == SESSION
    assert taken(a_ticket(made), made + timedelta(seconds=TICKET_SECONDS - 1)) == SESSION
    assert taken(a_ticket(made), made + timedelta(seconds=TICKET_SECONDS, microseconds=1)) is None


@given(positions, st.sampled_from(ALPHABET))
def test_a_ticket_with_a_changed_character_is_none(position: int, other: str) -> None:
    """Neither session nor end nor MAC can be touched, nor the bits that base64 leaves over."""
    value = a_ticket()
    place = position % len(value)
    assume(value[place] != other)
    assert taken(value[:place] + other + value[place + 1 :]) is None


def test_a_ticket_has_one_spelling() -> None:
    """The last letter has two bits to spare; only zero is taken."""
    value = a_ticket()
    last = ALPHABET.index(value[-1])
    twins = [value[:-1] + ALPHABET[last | spare] for spare in (1, 2, 3)]
    assert len({urlsafe_b64decode(twin + "=") for twin in (value, *twins)}) == 1
    assert [taken(twin) for twin in [*twins, *other_spellings(value)]] == [None] * (
        len(twins) + len(other_spellings(value))
    )


@given(st.text(st.characters(), max_size=90))
def test_a_strangers_ticket_is_none(value: str) -> None:
    """Reading never raises, whatever is sent."""
    assert taken(value) is None


def test_a_cookie_is_no_ticket_and_a_ticket_no_cookie() -> None:
    """Neither can be cut or filled up to pass as the other."""
    cookie, ticket = mint_cookie(KEY, SESSION, HOST), a_ticket()
    assert taken(cookie) is None
    assert read_cookie(KEY, ticket, HOST) is None
    assert read_cookie(KEY, ticket[: len(cookie)], HOST) is None


def test_the_cookie_keeps_to_its_host() -> None:
    """The prefix `__Host-` wants Secure, Path=/ and no Domain; scripts cannot read it."""
    header = cookie_header(mint_cookie(KEY, SESSION, HOST))
    assert COOKIE_NAME.startswith("__Host-")
    assert header.startswith(COOKIE_NAME + "=")
    attributes = set(header.split("; ")[1:])
    assert attributes == {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"}


def test_the_cookie_is_taken_away_as_it_was_given() -> None:
    """The same name and attributes, an empty value, and no time to live."""
    name, *attributes = clearing_header().split("; ")
    assert name == COOKIE_NAME + "="
    assert set(attributes) == {"Path=/", "Secure", "HttpOnly", "SameSite=Lax", "Max-Age=0"}
