"""Key and certificate files, and the signer's lock."""

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from ca.errors import FileRefused, SignerBusy
from ca.keys import (
    NewFile,
    SignerLock,
    load_certificates,
    load_key,
    make_key,
    replace_certificates,
    save_certificates,
    save_key,
    write_new,
)
from tests.ca.makers import CA, judge

PEM = (Encoding.PEM, PrivateFormat.PKCS8)


def mode_of(path: Path) -> int:
    """Return who may do what with *path*."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Take nothing away from the modes that files are made with."""
    before = os.umask(0)
    yield
    os.umask(before)


class TestKeys:
    def test_round_trip(self, tmp_path: Path) -> None:
        """What was saved is loaded, and openssl reads it too."""
        key, path = make_key(), tmp_path / "site.key"
        save_key(path, key)
        assert load_key(path).private_numbers() == key.private_numbers()
        assert "ASN1 OID: prime256v1" in judge("openssl", "pkey", "-in", path, "-noout", "-text")

    @pytest.mark.usefixtures("open_umask")
    def test_for_its_owner_only(self, tmp_path: Path) -> None:
        """Even under the most open umask nobody else can read a key."""
        save_key(tmp_path / "site.key", make_key())
        assert mode_of(tmp_path / "site.key") == 0o600

    def test_never_overwritten(self, tmp_path: Path) -> None:
        """A file that is there, or a link of this name, stays as it is."""
        path, link = tmp_path / "site.key", tmp_path / "link.key"
        save_key(path, make_key())
        link.symlink_to(tmp_path / "nowhere")
        before = path.read_bytes()
        for taken in (path, link):
            with pytest.raises(FileRefused, match=f"{taken.name} exists and is never overwritten"):
                save_key(taken, make_key())
        assert path.read_bytes() == before
        assert not (tmp_path / "nowhere").exists()

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o601, 0o660, 0o777])
    def test_open_to_others(self, tmp_path: Path, mode: int) -> None:
        """A key that group or others can touch is not used; the message says what to do."""
        path = tmp_path / "site.key"
        save_key(path, make_key())
        path.chmod(mode)
        with pytest.raises(FileRefused, match=f"mode {mode:04o}.*chmod 600 {path}"):
            load_key(path)

    @pytest.mark.parametrize(
        "content, words",
        [
            (b"", "no private key"),
            (b"not a key", "no private key"),
            (make_key().private_bytes(*PEM, BestAvailableEncryption(b"x")), "no private key"),
            (
                ec.generate_private_key(ec.SECP384R1()).private_bytes(*PEM, NoEncryption()),
                "not an elliptic curve key on P-256",
            ),
            (
                rsa.generate_private_key(65537, 2048).private_bytes(*PEM, NoEncryption()),
                "not an elliptic curve key on P-256",
            ),
        ],
    )
    def test_what_is_no_key_of_ours(self, tmp_path: Path, content: bytes, words: str) -> None:
        """Another content is refused, with the file's name."""
        write_new(tmp_path / "site.key", content)
        with pytest.raises(FileRefused, match=words) as caught:
            load_key(tmp_path / "site.key")
        assert str(tmp_path / "site.key") in str(caught.value)

    def test_missing(self, tmp_path: Path) -> None:
        """A missing file, or a folder in its place, is named."""
        with pytest.raises(FileRefused, match=r"site\.key cannot be read: No such file"):
            load_key(tmp_path / "site.key")
        with pytest.raises(FileRefused, match="cannot be read: Is a directory"):
            load_key(tmp_path)


class TestCertificates:
    @pytest.mark.usefixtures("open_umask")
    def test_round_trip(self, ca: CA, tmp_path: Path) -> None:
        """A chain is loaded in the order it was saved in; it is no secret."""
        path = tmp_path / "chain.pem"
        save_certificates(path, ca.issuing.chain)
        assert load_certificates(path) == ca.issuing.chain
        assert mode_of(path) == 0o644
        with pytest.raises(FileRefused, match="never overwritten"):
            save_certificates(path, ca.issuing.chain)

    @pytest.mark.parametrize("content", [b"", b"x", b"-----BEGIN CERTIFICATE-----\nAAAA"])
    def test_what_is_no_certificate(self, tmp_path: Path, content: bytes) -> None:
        """Another content is refused, with the file's name."""
        write_new(tmp_path / "chain.pem", content)
        with pytest.raises(FileRefused, match=r"chain\.pem holds no certificates"):
            load_certificates(tmp_path / "chain.pem")


