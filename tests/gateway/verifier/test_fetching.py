"""Fetching: what is taken, and everything that is not."""

import os
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.verifier.fetching import (
    Downloaded,
    Fetcher,
    FetchFailed,
    Mark,
    Patience,
    Unchanged,
)
from tests.ca.foreign.crl_makers import NOW
from tests.ca.foreign.makers import certify, make_foreign_ca, write_holder
from tests.gateway.edge.authority import make_authority
from tests.gateway.verifier.web import (
    Answer,
    Web,
    answer,
    broken_off,
    dripping,
    open_web,
    silent,
    unending,
)

SHORT = Patience(whole=1.5, silence=0.8)
LIMIT = 10_000


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    """Yield a server on loopback."""
    async with open_web() as web:
        yield web


@pytest.fixture
def fetcher() -> Fetcher:
    """Return one with little patience."""
    return Fetcher(list_patience=SHORT, answer_patience=SHORT)


async def words_of(fetcher: Fetcher, url: str, target: Path) -> str:
    """Return why *url* was not had, by fetch and by download alike, with nothing left behind."""
    fetched = await fetcher.fetch(url, limit=LIMIT)
    downloaded = await fetcher.download(url, target, limit=LIMIT)
    assert isinstance(fetched, FetchFailed)
    assert isinstance(downloaded, FetchFailed)
    assert fetched.words == downloaded.words
    assert not target.exists()
    assert fetched.words.startswith(url)
    return fetched.words.removeprefix(url)


async def test_what_is_served_is_had(web: Web, fetcher: Fetcher, tmp_path: Path) -> None:
    """Every octet arrives, in memory and in a file that nobody else reads."""
    data = os.urandom(LIMIT)
    web.answers["/one.crl"] = answer(data)
    url = web.url("/one.crl")
    assert await fetcher.fetch(url, limit=LIMIT) == data
    target = tmp_path / "one"
    assert await fetcher.download(url, target, limit=LIMIT) == Downloaded(LIMIT, Mark())
    assert target.read_bytes() == data
    assert target.stat().st_mode & 0o777 == 0o600


async def test_nothing_of_us_is_told(web: Web, fetcher: Fetcher) -> None:
    """A question names the host and the program, asks for plain octets, and has no cookie."""
    web.answers["/one.crl"] = answer(b"x", Set_Cookie="a=b")
    await fetcher.fetch(web.url("/one.crl"), limit=LIMIT)
    await fetcher.fetch(web.url("/one.crl"), limit=LIMIT)
    assert web.asked[1].header == {
        "host": f"127.0.0.1:{web.port}",
        "user-agent": "pusterla",
        "accept": "*/*",
        "accept-encoding": "identity",
        "connection": "close",
    }


async def test_a_question_with_a_body_is_posted(web: Web, fetcher: Fetcher) -> None:
    """An OCSP request goes as it is, with its type."""
    web.answers["/ocsp"] = answer(b"fine")
    said = await fetcher.fetch(
        web.url("/ocsp"), limit=LIMIT, body=b"\x30\x00", media_type="application/ocsp-request"
    )
    assert said == b"fine"
    (asked,) = web.asked
    assert (asked.method, asked.body) == ("POST", b"\x30\x00")
    assert asked.header["content-type"] == "application/ocsp-request"


async def test_a_post_is_not_led_elsewhere(web: Web, fetcher: Fetcher) -> None:
    """What is asked of one responder is not repeated to another."""
    web.answers["/ocsp"] = answer(b"", 307, Location=web.url("/other"))
    said = await fetcher.fetch(web.url("/ocsp"), limit=LIMIT, body=b"x")
    assert said == FetchFailed(f"{web.url('/ocsp')}: the server answers 307")
    assert len(web.asked) == 1


@pytest.mark.parametrize("status", [204, 206, 304, 403, 404, 500, 503])
async def test_only_200_is_an_answer(
    web: Web, fetcher: Fetcher, tmp_path: Path, status: int
) -> None:
    """A page that says why there is no list is no list."""
    web.answers["/"] = answer(b"" if status in (204, 304) else b"<html>", status)
    assert await words_of(fetcher, web.url("/"), tmp_path / "x") == f": the server answers {status}"


