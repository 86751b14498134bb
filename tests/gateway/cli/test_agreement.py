"""pusterla agreement, on a site with one."""

import asyncio
import csv
import io
import re
import shutil
import stat
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.bootstrap.command import Command, open_command
from gateway.bootstrap.folder import open_folder
from gateway.core.agreements import AgreementText
from gateway.core.people import Fingerprint
from gateway.store import Actor
from tests.gateway.cli.runner import Runner
from tests.gateway.cli.test_session import open_session

TERMS, NEXT = "# Terms\n\nLock the screen.\n", "# Terms\n\nLock the door.\n"
HOME = """
title = { en = "Working from elsewhere" }

[[versions]]
version = "1"
due = 2020-01-01
texts = { en = "1.en.md" }

[[versions]]
version = "2"
due = 2999-01-01
texts = { en = "2.en.md" }
"""


def digest(text: str) -> str:
    """Return the SHA-256 of a text."""
    return sha256(text.encode()).hexdigest()


def write_agreement(pusterla: Runner) -> None:
    """Give the site an agreement, and an application that requires it."""
    texts = pusterla.site / "agreements" / "home"
    texts.mkdir(parents=True)
    (pusterla.site / "agreements" / "home.toml").write_text(HOME)
    (texts / "1.en.md").write_text(TERMS)
    (texts / "2.en.md").write_text(NEXT)
    pusterla.add_app("wiki", "--allow", "group:technicians")
    wiki = pusterla.site / "apps" / "wiki.toml"
    wiki.write_text(wiki.read_text() + 'requires = ["agreement:home"]\n')


async def accept(command: Command, fingerprint: str, text: AgreementText) -> None:
    """Let the holder of *fingerprint* accept *text*."""
    session = await command.store.session(await open_session(command, fingerprint))
    assert session is not None
    holder = await command.store.holder(Fingerprint(fingerprint))
    assert holder is not None
    signatory = Actor(session, holder.serial, holder.device, "192.0.2.7")
    await command.store.accept_agreement(signatory, "home", text, lambda _: True)


@pytest.fixture
def site(pusterla: Runner) -> Runner:
    """Anna has accepted what is in force, Bruno an older text under the same name."""
    write_agreement(pusterla)
    text = AgreementText("1", "en", TERMS, digest(TERMS))
    texts = {"anna": text, "bruno": replace(text, digest=digest("before"))}
    prints = {}
    for user in texts:
        pusterla.add_user(user, "technicians")
        prints[user] = str(pusterla.issue(user)["fingerprint"])

    async def go() -> None:
        async with open_command(open_folder(pusterla.site)) as command:
            for user, each in texts.items():
                await accept(command, prints[user], each)

    asyncio.run(go())
    return pusterla


def test_an_example_is_written(pusterla: Runner) -> None:
    """Whole and without a mistake, in both languages; readable by the group, and never over others."""
    answer = pusterla.json("agreement", "add", "smart-working", "--due", "2028-02-29")
    assert [Path(one).name for one in answer["files"]] == [
        "smart-working.toml",
        "1.en.md",
        "1.it.md",
    ]
    assert {stat.S_IMODE(Path(one).stat().st_mode) for one in answer["files"]} == {0o640}
    apps = stat.S_IMODE((pusterla.site / "apps").stat().st_mode)
    for folder in ("agreements", "agreements/smart-working"):
        assert stat.S_IMODE((pusterla.site / folder).stat().st_mode) == apps
    [one] = pusterla.json("agreement", "list")
    assert one["titles"] == {"en": "Working from elsewhere", "it": "Lavoro agile"}
    assert (one["in_force"], one["versions"][0]["due"]) == (None, "2028-02-29")
    text = Path(answer["files"][0]).read_text()
    Path(answer["files"][0]).write_text(re.sub(r"(?m)^#(?=\S)", "", text).replace("2.", "1."))
    assert len(pusterla.json("agreement", "show", "smart-working")["versions"]) == 2
    again = pusterla.refused("agreement", "add", "smart-working", "--due", "2026-12-01")
    assert "there is an agreement 'smart-working' already" in again
    assert "called like a user" in pusterla.refused(
        "agreement", "add", "A b", "--due", "2026-12-01"
    )
    assert pusterla.run("agreement", "add", "other", "--due", "soon").exit_code == 2
    assert not (pusterla.site / "agreements" / "other.toml").exists()


