"""What a certificate is worth: one answer for each way in which it can be bad."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.core.people import Holder, Person
from gateway.core.refusal_kinds import Refusal
from gateway.core.standing import judge_holder
from tests.gateway.core.test_asking import HOLDER, NOW

DAY = timedelta(days=1)
GOOD = replace(HOLDER, not_before=NOW - DAY, not_after=NOW + DAY)
ANNA = Person("anna", "Anna", "", frozenset(), enabled=True)


def test_a_good_certificate_of_an_enabled_person() -> None:
    """Nothing is against it."""
    assert judge_holder(GOOD, NOW, NOW) is None


@pytest.mark.parametrize(
    "holder, reliable_until, refusal",
    [
        (replace(GOOD, not_after=NOW - DAY), NOW, Refusal.CERTIFICATE_EXPIRED),
        (replace(GOOD, not_before=NOW + DAY / 2), NOW, Refusal.CERTIFICATE_NOT_YET_VALID),
        (replace(GOOD, revoked_at=NOW, reason="superseded"), NOW, Refusal.CERTIFICATE_REVOKED),
        (replace(GOOD, revoked_at=NOW, reason="certificateHold"), NOW, Refusal.CERTIFICATE_HELD),
        (GOOD, NOW - DAY, Refusal.CERTIFICATE_STATUS_STALE),
        (replace(GOOD, good_until=NOW - DAY), NOW, Refusal.CERTIFICATE_STATUS_STALE),
        (replace(GOOD, person=None), NOW, Refusal.PERSON_REMOVED),
        (replace(GOOD, person=None, trust="partner"), NOW, Refusal.PERSON_UNKNOWN),
        (replace(GOOD, person=replace(ANNA, enabled=False)), NOW, Refusal.PERSON_DISABLED),
    ],
)
def test_each_fault_has_its_refusal(
    holder: Holder, reliable_until: datetime, refusal: Refusal
) -> None:
    """The certificate's own fault first, then the person's."""
    assert judge_holder(holder, reliable_until, NOW) is refusal
