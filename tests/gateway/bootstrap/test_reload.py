import asyncio
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from threading import Thread
from time import monotonic

import pytest

from gateway.bootstrap.folder import SiteFolder, locate
from gateway.bootstrap.in_force import SettingsInForce, pick_up
from gateway.bootstrap.process import ProcessFailed
from gateway.bootstrap.reload import LiveConfiguration, Proposal
from gateway.config import Problems

SETTINGS = "[site]\nhost = 'pusterla.example'\nport = 8443\n"
WIKI = """
host = "wiki.pusterla.example"
upstream = "http://127.0.0.1:9000"

[[rules]]
effect = "allow"
groups = ["technicians"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> SiteFolder:
    """Return a site with one application, as far as its files of settings go."""
    (tmp_path / "apps").mkdir()
    (tmp_path / "pusterla.toml").write_text(SETTINGS)
    (tmp_path / "apps" / "wiki.toml").write_text(WIKI)
    return locate(tmp_path)


def test_it_begins_with_what_the_files_say(folder: SiteFolder) -> None:
    """The site and its applications are there before anything is followed."""
    live = LiveConfiguration(folder)
    assert live.site.host == "pusterla.example"
    assert list(live.applications) == ["wiki"]


def test_it_does_not_begin_with_mistakes(folder: SiteFolder) -> None:
    """A process that is started on wrong files says all that is wrong and does not start."""
    folder.settings.write_text("[site]\nhots = 'x'\n")
    folder.app_file("wiki").write_text("hst = 1\n")
    with pytest.raises(ProcessFailed, match=r"(?s)hots.*hst"):
        LiveConfiguration(folder)


async def test_others_are_served_while_many_files_are_read(folder: SiteFolder) -> None:
    """A large site does not stand still while somebody edits one of its files."""
    rule = WIKI.partition("\n\n")[2]
    for number in range(300):
        folder.app_file(f"w{number}").write_text(WIKI.replace("wiki.", f"w{number}.") + rule * 10)
    begun = monotonic()
    live = LiveConfiguration(folder)
    reading = monotonic() - begun
    told, longest = asyncio.Event(), 0.0
    async with asyncio.TaskGroup() as group:
        following = group.create_task(live.follow(told.set))
        folder.app_file("wiki").unlink()
        async with asyncio.timeout(30):
            while not told.is_set():
                before = monotonic()
                await asyncio.sleep(0.001)
                longest = max(longest, monotonic() - before)
        following.cancel()
    assert "wiki" not in live.applications
    assert longest < reading / 2


def test_a_calendar_is_taken_up_like_a_rule(folder: SiteFolder) -> None:
    """New, changed, wrong: as long as it is wrong, what was in force is."""
    calendar = folder.path / "holidays" / "office.toml"
    calendar.parent.mkdir()
    calendar.write_text("holidays = [{date = 2026-12-24}]")
    folder.app_file("wiki").write_text(WIKI + 'except_holidays = ["office"]\n')
    live = LiveConfiguration(folder)

    def closed(day: date) -> bool:
        when = live.applications["wiki"].policy.rules[0].when
        return when is not None and not when.counts(day)

    assert closed(date(2026, 12, 24))
    calendar.write_text("holidays = [{date = 2026-12-31}]")
    assert live.look()
    assert not closed(date(2026, 12, 24))
    calendar.write_text("holidays = [{date = 'New Year'}]")
    assert not live.look()
    assert closed(date(2026, 12, 31))
    calendar.unlink()
    assert not live.look(), "the rule names a calendar that is gone"
    assert closed(date(2026, 12, 31))


def test_an_agreement_is_taken_up_like_a_rule(folder: SiteFolder) -> None:
    """Another text is another agreement; as long as it is missing, what was in force is."""
    text = folder.path / "agreements" / "home" / "1.en.md"
    text.parent.mkdir(parents=True)
    text.write_text("# Terms")
    (folder.path / "agreements" / "home.toml").write_text(
        "title = {en = 'Home'}\n"
        "versions = [{version = '1', due = 2026-01-01, texts = {en = '1.en.md'}}]"
    )
    folder.app_file("wiki").write_text(WIKI + 'requires = ["agreement:home"]\n')
    live = LiveConfiguration(folder)
    before = live.applications["wiki"].policy
    text.write_text("# Other terms")
    assert live.look()
    assert live.applications["wiki"].policy != before
    assert live.agreements["home"].texts[0].markdown == "# Other terms"
    text.unlink()
    assert not live.look()
    assert live.agreements["home"].texts[0].markdown == "# Other terms"
    text.write_text("# Terms")
    assert live.look()
    assert live.applications["wiki"].policy == before


def read_next(path: Path, now: str, then: str) -> None:
    """Let the file *path* say *now* to whoever opens it next, and *then* to all after them."""
    path.unlink()
    os.mkfifo(path)

    def serve() -> None:
        with path.open("w") as pipe:
            draft = path.with_name(".draft")
            draft.write_text(then)
            draft.rename(path)
            pipe.write(now)

    Thread(target=serve, daemon=True).start()


@pytest.mark.parametrize("how", ["look", "reload"])
def test_what_is_taken_up_is_of_one_reading(folder: SiteFolder, how: str) -> None:
    """Files that change meanwhile let nobody in by a text that nobody is shown."""
    text = folder.path / "agreements" / "home" / "1.en.md"
    text.parent.mkdir(parents=True)
    text.write_text("# Terms")
    (folder.path / "agreements" / "home.toml").write_text(
        "title = {en = 'Home'}\n"
        "versions = [{version = '1', due = 2026-01-01, texts = {en = '1.en.md'}}]"
    )
    folder.app_file("wiki").write_text(WIKI + 'requires = ["agreement:home"]\n')
    live = LiveConfiguration(folder)
    # It takes effect at the next start, so that all is read again for the site that is served.
    folder.settings.write_text(SETTINGS.replace("8443", "9443"))
    read_next(text, "# At once", "# Now")
    if how == "look":
        assert live.look()
    else:
        proposal = live.propose(ALL)
        assert isinstance(proposal, Proposal)
        live.exchange(proposal)
    required = live.applications["wiki"].policy.rules[0].agreements
    assert required == (live.agreements["home"].agreement,)
    assert live.agreements["home"].texts[0].markdown == "# Now"


def test_a_process_begins_without_what_rests_on_a_faulty_agreement(folder: SiteFolder) -> None:
    """The application that requires it is left out, and the others are served."""
    folder.app_file("crm").write_text(WIKI.replace("wiki.", "crm."))
    folder.app_file("wiki").write_text(WIKI + 'requires = ["agreement:home"]\n')
    (folder.path / "agreements").mkdir()
    (folder.path / "agreements" / "home.toml").write_text("title = 1")
    live = LiveConfiguration(folder, SettingsInForce(SETTINGS, SETTINGS))
    assert list(live.applications) == ["crm"]
    assert live.agreements == {}


def test_nothing_changed_is_nothing_done(folder: SiteFolder) -> None:
    """As long as the files stay, so does what is in force."""
    live = LiveConfiguration(folder)
    before = live.applications
    assert not live.look()
    assert live.applications is before


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda folder: folder.app_file("wiki").unlink(), "wiki removed"),
        (
            lambda folder: folder.app_file("crm").write_text(WIKI.replace("wiki.", "crm.")),
            "crm added",
        ),
        (
            lambda folder: folder.app_file("wiki").write_text(WIKI.replace("9000", "9001")),
            "wiki changed",
        ),
    ],
)
def test_a_change_is_taken_up_and_said(
    folder: SiteFolder,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[SiteFolder], object],
    words: str,
) -> None:
    """Applications come, go and change while the process runs; the log says which."""
    caplog.set_level("INFO")
    live = LiveConfiguration(folder)
    change(folder)
    assert live.look()
    assert caplog.messages == [f"applications changed: {words}"]


def test_files_with_mistakes_leave_what_is_in_force(
    folder: SiteFolder, caplog: pytest.LogCaptureFixture
) -> None:
    """A bad file changes nothing, every problem is logged once, and a good one heals it."""
    live = LiveConfiguration(folder)
    before = live.applications
    folder.app_file("wiki").write_text(WIKI.replace("groups", "gruops").replace("host", "hots"))
    assert not live.look()
    assert not live.look()
    assert live.applications is before
    assert sum("gruops" in message for message in caplog.messages) == 1
    assert sum("hots" in message for message in caplog.messages) == 1
    folder.app_file("wiki").write_text(WIKI.replace("9000", "9001"))
    assert live.look()
    assert live.applications["wiki"].upstreams[0].port == 9001


def test_who_begins_again_begins_with_what_is_in_force(
    folder: SiteFolder, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that is being edited is not asked; an application with a mistake waits for its cure."""
    text = folder.settings.read_text()
    folder.app_file("crm").write_text(WIKI.replace("wiki.", "crm."))
    folder.settings.write_text("[site]\nhots = 'x'\n")
    folder.app_file("wiki").write_text("hst = 1\n")
    in_force = SettingsInForce(text, text.replace("8443", "9443") + "contact = 'desk'\n")
    live = LiveConfiguration(folder, in_force)
    # What was taken up is in force, the port of the start as well.
    assert (live.site.port, live.site.contact) == (8443, "desk")
    assert list(live.applications) == ["crm"]
    assert any("hst" in line and "left out" in line for line in caplog.messages)
    folder.settings.write_text(text)
    folder.app_file("wiki").write_text(WIKI)
    assert live.look()
    assert sorted(live.applications) == ["crm", "wiki"]
    assert live.site.contact == "desk"


