import asyncio
import secrets
import time
from datetime import timedelta

import pytest

from gateway.bootstrap.command import Command, open_command
from gateway.bootstrap.folder import open_folder
from gateway.core.people import Fingerprint
from gateway.core.sessions import Session, SessionId
from gateway.store import Change, SessionRecord
from policies.model import Level
from tests.gateway.cli.runner import Runner


async def open_session(command: Command, fingerprint: str) -> SessionId:
    """Sign the holder of *fingerprint* in."""
    holder = await command.store.holder(Fingerprint(fingerprint))
    assert holder is not None
    verified = await command.store.credentials(holder.user)
    assert verified is not None
    now = command.clock()
    session = Session(
        id=SessionId("a" + secrets.token_hex(16)[1:]),
        user=holder.user,
        fingerprint=holder.fingerprint,
        level=Level.PASSWORD_TOTP,
        created_at=now,
        expires_at=now + timedelta(hours=1),
        address="192.0.2.7",
    )
    await command.store.open_session(session, holder.device, holder.serial, verified=verified)
    return session.id


@pytest.fixture
def sessions(pusterla: Runner) -> list[str]:
    """Two sessions of Anna's and one of Bruno's."""

    async def sign_in(fingerprints: list[str]) -> list[str]:
        async with open_command(open_folder(pusterla.site)) as command:
            return [await open_session(command, fingerprint) for fingerprint in fingerprints]

    for user in ("anna", "bruno"):
        pusterla.add_user(user)
    anna, bruno = (str(pusterla.issue(user)["fingerprint"]) for user in ("anna", "bruno"))
    return asyncio.run(sign_in([anna, anna, bruno]))


def live(pusterla: Runner) -> list[str]:
    """Return the numbers of the sessions that are live."""
    return [each["id"] for each in pusterla.json("session", "list")]


def test_live_sessions_are_listed(pusterla: Runner, sessions: list[str]) -> None:
    """Of all, or of one person."""
    assert sorted(live(pusterla)) == sorted(sessions)
    (bruno,) = pusterla.json("session", "list", "--user", "bruno")
    assert (bruno["id"], bruno["address"]) == (sessions[2], "192.0.2.7")
    assert "192.0.2.7" in pusterla.done("session", "list").stdout
    assert bruno["created_at"] == bruno["signed_in_at"] == bruno["code_at"]
    assert "did you mean 'bruno'?" in pusterla.refused("session", "list", "--user", "brno")


def test_the_last_code_of_a_session_is_told(pusterla: Runner, sessions: list[str]) -> None:
    """And when password and code were given last, where that was another time."""

    async def prove(*, password: bool) -> None:
        async with open_command(open_folder(pusterla.site)) as command:
            session = await command.store.session(SessionId(sessions[2]))
            verified = await command.store.credentials("bruno")
            assert session is not None
            assert verified is not None
            change = Change(SessionRecord(session, "stick-1", ""), verified.version)
            await command.store.prove_again(change, 1, password=password)

    for password in (False, True):
        time.sleep(1)
        asyncio.run(prove(password=password))
        (bruno,) = pusterla.json("session", "list", "--user", "bruno")
        assert bruno["created_at"] < bruno["code_at"]
        assert (bruno["signed_in_at"] == bruno["code_at"]) is password
    assert "LAST CODE" in pusterla.done("session", "list").stdout


def test_nobody_signed_in_is_said(pusterla: Runner) -> None:
    """And is an empty list in JSON."""
    assert pusterla.done("session", "list").stderr == "nobody is signed in\n"
    assert live(pusterla) == []


def test_one_session_is_ended_by_the_beginning_of_its_number(
    pusterla: Runner, sessions: list[str]
) -> None:
    """As the listing shows it; the others go on."""
    ended = pusterla.json("session", "end", sessions[1][:12].upper())
    assert [each["id"] for each in ended] == [sessions[1]]
    assert sorted(live(pusterla)) == sorted([sessions[0], sessions[2]])
    (line,) = pusterla.audit("session-ended")
    assert line["user"] == "anna"
    assert line["detail"]["by"].startswith("command:")


def test_all_sessions_of_a_person_or_of_everybody_are_ended(
    pusterla: Runner, sessions: list[str]
) -> None:
    """Ending none is no error."""
    text = pusterla.done("session", "end", "--user", "anna").stdout
    assert len(text.splitlines()) == 2
    assert live(pusterla) == [sessions[2]]
    pusterla.done("session", "end", "--all")
    assert live(pusterla) == []
    assert "no session to end" in pusterla.done("session", "end", "--all").stdout


def test_which_sessions_must_be_clear(pusterla: Runner, sessions: list[str]) -> None:
    """None named and two ways at once are wrong usage; what fits none or several is refused."""
    for words in ([], ["--all", "--user", "anna"], [sessions[0], "--all"]):
        assert pusterla.run("session", "end", *words).exit_code == 2
    assert "no live session 'zz'" in pusterla.refused("session", "end", "zz")
    assert "3 sessions begin with 'a'" in pusterla.refused("session", "end", "a")
    assert "no live session ''" in pusterla.refused("session", "end", "")
    assert "did you mean 'anna'?" in pusterla.refused("session", "end", "--user", "ana")
    assert len(live(pusterla)) == 3


def test_a_revocation_and_a_disabled_person_end_their_sessions(
    pusterla: Runner, sessions: list[str]
) -> None:
    """The listing shows it at once."""
    words = ("cert", "revoke", "--user", "bruno", "--device", "stick-1")
    pusterla.done(*words, "--reason", "keyCompromise")
    assert sorted(live(pusterla)) == sorted(sessions[:2])
    assert len(pusterla.done("user", "show", "anna").stdout.split(sessions[0][:12])) == 2
    pusterla.done("user", "disable", "anna")
    assert live(pusterla) == []
