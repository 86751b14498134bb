"""The one place that makes errors."""

import asyncio
import logging
from pathlib import Path

import pytest
from aiohttp import web

from gateway.core.audit import AuditKind
from gateway.core.headers import EDGE_ADDRESS, EDGE_FINGERPRINT, EDGE_LISTENER, Listener
from gateway.portal.app import make_app
from tests.gateway.portal.house import ADDRESS, NUMBER, House


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


@pytest.mark.parametrize(
    "door,path,kind",
    [
        (Listener.PORTAL, "/sign-in", "application/x-www-form-urlencoded"),
        (Listener.PUBLIC, "/ocsp", "application/ocsp-request"),
    ],
)
async def test_what_is_broken_off_is_no_fault_of_ours(
    house: House,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    door: Listener,
    path: str,
    kind: str,
) -> None:
    """As by a double click, or by a stranger: no error in the log, and no attempt is counted."""
    # As in earnest: a test's server would end the handler instead.
    runner = web.AppRunner(make_app(house.services()))
    await runner.setup()
    socket = str(tmp_path / "socket")
    await web.UnixSite(runner, socket).start()
    fields = {
        "Host": "pusterla.localhost:8443",
        EDGE_LISTENER: door.value,
        EDGE_ADDRESS: ADDRESS,
        "Content-Type": kind,
        "Content-Length": "100",
    }
    if door is Listener.PORTAL:
        fields[EDGE_FINGERPRINT] = house.sticks["stick-1"]
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    with caplog.at_level(logging.INFO):
        _, writer = await asyncio.open_unix_connection(socket)
        writer.write(f"POST {path} HTTP/1.1\r\n{head}\r\nhalf".encode())
        await writer.drain()
        await asyncio.sleep(0.2)
        writer.transport.abort()
        # It waits for what is under way.
        await runner.cleanup()
    assert f"POST {path}: broken off" in caplog.text
    assert [one.message for one in caplog.records if one.levelno > logging.INFO] == []
    assert await house.failures() == []


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
