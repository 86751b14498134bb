from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.config import Problems
from gateway.config.differences import KEYS, SECTIONS, changed_keys, keep_fixed
from gateway.config.files import parse_site
from gateway.config.template import settings_text
from gateway.core.site import Site

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
    assert {field.name for field in fields(Site)} - SECTIONS.keys() == KEYS.keys()
    text = settings_text("pusterla.example", 8443)
    inside = [
        f"{name}.{each.name.rstrip('_')}"
        for name, kind in SECTIONS.items()
        for each in fields(kind)
    ]
    for place in (*KEYS.values(), *inside):
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


@pytest.mark.parametrize(
    "section, name",
    [(section, field.name) for section, kind in SECTIONS.items() for field in fields(kind)],
)
def test_what_is_in_a_section_of_its_own_is_named_and_never_waits(
    site: Site, section: str, name: str
) -> None:
    """Every limit, and what lists are signed, can change while a site runs."""
    inside = getattr(site, section)
    changed = replace(site, **{section: replace(inside, **{name: other(getattr(inside, name))})})
    assert changed_keys(site, changed) == (f"{section}.{name.rstrip('_')}",)
    assert keep_fixed(site, changed) == changed