async def test_too_long_is_refused_before_it_is_taken(
    web: Web, fetcher: Fetcher, tmp_path: Path
) -> None:
    """A length that is announced is believed when it is too much."""
    web.answers["/"] = unending(b"x", announced=200 * 2**20)
    assert await words_of(fetcher, web.url("/"), tmp_path / "x") == ": longer than 10000 octets"


async def test_an_answer_without_end_is_left(web: Web, fetcher: Fetcher, tmp_path: Path) -> None:
    """Where no length is announced, only as much as may be is taken."""
    web.answers["/"] = unending(b"x" * 4096)
    assert await words_of(fetcher, web.url("/"), tmp_path / "x") == ": longer than 10000 octets"


async def test_a_drip_is_not_followed_for_ever(web: Web, fetcher: Fetcher, tmp_path: Path) -> None:
    """An octet now and then breaks no silence limit, and yet it ends."""
    web.answers["/"] = dripping(b"x", 0.05)
    words = await words_of(fetcher, web.url("/"), tmp_path / "x")
    assert words == ": did not come to an end in 1.5 s"


@pytest.mark.parametrize(
    "after", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1234"]
)
async def test_silence_is_not_waited_out(
    web: Web, fetcher: Fetcher, tmp_path: Path, after: bytes
) -> None:
    """Wherever it falls silent, the question ends."""
    web.answers["/"] = silent(after=after)
    assert await words_of(fetcher, web.url("/"), tmp_path / "x") == ": nothing came for 0.8 s"


async def test_what_broke_off_is_no_answer(web: Web, fetcher: Fetcher, tmp_path: Path) -> None:
    """Half a list is none."""
    web.answers["/"] = broken_off(b"1234", 9)
    words = await words_of(fetcher, web.url("/"), tmp_path / "x")
    assert words == ": the answer broke off before its end"


async def test_what_is_not_http_is_said(web: Web, fetcher: Fetcher, tmp_path: Path) -> None:
    """Another protocol's words end the question with a sentence."""
    web.answers["/"] = silent(after=b"220 mail.example.it ESMTP\r\n\r\n")
    assert await words_of(fetcher, web.url("/"), tmp_path / "x")


@pytest.mark.parametrize(
    "said",
    [
        silent(after=b"\x1b[2J" + b"x" * 5000 + b"\r\n\r\n"),
        silent(after=b"HTTP/1.1 200 OK\r\n\x1b[2J" + b"y" * 5000 + b": z\r\n\r\n"),
        answer(b"", 301, Location="ldap://" + "x" * 5000),
        answer(b"", 301, Location="gopher://\N{RIGHT-TO-LEFT OVERRIDE}"),
    ],
    ids=["no-status", "no-field", "long-address", "hidden-address"],
)
async def test_the_words_of_a_server_are_told_in_a_few_and_visible_ones(
    web: Web, fetcher: Fetcher, tmp_path: Path, said: Answer
) -> None:
    """They stand in the log and before an operator, whatever they are."""
    web.answers["/"] = said
    words = await words_of(fetcher, web.url("/"), tmp_path / "x")
    assert words.isprintable()
    assert words.isascii()
    assert len(words) < 500


async def test_what_was_squeezed_is_refused(web: Web, fetcher: Fetcher, tmp_path: Path) -> None:
    """Nothing is unpacked: a few octets might be gigabytes."""
    web.answers["/"] = answer(b"x", Content_Encoding="gzip")
    assert "compressed" in await words_of(fetcher, web.url("/"), tmp_path / "x")


async def test_redirects_are_followed_a_few_times(web: Web, fetcher: Fetcher) -> None:
    """Five redirects, relative ones too, are as many as a list may be moved."""
    for number in range(6):
        web.answers[f"/{number}"] = answer(b"", 302, Location=f"{number + 1}")
    web.answers["/6"] = answer(b"there")
    assert await fetcher.fetch(web.url("/1"), limit=LIMIT) == b"there"
    said = await fetcher.fetch(web.url("/0"), limit=LIMIT)
    assert said == FetchFailed(f"{web.url('/0')}: more than 5 redirects")


