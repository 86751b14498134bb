import base64
import re

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.people import Fingerprint
from gateway.core.recovery import plain_code
from gateway.core.tickets import (
    TICKET_BYTES,
    new_ticket,
    plain_ticket,
    ticket_digest,
    ticket_secret,
)

KEY = b"k" * 32
STICK, OTHER = Fingerprint("a" * 64), Fingerprint("b" * 64)


@given(st.binary(min_size=TICKET_BYTES, max_size=TICKET_BYTES))
def test_what_is_made_can_be_dictated_and_typed(entropy: bytes) -> None:
    """Three groups of four, read back as themselves; it cannot be taken for a recovery code."""
    ticket = new_ticket(entropy)
    assert re.fullmatch(r"(?:[0-9A-HJKMNP-TV-Z]{4}-){2}[0-9A-HJKMNP-TV-Z]{4}", ticket)
    assert plain_ticket(ticket.lower().replace("-", " ")) == ticket.replace("-", "")
    assert plain_code(ticket) is None


def test_sixty_bits_of_it_are_random() -> None:
    """Each of the last sixty bits of the entropy makes another ticket."""
    made = {new_ticket((1 << bit).to_bytes(TICKET_BYTES)) for bit in range(60)}
    assert len(made | {new_ticket(bytes(TICKET_BYTES))}) == 61


def test_a_digest_is_of_one_person_under_one_key() -> None:
    """Another owner, key or ticket: another digest; and it does not show the ticket."""
    mine = ticket_digest(KEY, "anna", "0" * 12)
    assert mine == ticket_digest(KEY, "anna", "0" * 12)
    others = {
        ticket_digest(KEY, "bruno", "0" * 12),
        ticket_digest(b"l" * 32, "anna", "0" * 12),
        ticket_digest(KEY, "anna", "0" * 11 + "1"),
        ticket_digest(KEY, "anna0", "0" * 11),
    }
    assert mine not in others
    assert len(others) == 4
    assert re.fullmatch(r"[0-9a-f]{64}", mine)


def test_a_secret_is_of_one_ticket_person_and_certificate() -> None:
    """The same when somebody begins once more, and another in every other case."""
    digest = ticket_digest(KEY, "anna", "0" * 12)
    secret = ticket_secret(KEY, digest, "anna", STICK)
    assert secret == ticket_secret(KEY, digest, "anna", STICK)
    assert len(base64.b32decode(secret)) == 20
    assert secret not in {
        ticket_secret(b"l" * 32, digest, "anna", STICK),
        ticket_secret(KEY, ticket_digest(KEY, "anna", "1" * 12), "anna", STICK),
        ticket_secret(KEY, digest, "bruno", STICK),
        ticket_secret(KEY, digest, "anna", OTHER),
    }
