"""Calendars of a site, and ours."""

from datetime import date
from pathlib import Path

from gateway.config.calendars import read_calendars
from policies.reading import Problem


def test_italy_is_there_without_being_written(tmp_path: Path) -> None:
    """Also where the site has no folder for calendars."""
    problems: list[Problem] = []
    found = read_calendars(tmp_path, problems)
    assert problems == []
    assert found["it"].has(date(2026, 12, 25))


def test_the_site_has_the_last_word(tmp_path: Path) -> None:
    """With further calendars, and with one of its own under a name of ours."""
    folder = tmp_path / "holidays"
    folder.mkdir()
    (folder / "it.toml").write_text("holidays = [{every = '12-07'}]")
    (folder / "office.toml").write_text("holidays = [{date = 2026-12-24}]")
    (folder / ".draft.toml").write_text("nonsense")
    (folder / "README").write_text("nonsense")
    problems: list[Problem] = []
    found = read_calendars(tmp_path, problems)
    assert problems == []
    assert sorted(found) == ["it", "office"]
    assert found["it"].has(date(2026, 12, 7))
    assert not found["it"].has(date(2026, 12, 25))


def test_a_faulty_calendar_is_a_problem_of_the_site(tmp_path: Path) -> None:
    """Named by its file, and not ours in its stead."""
    folder = tmp_path / "holidays"
    folder.mkdir()
    (folder / "it.toml").write_text("holidays = [{every = '31-12'}]")
    problems: list[Problem] = []
    assert read_calendars(tmp_path, problems) == {}
    assert [problem.place for problem in problems] == ["holidays/it.toml: holidays[1].every"]
