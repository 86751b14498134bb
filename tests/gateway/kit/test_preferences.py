import json
import re

from hypothesis import given
from hypothesis import strategies as st

from gateway.kit.preferences import bookmarks, first_preferences, policy, user_preferences

PORTAL = "https://gate.example.org/"


def read(text: bytes) -> dict[str, object]:
    """Read preferences as Firefox does."""
    found = re.findall(r'user_pref\((".*?"), (.*)\);\n', text.decode("ascii"))
    assert len(found) == text.count(b"\n")
    return {json.loads(name): json.loads(value) for name, value in found}


def test_the_portal_is_the_start_page() -> None:
    """At the first start too, which Firefox keeps for itself unless told."""
    values = read(user_preferences(PORTAL))
    assert values["browser.startup.homepage"] == PORTAL
    assert values["browser.startup.page"] == 1
    assert values["browser.startup.firstrunSkipsHomepage"] is False


def test_nothing_is_shown_unasked_and_nothing_stays() -> None:
    """What is not on the list of choices is asked about, and the list outlives the clearing."""
    values = read(user_preferences(PORTAL))
    assert values["security.default_personal_cert"] == "Ask Every Time"
    assert values["privacy.sanitize.sanitizeOnShutdown"] is True
    assert values["privacy.clearOnShutdown_v2.cookiesAndStorage"] is True
    assert values["privacy.clearOnShutdown.siteSettings"] is False
    assert values["privacy.clearOnShutdown_v2.siteSettings"] is False
    assert values["signon.rememberSignons"] is False
    assert values["browser.cache.disk.enable"] is False


def test_the_way_to_the_site_is_straight() -> None:
    """Over no proxy of the machine, no other resolver, no authority of the machine."""
    values = read(user_preferences(PORTAL))
    assert values["network.proxy.type"] == 0
    assert values["network.trr.mode"] == 5
    assert values["security.enterprise_roots.enabled"] is False
    assert values["network.http.speculative-parallel-limit"] == 0


def test_bookmarks_are_taken_in_once() -> None:
    """In what the browser may change: user.js would bring them back at each start."""
    assert read(first_preferences()) == {"browser.places.importBookmarksHTML": True}
    assert "browser.places.importBookmarksHTML" not in read(user_preferences(PORTAL))


@given(st.text())
def test_no_title_breaks_out_of_its_bookmark(title: str) -> None:
    """Names of sites come from people."""
    text = bookmarks([(title, PORTAL)]).decode()
    assert text.count("<A ") == text.count("</A>") == 1
    assert text.count('HREF="') == 1


def test_a_policy_lets_the_sites_own_pages_open_and_no_others() -> None:
    """The portal's domain as a whole, so that applications may come; others by name."""
    hosts = ["gate.example.org", "wiki.gate.example.org", "crm.example.net"]
    policies = json.loads(policy(PORTAL, "gate.example.org", hosts))["policies"]
    assert policies["WebsiteFilter"] == {
        "Block": ["<all_urls>"],
        "Exceptions": ["*://*.gate.example.org/*", "*://crm.example.net/*"],
    }
    assert policies["Proxy"]["Mode"] == "none"
    assert policies["ExtensionSettings"] == {"*": {"installation_mode": "blocked"}}
