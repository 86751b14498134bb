from datetime import timedelta

import pytest

from gateway.config.reaching import read_app_limits
from gateway.core.site import AppLimits
from policies.reading import Problem, Section


def limits(**given: object) -> tuple[AppLimits, list[str]]:
    """Read the limits of an application, and the problems with them."""
    problems: list[Problem] = []
    found = read_app_limits(Section(given, "apps/wiki.toml: limits", problems))
    return found, list(map(str, problems))


def test_an_application_without_limits_has_those_of_the_site() -> None:
    """Nothing said is nothing changed."""
    assert limits() == (AppLimits(None, None, None, None), [])


def test_each_limit_of_an_application_arrives() -> None:
    """Durations and a count of bytes."""
    found, problems = limits(
        upstream_connect="2s", upstream_response="10m", upstream_idle="12h", body_bytes=0
    )
    assert problems == []
    assert found == AppLimits(
        timedelta(seconds=2), timedelta(minutes=10), timedelta(hours=12), body_bytes=0
    )


@pytest.mark.parametrize(
    "key, value",
    [
        ("upstream_connect", "0s"),
        ("upstream_connect", "2h"),
        ("upstream_response", 5),
        ("upstream_idle", "2d"),
        ("body_bytes", -1),
        ("body_bytes", "1 MiB"),
        ("upstream_conect", "1s"),
    ],
)
def test_limits_that_cannot_be_are_problems_of_their_keys(key: str, value: object) -> None:
    """Out of range, of the wrong kind, or misspelt."""
    _, problems = limits(**{key: value})
    assert len(problems) == 1
    assert problems[0].startswith(f"apps/wiki.toml: limits.{key}: ")
