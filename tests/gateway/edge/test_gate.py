from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_network
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit
from zoneinfo import ZoneInfo

import pytest

from gateway.core.audit import AuditKind
from gateway.core.cookies import COOKIE_NAME, TICKET_SECONDS, mint_cookie, mint_ticket, read_cookie
from gateway.core.headers import Listener
from gateway.core.people import Fingerprint
from gateway.core.refusal_kinds import Refusal
from gateway.core.sessions import Session, SessionId
from gateway.edge import gate as module
from gateway.edge.heads import RequestHead, parse_request
from gateway.edge.tls import read_issuers
from gateway.edge.verdicts import Door, Forward, Peer, Redirect, Refuse, Verdict
from policies.calendar import Span, Timetable
from policies.model import (
    Allow,
    AppPolicy,
    CertificateKind,
    Effect,
    Level,
    RequestFacts,
    Rule,
)
from policies.paths import PathPattern, parse_path_pattern
from tests.gateway.edge.site import CRM, HOST, PUBLIC_HOST, WIKI
from tests.gateway.edge.stage import Stage, application
from tests.gateway.edge.sticks import Stick

PAGE = "Sec-Fetch-Mode: navigate"
ADDRESS = "192.0.2.7"


def peer_of(stick: Stick | None, host: str | None = WIKI, door: Door = Door.PROTECTED) -> Peer:
    """Return the end of a connection that was made under *host* with *stick*."""
    fingerprint = None if stick is None else Fingerprint(stick.fingerprint)
    return Peer(door, host, fingerprint, ADDRESS, b"DER")


def head_of(target: str = "/", *lines: str, host: str = WIKI, method: str = "GET") -> RequestHead:
    """Read a request's head."""
    wire = "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {host}", *lines, "", ""])
    head = parse_request(wire.encode())
    assert isinstance(head, RequestHead), head
    return head


async def judge(stage: Stage, peer: Peer, head: RequestHead) -> Verdict:
    """Ask the gate, and let it learn what it misses."""
    for _ in range(8):
        verdict = stage.edge.gate.judge(peer, head)
        if isinstance(verdict, Forward | Refuse | Redirect):
            return verdict
        await stage.edge.admission.learn(verdict)
    raise AssertionError(f"always something missing: {verdict}")


async def ask(
    stage: Stage, target: str = "/", *lines: str, stick: Stick | None = None, host: str = WIKI
) -> Verdict:
    """Ask for *target* as Anna, or whoever holds *stick*."""
    return await judge(
        stage, peer_of(stick or stage.made.anna, host), head_of(target, *lines, host=host)
    )


def cookie(stage: Stage, session: Session, host: str = WIKI) -> str:
    """Return the line that carries the cookie of *session* for *host*."""
    return stage.cookie(session, host).decode().rstrip()


def lines_of(forward: Verdict) -> list[str]:
    """Return the lines that go upstream."""
    assert isinstance(forward, Forward)
    return forward.tail.decode().split("\r\n")


# Doors ----------------------------------------------------------------------


async def test_plain_http_leads_to_the_portal_and_says_so(stage: Stage) -> None:
    """Whatever host it names; nobody is known there."""
    session = await stage.sign_in()
    head = head_of("/crl/x", cookie(stage, session), "Pusterla-Session: 1")
    verdict = await judge(stage, peer_of(None, None, Door.PLAIN), head)
    assert lines_of(verdict)[1:3] == [
        f"Pusterla-Listener: {Listener.PLAIN_HTTP}",
        f"Pusterla-Address: {ADDRESS}",
    ]
    assert isinstance(verdict, Forward)
    assert (verdict.grant, verdict.session) == (None, None)
    assert "Pusterla-Session" not in verdict.tail.decode()


async def test_the_public_host_leads_to_the_portal_without_anybody(stage: Stage) -> None:
    """No certificate was asked for, and no session counts."""
    head = head_of("/", host=PUBLIC_HOST)
    verdict = await judge(stage, peer_of(None, PUBLIC_HOST, Door.PUBLIC), head)
    assert f"Pusterla-Listener: {Listener.PUBLIC}" in lines_of(verdict)


@pytest.mark.parametrize(
    "door, made_under, asked_for",
    [
        (Door.PUBLIC, PUBLIC_HOST, WIKI),
        (Door.PUBLIC, PUBLIC_HOST, HOST),
        (Door.PROTECTED, WIKI, CRM),
        (Door.PROTECTED, WIKI, PUBLIC_HOST),
        (Door.PROTECTED, HOST, WIKI),
        (Door.PROTECTED, None, WIKI),
        (Door.PROTECTED, None, PUBLIC_HOST),
    ],
)
async def test_a_connection_serves_the_host_that_it_was_made_under(
    stage: Stage, door: Door, made_under: str | None, asked_for: str
) -> None:
    """Anything else is misdirected (RFC 9110, section 7.4), good certificate or not."""
    peer = peer_of(stage.made.anna if door is Door.PROTECTED else None, made_under, door)
    verdict = await judge(stage, peer, head_of(host=asked_for))
    assert verdict == Refuse(Refusal.MISDIRECTED, close=True)


