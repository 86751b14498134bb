import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.bootstrap.creation import NewSite, create_site
from gateway.bootstrap.folder import SiteFolder, clock, locate
from tests.issuing import issuing_key

SERVE = (
    "import sys; from pathlib import Path; from gateway.supervisor import serve; "
    "sys.exit(serve(Path(sys.argv[1])))"
)
NOT_FOR_THE_NETWORK = {"ca.authority", "ca.hierarchy", "ca.issue", "ca.keys"}
IMPORTS = "import json, sys, importlib; importlib.import_module(sys.argv[1]); \
print(json.dumps(sorted(sys.modules)))"


@dataclass
class Running:
    """A site that runs as `pusterla serve` runs it."""

    folder: SiteFolder
    supervisor: "subprocess.Popen[str]"
    log: Path

    def processes(self) -> dict[str, int]:
        """Return the processes of the site by their names, the supervisor included."""
        found = {"supervisor": self.supervisor.pid}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            try:
                words = (entry / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if str(self.folder.path) not in words or "-m" not in words:
                continue
            name = words[words.index("-m") + 1].rpartition(".")[2]
            if "--index" in words:
                name += f"-{words[words.index('--index') + 1]}"
            found[name] = int(entry.name)
        return found

    def wait_for(self, words: str, times: int = 1) -> None:
        """Wait until the log has said *words* so many *times*."""
        end = time.monotonic() + 40
        while self.log.read_text().count(words) < times:
            assert self.supervisor.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)


def free_ports() -> tuple[int, int]:
    """Return two ports that nobody had a moment ago."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


@contextmanager
def served(folder: SiteFolder) -> Iterator[Running]:
    """Serve the site until the block ends."""
    log = folder.path.parent / "log"
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(folder.path)],
            stderr=written,
            stdin=subprocess.DEVNULL,
            text=True,
        )
    with process:
        try:
            running = Running(folder, process, log)
            running.wait_for("supervisor INFO serving https://")
            yield running
            process.terminate()
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Serve one site for all tests of this file."""
    https, http = free_ports()
    wished = NewSite("pusterla.localhost", https, http_port=http, workers=2)
    path = tmp_path_factory.mktemp("s") / "site"
    asyncio.run(create_site(path, wished, clock, print))
    with served(locate(path)) as running:
        yield running


def test_the_site_is_six_processes(site: Running) -> None:
    """Supervisor, portal, authority, verifier and a worker for each core that was asked for."""
    inner = {"portal", "authority", "verifier"}
    assert set(site.processes()) == {"supervisor", *inner, "edge-0", "edge-1"}


KEPT_OUT = pytest.mark.parametrize("name", ["supervisor", "portal", "verifier", "edge-0", "edge-1"])


class TestNoTraceOfTheCA:
    @KEPT_OUT
    def test_among_its_open_files(self, site: Running, name: str) -> None:
        """No descriptor leads into keys/ca, and none is inherited that has no use."""
        directory = Path(f"/proc/{site.processes()[name]}/fd")
        targets = [str(entry.readlink()) for entry in directory.iterdir()]
        assert not [target for target in targets if str(site.folder.ca) in target]

    @KEPT_OUT
    def test_among_its_mappings(self, site: Running, name: str) -> None:
        """No file of keys/ca is mapped into its memory."""
        maps = Path(f"/proc/{site.processes()[name]}/maps").read_text()
        assert str(site.folder.ca) not in maps

    @KEPT_OUT
    def test_in_its_environment(self, site: Running, name: str) -> None:
        """Neither a path of the CA nor anything that looks like a key."""
        environment = Path(f"/proc/{site.processes()[name]}/environ").read_bytes()
        assert str(site.folder.ca).encode() not in environment
        assert b"PRIVATE KEY" not in environment

    @KEPT_OUT
    def test_in_its_memory(self, site: Running, name: str) -> None:
        """The key's bytes, however written, are nowhere in what it can write to."""
        assert found_in_memory(site.processes()[name], spellings(site.folder)) == []


