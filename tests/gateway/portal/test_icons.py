"""Pictures of applications are served as pictures, to whoever has the application."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.config.icons import read_icon
from gateway.core.headers import Listener
from gateway.core.site import Icon
from gateway.portal.icons import icon_path
from tests.gateway.config.pictures import DRAWING, png
from tests.gateway.portal.house import APPLICATIONS, House


@pytest.fixture
def icon(house: House, tmp_path: Path) -> Icon:
    """Give every application a picture."""
    (tmp_path / "icon.svg").write_bytes(DRAWING)
    icon = read_icon(tmp_path, "icon.svg")
    house.applications = {name: replace(one, icon=icon) for name, one in house.applications.items()}
    return icon


async def test_a_picture_can_do_nothing_else(house: House, icon: Icon) -> None:
    """Whoever opens an SVG by its address gets a document without scripts or anything to fetch."""
    path = icon_path(house.applications["wiki"])
    response = await house.get(path, await house.signed_in())
    assert (response.status, await response.read()) == (200, DRAWING)
    assert response.headers["Content-Type"] == "image/svg+xml"
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert policy.endswith("; sandbox")
    assert "script-src" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "private, max-age=31536000, immutable"


async def test_it_is_served_as_what_it_is(house: House, icon: Icon) -> None:
    """Told by its bytes."""
    Path(icon.path).write_bytes(png())
    other = read_icon(Path(icon.path).parent, "icon.svg")
    house.applications["wiki"] = replace(APPLICATIONS["wiki"], icon=other)
    path = icon_path(house.applications["wiki"])
    assert path != icon_path(replace(APPLICATIONS["wiki"], icon=icon)), "another name in caches"
    response = await house.get(path, await house.signed_in())
    assert response.headers["Content-Type"] == "image/png"


@pytest.mark.parametrize("data", [b"<html><script>alert(1)</script></html>", None])
async def test_a_file_that_has_changed_is_not_served(
    house: House, icon: Icon, data: bytes | None
) -> None:
    """What nobody has judged yet, or what is gone."""
    path, session = icon_path(house.applications["wiki"]), await house.signed_in()
    if data is None:
        Path(icon.path).unlink()
    else:
        Path(icon.path).write_bytes(data)
    assert (await house.get(path, session)).status == 404


async def test_nobody_sees_that_of_what_is_not_theirs(house: House, icon: Icon) -> None:
    """Not even by its right name; nor without a session, nor by the other doors."""
    session = await house.signed_in()
    wiki, payroll = (icon_path(house.applications[name]) for name in ("wiki", "payroll"))
    assert (await house.get(payroll, session)).status == 404
    assert (await house.get(wiki)).status == 404
    assert (await house.ask("GET", wiki, listener=Listener.PUBLIC)).status == 404
    for name in ("/icons/wiki", "/icons/wiki.0000000000000000", "/icons/nothing.0", "/icons/"):
        assert (await house.get(name, session)).status == 404
