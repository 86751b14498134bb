from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.core.refusal_kinds import Refusal
from gateway.core.site import Limits
from gateway.edge.plain import read_request_lines, understand
from gateway.edge.verdicts import Forward
from tests.gateway.edge.recorder import Seen
from tests.gateway.edge.stage import Stage, Visitor, application

BROWSER = (b"User-Agent: Mozilla/5.0 (X11)", b"Accept: */*", b"Connection: keep-alive")


async def season(stage: Stage) -> Visitor:
    """Enter as Anna, and ask until the lines that are asked about are known by heart."""
    anna = await stage.enter()
    for number in range(4):
        reply = await anna.ask("/before", "GET", *BROWSER, b"Referer: /%d" % number)
        assert reply.status == 200
    return anna


def shown(seen: Seen) -> list[tuple[str, str]]:
    """Return what an application was told, but for what is another with each request."""
    return [(name, value) for name, value in seen.fields if name != "x-request-id"]


async def test_what_passes_unseen_is_read_and_the_rest_is_known(stage: Stage) -> None:
    """The gate would have said the same, to the byte, and would have read the same head."""
    anna = await season(stage)
    (connection,) = stage.connections
    manner = connection._manner
    request = anna.request("/page?x=1", "GET", *BROWSER, b"Referer: /new")
    lines = read_request_lines(request, Limits())
    assert manner is not None
    assert manner.account is not None
    assert lines is not None
    assert manner.fits(lines)
    shape, head = manner.shape(lines), understand(lines)
    assert head is not None
    verdict = stage.edge.gate.judge(connection.peer, head)
    assert isinstance(verdict, Forward)
    assert b"\r\nReferer: /new\r\n" in shape.tail
    assert (shape.tail, shape.grant, shape.session) == (
        verdict.tail,
        verdict.grant,
        verdict.session,
    )
    assert [getattr(shape.head, slot) for slot in head.__slots__] == [
        getattr(head, slot) for slot in head.__slots__
    ]


async def test_of_cookies_only_ours_is_asked_about(stage: Stage) -> None:
    """One that an application changes with each page costs no question; another session does."""
    anna = await season(stage)
    (connection,) = stage.connections
    manner = connection._manner
    assert manner is not None

    def fits(cookie: bytes) -> bool:
        request = replace(anna, cookie=cookie + b"\r\n").request("/", "GET", *BROWSER)
        lines = read_request_lines(request, Limits())
        assert lines is not None
        return manner.fits(lines)

    mine = anna.cookie.removeprefix(b"Cookie: ").removesuffix(b"\r\n")
    assert fits(b"Cookie: " + mine)
    assert fits(b"Cookie: visit=1; " + mine + b"; theme=dark")
    for other in (b"visit=1", mine + b"x", mine + b"; " + mine, mine + b"; " + mine[:-9] + b"="):
        assert not fits(b"Cookie: " + other)
    visiting = replace(anna, cookie=b"Cookie: visit=2; " + mine + b"\r\n")
    assert (await visiting.ask("/", "GET", *BROWSER)).status == 200
    assert connection._manner is manner
    assert stage.wiki.requests[-1].values("cookie") == ["visit=2"]


@pytest.mark.parametrize(
    "fields",
    [
        *((b"Referer: /new",), (b"If-None-Match: x", b"Range: bytes=0-1"), (b"X-Any: \xe9",)),
        *(
            (b"X-Forwarded-User: admin",),
            (b"X_Forwarded_User: admin",),
            (b"Pusterla-Assertion: x",),
        ),
        *((b"Cookie: __Host-pusterla=forged",), (b"Cookie: theme=dark",)),
        *((b"TE: trailers",), (b"Keep-Alive: 5",), (b"Content_Length: 5",), (b"Forwarded: for=x",)),
        *((b"Host: wiki.pusterla.localhost",), (b"Connection: close",), (b"Connection: x-any",)),
        *((b"Content-Length: 0",), (b"Content-Length: x",), (b"Expect: 100-continue",)),
        *((b"Transfer-Encoding: x",), (b" folded",), (b"X : y",), (b"X: a\x00b",), (b"X: a\rb",)),
        *(
            (b"Upgrade: websocket",),
            (b"User-Agent: other",),
            (b"X: y",) * (Limits().head_fields + 1),
        ),
    ],
)
async def test_whatever_comes_is_answered_as_on_a_new_connection(
    stage: Stage, fields: tuple[bytes, ...]
) -> None:
    """And the application hears the same, however well the connection is known."""
    anna = await season(stage)
    fresh = replace(anna, wire=await stage.connect(anna.host, stage.made.anna))
    heard = []
    for visitor in (anna, fresh):
        before = len(stage.wiki.requests)
        reply = await visitor.ask("/now", "GET", *BROWSER, *fields)
        heard.append((reply.status, reply.body, [*map(shown, stage.wiki.requests[before:])]))
        if reply.status != 200:
            # Not the page: it shows the request's id.
            heard[-1] = (reply.status, reply.refusal, heard[-1][2])
    assert heard[0] == heard[1]


async def test_a_manner_is_worth_nothing_without_its_grant(stage: Stage) -> None:
    """Too old, or ended by a policy: then the request is judged anew."""
    anna = await season(stage)
    first = stage.wiki.requests[-1].values("pusterla-assertion")
    stage.clock.shift = timedelta(seconds=40)
    stage.edge.admission.confirm(stage.clock())
    assert (await anna.ask("/older", "GET", *BROWSER, b"Referer: /a")).status == 200
    assert stage.wiki.requests[-1].values("pusterla-assertion") != first
    stage.edge.adopt({"crm": stage.applications()["crm"]})
    reply = await anna.ask("/gone", "GET", *BROWSER, b"Referer: /b")
    assert (reply.status, reply.refusal) == (421, Refusal.UNKNOWN_HOST)


@pytest.mark.parametrize("change", [{"user_header": "X-Who"}, {"upstream_host": "wiki.lan"}])
async def test_where_every_field_counts_there_is_no_manner(
    stage: Stage, change: dict[str, str]
) -> None:
    """Any field may be taken for a name of the user, or has to be rewritten."""
    wiki = stage.applications()["wiki"]
    stage.edge.adopt({"wiki": application("wiki", wiki.upstreams, **change)})
    anna = await season(stage)
    assert [connection._manner for connection in stage.connections] == [None]
    await anna.ask("/now", "GET", *BROWSER, b"X-Who: admin")
    heard = stage.wiki.requests[-1].values("x-who")
    assert heard == (["anna"] if "user_header" in change else ["admin"])