def test_what_is_in_force_is_handed_over_in_memory() -> None:
    """Every process reads the same, whoever reads first."""
    in_force = SettingsInForce("first", "latest — ü")
    descriptor = in_force.lay_down()
    again = os.dup(descriptor)
    assert pick_up(descriptor) == pick_up(again) == in_force
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_settings_of_another_version_are_told(folder: SiteFolder) -> None:
    """Of a program that was exchanged under a running site."""
    with pytest.raises(ProcessFailed, match="hots"):
        LiveConfiguration(folder, SettingsInForce("[site]\nhots = 'x'\n", SETTINGS))


ALL = frozenset({"site", "limits", "apps"})


def test_settings_wait_until_somebody_asks(
    folder: SiteFolder, caplog: pytest.LogCaptureFixture
) -> None:
    """A new pusterla.toml is announced and not used; applications go on being taken up."""
    caplog.set_level("INFO")
    live = LiveConfiguration(folder)
    folder.settings.write_text(SETTINGS + "name = 'Other'\n")
    assert not live.look()
    assert "pusterla.toml has changed: `pusterla reload` takes it up" in caplog.messages
    assert live.site.name == "Pusterla"
    folder.app_file("wiki").write_text(WIKI.replace("9000", "9001"))
    assert live.look()
    assert live.site.name == "Pusterla"
    assert live.applications["wiki"].upstreams[0].port == 9001