class TestReplacing:
    @pytest.mark.parametrize("mode", [0o600, 0o640])
    def test_the_file_stays_what_it_was(self, ca: CA, tmp_path: Path, mode: int) -> None:
        """Other certificates, the same mode, and nothing beside it; a rest of before is no matter."""
        path = tmp_path / "server.pem"
        save_certificates(path, ca.issuing.chain[:1])
        path.chmod(mode)
        (tmp_path / ".server.pem.new").write_text("half")
        replace_certificates(path, ca.issuing.chain)
        assert load_certificates(path) == tuple(ca.issuing.chain)
        assert mode_of(path) == mode
        assert [*tmp_path.iterdir()] == [path]

    def test_it_keeps_its_owner(self, ca: CA, tmp_path: Path) -> None:
        """Root replaces what the edge's user reads; whoever may not give it away changes nothing."""
        path = tmp_path / "server.pem"
        save_certificates(path, ca.issuing.chain[:1])
        if os.geteuid() == 0:
            os.chown(path, 4711, 4712)
            replace_certificates(path, ca.issuing.chain)
            assert (path.stat().st_uid, path.stat().st_gid) == (4711, 4712)
        else:
            replace_certificates(path, ca.issuing.chain)
            assert path.stat().st_uid == os.geteuid()

    def test_what_is_not_there_is_not_replaced(self, ca: CA, tmp_path: Path) -> None:
        """It is said, and nothing is left behind."""
        with pytest.raises(FileRefused, match="cannot be replaced"):
            replace_certificates(tmp_path / "server.pem", ca.issuing.chain)
        assert [*tmp_path.iterdir()] == []


class TestNewFile:
    def test_not_filled_is_gone_again(self, tmp_path: Path) -> None:
        """A file that was only reserved leaves nothing behind."""
        path = tmp_path / "anna.p12"
        with NewFile(path):
            assert path.read_bytes() == b""
        assert not path.exists()

    def test_no_place(self, tmp_path: Path) -> None:
        """A place where no file can be made is told before anything else happens."""
        with pytest.raises(FileRefused, match="cannot be made: No such file"):
            NewFile(tmp_path / "missing" / "anna.p12")

    def test_a_disk_that_is_full(self, tmp_path: Path) -> None:
        """What cannot be written to the end is gone again, not left half."""
        path = tmp_path / "anna.p12"
        program = (
            "import resource, signal, sys, pathlib\n"
            "from ca.keys import write_new\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
            "write_new(pathlib.Path(sys.argv[1]), bytes(5000))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, path], capture_output=True, text=True, check=False
        )
        assert "FileRefused" in done.stderr
        assert "anna.p12 cannot be written: File too large" in done.stderr
        assert not path.exists()


HOLDER = """
import asyncio, pathlib, sys
from ca.keys import SignerLock
async def main():
    async with SignerLock(pathlib.Path(sys.argv[1])).hold():
        print("held", flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


class TestSignerLock:
    async def test_one_at_a_time(self, tmp_path: Path) -> None:
        """Two holders of one process never overlap, and the loop runs on meanwhile."""
        path, inside, seen = tmp_path / "lock", 0, []

        async def work() -> None:
            nonlocal inside
            async with SignerLock(path).hold():
                inside += 1
                seen.append(inside)
                await asyncio.sleep(0.01)
                inside -= 1

        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(work())
        assert seen == [1] * 5
        assert mode_of(path) == 0o600

    async def test_patience_ends(self, tmp_path: Path) -> None:
        """Who waits too long is told which file is held."""
        path = tmp_path / "lock"
        async with SignerLock(path).hold():
            with pytest.raises(SignerBusy, match=str(path)):
                async with SignerLock(path, patience=0.05).hold():
                    pytest.fail("two signers at once")

    async def test_another_process(self, tmp_path: Path) -> None:
        """The lock holds between processes, and ends with its holder, even a killed one."""
        path = tmp_path / "lock"
        holder = await asyncio.create_subprocess_exec(
            sys.executable, "-c", HOLDER, path, stdout=asyncio.subprocess.PIPE
        )
        assert holder.stdout is not None
        assert await holder.stdout.readline() == b"held\n"
        with pytest.raises(SignerBusy):
            async with SignerLock(path, patience=0).hold():
                pytest.fail("two signers at once")
        holder.kill()
        await holder.wait()
        async with SignerLock(path, patience=0).hold():
            pass

    async def test_a_lock_that_cannot_be(self, tmp_path: Path) -> None:
        """A missing folder is told by the lock's name."""
        with pytest.raises(FileRefused, match="lock cannot be opened"):
            async with SignerLock(tmp_path / "missing" / "lock").hold():
                pytest.fail("there is nothing to hold")
