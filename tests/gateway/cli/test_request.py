import asyncio
import csv
import io
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import insert, update

from gateway.bootstrap.command import Command, open_command
from gateway.bootstrap.folder import open_folder
from gateway.core.people import Fingerprint
from gateway.core.requests import AccessRequest, Wish
from gateway.core.sessions import Session, SessionId
from gateway.core.spans import DaySpan
from gateway.store import Actor
from gateway.store.schema import acceptance, access_request, used_day
from policies.model import Level
from tests.gateway.cli.runner import Runner

REASON = "# <b>a sick child</b>\n=cmd()"
DAY = timedelta(days=1)
TODAY = datetime.now(UTC).date()
FROM, UNTIL = TODAY + DAY, TODAY + 3 * DAY
SPAN = f"{FROM}/{UNTIL}"
RULES = """
[[rules]]
name = "from home"
effect = "allow"
groups = ["technicians"]
requires = ["approval"]
"""


async def ask(command: Command, fingerprint: str, first: date, last: date) -> AccessRequest:
    """Let the holder of *fingerprint* ask, as at the portal."""
    holder = await command.store.holder(Fingerprint(fingerprint))
    assert holder is not None
    verified = await command.store.credentials(holder.user)
    assert verified is not None
    now = command.clock()
    session = Session(
        id=SessionId("a" * 31 + str(first.day % 10)),
        user=holder.user,
        fingerprint=holder.fingerprint,
        level=Level.PASSWORD_TOTP,
        created_at=now,
        expires_at=now + timedelta(hours=1),
        address="192.0.2.7",
    )
    await command.store.open_session(session, holder.device, holder.serial, verified=verified)
    actor = Actor(session, holder.serial, holder.device, "192.0.2.7")
    names = frozenset({"smart-working"})
    wish = Wish("wiki", (DaySpan(first, last),), REASON, TODAY, names)
    found = await command.store.ask_access(actor, wish)
    assert isinstance(found, AccessRequest), found
    return found


async def write_papers(command: Command, serial: str) -> None:
    """Let Anna have accepted a text, and used a day."""
    async with command.store.begin() as connection:
        await connection.execute(
            insert(acceptance).values(
                id="1",
                username="anna",
                agreement="smart-working",
                version="2",
                language="it",
                digest="d" * 64,
                serial=serial,
                accepted_at=command.clock(),
            )
        )
        await connection.execute(
            insert(used_day).values(
                username="anna",
                count="remote-days",
                day=str(FROM),
                app="wiki",
                serial=serial,
                at=command.clock(),
            )
        )


@pytest.fixture
def serial(pusterla: Runner) -> str:
    """Let Anna have asked twice, for three days and for one; return her certificate's number."""
    pusterla.add_user("anna", "technicians")
    certificate = pusterla.issue("anna")

    async def go() -> None:
        async with open_command(open_folder(pusterla.site)) as command:
            await write_papers(command, str(certificate["serial"]))
            await ask(command, str(certificate["fingerprint"]), FROM, UNTIL)
            later = TODAY + 60 * DAY
            await ask(command, str(certificate["fingerprint"]), later, later)

    asyncio.run(go())
    return str(certificate["serial"])


def test_requests_are_listed(pusterla: Runner, serial: str) -> None:
    """Of all, of one person, of an application, and by how they stand."""
    assert [one["number"] for one in pusterla.json("request", "list")] == [1, 2]
    pusterla.done("request", "refuse", "2")
    (one,) = pusterla.json("request", "list", "--user", "anna", "--state", "asked")
    assert (one["user"], one["app"], one["wanted"]) == ("anna", "wiki", SPAN)
    assert (one["serial"], one["reason"]) == (serial, REASON)
    assert pusterla.json("request", "list", "--app", "crm") == []
    assert SPAN in pusterla.done("request", "list").stdout
    assert "did you mean 'anna'?" in pusterla.refused("request", "list", "--user", "ana")


def test_one_is_approved_for_all_or_for_fewer_days(pusterla: Runner, serial: str) -> None:
    """With words; the audit log says who was at the command."""
    assert serial
    more = f"{FROM}/{UNTIL + DAY}"
    words = pusterla.refused("request", "approve", "1", "--days", more)
    assert f"request 1 is for {SPAN}" in words
    assert "write 2026-11-24" in pusterla.refused("request", "approve", "1", "--days", "monday")
    answer = pusterla.json("request", "approve", "1", "--days", f"{FROM}", "--words", "fine")
    assert (answer["state"], answer["granted"], answer["words"]) == ("approved", f"{FROM}", "fine")
    assert answer["decided_by"].startswith("command:")
    (line,) = pusterla.audit("approval-granted")
    assert (line["user"], line["app"], line["detail"]["number"]) == ("anna", "wiki", "1")
    assert line["detail"]["by"].startswith("command:")
    assert "approved already" in pusterla.refused("request", "refuse", "1")
    assert "request end 1" in pusterla.refused("request", "approve", "1")
    assert "approved for anna" in pusterla.done("request", "approve", "2").stdout


