"""The files of trusts: read whole, or every problem of them at once."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.config import Problems
from gateway.config.trusts import check_address, check_trust_name, read_trusts
from gateway.core.trusts import IdentityMap, PastEnd, Trust
from tests.ca.foreign.chains import DAY, NOW, Made, make_authority, make_person, make_root
from tests.ca.makers import write_pem

ROOT = make_root()
ISSUING = make_authority(ROOT)
EMAIL = 'map = "san-email"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of trusts of a site."""
    found = tmp_path / "trust"
    found.mkdir()
    return found


def write(folder: Path, name: str, text: str, *cas: Made) -> None:
    """Write both files of a trust."""
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    write_pem(folder / f"{name}.pem", *(one.certificate for one in cas or (ROOT, ISSUING)))


def read(folder: Path, name: str = "office") -> Trust:
    """Read what has no problem."""
    found = read_trusts(folder)
    assert not isinstance(found, Problems), found
    return found[name]


def problems(folder: Path, *own: bytes) -> list[str]:
    """Read what has problems."""
    found = read_trusts(folder, own)
    assert isinstance(found, Problems)
    return str(found).splitlines()


def test_without_the_folder_there_are_no_trusts(tmp_path: Path) -> None:
    """A site that never heard of them goes on as it is; an empty folder says the same."""
    assert read_trusts(tmp_path / "trust") == {}
    (tmp_path / "trust").mkdir()
    assert read_trusts(tmp_path / "trust") == {}


def test_a_folder_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """And not a site without trusts."""
    (tmp_path / "trust").write_text("", encoding="utf-8")
    assert problems(tmp_path / "trust") == ["trust: cannot be read: Not a directory"]


def test_little_need_be_said(folder: Path) -> None:
    """Past the end of its lists a trust refuses unless told."""
    write(folder, "office", EMAIL)
    assert read(folder) == Trust("office", (ROOT.der, ISSUING.der), IdentityMap.SAN_EMAIL)


def test_everything_can_be_said(folder: Path) -> None:
    """Addresses, the responder, what happens past the end."""
    text = 'map = "san-upn"\ncrl_urls = ["http://crl.example/a.crl", "https://crl.example/b"]\n'
    write(folder, "office", text + 'ocsp = true\npast_end = "go-on"\ngrace = "12h"\n')
    trust = read(folder)
    assert trust.crl_urls == ("http://crl.example/a.crl", "https://crl.example/b")
    assert (trust.ocsp, trust.identity) == (True, IdentityMap.SAN_UPN)
    assert (trust.past_end, trust.grace) == (PastEnd.GO_ON, timedelta(hours=12))


def test_a_file_is_one_from_the_site_on(folder: Path) -> None:
    """Unless its path is whole."""
    write(folder, "office", EMAIL + 'crl_file = "lists/office.crl"\n')
    assert read(folder).crl_file == folder.parent / "lists" / "office.crl"
    write(folder, "office", EMAIL + 'crl_file = "/var/lib/office.crl"\n')
    assert str(read(folder).crl_file) == "/var/lib/office.crl"


def test_serial_numbers_are_given_to_people(folder: Path) -> None:
    """As people copy them from tools."""
    write(folder, "office", 'map = "serial"\n[people]\n"4A:0F" = "anna"\n"0x0beef" = "bruno"\n')
    assert read(folder).people == {"4a0f": "anna", "beef": "bruno"}


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "map: missing, expected one of 'san-email', 'san-upn', 'subject-cn', 'serial'"),
        ('map = "san-mail"', "did you mean 'san-email'?"),
        (EMAIL + "oscp = true", "unknown key; did you mean 'ocsp'?"),
        (EMAIL + 'crl_urls = ["http://a/b"]\ncrl_file = "c"', "either crl_urls or crl_file"),
        (EMAIL + 'crl_urls = ["ldap:///CN=x"]', "lists are not fetched by LDAP"),
        (EMAIL + 'past_end = "go-on"', "grace: missing: say how long"),
        (EMAIL + 'grace = "12h"', 'only with past_end = "go-on"'),
        (EMAIL + 'past_end = "go-on"\ngrace = "365d"', "grace: "),
        (EMAIL + 'past_end = "refuse"\ngrace = "1h"', 'only with past_end = "go-on"'),
        (EMAIL + '[people]\n"4a" = "anna"', 'people: only with map = "serial"'),
        ('people = 1\nmap = "serial"', "expected a table of serial numbers"),
        ('map = "serial"\n[people]\n"xyz" = "anna"', "no serial number in hexadecimal"),
        ('map = "serial"\n[people]\n"4a" = "anna"\n"0x4A" = "bruno"', "given to somebody above"),
        ('map = "serial"\n[people]\n"4a" = "Anna"', "did you mean 'anna'?"),
        ('map = "serial"\n[people]\n"4a" = 1', "expected the name of a user"),
        ("map = ", "not valid TOML"),
    ],
)
def test_mistakes_are_told_with_their_place(folder: Path, text: str, words: str) -> None:
    """By the file and the key in it."""
    write(folder, "office", text)
    lines = problems(folder)
    assert all(line.startswith("trust/office.toml: ") for line in lines)
    assert words in lines[0]