async def test_host_and_server_name_are_compared_in_normal_form(stage: Stage) -> None:
    """A port, a last dot and capitals are no other host."""
    verdict = await judge(stage, peer_of(stage.made.anna), head_of(host=f"{WIKI.upper()}.:8443"))
    assert isinstance(verdict, Refuse)
    assert verdict.refusal is Refusal.SESSION_REQUIRED


# Certificates ---------------------------------------------------------------


async def test_without_a_certificate_nothing_is_learnt(stage: Stage) -> None:
    """Not even whether there is such an application."""
    for host in (WIKI, HOST, f"nothing.{HOST}"):
        verdict = await judge(stage, peer_of(None, host), head_of(host=host))
        assert verdict == Refuse(Refusal.NO_CERTIFICATE, close=True)


@pytest.mark.parametrize(
    "stick, refusal",
    [
        ("unrecorded", Refusal.CERTIFICATE_UNKNOWN),
        ("expired", Refusal.CERTIFICATE_EXPIRED),
        ("not_yet_valid", Refusal.CERTIFICATE_NOT_YET_VALID),
    ],
)
@pytest.mark.parametrize("host", [WIKI, HOST])
async def test_a_bad_certificate_is_refused_before_anything_else(
    stage: Stage, stick: str, refusal: Refusal, host: str
) -> None:
    """Even at the portal, and never sent to the sign-in; the audit log hears of it."""
    bad: Stick = getattr(stage.made, stick)
    verdict = await ask(stage, "/.pusterla/enter", PAGE, stick=bad, host=host)
    assert isinstance(verdict, Refuse)
    assert (verdict.refusal, verdict.close) == (refusal, True)
    assert verdict.event is not None
    assert verdict.event.kind is AuditKind.CERTIFICATE_REFUSED
    assert verdict.event.reason == refusal
    known = {"user": "anna", "serial": bad.serial}
    unknown = refusal is Refusal.CERTIFICATE_UNKNOWN
    assert (verdict.event.user, verdict.event.serial) == (
        ("", "") if unknown else (known["user"], known["serial"])
    )
    assert verdict.event.detail == ({"fingerprint": bad.fingerprint} if unknown else {})


async def test_a_host_that_we_do_not_serve_is_misdirected(stage: Stage) -> None:
    """421, so that a browser tries it on a connection of its own."""
    verdict = await ask(stage, host=f"nothing.{HOST}")
    assert verdict == Refuse(Refusal.UNKNOWN_HOST, close=True)


# Sessions -------------------------------------------------------------------


async def test_a_session_opens_its_applications(stage: Stage) -> None:
    """And says which one it is, for the connection to remember."""
    session = await stage.sign_in()
    verdict = await ask(stage, "/", cookie(stage, session))
    assert isinstance(verdict, Forward)
    assert verdict.grant is not None
    assert (verdict.session, verdict.grant.app.name) == (session.id, "wiki")
    assert "X-Forwarded-User: anna" in lines_of(verdict)
    assert COOKIE_NAME not in verdict.tail.decode()
    again = await ask(stage, "/again", cookie(stage, session))
    assert isinstance(again, Forward)
    assert again.grant is verdict.grant


async def test_nobody_is_let_in_without_a_session(stage: Stage) -> None:
    """A person is sent to the sign-in and back; a program is told what it lacks."""
    verdict = await ask(stage, "/a%20b?c=d&e", PAGE)
    assert isinstance(verdict, Redirect)
    url = urlsplit(verdict.location)
    assert (url.scheme, url.netloc, url.path) == ("https", f"{HOST}:8443", "/sign-in")
    assert parse_qs(url.query) == {"to": [f"https://{WIKI}:8443/a%20b?c=d&e"]}
    assert verdict.set_cookie is None
    program = await ask(stage, "/", "Accept: application/json")
    assert program == Refuse(Refusal.SESSION_REQUIRED)


async def test_the_way_back_is_left_out_where_it_is_too_long(stage: Stage) -> None:
    """An address that the portal would refuse to read helps nobody."""
    verdict = await ask(stage, "/?" + "&" * 4000, PAGE)
    assert isinstance(verdict, Redirect)
    target = verdict.location.removeprefix(f"https://{HOST}:8443")
    assert len(target) <= stage.site.limits.target_bytes
    assert unquote(target) == f"/sign-in?to=https://{WIKI}:8443/"


def forge(value: str) -> str:
    """Change the last character of a cookie that still decodes."""
    return value[:-1] + ("A" if value[-1] != "A" else "B")