def test_an_application_with_a_mistake_keeps_nobody_from_them(site: Runner) -> None:
    """They are listed, shown, exported and withdrawn; only what it requires cannot be told."""
    site.add_app("crm")
    (site.site / "apps" / "crm.toml").write_text("hots = 1")
    before = site.json("agreement", "list", "--user", "anna")
    said = site.done("agreement", "list")
    assert "apps/crm.toml: hots" in said.stderr
    assert re.search(r"home .* wiki ", said.stdout)
    (site.site / "apps" / "wiki.toml").write_text("hots = 1")
    [one] = site.json("agreement", "list")
    assert (one["required_by"], one["accepted_by"]) == ([], 1)
    assert site.json("agreement", "list", "--user", "anna") == before
    assert len(site.json("agreement", "export")) == 2
    assert site.json("agreement", "show", "home")["text"] == TERMS
    assert "no agreement 'hom'" in site.refused("agreement", "export", "--agreement", "hom")
    (site.site / "agreements" / "home.toml").write_text("title = 1")
    assert "agreements/home.toml: title" in site.refused("agreement", "export")


def test_agreements_are_listed(site: Runner) -> None:
    """With what is in force, what comes, who requires it and how many have accepted it."""
    [one] = site.json("agreement", "list")
    assert one["in_force"] == "1"
    assert one["required_by"] == ["wiki"]
    assert one["accepted_by"] == 1
    assert one["versions"][0]["sha256"] == {"en": digest(TERMS)}
    said = site.done("agreement", "list").stdout
    assert "1 (since 2020-01-01)  2 (from 2999-01-01)  wiki" in said
    assert "Working from elsewhere" in said


def test_a_site_without_agreements(pusterla: Runner) -> None:
    """Is told where to read how one is written."""
    assert "docs/agreements.md" in pusterla.done("agreement", "list").stderr


def test_what_somebody_has_accepted(site: Runner) -> None:
    """And whether it counts: a text that has changed is another."""
    [anna] = site.json("agreement", "list", "--user", "anna")
    assert (anna["version"], anna["sha256"], anna["counts"]) == ("1", digest(TERMS), True)
    [bruno] = site.json("agreement", "list", "--user", "bruno")
    assert bruno["counts"] is False
    assert "did you mean 'anna'?" in site.refused("agreement", "list", "--user", "ana")
    site.add_user("carla")
    assert "nothing was accepted" in site.done("agreement", "list", "--user", "carla").stderr


def test_a_text_is_shown(site: Runner) -> None:
    """That in force, or another version; with every digest."""
    said = site.done("agreement", "show", "home").stdout
    assert "Lock the screen." in said
    assert digest(NEXT) in said
    assert site.json("agreement", "show", "home", "--version", "2")["text"] == NEXT
    assert "there are: 1, 2" in site.refused("agreement", "show", "home", "--version", "3")
    assert "it is in: en" in site.refused("agreement", "show", "home", "--language", "it")
    assert "did you mean 'home'?" in site.refused("agreement", "show", "hme")


def test_the_record_is_exported(site: Runner) -> None:
    """For a spreadsheet, with everything; also of people who have gone."""
    site.done("user", "remove", "anna")
    text = site.done("agreement", "export", "--csv").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(one["user"], one["counts"]) for one in rows] == [("anna", "no"), ("bruno", "no")]
    assert rows[0]["withdrawn_at"]
    assert not rows[1]["withdrawn_at"]
    assert rows[1]["sha256"] == digest("before")
    assert datetime.fromisoformat(rows[0]["accepted_at"]) <= datetime.now(UTC)
    [one] = site.json("agreement", "export", "--user", "anna", "--agreement", "home")
    assert len(one["serial"]) > 10
    assert "did you mean 'home'?" in site.refused("agreement", "export", "--agreement", "hom")
    assert digest("before")[:12] in site.done("agreement", "export").stdout


