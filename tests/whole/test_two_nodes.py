"""Two gateways on one store, asked at the same instant: the days of a quota are never too many."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from threading import Barrier

import pytest

from gateway.bootstrap.folder import open_folder
from tests.whole.applications import Applications
from tests.whole.guests import Guest, signed_in
from tests.whole.office import date_line
from tests.whole.people import Person, add_person
from tests.whole.rules import HEAD, adopt
from tests.whole.sites import HOST, LiveSite, choose, free_ports, make_site_in, running
from tests.whole.wire import PATIENCE, Wire

WIKI, CRM = f"wiki.{HOST}", f"crm.{HOST}"
ALLOW = '[[rules]]\neffect = "allow"\ngroups = ["technicians"]\n'
ONE_DAY = ALLOW + "days = { per_month = 1, consecutive = false }\n"
ONE_OTHER = ALLOW + 'days = { per_month = 1, consecutive = false, count = "visits" }\n'
PEOPLE = 3
WIRES = 2
"""Of each person to each application on each node."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """Two sites of one kind: the same keys, the same store, ports and processes of their own."""

    one: LiveSite
    other: LiveSite
    upstreams: dict[str, str]

    def __iter__(self) -> Iterator[LiveSite]:
        """Yield both."""
        yield from (self.one, self.other)

    def rule(self, **rules: str) -> None:
        """Write the rules of applications, and wait until all workers of both have them."""
        for site in self:
            for name, rule in rules.items():
                head = HEAD.format(host=f"{name}.{HOST}", upstream=self.upstreams[name])
                adopt(site, site.folder.app_file(name), (head + rule).encode(), name)


@pytest.fixture
def nodes(
    tmp_path: Path,
    applications: Applications,
    postgres_url: str,
    request: pytest.FixtureRequest,
) -> Iterator[Nodes]:
    """Run both, on a PostgreSQL, so many days apart by the walls that they look at."""
    one = make_site_in(tmp_path / "one", postgres_url)
    upstreams = {"wiki": applications.wiki.upstream, "crm": applications.crm.upstream}
    for name, upstream in upstreams.items():
        text = HEAD.format(host=f"{name}.{HOST}", upstream=upstream) + ALLOW
        one.folder.app_file(name).write_text(text, encoding="utf-8")
    shutil.copytree(one.folder.path, tmp_path / "two")
    port, http_port = free_ports(2)
    folder = open_folder(tmp_path / "two")
    other = LiveSite(folder, port, http_port, folder.path.with_suffix(".log"))
    text = folder.settings.read_text(encoding="utf-8")
    for before, after in ((one.port, port), (one.http_port, http_port)):
        assert text.count(str(before)) == 1
        text = text.replace(str(before), str(after))
    folder.settings.write_text(text, encoding="utf-8")
    here, there = date_line()
    for site, zone in ((one, here), (other, (here, there)[request.param])):
        choose(site.folder, ("site.time_zone", f'"{zone.key}"'))
    with running(one), running(other):
        yield Nodes(one, other, upstreams)


def arrive(nodes: Nodes, folder: Path) -> list[tuple[Person, Guest]]:
    """Have people sign in, at one node, and take up their sessions in both applications."""
    people = [add_person(nodes.one, "anna") for _ in range(PEOPLE)]
    return [(one, signed_in(nodes.one, one, folder, "wiki", "crm")) for one in people]


def rush(nodes: Nodes, guests: list[Guest]) -> dict[tuple[str, str], list[set[int]]]:
    """Ask both nodes for both applications at one instant.

    Returns, of each person's certificate and each host, what each node answered.
    """
    wires: list[tuple[str, str, int, Wire]] = []
    with ExitStack() as stack:
        for guest, host, (place, site) in product(guests, (WIKI, CRM), enumerate(nodes)):
            assert guest.stick is not None
            for _ in range(WIRES):
                wire = stack.enter_context(Wire(site, host, guest.stick))
                wires.append((guest.stick.serial, host, place, wire))
        cookies = {
            (guest.stick.serial, host): guest.cookie_field(host)
            for guest, host in product(guests, (WIKI, CRM))
            if guest.stick is not None
        }
        barrier = Barrier(len(wires))

        def ask(serial: str, host: str, wire: Wire) -> int:
            barrier.wait(PATIENCE)
            return wire.ask("GET", "/rush", cookies[serial, host]).status

        with ThreadPoolExecutor(len(wires)) as pool:
            asked = [
                (serial, host, place, pool.submit(ask, serial, host, wire))
                for serial, host, place, wire in wires
            ]
            found: dict[tuple[str, str], list[set[int]]] = {}
            for serial, host, place, answer in asked:
                found.setdefault((serial, host), [set(), set()])[place].add(answer.result())
    return found


@pytest.mark.timeout(180)
@pytest.mark.parametrize("nodes", [0, 1], indirect=True, ids=["same-day", "a-day-apart"])
def test_one_day_left_is_used_once(
    nodes: Nodes, guests: Path, request: pytest.FixtureRequest
) -> None:
    """Of each count: both nodes open by it where it is their day, else the one that was first."""
    people = arrive(nodes, guests)
    nodes.rule(wiki=ONE_DAY, crm=ONE_OTHER)
    found = rush(nodes, [guest for _, guest in people])
    assert len(found) == 2 * PEOPLE
    same_day = request.node.callspec.id == "same-day"
    for answers in found.values():
        if same_day:
            assert answers == [{200}, {200}]
        else:
            assert answers in ([{200}, {403}], [{403}, {200}])
    for person, _ in people:
        counted = nodes.one.find_audit(kind="day-counted", user=person.user)
        assert sorted(event.detail["count"] for event in counted) == ["remote-days", "visits"]
        assert {event.detail["used"] for event in counted} == {"1 of 1"}
        listed = nodes.other.command("day", "list", "--user", person.user, "--json").json()
        assert len(listed) == 2
    assert nodes.one.work(lambda command: command.store.audit_break()) is None
