"""Header fields: what of a client's never passes."""

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.cookies import COOKIE_NAME
from gateway.core.headers import (
    ASSERTION,
    EDGE_ADDRESS,
    EDGE_FINGERPRINT,
    EDGE_LISTENER,
    EDGE_SESSION,
    HOP_BY_HOP,
    Listener,
    claims_identity,
    field_value,
    part_cookies,
    plain_name,
)

CLAIMS = [
    *(ASSERTION, EDGE_ADDRESS, EDGE_FINGERPRINT, EDGE_LISTENER, EDGE_SESSION, "X-Pusterla-User"),
    *("Forwarded", "X-Forwarded-For", "X-Forwarded-User", "X-Forwarded-Client-Cert", "X-Forwarded"),
    *("Remote-User", "Remote-Groups", "Remote-Addr", "X-Remote-User", "X-Remote-Extra-Scopes"),
    *("X-Auth-Request-User", "X-Auth-Request-Preferred-Username", "X-Authenticated-User"),
    *("X-WebAuth-User", "X-WebAuth-Email", "X-Authentik-Username", "Tailscale-User-Login"),
    *("Cf-Access-Jwt-Assertion", "X-Goog-Iap-Jwt-Assertion", "X-Ms-Client-Principal-Name"),
    *("X-Amzn-Oidc-Data", "Oidc-Claim-Sub", "X-Pomerium-Jwt-Assertion", "X-User"),
    *("Client-Cert", "Client-Cert-Chain", "X-Client-Cert", "Ssl-Client-S-Dn", "X-Ssl-Client-Cn"),
    *("X-Real-Ip", "X-Client-Ip", "Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip"),
    *("X-Original-Url", "X-Original-Host", "X-Rewrite-Url", "X-Envoy-Original-Path", "Proxy"),
    *("Script-Name", "Path-Info", "X-Sendfile-Type", "X-Accel-Mapping"),
]
# What may stand in a field's name besides letters and digits: RFC 9110, section 5.6.2.
MARKS = "!#$%&'*+-.^_`|~"

HARMLESS = [
    *("Accept", "Accept-Language", "Authorization", "Cookie", "Content-Type", "Content-Length"),
    *("Host", "Origin", "Referer", "Range", "If-None-Match", "User-Agent", "Sec-Fetch-Site"),
    *("Sec-WebSocket-Key", "Upgrade-Insecure-Requests", "X-Requested-With", "X-CSRF-Token"),
    *("X-Auth-Token", "X-Api-Key", "X-Request-Id", "Traceparent", "HX-Request", "Priority"),
    *("X-Xsrf-Token", "Last-Event-Id", "Client-Hints", "Removed", "Proxies", "Forwarding"),
]


@pytest.mark.parametrize("name", CLAIMS)
def test_what_claims_an_identity_never_passes(name: str) -> None:
    """Ours, and what the gateways and frameworks of this world believe."""
    assert claims_identity(name)


@given(st.data())
def test_no_spelling_of_a_claim_passes(data: st.DataObject) -> None:
    """Case does not matter, nor which mark stands between the words."""
    name = data.draw(st.sampled_from(CLAIMS))
    spelt = "".join(
        data.draw(st.sampled_from(MARKS if letter == "-" else letter.lower() + letter.upper()))
        for letter in name
    )
    assert claims_identity(spelt)


@pytest.mark.parametrize("spelt", ["X_Employee", "x-employee", "X.EMPLOYEE", "X~employee"])
def test_two_names_of_one_field_are_equal(spelt: str) -> None:
    """For comparing with the header that an application has chosen."""
    assert plain_name(spelt) == plain_name("X-Employee") != plain_name("XEmployee")


@pytest.mark.parametrize("name", HARMLESS)
def test_what_applications_live_on_passes(name: str) -> None:
    """A browser's own fields, and what scripts of applications add."""
    assert not claims_identity(name)
    assert not claims_identity(name.upper())


@given(st.text(st.characters(), max_size=30))
def test_any_name_has_an_answer(name: str) -> None:
    """Asking never raises, and the answer does not depend on case."""
    assert claims_identity(name) == claims_identity(name.lower())


def test_hop_by_hop_fields_are_written_as_they_are_compared() -> None:
    """In lower case, and RFC 9110 section 7.6.1 finds its own."""
    assert {name.lower() for name in HOP_BY_HOP} == HOP_BY_HOP
    assert {"connection", "te", "keep-alive", "proxy-connection"} <= HOP_BY_HOP


def test_the_doors_have_names() -> None:
    """What the edge writes, the portal reads."""
    assert [Listener(door.value) for door in Listener] == list(Listener)