@pytest.mark.parametrize("name", ["portal", "authority", "verifier"])
def test_who_does_not_listen_to_the_network_has_no_network(site: Running, name: str) -> None:
    """Portal and authority have no socket of the internet open, nor a verifier without a trust."""
    pid = site.processes()[name]
    inodes = {
        match[1]
        for entry in Path(f"/proc/{pid}/fd").iterdir()
        if (match := re.fullmatch(r"socket:\[(\d+)\]", str(entry.readlink())))
    }
    for table in ("tcp", "tcp6", "udp", "udp6"):
        lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        assert inodes.isdisjoint(line.split()[9] for line in lines)


def test_the_search_of_memory_finds_a_key_that_is_there(site: Running) -> None:
    """The search above is worth something: it finds the key in a process that holds it."""
    holder = (
        "import sys; from pathlib import Path; from ca.hierarchy import load_issuer; "
        "text = Path(sys.argv[1], 'issuing.key').read_bytes(); "
        "issuer = load_issuer(Path(sys.argv[1])); print('holds', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(site.folder.ca)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"holds\n"
        found = found_in_memory(process.pid, spellings(site.folder))
        assert {"text", "number, little end first"} <= set(found)
        process.kill()


def test_a_crashed_worker_is_replaced_and_the_site_goes_on(site: Running) -> None:
    """A worker that was killed is there again, and everything else was left alone."""
    before = site.processes()
    os.kill(before["edge-0"], signal.SIGKILL)
    site.wait_for("edge-0 (pid", times=2)
    after = site.processes()
    assert {name for name in before if before[name] != after[name]} == {"edge-0"}


def spellings(folder: SiteFolder) -> dict[str, bytes]:
    """Return how the CA's keys could stand in memory, each with what it is called."""
    found = {}
    for path in (issuing_key(folder), folder.root_key):
        key = load_pem_private_key(path.read_bytes(), password=None)
        assert isinstance(key, EllipticCurvePrivateKey)
        number = key.private_numbers().private_value
        der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        # A line of the file beyond its first bytes, which all keys of this kind share.
        text = path.read_bytes().splitlines()[2]
        assert text in b64encode(der)
        whose = "" if path == issuing_key(folder) else "of the root: "
        found[f"{whose}text"] = text
        found[f"{whose}number"] = number.to_bytes(32)
        found[f"{whose}number, little end first"] = number.to_bytes(32, "little")
    return found


def found_in_memory(pid: int, wanted: dict[str, bytes]) -> list[str]:
    """Return which of *wanted* stand in what the process *pid* can write to."""
    found: set[str] = set()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, modes, *_ = line.split()
            if not modes.startswith("rw"):
                continue
            start, end = (int(number, 16) for number in span.split("-"))
            memory.seek(start)
            try:
                data = memory.read(end - start)
            except OSError:
                continue  # a mapping of the kernel, which cannot be read
            found.update(name for name, needle in wanted.items() if needle in data)
    return sorted(found)


@pytest.mark.parametrize(
    "module",
    [
        "gateway.bootstrap.edge",
        "gateway.bootstrap.portal",
        "gateway.bootstrap.verifier",
        "gateway.verifier.desk",
        "gateway.supervisor",
    ],
)
def test_what_faces_the_network_imports_nothing_that_signs(module: str) -> None:
    """What is not imported cannot be called: neither directly nor by way of others."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, module], capture_output=True, text=True, check=True
    )
    assert NOT_FOR_THE_NETWORK.isdisjoint(json.loads(done.stdout))


def test_a_verifier_without_a_trust_is_small() -> None:
    """What fetches and reads lists is loaded when there is a CA to ask."""
    command = [sys.executable, "-c", IMPORTS, "gateway.bootstrap.verifier"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert {"aiohttp", "gateway.verifier"}.isdisjoint(json.loads(done.stdout))


def test_the_authority_has_no_web_server() -> None:
    """The process with the key does not even load what could listen."""
    command = [sys.executable, "-c", IMPORTS, "gateway.bootstrap.authority"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert {"aiohttp", "httptools"}.isdisjoint(json.loads(done.stdout))
