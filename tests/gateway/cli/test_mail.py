"""pusterla mail test, with a real mail server."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.gateway.cli.runner import Runner
from tests.gateway.mail.server import Letterbox, mail_server


@contextmanager
def server(folder: Path) -> Iterator[Letterbox]:
    """Run a mail server beside the command, which has an event loop of its own."""
    ready, done = threading.Event(), threading.Event()
    boxes: list[Letterbox] = []

    async def serve() -> None:
        async with mail_server(folder, kind="none") as box:
            boxes.append(box)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        yield boxes[0]
    finally:
        done.set()
        thread.join()


def set_mail(pusterla: Runner, **keys: object) -> None:
    """Write a [mail] section; what `init` writes of it is comments."""
    lines = "".join(f"{key.rstrip('_')} = {value!r}\n" for key, value in keys.items())
    file = pusterla.site / "pusterla.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("[mail]\n", f"[mail]\n{lines}"), encoding="utf-8")


def mail_keys(port: int) -> dict[str, object]:
    """Return the keys of a site whose mail server is on this machine."""
    return {
        "server": "127.0.0.1",
        "port": port,
        "encryption": "none",
        "from_": "pusterla@example.it",
    }


def test_a_letter_goes_to_the_administrators_or_to_whom_is_named(
    pusterla: Runner, tmp_path: Path
) -> None:
    """And the answer says to whom."""
    with server(tmp_path) as box:
        set_mail(pusterla, **mail_keys(box.port), administrators=["helpdesk@example.it"])
        assert pusterla.json("mail", "test") == {"to": ["helpdesk@example.it"]}
        result = pusterla.done("mail", "test", "--to", "anna@example.it")
        assert result.stdout == "taken by the mail server, for anna@example.it\n"
        assert [letter["To"] for letter in box.letters] == [
            "helpdesk@example.it",
            "anna@example.it",
        ]
        assert "pusterla.localhost" in box.letters[0].get_content()


def test_what_the_server_says_is_said(pusterla: Runner, tmp_path: Path) -> None:
    """In one line, with status 1."""
    with server(tmp_path) as box:
        box.refusals.append("554 not with us")
        set_mail(pusterla, **mail_keys(box.port), administrators=["helpdesk@example.it"])
        assert "554 not with us" in pusterla.refused("mail", "test")
    assert f"port {box.port}" in pusterla.refused("mail", "test")


def test_without_a_server_or_somebody_to_write_to(pusterla: Runner) -> None:
    """The way out is named; an address that is none is refused before anybody is asked."""
    assert "[mail] in pusterla.toml" in pusterla.refused("mail", "test")
    set_mail(pusterla, **mail_keys(9))
    assert "administrators" in pusterla.refused("mail", "test")
    assert "not a mail address" in pusterla.refused("mail", "test", "--to", "anna")