@pytest.mark.parametrize(
    "location,words",
    [
        ("file:///etc/passwd", "names a file of this machine"),
        ("ldap://ca.example.it/", "LDAP"),
        ("http://169.254.169.254/latest/meta-data/", "link-local"),
        ("http://a:b@127.0.0.1/", "user's name"),
    ],
)
async def test_redirects_lead_nowhere_that_is_not_asked(
    web: Web, fetcher: Fetcher, tmp_path: Path, location: str, words: str
) -> None:
    """Where a redirect leads is judged as the first address was."""
    web.answers["/"] = answer(b"", 301, Location=location)
    assert words in await words_of(fetcher, web.url("/"), tmp_path / "x")


async def test_a_redirect_to_nowhere_is_said(web: Web, fetcher: Fetcher, tmp_path: Path) -> None:
    """A redirect without an address is a failure, not a loop."""
    web.answers["/"] = answer(b"", 301)
    assert await words_of(fetcher, web.url("/"), tmp_path / "x") == ": a redirect to nowhere"


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "[fe80::1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "0.0.0.0",
        "[::]",
        "0",
    ],
)
async def test_no_writing_of_an_address_gets_past(
    fetcher: Fetcher, tmp_path: Path, host: str
) -> None:
    """What decides is where the connection would go, however the address was written."""
    assert "address" in await words_of(fetcher, f"http://{host}/", tmp_path / "x")


async def test_nobody_there_is_said(fetcher: Fetcher, web: Web, tmp_path: Path) -> None:
    """A server that is away, or a name that there is not, is a failure with words."""
    async with open_web() as other:
        pass
    assert await words_of(fetcher, other.url("/"), tmp_path / "x")
    assert await words_of(fetcher, "http://nobody.invalid/", tmp_path / "x")


async def test_a_name_is_asked_for(web: Web, fetcher: Fetcher) -> None:
    """A host by name is looked up, and asked under its name."""
    web.answers["/"] = answer(b"x")
    assert await fetcher.fetch(web.url("/", "localhost"), limit=LIMIT) == b"x"
    assert web.asked[0].header["host"] == f"localhost:{web.port}"


async def test_a_mark_saves_what_has_not_changed(
    web: Web, fetcher: Fetcher, tmp_path: Path
) -> None:
    """What the server called the state is asked again, and 304 is an answer to it."""
    web.answers["/"] = answer(
        b"x",
        ETag='"one"',
        Date="Sun, 22 Nov 2026 05:00:01 GMT",
        Last_Modified="Sun, 22 Nov 2026 05:00:00 GMT",
    )
    had = await fetcher.download(web.url("/"), tmp_path / "x")
    assert isinstance(had, Downloaded)
    assert had.mark == Mark('"one"', "Sun, 22 Nov 2026 05:00:00 GMT")
    web.answers["/"] = answer(b"", 304)
    for mark in (had.mark, Mark(None, had.mark.modified)):
        assert await fetcher.download(web.url("/"), tmp_path / "y", mark=mark) == Unchanged()
    assert web.asked[1].header["if-none-match"] == '"one"'
    assert web.asked[2].header["if-modified-since"] == "Sun, 22 Nov 2026 05:00:00 GMT"
    assert not (tmp_path / "y").exists()


@pytest.mark.parametrize("date", ["Sun, 22 Nov 2026 05:00:00 GMT", "today", ""])
async def test_a_list_that_changes_twice_in_a_second_is_not_missed(
    web: Web, fetcher: Fetcher, tmp_path: Path, date: str
) -> None:
    """A date of change whose second was not over says nothing of what came later in it."""
    web.answers["/"] = answer(b"x", Last_Modified="Sun, 22 Nov 2026 05:00:00 GMT", Date=date)
    had = await fetcher.download(web.url("/"), tmp_path / "x")
    assert had == Downloaded(1, Mark())


