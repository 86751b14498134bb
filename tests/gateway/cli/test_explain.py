"""pusterla explain, on a site that does not run: records as its processes leave them."""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, cast
from zoneinfo import ZoneInfo

import click
import pytest

from ca.trust import Revocation, RevocationReason
from gateway.bootstrap.command import open_command
from gateway.bootstrap.folder import locate
from gateway.cli import main
from gateway.config import read_site
from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.foreign import Verdict
from gateway.core.refusal_advice import ADVICE, fill
from gateway.core.refusal_kinds import STATUS, Refusal
from gateway.core.request_ids import second_part
from gateway.core.site import Site
from gateway.store import Store
from tests.gateway.cli.runner import Runner
from tests.gateway.cli.test_foreign import BERTAS, GOOD, REASON, show_too, work

REVOKE = ("revoke", *REASON, "--serial")
NODE = "k3v7qh2"


def request_at(moment: datetime, number: int = 1) -> str:
    """Return the id of a request that came at *moment*."""
    return f"{second_part(int(moment.timestamp()))}-{NODE}-{number:x}"


def write_line(pusterla: Runner, moment: datetime, **changes: object) -> str:
    """Append a line to the access log of the site; return the request's id."""
    request = request_at(moment)
    fields: dict[str, object] = {
        "time": f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.500Z",
        "id": request,
        "status": 200,
        "reason": "",
        "method": "GET",
        "target": "/",
        "upstream": "",
        "address": "192.0.2.7",
        **dict.fromkeys(("user", "serial", "device", "app", "rule"), ""),
        "host": "wiki.pusterla.localhost",
        "tls": "TLSv1.3",
        "user_agent": "Tester/1",
        "received": 1,
        "sent": 2,
        "first_ms": 0.5,
        "total_ms": 1.0,
        **changes,
    }
    folder = pusterla.site / "log"
    folder.mkdir(exist_ok=True)
    with (folder / "access.jsonl").open("ab") as log:
        log.write(json.dumps(fields, separators=(",", ":")).encode() + b"\n")
    return request


def read_zone(pusterla: Runner) -> ZoneInfo:
    """Return the time zone that the settings name."""
    site = read_site(pusterla.site / "pusterla.toml")
    assert isinstance(site, Site)
    return site.time_zone


@pytest.fixture
def now() -> datetime:
    """This moment."""
    return datetime.now(UTC)


def refuse(pusterla: Runner, moment: datetime, refusal: Refusal, **changes: object) -> str:
    """Append the line of a refusal."""
    status = STATUS[refusal].value
    return write_line(pusterla, moment, reason=refusal.value, status=status, **changes)


@pytest.mark.parametrize("refusal", Refusal)
def test_every_refusal_is_told(pusterla: Runner, now: datetime, refusal: Refusal) -> None:
    """Why, and what to do: for people and for programs, with nothing but the log to go by."""
    request = refuse(pusterla, now - timedelta(minutes=5), refusal)
    story = pusterla.json("explain", request)
    assert (story["refusal"], story["why"]) == (refusal.value, ADVICE[refusal].when)
    assert story["do"] == [fill(step, {"id": request}) for step in ADVICE[refusal].do]
    printed = pusterla.done("explain", request).stdout
    for part in (request, ADVICE[refusal].when, *story["do"]):
        assert part in printed


def commands() -> Iterator[tuple[Refusal, str]]:
    """Return every command of ours that the administrator may be told to type."""
    known = {"user": "anna", "serial": "4a0f", "device": "stick-1", "app": "wiki"}
    for refusal, advice in ADVICE.items():
        for step in advice.do:
            for line in re.findall(r"`pusterla ([^`]+)`", fill(step, {**known, "trust": "office"})):
                yield refusal, line


@pytest.mark.parametrize("refusal, line", [*commands()])
def test_every_command_that_is_named_can_be_typed(refusal: Refusal, line: str) -> None:
    """It is there, and takes these arguments."""
    del refusal
    words, command = line.split(), cast("click.Command", main)
    ctx = click.Context(command)
    while isinstance(command, click.Group):
        found = command.get_command(ctx, words.pop(0))
        assert found is not None, line
        command, ctx = found, click.Context(found, parent=ctx)
    parser = command.make_parser(ctx)
    _, rest, _ = parser.parse_args([*words])
    assert rest == []


