"""The page of every refusal."""

import re
from base64 import b64encode
from datetime import datetime
from hashlib import sha256
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.moments import opening_in_words
from gateway.core.refusal_words import WAYS, Way
from gateway.core.refusals import (
    Language,
    Page,
    Refusal,
    _template,
    choose_language,
    contact_address,
    hsts,
    refusal_page,
)

BOTH: list[Language] = ["en", "it"]
PORTAL = "https://pusterla.example"
LOST_PAGE = "https://public.pusterla.example/lost"
EVERY = [(refusal, language) for refusal in Refusal for language in BOTH]


def page_of(
    refusal: Refusal,
    language: Language = "en",
    opens_at: datetime | None = None,
    **change: str,
) -> Page:
    """Make the page of a site."""
    site = {
        "site_name": "Pusterla",
        "contact": "help@example.it",
        "portal_origin": PORTAL,
        "lost_page": LOST_PAGE,
        **change,
    }
    return refusal_page(refusal, language=language, opens_at=opens_at, **site)


class Reader(HTMLParser):
    """Reads a page as a judge of its form: what is opened is closed, in its order."""

    VOID = frozenset({"meta", "link", "br", "img", "input"})

    def __init__(self, html: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self.feed(html.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.text[self.open[-1]] = self.text.get(self.open[-1], "") + data

    def only(self, tag: str) -> dict[str, str | None]:
        """Return the attributes of the one *tag* there is."""
        [attributes] = [attrs for name, attrs in self.seen if name == tag]
        return attributes


class TestPages:
    @pytest.mark.parametrize("refusal,language", EVERY)
    def test_are_well_formed_and_accessible(self, refusal: Refusal, language: Language) -> None:
        """Language, title, one main, one first heading, a viewport for phones."""
        reader = Reader(page_of(refusal, language).html)
        assert reader.open == []
        assert reader.only("html") == {"lang": language}
        assert reader.only("main") is not None
        assert reader.only("h1") is not None
        assert reader.text["title"] == f"{reader.text['h1']} · Pusterla"
        assert ("meta", {"charset": "utf-8"}) in reader.seen
        assert any(attrs.get("name") == "viewport" for _, attrs in reader.seen)

    @pytest.mark.parametrize("refusal,language", EVERY)
    def test_carry_all_they_need(self, refusal: Refusal, language: Language) -> None:
        """No script, nothing fetched, under 8 KiB; the policy permits exactly the style inside."""
        page = page_of(refusal, language)
        html = page.html.decode()
        assert len(page.html) < 8 * 1024
        assert re.search(r"<(script|link|img|iframe|form|base)\b| style=| on[a-z]+=", html) is None
        [style] = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
        digest = b64encode(sha256(style.encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in page.content_security_policy
        assert page.content_security_policy.startswith("default-src 'none'; ")
        assert ("Content-Security-Policy", page.content_security_policy) in page.fields

    @pytest.mark.parametrize("refusal,language", EVERY)
    def test_name_whom_to_ask_and_what_to_tell_them(
        self, refusal: Refusal, language: Language
    ) -> None:
        """The contact is a link, and the reason is shown by its name."""
        page = page_of(refusal, language)
        html = page.html.decode()
        assert '<a href="mailto:help@example.it">help@example.it</a>' in html
        assert f"<code>{page.status} {refusal.value}</code>" in html

    @pytest.mark.parametrize("refusal,language", EVERY)
    def test_tell_strangers_no_names(self, refusal: Refusal, language: Language) -> None:
        """The portal is linked only on pages for people whose certificate is good.

        The public host, which the server's certificate names to everybody, is no secret.
        """
        html = page_of(refusal, language).html.decode().replace(LOST_PAGE, "")
        assert ("pusterla.example" in html) == (WAYS[refusal] in {*Way} - {Way.AGAIN, Way.NONE})

    def test_offer_the_way_out(self) -> None:
        """Once more, to the start, or nothing where nothing would help."""
        assert (
            '<a class="button" href="">Try again</a>'
            in page_of(Refusal.NO_CERTIFICATE).html.decode()
        )
        assert (
            f'<a class="button" href="{PORTAL}/">Go to the start page</a>'
            in page_of(Refusal.NOT_ALLOWED).html.decode()
        )
        assert "<a class" not in page_of(Refusal.CERTIFICATE_REVOKED).html.decode()

    def test_lead_who_may_have_lost_the_stick_to_where_that_is_reported(self) -> None:
        """Nobody else, and nowhere where the site does not say."""
        leading = {refusal for refusal in Refusal if LOST_PAGE.encode() in page_of(refusal).html}
        assert leading == {Refusal.NO_CERTIFICATE, Refusal.CERTIFICATE_HELD}
        assert b"lost or stolen" not in page_of(Refusal.NO_CERTIFICATE, lost_page="").html

    @pytest.mark.parametrize("refusal,language", EVERY)
    def test_have_a_line_for_programs(self, refusal: Refusal, language: Language) -> None:
        """Status, name and title on one line."""
        page = page_of(refusal, language)
        assert page.text.startswith(f"{page.status} {refusal.value}: ".encode())
        assert page.text.endswith(b"\n")
        assert page.text.count(b"\n") == 1

    @pytest.mark.parametrize("refusal, language", EVERY)
    def test_say_when_it_opens(self, refusal: Refusal, language: Language) -> None:
        """In both forms, by the clock of the site; and nothing of it where nobody knows."""
        opens_at = datetime(2026, 11, 23, 8, 30, tzinfo=ZoneInfo("Europe/Rome"))
        said = {
            "en": "It opens to you again on Monday 23 November at 08:30 (CET).",
            "it": f"Per te riapre {opening_in_words(opens_at, 'it')}.",
        }[language]
        page = page_of(refusal, language, opens_at)
        assert f"<p><strong>{said}</strong></p>".encode() in page.html
        assert f". {said}\n".encode() in page.text
        without = page_of(refusal, language)
        assert b"opens to you again" not in without.html + without.text
        assert b"riapre" not in without.html + without.text

    @pytest.mark.parametrize("language", BOTH)
    def test_tell_how_each_browser_asks_again(self, language: Language) -> None:
        """A list of names and what to do, where the browser showed no certificate."""
        reader = Reader(page_of(Refusal.NO_CERTIFICATE, language).html)
        assert reader.open == []
        assert "Firefox" in reader.text["dt"]
        assert "Safari" in reader.text["dt"]
        assert "⌘Q" in reader.text["dd"]

    def test_are_never_kept(self) -> None:
        """A refusal may end at any moment; and it differs by language and kind of client."""
        fields = dict(page_of(Refusal.NOT_ALLOWED, "it").fields)
        assert fields["Cache-Control"] == "no-store"
        assert fields["Content-Language"] == "it"
        assert fields["Vary"] == "Accept, Accept-Language, Cookie"

    def test_say_what_http_wants(self) -> None:
        """401 names a challenge, 503 a time to come back; others neither."""
        assert "WWW-Authenticate" in dict(page_of(Refusal.SESSION_REQUIRED).fields)
        assert "Retry-After" in dict(page_of(Refusal.OVERLOADED).fields)
        others = dict(page_of(Refusal.NOT_FOUND).fields)
        assert not {"WWW-Authenticate", "Retry-After"} & set(others)

    def test_are_made_once(self) -> None:
        """Strangers can ask for a page as often as they like."""
        before = _template.cache_info()
        assert page_of(Refusal.INTERNAL, request="a") != page_of(Refusal.INTERNAL, request="b")
        after = _template.cache_info()
        assert after.currsize <= before.currsize + 1
        assert after.hits > before.hits

    @pytest.mark.parametrize("refusal, language", EVERY)
    def test_carry_the_id_of_the_request(self, refusal: Refusal, language: Language) -> None:
        """In both forms and in a field, and without one not a word of it."""
        words = {"en": "Request id", "it": "Numero della richiesta"}[language]
        page = page_of(refusal, language, request="bvqflyq-k3v7qh2-1f")
        assert f"<p>{words} <code>bvqflyq-k3v7qh2-1f</code></p>".encode() in page.html
        assert page.text.endswith(f" ({words} bvqflyq-k3v7qh2-1f)\n".encode())
        assert ("X-Request-Id", "bvqflyq-k3v7qh2-1f") in page.fields
        without = page_of(refusal, language)
        assert words.encode() not in without.html + without.text
        assert b"\0" not in without.html + without.text
        assert "X-Request-Id" not in dict(without.fields)

    @given(st.text(max_size=40), st.text(max_size=40))
    def test_escape_what_the_site_says(self, name: str, contact: str) -> None:
        """Whatever stands in the settings is text on the page."""
        page = page_of(Refusal.NO_CERTIFICATE, site_name=f"<b>{name}", contact=f"<b>{contact}")
        assert b"<b>" not in page.html

    @pytest.mark.parametrize(
        "contact,shown",
        [
            ("", "ask the people who gave you access."),
            ("the help desk, ext. 42", "ask the help desk, ext. 42."),
            ("https://help.example/", '<a href="https://help.example/">https://help.example/</a>.'),
            ("a&b@example.it", '<a href="mailto:a&amp;b@example.it">a&amp;b@example.it</a>.'),
            ("javascript:alert(1)", "ask javascript:alert(1)."),
        ],
    )
    def test_show_every_kind_of_contact(self, contact: str, shown: str) -> None:
        """A mail address and an https address are links, all else is words."""
        assert shown in page_of(Refusal.INTERNAL, contact=contact).html.decode()


class TestLanguage:
    @pytest.mark.parametrize(
        "field,language",
        [
            ("", "en"),
            ("it", "it"),
            ("IT-it", "it"),
            ("it-CH,it;q=0.9,en-US;q=0.8,en;q=0.7", "it"),
            ("en-US,en;q=0.9,it;q=0.8", "en"),
            ("en;q=0.3, it;q=0.4", "it"),
            ("de-DE,de;q=0.9,it;q=0.5", "it"),
            ("de,fr;q=0.9", "en"),
            ("en,it", "en"),
            ("it,en", "it"),
            ("it;q=0", "en"),
            ("it;q=0.000, *", "en"),
            ("*", "en"),
            ("it;q=nonsense,en", "en"),
            ("italian", "en"),
            (",,;q=1,it", "it"),
            ("it" + "," * 300, "en"),
        ],
    )
    def test_is_the_one_preferred(self, field: str, language: Language) -> None:
        """The highest weight wins, the first of equals; English for everybody else."""
        assert choose_language(field) == language

    @given(st.text())
    def test_is_chosen_from_anything(self, field: str) -> None:
        """No field, however broken, is an error."""
        assert choose_language(field) in BOTH


def test_https_is_claimed_only_on_its_own_port() -> None:
    """HSTS speaks for every port of a host."""
    assert hsts("https://pusterla.example") == (("Strict-Transport-Security", "max-age=31536000"),)
    assert hsts("https://pusterla.localhost:8443") == ()


@pytest.mark.parametrize(
    "contact,address",
    [
        ("help@example.it", "mailto:help@example.it"),
        ("https://help.example/", "https://help.example/"),
        ("http://help.example/", None),
        ("Anna, help@example.it", None),
        ('"x"@example.it', None),
    ],
)
def test_contact_addresses(contact: str, address: str | None) -> None:
    """Only what is an address as a whole becomes a link."""
    assert contact_address(contact) == address
