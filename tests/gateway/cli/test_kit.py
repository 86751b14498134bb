import fcntl
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.bootstrap.folder import SiteFolder
from gateway.bootstrap.kit_records import reserve
from tests.gateway.bootstrap.test_browsers import make_browser, zipped
from tests.gateway.cli.runner import Runner

PRIMARY = "cavallo batteria graffetta"
NEW = "una password tutta nuova"
REASON = ("--reason", "keyCompromise")


@pytest.fixture
def anna(pusterla: Runner) -> Runner:
    """A site with Anna, the application wiki, and one more."""
    pusterla.add_user("anna")
    pusterla.add_app("wiki")
    pusterla.add_app("crm")
    return pusterla


def build(anna: Runner, *words: str, name: str = "kit") -> dict[str, Any]:
    """Build a kit beside the site."""
    answer: dict[str, Any] = anna.json(*building(anna, *words, name=name), stdin=PRIMARY)
    return answer


def building(anna: Runner, *words: str, name: str = "kit") -> tuple[str, ...]:
    """Return the words that build a kit."""
    out = str(anna.site.parent / name)
    return ("kit", "build", "anna", "--out", out, "--password-stdin", *words)


def states(runner: Runner) -> list[str]:
    """Return the states of all certificates, oldest first."""
    return [one["state"] for one in runner.json("cert", "list")]


def begun(runner: Runner) -> list[Path]:
    """Return what is written down as begun."""
    return list((runner.site / "keys" / "ca" / "kits").glob("*.begun"))


def left(runner: Runner) -> list[str]:
    """Return what lies beside the site, hidden or not."""
    return sorted(path.name for path in runner.site.parent.iterdir() if path != runner.site)


# -------------------------------------------------------------------- building


def test_one_step_makes_a_kit_and_its_certificate(anna: Runner) -> None:
    """On a device of its own, recorded and audited; nothing half-made lies about."""
    answer = build(anna)
    folder = Path(answer["kit"])
    assert (answer["device"], answer["state"]) == ("stick-1", "valid")
    assert answer["hosts"] == [
        *("pusterla.localhost", "crm.pusterla.localhost", "wiki.pusterla.localhost")
    ]
    assert {path.name for path in folder.iterdir()} == {
        *("profile", "manifest.json", "LEGGIMI.txt", "README.txt"),
        *("start.cmd", "start-linux.sh", "start-macos.command"),
    }
    assert left(anna) == ["kit"]
    assert begun(anna) == []
    (line,) = anna.audit("kit-built")
    assert (line["user"], line["device"]) == ("anna", "stick-1")
    assert line["serial"] == answer["serial"]


