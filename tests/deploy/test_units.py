import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.core.site import Limits
from gateway.supervisor import PROCESSES

DEPLOY = Path(__file__).parents[2] / "deploy"
SYSTEMD = DEPLOY / "systemd"
SITE = "/var/lib/pusterla"

Unit = dict[str, list[str]]

# What each of the units says, and why it matters.
HARDENING = {
    "NoNewPrivileges": "yes",  # no setuid program helps
    "ProtectSystem": "strict",  # everything is read-only but what is named
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "PrivateIPC": "yes",
    "ProtectClock": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectProc": "invisible",  # not a word about the other processes
    "ProcSubset": "pid",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "RemoveIPC": "yes",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",  # no code that did not come from a file
    "SystemCallArchitectures": "native",
    "SystemCallErrorNumber": "EPERM",
    "UMask": "0007",
    "LimitCORE": "0",  # keys are in memory
    "KillMode": "mixed",  # the supervisor ends its own children, in order
    "Type": "notify",
    "Restart": "always",
}
KEYS_NOT_FOR = {
    "edge": {"ca", "site.key"},
    "portal": {"ca", "edge"},
    "authority": {"edge", "site.key", "cookie.key"},
}
HIDDEN = {
    name: {f"keys/{key}" for key in keys} | {"foreign"} for name, keys in KEYS_NOT_FOR.items()
}
HIDDEN["verifier"] = {"keys"}
# The others live on files and unix sockets.
NETWORKED = {"edge", "verifier"}

each = pytest.mark.parametrize("name", sorted(PROCESSES))


def read_unit(name: str) -> Unit:
    """Return the settings of the unit of process *name*, each with all of its values."""
    unit: Unit = {}
    for line in unit_file(name).read_text().splitlines():
        if line and not line.startswith(("#", "[")):
            key, _, value = line.partition("=")
            unit.setdefault(key, []).append(value)
    return unit


def unit_file(name: str) -> Path:
    """Return the unit file of process *name*."""
    return SYSTEMD / f"pusterla-{name}.service"


def program(name: str) -> str:
    """Return a program of systemd's that judges, or skip where it is missing."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (it comes with systemd)")
    return found


def test_each_process_has_a_unit() -> None:
    """There are as many units as processes."""
    assert {path.name for path in SYSTEMD.glob("*.service")} == {
        f"pusterla-{name}.service" for name in PROCESSES
    }


class TestUnit:
    @each
    def test_every_hardening_key_is_set(self, name: str) -> None:
        """No unit does without one of them."""
        unit = read_unit(name)
        assert {key: unit.get(key) for key in HARDENING} == {
            key: [value] for key, value in HARDENING.items()
        }

    @each
    def test_it_runs_one_process_as_its_own_user(self, name: str) -> None:
        """Each unit is `pusterla serve --only` of one process, and shares but one group."""
        unit = read_unit(name)
        assert unit["ExecStart"] == [
            f"/opt/pusterla/bin/pusterla --site {SITE} serve --only {name}"
        ]
        # The command asks the unit's own supervisor, in a place that is the unit's alone.
        assert unit["ExecReload"] == [f"/opt/pusterla/bin/pusterla --site {SITE} reload"]
        assert unit["RuntimeDirectory"] == [f"pusterla-{name}"]
        assert unit["RuntimeDirectoryMode"] == ["0700"]
        assert unit["User"] == unit["Group"] == [f"pusterla-{name}"]
        assert unit["SupplementaryGroups"] == ["pusterla"]

    @each
    def test_only_the_edge_has_a_capability(self, name: str) -> None:
        """The one that lets it listen on 443; the others have none to lose."""
        unit = read_unit(name)
        expected = "CAP_NET_BIND_SERVICE" if name == "edge" else ""
        assert unit["CapabilityBoundingSet"] == [expected]
        assert unit.get("AmbientCapabilities", [""]) == [expected]

    @each
    def test_keys_of_others_are_not_even_there(self, name: str) -> None:
        """Whatever the modes of the files: what a process must not read, it does not see."""
        hidden = read_unit(name)["InaccessiblePaths"]
        assert set(hidden) == {f"{SITE}/{path}" for path in HIDDEN[name]}

    @each
    def test_it_writes_where_it_must_and_nowhere_else(self, name: str) -> None:
        """All write the store; each what is its own besides: log, socket, lock, lists."""
        more = {
            "edge": {f"{SITE}/log"},
            "portal": {f"{SITE}/run"},
            "authority": {f"{SITE}/keys/ca/lock"},
            "verifier": {f"{SITE}/foreign"},
        }
        expected = {f"{SITE}/store", *more.get(name, set())}
        assert set(read_unit(name)["ReadWritePaths"]) == expected

    @each
    def test_who_needs_none_has_no_network(self, name: str) -> None:
        """The edge serves there and the verifier asks; portal and authority live on files."""
        unit = read_unit(name)
        if name in NETWORKED:
            assert unit["RestrictAddressFamilies"] == ["AF_UNIX AF_INET AF_INET6"]
            assert "PrivateNetwork" not in unit
        else:
            assert unit["RestrictAddressFamilies"] == ["AF_UNIX"]
            assert unit["PrivateNetwork"] == ["yes"]
            assert unit["IPAddressDeny"] == ["any"]

    @each
    def test_system_calls_are_those_of_a_service(self, name: str) -> None:
        """First what a service needs, then without what gives or takes privileges."""
        expected = ["@system-service", "~@privileged @resources"]
        assert read_unit(name)["SystemCallFilter"] == expected

    @each
    def test_systemd_is_more_patient_than_the_supervisor(self, name: str) -> None:
        """The site's own limit of draining is over before systemd kills."""
        patience = int(read_unit(name)["TimeoutStopSec"][0])
        assert patience >= Limits().drain.total_seconds() + 10


class TestJudgement:
    @each
    def test_systemd_finds_no_mistake(self, name: str, tmp_path: Path) -> None:
        """`systemd-analyze verify` reads the unit without a word."""
        analyze = program("systemd-analyze")
        copy = self._with_a_program_that_is_there(name, tmp_path)
        done = subprocess.run(
            [analyze, "verify", "--man=no", "--recursive-errors=no", str(copy)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, "")

    @each
    def test_systemd_calls_it_safe(self, name: str, tmp_path: Path) -> None:
        """Its exposure is at most 2 of 10 for those with a network, 1 for the others."""
        analyze = program("systemd-analyze")
        copy = self._with_a_program_that_is_there(name, tmp_path)
        threshold = 20 if name in NETWORKED else 10
        done = subprocess.run(
            [analyze, "security", "--offline=yes", f"--threshold={threshold}", str(copy)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _with_a_program_that_is_there(self, name: str, tmp_path: Path) -> Path:
        # The program is not installed where the tests run, and verify looks for it.
        copy = tmp_path / unit_file(name).name
        text = unit_file(name).read_text()
        copy.write_text(text.replace("/opt/pusterla/bin/pusterla", "/bin/true"))
        return copy
