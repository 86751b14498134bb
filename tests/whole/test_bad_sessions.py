"""Cookies and codes that are forged, old, foreign or used: none of them opens anything."""

import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.whole.applications import Applications
from tests.whole.guests import HTML, Guest, form, signed_in
from tests.whole.people import Person
from tests.whole.sites import HOST, LiveSite
from tests.whole.wire import Reply, Wire, cookie_field, wire_of

WIKI, CRM = f"wiki.{HOST}", f"crm.{HOST}"


def expect_no_session(site: LiveSite, guest: Guest, cookie: str, host: str = WIKI) -> None:
    """See that *cookie* is as good as none: 401 for a program, the sign-in for a person."""
    with Wire(site, host, guest.stick, address=guest.address) as wire:
        assert wire.ask("POST", "/x", cookie_field(cookie)).status == 401
        reply = wire.ask("GET", "/x", cookie_field(cookie), ("Accept", "text/html"))
        assert reply.status == 303
        assert reply.values("location")[0].startswith(site.portal("/sign-in?to="))


def test_a_cookie_is_bound_to_the_certificate(
    site: LiveSite,
    applications: Applications,
    inside: Guest,
    resident: Person,
    bruno: Person,
    guests: Path,
) -> None:
    """Somebody else's cookie, taken with everything but the stick, opens nothing and is noted."""
    thief = Guest(site, bruno.stick, guests)
    with applications.untouched():
        expect_no_session(site, thief, inside.cookie(WIKI))
        with Wire(site, HOST, thief.stick, address=thief.address) as wire:
            reply = wire.ask("GET", "/", cookie_field(inside.cookie(HOST)))
            assert reply.values("location") == ["/sign-in"]
    site.wait_for_audit(
        kind="session-refused",
        reason="session-of-another-certificate",
        user=bruno.user,
        address=thief.address,
    )
    second = Guest(site, resident.another_stick("stick-9"), guests)
    with applications.untouched():
        expect_no_session(site, second, inside.cookie(WIKI))


def test_a_forged_cookie_is_none(
    site: LiveSite, applications: Applications, inside: Guest, resident: Person, guests: Path
) -> None:
    """A bent cookie, one of chance, none at all, one that is too long: refused and noted."""
    good = inside.cookie(WIKI)
    guest = Guest(site, resident.stick, guests)
    raw = urlsafe_b64decode(good)
    bent = urlsafe_b64encode(raw[:20] + bytes([raw[20] ^ 1]) + raw[21:]).decode()
    other_session = urlsafe_b64encode(bytes(16) + raw[16:]).decode()
    with applications.untouched():
        for cookie in (bent, other_session, "A" * 64, "", good[:-1], good + "A", good.lower(), "é"):
            expect_no_session(site, guest, cookie)
    site.wait_for_audit(kind="session-refused", reason="forged-cookie", address=guest.address)


def test_a_cookie_of_another_host_is_none(
    site: LiveSite, applications: Applications, inside: Guest, resident: Person, guests: Path
) -> None:
    """What one application's host could leak opens no other host."""
    guest = Guest(site, resident.stick, guests)
    with applications.untouched():
        expect_no_session(site, guest, inside.cookie(CRM), WIKI)
        expect_no_session(site, guest, inside.cookie(HOST), CRM)
    site.wait_for_audit(kind="session-refused", reason="forged-cookie", address=guest.address)


def test_a_good_cookie_beside_a_bad_one_is_enough(site: LiveSite, inside: Guest) -> None:
    """Whoever plants a second cookie of the same name locks nobody out."""
    field = ("Cookie", f"__Host-pusterla=planted; __Host-pusterla={inside.cookie(WIKI)}")
    with wire_of(inside, WIKI) as wire:
        assert wire.ask("GET", "/x", field).status == 200


def test_a_cookie_of_an_ended_session_is_none(
    site: LiveSite, applications: Applications, anna: Person, guests: Path
) -> None:
    """An old cookie leads to the sign-in, and after it there is a new one."""
    guest = signed_in(site, anna, guests, "wiki")
    old = guest.cookie(WIKI)
    site.command("session", "end", "--user", anna.user)
    with applications.untouched():
        expect_no_session(site, guest, old)
    site.wait_for_audit(kind="session-refused", reason="session-over", address=guest.address)
    assert guest.submit(anna, site.url(WIKI)).url == site.url(WIKI)
    assert guest.cookie(WIKI) != old
    with applications.untouched():
        expect_no_session(site, guest, old)


