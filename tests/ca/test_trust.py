"""The judgement of a certificate."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from ca.trust import (
    Expired,
    Good,
    Judgement,
    NotYetValid,
    Revocation,
    RevocationReason,
    Revoked,
    Stale,
    Standing,
    Unknown,
    Validity,
    judge,
    judge_dates,
)

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
END = START + timedelta(days=365)
VALIDITY = Validity(START, END)
INSIDE = START + timedelta(days=1)
BEFORE = START - timedelta(microseconds=1)
AFTER = END + timedelta(microseconds=1)
REVOCATION = Revocation(INSIDE, RevocationReason.KEY_COMPROMISE)
REVOKED = Revoked(INSIDE, RevocationReason.KEY_COMPROMISE)
OLD = START - timedelta(hours=1)


class TestDates:
    @pytest.mark.parametrize(
        "now, expected",
        [
            (BEFORE, NotYetValid(START)),
            (START, Good()),
            (INSIDE, Good()),
            (END, Good()),
            (AFTER, Expired(END)),
        ],
    )
    def test_both_ends_belong_to_the_validity(self, now: datetime, expected: Judgement) -> None:
        """The first and the last moment are inside (RFC 5280, 4.1.2.5)."""
        assert judge_dates(VALIDITY, now) == expected
        assert judge(VALIDITY, Standing(recorded=True), now) == expected


class TestStanding:
    @pytest.mark.parametrize("now", [BEFORE, INSIDE, AFTER])
    @pytest.mark.parametrize("recorded", [True, False])
    @pytest.mark.parametrize("reliable_until", [None, OLD, END + timedelta(days=9)])
    def test_revoked_is_final(
        self, now: datetime, recorded: bool, reliable_until: datetime | None
    ) -> None:
        """Neither dates nor the age of the information hide a revocation that is known."""
        standing = Standing(recorded=recorded, revocation=REVOCATION, reliable_until=reliable_until)
        assert judge(VALIDITY, standing, now) == REVOKED

    @pytest.mark.parametrize("now", [BEFORE, INSIDE, AFTER])
    @pytest.mark.parametrize("recorded", [True, False])
    def test_stale_is_not_unknown(self, now: datetime, recorded: bool) -> None:
        """Old information says nothing of a certificate, not even that it is unknown."""
        standing = Standing(recorded=recorded, reliable_until=OLD)
        assert judge(VALIDITY, standing, now) == Stale(OLD)

    def test_information_holds_to_its_last_moment(self) -> None:
        """Information is stale only after the moment it is good for."""
        standing = Standing(recorded=True, reliable_until=INSIDE)
        assert judge(VALIDITY, standing, INSIDE) == Good()
        assert judge(VALIDITY, standing, INSIDE + timedelta(seconds=1)) == Stale(INSIDE)

    @pytest.mark.parametrize("now", [BEFORE, INSIDE, AFTER])
    def test_unknown_is_said_whatever_the_dates(self, now: datetime) -> None:
        """A certificate in no record is an alarm, also when it is over."""
        assert judge(VALIDITY, Standing(recorded=False), now) == Unknown()


def test_reasons_have_the_names_of_the_standard() -> None:
    """Every reason is one that a CRL can carry, under its RFC 5280 name."""
    for reason in RevocationReason:
        assert x509.ReasonFlags(reason.value).value == reason.value