def test_only_its_owner_reads_it(anna: Runner) -> None:
    """Until it is on the stick, where there are no owners."""
    folder = Path(build(anna)["kit"])
    for path in (folder, *folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_each_stick_is_another_device(anna: Runner) -> None:
    """The next number that was never given, or the name that is wished."""
    anna.issue("anna", "stick-2")
    assert build(anna, name="a")["device"] == "stick-1"
    assert build(anna, name="b")["device"] == "stick-3"
    assert build(anna, "--device", "rossa", name="c")["device"] == "rossa"


def test_two_builds_at_once_are_for_two_devices(anna: Runner) -> None:
    """The next number is given to one of them; a name that is wished twice, too."""
    site = SiteFolder(anna.site)
    with reserve(site, "device anna stick-1") as ours, reserve(site, "device anna rossa"):
        assert ours
        assert build(anna, name="a")["device"] == "stick-2"
        reason = anna.refused(*building(anna, "--device", "rossa", name="b"), stdin=PRIMARY)
        assert "is being built right now" in reason
    assert build(anna, name="c")["device"] == "stick-1"
    assert build(anna, "--device", "rossa", name="d")["device"] == "rossa"


def test_the_certificate_in_the_store_is_the_one_that_was_issued(anna: Runner) -> None:
    """And there is no other of Anna's, nor any key in the open."""
    answer = build(anna, "--apps", "wiki", "--days", "20", "--key-type", "rsa3072")
    folder = Path(answer["kit"])
    assert answer["apps"] == ["wiki"]
    assert "crm.pusterla.localhost" not in answer["hosts"]
    with closing(sqlite3.connect(folder / "profile" / "cert9.db")) as base:
        rows = base.execute("SELECT a3 FROM nssPublic WHERE a0 = x'00000001'").fetchall()
    assert "anna (stick-1)" in [name.decode() for (name,) in rows]
    assert len(rows) == 3, "root, issuing CA, and Anna's"


def test_the_password_is_nowhere(anna: Runner) -> None:
    """Neither in the kit, nor in the site, nor in what was said."""
    result = anna.done(*building(anna), stdin=PRIMARY)
    assert PRIMARY not in result.stdout + result.stderr
    for folder in (anna.site, anna.site.parent / "kit"):
        for path in folder.rglob("*"):
            if path.is_file():
                assert PRIMARY.encode() not in path.read_bytes(), path


def test_a_password_made_by_chance_is_shown_once(anna: Runner) -> None:
    """It opens the store: NSS says so."""
    out = anna.site.parent / "kit"
    words = ("kit", "build", "anna", "--out", str(out), "--generate-password")
    password = anna.json(*words)["password"]
    if shutil.which("certutil") is None:
        pytest.skip("no certutil here (Debian: libnss3-tools)")
    file = anna.site.parent / "password"
    file.write_text(password)
    command = ["certutil", "-K", "-d", f"sql:{out / 'profile'}", "-f", str(file)]
    listed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (listed.returncode, "anna (stick-1)" in listed.stdout) == (0, True), listed.stderr
    for line in anna.json("audit", "tail", "-n", "1000"):
        assert password not in json.dumps(line)
    both = anna.run(*building(anna, "--generate-password", name="other"), stdin=PRIMARY)
    assert both.exit_code == 2


@pytest.mark.parametrize("password", ["short", "", "eleven char"])
def test_a_password_that_does_not_protect_is_refused(anna: Runner, password: str) -> None:
    """Before anything is issued."""
    assert anna.refused(*building(anna), stdin=password + "\n")
    assert states(anna) == []


def test_what_is_there_is_never_overwritten(anna: Runner) -> None:
    """Neither a folder, empty or not, nor a file, nor a link that leads nowhere."""
    place = anna.site.parent / "kit"
    place.mkdir()
    assert "never overwritten" in anna.refused(*building(anna), stdin=PRIMARY)
    place.rmdir()
    place.symlink_to("/nowhere")
    assert "never overwritten" in anna.refused(*building(anna), stdin=PRIMARY)
    words = building(anna, name="not/there/kit")
    assert "is not a folder" in anna.refused(*words, stdin=PRIMARY)
    assert states(anna) == []


def test_nobody_disabled_or_unknown_gets_one(anna: Runner) -> None:
    """Nor an application that is not there."""
    words = [word if word != "anna" else "ann" for word in building(anna)]
    assert "did you mean" in anna.refused(*words, stdin=PRIMARY)
    assert anna.refused(*building(anna, "--apps", "wikki"), stdin=PRIMARY)
    anna.done("user", "disable", "anna")
    assert "disabled" in anna.refused(*building(anna), stdin=PRIMARY)
    assert left(anna) == []


@pytest.mark.parametrize("name", ["Łucja Ñandú", "京子", "نور الهدى", "Zoë 'O\"Neil' & <Söhne>"])
def test_names_of_every_script_are_on_the_stick(pusterla: Runner, name: str) -> None:
    """In the letters, and in the store as NSS reads it."""
    pusterla.done("user", "add", "x", "--name", name, "--password-stdin", stdin="a" * 20)
    out = pusterla.site.parent / "kit"
    words = ("kit", "build", "x", "--out", str(out), "--device", "rossa", "--password-stdin")
    pusterla.done(*words, stdin=PRIMARY)
    assert name in (out / "LEGGIMI.txt").read_text(encoding="utf-8-sig")
    with closing(sqlite3.connect(out / "profile" / "cert9.db")) as base:
        rows = base.execute("SELECT a3 FROM nssPublic WHERE a0 = x'00000001'").fetchall()
    assert f"{name} (rossa)" in [label.decode() for (label,) in rows]


def test_what_a_certificate_would_not_take_is_said_first(anna: Runner) -> None:
    """A device of no name; and of a second certificate on one device the administrator is told."""
    browser = str(make_browser(anna.site.parent / "firefox"))
    words = building(anna, "--device", "a\u202eb", "--browser", browser)
    anna.refused(*words, stdin=PRIMARY)
    assert states(anna) == []
    build(anna, "--device", "rossa", name="a")
    result = anna.done(*building(anna, "--device", "rossa", name="b"), stdin=PRIMARY)
    assert "already, and it goes on" in result.stderr


# -------------------------------------------------------------------- a browser


def test_a_browser_is_bundled_with_its_fence(anna: Runner) -> None:
    """From an archive as from a folder; a policy lets it open the site's pages and no others."""
    folder = make_browser(anna.site.parent / "firefox")
    file = zipped(folder, anna.site.parent / "firefox.zip")
    for name, source in (("a", folder), ("b", file)):
        answer = build(anna, "--browser", str(source), name=name)
        kit = Path(answer["kit"])
        assert answer["browser"] == "browser/firefox.exe"
        assert (kit / "browser" / "omni.ja").read_bytes() == b"omni.ja"
        policy = json.loads((kit / "browser" / "distribution" / "policies.json").read_text())
        assert policy["policies"]["WebsiteFilter"]["Exceptions"] == ["*://*.pusterla.localhost/*"]
        anna.done("kit", "verify", str(kit))


def test_what_is_no_browser_costs_no_certificate(anna: Runner) -> None:
    """And leaves nothing."""
    file = anna.site.parent / "firefox.zip"
    file.write_bytes(b"an installer")
    reason = anna.refused(*building(anna, "--browser", str(file)), stdin=PRIMARY)
    assert "firefox.zip is neither a folder nor a ZIP archive" in reason
    assert states(anna) == []
    assert left(anna) == ["firefox.zip"]


def test_a_browser_that_is_damaged_half_way_leaves_nothing(anna: Runner) -> None:
    """It is copied before the certificate is issued."""
    file = zipped(make_browser(anna.site.parent / "firefox"), anna.site.parent / "f.zip")
    data = bytearray(file.read_bytes())
    place = data.index(b"firefox/omni.ja") + len("firefox/omni.ja")
    data[place : place + 3] = b"\xff\xff\xff"
    file.write_bytes(data)
    reason = anna.refused(*building(anna, "--browser", str(file)), stdin=PRIMARY)
    assert "no kit was built" in reason
    assert states(anna) == []
    assert left(anna) == ["f.zip", "firefox"]
    assert begun(anna) == []


# -------------------------------------------------------------------- verifying


def test_a_kit_that_was_used_and_copied_is_still_whole(anna: Runner) -> None:
    """What a browser leaves in the profile does not count."""
    folder = Path(build(anna)["kit"])
    copy = anna.site.parent / "è copiato"
    shutil.copytree(folder, copy)
    (copy / "profile" / "places.sqlite").write_bytes(b"x")
    (copy / "profile" / "key4.db").write_bytes(b"a new primary password")
    answer = anna.json("kit", "verify", str(copy))
    assert answer["whole"] is True
    assert answer["certificate"]["state"] == "valid"


def test_what_was_changed_on_the_way_is_named(anna: Runner) -> None:
    """Missing, altered and extra; links are no files; and the status says so to programs."""
    folder = Path(build(anna)["kit"])
    (folder / "start.cmd").write_bytes(b"evil")
    (folder / "README.txt").unlink()
    (folder / "autorun.inf").touch()
    (folder / "LEGGIMI.txt").unlink()
    (folder / "LEGGIMI.txt").symlink_to("/etc/passwd")
    (folder / "profile" / "extensions").symlink_to("/tmp")
    os.mkfifo(folder / "pipe")
    result = anna.run("kit", "verify", str(folder), "--json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert answer["missing"] == ["README.txt"]
    assert answer["altered"] == ["LEGGIMI.txt", "start.cmd"]
    assert answer["extra"] == ["autorun.inf", "pipe", "profile/extensions"]
    assert "start.cmd is altered" in result.stderr


def test_whoever_changes_the_manifest_too_is_found_out(anna: Runner) -> None:
    """The site has kept its checksum."""
    folder = Path(build(anna)["kit"])
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace("start.cmd", "start2.cmd"))
    (folder / "start.cmd").rename(folder / "start2.cmd")
    assert "manifest.json is not the one" in refused_check(anna, folder)
    anna.issue("anna", "laptop")
    other = anna.json("cert", "list")[-1]
    old = json.loads(manifest.read_text())
    manifest.write_text(
        manifest.read_text()
        .replace(old["serial"], other["serial"])
        .replace(old["fingerprint"], other["fingerprint"])
    )
    assert "no record of a kit" in refused_check(anna, folder)


def refused_check(runner: Runner, folder: Path) -> str:
    """Return what `kit verify` finds wrong."""
    result = runner.run("kit", "verify", str(folder))
    assert result.exit_code == 1
    return result.stderr


def test_a_folder_that_is_no_kit_is_told_apart(anna: Runner, pusterla: Runner) -> None:
    """None at all, one that is damaged, one of another site."""
    folder = Path(build(anna)["kit"])
    assert "is no kit" in anna.refused("kit", "verify", str(folder / "profile"))
    manifest = folder / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text.replace("pusterla.localhost", "other.example"))
    assert "is a kit of 'other.example'" in anna.refused("kit", "verify", str(folder))
    serial = json.loads(text)["serial"]
    manifest.write_text(text.replace(serial, "\\u0000' OR 1"))
    assert "did not issue" in refused_check(anna, folder)
    manifest.write_text(text.replace(serial, "a" * 4000))
    assert "did not issue" in refused_check(anna, folder)
    (folder / os.fsdecode(b"\xff")).touch()
    assert json.loads(anna.run("kit", "verify", str(folder), "--json").stdout)["extra"] == [r"\xff"]
    manifest.write_bytes(b"\x00" * 100)
    assert "damaged" in anna.refused("kit", "verify", str(folder))
    manifest.unlink()
    os.mkfifo(manifest)
    assert "no plain file" in anna.refused("kit", "verify", str(folder))


