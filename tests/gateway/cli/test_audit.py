import json
import os
import select
import signal
import sqlite3
import subprocess
import sys

from gateway.cli.main import INTERRUPTED
from tests.gateway.cli.runner import Runner


def test_the_newest_lines_are_shown(pusterla: Runner) -> None:
    """Oldest first, as many as asked for."""
    for user in ("anna", "bruno", "carla"):
        pusterla.add_user(user)
    lines = pusterla.json("audit", "tail", "-n", "2")
    assert [(line["kind"], line["user"]) for line in lines] == [
        ("user-added", "bruno"),
        ("user-added", "carla"),
    ]
    text = pusterla.done("audit", "tail", "-n", "1").stdout
    assert len(text.splitlines()) == 1
    assert "user-added" in text
    assert "user=carla by=command:" in text


def test_the_chain_is_verified(pusterla: Runner) -> None:
    """It holds on a site that nobody has tampered with."""
    result = pusterla.done("audit", "tail", "--verify")
    assert "the chain holds" in result.stderr


def test_a_changed_line_is_found(pusterla: Runner) -> None:
    """The status is 1 and the line is named."""
    pusterla.add_user("anna")
    with sqlite3.connect(pusterla.site / "store" / "pusterla.sqlite3") as database:
        database.execute("UPDATE audit SET event = replace(event, 'anna', 'emma')")
    database.close()
    reason = pusterla.run("audit", "tail", "--verify")
    assert reason.exit_code == 1
    assert "the audit log has been changed: line 3" in reason.stderr
    assert reason.stdout == ""


def test_following_shows_what_comes_and_ends_without_a_traceback(pusterla: Runner) -> None:
    """Each line a JSON document; Ctrl-C is no failure of its own."""
    words = ["--site", str(pusterla.site), "audit", "tail", "-n", "1", "--follow", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from gateway.cli import main; main()", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            first = json.loads(process.stdout.readline())
            assert first["kind"] == "crl-published"
            pusterla.add_user("anna")
            ready, _, _ = select.select([process.stdout], [], [], 10)
            assert ready
            line = json.loads(process.stdout.readline())
            assert (line["kind"], line["number"]) == ("user-added", first["number"] + 1)
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == INTERRUPTED
            assert process.stderr.read().strip() == ""
        finally:
            process.kill()
