import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Configuration, Problems, read_configuration, read_site
from gateway.config.template import application_text, settings_text, toml_text
from gateway.core.site import Site
from policies.parse import parse_subject_term

ROOT = Path(__file__).parents[3]
HOST = "gate.example.org"
# A key that is commented out begins a line; words do not look like `key = value`.
UNSET = re.compile(r"^# (?=[a-z_]+ = )", re.MULTILINE)


def read(directory: Path, settings: str, **apps: str) -> Configuration | Problems:
    """Read a site of these texts."""
    (directory / "pusterla.toml").write_text(settings, encoding="utf-8")
    (directory / "apps").mkdir(exist_ok=True)
    for name, text in apps.items():
        (directory / "apps" / f"{name}.toml").write_text(text, encoding="utf-8")
    return read_configuration(directory)


def wiki(upstreams: tuple[str, ...] = ("http://127.0.0.1:9000",), **chosen: str) -> str:
    """An application as `app add` writes it."""
    terms = [parse_subject_term("group:technicians"), parse_subject_term("user:anna")]
    return application_text("wiki", "wiki.gate.example.org", upstreams, terms, **chosen)


def test_what_the_command_writes_can_be_read(tmp_path: Path) -> None:
    """A new site has no problems, and allows each subject by itself."""
    found = read(tmp_path, settings_text(HOST, 8443), wiki=wiki(title='The "Wiki"'))
    assert isinstance(found, Configuration), found
    app = found.applications["wiki"]
    assert list(map(str, app.upstreams)) == ["http://127.0.0.1:9000"]
    assert app.title == 'The "Wiki"'
    assert [(rule.groups, rule.users) for rule in app.policy.rules] == [
        (frozenset({"technicians"}), None),
        (None, frozenset({"anna"})),
    ]


def test_an_application_of_several_upstreams_can_be_read(tmp_path: Path) -> None:
    """They are written as a list."""
    upstreams = ("http://127.0.0.1:9000", "unix:/run/wiki.sock")
    found = read(tmp_path, settings_text(HOST, 8443), wiki=wiki(upstreams))
    assert isinstance(found, Configuration), found
    assert tuple(map(str, found.applications["wiki"].upstreams)) == upstreams


def test_an_application_for_nobody_can_be_read(tmp_path: Path) -> None:
    """Without a subject there is no rule, and a comment says so."""
    text = application_text("wiki", "wiki.gate.example.org", ("unix:/run/wiki.sock",), [])
    found = read(tmp_path, settings_text(HOST, 8443), wiki=text)
    assert isinstance(found, Configuration), found
    assert found.applications["wiki"].policy.rules == ()


def test_every_key_that_is_commented_out_is_a_key(tmp_path: Path) -> None:
    """Taking the # away from all of them makes a file without problems."""
    for name in ("upstream-ca.pem", "upstream-client.pem", "upstream-client.key"):
        (tmp_path / name).touch()
    (tmp_path / "apps").mkdir()
    drawing = '<svg xmlns="http://www.w3.org/2000/svg"/>'
    (tmp_path / "apps" / "wiki.svg").write_text(drawing, encoding="utf-8")
    settings = UNSET.sub("", settings_text(HOST, 8443))
    found = read(tmp_path, settings, wiki=UNSET.sub("", wiki(("https://wiki",))))
    assert isinstance(found, Configuration), found


def test_defaults_are_written_as_they_are(tmp_path: Path) -> None:
    """What stands behind a # is what is in force, but for the examples and the cores."""
    found = read(tmp_path, settings_text(HOST, 8443))
    text = UNSET.sub("", settings_text(HOST, 8443))
    examples = re.compile(
        r"^(contact|url|workers|body_bytes|proxy_protocol_from|port|passphrase_file|pin_file"
        r"|server|ca|user|password_file|from|administrators|technicians) = .*\n",
        re.MULTILINE,
    )
    said = read(tmp_path, examples.sub("", text))
    assert isinstance(found, Configuration)
    assert isinstance(said, Configuration)
    assert found.site == said.site


def test_everything_chosen_arrives(tmp_path: Path) -> None:
    """What init is told is what is read."""
    path = tmp_path / "pusterla.toml"
    path.write_text(
        settings_text(
            HOST,
            443,
            http_port=81,
            name="L'Officina \\ due",
            contact="info@example.it",
            address="127.0.0.1",
            workers=1,
            store_url="postgresql+asyncpg://gate@db/gate",
        ),
        encoding="utf-8",
    )
    found = read_site(path)
    assert isinstance(found, Site), found
    assert (found.port, found.http_port, found.workers) == (443, 81, 1)
    assert (found.name, found.contact) == ("L'Officina \\ due", "info@example.it")
    assert (found.listen, found.store_url) == ("127.0.0.1", "postgresql+asyncpg://gate@db/gate")


