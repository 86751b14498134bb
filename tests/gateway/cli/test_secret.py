import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.cli.runner import Runner

ADD = ("user", "add", "anna", "--password-stdin")


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\nsecond line\n"])
def test_the_secret_is_the_first_line(pusterla: Runner, end: str) -> None:
    """With whatever end, and with the spaces inside and around it."""
    pusterla.done(*ADD, stdin=" spaces count too " + end)


@pytest.mark.parametrize("text", ["", "\n"])
def test_an_empty_secret_is_refused(pusterla: Runner, text: str) -> None:
    """The option is named."""
    assert "--password-stdin" in pusterla.refused(*ADD, stdin=text)


def test_a_secret_that_would_be_cut_off_is_refused(pusterla: Runner) -> None:
    """What is left of it would be a secret that nobody knows."""
    assert pusterla.refused(*ADD, stdin="x" * 10_000) == "the secret on stdin is too long"


def test_a_secret_that_is_not_utf_8_is_refused(pusterla: Runner) -> None:
    """It could not be typed in a browser."""
    words = ["--site", str(pusterla.site), *ADD]
    done = subprocess.run(
        [sys.executable, "-c", "from gateway.cli import main; main()", *words],
        input=b"caff\xe8 della mattina",
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == b"pusterla: the secret on stdin is not UTF-8\n"


ADD_ANNA = ("user", "add", "anna")


def typed(site: Path, *lines: str, command: tuple[str, ...] = ADD_ANNA) -> tuple[int, str]:
    """Run *command* at a terminal, type *lines* when asked, and return status and screen."""
    master, slave = pty.openpty()
    words = ["--site", str(site), *command]
    process = subprocess.Popen(
        [sys.executable, "-c", "from gateway.cli import main; main()", *words],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        # getpass asks the controlling terminal if there is one; here it must be ours.
        start_new_session=True,
    )
    os.close(slave)
    screen = b""
    waiting = list(lines)
    while True:
        try:
            data = os.read(master, 4096)
        except OSError:
            break
        screen += data
        if waiting and data.rstrip().endswith(b":"):
            os.write(master, waiting.pop(0).encode() + b"\n")
    os.close(master)
    return process.wait(10), screen.decode()


def test_at_a_terminal_the_password_is_typed_twice_and_not_shown(pusterla: Runner) -> None:
    """The secret for codes is drawn as a picture there, above its URI."""
    status, screen = typed(pusterla.site, "correct horse battery", "correct horse battery")
    assert status == 0
    assert "Password for anna" in screen
    assert "correct horse" not in screen
    assert "otpauth://totp/" in screen
    assert "█" in screen


def test_two_different_passwords_are_asked_for_again(pusterla: Runner) -> None:
    """Until they are the same."""
    lines = ("correct horse battery", "correct horse batter")
    status, screen = typed(pusterla.site, *lines, lines[0], lines[0])
    assert status == 0
    assert "do not match" in screen


def test_the_passphrase_of_the_ca_is_typed_once_to_sign(pusterla: Runner) -> None:
    """Twice when it is new; what is typed does not show, and a wrong one signs nothing."""
    secret = "the passphrase of the CA"
    status, screen = typed(pusterla.site, secret, secret, command=("ca", "encrypt"))
    assert status == 0, screen
    status, screen = typed(pusterla.site, "something else", command=("crl", "publish"))
    assert status == 1
    assert "the passphrase does not open" in screen
    status, screen = typed(pusterla.site, secret, command=("crl", "publish"))
    assert status == 0, screen
    assert "Passphrase of" in screen
    assert secret not in screen