@pytest.mark.parametrize("damage", ["other host", "other key", "changed", "short", "empty", "long"])
async def test_a_forged_cookie_opens_nothing_and_is_noted(stage: Stage, damage: str) -> None:
    """Also one that we made for another host."""
    session = await stage.sign_in()
    value = mint_cookie(stage.edge.gate._cookie_key, session.id, WIKI)
    bad = {
        "other host": mint_cookie(stage.edge.gate._cookie_key, session.id, CRM),
        "other key": mint_cookie(b"k" * 32, session.id, WIKI),
        "changed": forge(value),
        "short": value[:-1],
        "empty": "",
        "long": value * 100,
    }[damage]
    for _ in range(2):
        verdict = await ask(stage, "/", f"Cookie: a=b; {COOKIE_NAME}={bad}")
        assert isinstance(verdict, Refuse)
        assert verdict.refusal is Refusal.SESSION_REQUIRED
        assert verdict.event is not None
        assert verdict.event.kind is AuditKind.SESSION_REFUSED
        assert verdict.event.reason == "forged-cookie"


async def test_a_session_is_worth_nothing_with_another_certificate(stage: Stage) -> None:
    """Of somebody else, or of the same person."""
    session = await stage.sign_in()
    for stick in (stage.made.bruno, stage.made.second):
        crm = stage.applications(
            crm=application("crm", stage.applications()["crm"].upstreams, "guests")
        )
        stage.edge.adopt(crm)
        for host in (CRM, HOST):
            verdict = await ask(stage, "/", cookie(stage, session, host), stick=stick, host=host)
            event = verdict.event
            if isinstance(verdict, Forward):
                assert (verdict.grant, verdict.session) == (None, None)
                assert "Pusterla-Session" not in verdict.tail.decode()
            if event is not None and event.kind is AuditKind.SESSION_REFUSED:
                assert event.reason == Refusal.SESSION_OF_ANOTHER_CERTIFICATE
    verdict = await ask(stage, "/", cookie(stage, session, CRM), stick=stage.made.bruno, host=CRM)
    assert isinstance(verdict, Refuse)
    assert verdict.refusal is Refusal.SESSION_REQUIRED
    assert verdict.event is not None
    assert verdict.event.user == "bruno"


async def test_a_session_that_is_over_opens_nothing(stage: Stage) -> None:
    """Ended, expired, or never there."""
    ended, expired = await stage.sign_in(), await stage.sign_in(lifetime=timedelta(seconds=1))
    await stage.store.end_sessions(session=ended.id, kind=AuditKind.SIGNED_OUT, by="test")
    stage.clock.shift = timedelta(seconds=2)
    never = replace(ended, id=SessionId("0" * 32))
    stage.edge.admission.confirm(stage.clock())
    for session in (ended, expired, never):
        verdict = await ask(stage, "/", cookie(stage, session))
        assert isinstance(verdict, Refuse)
        assert verdict.refusal is Refusal.SESSION_REQUIRED
        assert verdict.event is not None
        assert verdict.event.reason == "session-over"


async def test_of_several_cookies_the_good_one_counts(stage: Stage) -> None:
    """Old ones may lie beside it, in one field or in several; then nothing is noted."""
    session, ended = await stage.sign_in(), await stage.sign_in()
    await stage.store.end_sessions(session=ended.id, kind=AuditKind.SIGNED_OUT, by="test")
    good = cookie(stage, session)
    fields = [f"Cookie: {COOKIE_NAME}=forged; x=y", cookie(stage, ended), good, "Cookie: z=1"]
    verdict = await ask(stage, "/", *fields)
    assert isinstance(verdict, Forward)
    assert (verdict.session, verdict.event) == (session.id, None)
    one = f"Cookie: {COOKIE_NAME}=forged; " + good.removeprefix("Cookie: ")
    assert isinstance(await ask(stage, "/", one), Forward)


async def test_memory_of_cookies_is_bounded(stage: Stage) -> None:
    """It is emptied when full, and long fields are not kept."""
    stage.edge.gate._cookies = {
        (b"%d" % number, WIKI): () for number in range(module._REMEMBERED_COOKIES)
    }
    session = await stage.sign_in()
    long = f"{cookie(stage, session)}; {COOKIE_NAME}={'y' * module._LONGEST_REMEMBERED}"
    assert isinstance(await ask(stage, "/", long), Forward)
    assert len(stage.edge.gate._cookies) == module._REMEMBERED_COOKIES
    assert isinstance(await ask(stage, "/", cookie(stage, session)), Forward)
    assert len(stage.edge.gate._cookies) == 1


async def test_cookies_of_applications_are_not_remembered(stage: Stage) -> None:
    """Ours is read once, however often those beside it change."""
    ours = cookie(stage, await stage.sign_in())
    for number in range(5):
        assert isinstance(await ask(stage, "/", f"{ours}; seen={number}"), Forward)
    await ask(stage, "/", "Cookie: seen=6")
    assert len(stage.edge.gate._cookies) == 2
    assert all(b"seen" not in said for said, _ in stage.edge.gate._cookies)