def known_keys(directory: Path, settings: str, app: str) -> set[str]:
    """Ask the reader which keys there are, where one file has a key that is none."""
    found = read(directory, settings, wiki=app)
    assert isinstance(found, Problems)
    (message,) = [each.message for each in found.problems if "unknown key" in each.message]
    return set(message.partition("the keys here are: ")[2].split(", "))


def keys_written(text: str) -> set[str]:
    """Find the keys of *text*, set or commented out."""
    return set(re.findall(r"^(?:# )?([a-z_]+) = ", text, re.MULTILINE))


def keys_explained(*titles: str) -> set[str]:
    """Find the keys in the table of docs/configuration.md below *titles*."""
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    for level, title in enumerate(titles, start=2):
        mark = "#" * level
        page = page.partition(f"\n{mark} {title}\n")[2].partition(f"\n{mark} ")[0]
    return set(re.findall(r"^\| `\[*([a-z_]+)\]*` \|", page.partition("\n#")[0], re.MULTILINE))


def test_every_section_is_written_and_explained(tmp_path: Path) -> None:
    """pusterla.toml has the sections that the reader takes, and so has its documentation."""
    text = settings_text(HOST, 8443)
    keys = known_keys(tmp_path, text + "\n[qqqqqqqqq]\n", wiki())
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\[([a-z_]+)\]$", text, re.MULTILINE)) == keys
    page = page.partition("\n## apps/NAME.toml\n")[0]
    assert set(re.findall(r"^### `\[([a-z_]+)\]`$", page, re.MULTILINE)) == keys


@pytest.mark.parametrize(
    "section",
    ["site", "listen", "sessions", "sign_in", "store", "ca", "certificates", "crl", "limits"],
)
def test_every_key_of_a_section_is_written_and_explained(tmp_path: Path, section: str) -> None:
    """No key that the reader takes is left out, and none is made up."""
    keys = known_keys(tmp_path, f"[{section}]\nqqqqqqqqq = 1\n", wiki())
    text = settings_text(HOST, 8443).partition(f"\n[{section}]\n")[2].partition("\n[")[0]
    assert keys_written(text) == keys
    assert keys_explained("pusterla.toml", f"`[{section}]`") == keys


def test_every_key_of_an_application_is_written_and_explained(tmp_path: Path) -> None:
    """No key that the reader takes is left out, and none is made up."""
    keys = known_keys(tmp_path, settings_text(HOST, 8443), "qqqqqqqqq = 1\n" + wiki())
    text, rules, _ = wiki().partition("\n[[rules]]\n")
    assert rules
    top, _, tables = text.partition("\n[")
    titles = set(re.findall(r"^\[([a-z_]+)\]$", f"[{tables}", re.MULTILINE))
    assert keys_written(top) | titles | {"rules"} == keys
    assert keys_explained("apps/NAME.toml") == keys


@pytest.mark.parametrize("table", ["session", "limits", "health", "upstream_tls"])
def test_every_key_of_a_table_of_an_application_is_written_and_explained(
    tmp_path: Path, table: str
) -> None:
    """No key that the reader takes is left out, and none is made up."""
    wrong = wiki().replace(f"[{table}]\n", f"[{table}]\nqqqqqqqqq = 1\n")
    keys = known_keys(tmp_path, settings_text(HOST, 8443), wrong)
    text = wiki().partition(f"\n[{table}]\n")[2].partition("\n[")[0]
    assert keys_written(text) == keys
    assert keys_explained("apps/NAME.toml", f"`[{table}]` of an application") == keys


def test_every_key_of_a_rule_is_written_and_explained(tmp_path: Path) -> None:
    """No key that the reader takes is left out, and none is made up."""
    keys = known_keys(tmp_path, settings_text(HOST, 8443), wiki() + "qqqqqqqqq = 1\n")
    text = wiki().partition("# Who may reach it.")[2]
    assert {key for key in keys if re.search(rf"\b{key} = ", text)} == keys
    assert keys_explained("apps/NAME.toml", "`[[rules]]`") == keys


@given(st.text())
def test_any_text_survives_being_written(text: str) -> None:
    """Quotes, backslashes and control characters included."""
    if "\r\n" in text or any("\ud800" <= character <= "\udfff" for character in text):
        return
    assert tomllib.loads(f"key = {toml_text(text)}")["key"] == text
