from datetime import timedelta
from pathlib import Path

import pytest

from gateway.config.reaching import read_app_limits, read_health_check, read_upstream_tls
from gateway.core.site import AppLimits, HealthCheck, Upstream, UpstreamTLS
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


SECURE = (Upstream("127.0.0.1", 80), Upstream("wiki.internal", 443, tls=True))


def tls(
    folder: Path, upstreams: tuple[Upstream, ...] = SECURE, **given: object
) -> tuple[UpstreamTLS, list[str]]:
    """Read how upstreams are verified, and the problems with that."""
    problems: list[Problem] = []
    section = Section(given, "apps/wiki.toml: upstream_tls", problems)
    return read_upstream_tls(section, upstreams, folder), list(map(str, problems))


def test_files_for_tls_are_looked_for_in_the_site_folder(tmp_path: Path) -> None:
    """Or where an absolute path says."""
    for name in ("ca.pem", "edge.pem", "edge.key"):
        (tmp_path / name).touch()
    found, problems = tls(
        tmp_path,
        ca="ca.pem",
        name="wiki.internal",
        certificate=str(tmp_path / "edge.pem"),
        key="edge.key",
    )
    assert problems == []
    assert found == UpstreamTLS(
        *(str(tmp_path / "ca.pem"), "wiki.internal"),
        *(str(tmp_path / "edge.pem"), str(tmp_path / "edge.key")),
    )
    assert tls(tmp_path) == (UpstreamTLS(), [])
    assert tls(tmp_path, (Upstream("a", 80),)) == (UpstreamTLS(), [])
    assert tls(tmp_path, name="10.0.0.1")[1] == []


def test_what_cannot_be_for_tls_is_a_problem(tmp_path: Path) -> None:
    """A file that is not there, a name that is none, a key alone, or no https at all."""
    (tmp_path / "edge.key").touch()
    for given, start in (
        ({"ca": "gone.pem"}, f"ca: there is no file {tmp_path / 'gone.pem'}"),
        ({"name": "Wiki.Internal"}, "name: 'Wiki.Internal' is not the name of a host"),
        ({"name": "a" * 64}, "name: a host has at most 253 characters, 63 from one dot"),
        ({"key": "edge.key"}, "key: a key without a certificate"),
        ({"verify": False}, "verify: unknown key"),
    ):
        _, (problem,) = tls(tmp_path, SECURE, **given)
        assert problem.startswith(f"apps/wiki.toml: upstream_tls.{start}")
    _, (problem,) = tls(tmp_path, (Upstream("a", 80),), name="wiki.internal")
    assert "no upstream is https://" in problem


def health(**given: object) -> tuple[HealthCheck | None, list[str]]:
    """Read how upstreams are checked, and the problems with that."""
    problems: list[Problem] = []
    found = read_health_check(Section(given, "apps/wiki.toml: health", problems))
    return found, list(map(str, problems))


def test_upstreams_are_checked_where_a_path_is_given() -> None:
    """An empty table is none."""
    assert health() == (None, [])
    assert health(path="/healthz") == (HealthCheck("/healthz"), [])
    seconds = timedelta(seconds=3), timedelta(seconds=1)
    assert health(path="/x?y", interval="3s", timeout="1s") == (HealthCheck("/x?y", *seconds), [])


@pytest.mark.parametrize(
    "key, value", [("path", "healthz"), ("path", "/a b"), ("interval", "0s"), ("timeout", 1)]
)
def test_checks_that_cannot_be_are_problems_of_their_keys(key: str, value: object) -> None:
    """Each by itself."""
    _, problems = health(**({"path": "/"} | {key: value}))
    assert len(problems) == 1
    assert problems[0].startswith(f"apps/wiki.toml: health.{key}: ")


def test_times_for_checks_need_a_path() -> None:
    """Otherwise somebody would believe in checks that are not made."""
    _, (problem,) = health(interval="3s")
    assert problem == "apps/wiki.toml: health.path: missing: without a path nothing is checked"
