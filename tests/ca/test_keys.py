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

from ca.errors import FileRefused, KeyLocked, SignerBusy
from ca.keys import (
    KeyRing,
    NewFile,
    Protection,
    SignerLock,
    key_pem,
    load_certificates,
    load_key,
    protection_of,
    replace,
    save_certificates,
    save_key,
    write_new,
)
from ca.kinds import make_key
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
        assert load_key(path).public_key() == key.public_key()
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
            (b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA", "none to open it with"),
            (make_key().private_bytes(*PEM, BestAvailableEncryption(b"x")), "none to open it"),
            (
                ec.generate_private_key(ec.SECP521R1()).private_bytes(*PEM, NoEncryption()),
                "is not P-256, P-384",
            ),
            (
                rsa.generate_private_key(65537, 2048).private_bytes(*PEM, NoEncryption()),
                "is not P-256, P-384",
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


SECRET = b"correct horse battery"


class TestPassphrases:
    def test_it_is_asked_for_where_there_is_one(self, tmp_path: Path) -> None:
        """By the file's name; a plain key asks nobody."""
        asked: list[Path] = []

        def ask(path: Path) -> bytes:
            asked.append(path)
            return SECRET

        key = make_key()
        save_key(tmp_path / "plain.key", key)
        save_key(tmp_path / "sealed.key", key, SECRET)
        for name in ("plain.key", "sealed.key"):
            assert load_key(tmp_path / name, ask).public_key() == key.public_key()
        assert asked == [tmp_path / "sealed.key"]
        protections = [protection_of(tmp_path / name) for name in ("plain.key", "sealed.key")]
        assert protections == [Protection.NONE, Protection.PASSPHRASE]
        assert mode_of(tmp_path / "sealed.key") == 0o600

    @pytest.mark.parametrize(
        "given, words",
        [(b"something else", "does not open"), (b"", "none to open it"), (None, "none to open")],
    )
    def test_a_passphrase_that_is_wrong_or_missing(
        self, tmp_path: Path, given: bytes | None, words: str
    ) -> None:
        """Names the file, and nothing of the passphrase."""
        path = tmp_path / "sealed.key"
        save_key(path, make_key(), SECRET)
        with pytest.raises(KeyLocked, match=words) as caught:
            load_key(path, lambda _: given)
        assert str(path) in str(caught.value)
        assert "something" not in str(caught.value)

    def test_a_ring_opens_a_key_once(self, tmp_path: Path) -> None:
        """Until the file is another one; that others can read it is noticed all the same."""
        asked: list[Path] = []

        def ask(path: Path) -> bytes:
            asked.append(path)
            return SECRET

        path, ring = tmp_path / "sealed.key", KeyRing(ask)
        save_key(path, make_key(), SECRET)
        assert ring.load(path) is ring.load(path)
        assert len(asked) == 1
        other = make_key()
        replace(path, key_pem(other, SECRET))
        assert ring.load(path).public_key() == other.public_key()
        path.chmod(0o644)
        with pytest.raises(FileRefused, match="mode 0644"):
            ring.load(path)


class TestReplacing:
    def test_a_reader_sees_one_or_the_other(self, tmp_path: Path) -> None:
        """The mode stays, and no draft is left behind."""
        path = tmp_path / "clients.pem"
        write_new(path, b"old", 0o640)
        with path.open("rb") as reader:
            replace(path, b"new")
            assert reader.read() == b"old"
        assert (path.read_bytes(), mode_of(path)) == (b"new", 0o640)
        assert list(tmp_path.iterdir()) == [path]

    def test_a_place_where_nothing_can_be_written(self, tmp_path: Path) -> None:
        """Says so, by name."""
        with pytest.raises(FileRefused, match=r"clients\.pem\..* cannot be made"):
            replace(tmp_path / "missing" / "clients.pem", b"new")

    def test_what_root_makes_belongs_to_whom_it_is_made_for(self, tmp_path: Path) -> None:
        """Or the one who signs could not read the key that root made for it."""
        root = os.geteuid() == 0
        owner = (12345, 23456) if root else (os.geteuid(), os.getegid())
        like, path = tmp_path / "issuing.key", tmp_path / "issuing-2.key"
        save_key(like, make_key())
        os.chown(like, *owner)
        save_key(path, make_key(), like=like)
        replace(like, like.read_bytes())
        for file in (path, like):
            assert (file.stat().st_uid, file.stat().st_gid) == owner
            assert mode_of(file) == 0o600


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


class TestNewFile:
    def test_not_filled_is_gone_again(self, tmp_path: Path) -> None:
        """A file that was only reserved leaves nothing behind."""
        path = tmp_path / "anna.p12"
        with NewFile(path):
            assert path.read_bytes() == b""
        assert not path.exists()

    def test_it_appears_whole(self, tmp_path: Path) -> None:
        """Whoever looks sees nothing in it, or all, and no other file is left."""
        path = tmp_path / "anna.p12"
        with NewFile(path, 0o640) as file:
            claim = path.stat().st_ino
            file.write(b"x" * 100_000)
            assert path.stat().st_ino != claim
        assert path.read_bytes() == b"x" * 100_000
        assert mode_of(path) == 0o640
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize("linked", [True, False])
    def test_replaced_meanwhile(self, tmp_path: Path, linked: bool) -> None:
        """What somebody has put in its place is neither overwritten nor taken away."""
        path, precious = tmp_path / "anna.p12", tmp_path / "precious"
        precious.write_bytes(b"precious")
        with NewFile(path) as file:
            path.unlink()
            if linked:
                path.symlink_to(precious)
            else:
                path.write_bytes(b"precious")
            with pytest.raises(FileRefused, match="taken away or replaced meanwhile"):
                file.write(b"x")
        assert path.read_bytes() == precious.read_bytes() == b"precious"
        assert sorted(tmp_path.iterdir()) == [path, precious]

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
