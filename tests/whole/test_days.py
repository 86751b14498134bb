"""Days of a quota, at a site with two workers."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from gateway.core.days import DayUse, Spending
from policies.model import Spend
from policies.papers import DayQuota
from tests.whole.applications import Applications
from tests.whole.guests import Guest, signed_in
from tests.whole.people import Person, add_person, now
from tests.whole.rules import ALLOW, edited
from tests.whole.sites import HOST, LiveSite
from tests.whole.sockets import closed_within, echoes, open_socket

DESK = f"desk.{HOST}"
DAYS = ALLOW + 'days = { per_month = 3, consecutive = false, count = "desk" }\n'
AT_ONCE = 1.0
MANY = 16


def used(site: LiveSite, person: Person) -> list[str]:
    """Return the days of *person* that count."""
    found = site.command("day", "list", "--user", person.user, "--json").json()
    return [one["day"] for one in found]


def at_desk(site: LiveSite, person: Person, folder: Path) -> Guest:
    """Sign *person* in there, where no day is counted yet."""
    return signed_in(site, person, folder, "desk")


def test_a_day_counts_once_for_all_that_come_at_once(
    site: LiveSite, applications: Applications, guests: Path
) -> None:
    """On both workers; and what rests on it is cut when it is given back."""
    person = add_person(site, "dora")
    upstream = applications.chat.upstream
    with edited(site, "desk", upstream, ALLOW):
        guest = at_desk(site, person, guests)
        assert used(site, person) == []
        with edited(site, "desk", upstream, DAYS), ExitStack() as stack:
            with ThreadPoolExecutor(MANY) as pool:
                sockets = list(pool.map(lambda _: open_socket(guest, DESK), range(MANY)))
            for socket in sockets:
                stack.enter_context(socket)
            assert all(map(echoes, sockets))
            [day] = used(site, person)
            assert len(site.find_audit(kind="day-counted", user=person.user)) == 1
            home = guest.visit(site.portal())
            assert "1 of 3 days used" in home.text
            assert "Today is one of them." in home.text
            site.command("day", "give-back", person.user, day)
            assert all(closed_within(socket, AT_ONCE) for socket in sockets)
            assert used(site, person) == []


def test_a_day_that_is_spent_elsewhere_closes_what_would_be_in_a_row(
    site: LiveSite, applications: Applications, guests: Path
) -> None:
    """The page says the next day, and so do the tile and the command."""
    person = add_person(site, "elio")
    upstream = applications.chat.upstream
    with edited(site, "desk", upstream, ALLOW):
        guest = at_desk(site, person, guests)
        with edited(site, "desk", upstream, DAYS):
            spend_yesterday(site, person)
            tomorrow = now() + timedelta(days=1)
            page = guest.visit(site.url(DESK))
            assert (page.status, "403 days-spent" in page.text) == (403, True)
            assert (
                f"It opens to you again on {tomorrow:%A} {tomorrow.day} {tomorrow:%B}." in page.text
            )
            home = guest.visit(site.portal())
            assert "No day is left for it now." in home.text
            told = site.command("policy", "explain", person.user, "desk").out
            assert f"the next possible is {tomorrow:%Y-%m-%d}" in told
    site.wait_for_audit(kind="access-denied", app="desk", user=person.user, reason="days-spent")


def spend_yesterday(site: LiveSite, person: Person) -> None:
    """Let yesterday have counted, as another node would have."""
    sessions = site.work(lambda command: command.store.sessions(user=person.user))
    quota = DayQuota(3, consecutive=False, count="desk")
    spend = Spend(quota, (now() - timedelta(days=1)).date())
    use = DayUse(sessions[0], spend, "desk", "1f", "stick-1", "192.0.2.7")
    assert site.work(lambda command: command.store.spend_day(use)) is Spending.SPENT