def test_one_is_refused_or_ended(pusterla: Runner, serial: str) -> None:
    """What was not approved has no end; what is not there is named."""
    assert serial
    assert "only what was approved" in pusterla.refused("request", "end", "1")
    pusterla.done("request", "approve", "1")
    assert "ended for anna" in pusterla.done("request", "end", "1").stdout
    assert "only what was approved" in pusterla.refused("request", "end", "1")
    assert pusterla.json("request", "show", "1")["state"] == "ended"
    assert "at most 500" in pusterla.refused("request", "refuse", "2", "--words", "x" * 501)
    assert pusterla.json("request", "refuse", "2", "--words", "no")["words"] == "no"
    for verb in ("show", "approve", "refuse", "end"):
        assert "there is no request 7" in pusterla.refused("request", verb, "7")


def alter(pusterla: Runner, **values: str) -> None:
    """Let request 1 have been another from the beginning."""

    async def go() -> None:
        async with (
            open_command(open_folder(pusterla.site)) as command,
            command.store.begin() as connection,
        ):
            number = access_request.c.number == 1
            await connection.execute(update(access_request).where(number).values(**values))

    asyncio.run(go())


def test_no_day_that_is_over_is_approved(pusterla: Runner, serial: str) -> None:
    """Named or not: what is left of it is, and where nothing is left that is said."""
    assert serial
    alter(pusterla, wanted=f"{TODAY - 2 * DAY}/{TODAY - DAY}")
    for days in ((), ("--days", f"{TODAY - DAY}")):
        words = pusterla.refused("request", "approve", "1", *days)
        assert "the days are all over: none of them can be granted" in words
    alter(pusterla, wanted=f"{TODAY - DAY}/{UNTIL}")
    answer = pusterla.json("request", "approve", "1")
    assert (answer["state"], answer["granted"]) == ("approved", f"{TODAY}/{UNTIL}")


def test_what_is_over_is_ended_by_nobody(pusterla: Runner, serial: str) -> None:
    """It was an approval, and the record goes on saying so, also when the person has gone."""
    assert serial
    pusterla.done("request", "approve", "1")
    alter(pusterla, granted=f"{TODAY - DAY}")
    words = pusterla.refused("request", "end", "1")
    assert f"its last day was {TODAY - DAY}" in words
    pusterla.done("user", "remove", "anna")
    assert pusterla.json("request", "show", "1")["state"] == "approved"
    assert pusterla.audit("approval-ended") == []


def test_one_is_shown_with_who_may_decide_it(pusterla: Runner, serial: str) -> None:
    """By the rules and managers of this moment; without them where a file has mistakes."""
    assert serial
    pusterla.add_app("wiki")
    file = pusterla.site / "apps" / "wiki.toml"
    file.write_text(file.read_text() + RULES)
    settings = pusterla.site / "pusterla.toml"
    text = settings.read_text() + '\n[groups.technicians]\nmanagers = ["berta", "anna"]\n'
    settings.write_text(text.replace("\n[groups]\n", "\n"))
    assert pusterla.json("request", "show", "1")["managers"] == ["berta"]
    assert "may be decided by  berta" in pusterla.done("request", "show", "1").stdout
    file.write_text("mistake")
    assert pusterla.json("request", "show", "1")["managers"] == []


def test_the_file_has_all_of_it(pusterla: Runner, serial: str) -> None:
    """Request, decision, agreements with hash, certificate and days used; in three forms."""
    pusterla.done("request", "approve", "1", "--words", "fine")
    text = pusterla.done("request", "export", "--user", "anna").stdout
    for words in (
        "# Request 1\n",
        "asked by        anna (anna)",
        f"days granted    {SPAN}",
        f"certificate     {serial}",
        f"    smart-working 2 {'d' * 64}\n",
        "## Answer\n\n    fine\n",
        "# Request 2\n",
    ):
        assert words in text, words
    assert f"    {FROM}  wiki  {serial}  " in text
    # What people typed formats nothing: it stands in indented blocks.
    assert "    # <b>a sick child</b>\n    =cmd()\n" in text
    assert "\n# <b>" not in text
    first, second = pusterla.json("request", "export")
    assert first["agreements"] == [
        {"agreement": "smart-working", "version": "2", "sha256": "d" * 64}
    ]
    assert [one["day"] for one in first["days_used"]] == [f"{FROM}"]
    assert [one["serial"] for one in first["acceptances"]] == [serial]
    assert (second["state"], second["days_used"]) == ("asked", [])
    rows = list(csv.DictReader(io.StringIO(pusterla.done("request", "export", "--csv").stdout)))
    assert (rows[0]["granted"], rows[0]["days_used"]) == (SPAN, f"{FROM} wiki {serial}")
    assert rows[0]["agreements"] == f"smart-working 2 {'d' * 64}"