def test_an_administrator_withdraws(site: Runner) -> None:
    """Once; the log says who it was."""
    assert "withdrew version 1 of home" in site.done("agreement", "withdraw", "anna", "home").stdout
    [line] = site.audit("agreement-withdrawn")
    assert line["user"] == "anna"
    assert line["detail"]["by"].startswith("command")
    assert site.json("agreement", "withdraw", "anna", "home") == []
    assert site.json("agreement", "list")[0]["accepted_by"] == 0
    assert "no agreement 'hoem'" in site.refused("agreement", "withdraw", "anna", "hoem")
    assert "no user" in site.refused("agreement", "withdraw", "nobody", "home")


def test_rules_are_explained_with_what_was_accepted(site: Runner) -> None:
    """By `policy explain`, `who` and `diff`, each for the person whom it is about."""
    anna, bruno = (site.json("policy", "explain", user, "wiki") for user in ("anna", "bruno"))
    assert anna["decision"] == "allow"
    assert (bruno["decision"], bruno["reason"]) == ("deny", "agreement-missing")
    assert "home 1" in site.done("policy", "explain", "anna", "wiki").stdout
    rows = site.json("policy", "who", "wiki", "--all")
    assert {one["user"]: (one["answer"], one["reason"]) for one in rows} == {
        "anna": ("yes", ""),
        "bruno": ("no", "agreement-missing"),
    }
    before = site.site.parent / "before"
    shutil.copytree(site.site / "apps", before / "apps")
    wiki = before / "apps" / "wiki.toml"
    wiki.write_text(wiki.read_text().replace('requires = ["agreement:home"]\n', ""))
    changes = site.json("policy", "diff", str(before), str(site.site))["changes"]
    assert [(one["who"][0]["user"], one["change"], one["when"]) for one in changes] == [
        ("anna", "loses", "from 2999-01-01 on at all times"),
        ("bruno", "loses", "always"),
    ]


def test_faulty_files_are_told(site: Runner) -> None:
    """Nothing can be said of agreements by files that are wrong."""
    (site.site / "agreements" / "home" / "1.en.md").write_text("")
    assert "is empty" in site.refused("agreement", "list")


def test_a_language_that_one_version_lacks_is_told(site: Runner) -> None:
    """Who reads Italian was asked in Italian last time."""
    texts = site.site / "agreements" / "home"
    (texts / "1.it.md").write_text("# Condizioni\n")
    file = site.site / "agreements" / "home.toml"
    file.write_text(HOME.replace('en = "1.en.md"', 'en = "1.en.md", it = "1.it.md"'))
    [warning] = site.json("policy", "check")["warnings"]
    assert warning["message"] == "version '2' is not there in: it; other versions are"


def test_what_is_strange_is_told_by_policy_check(site: Runner) -> None:
    """An agreement that no rule requires, and a rule that requires what is due later."""
    assert site.json("policy", "check")["warnings"] == []
    file = site.site / "agreements" / "home.toml"
    file.write_text(HOME.replace("2020-01-01", "2990-01-01"))
    [warning] = site.json("policy", "check")["warnings"]
    assert warning["place"] == "apps/wiki.toml: rules[1]"
    assert "'home' is not due before 2990-01-01" in warning["message"]
    wiki = site.site / "apps" / "wiki.toml"
    wiki.write_text(wiki.read_text().replace('requires = ["agreement:home"]\n', ""))
    [warning] = site.json("policy", "check")["warnings"]
    assert warning == {
        "place": "agreements/home.toml",
        "message": "no rule requires it, so nobody is asked to accept it",
    }
