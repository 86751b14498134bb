"""Which lists speak for a certificate, and what they say together."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509 import ReasonFlags

from ca.foreign.coverage import HeldList, Known, ask_lists, covers, names_lists, points_of
from ca.foreign.crls import ReadCRL, read_crl
from ca.foreign.facts import Only, name_text
from ca.foreign.revoked import HIGHEST_SERIAL, RevokedIndex, encode_index
from ca.trust import RevocationReason
from tests.ca.foreign.crl_makers import (
    NOW,
    WEEK,
    Entry,
    fresh_at,
    listed_at,
    make_crl,
    point_at,
    scope,
)
from tests.ca.foreign.makers import DAY, Holder, certify, make_foreign_ca
from tests.ca.foreign.test_crls import der
from tests.ca.foreign.test_facts import FACTS

CA = make_foreign_ca(NOW)
HTTP, LDAP, OTHER = "http://ca.example.it/1.crl", "ldap:///cn=1", "http://ca.example.it/2.crl"
HOLD, KEY = ReasonFlags.certificate_hold, ReasonFlags.key_compromise
REMOVE = ReasonFlags.remove_from_crl


def index_of(
    *entries: Entry, number: int = 5, base: int | None = None, late: int = 0
) -> RevokedIndex:
    """Make the index of a list, *late* days later than others."""
    data = make_crl(CA, entries, number=number, base=base, begins=NOW - WEEK + late * DAY)
    found = read_crl(data, [der(CA)], NOW)
    assert isinstance(found, ReadCRL)
    return RevokedIndex(memoryview(b"".join(encode_index(found.facts, found.records))))


def anna(*extensions: tuple[x509.ExtensionType, bool]) -> Holder:
    """Let the CA certify somebody."""
    return certify("anna", CA, NOW, extensions)


class TestPoints:
    def test_where_lists_and_deltas_are(self) -> None:
        """Each point is a choice of URLs; names of every kind tell points apart."""
        points = points_of(
            anna(listed_at(point_at(LDAP, HTTP), point_at(OTHER)), fresh_at(OTHER)).certificate
        )
        assert points.lists == ((LDAP, HTTP), (OTHER,))
        assert points.deltas == ((OTHER,),)
        names = map(x509.UniformResourceIdentifier, (LDAP, HTTP, OTHER))
        assert points.names == frozenset(map(name_text, names))

    def test_none(self) -> None:
        """A certificate may say nothing."""
        points = points_of(anna().certificate)
        assert (points.names, points.lists, points.deltas) == (frozenset(), (), ())

    def test_points_of_no_use_are_left_out(self) -> None:
        """For some reasons only, or with another CA to speak: such lists would be refused."""
        uri = [x509.UniformResourceIdentifier(HTTP)]
        somebody = [x509.DirectoryName(make_foreign_ca(NOW, "Other").certificate.subject)]
        for point in (
            x509.DistributionPoint(uri, None, frozenset({KEY}), None),
            x509.DistributionPoint(uri, None, None, somebody),
            x509.DistributionPoint(None, None, None, somebody),
        ):
            assert points_of(anna(listed_at(point)).certificate).names == frozenset()

    def test_not_more_than_a_few(self) -> None:
        """A certificate that names thousands is not followed to all."""
        many = [point_at(f"http://a/{number}") for number in range(100)]
        assert len(points_of(anna(listed_at(*many)).certificate).lists) == 16


class TestCoverage:
    @pytest.mark.parametrize(
        "names,covered",
        [((), True), ((HTTP,), True), ((LDAP, OTHER), True), ((OTHER,), False)],
    )
    def test_a_partition_is_for_those_who_name_it(
        self, names: tuple[str, ...], covered: bool
    ) -> None:
        """One name in common is enough; a list without names is for all."""
        certificate = anna(listed_at(point_at(LDAP, HTTP))).certificate
        points = tuple(name_text(x509.UniformResourceIdentifier(name)) for name in names)
        facts = replace(FACTS, points=points, only=Only.ALL)
        assert covers(facts, certificate, points_of(certificate)) is covered

    def test_who_names_none_is_in_no_partition(self) -> None:
        """Only a list of everything speaks for a certificate that does not say where its is."""
        certificate = anna().certificate
        assert not covers(FACTS, certificate, points_of(certificate))
        plain = replace(FACTS, points=())
        assert covers(plain, certificate, points_of(certificate))

    @pytest.mark.parametrize(
        "only,person,authority",
        [(Only.ALL, True, True), (Only.USERS, True, False), (Only.AUTHORITIES, False, True)],
    )
    def test_users_and_cas(self, only: Only, person: bool, authority: bool) -> None:
        """A list for users says nothing of CAs, and the other way round."""
        facts = replace(FACTS, points=(), only=only)
        below = anna((x509.BasicConstraints(True, None), True)).certificate
        for certificate, expected in ((anna().certificate, person), (below, authority)):
            assert covers(facts, certificate, points_of(certificate)) is expected

    def test_what_a_ca_signs_as_a_partition_comes_back_to_its_certificates(self) -> None:
        """The names in a list and in a certificate are compared as they are."""
        found = read_crl(make_crl(CA, extensions=[scope(HTTP)]), [der(CA)], NOW)
        assert isinstance(found, ReadCRL)
        for url, expected in ((HTTP, True), (OTHER, False)):
            certificate = anna(listed_at(point_at(url))).certificate
            assert covers(found.facts, certificate, points_of(certificate)) is expected


class TestAnswer:
    def test_revoked_and_not(self) -> None:
        """What is in the list is revoked, and the rest is not, until the list ends."""
        lists = [HeldList(index_of((1, KEY), (2, None)))]
        known = ask_lists(lists, 1)
        assert known is not None
        assert known.revocation is not None
        assert known.revocation.reason is RevocationReason.KEY_COMPROMISE
        assert ask_lists(lists, 3) == Known(None, NOW)

    @pytest.mark.parametrize("serial", [-1, HIGHEST_SERIAL + 1])
    def test_nothing_is_known_of_what_no_list_can_have(self, serial: int) -> None:
        """A serial that would not be found even if it was revoked is never good."""
        assert ask_lists([HeldList(index_of())], serial) is None

    def test_no_list_knows_nothing(self) -> None:
        """Not revoked and not known are two answers."""
        assert ask_lists([], 1) is None

    def test_a_delta_revokes_holds_and_releases(self) -> None:
        """What it says is newer than the full list."""
        full = index_of((1, HOLD), (2, HOLD), (3, KEY))
        news = index_of((1, REMOVE), (2, KEY), (3, REMOVE), (4, HOLD), number=8, base=5, late=1)
        held = HeldList(full, news)
        assert held.find(1) is None
        reasons = [found and found.reason for found in map(held.find, (2, 3, 4, 5))]
        # Who is revoked for good stays revoked, though the CA takes it off the list.
        assert reasons == ["keyCompromise", "keyCompromise", "certificateHold", None]

    def test_a_delta_that_was_passed_says_nothing_more(self) -> None:
        """A full list of its number or higher has all that it had."""
        news = index_of((1, HOLD), number=8, base=5)
        for number, holds in ((7, True), (8, False), (9, False), (4, False)):
            held = HeldList(index_of(number=number), news)
            assert (held.find(1) is not None) is holds

    def test_of_several_lists_the_newest_says_who_is_held(self) -> None:
        """A hold that a newer list knows no more of is over; a revocation for good never is."""
        old, new = index_of((1, HOLD), (2, KEY)), index_of((3, HOLD), number=6, late=1)
        for lists in ([old, new], [new, old]):
            answers = [ask_lists(map(HeldList, lists), serial) for serial in (1, 2, 3)]
            found = [one and one.revocation and one.revocation.reason for one in answers]
            assert found == [None, "keyCompromise", "certificateHold"]
            assert {one and one.until for one in answers} == {NOW + DAY}

    def test_a_delta_makes_a_list_newer(self) -> None:
        """How new a list is, is how new its delta is."""
        with_delta = HeldList(index_of(), index_of((1, HOLD), number=9, base=5, late=2))
        plain = HeldList(index_of(number=7, late=1))
        for lists in ([with_delta, plain], [plain, with_delta]):
            known = ask_lists(lists, 1)
            assert known is not None
            assert known.revocation is not None

    def test_a_delta_does_not_lengthen_the_life_of_its_full_list(self) -> None:
        """The end is that of the full list, which is what the CA promises to follow up."""
        held = HeldList(index_of(), index_of(number=9, base=5, late=5))
        known = ask_lists([held], 1)
        assert known is not None
        assert known.until == NOW
        assert held.as_of == NOW - WEEK + timedelta(days=5)


def test_who_names_a_point_says_that_it_may_be_revoked() -> None:
    """Also one whose lists are of no use here; where a delta is alone says nothing."""
    some = x509.DistributionPoint(
        [x509.UniformResourceIdentifier(HTTP)], None, frozenset({KEY}), None
    )
    for point in (point_at(HTTP), point_at(LDAP), some):
        assert names_lists(anna(listed_at(point)).certificate)
    assert points_of(anna(listed_at(some)).certificate).lists == ()
    assert not names_lists(anna().certificate)
    assert not names_lists(anna(fresh_at(HTTP)).certificate)
