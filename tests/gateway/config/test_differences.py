from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.config import Problems
from gateway.config.differences import KEYS, changed_keys, keep_fixed
from gateway.config.files import parse_site
from gateway.config.template import settings_text
from gateway.core.site import Limits, Site

FIXED = {
    "site.host",
    "site.port",
    "site.http_port",
    "listen.address",
    "listen.workers",
    "store.url",
    "log.access",
    "metrics.port",
}


@pytest.fixture
def site() -> Site:
    """Return a site at its defaults."""
    found = parse_site("[site]\nhost = 'pusterla.example'\n[listen]\nworkers = 2\n")
    assert not isinstance(found, Problems)
    return found


def other(value: Any) -> Any:
    """Return something of the same kind as *value*, and yet another."""
    match value:
        case bool():
            return not value
        case timedelta():
            return value * 2
        case int():
            return value + 1
        case tuple():
            return (*value, "other")
    return f"{value or ''}x"


def test_every_field_of_a_site_has_its_key(site: Site) -> None:
    """A setting that somebody adds is named when it changes; each key stands in the file."""
    assert {field.name for field in fields(Site)} - {"limits"} == KEYS.keys()
    text = settings_text("pusterla.example", 8443)
    for place in KEYS.values():
        section, _, key = place.partition(".")
        assert f"[{section}]" in text
        assert f"{key} = " in text


def test_nothing_changed_is_no_key(site: Site) -> None:
    """Equal settings have no difference."""
    assert changed_keys(site, replace(site)) == ()


@pytest.mark.parametrize("name", [*KEYS])
def test_a_changed_setting_is_named(site: Site, name: str) -> None:
    """By its key, and no other."""
    changed = replace(site, **{name: other(getattr(site, name))})
    assert changed_keys(site, changed) == (KEYS[name],)
    later = changed_keys(keep_fixed(site, changed), changed)
    assert later == ((KEYS[name],) if KEYS[name] in FIXED else ())


@pytest.mark.parametrize("name", [field.name for field in fields(Limits)])
def test_a_changed_limit_is_named_and_never_waits(site: Site, name: str) -> None:
    """Every limit can change while a site runs."""
    limits = replace(site.limits, **{name: other(getattr(site.limits, name))})
    changed = replace(site, limits=limits)
    assert changed_keys(site, changed) == (f"limits.{name}",)
    assert keep_fixed(site, changed) == changed
