from pathlib import Path

import pytest

from gateway.config import Configuration, Problems, read_configuration
from gateway.config.files import application_files, cores, parse_site, read_sound_configuration
from gateway.core.site import Site


def test_a_site_is_read_in_one_go(tmp_path: Path) -> None:
    """Settings and applications come together."""
    (tmp_path / "pusterla.toml").write_text('[site]\nhost = "g.example.org"\n', encoding="utf-8")
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "wiki.toml").write_text(
        'host = "w.example.org"\nupstream = "http://127.0.0.1:9000"\n', encoding="utf-8"
    )
    found = read_configuration(tmp_path)
    assert isinstance(found, Configuration)
    assert found.site.host == "g.example.org"
    assert list(found.applications) == ["wiki"]


def test_problems_of_the_site_do_not_hide_those_of_applications(tmp_path: Path) -> None:
    """Both are told, though the site could not be made."""
    (tmp_path / "pusterla.toml").write_text("[site]\n", encoding="utf-8")
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "wiki.toml").write_text("hots = 1\n", encoding="utf-8")
    found = read_configuration(tmp_path)
    assert isinstance(found, Problems)
    places = [problem.place for problem in found.problems]
    assert places == [
        "pusterla.toml: site.host",
        "apps/wiki.toml: host",
        "apps/wiki.toml: upstream",
        "apps/wiki.toml: hots",
    ]
    assert str(found).count("\n") == 3


def test_a_missing_file_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    """The names of what is missing are told."""
    found = read_configuration(tmp_path)
    assert isinstance(found, Problems)
    assert str(found) == (
        "pusterla.toml: cannot be read: No such file or directory\n"
        "apps: cannot be read: No such file or directory"
    )


def test_a_directory_called_like_a_file_is_a_problem(tmp_path: Path) -> None:
    """It is named and not passed over."""
    (tmp_path / "pusterla.toml").write_text('[site]\nhost = "g.example.org"\n', encoding="utf-8")
    (tmp_path / "apps" / "wiki.toml").mkdir(parents=True)
    found = read_configuration(tmp_path)
    assert isinstance(found, Problems)
    assert str(found) == "apps/wiki.toml: cannot be read: Is a directory"


def test_files_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    """Which of two claims to a host is the problem does not depend on the file system."""
    for name in ("c.toml", "a.toml", "b.toml"):
        (tmp_path / name).touch()
    assert [path.name for path in application_files(tmp_path)] == ["a.toml", "b.toml", "c.toml"]


def test_there_is_at_least_one_core() -> None:
    """Workers are counted by it."""
    assert cores() >= 1


class TestSound:
    @pytest.fixture
    def site(self) -> Site:
        """Return a site."""
        found = parse_site("[site]\nhost = 'pusterla.example'\n")
        assert isinstance(found, Site)
        return found

    def test_a_mistake_leaves_out_one_application(self, tmp_path: Path, site: Site) -> None:
        """The others are there, and what is wrong is said."""
        write_apps(tmp_path, wiki="wiki.example", crm="crm.example")
        (tmp_path / "apps" / "bad.toml").write_text("host = 'bad.example'\nupsteam = 'x'\n")
        found, problems = read_sound_configuration(tmp_path, site)
        assert sorted(found.applications) == ["crm", "wiki"]
        assert "bad.toml: upsteam" in str(problems)

    def test_of_two_with_one_host_neither_is_sound(self, tmp_path: Path, site: Site) -> None:
        """Whoever is first in the alphabet has no better right."""
        write_apps(tmp_path, aaa="wiki.example", wiki="wiki.example", crm="crm.example")
        found, problems = read_sound_configuration(tmp_path, site)
        assert sorted(found.applications) == ["crm"]
        assert {one.place.rpartition("/")[2] for one in problems.problems} == {
            "aaa.toml",
            "wiki.toml",
        }

    def test_the_hosts_of_the_site_are_nobodys(self, tmp_path: Path, site: Site) -> None:
        """The portal's host belongs to the portal."""
        write_apps(tmp_path, wiki=site.host, crm=site.public_host)
        assert read_sound_configuration(tmp_path, site)[0].applications == {}

    def test_without_the_folder_there_is_none(self, tmp_path: Path, site: Site) -> None:
        """That is said, and nobody is let in anywhere."""
        found, problems = read_sound_configuration(tmp_path, site)
        assert found.applications == {}
        assert "cannot be read" in str(problems)


def write_apps(folder: Path, **hosts: str) -> None:
    """Write the file of an application for each of *hosts*."""
    (folder / "apps").mkdir()
    for name, host in hosts.items():
        text = f"host = '{host}'\nupstream = 'http://127.0.0.1:9000'\n"
        (folder / "apps" / f"{name}.toml").write_text(text)