def test_a_certificate_that_opens_nothing_any_more_is_a_fault(anna: Runner) -> None:
    """Revoked, or on hold."""
    folder = Path(build(anna)["kit"])
    anna.done("cert", "hold", "--user", "anna", "--device", "stick-1")
    assert "is on hold" in refused_check(anna, folder)
    anna.done("cert", "revoke", "--user", "anna", "--device", "stick-1", *REASON)
    assert "is revoked" in refused_check(anna, folder)


def test_what_is_near_is_a_remark(anna: Runner) -> None:
    """An end within thirty days; applications that came later."""
    folder = Path(build(anna, "--days", "20")["kit"])
    anna.add_app("later")
    result = anna.done("kit", "verify", str(folder))
    assert "ends in 19 days" in result.stderr
    assert "asks once about later.pusterla.localhost" in result.stderr


# -------------------------------------------------------------------- renewing


def renewing(folder: Path, *words: str) -> tuple[str, ...]:
    """Return the words that renew a kit."""
    return ("kit", "renew", str(folder), "--password-stdin", *words)


def test_a_stick_that_comes_back_has_one_new_certificate(anna: Runner) -> None:
    """In the same folder, for the same device and applications; the old one ends after the overlap."""
    old = build(anna, "--apps", "wiki", "--browser", str(make_browser(anna.site.parent / "f")))
    folder = Path(old["kit"])
    (folder / "profile" / "extensions").mkdir()
    (folder / "profile" / "extensions" / "evil.xpi").touch()
    before = (folder / "browser" / "omni.ja").stat().st_ino
    new = anna.json(*renewing(folder, "--overlap", "3d"), stdin=NEW)
    for key in ("user", "device", "apps", "browser"):
        assert new[key] == old[key]
    assert new["renews"] == old["serial"] != new["serial"]
    assert new["renewed"]["state"] == "valid"
    until = datetime.fromisoformat(new["renewed"]["supersede_at"])
    assert abs(until - datetime.now(UTC) - timedelta(days=3)) < timedelta(minutes=1)
    with closing(sqlite3.connect(folder / "profile" / "cert9.db")) as base:
        rows = base.execute("SELECT a3 FROM nssPublic WHERE a0 = x'00000001'").fetchall()
    assert len(rows) == 3, "root, issuing CA, and the new one"
    assert not (folder / "profile" / "extensions").exists()
    assert (folder / "browser" / "omni.ja").stat().st_ino == before
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    assert anna.json("kit", "verify", str(folder))["serial"] == new["serial"]
    assert begun(anna) == []
    (line,) = anna.audit("kit-renewed")
    assert line["detail"]["renews"] == old["serial"]


