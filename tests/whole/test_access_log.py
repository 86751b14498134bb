"""What the access log of a running site says of what curl has done."""

from pathlib import Path
from typing import Any

from tests.whole.applications import Applications
from tests.whole.guests import HTML, Guest
from tests.whole.people import Person
from tests.whole.sites import HOST, PUBLIC_HOST, LiveSite, wait_for

WIKI = f"wiki.{HOST}"
STEPS = 6


def test_each_step_of_a_sign_in_has_its_line(
    site: LiveSite, applications: Applications, anna: Person, guests: Path
) -> None:
    """By address, in their order, with who it was and what became of it; and not with the ticket."""
    guest = Guest(site, anna.stick, guests)
    page = site.url(WIKI, "/page?x=1")
    answers = [*guest.all(page, *HTML, "-L", "-A", "Tester/1"), *guest.submit_by_steps(anna, page)]
    number = answers[0].value("X-Request-Id")
    assert (site.wait_for_access(number)["app"], number) == ("wiki", number)
    told = applications.wiki.last("/page?x=1").values("x-request-id")
    arrived = site.wait_for_access(told[0])
    assert arrived["status"] == 200

    def written() -> list[dict[str, Any]] | None:
        lines = [line for line in site.access_lines() if line["address"] == guest.address]
        return lines if len(lines) >= STEPS else None

    # Each connection went to one of two workers, and each of these writes when it does.
    lines = wait_for("the lines of both workers", written)
    lines.sort(key=lambda line: line["time"])
    assert [(line["app"], line["target"].partition("?")[0], line["status"]) for line in lines] == [
        ("wiki", "/page", 303),
        ("portal", "/sign-in", 200),
        ("portal", "/sign-in", 303),
        ("portal", "/continue", 303),
        ("wiki", "/.pusterla/enter", 303),
        ("wiki", "/page", 200),
    ]
    assert {(line["user"], line["serial"], line["tls"]) for line in lines} == {
        (anna.user, anna.stick.serial, "TLSv1.3")
    }
    assert lines[0]["user_agent"] == "Tester/1"
    assert lines[-1]["rule"] == "group:technicians"
    assert lines[-1]["target"] == "/page?x=1"


def test_whoever_is_refused_can_be_found(
    site: LiveSite, applications: Applications, guests: Path
) -> None:
    """The page shows the id under which the logs know the request, in the person's language."""
    mark = site.log_size()
    page = Guest(site, None, guests).get(
        site.url(WIKI, "/secret"), *HTML, "-H", "Accept-Language: it"
    )
    number = page.value("X-Request-Id")
    assert f"<p>Numero della richiesta <code>{number}</code></p>" in page.text
    line = site.wait_for_access(number)
    assert (line["status"], line["reason"]) == (403, "no-certificate")
    site.wait_for_log(number, mark)


def test_a_refusal_of_the_portal_has_the_id_of_the_edge(site: LiveSite, guests: Path) -> None:
    """It is one request, whoever answers it."""
    guest = Guest(site, None, guests)
    answer = guest.get(site.url(PUBLIC_HOST, "/nowhere"), "-H", "X-Request-Id: aaaaaaaa-1")
    number = answer.value("X-Request-Id")
    assert number != "aaaaaaaa-1"
    assert number in answer.text
    assert site.wait_for_access(number)["app"] == "public"
