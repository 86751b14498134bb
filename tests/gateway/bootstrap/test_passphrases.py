from pathlib import Path

import pytest

from ca.errors import KeyLocked
from gateway.bootstrap.creation import NewSite
from gateway.bootstrap.folder import locate
from gateway.bootstrap.passphrases import (
    CREDENTIAL,
    PIN_CREDENTIAL,
    Source,
    credential_file,
    passphrases,
    read_passphrase,
)
from gateway.config.files import parse_site
from gateway.core.site import Site

KEY = Path("issuing.key")


def secret(path: Path, content: bytes) -> Path:
    """Write a file for its owner alone."""
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def site_with(file: Path | None, pin: Path | None = None) -> Site:
    """Settings that name *file*, and *pin*."""
    text = NewSite("gate.example.org", 443).settings()
    for key, value in (("passphrase_file", file), ("pin_file", pin)):
        if value is not None:
            text = text.replace("[ca]\n", f'[ca]\n{key} = "{value}"\n')
    found = parse_site(text)
    assert isinstance(found, Site)
    return found


@pytest.mark.parametrize(
    "content, line",
    [
        (b"pass", b"pass"),
        (b" pass \r\n", b" pass "),
        (b"pass\nsecond", b"pass"),
        (b"\xff\n", b"\xff"),
    ],
)
def test_the_first_line_is_the_passphrase(tmp_path: Path, content: bytes, line: bytes) -> None:
    """With its spaces, and without its end."""
    assert read_passphrase(secret(tmp_path / "f", content)) == line


def test_the_nearest_source_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command's file, the settings' file, the credential, a person; each only after the ones before."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    folder = locate(tmp_path)
    named = secret(tmp_path / "named", b"named")
    configured = secret(tmp_path / "configured", b"configured")
    secret(tmp_path / CREDENTIAL, b"credential")

    def typed(words: str) -> str:
        assert "issuing.key" in words
        return "typed"

    def answer(file: Path | None, settings: Path | None) -> bytes | None:
        return passphrases(folder, site_with(settings), Source(file, typed))(KEY)

    assert answer(None, None) == b"typed"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert answer(None, None) == b"credential"
    assert answer(None, configured) == b"configured"
    assert answer(named, configured) == b"named"


def test_nobody_to_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way to give it is told."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(KeyLocked, match=r"--passphrase-file.*passphrase_file.*credential"):
        passphrases(locate(tmp_path), site_with(None), Source())(KEY)


def test_a_source_that_fails_is_not_passed_over(tmp_path: Path) -> None:
    """A file that was named and is away is an error, whoever else could be asked."""
    ask = passphrases(locate(tmp_path), site_with(Path("missing")), Source(ask=lambda _: "typed"))
    with pytest.raises(KeyLocked, match=f"{tmp_path}/missing cannot be read"):
        ask(KEY)


def test_a_place_that_cannot_be_looked_at_is_told(tmp_path: Path) -> None:
    """As where whoever runs the command may not enter the folder: here no system takes the name."""
    ask = passphrases(locate(tmp_path), site_with(Path("x" * 300)), Source())
    with pytest.raises(KeyLocked, match="cannot be read"):
        ask(KEY)


def test_a_unit_without_the_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other credentials may be there."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert credential_file(CREDENTIAL, "issuing-1") is None


def test_the_root_may_have_one_of_its_own(tmp_path: Path) -> None:
    """Named apart, it is taken for the root's key and for no other."""
    source = Source(secret(tmp_path / "ca", b"ca"), root_file=secret(tmp_path / "root", b"root"))
    ask = passphrases(locate(tmp_path), site_with(None), source)
    assert (ask(Path("root.key")), ask(KEY)) == (b"root", b"ca")


def test_a_folder_has_one_for_each_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name of the CA: in the settings, at the command, and among the credentials."""
    names = ("root", "issuing-1", "issuing-2")
    keys = [Path("root.key"), KEY, Path("issuing-2.key")]
    (tmp_path / "each").mkdir()
    for name in names:
        secret(tmp_path / "each" / name, name.encode())
        secret(tmp_path / f"{CREDENTIAL}_{name}", f"credential of {name}".encode())
    folder, each = locate(tmp_path), tmp_path / "each"
    for site, source in (
        (site_with(each), Source()),
        (site_with(None), Source(each)),
    ):
        assert [passphrases(folder, site, source)(key) for key in keys] == [
            name.encode() for name in names
        ]
    with pytest.raises(KeyLocked, match="each/issuing-3 cannot be read"):
        passphrases(folder, site_with(each), Source())(Path("issuing-3.key"))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    secret(tmp_path / CREDENTIAL, b"of all others")
    ask = passphrases(folder, site_with(None), Source())
    assert (ask(KEY), ask(Path("issuing-3.key"))) == (b"credential of issuing-1", b"of all others")


def test_a_passphrase_is_never_tried_as_a_pin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor the other way: a token counts, and locks itself."""
    key = secret(tmp_path / "issuing-2.key", b"pkcs11:token=a;object=b?module-path=/c.so\n")
    one, pin = secret(tmp_path / "one", b"passphrase"), secret(tmp_path / "pin", b"1234")
    folder = locate(tmp_path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    secret(tmp_path / CREDENTIAL, b"passphrase")
    with pytest.raises(KeyLocked, match=r"--pin-file.*pin_file.*pusterla-ca-pin"):
        passphrases(folder, site_with(one), Source(one))(key)
    secret(tmp_path / PIN_CREDENTIAL, b"credential")
    assert passphrases(folder, site_with(one), Source(one))(key) == b"credential"
    both = site_with(one, pin)
    assert passphrases(folder, both, Source(one))(key) == b"1234"
    assert passphrases(folder, both, Source(one))(KEY) == b"passphrase"
    named = Source(one, pin_file=secret(tmp_path / "named", b"5678"))
    assert passphrases(folder, both, named)(key) == b"5678"