async def test_cookies_of_whoever_has_no_certificate_are_not_looked_at(stage: Stage) -> None:
    """Else any stranger could have MACs computed, and fill the memory of cookies."""
    session = await stage.sign_in()
    verdict = await judge(stage, peer_of(None), head_of("/", cookie(stage, session)))
    assert verdict == Refuse(Refusal.NO_CERTIFICATE, close=True)
    assert stage.edge.gate._cookies == {}


# Policy ---------------------------------------------------------------------


async def test_whom_no_rule_allows_is_refused_with_the_reason(stage: Stage) -> None:
    """Signed in or not: nobody is sent through a sign-in whose answer is no."""
    session = await stage.sign_in(stage.made.bruno, "bruno")
    for lines in ([cookie(stage, session)], [PAGE]):
        verdict = await ask(stage, "/", *lines, stick=stage.made.bruno)
        assert isinstance(verdict, Refuse)
        assert (verdict.refusal, verdict.close) == (Refusal.NOT_ALLOWED, False)
        assert verdict.event is not None
        assert verdict.event.kind is AuditKind.ACCESS_DENIED
        assert (verdict.event.user, verdict.event.app) == ("bruno", "wiki")


async def test_a_certificate_opens_only_its_scope(stage: Stage) -> None:
    """Anna's second stick is for the CRM alone."""
    session = await stage.sign_in(stage.made.second)
    verdict = await ask(stage, "/", cookie(stage, session), stick=stage.made.second)
    assert isinstance(verdict, Refuse)
    assert verdict.refusal is Refusal.OUTSIDE_CERTIFICATE_SCOPE
    opened = await ask(stage, "/", cookie(stage, session, CRM), stick=stage.made.second, host=CRM)
    assert isinstance(opened, Forward)


async def test_where_a_certificate_suffices_a_session_is_still_needed(stage: Stage) -> None:
    """What an application is told of a person rests on a session."""
    everybody = Rule("all", Effect.ALLOW, users=None, groups=frozenset({"technicians"}))
    wiki = replace(
        stage.applications()["wiki"], policy=AppPolicy("wiki", (everybody,), Level.CERTIFICATE)
    )
    stage.edge.adopt({"wiki": wiki})
    assert await ask(stage) == Refuse(Refusal.SESSION_REQUIRED)


async def test_a_grant_is_not_used_beyond_its_time(stage: Stage) -> None:
    """It is decided anew, and the assertion in it is a new one."""
    session = await stage.sign_in()
    first = await ask(stage, "/", cookie(stage, session))
    assert isinstance(first, Forward)
    assert first.grant is not None
    stage.clock.shift = timedelta(seconds=40)
    stage.edge.admission.confirm(stage.clock())
    second = await ask(stage, "/", cookie(stage, session))
    assert isinstance(second, Forward)
    assert second.grant is not first.grant


async def test_a_grant_is_no_way_round_the_questions(stage: Stage) -> None:
    """It serves the certificate, the host and the paths that it was given for, while all is known."""
    session = await stage.sign_in()
    field = cookie(stage, session)
    assert isinstance(await ask(stage, "/", field), Forward)
    for stick in (stage.made.second, stage.made.bruno):
        assert isinstance(await ask(stage, "/", field, stick=stick), Refuse)
    nobody = await judge(stage, peer_of(None), head_of("/", field))
    assert nobody == Refuse(Refusal.NO_CERTIFICATE, close=True)
    assert await ask(stage, "/.pusterla/other", field) == Refuse(Refusal.NOT_FOUND)
    misdirected = await judge(stage, peer_of(stage.made.anna, CRM), head_of("/", field))
    assert misdirected == Refuse(Refusal.MISDIRECTED, close=True)
    stage.edge.admission._reliable_until = stage.clock() - timedelta(seconds=1)
    stale = await ask(stage, "/", field)
    assert isinstance(stale, Refuse)
    assert stale.refusal is Refusal.CERTIFICATE_STATUS_STALE


async def test_what_is_said_of_a_requests_way_is_that_requests(stage: Stage) -> None:
    """Though the rest is the same for all that one grant lets in; and memory of it has an end."""
    session = await stage.sign_in()
    peer = peer_of(stage.made.anna)
    for number in range(100):
        for address in (ADDRESS, "2001:db8::1"):
            host = f"{WIKI}:{8000 + number}"
            head = head_of("/", cookie(stage, session), host=host)
            verdict = await judge(stage, replace(peer, address=address), head)
            lines = lines_of(verdict)
            assert f"X-Forwarded-Host: {host}" in lines
            assert f"X-Forwarded-For: {address}" in lines
            assert isinstance(verdict, Forward)
            assert verdict.grant is not None
            assert len(verdict.grant.wholes) <= 16


