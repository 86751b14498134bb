"""SoftHSM, a PKCS#11 token in software that nobody here wrote, for tests."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ca.kinds import PrivateKey

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "0000111122"


@dataclass(frozen=True, slots=True)
class SoftHSM:
    """A token with the label *token*; its keys lie in *folder*."""

    folder: Path
    token: str

    @property
    def configuration(self) -> Path:
        """What SOFTHSM2_CONF names."""
        return self.folder / "softhsm2.conf"

    @classmethod
    def make(cls, folder: Path, token: str) -> "SoftHSM":
        """Make a token; skip the test, visibly, where SoftHSM is not installed."""
        if shutil.which("softhsm2-util") is None:
            pytest.skip("softhsm2-util is not installed")
        hsm = cls(folder, token)
        (folder / "tokens").mkdir()
        hsm.configuration.write_text(
            f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n", encoding="ascii"
        )
        hsm.run("--init-token", "--free", "--label", token, "--pin", PIN, "--so-pin", "33334444")
        return hsm

    def run(self, *words: str) -> None:
        """Run its own tool."""
        subprocess.run(
            ["softhsm2-util", *words],
            env=os.environ | {"SOFTHSM2_CONF": str(self.configuration)},
            check=True,
            capture_output=True,
        )

    def put(self, label: str, number: int, key: PrivateKey) -> None:
        """Put *key* into the token."""
        file = self.folder / "import.pem"
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.run(
            *("--import", str(file), "--token", self.token, "--label", label),
            *("--id", f"{number:02x}", "--pin", PIN),
        )
        file.unlink()

    def address(self, label: str) -> str:
        """The address of a key."""
        return f"pkcs11:token={self.token};object={label}?module-path={MODULE}"
