"""A renewal that is killed at any line of those that decide the order of effects."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.gateway.cli.runner import PASSPHRASE, Runner

# Ends itself, as a power cut would, before the Nth line of these functions.
KILLED = """
import os, signal, sys
left = int(sys.argv[1])
WATCHED = {"enrol", "_enrol_into", "succeed", "refuse_unfit", "record_certificate", "issued"}
def trace(frame, event, argument):
    global left
    if frame.f_code.co_name not in WATCHED:
        return None
    if event == "line":
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return trace
from gateway.cli import main
import gateway.bootstrap.renewing
sys.settrace(trace)
main(sys.argv[2:])
"""
STRIDE = 4


def killed_at(pusterla: Runner, step: int) -> bool:
    """Renew in a process that is killed at *step*; say whether there was no such step any more."""
    file = pusterla.site.parent / "new.p12"
    words = ["--site", str(pusterla.site), "cert", "renew", "anna", "--device", "stick-1"]
    words += ["--p12", str(file), "--p12-password-stdin", "--overlap", "1d"]
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, str(step), *words],
        input=PASSPHRASE.encode(),
        capture_output=True,
        check=False,
    )
    assert ran.returncode in {0, -signal.SIGKILL}, ran.stderr.decode()
    return ran.returncode == 0


def test_an_old_one_is_never_to_be_superseded_by_nothing(pusterla: Runner, tmp_path: Path) -> None:
    """It is as it was, or its successor is recorded; never is there one that nobody recorded."""
    pusterla.add_user("anna")
    old = pusterla.issue()["serial"]
    template, seen, step, ended = tmp_path / "template", set(), 1, False
    shutil.copytree(pusterla.site, template)
    while not ended:
        shutil.rmtree(pusterla.site)
        shutil.copytree(template, pusterla.site)
        (tmp_path / "new.p12").unlink(missing_ok=True)
        ended = killed_at(pusterla, step)
        step += STRIDE
        certificates = {one["serial"]: one for one in pusterla.json("cert", "list")}
        assert certificates[old]["state"] == "valid"
        new = [one for one in certificates.values() if one["renews"] == old]
        assert [one["state"] for one in new] == ["valid"] * len(new)
        assert len(new) == (certificates[old]["supersede_at"] is not None)
        issued = [
            one for one in pusterla.audit("certificate-issued") if one["detail"].get("renews")
        ]
        assert [one["serial"] for one in issued] == [one["serial"] for one in new]
        seen.add(json.dumps([len(new), len(certificates)]))
    # Nothing yet; a serial that is reserved and unused; the renewal whole.
    assert seen == {"[0, 1]", "[0, 2]", "[1, 2]"}