def test_the_file_is_of_the_days_that_are_wanted(pusterla: Runner, serial: str) -> None:
    """A request belongs to each month that it has days in."""
    assert serial

    def numbers(*words: str) -> list[int]:
        return [one["number"] for one in pusterla.json("request", "export", *words)]

    assert numbers("--until", f"{FROM}") == [1]
    assert numbers("--from", f"{UNTIL}") == [1, 2]
    assert numbers("--from", f"{UNTIL + DAY}") == [2]
    assert numbers("--until", f"{TODAY}") == []
    assert numbers("--state", "approved") == []
    assert pusterla.run("request", "export", "--from", "yesterday").exit_code == 2


def test_who_is_gone_is_still_in_the_record(pusterla: Runner, serial: str) -> None:
    """What they had been granted ended with them."""
    assert serial
    pusterla.done("request", "approve", "1")
    pusterla.done("user", "remove", "anna")
    first, second = pusterla.json("request", "list", "--user", "anna")
    assert (first["state"], second["state"]) == ("ended", "withdrawn")
    assert "not here any more" in pusterla.done("request", "show", "1").stdout


def test_an_application_takes_its_approvals_along(pusterla: Runner, serial: str) -> None:
    """Whoever adds another under its name grants nobody anything by that."""
    assert serial
    pusterla.add_app("crm")
    apps = pusterla.site / "apps"
    # A file that is put there by hand changes nothing: it may come back from where it was.
    (apps / "crm.toml").rename(apps / "wiki.toml")
    pusterla.done("request", "approve", "1")
    said = pusterla.done("app", "remove", "wiki").output
    assert f"request 1 of anna for wiki is over with it: {SPAN}" in said
    first, second = pusterla.json("request", "list")
    assert (first["state"], second["state"]) == ("ended", "withdrawn")
    (line,) = pusterla.audit("approval-ended")
    assert (line["user"], line["reason"]) == ("anna", "application-removed")
    assert line["detail"]["by"].startswith("command:")


def test_an_application_that_is_added_inherits_nothing(pusterla: Runner, serial: str) -> None:
    """The file of the one before was taken away by hand."""
    assert serial
    pusterla.done("request", "approve", "1")
    pusterla.add_app("wiki")
    first, second = pusterla.json("request", "list")
    assert (first["state"], second["state"]) == ("ended", "withdrawn")


def test_the_file_names_nobody_who_has_the_name_since(pusterla: Runner, serial: str) -> None:
    """It was somebody else who asked, and no manager of theirs decides it."""
    assert serial
    pusterla.done("user", "remove", "anna")
    pusterla.add_user("anna", "technicians")
    text = pusterla.done("request", "export").stdout
    assert text.count("anna (not here any more)") == 2


def test_check_warns_of_managers_whom_nobody_knows_and_rules_that_nobody_answers(
    pusterla: Runner,
) -> None:
    """With the place in the file; none of it is a mistake, since people come and go."""
    pusterla.add_user("anna", "technicians")
    pusterla.add_user("berta", "office")
    pusterla.add_app("wiki")
    file = pusterla.site / "apps" / "wiki.toml"
    file.write_text(file.read_text() + RULES)
    said = pusterla.run("policy", "check")
    assert said.exit_code == 0
    assert "apps/wiki.toml: rules[1]: 'from home': requires an approval" in said.output
    settings = pusterla.site / "pusterla.toml"
    text = settings.read_text()
    settings.write_text(text + '\n[groups.technicans]\nmanagers = ["bertha"]\n')
    said = pusterla.run("policy", "check")
    assert "groups.technicans: nobody is in this group yet; did you mean 'technic" in said.output
    assert "groups.technicans.managers: there is no user 'bertha' yet; did you mean" in said.output
    assert "requires an approval" in said.output
    settings.write_text(text + '\n[groups.technicians]\nmanagers = ["berta"]\n')
    assert "warning" not in pusterla.run("policy", "check").output
