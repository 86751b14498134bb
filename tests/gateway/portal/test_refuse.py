"""The one place that makes errors."""

import logging

import pytest

from gateway.core.audit import AuditKind
from gateway.core.headers import Listener
from tests.gateway.portal.house import NUMBER, House


async def test_a_browser_gets_a_page_and_a_program_a_line(house: House) -> None:
    """Both are told the same, each in its way."""
    page = await house.get("/nowhere", Accept="text/html")
    line = await house.get("/nowhere", Accept="*/*")
    assert page.content_type == "text/html"
    assert line.content_type == "text/plain"
    assert await line.text() == f"404 not-found: There is no such page (Request id {NUMBER})\n"


async def test_the_page_comes_in_the_browsers_language(house: House) -> None:
    """Italian for those who prefer it."""
    page = await house.get("/nowhere", Accept_Language="it")
    assert "Questa pagina non esiste" in await page.text()
    assert page.headers["Content-Language"] == "it"


async def test_a_fault_of_ours_says_nothing_but_that(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """A secret that does not open ends in 500 without detail; the log has it all."""
    await house.store.set_totp("anna", b"not sealed by anybody" * 3)
    with caplog.at_level(logging.ERROR):
        response = await house.sign_in()
    html = await response.text()
    assert response.status == 500
    assert "anna" not in html
    assert "Traceback" not in html
    assert "SealBroken" in caplog.text
    assert await house.audit(AuditKind.SIGNED_IN) == []


async def test_a_store_that_is_gone_is_503(house: House) -> None:
    """Nothing is concluded from silence, on any door."""
    house.break_store()
    for response in (
        await house.get("/"),
        await house.ask("GET", "/", listener=Listener.PUBLIC),
        await house.ask("GET", "/crl/issuing-1.crl", listener=Listener.PLAIN_HTTP),
    ):
        assert response.status == 503
        assert response.headers["Retry-After"] == "30"


@pytest.mark.parametrize(
    "given", ["", "<script>", "K3V7QH2A-1F", "bvqflyq-k3v7qh2-1f, bvqflyq-k3v7qh2-2"]
)
async def test_what_is_no_id_is_not_shown(house: House, given: str) -> None:
    """The edge sends no such thing; if anybody did, it would not get onto the page."""
    response = await house.ask("GET", "/nowhere", headers={"X-Request-Id": given})
    assert response.status == 404
    assert "X-Request-Id" not in response.headers
    assert "Request id" not in await response.text()