def test_a_proposal_changes_nothing_until_it_is_taken(folder: SiteFolder) -> None:
    """What the files say is read and looked at first; then all of it is exchanged."""
    live = LiveConfiguration(folder)
    folder.settings.write_text(SETTINGS + "contact = 'desk'\n[limits]\nidle = '9s'\n")
    folder.app_file("wiki").write_text(WIKI.replace("9000", "9001"))
    proposal = live.propose(ALL)
    assert isinstance(proposal, Proposal)
    assert proposal.changes == ("site.contact", "limits.idle", "wiki changed")
    assert (live.site.contact, live.applications["wiki"].upstreams[0].port) == ("", 9000)
    live.exchange(proposal)
    assert (live.site.contact, live.applications["wiki"].upstreams[0].port) == ("desk", 9001)
    assert not live.look()


def test_a_proposal_keeps_what_a_running_site_stands_on(folder: SiteFolder) -> None:
    """Another port or host waits; applications are judged by the host that is served."""
    live = LiveConfiguration(folder)
    text = SETTINGS.replace("8443", "9443").replace("pusterla.", "wiki.pusterla.")
    folder.settings.write_text(text + "contact = 'desk'\n")
    proposal = live.propose(ALL)
    # The new host is that of an application: at the next start this will be a mistake.
    assert isinstance(proposal, Problems)
    folder.settings.write_text(SETTINGS.replace("8443", "9443") + "contact = 'desk'\n")
    proposal = live.propose(ALL)
    assert isinstance(proposal, Proposal)
    live.exchange(proposal)
    assert (live.site.port, live.site.contact) == (8443, "desk")
    assert not live.look()


def test_a_process_speaks_of_what_concerns_it(folder: SiteFolder) -> None:
    """A limit of the edge is no news to the portal."""
    live = LiveConfiguration(folder)
    folder.settings.write_text(SETTINGS + "contact = 'desk'\n[limits]\nidle = '9s'\n")
    proposal = live.propose(frozenset({"site"}))
    assert isinstance(proposal, Proposal)
    assert proposal.changes == ("site.contact",)


async def test_following_calls_for_every_exchange(folder: SiteFolder) -> None:
    """Whoever follows is told after the exchange, within a second."""
    live = LiveConfiguration(folder)
    told = asyncio.Event()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        following = group.create_task(live.follow(told.set))
        folder.app_file("wiki").unlink()
        await told.wait()
        assert live.applications == {}
        following.cancel()