async def test_another_policy_decides_anew(stage: Stage) -> None:
    """What was decided by the old one is forgotten."""
    session = await stage.sign_in()
    first = await ask(stage, "/", cookie(stage, session))
    assert isinstance(first, Forward)
    assert first.grant is not None
    upstream = stage.applications()["wiki"].upstreams
    stage.edge.adopt({"wiki": application("wiki", upstream, "nobody")})
    assert not first.grant.live
    verdict = await ask(stage, "/", cookie(stage, session))
    assert isinstance(verdict, Refuse)
    assert verdict.refusal is Refusal.NOT_ALLOWED
    stage.edge.adopt({})
    assert await ask(stage, "/", cookie(stage, session)) == Refuse(Refusal.UNKNOWN_HOST, close=True)


async def test_what_a_client_claims_is_noted_and_goes_nowhere(stage: Stage) -> None:
    """P5: not in any spelling."""
    session = await stage.sign_in()
    wiki = replace(stage.applications()["wiki"], user_header="X-Who", client_certificate=True)
    stage.edge.adopt({"wiki": wiki})
    claims = ["X-Forwarded-User: root", "x_who: root", "Client-Cert: :eA==:", "Forwarded: for=1"]
    verdict = await ask(stage, "/", cookie(stage, session), *claims)
    lines = lines_of(verdict)
    assert "root" not in "".join(lines)
    assert [line for line in lines if line.startswith(("X-Who", "Client-Cert:"))] == [
        "X-Who: anna",
        "Client-Cert: :REVS:",
    ]
    assert sum(line.startswith("Client-Cert-Chain: :") for line in lines) == 1
    assert len(read_issuers(stage.made.folder.client_trust)) == 1
    assert isinstance(verdict, Forward)
    assert verdict.event is not None
    assert verdict.event.kind is AuditKind.IDENTITY_CLAIMED
    assert verdict.event.detail == {"fields": "x-forwarded-user x_who client-cert forwarded"}


# The portal -----------------------------------------------------------------


async def test_the_portal_is_told_who_calls(stage: Stage) -> None:
    """Certificate, address, and the session where there is one."""
    session = await stage.sign_in()
    verdict = await ask(stage, "/", cookie(stage, session, HOST), host=HOST)
    assert lines_of(verdict)[1:5] == [
        f"Pusterla-Listener: {Listener.PORTAL}",
        f"Pusterla-Address: {ADDRESS}",
        f"Pusterla-Fingerprint: {stage.made.anna.fingerprint}",
        f"Pusterla-Session: {session.id}",
    ]
    assert isinstance(verdict, Forward)
    assert (verdict.grant, verdict.session) == (None, session.id)
    nobody = await ask(stage, "/", host=HOST)
    assert "Pusterla-Session" not in "".join(lines_of(nobody))


# The hand-over --------------------------------------------------------------


def enter(ticket: str, to: str | None = None, **more: str) -> str:
    """Return the target under which a ticket is taken."""
    fields = {"ticket": ticket, **({} if to is None else {"to": to}), **more}
    return f"/.pusterla/enter?{urlencode(fields)}"


def ticket_for(
    stage: Stage, session: Session, to: str = "/", host: str = WIKI, stick: Stick | None = None
) -> str:
    """Return a ticket as the portal mints it."""
    fingerprint = Fingerprint((stick or stage.made.anna).fingerprint)
    key = stage.edge.gate._cookie_key
    return mint_ticket(key, session.id, host, fingerprint, to, stage.clock())


async def test_a_ticket_becomes_the_cookie_of_its_host(stage: Stage) -> None:
    """And the person goes on to where they wanted to go."""
    session = await stage.sign_in()
    verdict = await ask(stage, enter(ticket_for(stage, session, "/a?b=c"), "/a?b=c"))
    assert isinstance(verdict, Redirect)
    assert verdict.location == f"https://{WIKI}:8443/a?b=c"
    assert verdict.set_cookie is not None
    value = verdict.set_cookie.removeprefix(f"{COOKIE_NAME}=").partition(";")[0]
    assert read_cookie(stage.edge.gate._cookie_key, value, WIKI) == session.id


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "evil",
        "",
        "/a\r\nSet-Cookie: x=y",
        "/a b",
        "/\t/evil.example",
        "/\u20ac",
        "/\udcff",
    ],
)
async def test_no_ticket_leads_away_from_its_host(stage: Stage, to: str) -> None:
    """Not even one that we had minted for such a place by mistake."""
    session = await stage.sign_in()
    query = f"ticket={ticket_for(stage, session, to)}&to={quote(to, errors='surrogateescape')}"
    verdict = await ask(stage, f"/.pusterla/enter?{query}")
    assert isinstance(verdict, Refuse)
    assert verdict.refusal is Refusal.TICKET_REFUSED


