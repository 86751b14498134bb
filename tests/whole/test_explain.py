"""From the id on the page of a refusal to what the administrator does about it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.core.refusal_kinds import STATUS, Refusal
from tests.whole import forgeries
from tests.whole.applications import Applications
from tests.whole.guests import HTML, Answer, Guest, signed_in
from tests.whole.people import Person, add_person
from tests.whole.rules import ALLOW, edited
from tests.whole.sites import HOST, LiveSite, free_ports, wait_for

WIKI, CRM, GONE = (f"{name}.{HOST}" for name in ("wiki", "crm", "gone"))
RENEWED = ("--device", "forged", "--p12", "FILE")
SHOWN = re.compile(r"<code>([a-z2-7]{7}-[a-z2-7]{7}-[0-9a-f]+)</code>")


def id_on(page: Answer) -> str:
    """Return the id that a person reads off *page*."""
    [number] = SHOWN.findall(page.text)
    return str(number)


def explained(site: LiveSite, page: Answer) -> dict[str, Any]:
    """Return the story of what the person reads on *page*, as JSON."""
    number = id_on(page)
    site.wait_for_access(number)
    story: dict[str, Any] = site.command("explain", number, "--json").json()
    assert story["request"] == number
    assert story["access"]["status"] == page.status
    return story


def commands_of(story: dict[str, Any]) -> list[list[str]]:
    """Return the commands of ours that the administrator is told to type."""
    found = [line for step in story["do"] for line in re.findall(r"`pusterla ([^`]+)`", step)]
    return [line.split() for line in found]


def test_a_hold_is_explained_and_released_by_the_command_that_is_named(
    site: LiveSite, applications: Applications, anna: Person, guests: Path
) -> None:
    """What is printed can be typed; after it the same page opens, and the story tells of both."""
    guest = signed_in(site, anna, guests, "wiki")
    site.command("cert", "hold", "--user", anna.user)
    with applications.untouched():
        page = guest.visit(site.url(WIKI, "/secret?x=1"))
    story = explained(site, page)
    assert story["refusal"] == "certificate-held"
    assert (story["user"], story["serial"], story["device"]) == (
        *(anna.user, anna.stick.serial),
        "stick-1",
    )
    assert story["access"]["target"] == "/secret?x=1"
    assert story["address"] == guest.address
    assert story["certificate"]["state"] == "held"
    assert [line["kind"] for line in story["stopped_by"]] == ["certificate-held"]
    assert story["stopped_by"][0]["detail"]["by"].startswith("command:")
    release, *_ = commands_of(story)
    assert release == ["cert", "release", anna.stick.serial]
    site.command(*release)
    after = site.command("explain", id_on(page)).out
    assert re.search(r"(?m)^  then +refused as certificate-held$", after)
    assert re.search(r"(?m)^  now +valid, until ", after), after
    assert "Let them try again: the certificate is good now." in after
    assert re.search(rf"certificate-released .*serial={anna.stick.serial}", after)
    assert signed_in_again(guest, anna).status == 200


def signed_in_again(guest: Guest, person: Person) -> Answer:
    """Sign in once more, and open the wiki."""
    return guest.submit(person, guest.site.url(WIKI))


@dataclass(frozen=True, slots=True)
class Case:
    """A refusal: how to bring it about, and the first words of what is to be done."""

    refusal: Refusal
    meet: Callable[[LiveSite, Person, Path], Answer]
    command: tuple[str, ...]


def without(site: LiveSite, person: Person, folder: Path) -> Answer:
    """Come without a certificate."""
    del person
    return Guest(site, None, folder).get(site.url(WIKI, "/"), *HTML)


def revoked(site: LiveSite, person: Person, folder: Path) -> Answer:
    """Come with one that was revoked."""
    site.command("cert", "revoke", "--serial", person.stick.serial, "--reason", "superseded")
    return Guest(site, person.stick, folder).get(site.url(WIKI, "/"), *HTML)


def disabled(site: LiveSite, person: Person, folder: Path) -> Answer:
    """Come after the account was switched off."""
    site.command("user", "disable", person.user)
    return Guest(site, person.stick, folder).get(site.url(WIKI, "/"), *HTML)


def removed(site: LiveSite, person: Person, folder: Path) -> Answer:
    """Come after the account was removed: then the certificate is revoked too."""
    site.command("user", "remove", person.user)
    return Guest(site, person.stick, folder).get(site.url(WIKI, "/"), *HTML)


def unheard_of(site: LiveSite, person: Person, folder: Path) -> Answer:
    """Ask for a host at which nothing is."""
    return Guest(site, person.stick, folder).get(site.url(f"nobody.{HOST}"), *HTML)


def out_of_scope(site: LiveSite, person: Person, folder: Path) -> Answer:
    """Sign in with a certificate that opens the wiki, and go elsewhere."""
    stick = person.another_stick("stick-2", apps=("wiki",))
    return signed_in(site, person, folder, stick=stick).visit(site.url(CRM))


def expired(site: LiveSite, person: Person, folder: Path) -> Answer:
    """Come with one that ended yesterday, as curl does; a browser would not show it."""
    stick = forgeries.expired(site, person.user)
    return Guest(site, stick, folder).get(site.url(WIKI, "/"), *HTML)


def too_early(site: LiveSite, person: Person, folder: Path) -> Answer:
    """Come with one that begins tomorrow."""
    stick = forgeries.not_yet_valid(site, person.user)
    return Guest(site, stick, folder).get(site.url(WIKI, "/"), *HTML)


def unrecorded(site: LiveSite, person: Person, folder: Path) -> Answer:
    """Come with one that our CA's key has signed and nobody has written down."""
    stick = forgeries.unrecorded(site, person.user)
    return Guest(site, stick, folder).get(site.url(WIKI, "/"), *HTML)