def test_no_new_certificate_goes_into_a_kit_that_was_changed(anna: Runner) -> None:
    """A launcher that somebody altered would have the new password too."""
    folder = Path(build(anna)["kit"])
    (folder / "start.cmd").write_bytes(b"evil")
    reason = anna.refused(*renewing(folder), stdin=NEW)
    assert "start.cmd is altered" in reason
    assert states(anna) == ["valid"]


def test_what_was_revoked_is_not_given_back(anna: Runner) -> None:
    """As with `cert renew`."""
    folder = Path(build(anna)["kit"])
    anna.done("cert", "revoke", "--user", "anna", "--device", "stick-1", *REASON)
    assert "is revoked" in anna.refused(*renewing(folder), stdin=NEW)


def test_a_renewal_that_fails_leaves_the_kit_as_it_was(anna: Runner) -> None:
    """The new certificate is revoked, the old one goes on."""
    folder = Path(build(anna)["kit"])
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    limited = limit(anna, *renewing(folder), size=20_000, stdin=NEW)
    assert limited.returncode == 1
    assert b"nothing was renewed" in limited.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert states(anna) == ["valid", "revoked"]
    anna.done("kit", "verify", str(folder))


def test_two_renewals_of_one_kit_do_not_meet(anna: Runner, tmp_path: Path) -> None:
    """The second is refused, by whatever path it comes; else it would take the first one's files."""
    folder = Path(build(anna)["kit"])
    other = tmp_path / "link"
    other.symlink_to(folder)
    with subprocess.Popen(
        [
            *(sys.executable, "-c", STOPPED, str(int(signal.SIGSTOP)), "1", "_take_place"),
            *("--site", str(anna.site), *renewing(folder)),
        ],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as first:
        assert first.stdin is not None
        first.stdin.write(NEW.encode())
        first.stdin.close()
        os.waitid(os.P_PID, first.pid, os.WSTOPPED)
        reasons = [anna.run(*renewing(path), stdin=NEW).stderr for path in (folder, other)]
        first.send_signal(signal.SIGCONT)
        assert first.wait(60) == 0
    assert all("is being renewed by another command right now" in reason for reason in reasons)
    assert states(anna) == ["valid", "valid"]
    anna.done("kit", "verify", str(folder))
    assert anna.json(*renewing(other), stdin=NEW)["device"] == "stick-1"


# -------------------------------------------------------------------- interrupted


# Files may not grow beyond this: what a disk that is full says comes as an error of the same kind.
LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from gateway.cli import main
import gateway.bootstrap.kits
from gateway.bootstrap import kits
def write(path, content, write=kits.write):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), hard))
    try:
        return write(path, content)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