async def test_a_ticket_serves_one_certificate_host_target_and_half_a_minute(stage: Stage) -> None:
    """Everything else is refused and noted."""
    session = await stage.sign_in()
    good = ticket_for(stage, session, "/a")
    bent = [
        (enter(good, "/b"), stage.made.anna, WIKI),
        (enter(good), stage.made.anna, WIKI),
        (enter(good, "/a"), stage.made.second, WIKI),
        (enter(good, "/a"), stage.made.bruno, WIKI),
        (enter(good, "/a"), stage.made.anna, CRM),
        (enter(forge(good), "/a"), stage.made.anna, WIKI),
        (enter("", "/a"), stage.made.anna, WIKI),
        ("/.pusterla/enter", stage.made.anna, WIKI),
        ("/.pusterla/enter?ticket=" + good + "&to=/b&to=/a", stage.made.anna, WIKI),
        (
            enter(ticket_for(stage, session, "/a", stick=stage.made.bruno), "/a"),
            stage.made.bruno,
            WIKI,
        ),
        (
            enter(mint_cookie(stage.edge.gate._cookie_key, session.id, WIKI), "/a"),
            stage.made.anna,
            WIKI,
        ),
    ]
    for target, stick, host in bent:
        verdict = await ask(stage, target, stick=stick, host=host)
        assert isinstance(verdict, Refuse), target
        assert verdict.refusal is Refusal.TICKET_REFUSED
        assert verdict.event is not None
        assert verdict.event.reason == Refusal.TICKET_REFUSED
    stage.clock.shift = timedelta(seconds=TICKET_SECONDS + 1)
    stage.edge.admission.confirm(stage.clock())
    late = await ask(stage, enter(good, "/a"))
    assert isinstance(late, Refuse)
    assert late.refusal is Refusal.TICKET_REFUSED


async def test_a_ticket_of_a_session_that_is_over_is_refused(stage: Stage) -> None:
    """Ended in between, or never there."""
    session = await stage.sign_in()
    ticket = ticket_for(stage, session)
    never = ticket_for(stage, replace(session, id=SessionId("0" * 32)))
    await stage.store.end_sessions(session=session.id, kind=AuditKind.SIGNED_OUT, by="test")
    for one in (ticket, never):
        verdict = await ask(stage, enter(one, "/"))
        assert isinstance(verdict, Refuse)
        assert verdict.refusal is Refusal.TICKET_REFUSED


@pytest.mark.parametrize(
    "target, method",
    [
        ("/.pusterla/", "GET"),
        ("/.pusterla/enter/", "GET"),
        ("/.pusterla/Enter", "GET"),
        ("/.pusterla/enter", "POST"),
        ("/%2Epusterla/x", "GET"),
        ("/a/../.pusterla/x", "GET"),
    ],
)
async def test_nothing_else_is_under_our_prefix(stage: Stage, target: str, method: str) -> None:
    """No application ever sees it, and it has no other pages."""
    session = await stage.sign_in()
    head = head_of(target, cookie(stage, session), method=method)
    verdict = await judge(stage, peer_of(stage.made.anna), head)
    assert verdict == Refuse(Refusal.NOT_FOUND)


# Connections under way ------------------------------------------------------


async def test_what_is_under_way_is_judged_by_todays_policies(stage: Stage) -> None:
    """Still allowed, or denied, or the application is gone, renamed or moved as a whole."""
    session = await stage.sign_in()
    forward = await ask(stage, "/", cookie(stage, session))
    assert isinstance(forward, Forward)
    grant = forward.grant
    assert grant is not None
    apps = stage.applications()
    moved = replace(apps["wiki"], upstreams=apps["crm"].upstreams)
    more = replace(apps["wiki"], upstreams=apps["crm"].upstreams + apps["wiki"].upstreams)
    cases = {
        True: [apps, apps | {"wiki": replace(apps["wiki"], title="x")}, {"wiki": more}],
        False: [
            {},
            {"wiki": moved},
            {"notes": replace(apps["wiki"], name="notes")},
            {"wiki": application("wiki", apps["wiki"].upstreams, "guests")},
        ],
    }
    for allowed, states in cases.items():
        for applications in states:
            stage.edge.gate.adopt(applications)
            judged = stage.edge.gate.judge_again(grant, grant.holder, None, "192.0.2.7")
            assert isinstance(judged, Allow) is allowed


# What rules look at ---------------------------------------------------------

ALLOW = Rule("technicians", Effect.ALLOW, users=None, groups=frozenset({"technicians"}))


def adopt(stage: Stage, *rules: Rule) -> None:
    """Let the wiki have *rules*."""
    apps = stage.applications()
    wiki = replace(apps["wiki"], policy=AppPolicy("wiki", rules))
    stage.edge.gate.adopt(apps | {"wiki": wiki})


def now_and(stage: Stage, **until: float) -> Timetable:
    """Return hours that began a minute ago and end in so long."""
    now = stage.clock()
    begin, end = now - timedelta(minutes=1), now + timedelta(**until)
    return Timetable(UTC, (Span(second_of(begin), second_of(end)),))


def second_of(moment: datetime) -> int:
    """Return the second of its day."""
    return moment.hour * 3600 + moment.minute * 60 + moment.second


def put_clock(stage: Stage, **shift: float) -> None:
    """Put the clock forward or back, with the feed heard at once."""
    stage.clock.shift = timedelta(**shift)
    stage.edge.admission.confirm(stage.clock())