CASES = [
    Case(Refusal.CERTIFICATE_EXPIRED, expired, ("cert", "renew", "{user}", *RENEWED)),
    Case(Refusal.CERTIFICATE_NOT_YET_VALID, too_early, ("cert", "show", "{serial}")),
    Case(Refusal.CERTIFICATE_UNKNOWN, unrecorded, ("cert", "show", "SERIAL")),
    Case(Refusal.NO_CERTIFICATE, without, ("cert", "list", "--user", "USER")),
    Case(Refusal.CERTIFICATE_REVOKED, revoked, ("cert", "show", "{serial}")),
    Case(Refusal.PERSON_DISABLED, disabled, ("user", "enable", "{user}")),
    Case(Refusal.CERTIFICATE_REVOKED, removed, ("cert", "show", "{serial}")),
    Case(Refusal.UNKNOWN_HOST, unheard_of, ("app", "list")),
    Case(Refusal.OUTSIDE_CERTIFICATE_SCOPE, out_of_scope, ("cert", "show", "{serial}")),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.meet.__name__)
def test_each_refusal_is_explained(
    site: LiveSite, applications: Applications, guests: Path, case: Case
) -> None:
    """By its name, with the first thing to do as a command that the administrator can type."""
    person = add_person(site, "refused")
    with applications.untouched():
        page = case.meet(site, person, guests)
    assert (page.status, case.refusal in page.text) == (STATUS[case.refusal], True)
    story = explained(site, page)
    assert (story["refusal"], bool(story["why"])) == (case.refusal, True)
    known = {"user": story["user"] or "", "serial": story["serial"] or ""}
    assert tuple(commands_of(story)[0]) == tuple(word.format(**known) for word in case.command)
    assert story["missing"] == []


def test_a_failed_sign_in_is_explained_without_telling_the_page(
    site: LiveSite, anna: Person, guests: Path
) -> None:
    """The page does not say what was wrong; the administrator reads it."""
    page = Guest(site, anna.stick, guests).submit(anna, "", password="not my password")
    site.wait_for_audit(kind="sign-in-failed", user=anna.user)
    wait_for("its line", lambda: any(line["user"] == anna.user for line in site.access_lines()))
    [one] = site.command("explain", "--user", anna.user, "--json").json()
    assert one["reason"] == "wrong-password"
    site.wait_for_access(one["request"])
    story = site.command("explain", one["request"], "--json").json()
    assert story["why"] == "The portal refused: wrong-password."
    assert [line["kind"] for line in story["audit"]] == ["sign-in-failed"]
    assert "wrong-password" not in page.text


def test_the_same_refusal_again_leads_to_the_line_of_the_first(
    site: LiveSite, applications: Applications, anna: Person, guests: Path
) -> None:
    """The audit log has it once a minute: the story of the second names that line."""
    site.command("user", "disable", anna.user)
    guest = Guest(site, anna.stick, guests)
    with applications.untouched():
        pages = [guest.get(site.url(WIKI), *HTML) for _ in range(4)]
    stories = [explained(site, page) for page in pages]
    # Each of two workers writes its first one down.
    told = [story for story in stories if story["audit"]]
    assert 1 <= len(told) <= 2
    numbers = {story["audit"][0]["number"] for story in told}
    for story in stories:
        if not story["audit"]:
            assert story["same_refusal"]["number"] in numbers