def test_the_certificate_is_told_as_it_was_and_as_it_is(pusterla: Runner, now: datetime) -> None:
    """Good when the request came, revoked since; by whom stands in the audit log."""
    pusterla.add_user("anna", "technicians")
    pusterla.add_app("wiki", "--allow", "group:technicians")
    issued = pusterla.issue("anna")
    who = {"user": "anna", "serial": issued["serial"], "device": "stick-1", "app": "wiki"}
    request = refuse(pusterla, now + timedelta(seconds=2), Refusal.UPSTREAM_TIMEOUT, **who)
    story = pusterla.json("explain", request)
    assert story["certificate"]["state"] == "valid"
    assert story["person"] == {
        "user": "anna",
        "name": "anna",
        "enabled": True,
        "groups": ["technicians"],
    }
    assert story["session"] is None
    assert story["rules"]["then"]["decision"] == "sign-in"
    assert story["rules"]["upstreams"] == ["http://127.0.0.1:9000"]
    pusterla.done("cert", "revoke", "--serial", issued["serial"], "--reason", "keyCompromise")
    story = pusterla.json("explain", request)
    assert story["certificate"]["state"] == "revoked"
    assert [line["kind"] for line in story["stopped_by"]] == ["certificate-revoked"]
    printed = pusterla.done("explain", request).stdout
    assert re.search(r"(?m)^  now +revoked since .* \(keyCompromise\)$", printed)
    assert f"{issued['serial']} on stick-1" in printed


class TestSameSerial:
    """Other CAs number as they like, and may copy what is ours."""

    @pytest.fixture
    def theirs(self, pusterla: Runner) -> Verdict:
        """Berta's card has the serial of Anna's certificate, which is ours."""
        pusterla.add_user("anna")
        pusterla.add_user("berta")
        copied = replace(BERTAS, serial=pusterla.issue("anna")["serial"])
        show_too(pusterla, copied)
        return copied

    def test_the_device_says_whose_it_is(
        self, pusterla: Runner, now: datetime, theirs: Verdict
    ) -> None:
        """A trust is the device of its certificates."""
        before = now - timedelta(seconds=5)
        shown = {"user": "berta", "serial": theirs.serial, "device": "cards"}
        story = pusterla.json("explain", refuse(pusterla, before, Refusal.NOT_ALLOWED, **shown))
        assert story["certificate"]["fingerprint"] == theirs.fingerprint
        own = {"user": "anna", "serial": theirs.serial, "device": "stick-1"}
        story = pusterla.json("explain", refuse(pusterla, now, Refusal.NOT_ALLOWED, **own))
        assert story["certificate"]["user"] == "anna"

    def test_nothing_is_guessed(self, pusterla: Runner, now: datetime, theirs: Verdict) -> None:
        """Where neither device nor person says which, none is shown, and why is said."""
        request = refuse(pusterla, now, Refusal.NOT_ALLOWED, serial=theirs.serial)
        story = pusterla.json("explain", request)
        assert story["certificate"] is None
        assert any("several certificates" in each for each in story["missing"])

    def test_what_was_done_to_the_other_is_not_told(
        self, pusterla: Runner, now: datetime, theirs: Verdict
    ) -> None:
        """A card that was revoked has nothing to do with the certificate of the same number."""
        own = {"user": "anna", "serial": theirs.serial, "device": "stick-1"}
        request = refuse(pusterla, now - timedelta(seconds=5), Refusal.NOT_ALLOWED, **own)
        pusterla.done("cert", "hold", "--trust", "cards", theirs.serial)
        pusterla.done("cert", "hold", "--trust", own_issuer(pusterla), theirs.serial)
        story = pusterla.json("explain", request)
        for part in ("stopped_by", "changed_since"):
            assert {line["user"] for line in story[part]} == {"anna"}