kits.write = write
main(sys.argv[2:])
"""


def limit(
    runner: Runner, *words: str, size: int, stdin: str
) -> "subprocess.CompletedProcess[bytes]":
    """Run a command whose kit has no room for files of more than *size* octets."""
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(size), "--site", str(runner.site), *words],
        input=stdin.encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )


def test_a_disk_that_is_full_leaves_neither_kit_nor_certificate(anna: Runner) -> None:
    """The certificate that was issued is revoked at once."""
    ran = limit(anna, *building(anna), size=20_000, stdin=PRIMARY)
    assert ran.returncode == 1
    assert b"no kit was built" in ran.stderr
    assert states(anna) == ["revoked"]
    assert left(anna) == []
    assert begun(anna) == []
    build(anna)
    assert states(anna) == ["revoked", "valid"]


STRIDE = 29
EVERYTHING = (
    "build_kit,_build,renew_kit,_renew,all_or_nothing,fill,enrol,_give_name,_take_place,finish,"
    "keep,begin"
)
MOVING = "_take_place,finish"
# Ends, in the way that argv[1] names, before the Nth line of what decides the order of effects.
STOPPED = """
import os, signal, sys
number, left = int(sys.argv[1]), int(sys.argv[2])
WATCHED = sys.argv[3].split(",")
def trace(frame, event, argument):
    global left
    # Others have a function `finish` too.
    if frame.f_code.co_name not in WATCHED or "/policies/" in frame.f_code.co_filename:
        return None
    if event == "line":
        left -= 1
        if left == 0:
            sys.settrace(None)
            os.kill(os.getpid(), number)
    return trace