def test_the_rules_are_shown_one_by_one(
    site: LiveSite, applications: Applications, guests: Path
) -> None:
    """Why nobody of another group gets in, and that the file is newer than the request."""
    person = add_person(site, "visitor", groups=("visitors",))
    guest = signed_in(site, person, guests)
    page = guest.visit(site.url(WIKI, "/page"))
    story = explained(site, page)
    assert story["refusal"] == "not-allowed"
    assert story["session"]["live_then"]
    rules = story["rules"]
    assert rules["newer_than_request"] is False
    then = rules["then"]
    assert (then["decision"], then["reason"], then["rule"]) == ("deny", "no-rule-matches", None)
    assert then["in_words"] == "refused: no-rule-matches"
    [rule] = rules["then"]["rules"]
    assert (rule["name"], rule["matches"]) == ("group:technicians", False)
    assert {"criterion": "groups", "verdict": "miss", "wanted": "technicians"}.items() <= next(
        each for each in rule["criteria"] if each["criterion"] == "groups"
    ).items()
    file = site.folder.app_file("wiki")
    file.write_text(file.read_text())
    story = explained(site, page)
    assert story["rules"]["newer_than_request"] is True
    assert any("was written after the request" in gap for gap in story["missing"])
    printed = site.command("explain", id_on(page)).out
    assert re.search(
        r"(?m)^group:technicians +allow +no +groups: technicians, found visitors$", printed
    ), printed
    del applications


def test_an_application_that_is_down_is_named(
    site: LiveSite, applications: Applications, anna: Person, guests: Path
) -> None:
    """With its address, and that it gave no answer."""
    [port] = free_ports(1)
    upstream = f"http://127.0.0.1:{port}"
    with edited(site, "gone", upstream, ALLOW):
        page = signed_in(site, anna, guests).visit(site.url(GONE))
        story = explained(site, page)
        assert story["refusal"] == "upstream-unreachable"
        assert story["rules"]["upstreams"] == [upstream]
        assert story["rules"]["then"]["in_words"] == "let in by 'technicians'"
        assert ["app", "show", "gone"] in commands_of(story)
        printed = site.command("explain", id_on(page)).out
        assert f"{upstream}, no answer" in printed
    del applications


def test_who_has_no_id_is_found_by_name_address_or_certificate(
    site: LiveSite, applications: Applications, guests: Path
) -> None:
    """What was refused lately, with the ids that `explain` takes; and an audit line without one."""
    person = add_person(site, "lately", groups=("visitors",))
    guest = signed_in(site, person, guests)
    page = guest.visit(site.url(WIKI, "/first"))
    site.wait_for_access(id_on(page))
    for named in (
        ("--user", person.user),
        ("--serial", person.stick.serial),
        ("--from", guest.address),
    ):
        listed = site.command("explain", *named, "--last", "10m", "--json").json()
        assert [one["request"] for one in listed] == [id_on(page)], named
        assert listed[0]["asked"].endswith(f"{WIKI}:{site.port}/first")
    table = site.command("explain", "--user", person.user).out
    assert id_on(page) in table
    assert site.command("explain", "--user", "nobody-here", status=1).err
    del applications


def test_what_is_not_known_is_said(site: LiveSite) -> None:
    """No such request: the way out, and status 1."""
    ran = site.command("explain", "bvqflyq-aaaaaaa-1", status=1)
    assert ran.err.startswith("pusterla: nothing is known of bvqflyq-aaaaaaa-1, which was made ")
    assert "explain --user" in ran.err
    assert ran.out == ""
    assert "is no id of a request" in site.command("explain", "4a0f66c1", status=2).err


def test_nothing_of_a_stranger_reaches_the_terminal_as_it_is(site: LiveSite, guests: Path) -> None:
    """Control characters in a path or a browser's name are shown escaped."""
    guest = Guest(site, None, guests)
    page = guest.get(site.url(WIKI, "/%5b31m?%e2%80%ae"), *HTML, "-A", "\x9b31m\u202ered")
    number = page.value("X-Request-Id")
    assert site.wait_for_access(number)["user_agent"] == "\x9b31m\u202ered"
    for printed in (
        site.command("explain", number).out,
        site.command("explain", "--from", guest.address).out,
    ):
        assert number in printed
        assert not [one for one in printed if not one.isprintable() and one != "\n"]