def own_issuer(pusterla: Runner) -> str:
    """Return the name of our issuing CA."""
    name: str = pusterla.json("cert", "list", "--user", "anna")[0]["issuer"]
    return name


class TestOfAnotherCA:
    WHO: ClassVar = {"user": "anna", "serial": GOOD.serial, "device": GOOD.trust}

    @pytest.mark.parametrize(
        "words, kind", [(("hold",), "certificate-held"), (REVOKE, "certificate-revoked")]
    )
    def test_who_stopped_it_is_told(
        self, pusterla: Runner, now: datetime, words: tuple[str, ...], kind: str
    ) -> None:
        """As of ours: the command wrote it down."""
        pusterla.add_user("anna")
        show_too(pusterla, GOOD)
        pusterla.done("cert", *words, GOOD.serial)
        request = refuse(pusterla, now, Refusal.CERTIFICATE_HELD, **self.WHO)
        [line] = pusterla.json("explain", request)["stopped_by"]
        assert (line["kind"], line["user"]) == (kind, "anna")

    def test_that_its_own_ca_revoked_it_is_told(self, pusterla: Runner, now: datetime) -> None:
        """When the verifier heard of it, which may be long after it was."""
        pusterla.add_user("anna")
        revoked = Revocation(now - timedelta(hours=9), RevocationReason.KEY_COMPROMISE)
        show_too(pusterla, GOOD, replace(GOOD, revocation=revoked))
        request = refuse(pusterla, now, Refusal.CERTIFICATE_REVOKED, **self.WHO)
        [line] = pusterla.json("explain", request)["stopped_by"]
        assert (line["kind"], line["reason"]) == ("certificate-revoked", "keyCompromise")


@pytest.mark.parametrize("kind", [AuditKind.ENROLLED, AuditKind.TOTP_CHANGED])
def test_what_they_changed_themselves_is_told(
    pusterla: Runner, now: datetime, kind: AuditKind
) -> None:
    """A ticket that was used and another telephone end sessions, as a command does."""
    pusterla.add_user("anna")
    request = refuse(pusterla, now - timedelta(seconds=5), Refusal.SESSION_REQUIRED, user="anna")

    async def record(store: Store) -> None:
        await store.record(AuditEvent(kind, now, user="anna"))

    work(pusterla, record)
    kinds = [line["kind"] for line in pusterla.json("explain", request)["changed_since"]]
    assert kind.value in kinds


def test_what_is_over_by_now_is_not_to_be_done_again(pusterla: Runner, now: datetime) -> None:
    """The account was switched on meanwhile, or the group was given: the first step says so."""
    pusterla.add_user("anna")
    pusterla.add_app("wiki", "--allow", "group:technicians")
    issued = pusterla.issue("anna")
    who = {"user": "anna", "serial": issued["serial"], "device": "stick-1", "app": "wiki"}
    disabled = refuse(pusterla, now + timedelta(seconds=1), Refusal.PERSON_DISABLED, **who)
    denied = refuse(pusterla, now + timedelta(seconds=2), Refusal.NOT_ALLOWED, **who)
    pusterla.done("user", "disable", "anna")
    for request in (disabled, denied):
        assert not pusterla.json("explain", request)["do"][0].startswith("Let them try again")
    pusterla.done("user", "enable", "anna")
    [first, *_] = pusterla.json("explain", disabled)["do"]
    assert first == "Let them try again: the account is switched on now."
    assert not pusterla.json("explain", denied)["do"][0].startswith("Let them try again")
    file = pusterla.site / "apps" / "wiki.toml"
    file.write_text(file.read_text().replace('groups = ["technicians"]', 'users = ["anna"]'))
    [first, *_] = pusterla.json("explain", denied)["do"]
    assert first == "Let them try again: the rules let it pass now."