from gateway.cli import main
import gateway.bootstrap.kit_renewing
# Only what is watched is to be traced, from the first line of the command itself.
sys.settrace(trace)
main(sys.argv[4:])
"""


def stopped(
    runner: Runner,
    number: signal.Signals,
    step: int,
    *words: str,
    stdin: str,
    watched: str = EVERYTHING,
) -> int:
    """Run a command that gets a signal at *step* of what is *watched*; return its status."""
    ran = subprocess.run(
        [
            *(sys.executable, "-c", STOPPED, str(int(number)), str(step), watched),
            *("--site", str(runner.site), *words),
        ],
        input=stdin.encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode in {0, 130, -signal.SIGKILL}, ran.stderr.decode()
    return ran.returncode


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_build_that_is_stopped_anywhere_is_all_or_nothing(
    anna: Runner, tmp_path: Path, number: signal.Signals
) -> None:
    """After the next command there is a kit and its certificate, or neither; never one of them."""
    template, seen, step, status = tmp_path / "template", set(), 1, -1
    shutil.copytree(anna.site, template)
    while status != 0:
        shutil.rmtree(anna.site)
        shutil.copytree(template, anna.site)
        kit = anna.site.parent / "kit"
        shutil.rmtree(kit, ignore_errors=True)
        status = stopped(anna, number, step, *building(anna), stdin=PRIMARY)
        step += STRIDE
        # Any command about kits cleans up, this one too, which finds no kit to look at.
        anna.run("kit", "verify", str(anna.site))
        whole = kit.exists()
        if whole:
            anna.done("kit", "verify", str(kit))
        open_ = [state for state in states(anna) if state == "valid"]
        assert len(open_) == whole
        assert left(anna) == (["kit", "template"] if whole else ["template"])
        assert begun(anna) == []
        seen.add((whole, len(states(anna))))
    assert {(False, 0), (False, 1), (True, 1)} <= seen


@pytest.mark.timeout(300)
@pytest.mark.parametrize("watched, first, stride", [(EVERYTHING, 40, STRIDE), (MOVING, 2, 2)])
def test_a_renewal_that_is_killed_anywhere_leaves_one_kit_or_the_other(
    anna: Runner, tmp_path: Path, watched: str, first: int, stride: int
) -> None:
    """After the next command the kit is whole, and its certificate opens what it opened."""
    old = build(anna)
    kit = Path(old["kit"])
    template, seen, step, status = tmp_path / "template", set(), first, -1
    shutil.copytree(anna.site, template / "site")
    shutil.copytree(kit, template / "kit")
    while status != 0:
        for name, place in (("site", anna.site), ("kit", kit)):
            shutil.rmtree(place)
            shutil.copytree(template / name, place)
        words = renewing(kit)
        status = stopped(anna, signal.SIGKILL, step, *words, stdin=NEW, watched=watched)
        step += stride
        found = anna.json("kit", "verify", str(kit))
        renewed = found["serial"] != old["serial"]
        certificates = {one["serial"]: one["state"] for one in anna.json("cert", "list")}
        assert certificates[found["serial"]] == "valid"
        assert sum(state == "valid" for state in certificates.values()) == 1 + renewed
        assert not [path for path in kit.iterdir() if path.name.startswith(".")]
        assert begun(anna) == []
        seen.add((renewed, len(certificates)))
    assert {(False, 2), (True, 2)} <= seen
    assert ((False, 1) in seen) == (watched == EVERYTHING), "a moving kit has its certificate"


def test_nobody_undoes_what_somebody_is_building(anna: Runner) -> None:
    """The lock is the kernel's: it is there as long as the builder is."""
    build(anna)
    file = anna.site / "keys" / "ca" / "kits" / "0123456789abcdef.begun"
    part = anna.site.parent / ".kit-x"
    part.mkdir()
    document = {
        "user": "anna",
        "device": "stick-9",
        "folder": str(part.with_name("x")),
        "part": str(part),
        "key": "AA==",
        "renewal": False,
    }
    file.write_text(json.dumps(document))
    with file.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        build(anna, name="second")
        assert part.exists()
    result = anna.done(*building(anna, name="third"), stdin=PRIMARY)
    assert "was never finished" in result.stderr
    assert not part.exists()
    assert not file.exists()