def test_all_problems_are_told_at_once(folder: Path) -> None:
    """Of both files, and of every trust."""
    write(folder, "a", 'map = "sn"', make_person(ISSUING))
    write(folder, "b", "", ROOT)
    lines = problems(folder)
    assert [line.partition(":")[0] for line in lines] == [
        "trust/a.pem",
        "trust/a.toml",
        "trust/b.toml",
    ]


def test_a_trust_without_certificates_is_a_problem(folder: Path) -> None:
    """The file is named; one without settings is nothing yet, since the command writes it first."""
    write(folder, "office", EMAIL)
    (folder / "office.pem").unlink()
    assert problems(folder) == ["trust/office.pem: cannot be read: No such file or directory"]
    (folder / "office.toml").unlink()
    write_pem(folder / "office.pem", ROOT.certificate)
    assert read_trusts(folder) == {}


def test_hidden_files_are_not_read(folder: Path) -> None:
    """Editors and rsync keep unfinished ones so."""
    write(folder, "office", EMAIL)
    (folder / ".other.toml").write_text("nonsense", encoding="utf-8")
    assert read(folder).name == "office"


@pytest.mark.parametrize("name", ["Office", "root", "issuing-2", "a_b", "a" * 64])
def test_names_that_cannot_be(folder: Path, name: str) -> None:
    """Or that stand for a CA of ours."""
    write(folder, name, EMAIL)
    (line,) = problems(folder)
    assert "cannot be the name of a trust" in line
    with pytest.raises(ValueError):
        check_trust_name(name)


def test_a_ca_is_in_one_trust_alone(folder: Path) -> None:
    """Whose settings count would be a guess; also under another certificate."""
    write(folder, "a", EMAIL)
    again = make_authority(make_root("Other"), key=ISSUING.key)
    write(folder, "b", EMAIL, again)
    assert problems(folder) == ["trust/b.pem: holds a CA that is in trust/a.pem too"]


def test_a_ca_of_ours_is_no_trust(folder: Path) -> None:
    """It is believed in another way, which must not be gone around."""
    write(folder, "a", EMAIL)
    assert problems(folder, make_root("Ours").der, ISSUING.der) == [
        "trust/a.pem: holds a CA of this site itself, which is believed anyway"
    ]
    assert not isinstance(read_trusts(folder, [make_root("Ours").der]), Problems)


def test_the_ca_above_ours_is_no_trust(folder: Path) -> None:
    """Who knows our issuing CA alone knows our root by what it has signed, or by its name."""
    write(folder, "a", EMAIL)
    assert problems(folder, make_authority(ROOT, "Ours").der) == [
        "trust/a.pem: holds a CA of this site itself, which is believed anyway"
    ]
    assert problems(folder, make_authority(make_root(), "Ours").der) == [
        "trust/a.pem: holds a CA with the name of a CA of this site"
    ]


def test_a_ca_with_the_name_of_ours_is_no_trust(folder: Path) -> None:
    """What it issues would be looked up as if we had issued it, and never be known."""
    write(folder, "a", EMAIL)
    assert problems(folder, make_root("Issuing").der) == [
        "trust/a.pem: holds a CA with the name of a CA of this site"
    ]


def test_a_ca_that_has_expired_is_no_problem_of_the_files(folder: Path) -> None:
    """A site starts also on the day after; nobody gets in with it."""
    write(folder, "office", EMAIL, make_root(begin=NOW - 9 * DAY, end=NOW - 8 * DAY))
    assert read(folder).name == "office"


@pytest.mark.parametrize(
    "text",
    [
        "http://crl.example.org/issuing.crl",
        "https://[::1]:8443/a?b=c",
        "http://10.0.0.5/CertEnroll/Example%20CA.crl",
    ],
)
def test_addresses_of_lists(text: str) -> None:
    """Intranet and all."""
    assert check_address(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "ftp://crl.example.org/a.crl",
        "crl.example.org/a.crl",
        "http:///a.crl",
        "http://anna:secret@crl.example.org/a.crl",
        "http://crl.example.org/a.crl#b",
        "http://crl.example.org/a b.crl",
        "http://crl.example.org/\n",
        "http://[::1",
        "http://crl.example.org:99999/",
        "http://crl.example.org/" + "a" * 2048,
    ],
)
def test_addresses_that_are_none(text: str) -> None:
    """They are refused where they are written, and not when the list is needed."""
    with pytest.raises(ValueError, match=r"write one such as http://"):
        check_address(text)


def test_der_is_not_what_is_kept(folder: Path) -> None:
    """The command takes it and writes PEM; a file that somebody has put there works all the same."""
    write(folder, "office", EMAIL)
    (folder / "office.pem").write_bytes(ISSUING.certificate.public_bytes(Encoding.DER))
    assert read(folder).certificates == (ISSUING.der,)
    assert x509.load_der_x509_certificate(read(folder).certificates[0]) == ISSUING.certificate