async def test_https_is_verified(tmp_path: Path) -> None:
    """A server is believed by the authorities that are given, and by no others."""
    authority = make_authority(tmp_path / "ca")
    der = authority.certificate.public_bytes(Encoding.DER)
    async with open_web(authority.server("localhost")) as web:
        web.answers["/"] = answer(b"x")
        believing = Fetcher(authorities=[der], answer_patience=SHORT)
        assert await believing.fetch(web.url("/", "localhost"), limit=LIMIT) == b"x"
        said = await believing.fetch(web.url("/"), limit=LIMIT)
        assert isinstance(said, FetchFailed)
        assert await words_of(
            Fetcher(list_patience=SHORT, answer_patience=SHORT),
            web.url("/", "localhost"),
            tmp_path / "x",
        )


async def test_an_issuing_ca_is_believed_without_its_root(tmp_path: Path) -> None:
    """A trust may hold the issuing CA alone, and its server is believed all the same."""
    basic = (x509.BasicConstraints(ca=True, path_length=None), True)
    issuing = certify("Issuing CA", make_foreign_ca(NOW), datetime.now(UTC), [basic])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    server = certify("localhost", issuing, datetime.now(UTC), [(names, False)])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*write_holder(tmp_path, "server", server))
    async with open_web(context) as web:
        web.answers["/"] = answer(b"x")
        der = issuing.certificate.public_bytes(Encoding.DER)
        fetcher = Fetcher(authorities=[der], answer_patience=SHORT)
        assert await fetcher.fetch(web.url("/", "localhost"), limit=LIMIT) == b"x"


async def test_https_is_not_led_to_http(tmp_path: Path, web: Web) -> None:
    """Who wrote https gets https, to the end."""
    authority = make_authority(tmp_path / "ca")
    der = authority.certificate.public_bytes(Encoding.DER)
    async with open_web(authority.server("localhost")) as secure:
        secure.answers["/"] = answer(b"", 302, Location=web.url("/"))
        fetcher = Fetcher(authorities=[der], list_patience=SHORT, answer_patience=SHORT)
        words = await words_of(fetcher, secure.url("/", "localhost"), tmp_path / "x")
    assert words == ": a redirect from https to what is none"
    assert web.asked == []


async def test_files_are_copied(fetcher: Fetcher, tmp_path: Path) -> None:
    """A list may be a file that somebody puts there."""
    source = tmp_path / "source"
    source.write_bytes(b"x" * LIMIT)
    target = tmp_path / "target"
    copied = await fetcher.copy(source, target, limit=LIMIT)
    assert isinstance(copied, Downloaded)
    assert copied.size == LIMIT
    assert target.read_bytes() == source.read_bytes()
    assert await fetcher.copy(source, tmp_path / "x", mark=copied.mark) == Unchanged()
    source.write_bytes(b"y" * (LIMIT + 1))
    assert isinstance(await fetcher.copy(source, tmp_path / "x", mark=copied.mark), Downloaded)


async def test_what_is_no_short_file_is_not_copied(fetcher: Fetcher, tmp_path: Path) -> None:
    """A file that is missing, too long, or a pipe that nobody writes to, is a failure."""
    long, pipe, target = tmp_path / "long", tmp_path / "pipe", tmp_path / "target"
    long.write_bytes(b"x" * (LIMIT + 1))
    os.mkfifo(pipe)
    for source, words in {
        long: "longer than 10000 octets",
        pipe: "is no file",
        tmp_path: "is no file",
        tmp_path / "missing": "No such file or directory",
    }.items():
        said = await fetcher.copy(source, target, limit=LIMIT)
        assert isinstance(said, FetchFailed)
        assert words in said.words
        assert str(source) in said.words
        assert not target.exists()


async def test_a_disk_that_refuses_is_named(web: Web, fetcher: Fetcher, tmp_path: Path) -> None:
    """A failure of ours is told as ours, with the file."""
    web.answers["/"] = answer(b"x")
    target = tmp_path / "no such folder" / "x"
    said = await fetcher.download(web.url("/"), target)
    assert said == FetchFailed(f"{target}: cannot be written: No such file or directory")