def killed_in_a_renewal(anna: Runner, kit: Path, before: str) -> None:
    """Leave a renewal that was killed at the first line of the function *before*."""
    words = renewing(kit)
    status = stopped(anna, signal.SIGKILL, 1, *words, stdin=NEW, watched=before)
    assert status == -signal.SIGKILL


def test_what_cannot_be_removed_is_said_and_stays_written_down(anna: Runner) -> None:
    """Its certificate opens nothing; the next command that can remove it does."""
    old = build(anna)
    kit = Path(old["kit"])
    killed_in_a_renewal(anna, kit, "_take_place")
    away = kit.with_name("away")
    kit.rename(away)
    for _ in range(2):
        said = anna.run("kit", "verify", str(anna.site)).stderr
        assert "could be removed" in said
        assert "is not there" in said
        assert len(begun(anna)) == 1
        assert states(anna) == ["valid", "revoked"]
    away.rename(kit)
    assert anna.json("kit", "verify", str(kit))["serial"] == old["serial"]
    assert begun(anna) == []


def test_a_kit_that_comes_back_when_its_renewal_was_given_up_is_the_old_one(anna: Runner) -> None:
    """Also where the new profile had its place already."""
    old = build(anna)
    kit = Path(old["kit"])
    killed_in_a_renewal(anna, kit, "finish")
    kit.rename(kit.with_name("away"))
    anna.run("kit", "verify", str(anna.site))
    assert states(anna) == ["valid", "revoked"]
    kit.with_name("away").rename(kit)
    assert anna.json("kit", "verify", str(kit))["serial"] == old["serial"]
    assert begun(anna) == []


def test_a_renewal_without_its_profile_is_not_whole(anna: Runner) -> None:
    """Nobody could use its certificate, so it does not stay; the old profile comes back."""
    old = build(anna)
    kit = Path(old["kit"])
    killed_in_a_renewal(anna, kit, "finish")
    shutil.rmtree(kit / "profile")
    assert anna.json("kit", "verify", str(kit))["serial"] == old["serial"]
    assert states(anna) == ["valid", "revoked"]


def test_a_link_that_was_put_into_a_kit_leads_nothing_out_of_it(
    anna: Runner, tmp_path: Path
) -> None:
    """The renewal is undone, and what it would have written elsewhere is not written."""
    browser = str(make_browser(anna.site.parent / "f"))
    kit = Path(build(anna, "--browser", browser)["kit"])
    killed_in_a_renewal(anna, kit, "finish")
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "distribution").mkdir(parents=True)
    shutil.rmtree(kit / "browser")
    (kit / "browser").symlink_to(elsewhere)
    refused_check(anna, kit)
    assert not [path for path in elsewhere.rglob("*") if path.is_file()]
    assert states(anna) == ["valid", "revoked"]


# The first that removes what was there fails, as on a stick that is pulled out for a moment.
FAILING = """
import errno, sys
from gateway.bootstrap import kit_renewing, kit_undoing
def fail(folder):
    raise OSError(errno.EIO, "Input/output error")
kit_renewing.finish = fail
if sys.argv[1] == "twice":
    kit_undoing.finish = fail
from gateway.cli import main
main(sys.argv[2:])
"""


@pytest.mark.parametrize("often", ["once", "twice"])
def test_a_renewal_that_is_whole_is_not_said_to_have_failed(anna: Runner, often: str) -> None:
    """Its new password may have been shown nowhere else; what is left to do is said, and done."""
    kit = Path(build(anna)["kit"])
    ran = subprocess.run(
        [
            *(sys.executable, "-c", FAILING, often, "--site", str(anna.site)),
            *("kit", "renew", str(kit), "--generate-password"),
        ],
        capture_output=True,
        check=False,
        timeout=60,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert "whole all the same" in ran.stderr
    assert "primary password" in ran.stdout
    assert len(begun(anna)) == (often == "twice")
    assert ("could be moved to its place" in ran.stderr) == (often == "twice")
    anna.done("kit", "verify", str(kit))
    assert states(anna) == ["valid", "valid"]
    assert begun(anna) == []
