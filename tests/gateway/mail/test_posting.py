"""One letter and a real mail server, with and without TLS."""

import socket
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.core.site import Encryption, Mail
from gateway.mail.letters import message_of, trial_letter
from gateway.mail.posting import MailServer, PostFailed, post
from tests.gateway.mail.server import (
    PASSWORD,
    USER,
    Letterbox,
    mail_server,
    write_certificate,
)
from tests.gateway.portal.house import SITE

TO = ("helpdesk@example.it", "giulia@example.it")


async def send(port: int, ca: Path | None, kind: str, password: str = "") -> None:
    """Send one letter."""
    mail = Mail(
        server="127.0.0.1",
        port=port,
        encryption=Encryption(kind),
        user=USER if password else None,
        from_="pusterla@example.it",
    )
    site = replace(SITE, mail=mail)
    message = message_of(trial_letter(site, TO), site, datetime.now(UTC), "4711")
    server = MailServer(mail, own_name=site.host, ca=ca, password=lambda: password or None)
    await post(server, message, TO)


def check(box: Letterbox, *, encrypted: bool) -> None:
    """See that the letter has arrived whole."""
    [letter], [envelope] = box.letters, box.envelopes
    assert box.encrypted == [encrypted]
    assert envelope.mail_from == "pusterla@example.it"
    assert envelope.rcpt_tos == [*TO]
    assert "la posta di Pusterla" in letter.get_content()


async def test_by_starttls(tmp_path: Path) -> None:
    """The usual way: nothing but the greeting goes in plain."""
    async with mail_server(tmp_path) as box:
        await send(box.port, write_certificate(tmp_path), "starttls")
        check(box, encrypted=True)


async def test_by_tls_from_the_start(tmp_path: Path) -> None:
    """Port 465 of many."""
    async with mail_server(tmp_path, kind="tls") as box:
        await send(box.port, write_certificate(tmp_path), "tls")
        assert len(box.letters) == 1


async def test_without_tls_on_this_machine(tmp_path: Path) -> None:
    """Where the settings say so."""
    async with mail_server(tmp_path, kind="none") as box:
        await send(box.port, None, "none")
        check(box, encrypted=False)


async def test_a_server_without_starttls_gets_nothing(tmp_path: Path) -> None:
    """Somebody in between may have taken it out of its greeting."""
    async with mail_server(tmp_path, kind="none") as box:
        with pytest.raises(PostFailed, match="STARTTLS"):
            await send(box.port, write_certificate(tmp_path), "starttls")
        assert box.came == 0


@pytest.mark.parametrize("kind", ["starttls", "tls"])
async def test_a_server_that_nobody_vouches_for_gets_nothing(tmp_path: Path, kind: str) -> None:
    """Its certificate is not of those whom this machine believes."""
    async with mail_server(tmp_path, kind=kind) as box:
        with pytest.raises(PostFailed, match="certificate verify failed"):
            await send(box.port, None, kind)
        assert box.came == 0


async def test_with_name_and_password(tmp_path: Path) -> None:
    """And with a wrong one it is refused for good, without telling it."""
    async with mail_server(tmp_path, auth=True) as box:
        ca = write_certificate(tmp_path)
        await send(box.port, ca, "starttls", PASSWORD)
        check(box, encrypted=True)
        with pytest.raises(PostFailed) as raised:
            await send(box.port, ca, "starttls", "another password")
        assert raised.value.for_good
        assert "another password" not in str(raised.value)


@pytest.mark.parametrize("answer,for_good", [("451 come again", False), ("554 not with us", True)])
async def test_a_refusal_says_whether_it_is_for_good(
    tmp_path: Path, answer: str, for_good: bool
) -> None:
    """By the server's number (RFC 5321, section 4.2.1)."""
    async with mail_server(tmp_path, kind="none") as box:
        box.refusals.append(answer)
        with pytest.raises(PostFailed, match=answer) as raised:
            await send(box.port, None, "none")
        assert raised.value.for_good is for_good


@pytest.mark.parametrize("unwelcome", [TO[:1], TO])
async def test_whom_the_server_refuses_is_named(tmp_path: Path, unwelcome: tuple[str, ...]) -> None:
    """The others have it, and do not get it twice."""
    async with mail_server(tmp_path, kind="none") as box:
        box.unwelcome.update(unwelcome)
        with pytest.raises(PostFailed, match=unwelcome[0]) as raised:
            await send(box.port, None, "none")
        assert raised.value.for_good
        assert len(box.envelopes) == (len(unwelcome) < len(TO))


async def test_whoever_is_refused_for_a_while_is_tried_again(tmp_path: Path) -> None:
    """As servers do with whom they do not know yet (greylisting, RFC 6647)."""
    async with mail_server(tmp_path, kind="none") as box:
        box.unwelcome.update(TO)
        box.unwelcome_with = "450 come again"
        with pytest.raises(PostFailed, match="come again") as raised:
            await send(box.port, None, "none")
        assert not raised.value.for_good


async def test_a_server_that_is_away_is_named() -> None:
    """Another try may find it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(PostFailed, match=f"127.0.0.1, port {port}") as raised:
            await send(port, None, "none")
    assert not raised.value.for_good


async def test_without_a_server_nothing_is_sent() -> None:
    """That is said, and trying again would not help."""
    message = message_of(
        trial_letter(replace(SITE, mail=Mail(from_="a@example.it")), TO),
        replace(SITE, mail=Mail(from_="a@example.it")),
        datetime.now(UTC),
        "4711",
    )
    with pytest.raises(PostFailed, match="no mail server"):
        await post(MailServer(Mail(), own_name="x"), message, TO)
