import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from tests.gateway.cli.runner import Runner

HOST = ("--host", "wiki.pusterla.localhost")
UPSTREAM = ("--upstream", "http://127.0.0.1:9000")
ALLOW = ("--allow", "group:technicians", "--allow", "user:anna")


def test_an_application_is_a_file_with_every_key_explained(pusterla: Runner) -> None:
    """It can be edited at once, and says what it may hold."""
    answer = pusterla.json("app", "add", "wiki", *HOST, *UPSTREAM, *ALLOW)
    file = Path(answer["file"])
    assert file == pusterla.site / "apps" / "wiki.toml"
    text = file.read_text(encoding="utf-8")
    assert tomllib.loads(text)["host"] == "wiki.pusterla.localhost"
    for key in ("title", "description", "user_header", "client_certificate"):
        assert f"# {key} = " in text
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in file.parent.iterdir()] == ["wiki.toml"]
    (line,) = pusterla.audit("application-added")
    assert (line["app"], line["detail"]["host"]) == ("wiki", "wiki.pusterla.localhost")


def test_an_application_may_have_several_upstreams(pusterla: Runner) -> None:
    """The option is given for each; all of them are listed."""
    second = ("--upstream", "unix:/run/wiki.sock")
    answer = pusterla.json("app", "add", "wiki", *HOST, *UPSTREAM, *second, *ALLOW)
    assert answer["upstreams"] == ["http://127.0.0.1:9000", "unix:/run/wiki.sock"]
    text = Path(answer["file"]).read_text(encoding="utf-8")
    assert tomllib.loads(text)["upstream"] == answer["upstreams"]
    shown = "http://127.0.0.1:9000, unix:/run/wiki.sock"
    assert shown in pusterla.done("app", "list").stdout
    assert shown in pusterla.done("app", "show", "wiki").stdout


def test_an_application_is_never_overwritten(pusterla: Runner) -> None:
    """Whoever wants it otherwise edits the file."""
    pusterla.add_app("wiki", *ALLOW)
    before = (pusterla.site / "apps" / "wiki.toml").read_bytes()
    reason = pusterla.refused("app", "add", "wiki", "--host", "other.example.org", *UPSTREAM)
    assert "there is an application 'wiki' already" in reason
    assert (pusterla.site / "apps" / "wiki.toml").read_bytes() == before


@pytest.mark.parametrize(
    "name, host, words",
    [
        ("Wiki", "w.example.org", "'Wiki' cannot be the name of an application"),
        ("portal", "w.example.org", "it stands for ourselves"),
        ("../wiki", "w.example.org", "cannot be the name of an application"),
        ("w", "pusterla.localhost", "already the portal's own host"),
        ("w", "public.pusterla.localhost", "already the public host"),
        ("w", "taken.pusterla.localhost", "already the host of apps/taken.toml"),
    ],
)
def test_what_would_be_a_problem_is_not_written(
    pusterla: Runner, name: str, host: str, words: str
) -> None:
    """The site has no problems afterwards that it had not before."""
    pusterla.add_app("taken")
    assert words in pusterla.refused("app", "add", name, "--host", host, *UPSTREAM)
    assert [each["name"] for each in pusterla.json("app", "list")] == ["taken"]


@pytest.mark.parametrize(
    "words",
    [
        ("--host", "Wiki.example.org", *UPSTREAM),
        (*HOST, "--upstream", "ftp://127.0.0.1:9000"),
        (*HOST, *UPSTREAM, "--allow", "technicians"),
        (*HOST, *UPSTREAM, "--allow", "gruop:technicians"),
    ],
)
def test_values_that_cannot_be_are_wrong_usage(pusterla: Runner, words: tuple[str, ...]) -> None:
    """The option is named."""
    result = pusterla.run("app", "add", "wiki", *words)
    assert result.exit_code == 2
    assert "Invalid value for '--" in result.stderr


def test_a_host_that_browsers_would_warn_of_is_told(pusterla: Runner) -> None:
    """The server certificate covers names one label below the site's host, and no others."""
    for name, host, warned in (
        ("a", "a.pusterla.localhost", False),
        ("b", "b.c.pusterla.localhost", True),
        ("c", "wiki.example.org", True),
    ):
        result = pusterla.done("app", "add", name, "--host", host, *UPSTREAM, *ALLOW)
        assert ("does not cover" in result.stderr) is warned


def test_an_application_for_nobody_is_told(pusterla: Runner) -> None:
    """It is written, and lets nobody in."""
    result = pusterla.done("app", "add", "wiki", *HOST, *UPSTREAM)
    assert "no rule lets anybody in yet" in result.stderr
    assert pusterla.json("app", "show", "wiki")["rules"] == []


def test_whoever_is_let_in_and_is_nobody_yet_is_told(pusterla: Runner) -> None:
    """It may be a name that was mistyped, or somebody who is still to be added."""
    pusterla.add_user("anna", "technicians")
    words = ("--allow", "group:technicans", "--allow", "user:bruno", "--allow", "user:anna")
    result = pusterla.done("app", "add", "wiki", *HOST, *UPSTREAM, *words)
    assert result.stderr.splitlines() == [
        "pusterla: warning: nobody is in a group 'technicans' yet; did you mean 'technicians'?",
        "pusterla: warning: there is no user 'bruno' yet",
    ]


