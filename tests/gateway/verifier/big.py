"""Long lists, made fast."""

from datetime import datetime, timedelta

from cryptography import x509

from ca.issue import Issuer
from ca.status import CRLHead, encode_lines, sign_crl
from tests.ca.foreign.chains import usage
from tests.ca.foreign.crl_makers import NOW, WEEK
from tests.ca.foreign.makers import Extension, Holder, certify, new_key

_EPOCH_MICROSECONDS = int(NOW.timestamp()) * 1_000_000


def make_identified_ca(now: datetime = NOW) -> Holder:
    """Make a CA whose certificate identifies its key, as `ca.status` wants it; of about *now*."""
    key = new_key()
    extensions: list[Extension] = [
        (x509.BasicConstraints(True, None), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (usage(sign=False, certificates=True, lists=True), True),
    ]
    return certify("Foreign CA", None, now, extensions, key=key)


def make_big_crl(ca: Holder, entries: int, *, number: int = 1) -> bytes:
    """Let *ca* sign a list of the serials from 2^120 on, all of them with a reason."""
    lines = encode_lines(
        (f"{(1 << 120) + serial:x}", _EPOCH_MICROSECONDS - serial, "keyCompromise")
        for serial in range(entries)
    )
    head = CRLHead(number, NOW - timedelta(hours=1), NOW + WEEK)
    issuer = Issuer("foreign", ca.certificate, ca.key)
    return sign_crl(issuer, head, [lines])
