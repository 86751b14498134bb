"""Files of rules that cannot be used: each is named with its place, and nothing changes by it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.config.documents import LARGEST
from tests.whole.applications import Applications
from tests.whole.guests import Guest, signed_in
from tests.whole.people import Person
from tests.whole.rules import ALLOW, HEAD, edited
from tests.whole.sites import HOST, LiveSite
from tests.whole.sockets import echoes, open_socket
from tests.whole.texts import NAME, REQUIRING, accept, agreed_to

CHAT = f"chat.{HOST}"
PROCESSES = ("edge-0", "edge-1", "portal")
FAULTY = {
    "broken": (ALLOW + "hours = 08:00-", "apps/chat.toml: line 7, column 10: not valid TOML"),
    "huge": (ALLOW + "#" * LARGEST, "apps/chat.toml: larger than 8 MiB, so not read"),
    "duplicate names": (
        ALLOW + ALLOW,
        "rules[2].name: 'technicians' is already the name of the rule at apps/chat.toml: rules[1]",
    ),
    "no such hour": (
        ALLOW + 'hours = "25:00-26:00"',
        "apps/chat.toml: rules[1].hours: '25:00-26:00': 25:00 is no time of day",
    ),
    "no such month": (
        ALLOW + "days = { per_month = 31, consecutive = false }",
        "apps/chat.toml: rules[1].days.per_month: no month has 31 days of which no two are in a row",
    ),
    "no such agreement": (
        ALLOW + 'requires = ["agreement:smart-working"]',
        "apps/chat.toml: rules[1].requires[1]: there is no agreement 'smart-working'",
    ),
}


def put(file: Path, text: bytes) -> None:
    """Write *file* as a whole: no process is to meet half of it, which may be sound."""
    draft = file.with_name(".draft")
    draft.write_bytes(text)
    draft.rename(file)


@contextmanager
def refused(site: LiveSite, *places: str) -> Iterator[None]:
    """Do something to the files; every process says what is wrong with them, at *places*."""
    mark = site.log_size()
    yield
    for process in PROCESSES:
        site.wait_for_log(rf" {process} ERROR the files have mistakes", mark)
    said = site.log_since(mark)
    for place in places:
        # Each process says it once, and has then told all it knows.
        assert said.count(place) == len(PROCESSES), said


@pytest.mark.parametrize("fault", FAULTY)
def test_a_file_with_a_fault_is_not_taken_up(site: LiveSite, inside: Guest, fault: str) -> None:
    """Whatever is wrong: the place is told, what is open stays, and who comes anew is let in."""
    file = site.folder.app_file("chat")
    before = file.read_bytes()
    rules, place = FAULTY[fault]
    with open_socket(inside, CHAT) as socket:
        try:
            with refused(site, place):
                head = HEAD.format(host=CHAT, upstream="http://127.0.0.1:9")
                put(file, (head + rules).encode())
            assert echoes(socket)
            with open_socket(inside, CHAT) as another:
                assert echoes(another)
            checked = site.command("policy", "check", status=1)
            assert place in checked.out + checked.err
        finally:
            put(file, before)
        assert echoes(socket)


def test_folders_that_are_taken_away_take_nothing_away(
    site: LiveSite, applications: Applications, anna: Person, guests: Path
) -> None:
    """Of applications, and of agreements that are required: all that was in force goes on."""
    folder = site.folder.path
    aside = folder.with_name("aside")
    chat = applications.chat.upstream
    with agreed_to(site), edited(site, "chat", chat, REQUIRING):
        guest = signed_in(site, anna, guests)
        assert accept(guest, name=NAME) == 303
        assert guest.visit(site.url(CHAT)).status == 200
        with open_socket(guest, CHAT) as socket:
            for name, place in (
                (
                    "agreements",
                    f"apps/chat.toml: rules[1].requires[1]: there is no agreement {NAME!r}",
                ),
                ("apps", "apps: cannot be read: No such file or directory"),
            ):
                with refused(site, place):
                    (folder / name).rename(aside)
                assert echoes(socket)
                assert guest.visit(site.url(CHAT)).status == 200
                aside.rename(folder / name)
            assert echoes(socket)