def test_a_new_application_does_not_answer_for_the_problems_of_others(pusterla: Runner) -> None:
    """It is written; the check tells of the others."""
    (pusterla.site / "apps" / "crm.toml").write_text("nonsense", encoding="utf-8")
    pusterla.add_app("wiki")
    result = pusterla.run("app", "check")
    assert result.exit_code == 1
    assert result.stderr.startswith("apps/crm.toml: end of document: not valid TOML")
    assert "wiki" not in result.stderr


def test_applications_are_listed_and_shown(pusterla: Runner) -> None:
    """With whom they let in."""
    pusterla.add_app("wiki", *ALLOW)
    lines = pusterla.done("app", "list").stdout.splitlines()
    assert lines[0].split() == ["NAME", "HOST", "UPSTREAM", "RULES"]
    assert lines[1].endswith("allow group:technicians; allow user:anna")
    shown = pusterla.done("app", "show", "wiki").stdout
    assert "https://wiki.pusterla.localhost:8443/" in shown
    answer = pusterla.json("app", "show", "wiki")
    assert answer == pusterla.json("app", "list")[0]
    assert answer["rules"][0] == {
        "name": "group:technicians",
        "effect": "allow",
        "groups": ["technicians"],
        "users": None,
        "only": "",
    }


def test_what_an_application_asks_of_sessions_is_shown(pusterla: Runner) -> None:
    """In words, and as it stands in the file for programs."""
    pusterla.add_app("wiki", *ALLOW)
    file = pusterla.site / "apps" / "wiki.toml"
    assert "as long as the site's" in pusterla.done("app", "show", "wiki").stdout
    assert pusterla.json("app", "show", "wiki")["session"] == {"lifetime": None, "idle": None}
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("[session]\n", '[session]\nlifetime = "8h"\nidle = "15m"\n'))
    shown = pusterla.done("app", "show", "wiki").stdout
    assert "password and code every 8h; a code after 15m without use" in shown
    assert pusterla.json("app", "show", "wiki")["session"] == {"lifetime": "8h", "idle": "15m"}


def test_problems_are_told_all_at_once(pusterla: Runner) -> None:
    """Of every file; the status says that there are some, and so does JSON."""
    assert pusterla.json("app", "check") == []
    assert "no problems" in pusterla.done("app", "check").stdout
    settings = pusterla.site / "pusterla.toml"
    text = settings.read_text(encoding="utf-8") + "\n[lmits]\n"
    settings.write_text(text, encoding="utf-8")
    (pusterla.site / "apps" / "a.toml").write_text("hots = 1\n", encoding="utf-8")
    result = pusterla.run("app", "check")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "pusterla.toml: lmits: unknown key; did you mean 'limits'?",
        "apps/a.toml: host: missing, expected text",
        "apps/a.toml: upstream: missing, expected text",
        "apps/a.toml: hots: unknown key; did you mean 'host'?",
    ]
    result = pusterla.run("app", "check", "--json")
    assert result.exit_code == 1
    assert '"place": "pusterla.toml: lmits"' in result.stdout


def test_a_site_with_problems_is_not_shown_in_part(pusterla: Runner) -> None:
    """What is not read must not look as if it were not there."""
    pusterla.add_app("wiki")
    (pusterla.site / "apps" / "crm.toml").write_text("hots = 1\n", encoding="utf-8")
    for words in (("list",), ("show", "wiki")):
        result = pusterla.run("app", *words)
        assert result.exit_code == 1
        assert result.stdout == ""
        assert "did you mean 'host'?" in result.stderr


def test_applications_that_cannot_be_read_are_not_said_to_be_none(pusterla: Runner) -> None:
    """The directory is named."""
    (pusterla.site / "apps").rmdir()
    assert "apps cannot be read: No such file" in pusterla.refused("app", "show", "wiki")
    assert "apps: cannot be read" in pusterla.run("app", "list").stderr


def test_an_application_is_removed_even_with_problems(pusterla: Runner) -> None:
    """Its file goes, and that is written down."""
    pusterla.add_app("wiki")
    (pusterla.site / "apps" / "wiki.toml").write_text("nonsense", encoding="utf-8")
    assert pusterla.json("app", "remove", "wiki")["name"] == "wiki"
    assert pusterla.json("app", "list") == []
    assert pusterla.audit("application-removed")[0]["app"] == "wiki"


def test_an_application_stays_where_its_removal_cannot_be_written_down(pusterla: Runner) -> None:
    """What was granted for it would be gone otherwise, or open what nobody knows to be there."""
    pusterla.add_app("wiki")
    with closing(sqlite3.connect(pusterla.site / "store" / "pusterla.sqlite3")) as store:
        store.execute("ALTER TABLE access_request RENAME TO elsewhere")
        store.commit()
    assert pusterla.run("app", "remove", "wiki").exit_code != 0
    assert [path.name for path in (pusterla.site / "apps").iterdir()] == ["wiki.toml"]


@pytest.mark.parametrize("verb", ["show", "remove"])
def test_an_unknown_application_is_answered_with_the_nearest(pusterla: Runner, verb: str) -> None:
    """Nothing outside apps/ can be named either."""
    pusterla.add_app("wiki")
    assert pusterla.refused("app", verb, "wikki") == "no application 'wikki'; did you mean 'wiki'?"
    assert "no application" in pusterla.refused("app", verb, "../pusterla")
    assert (pusterla.site / "pusterla.toml").exists()