async def test_a_grant_ends_with_the_hours_that_it_rests_on(stage: Stage) -> None:
    """And whoever asks then is told when it opens again, in the time of the site."""
    stage.edge.gate.site = replace(stage.edge.gate.site, time_zone=ZoneInfo("Europe/Rome"))
    hours = now_and(stage, seconds=10)
    adopt(stage, replace(ALLOW, when=hours))
    line = cookie(stage, await stage.sign_in())
    forward = await ask(stage, "/", line)
    assert isinstance(forward, Forward)
    assert forward.grant is not None
    _, end = hours.look(stage.clock())
    assert forward.grant.until == forward.grant.turn == end
    put_clock(stage, seconds=11)
    refused = await ask(stage, "/", line)
    assert isinstance(refused, Refuse)
    assert refused.refusal is Refusal.OUTSIDE_HOURS
    assert refused.opens_at == hours.look(stage.clock())[1]
    assert str(getattr(refused.opens_at, "tzinfo", None)) == "Europe/Rome"
    assert refused.event is not None
    assert (refused.event.reason, refused.event.detail) == (
        "outside-hours",
        {"rule": "technicians"},
    )
    put_clock(stage, days=1, seconds=-5)
    assert isinstance(await ask(stage, "/", line), Refuse), "the session is over"
    head = head_of("/", line, PAGE)
    assert isinstance(await judge(stage, peer_of(stage.made.anna), head), Redirect)


async def test_hours_go_by_the_clock_that_there_is(stage: Stage) -> None:
    """Also where it was put back: what it showed before does not count."""
    adopt(stage, replace(ALLOW, when=now_and(stage, seconds=10)))
    line = cookie(stage, await stage.sign_in())
    assert isinstance(await ask(stage, "/", line), Forward)
    put_clock(stage, seconds=11)
    assert isinstance(await ask(stage, "/", line), Refuse)
    put_clock(stage)
    assert isinstance(await ask(stage, "/", line), Forward)
    stage.edge.admission.forget_decisions()
    put_clock(stage, minutes=-10)
    assert isinstance(await ask(stage, "/", line), Refuse)


async def test_where_rules_look_at_paths_each_request_is_judged(stage: Stage) -> None:
    """What one path was granted is no other path's; those decided alike share a grant."""
    admin = Rule(
        "no admin", Effect.DENY, None, ALLOW.groups, paths=(parse_path_pattern("/admin/**"),)
    )
    adopt(stage, ALLOW, admin)
    line = cookie(stage, await stage.sign_in())
    first, second = await ask(stage, "/", line), await ask(stage, "/page", line)
    assert isinstance(first, Forward)
    assert isinstance(second, Forward)
    assert first.grant is second.grant
    assert not first.rememberable
    for target in ("/admin", "/admin/x", "//ADMIN/x"):
        refused = await ask(stage, target, line)
        assert isinstance(refused, Refuse)
        assert refused.refusal is Refusal.NOT_ALLOWED
    reading = replace(ALLOW, methods=frozenset({"GET"}))
    adopt(stage, reading)
    peer = peer_of(stage.made.anna)
    for method, kind in (("GET", Forward), ("HEAD", Forward), ("POST", Refuse)):
        verdict = await judge(stage, peer, head_of("/", line, "Content-Length: 0", method=method))
        assert isinstance(verdict, kind), method


async def test_a_grant_is_for_the_network_that_it_was_made_for(stage: Stage) -> None:
    """Where rules look at that: the same session elsewhere is asked anew."""
    adopt(stage, replace(ALLOW, networks=(ip_network("192.0.2.0/24"),)))
    line = cookie(stage, await stage.sign_in())
    assert isinstance(await ask(stage, "/", line), Forward)
    elsewhere = replace(peer_of(stage.made.anna), address="198.51.100.1")
    refused = await judge(stage, elsewhere, head_of("/", line))
    assert isinstance(refused, Refuse)
    assert refused.refusal is Refusal.OUTSIDE_NETWORK
    mapped = replace(peer_of(stage.made.anna), address="::ffff:192.0.2.9")
    assert isinstance(await judge(stage, mapped, head_of("/", line)), Forward)


@pytest.mark.parametrize(
    "narrowed, allowed",
    [
        (replace(ALLOW, devices=frozenset({"stick-1"})), True),
        (replace(ALLOW, devices=frozenset({"stick-2"})), False),
        (replace(ALLOW, issuers=frozenset({"own"})), True),
        (replace(ALLOW, issuers=frozenset({"partner"})), False),
        (replace(ALLOW, certificate=CertificateKind.UNLIMITED), True),
        (replace(ALLOW, certificate=CertificateKind.LIMITED), False),
    ],
)
async def test_rules_know_the_certificate(stage: Stage, narrowed: Rule, *, allowed: bool) -> None:
    """Its device, its CA, and whether it opens everything."""
    adopt(stage, narrowed)
    verdict = await ask(stage, "/", cookie(stage, await stage.sign_in()))
    if allowed:
        assert isinstance(verdict, Forward)
    else:
        assert isinstance(verdict, Refuse)
        assert verdict.refusal is Refusal.OTHER_CERTIFICATE


