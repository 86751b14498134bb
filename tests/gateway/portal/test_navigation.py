"""The row at the top of every page for those who are signed in."""

import pytest

from gateway.portal.doors import PORTAL
from gateway.portal.messages import MESSAGES
from gateway.portal.navigation import PLACES, Place
from tests.gateway.portal.asks import asking
from tests.gateway.portal.house import House


@pytest.mark.parametrize("place", PLACES)
async def test_every_place_leads_somewhere_and_says_where_one_is(
    house: House, place: Place
) -> None:
    """Each is a page behind the portal's door, has words, and marks itself and no other."""
    assert "GET" in PORTAL[place.path]
    assert place.key in MESSAGES
    asking(house)
    response = await house.get(place.path, await house.signed_in())
    html = await response.text()
    assert response.status == 200
    assert html.count('aria-current="page"') == 1
    assert f'<a href="{place.path}" aria-current="page">' in html
    for other in PLACES:
        assert f'<a href="{other.path}"' in html
    assert html.count("<main") == html.count("<h1") == 1
    assert '<form method="post" action="/sign-out">' in html