@pytest.mark.parametrize(
    "other, reason",
    [
        ({"password": "not the password at all"}, "wrong-password"),
        ({"code": "000000"}, "wrong-code"),
        ({"code": "12345"}, "wrong-code"),
        ({"user": "somebody-else"}, "another-person"),
    ],
    ids=["password", "code", "short-code", "user"],
)
def test_what_was_typed_wrong_opens_nothing(
    site: LiveSite,
    applications: Applications,
    anna: Person,
    guests: Path,
    other: dict[str, str],
    reason: str,
) -> None:
    """The page does not say which of them was wrong; the audit log does."""
    guest = Guest(site, anna.stick, guests)
    with applications.untouched():
        answer = guest.submit(anna, site.url(WIKI), **other)
    assert (answer.status, answer.values("Set-Cookie")) == (403, [])
    assert "That was not right. Check your password, and type the code" in answer.text
    event = site.wait_for_audit(kind="sign-in-failed", address=guest.address)
    assert (event.reason, event.user) == (reason, anna.user)
    assert site.work(lambda command: command.store.sessions(user=anna.user)) == []


def test_a_code_works_once(site: LiveSite, anna: Person, guests: Path) -> None:
    """The same code a second time, with another stick of the same person, is a used code."""
    code = anna.code()
    first = Guest(site, anna.stick, guests)
    assert first.submit(anna, "", code=code).url == site.portal()
    second = Guest(site, anna.another_stick("stick-2"), guests)
    answer = second.submit(anna, "", code=code)
    assert answer.status == 403
    assert "This code has already been used" in answer.text
    site.wait_for_audit(kind="sign-in-failed", reason="code-used", address=second.address)
    assert len(site.work(lambda command: command.store.sessions(user=anna.user))) == 1


def test_a_code_used_at_once_on_both_workers_opens_one_session(
    site: LiveSite, anna: Person
) -> None:
    """Eight forms with the same code, four on each worker, sent at the same instant: one gets in."""
    body = "&".join(form(anna, "")).encode()
    kind = ("Content-Type", "application/x-www-form-urlencoded")
    replies: list[Reply] = []
    with ExitStack() as stack:
        wires = both_workers(site, anna, stack, each=4)
        start = threading.Barrier(len(wires))

        def submit(wire: Wire) -> None:
            start.wait()
            replies.append(wire.ask("POST", "/sign-in", kind, body=body))

        threads = [threading.Thread(target=submit, args=(wire,)) for wire in wires]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(site.work(lambda command: command.store.sessions(user=anna.user))) == 1
    assert sorted(reply.status for reply in replies).count(303) == 1
    cookies = [reply.values("set-cookie") for reply in replies if reply.values("set-cookie")]
    assert len(cookies) == 1
    assert len(site.find_audit(kind="signed-in", user=anna.user)) == 1
    refused = site.find_audit(kind="sign-in-failed", user=anna.user)
    assert len(refused) == len(wires) - 1
    assert {event.reason for event in refused} <= {"code-used", "locked"}
    assert "code-used" in {event.reason for event in refused}


def both_workers(site: LiveSite, person: Person, stack: ExitStack, *, each: int) -> list[Wire]:
    """Open *each* connections of *person* to the portal on each of the workers."""
    found: dict[int, list[Wire]] = {worker: [] for worker in site.workers()}
    for _ in range(200):
        with ExitStack() as trial:
            wire = trial.enter_context(Wire(site, HOST, person.stick))
            mine = found[site.worker_of(wire.socket)]
            if len(mine) < each:
                mine.append(wire)
                stack.enter_context(trial.pop_all())
        if all(len(wires) == each for wires in found.values()):
            return [wire for wires in found.values() for wire in wires]
    raise AssertionError(f"the kernel gave one worker everything: {found}")


def test_a_guesser_is_slowed_and_the_owner_is_not(
    site: LiveSite, anna: Person, guests: Path
) -> None:
    """After five failures that certificate must wait, even with everything right; another need not."""
    stolen = anna.another_stick("stolen")
    thief = Guest(site, stolen, guests)
    for _ in range(5):
        assert thief.submit(anna, "", password="guessed password", code="111111").status == 403
    locked = thief.submit(anna, "")
    assert locked.status == 429
    assert 0 < int(locked.value("Retry-After")) <= 30
    site.wait_for_audit(kind="sign-in-failed", reason="locked", address=thief.address)
    owner = Guest(site, anna.stick, guests)
    assert owner.submit(anna, "").url == site.portal()


@pytest.mark.parametrize(
    "fields, status",
    [
        (("-H", "Content-Type: application/json", "-d", "{}"), 400),
        (("-d", "user=somebody&user=twice"), 400),
        (("-d", "%ff=%ff"), 400),
        (("-F", "user=multipart"), 400),
        (("-d", "user=" + 100_000 * "x"), 413),
    ],
    ids=["json", "twice", "octets", "multipart", "large"],
)
def test_a_form_that_is_none_is_refused(
    site: LiveSite, stranger: Person, guests: Path, fields: tuple[str, ...], status: int
) -> None:
    """What can be read in two ways, in none, or is too large, is refused and is no attempt."""
    guest = Guest(site, stranger.stick, guests)
    answer = guest.get(site.portal("/sign-in"), *fields, *HTML)
    assert (answer.status, answer.values("Set-Cookie")) == (status, [])
    assert site.find_audit(kind="sign-in-failed", address=guest.address) == []
