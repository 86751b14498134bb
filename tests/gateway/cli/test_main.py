import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.cli.main import INTERRUPTED, Pusterla
from tests.gateway.cli.runner import Runner

ROOT = Path(__file__).parents[3]
# What runs until it is ended has no answer that a program could want.


def walk(command: click.Command, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command that does something, with its words."""
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from walk(each, *path, name)
    else:
        yield path, command


COMMANDS = dict(walk(main))


def failing(error: BaseException) -> Pusterla:
    """The command as it would be if its one command raised *error*."""
    group = Pusterla("pusterla", params=[click.Option(["--debug"], is_flag=True)])

    @group.command()
    def fail() -> None:
        raise error

    return group


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_helps_with_an_example_of_itself(words: tuple[str, ...]) -> None:
    """--help says what it does, and ends with a line that begins as the command does."""
    result = CliRunner().invoke(main, [*words, "--help"])
    assert result.exit_code == 0
    example = result.stdout.partition("Example:\n")[2].strip()
    assert example.startswith("pusterla ")
    assert " ".join(words) in example
    check_line(example)


def test_the_version_says_which_edge_runs() -> None:
    """For whoever reports how fast or slow it is."""
    told = CliRunner().invoke(main, ["--version"]).stdout
    assert re.fullmatch(r"\S+ \d+\.\d+\.\d+, edge (compiled|in plain Python)\n", told)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_can_answer_with_json(words: tuple[str, ...]) -> None:
    """Also those that run until they are ended: they answer when they serve."""
    options = {option for each in COMMANDS[words].params for option in each.opts}
    assert "--json" in options


def test_the_commands_are_those_that_were_promised() -> None:
    """The documentation of a later version may promise more."""
    assert {" ".join(words) for words in COMMANDS} == {
        *("init", "serve", "reload", "demo", "doctor", "explain"),
        *(f"policy {verb}" for verb in ("check", "explain", "who", "what", "test", "diff")),
        *(f"agreement {verb}" for verb in ("add", "list", "show", "export", "withdraw")),
        *(f"user {verb}" for verb in ("add", "list", "show", "disable", "enable", "passwd")),
        *("user totp-reset", "user recovery-codes", "user ticket", "user remove"),
        *(
            f"cert {verb}"
            for verb in (
                "issue",
                "list",
                "show",
                "renew",
                "hold",
                "release",
                "revoke",
                "renew-server",
            )
        ),
        *(f"kit {verb}" for verb in ("build", "verify", "renew")),
        *(f"app {verb}" for verb in ("add", "list", "show", "check", "remove")),
        *("day list", "day give-back"),
        *(f"request {verb}" for verb in ("list", "show", "approve", "refuse", "end", "export")),
        *("session list", "session end", "crl publish", "crl show", "audit tail", "mail test"),
        *(f"ca trust {verb}" for verb in ("add", "list", "show", "remove", "assign")),
        "ca trust certificates",
        *("ca encrypt", "ca decrypt", "ca list", "ca rollover", "ca retire"),
        *("ca root", "ca request", "ca sign", "ca install"),
    }


def check_line(line: str) -> None:
    """Fail unless *line* is one that the command understands: words and options."""
    words = shlex.split(line, comments=True)
    command: click.Command = main
    options = {option for each in main.params for option in each.opts}
    for word in words[1:]:
        if isinstance(command, click.Group) and word in command.commands:
            command = command.commands[word]
            options |= {option for each in command.params for option in each.opts}
        elif word.startswith("-"):
            assert word.partition("=")[0] in options | {"--help"}, line
    assert not isinstance(command, click.Group), f"no such command: {line}"


def test_what_the_documentation_tells_people_to_type_can_be_typed() -> None:
    """Every line of a code block that begins with the command names what there is."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    checked = 0
    for page in filter(Path.is_file, pages):
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            for line in re.sub(r"\\\n", " ", block).splitlines():
                found = re.search(r"(?:^|[$|] )\s*(pusterla [^|]*)", line)
                if found:
                    check_line(found[1])
                    checked += 1
    assert checked


def test_wrong_usage_has_a_status_of_its_own(pusterla: Runner) -> None:
    """2, and the way to help."""
    for words in (["nonsense"], ["user", "add"], ["user", "list", "--nonsense"], ["cert"]):
        result = pusterla.run(*words)
        assert result.exit_code == 2
        assert "--help" in result.stderr or "Usage:" in result.stderr


def test_a_folder_that_is_no_site_is_refused(tmp_path: Path) -> None:
    """The reason is one line, with the way out."""
    reason = Runner(tmp_path).refused("user", "list")
    assert reason == (
        f"{tmp_path} is not a site: there is no pusterla.toml in it; "
        "make one with pusterla init, or name another with --site"
    )


def test_the_site_is_the_folder_one_is_in_unless_named(
    pusterla: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """--site comes before PUSTERLA_SITE, which comes before the folder."""
    monkeypatch.chdir(pusterla.site)
    assert CliRunner().invoke(main, ["user", "list"]).exit_code == 0
    empty = {"PUSTERLA_SITE": str(tmp_path)}
    assert CliRunner(env=empty).invoke(main, ["user", "list"]).exit_code == 1
    words = ["--site", str(pusterla.site), "user", "list"]
    assert CliRunner(env=empty).invoke(main, words).exit_code == 0
    monkeypatch.chdir(tmp_path)
    named = {"PUSTERLA_SITE": str(pusterla.site)}
    assert CliRunner(env=named).invoke(main, ["user", "list"]).exit_code == 0


def test_wrong_settings_are_told_all_at_once(pusterla: Runner) -> None:
    """No command goes on with half of them."""
    settings = pusterla.site / "pusterla.toml"
    settings.write_text("[site]\nhots = 1\nport = 0\n", encoding="utf-8")
    reason = pusterla.refused("user", "list")
    assert "pusterla.toml: site.host: missing" in reason
    assert "pusterla.toml: site.hots: unknown key; did you mean 'host'?" in reason
    assert "pusterla.toml: site.port: expected a whole number from 1 to 65535" in reason


def test_a_broken_application_keeps_nobody_from_acting_on_people(pusterla: Runner) -> None:
    """Somebody must be disabled at once, whatever else is wrong."""
    pusterla.add_user()
    (pusterla.site / "apps" / "wiki.toml").write_text("nonsense", encoding="utf-8")
    pusterla.done("user", "disable", "anna")


def test_an_unexpected_error_is_one_line_with_its_type() -> None:
    """Nobody who runs a command is shown a traceback, unless they ask."""
    result = CliRunner().invoke(failing(ZeroDivisionError("by nothing")), ["fail"])
    assert result.exit_code == 1
    assert result.stderr.startswith("pusterla: unexpected ZeroDivisionError: by nothing\n")
    assert "--debug" in result.stderr
    assert "Traceback" not in result.stderr


def test_debug_shows_where_an_unexpected_error_arose() -> None:
    """The exception goes on to the interpreter, which shows all of it."""
    result = CliRunner().invoke(failing(ZeroDivisionError("by nothing")), ["--debug", "fail"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_an_error_of_the_system_names_the_file() -> None:
    """As people know it from other programs."""
    error = PermissionError(13, "Permission denied", "/etc/shadow")
    result = CliRunner().invoke(failing(error), ["fail"])
    assert (result.exit_code, result.stderr) == (1, "pusterla: /etc/shadow: Permission denied\n")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupted_command_ends_without_a_traceback(error: BaseException) -> None:
    """With the status that a shell gives to it."""
    result = CliRunner().invoke(failing(error), ["fail"])
    assert result.exit_code == INTERRUPTED
    assert result.stderr.strip() == ""


def test_what_a_message_quotes_cannot_move_the_cursor() -> None:
    """Control characters are written out."""
    result = CliRunner().invoke(failing(click.ClickException("a\x1b[2Jb")), ["fail"])
    assert result.stderr == "pusterla: a\\x1b[2Jb\n"


def test_every_command_is_in_the_documentation() -> None:
    """With a line that can be typed."""
    page = (ROOT / "docs" / "command.md").read_text(encoding="utf-8")
    lines = [line for line in page.splitlines() if line.startswith("pusterla ")]
    missing = [
        " ".join(words) for words in COMMANDS if not any(" ".join(words) in line for line in lines)
    ]
    assert missing == []
