"""The revocation lists of a trust: what arrives, what stays in force, and what is answered."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ReasonFlags

from ca.trust import RevocationReason
from gateway.core.trusts import IdentityMap, PastEnd, Trust
from gateway.verifier.fetching import Fetcher, Patience
from gateway.verifier.list_words import ListEvent, ListEventKind, ListStatus
from gateway.verifier.lists import MOST_SOURCES, RevocationLists
from tests.ca.foreign.crl_makers import (
    NOW,
    WEEK,
    Entry,
    fresh_at,
    listed_at,
    make_crl,
    make_crl_with_openssl,
    point_at,
    scope,
)
from tests.ca.foreign.makers import DAY, Extension, Holder, certify, index_line, make_foreign_ca
from tests.gateway.edge.authority import make_authority
from tests.gateway.verifier.web import (
    Web,
    answer,
    broken_off,
    dripping,
    open_web,
    silent,
    unending,
)

HOUR = timedelta(hours=1)
CA = make_foreign_ca(NOW - 30 * DAY)
ANNA = certify("anna", CA, NOW)
KEY, HOLD, REMOVE = (
    ReasonFlags.key_compromise,
    ReasonFlags.certificate_hold,
    ReasonFlags.remove_from_crl,
)
TAKEN, REFUSED, FAILED, ENDED = ListEventKind
IMPATIENT = Patience(whole=2, silence=1)


def trust_in(*cas: Holder, urls: Sequence[str] = (), file: Path | None = None) -> Trust:
    """Make a trust in *cas*."""
    certificates = tuple(ca.certificate.public_bytes(Encoding.DER) for ca in cas)
    return Trust("plant", certificates, IdentityMap.SAN_EMAIL, crl_urls=tuple(urls), crl_file=file)


@dataclass(slots=True)
class Bench:
    """A server of lists, and a folder of the verifier."""

    web: Web
    directory: Path
    fetcher: Fetcher | None = None

    def open(self, trust: Trust | None = None) -> RevocationLists:
        """Open the lists of *trust*, as a process does that starts."""
        trust = trust or trust_in(CA, urls=[self.url])
        return RevocationLists(self.directory, trust, self.fetcher or Fetcher(), chance=lambda: 0.5)

    def open_impatiently(self) -> RevocationLists:
        """Open them again, as one who does not wait long."""
        self.fetcher = Fetcher(list_patience=IMPATIENT)
        return self.open()

    @property
    def url(self) -> str:
        """Where the CA's list is."""
        return self.web.url("/ca.crl")

    def publish(
        self, *entries: Entry, number: int = 1, path: str = "/ca.crl", **more: object
    ) -> None:
        """Let the CA publish a list."""
        self.web.answers[path] = answer(make_crl(CA, entries, number=number, **more))  # type: ignore[arg-type] # handed on


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Yield a server of lists on loopback."""
    async with open_web() as web:
        yield Bench(web, tmp_path / "plant")


async def due(lists: RevocationLists, now: datetime = NOW) -> tuple[ListEvent, ...]:
    """Refresh when it is due next, and no sooner than *now*."""
    when = lists.due()
    assert when is not None
    return await lists.refresh(max(when, now))


async def only_event(lists: RevocationLists, kind: ListEventKind, now: datetime = NOW) -> ListEvent:
    """Refresh, and expect one event of *kind*."""
    (event,) = await due(lists, now)
    assert event.kind is kind, event
    assert event.words.startswith("trust plant: ")
    assert event.words.isprintable()
    return event


def status(lists: RevocationLists, who: Holder = ANNA, now: datetime = NOW) -> ListStatus:
    """Ask about *who*."""
    found = lists.status(who.certificate, now)
    assert found.words
    return found


def reason(found: ListStatus) -> RevocationReason | None:
    """Return why somebody is revoked."""
    return None if found.revocation is None else found.revocation.reason


def serial(who: Holder) -> int:
    """Return the serial of somebody."""
    return who.certificate.serial_number


class TestTaken:
    async def test_nothing_is_known_before_a_list_was_had(self, bench: Bench) -> None:
        """Without a list nobody is good, and the reason is said."""
        lists = bench.open()
        found = status(lists)
        assert (found.revocation, found.good_until) == (None, None)
        assert "no revocation list of plant" in found.words
        assert lists.due() is not None

    async def test_a_list_is_had_and_asked(self, bench: Bench) -> None:
        """Who is not in it is good until it ends; who is in it is revoked."""
        boris = certify("boris", CA, NOW)
        bench.publish((serial(boris), KEY), number=7)
        lists = bench.open()
        event = await only_event(lists, TAKEN)
        assert event.source == bench.url
        assert "list number 7 of 'CN=Foreign CA', 1 entries" in event.words
        assert status(lists).good_until == NOW + WEEK
        assert status(lists).revocation is None
        assert reason(status(lists, boris)) is RevocationReason.KEY_COMPROMISE

    async def test_somebody_says_that_there_is_news(self, bench: Bench) -> None:
        """Then it is fetched at once, and not when it would be due."""
        bench.publish()
        lists = bench.open()
        await only_event(lists, TAKEN)
        bench.publish((serial(ANNA), KEY), number=2)
        assert await lists.refresh(NOW) == ()
        lists.hurry()
        (event,) = await lists.refresh(NOW)
        assert event.kind is TAKEN
        assert reason(status(lists)) is RevocationReason.KEY_COMPROMISE

    async def test_openssl_publishes_too(self, bench: Bench, tmp_path: Path) -> None:
        """A list that `openssl ca` has signed, in PEM, from a file."""
        index = index_line(ANNA.certificate, "261122050000Z,keyCompromise")
        file = tmp_path / "openssl.crl"
        file.write_bytes(make_crl_with_openssl(tmp_path, CA, index, number=0x1F))
        lists = bench.open(trust_in(CA, file=file))
        now = NOW + 36500 * DAY
        event, ended = await lists.refresh(now)
        assert (event.kind, ended.kind) == (TAKEN, ENDED)
        assert "number 31" in event.words
        assert reason(status(lists, now=now)) is RevocationReason.KEY_COMPROMISE

    async def test_the_next_list_takes_its_place(self, bench: Bench) -> None:
        """Revoked, held, released: each list says how it is now."""
        lists = bench.open()
        expected: list[tuple[tuple[Entry, ...], str | None]] = [
            ((), None),
            (((serial(ANNA), HOLD),), "certificateHold"),
            ((), None),
            (((serial(ANNA), KEY),), "keyCompromise"),
        ]
        for number, (entries, why) in enumerate(expected, 1):
            bench.publish(*entries, number=number)
            await only_event(lists, TAKEN)
            assert reason(status(lists)) == why

    async def test_nobody_is_judged_by_half_a_list(self, bench: Bench) -> None:
        """While the next one is fetched and read the last is asked; then the whole of the next."""
        boris = certify("boris", CA, NOW)
        strangers = [(serial(boris) + 1 + number, KEY) for number in range(1000)]
        bench.publish((serial(ANNA), KEY), *strangers)
        lists = bench.open()
        await only_event(lists, TAKEN)
        bench.publish((serial(boris), KEY), *strangers, number=2)
        lists.hurry()
        seen: list[tuple[RevocationReason | None, RevocationReason | None]] = []
        async with asyncio.TaskGroup() as group:
            refreshing = group.create_task(lists.refresh(NOW))
            while not refreshing.done():
                seen.append((reason(status(lists)), reason(status(lists, boris))))
                await asyncio.sleep(0.001)
        key = RevocationReason.KEY_COMPROMISE
        before, after = (key, None), (None, key)
        asked = seen.count(before)
        assert asked > 10
        assert seen == [before] * asked + [after] * (len(seen) - asked)
        assert (reason(status(lists)), reason(status(lists, boris))) == after

    async def test_the_same_list_is_no_news(self, bench: Bench) -> None:
        """Nothing is logged when nothing has changed, and the next fetch is planned."""
        bench.publish()
        lists = bench.open()
        await due(lists)
        before = lists.due()
        assert await due(lists) == ()
        assert lists.due() != before
        (told,) = lists.health()
        assert told.fetched_at == before

    async def test_a_server_that_knows_marks_sends_it_once(self, bench: Bench) -> None:
        """What has not changed is not sent again, after a restart neither."""
        bench.web.answers["/ca.crl"] = answer(make_crl(CA), ETag='"1"')
        await due(bench.open())
        bench.web.answers["/ca.crl"] = answer(b"", 304)
        lists = bench.open()
        assert await due(lists) == ()
        assert bench.web.asked[-1].header["if-none-match"] == '"1"'
        assert status(lists).good_until == NOW + WEEK

    async def test_a_file_is_read_when_it_has_changed(self, bench: Bench, tmp_path: Path) -> None:
        """A list may be put there by somebody else's program."""
        file = tmp_path / "ca.crl"
        lists = bench.open(trust_in(CA, file=file))
        assert f"{file}: No such file" in (await only_event(lists, FAILED)).words
        file.write_bytes(make_crl(CA))
        await only_event(lists, TAKEN)
        assert await due(lists) == ()
        (tmp_path / "next").write_bytes(make_crl(CA, [(serial(ANNA), KEY)], number=2))
        (tmp_path / "next").replace(file)
        await only_event(lists, TAKEN)
        assert status(lists).revocation is not None

    async def test_by_https_from_a_server_that_the_ca_has_certified(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        """A CA's own server is believed by the CA's certificate, when that is trusted."""
        authority = make_authority(tmp_path / "ca")
        ca = Holder(authority.certificate, authority.key)
        async with open_web(authority.server("localhost")) as web:
            url = web.url("/ca.crl", "localhost")
            web.answers["/ca.crl"] = answer(make_crl(ca))
            await only_event(bench.open(trust_in(ca, urls=[url])), TAKEN)
            event = await only_event(bench.open(trust_in(CA, urls=[url])), FAILED)
            assert "certificate verify failed" in event.words

    async def test_several_cas_of_a_trust(self, bench: Bench) -> None:
        """Each CA speaks for its own, also where two have one name."""
        others = [make_foreign_ca(NOW), make_foreign_ca(NOW, "Another CA")]
        paths = ["/ca.crl", "/1.crl", "/2.crl"]
        people = [ANNA, *(certify("x", ca, NOW) for ca in others)]
        cas = [CA, *others]
        for path, ca, who in zip(paths, cas, people, strict=True):
            listed = serial(who) if ca is others[0] else serial(people[1])
            bench.web.answers[path] = answer(make_crl(ca, [(listed, KEY)]))
        lists = bench.open(trust_in(*cas, urls=[bench.web.url(path) for path in paths]))
        assert [event.kind for event in await due(lists)] == [TAKEN] * 3
        revoked = [status(lists, who).revocation is not None for who in people]
        assert revoked == [False, True, False]

    async def test_of_a_ca_that_is_none_of_the_trusts(self, bench: Bench) -> None:
        """Nothing is said of certificates of others."""
        bench.publish()
        lists = bench.open()
        await due(lists)
        found = status(lists, certify("x", make_foreign_ca(NOW, "Another CA"), NOW))
        assert found.good_until is None


class TestBadInput:
    """The last good state stays in force, and the source and the reason are said."""

    @pytest.fixture
    async def lists(self, bench: Bench) -> RevocationLists:
        """Open lists that hold number 5, with anna on hold."""
        bench.publish((serial(ANNA), HOLD), number=5)
        lists = bench.open()
        await only_event(lists, TAKEN)
        return lists

    async def check(
        self, bench: Bench, lists: RevocationLists, kind: ListEventKind, *words: str
    ) -> ListEvent:
        """Expect an event of *kind* with *words*, and that all is as it was, after a restart too."""
        files = sorted(path.name for path in bench.directory.iterdir())
        event = await only_event(lists, kind)
        for part in (bench.url, "list number 5 stays in force", *words):
            assert part in event.words
        (told,) = lists.health()
        assert (told.number, told.entries) == ("5", 1)
        assert told.failed_at is not None
        assert words[0] in told.failure
        assert sorted(path.name for path in bench.directory.iterdir()) == files
        for one in (lists, bench.open()):
            assert reason(status(one)) is RevocationReason.CERTIFICATE_HOLD
            assert status(one).good_until == NOW + WEEK
        # Nothing is lost: the next good list is taken.
        bench.publish(number=6)
        await only_event(lists, TAKEN)
        assert status(lists).revocation is None
        assert lists.health()[0].failure == ""
        return event

    async def test_truncated(self, bench: Bench, lists: RevocationLists) -> None:
        """Half a list, said to be whole."""
        bench.web.answers["/ca.crl"] = answer(make_crl(CA, number=6)[:-10])
        event = await self.check(bench, lists, REFUSED, "is no revocation list to be read")
        assert event.reason == "unreadable"

    async def test_broken_off(self, bench: Bench, lists: RevocationLists) -> None:
        """Half a list, and then nothing."""
        whole = make_crl(CA, number=6)
        bench.web.answers["/ca.crl"] = broken_off(whole[:-10], len(whole))
        await self.check(bench, lists, FAILED, "broke off before its end")

    async def test_a_page_instead(self, bench: Bench, lists: RevocationLists) -> None:
        """A portal that wants somebody to sign in is no CA."""
        bench.web.answers["/ca.crl"] = answer(b"<html>Welcome", Content_Type="application/pkix-crl")
        await self.check(bench, lists, REFUSED, "is no revocation list to be read")

    async def test_signed_by_another_key(self, bench: Bench, lists: RevocationLists) -> None:
        """Whoever stands in between cannot release anybody."""
        bench.web.answers["/ca.crl"] = answer(make_crl(make_foreign_ca(NOW), number=6))
        event = await self.check(bench, lists, REFUSED, "is not signed by the key of")
        assert event.reason == "signature"

    async def test_older_than_the_one_held(self, bench: Bench, lists: RevocationLists) -> None:
        """A list from yesterday is genuine, and not the truth."""
        bench.publish(number=4)
        event = await self.check(bench, lists, REFUSED, "has the number 4, and 5 is in force")
        assert event.reason == "older"

    async def test_another_of_the_same_number(self, bench: Bench, lists: RevocationLists) -> None:
        """Two lists of one number cannot both be right."""
        bench.publish(number=5)
        event = await self.check(bench, lists, REFUSED, "says something else")
        assert event.reason == "conflict"

    async def test_from_the_future(self, bench: Bench, lists: RevocationLists) -> None:
        """What is true tomorrow is not taken today."""
        bench.publish(number=6, begins=NOW + 2 * DAY)
        event = await self.check(bench, lists, REFUSED, "is as of 2026-11-24", "clock")
        assert event.reason == "future"

    async def test_for_another_scope(self, bench: Bench, lists: RevocationLists) -> None:
        """A list for some reasons only says of nobody that he is good."""
        bench.publish(number=6, extensions=[scope(reasons=frozenset({KEY}))])
        event = await self.check(bench, lists, REFUSED, "only for some reasons")
        assert event.reason == "scope"

    async def test_indirect(self, bench: Bench, lists: RevocationLists) -> None:
        """A list that speaks for several CAs is refused."""
        bench.publish(number=6, extensions=[scope(indirect=True)])
        event = await self.check(bench, lists, REFUSED, "is indirect")
        assert event.reason == "indirect"

    async def test_200_mib_large(self, bench: Bench, lists: RevocationLists) -> None:
        """What is announced as too long is not taken at all."""
        bench.web.answers["/ca.crl"] = unending(b"0" * 2**16, announced=200 * 2**20)
        await self.check(bench, lists, FAILED, "longer than 104857600 octets")

    async def test_200_mib_in_pieces(self, bench: Bench, lists: RevocationLists) -> None:
        """What is not announced is taken up to the limit and no further, and is gone then."""
        bench.web.answers["/ca.crl"] = unending(b"0" * 2**18)
        await self.check(bench, lists, FAILED, "longer than 104857600 octets")

    async def test_never_ending(self, bench: Bench, lists: RevocationLists) -> None:
        """A drip that never ends is left after a while."""
        lists = bench.open_impatiently()
        bench.web.answers["/ca.crl"] = dripping(b"0", 0.05)
        await self.check(bench, lists, FAILED, "did not come to an end in 2 s")

    async def test_silent(self, bench: Bench, lists: RevocationLists) -> None:
        """A server that says nothing is left sooner."""
        lists = bench.open_impatiently()
        bench.web.answers["/ca.crl"] = silent()
        await self.check(bench, lists, FAILED, "nothing came for 1 s")

    async def test_not_there(self, bench: Bench, lists: RevocationLists) -> None:
        """A list that was taken away changes nothing until the last one ends."""
        del bench.web.answers["/ca.crl"]
        await self.check(bench, lists, FAILED, "the server answers 404")

    async def test_a_disk_that_is_full(self, bench: Bench, lists: RevocationLists) -> None:
        """A list that cannot be kept is not put in force either."""
        bench.publish(number=6)
        moved = bench.directory.with_name("away")
        bench.directory.rename(moved)
        event, *_ = await due(lists)
        assert event.kind is FAILED
        assert "cannot be written" in event.words
        assert reason(status(lists)) is RevocationReason.CERTIFICATE_HOLD
        moved.rename(bench.directory)
        await only_event(lists, TAKEN)
        assert status(lists).revocation is None


class TestDeltas:
    @pytest.fixture
    def fresh(self, bench: Bench) -> Extension:
        """Say where the delta is."""
        return fresh_at("ldap:///cn=delta", bench.web.url("/delta.crl"))

    async def test_hold_and_release(self, bench: Bench, fresh: Extension) -> None:
        """A delta is had with its full list, and what it says counts, after a restart too."""
        boris = certify("boris", CA, NOW)
        bench.publish((serial(boris), HOLD), number=5, extensions=[fresh])
        entries = [(serial(ANNA), HOLD), (serial(boris), REMOVE)]
        bench.publish(*entries, number=6, base=5, path="/delta.crl")
        lists = bench.open()
        assert [event.kind for event in await due(lists)] == [TAKEN, TAKEN]
        for one in (lists, bench.open()):
            assert reason(status(one)) is RevocationReason.CERTIFICATE_HOLD
            assert status(one, boris).revocation is None
        bench.publish((serial(ANNA), REMOVE), number=7, base=5, path="/delta.crl")
        await lists.refresh(NOW + 2 * HOUR)
        assert status(lists).revocation is None
        assert reason(status(lists, boris)) is RevocationReason.CERTIFICATE_HOLD
        assert {one.number for one in lists.health()} == {"5", "7"}

    async def test_a_delta_begins_at_what_is_held(self, bench: Bench, fresh: Extension) -> None:
        """Between the full list and a delta that begins later, something would be missing."""
        bench.publish(number=5, extensions=[fresh])
        bench.publish((serial(ANNA), KEY), number=9, base=8, path="/delta.crl")
        lists = bench.open()
        taken, refused = await due(lists)
        assert (taken.kind, refused.kind, refused.reason) == (TAKEN, REFUSED, "base")
        assert status(lists).revocation is None
        bench.publish(number=8, extensions=[fresh])
        await lists.refresh(NOW + 2 * HOUR)
        assert status(lists).revocation is not None

    async def test_a_full_list_that_has_caught_up(self, bench: Bench, fresh: Extension) -> None:
        """What the delta said is then in the full list, or no longer true."""
        bench.publish(number=5, extensions=[fresh])
        bench.publish((serial(ANNA), HOLD), number=6, base=5, path="/delta.crl")
        lists = bench.open()
        await due(lists)
        assert status(lists).revocation is not None
        bench.publish(number=7, extensions=[fresh])
        events = await lists.refresh(NOW + 2 * HOUR)
        assert [event.kind for event in events] == [TAKEN]
        for one in (lists, bench.open()):
            assert status(one).revocation is None


class TestLearnt:
    def person(self, bench: Bench, *paths: str, name: str = "anna") -> Holder:
        """Let the CA certify somebody whose lists are at *paths*."""
        points = [point_at("ldap:///cn=x", bench.web.url(path)) for path in paths]
        return certify(name, CA, NOW, [listed_at(*points)])

    async def test_where_a_certificate_says(self, bench: Bench) -> None:
        """Without an address of the trust, certificates say where their lists are."""
        anna = self.person(bench, "/ca.crl")
        bench.publish((serial(anna), KEY))
        lists = bench.open(trust_in(CA))
        assert lists.due() is None
        (event,) = await lists.refresh(NOW, about=anna.certificate)
        assert event.kind is TAKEN
        assert status(lists, anna).revocation is not None
        again = bench.open(trust_in(CA))
        when = again.due()
        assert when is not None
        assert when > NOW
        assert status(again, anna).revocation is not None

    async def test_only_where_the_trust_says(self, bench: Bench) -> None:
        """Where the administrator has said it, certificates are not asked."""
        lists = bench.open()
        assert lists.learn(self.person(bench, "/other.crl").certificate) == ()
        await lists.refresh(NOW)
        assert [asked.target for asked in bench.web.asked] == ["/ca.crl"]

    async def test_partitions(self, bench: Bench) -> None:
        """Each certificate is judged by the list of its partition."""
        one = self.person(bench, "/1.crl", name="one")
        two = self.person(bench, "/2.crl", name="two")
        for path in ("/1.crl", "/2.crl"):
            entries = [(serial(one), KEY)]
            extension = scope("ldap:///other", bench.web.url(path))
            bench.publish(*entries, path=path, extensions=[extension])
        lists = bench.open(trust_in(CA))
        await lists.refresh(NOW, about=one.certificate)
        assert reason(status(lists, one)) is RevocationReason.KEY_COMPROMISE
        assert status(lists, two).good_until is None
        await lists.refresh(NOW, about=two.certificate)
        assert (status(lists, two).revocation, status(lists, two).good_until) == (None, NOW + WEEK)

    async def test_the_list_of_another_partition_says_nothing(self, bench: Bench) -> None:
        """A server that sends the wrong partition cannot make anybody good."""
        anna = self.person(bench, "/1.crl")
        bench.publish(path="/1.crl", extensions=[scope(bench.web.url("/2.crl"))])
        lists = bench.open(trust_in(CA))
        await lists.refresh(NOW, about=anna.certificate)
        assert status(lists, anna).good_until is None

    async def test_a_delta_that_a_certificate_names(self, bench: Bench) -> None:
        """A certificate may say itself where the delta is."""
        extensions = [listed_at(point_at(bench.url)), fresh_at(bench.web.url("/delta.crl"))]
        anna = certify("anna", CA, NOW, extensions)
        bench.publish(number=5)
        bench.publish((serial(anna), KEY), number=6, base=5, path="/delta.crl")
        lists = bench.open(trust_in(CA))
        await lists.refresh(NOW, about=anna.certificate)
        assert status(lists, anna).revocation is not None

    async def test_a_directory_only(self, bench: Bench) -> None:
        """A certificate whose list is in LDAP alone is not good, and the way out is said."""
        anna = certify("anna", CA, NOW, [listed_at(point_at("ldap:///cn=x"))])
        lists = bench.open(trust_in(CA))
        (event,) = await lists.refresh(NOW, about=anna.certificate)
        assert event.kind is FAILED
        found = status(lists, anna)
        assert found.good_until is None
        assert "LDAP is not spoken here" in found.words

    async def test_files_of_this_machine_are_not_read(self, bench: Bench, tmp_path: Path) -> None:
        """What a certificate names is on the network, or not had."""
        file = tmp_path / "ca.crl"
        file.write_bytes(make_crl(CA))
        anna = certify("anna", CA, NOW, [listed_at(point_at(file.as_uri()))])
        lists = bench.open(trust_in(CA))
        (event,) = await lists.refresh(NOW, about=anna.certificate)
        assert event.kind is FAILED
        assert status(lists, anna).good_until is None

    async def test_not_more_than_a_ca_has(self, bench: Bench) -> None:
        """A CA that names ever new places is not followed to all of them."""
        lists = bench.open(trust_in(CA))
        for number in range(0, MOST_SOURCES + 40, 8):
            paths = [f"/{number + one}.crl" for one in range(8)]
            lists.learn(self.person(bench, *paths).certificate)
        assert len(lists.health()) == MOST_SOURCES

    async def test_each_source_has_a_name_of_its_own(self, bench: Bench) -> None:
        """The address that is asked is its name; where two share that, all of theirs."""
        lists = bench.open(trust_in(CA))
        for urls in (
            ("ldap:///cn=x", bench.web.url("/1.crl")),
            ("ldap:///cn=x", bench.web.url("/2.crl")),
            ("ldap:///cn=x", bench.web.url("/3.crl")),
            (bench.web.url("/3.crl"), "ldap:///cn=x"),
        ):
            lists.learn(certify("x", CA, NOW, [listed_at(point_at(*urls))]).certificate)
        one, two, *both = [told.source for told in lists.health()]
        assert (one, two) == (bench.web.url("/1.crl"), bench.web.url("/2.crl"))
        assert len(set(both)) == 2

    async def test_two_at_once_ask_once(self, bench: Bench) -> None:
        """Many who come at the same time wait for one fetch."""
        anna = self.person(bench, "/ca.crl")
        bench.publish()
        lists = bench.open(trust_in(CA))
        asked = [lists.refresh(NOW, about=anna.certificate) for _ in range(5)]
        events = await asyncio.gather(*asked)
        assert sum(map(len, events)) == 1
        assert len(bench.web.asked) == 1

    async def test_a_source_that_is_slow_holds_nobody_up(self, bench: Bench) -> None:
        """Somebody new is judged while another list does not come."""
        slow, anna = self.person(bench, "/slow.crl"), self.person(bench, "/ca.crl")
        bench.web.answers["/slow.crl"] = silent()
        bench.publish()
        lists = bench.open(trust_in(CA))
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(lists.refresh(NOW, about=slow.certificate))
            await asyncio.sleep(0)
            await lists.refresh(NOW, about=anna.certificate)
            assert not waiting.done()
            assert status(lists, anna).good_until == NOW + WEEK
            waiting.cancel()


class TestEnd:
    async def test_past_the_end_nobody_knows(self, bench: Bench) -> None:
        """The end is that of the list, and it is told once, loudly."""
        bench.publish()
        lists = bench.open()
        await due(lists)
        later = NOW + WEEK + HOUR
        (event,) = await due(lists, later)
        assert event.kind is ENDED
        assert "ended on 2026-11-29 06:00:00 UTC: nobody whom it speaks for gets in" in event.words
        found = status(lists, now=later)
        assert found.good_until == NOW + WEEK
        assert "ended on" in found.words
        assert await due(lists, later) == ()

    async def test_going_on_for_a_grace(self, bench: Bench) -> None:
        """Where the trust goes on, until when is said, and that it is so."""
        bench.publish()
        going_on = replace(
            trust_in(CA, urls=[bench.url]), past_end=PastEnd.GO_ON, grace=timedelta(hours=12)
        )
        lists = bench.open(going_on)
        await due(lists)
        later = NOW + WEEK + HOUR
        assert status(lists, now=later).good_until == NOW + WEEK + 12 * HOUR
        assert "is gone by until" in status(lists, now=later).words
        (event,) = await due(lists, later)
        assert event.kind is ENDED
        assert "it is gone by until 2026-11-29 18:00:00 UTC" in event.words

    async def test_a_list_that_never_ends_has_no_time_for_a_grace(self, bench: Bench) -> None:
        """Its nextUpdate is the last second that can be written, and nothing comes after that."""
        never = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
        bench.publish(lifetime=never - NOW)
        trust = trust_in(CA, urls=[bench.url])
        lists = bench.open(replace(trust, past_end=PastEnd.GO_ON, grace=timedelta(hours=12)))
        await only_event(lists, TAKEN)
        assert status(lists).good_until == never

    async def test_who_was_revoked_stays_so(self, bench: Bench) -> None:
        """A revocation stands, however old the list."""
        bench.publish((serial(ANNA), KEY))
        lists = bench.open()
        await due(lists)
        assert status(lists, now=NOW + 100 * WEEK).revocation is not None

    async def test_a_new_list_after_the_end(self, bench: Bench) -> None:
        """When a list comes again, all is well again."""
        bench.publish()
        lists = bench.open()
        await due(lists)
        later = NOW + WEEK + HOUR
        await due(lists, later)
        bench.publish(number=2, begins=later)
        await only_event(lists, TAKEN, later)
        assert status(lists, now=later).good_until == later + WEEK


class TestRestart:
    async def test_what_is_held_is_in_force_at_once(self, bench: Bench) -> None:
        """Nothing is fetched before somebody is judged."""
        bench.publish((serial(ANNA), KEY), number=5)
        await due(bench.open())
        bench.web.answers.clear()
        lists = bench.open()
        assert status(lists).revocation is not None
        assert lists.health()[0].number == "5"
        when = lists.due()
        assert when is not None
        assert when > NOW

    @pytest.mark.parametrize("damage", [b"", b"x" * 500])
    async def test_a_damaged_index_is_made_anew(self, bench: Bench, damage: bytes) -> None:
        """From the copy of the list, without the network; and the fault is said."""
        bench.publish((serial(ANNA), KEY), number=5)
        await due(bench.open())
        (index,) = bench.directory.glob("*.index")
        index.write_bytes(damage)
        bench.web.answers.clear()
        lists = bench.open()
        assert status(lists).good_until is None
        failed, taken, *_ = await lists.refresh(NOW)
        assert (failed.kind, taken.kind) == (FAILED, TAKEN)
        assert str(index) in failed.words
        assert status(lists).revocation is not None
        assert status(bench.open()).revocation is not None

    async def test_a_copy_that_is_damaged_too(self, bench: Bench) -> None:
        """Then nothing is held, that is said, and the list is fetched."""
        bench.publish((serial(ANNA), KEY), number=5)
        await due(bench.open())
        for path in bench.directory.glob("*-full.*"):
            path.write_bytes(b"x")
        lists = bench.open()
        events = await due(lists)
        assert [event.kind for event in events] == [FAILED, REFUSED, TAKEN]
        assert status(lists).revocation is not None

    async def test_a_crash_between_a_list_and_its_index(self, bench: Bench) -> None:
        """The index counts: a copy that is newer than it keeps the list from nobody."""
        bench.publish(number=5)
        await due(bench.open())
        newer = make_crl(CA, [(serial(ANNA), KEY)], number=6)
        (copy,) = bench.directory.glob("*-full.crl")
        copy.write_bytes(newer)
        bench.web.answers["/ca.crl"] = answer(newer)
        lists = bench.open()
        await only_event(lists, TAKEN)
        assert status(lists).revocation is not None

    async def test_a_mirror_that_lags_behind(self, bench: Bench) -> None:
        """What a source has brought before is no news, though another has brought newer."""
        urls = [bench.url, bench.web.url("/mirror.crl")]
        bench.publish(number=5)
        bench.publish(number=5, path="/mirror.crl")
        bench.web.answers["/mirror.crl"] = bench.web.answers["/ca.crl"]
        lists = bench.open(trust_in(CA, urls=urls))
        assert [event.kind for event in await lists.refresh(NOW)] == [TAKEN]
        bench.publish(number=6)
        events = await lists.refresh(NOW + 2 * HOUR)
        assert [event.kind for event in events] == [TAKEN]
        assert {one.failure for one in lists.health()} == {""}
        assert {one.number for one in lists.health()} == {"6"}

    async def test_what_a_crash_left_is_taken_away(self, bench: Bench) -> None:
        """Half files are in nobody's way."""
        bench.publish()
        await due(bench.open())
        (bench.directory / "new-0.crl").write_bytes(b"x")
        (bench.directory / "new-1.index").write_bytes(b"x")
        lists = bench.open()
        assert not [*bench.directory.glob("new-*")]
        bench.publish(number=2)
        await only_event(lists, TAKEN)

    async def test_lists_of_a_ca_that_is_trusted_no_more(self, bench: Bench) -> None:
        """They say nothing, and are taken away."""
        bench.publish()
        await due(bench.open())
        bench.open(trust_in(make_foreign_ca(NOW), urls=[bench.url]))
        assert not [*bench.directory.glob("*-full.*")]

    async def test_an_older_list_is_not_taken_after_a_restart(self, bench: Bench) -> None:
        """What was held before a restart orders what comes after it."""
        bench.publish(number=5)
        await due(bench.open())
        bench.publish(number=4)
        assert (await only_event(bench.open(), REFUSED)).reason == "older"

    async def test_the_list_as_it_was_received_lies_there(self, bench: Bench) -> None:
        """For whoever wants to look at it with openssl."""
        bench.publish(number=5)
        await due(bench.open())
        (copy,) = bench.directory.glob("*-full.crl")
        assert x509.load_der_x509_crl(copy.read_bytes()).issuer == CA.certificate.subject
        assert bench.directory.stat().st_mode & 0o777 == 0o700