IN_THREE_DAYS = Timetable(UTC, weekdays=frozenset({(datetime.now(UTC).weekday() + 3) % 7}))
NARROWED = {
    Refusal.OUTSIDE_HOURS: replace(ALLOW, when=IN_THREE_DAYS),
    Refusal.OUTSIDE_PERIOD: replace(ALLOW, when=Timetable(UTC, last=date(2020, 1, 1))),
    Refusal.OUTSIDE_NETWORK: replace(ALLOW, networks=(ip_network("198.51.100.0/24"),)),
    Refusal.OTHER_CERTIFICATE: replace(ALLOW, devices=frozenset({"stick-2"})),
    Refusal.PART_NOT_ALLOWED: replace(ALLOW, paths=(parse_path_pattern("/x"),)),
}


@pytest.mark.parametrize("refusal", NARROWED)
async def test_in_what_respect_is_told_only_to_who_has_signed_in(
    stage: Stage, refusal: Refusal
) -> None:
    """Whoever has found a stick learns neither hours nor networks; its owner does, by a sign-in."""
    adopt(stage, NARROWED[refusal])
    assert isinstance(await ask(stage, "/", PAGE), Redirect)
    assert await ask(stage, "/") == Refuse(Refusal.SESSION_REQUIRED)
    verdict = await ask(stage, "/", PAGE, cookie(stage, await stage.sign_in()))
    assert isinstance(verdict, Refuse)
    assert verdict.refusal is refusal
    assert (verdict.opens_at is None) is (refusal is not Refusal.OUTSIDE_HOURS)


async def test_when_a_deny_rule_ends_is_told_only_to_who_has_signed_in(stage: Stage) -> None:
    """That one without an end denies, is told to anybody: it says nothing of anybody."""
    closed = Rule("closed", Effect.DENY, None, None)
    adopt(stage, ALLOW, replace(closed, when=now_and(stage, minutes=5)))
    assert isinstance(await ask(stage, "/", PAGE), Redirect)
    adopt(stage, ALLOW, closed)
    verdict = await ask(stage, "/", PAGE)
    assert isinstance(verdict, Refuse)
    assert (verdict.refusal, verdict.opens_at) == (Refusal.NOT_ALLOWED, None)


@pytest.mark.parametrize("paths", [None, (parse_path_pattern("/**"),)])
async def test_a_rule_on_trial_lets_pass_and_tells(
    stage: Stage, paths: tuple[PathPattern, ...] | None
) -> None:
    """With the first request that rests on a grant, not with each, also where each is decided."""
    adopt(stage, ALLOW, Rule("trial", Effect.OBSERVE, None, ALLOW.groups, paths=paths))
    line = cookie(stage, await stage.sign_in())
    first, second = await ask(stage, "/", line), await ask(stage, "/", line)
    assert isinstance(first, Forward)
    assert isinstance(second, Forward)
    assert first.observed is not None
    assert first.observed.kind is AuditKind.ACCESS_OBSERVED
    assert (first.observed.reason, first.observed.detail) == ("rule-denies", {"rule": "trial"})
    assert second.observed is None
    assert first.grant is not None
    assert first.grant.observed == ("trial",)
    assert second.grant is first.grant


async def test_a_deny_rule_with_an_end_says_when_it_opens(stage: Stage) -> None:
    """To the person it is all the same which rule keeps the hours."""
    hours = now_and(stage, minutes=5)
    adopt(stage, ALLOW, Rule("closed", Effect.DENY, None, None, when=hours))
    refused = await ask(stage, "/", cookie(stage, await stage.sign_in()))
    assert isinstance(refused, Refuse)
    assert (refused.refusal, refused.opens_at) == (
        Refusal.OUTSIDE_HOURS,
        hours.look(stage.clock())[1],
    )
    assert refused.event is not None
    assert refused.event.reason == "rule-denies"


async def test_what_is_under_way_is_judged_by_what_it_asks_for(stage: Stage) -> None:
    """A path that is denied later is cut, another not; and what waits for nothing stays."""
    line = cookie(stage, await stage.sign_in())
    forward = await ask(stage, "/", line)
    assert isinstance(forward, Forward)
    grant = forward.grant
    assert grant is not None
    adopt(
        stage,
        ALLOW,
        Rule("x", Effect.DENY, None, None, paths=(parse_path_pattern("/x"),)),
    )
    again = stage.edge.gate.judge_again
    facts = RequestFacts("GET", "/x", ADDRESS)
    assert again(grant, grant.holder, facts, ADDRESS) is Refusal.NOT_ALLOWED
    assert again(grant, grant.holder, replace(facts, path="/y"), ADDRESS) == Allow("technicians")
    assert again(grant, grant.holder, None, ADDRESS) == Allow("technicians")