@pytest.mark.parametrize(
    "changes, why",
    [
        ({"status": 404, "app": "wiki", "upstream": "u", "rule": "r"}, "the application's own"),
        ({"status": 200, "app": "wiki", "upstream": "u", "rule": "r"}, "Nothing was refused"),
        ({"status": 303, "app": "wiki"}, "brought to the sign-in"),
        ({"status": 404, "app": "portal"}, "The portal answered 404"),
        ({"status": 200, "app": "portal"}, "Nothing was refused"),
        ({"status": 499, "app": "wiki", "reason": "client-gone"}, "The client went away"),
        ({"status": 101, "app": "wiki", "reason": "session-ended"}, "its session is over"),
        ({"status": 200, "app": "wiki", "reason": "what is new"}, "did not end well: what is new"),
    ],
)
def test_what_was_no_refusal_is_told_too(
    pusterla: Runner, now: datetime, changes: dict[str, Any], why: str
) -> None:
    """An id may be of anything: whose answer it was is what the administrator asks."""
    request = write_line(pusterla, now - timedelta(minutes=1), **changes)
    assert why in pusterla.json("explain", request)["why"]


def test_an_id_is_taken_as_it_was_heard(pusterla: Runner, now: datetime) -> None:
    """In capitals, with blanks, as a telephone call leaves it."""
    request = write_line(pusterla, now - timedelta(minutes=1))
    spoken = f" {request.upper().replace('-', ' - ')} "
    assert pusterla.json("explain", spoken)["request"] == request


class TestNothingKnown:
    def test_the_log_reaches_back_so_far(self, pusterla: Runner, now: datetime) -> None:
        """Then it is another node's, or misheard, or not over yet."""
        write_line(pusterla, now - timedelta(hours=2))
        said = pusterla.refused("explain", request_at(now - timedelta(hours=1)))
        assert "ask on the other nodes" in said
        assert "explain --user" in said

    def test_the_log_does_not_reach_back_so_far(self, pusterla: Runner, now: datetime) -> None:
        """The line was rotated away."""
        write_line(pusterla, now - timedelta(hours=1))
        said = pusterla.refused("explain", request_at(now - timedelta(hours=2)))
        assert "rotated away" in said

    def test_there_is_no_log(self, pusterla: Runner, now: datetime) -> None:
        """A site that was never started."""
        said = pusterla.refused("explain", request_at(now - timedelta(hours=1)))
        assert "there is no line" in said

    def test_the_log_is_off(self, pusterla: Runner, now: datetime) -> None:
        """By the settings."""
        self.switch_off(pusterla)
        said = pusterla.refused("explain", request_at(now - timedelta(hours=1)))
        assert "the access log is off" in said

    def test_it_is_too_new(self, pusterla: Runner, now: datetime) -> None:
        """Lines are written twice a second."""
        write_line(pusterla, now - timedelta(hours=1))
        assert "ask again" in pusterla.refused("explain", request_at(now))

    def test_it_is_of_the_future(self, pusterla: Runner, now: datetime) -> None:
        """One of two clocks is wrong."""
        said = pusterla.refused("explain", request_at(now + timedelta(days=1)))
        assert "in the future" in said

    @staticmethod
    def switch_off(pusterla: Runner) -> None:
        """Say in the settings that no access log is written."""
        settings = pusterla.site / "pusterla.toml"
        text, count = re.subn(r"(?m)^# access = .*$", 'access = "off"', settings.read_text())
        assert count == 1
        settings.write_text(text)


