"""Letters that wait, are tried again, and are written down when they are lost."""

import asyncio
import logging
import socket
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.ports import StoreUnavailable
from gateway.core.site import Encryption, Mail, Site
from gateway.mail.letters import Letter, trial_letter
from gateway.mail.posting import MailServer
from gateway.mail.postman import FINISH_SECONDS, QUEUE, Postman
from tests.gateway.mail.server import mail_server
from tests.gateway.portal.house import SITE

TO = ("helpdesk@example.it",)
QUICK = (0.05, 0.1, 0.2)


def site_of(port: int) -> Site:
    """Return a site whose mail server is on loopback."""
    mail = Mail(
        server="127.0.0.1", port=port, encryption=Encryption.NONE, from_="pusterla@example.it"
    )
    return replace(SITE, mail=mail)


class Office:
    """A postman, and what was written down of letters."""

    def __init__(self, port: int, waits: Sequence[float] = QUICK) -> None:
        self.site = site_of(port)
        self.events: list[AuditEvent] = []
        self.away = False
        self.postman = Postman(
            lambda: self.site,
            lambda: MailServer(self.site.mail, own_name=self.site.host),
            self.record,
            lambda: datetime.now(UTC),
            waits,
        )

    @property
    def letter(self) -> Letter:
        """A letter to send."""
        return trial_letter(self.site, TO)

    async def record(self, event: AuditEvent) -> None:
        """Write down, as the store does, unless it is away."""
        if self.away:
            raise StoreUnavailable("away")
        self.events.append(event)

    async def wait_for(self, count: int) -> None:
        """Wait until so many events were written down."""
        async with asyncio.timeout(20):
            while len(self.events) < count:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)


def free_port() -> int:
    """Return a port on which nobody listens."""
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def test_a_letter_is_delivered_and_written_down(tmp_path: Path) -> None:
    """To whom and about what; nothing of what it says."""
    async with mail_server(tmp_path, kind="none") as box:
        office = Office(box.port)
        async with office.postman.at_work():
            office.postman.take(office.letter)
            await office.wait_for(1)
        assert len(box.letters) == 1
    [event] = office.events
    assert (event.kind, event.reason) == (AuditKind.MAIL_SENT, "")
    assert event.detail == {"about": "test", "to": "helpdesk@example.it"}


async def test_a_server_that_is_away_is_asked_again(tmp_path: Path) -> None:
    """The letter arrives once, when it is back."""
    port = free_port()
    office = Office(port, (0.5, 0.5, 0.5))
    async with office.postman.at_work():
        office.postman.take(office.letter)
        await asyncio.sleep(0.2)
        async with mail_server(tmp_path, kind="none", port=port) as box:
            await office.wait_for(1)
            assert len(box.letters) == 1
    assert [event.kind for event in office.events] == [AuditKind.MAIL_SENT]


async def test_a_letter_that_was_put_off_keeps_its_number(tmp_path: Path) -> None:
    """Whoever gets it twice after all sees that it is one (RFC 5322, section 3.6.4)."""
    async with mail_server(tmp_path, kind="none") as box:
        box.refusals += ["451 later", "451 later"]
        office = Office(box.port)
        async with office.postman.at_work():
            office.postman.take(office.letter)
            office.postman.take(office.letter)
            await office.wait_for(2)
        assert len({letter["Message-ID"] for letter in box.letters}) == 2
        assert box.came == 4


async def test_after_some_tries_it_is_lost_and_that_is_written_down() -> None:
    """The log says why each time, the audit log at the end."""
    office = Office(free_port())
    async with office.postman.at_work():
        office.postman.take(office.letter)
        await office.wait_for(1)
    [event] = office.events
    assert (event.kind, event.reason) == (AuditKind.MAIL_FAILED, "not-reached")


async def test_what_was_refused_for_good_is_not_tried_again(tmp_path: Path) -> None:
    """It would be again."""
    async with mail_server(tmp_path, kind="none") as box:
        box.refusals.append("554 not with us")
        office = Office(box.port)
        async with office.postman.at_work():
            office.postman.take(office.letter)
            await office.wait_for(1)
        assert box.came == 1
    assert [event.reason for event in office.events] == ["refused"]


async def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    """Nobody is connected to for it, and the postman goes on."""
    async with mail_server(tmp_path, kind="none") as box:
        office = Office(box.port)
        async with office.postman.at_work():
            office.postman.take(replace(office.letter, to=("a\r\nBcc: b@example.it",)))
            office.postman.take(office.letter)
            await office.wait_for(2)
        assert len(box.letters) == 1
    assert [event.reason for event in office.events] == ["refused", ""]


async def test_the_queue_has_an_end() -> None:
    """What is too much is written down as lost at once."""
    office = Office(free_port(), (3600.0,))
    async with office.postman.at_work():
        for _ in range(QUEUE + 3):
            office.postman.take(office.letter)
        await office.wait_for(3)
        assert {event.reason for event in office.events} == {"queue-full"}
    assert len(office.events) == QUEUE + 3


async def test_the_end_waits_a_little_and_no_longer() -> None:
    """What waits for another try has it at once; then it is lost, and written down."""
    office = Office(free_port(), (3600.0, 3600.0))
    before = time.monotonic()
    async with office.postman.at_work():
        office.postman.take(office.letter)
        await asyncio.sleep(0.1)
    assert time.monotonic() - before < FINISH_SECONDS
    assert [event.reason for event in office.events] == ["not-reached"]


async def test_a_server_that_says_nothing_does_not_keep_the_end() -> None:
    """It is waited for for so long, and then no more."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        # Nobody accepts: the kernel connects, and no greeting comes.
        office = Office(listener.getsockname()[1])
        before = time.monotonic()
        async with office.postman.at_work():
            office.postman.take(office.letter)
            await asyncio.sleep(0.1)
    assert time.monotonic() - before < FINISH_SECONDS + 5
    assert [event.reason for event in office.events] == ["stopped"]


async def test_a_store_that_is_away_does_not_end_the_postman(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has it then."""
    async with mail_server(tmp_path, kind="none") as box:
        office = Office(box.port)
        office.away = True
        with caplog.at_level(logging.ERROR):
            async with office.postman.at_work():
                office.postman.take(office.letter)
                await box.wait_for(1)
        assert "what became of a letter about test" in caplog.text


async def test_a_letter_that_comes_too_late_is_said_to_be_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After the end nobody delivers any more."""
    office = Office(free_port())
    async with office.postman.at_work():
        pass
    with caplog.at_level(logging.ERROR):
        office.postman.take(office.letter)
    assert "too late" in caplog.text