@pytest.mark.parametrize(
    "field, values",
    [
        ("", []),
        ("a=b", []),
        (f"{COOKIE_NAME}=v", ["v"]),
        (f"a=b; {COOKIE_NAME}=v; c=d", ["v"]),
        (f"a=b;{COOKIE_NAME}=v;c=d", ["v"]),
        (f"{COOKIE_NAME}=v1; {COOKIE_NAME}=v2", ["v1", "v2"]),
        (f"{COOKIE_NAME} = v\t", ["v"]),
        (f"{COOKIE_NAME}=a=b", ["a=b"]),
        (f'{COOKIE_NAME}="v"', ['"v"']),
        (f"{COOKIE_NAME}=v w", ["v w"]),
        (f"{COOKIE_NAME}=", [""]),
        (f"a={COOKIE_NAME}=v", []),
        (f"x{COOKIE_NAME}=v", []),
        (f"{COOKIE_NAME}x=v", []),
        (f"{COOKIE_NAME.lower()}=v", []),
        (f'a="b; {COOKIE_NAME}=v; c"', ["v"]),
        # Names that only look like ours once Unicode's blanks are stripped.
        (f"\x85{COOKIE_NAME}=v", []),
        (f"\xa0{COOKIE_NAME}=v", []),
        (f"\u2000{COOKIE_NAME}=v", []),
        (f"\x1c{COOKIE_NAME}=v", []),
    ],
)
def test_our_cookies_are_found(field: str, values: list[str]) -> None:
    """All of them, in their order; what is not quite our name is not ours."""
    assert part_cookies(field)[0] == values


@pytest.mark.parametrize(
    "field, rest",
    [
        ("", ""),
        ("a=b;c=d", "a=b;c=d"),
        (f"{COOKIE_NAME}=v", ""),
        (f"{COOKIE_NAME}=v;", ""),
        (f"a=b; {COOKIE_NAME}=v; c=d", "a=b; c=d"),
        (f"{COOKIE_NAME}=v; a=b;c=d", "a=b;c=d"),
        (f"a=b;c=d ;  e=f; {COOKIE_NAME}=v", "a=b;c=d ;  e=f"),
        (f"a=b; {COOKIE_NAME}=v1; c; {COOKIE_NAME} =v2;; d=", "a=b; c;; d="),
        (f'a="x; {COOKIE_NAME}=v; y"', 'a="x; y"'),
        (f"a={COOKIE_NAME}", f"a={COOKIE_NAME}"),
        (f"x{COOKIE_NAME}=1; a=\xa0b\xa0; {COOKIE_NAME}=v", f"x{COOKIE_NAME}=1; a=\xa0b\xa0"),
    ],
)
def test_our_cookies_are_taken_out(field: str, rest: str) -> None:
    """Wherever they stand, and nothing else moves."""
    assert part_cookies(field)[1] == rest


ours = st.sampled_from(
    [f"{COOKIE_NAME}=v", f" {COOKIE_NAME}=", f"\t{COOKIE_NAME} = 1", COOKIE_NAME]
)
pieces = st.text(st.characters(exclude_characters=";"), max_size=12) | st.sampled_from(
    [" a=b", "a=", "=b", '"', ' a="b', f"a={COOKIE_NAME}=v", f"\xa0{COOKIE_NAME}=v", "", " "]
)


def names_us(piece: str) -> bool:
    """Say whether *piece* is a cookie with our name (RFC 6265, section 4.2.1)."""
    return re.fullmatch(rf"[ \t]*{COOKIE_NAME}[ \t]*(=.*)?", piece, re.DOTALL) is not None


@given(st.lists(pieces | ours, max_size=8))
def test_everything_but_our_cookies_stays_in_order(parts: list[str]) -> None:
    """Our name is on no cookie of the result, and all others are byte for byte the same."""
    field = ";".join(parts)
    mine, rest = part_cookies(field)
    assert len(mine) == sum(names_us(part) for part in parts)
    foreign = ";".join(part for part in parts if not names_us(part))
    assert rest.strip(" \t") == foreign.strip(" \t")
    assert not any(names_us(part) for part in rest.split(";"))
    assert part_cookies(rest)[0] == []
    if not any(names_us(part) for part in parts) and COOKIE_NAME not in field:
        assert rest == field


@given(st.text(st.characters(), max_size=30))
def test_a_field_value_is_one_line_of_ascii(text: str) -> None:
    """Whatever a person is called, the field stays a field."""
    assert re.fullmatch(r"[ -~]*", field_value(text))


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_field_value_says_what_was_meant(text: str, other: str) -> None:
    """It decodes to the text, also after the blanks around it were stripped; no two are alike."""
    assert unquote(field_value(text).strip(" ")) == text
    assert (field_value(text) == field_value(other)) == (text == other)


@pytest.mark.parametrize(
    "text, value",
    [
        ("anna", "anna"),
        ("Anna Rossi", "Anna Rossi"),
        ("Niccolò", "Niccol%C3%B2"),
        ("100%", "100%25"),
        ("a\r\nX-Forwarded-User: root", "a%0D%0AX-Forwarded-User: root"),
        ("technicians,admins", "technicians,admins"),
        (" a ", "%20a%20"),
    ],
)
def test_a_field_value_is_percent_encoded(text: str, value: str) -> None:
    """UTF-8, upper-case digits, the percent sign itself too."""
    assert field_value(text) == value