class TestLists:
    def test_name_what_was_refused(self, pusterla: Runner, now: datetime) -> None:
        """The newest, oldest first; not what went well, and nobody else's."""
        pusterla.add_user("anna")
        requests = [
            refuse(pusterla, now - timedelta(minutes=30 - number), Refusal.NOT_ALLOWED, user="anna")
            for number in range(5)
        ]
        write_line(pusterla, now - timedelta(minutes=3), user="anna")
        refuse(pusterla, now - timedelta(minutes=2), Refusal.NOT_ALLOWED, user="bruno")
        listed = pusterla.json("explain", "--user", "anna", "-n", "3")
        assert [one["request"] for one in listed] == requests[-3:]
        assert listed[0]["reason"] == "not-allowed"
        printed = pusterla.done("explain", "--user", "anna").stdout
        assert all(request in printed for request in requests)
        here = pusterla.json("explain", "--user", "anna", "--from", "192.0.2.8")
        assert here == []

    def test_look_around_a_moment(self, pusterla: Runner, now: datetime) -> None:
        """A quarter of an hour before and after, by the site's clock or with a zone."""
        moment = now - timedelta(hours=5)
        write_line(pusterla, now - timedelta(hours=9))
        near = refuse(pusterla, moment + timedelta(minutes=10), Refusal.NO_CERTIFICATE)
        refuse(pusterla, moment + timedelta(minutes=20), Refusal.NO_CERTIFICATE)
        there = moment.astimezone(read_zone(pusterla))
        for text in (moment.isoformat(), f"{there:%Y-%m-%d %H:%M}"):
            listed = pusterla.json("explain", "--from", "192.0.2.7", "--at", text)
            assert [one["request"] for one in listed] == [near]

    def test_say_how_far_they_reach(self, pusterla: Runner, now: datetime) -> None:
        """What is older than the access log is asked of the audit log alone."""
        write_line(pusterla, now - timedelta(minutes=1))
        said = pusterla.done("explain", "--from", "192.0.2.7", "--last", "2d").stderr
        assert "reaches back to" in said
        assert "nothing was refused in that time" in said

    def test_name_what_was_refused_in_the_handshake(self, pusterla: Runner, now: datetime) -> None:
        """There was no request, and so no id: the audit log has it."""
        event = AuditEvent(
            AuditKind.CERTIFICATE_REFUSED,
            now - timedelta(minutes=3),
            user="anna",
            serial="4a0f",
            address="192.0.2.9",
            reason="certificate-held",
            detail={"possession": "unproven"},
        )

        async def record() -> None:
            async with open_command(locate(pusterla.site)) as command:
                await command.store.record(event)

        asyncio.run(record())
        for named in (("--user", "anna"), ("--serial", "4A:0F"), ("--from", "192.0.2.9")):
            [one] = pusterla.json("explain", *named)
            assert (one["reason"], one["asked"]) == ("certificate-held", "handshake")
            assert one["request"] is None

    def test_know_the_nearest_name(self, pusterla: Runner) -> None:
        """A slip of the keyboard."""
        pusterla.add_user("anna")
        assert "did you mean 'anna'?" in pusterla.refused("explain", "--user", "anan")


@pytest.mark.parametrize(
    "words, said",
    [
        ((), "name the ID of a request"),
        (("4a0f66c1d2e3",), "is no id of a request"),
        (("bvqflyq-k3v7qh2-1f", "--user", "anna"), "name the ID of a request"),
        (("bvqflyq-k3v7qh2-1f", "--last", "1h"), "an ID says by itself"),
        (("--user", "Anna"), "did you mean 'anna'?"),
        (("--serial", "zz"), "is no serial number"),
        (("--from", "office"), "is no IP address"),
        (("--user", "anna", "--at", "yesterday"), "is no moment; write"),
        (("--user", "anna", "--at", "0001-01-01"), "only years from 1970 to 2199"),
        (("--user", "anna", "--last", "999999d"), "999999d is too long: at most 36500d"),
        (("--user", "anna", "--at", "2026-11-22", "--last", "1h"), "take one"),
        (("--user", "anna", "--last", "soon"), "expected a duration"),
    ],
)
def test_wrong_usage_is_told(pusterla: Runner, words: tuple[str, ...], said: str) -> None:
    """Status 2, and what is right."""
    result = pusterla.run("explain", *words)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def test_what_a_stranger_wrote_moves_no_cursor(pusterla: Runner, now: datetime) -> None:
    """Escaped for people, in any field; whole for programs."""
    evil = "\x1b]0;owned\x07\u202e\x9b31m"
    request = write_line(
        pusterla, now - timedelta(minutes=1), user_agent=evil, target=f"/{evil}", host=evil
    )
    printed = pusterla.done("explain", request).stdout
    assert all(one.isprintable() or one == "\n" for one in printed)
    assert "\\x1b]0;owned" in printed
    assert pusterla.json("explain", request)["access"]["user_agent"] == evil
