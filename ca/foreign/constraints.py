"""Name constraints of a CA: whether those below it may bear their names (RFC 5280, 4.2.1.10).

What is permitted is compared narrowly and what is excluded broadly, so that no way of writing a
name gets around either. A name of a kind that is constrained and cannot be compared is refused.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, Protocol

from cryptography import x509
from cryptography.x509.oid import NameOID

from ca.foreign.certificates import MOST_SUBTREES, Foreign, name_in_words
from ca.identity import shortened

_SMTP_UTF8 = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9")
_HOST_OF_URI: Final = re.compile(
    r"[a-z][a-z0-9+.-]*://(?:[^/?#@\[\]]*@)?(?P<host>[a-z0-9_.-]+)(?::[0-9]*)?(?:[/?#].*)?",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)

Attribute = tuple[str, str | bytes]
Names = tuple[frozenset[Attribute], ...]


def constraints_of(found: Foreign) -> x509.NameConstraints | None:
    """Return what *found* constrains."""
    return found.get(x509.NameConstraints)


def constraint_faults(found: Foreign) -> Iterator[str]:
    """Say why the constraints of the CA *found* cannot be applied as they are meant."""
    constraints = constraints_of(found)
    if constraints is None:
        return
    subtrees = [*(constraints.permitted_subtrees or ()), *(constraints.excluded_subtrees or ())]
    if len(subtrees) > MOST_SUBTREES:
        yield f"it has {len(subtrees)} name constraints, and at most {MOST_SUBTREES} are read"
    # The library leaves minimum and maximum out, which RFC 5280 has abolished: with them its own
    # encoding is another one.
    elif constraints.public_bytes() not in found.certificate.tbs_certificate_bytes:
        yield "its name constraints hold something (a minimum, a maximum) that nobody applies"


def violation(below: Foreign, constraints: x509.NameConstraints) -> str | None:
    """Say which name of *below* the *constraints* of a CA above it refuse, if any."""
    for name in _names(below):
        within = _place_of(name)
        permitted = [one for one in constraints.permitted_subtrees or () if _alike(one, name)]
        if permitted and not any(within(one, broad=False) for one in permitted):
            return f"{_shown(name)} is not among the names that a CA above it may certify"
        excluded = (one for one in constraints.excluded_subtrees or () if _alike(one, name))
        if any(within(one, broad=True) for one in excluded):
            return f"{_shown(name)} is among the names that a CA above it must not certify"
    return None


def _names(found: Foreign) -> Iterator[x509.GeneralName]:
    """Yield what is constrained: the subject, mail addresses in it, and the alternative names."""
    subject = found.certificate.subject
    if len(subject.rdns):
        yield x509.DirectoryName(subject)
    for attribute in subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
        if isinstance(attribute.value, str):
            yield _mail_of(attribute.value)
    yield from found.alternative_names


def _mail_of(text: str) -> x509.GeneralName:
    try:
        return x509.RFC822Name(text)
    except ValueError:
        # No address in ASCII: an alternative name of the kind that holds such.
        return x509.OtherName(_SMTP_UTF8, b"\x0c\x00")


def _alike(constraint: x509.GeneralName, name: x509.GeneralName) -> bool:
    """Say whether *constraint* is about names such as *name*."""
    if isinstance(name, x509.OtherName):
        if isinstance(constraint, x509.RFC822Name):
            return name.type_id == _SMTP_UTF8  # RFC 9598, section 6
        return isinstance(constraint, x509.OtherName) and constraint.type_id == name.type_id
    return type(constraint) is type(name)


class _Within(Protocol):
    def __call__(self, constraint: x509.GeneralName, *, broad: bool) -> bool: ...


def _place_of(name: x509.GeneralName) -> _Within:
    """Return what says of a subtree whether *name* is in it; not comparable: only if *broad*."""
    # Once for all subtrees: to bring a name into its normal form is what costs.
    canonical = _canonical(name.value) if isinstance(name, x509.DirectoryName) else ()

    def within(constraint: x509.GeneralName, *, broad: bool) -> bool:
        match name, constraint:
            case x509.DirectoryName(), x509.DirectoryName():
                wanted = _canonical_subtree(constraint.value)
                return canonical[: len(wanted)] == wanted
            case x509.RFC822Name(), x509.RFC822Name():
                return _mail_within(name.value, constraint.value, broad=broad)
            case x509.DNSName(), x509.DNSName():
                return _host_within(name.value.lower(), constraint.value.lower(), broad=broad)
            case x509.UniformResourceIdentifier(), x509.UniformResourceIdentifier():
                return _address_within(name.value, constraint.value.lower(), broad=broad)
            case x509.IPAddress(), x509.IPAddress():
                # An address of the other version is in no network of this one.
                return name.value in constraint.value  # type: ignore[operator] # a network there
            case _:
                return broad

    return within


def _mail_within(name: str, constraint: str, *, broad: bool) -> bool:
    local, at, host = name.rpartition("@")
    if not at or not local or not host or not constraint:
        return broad
    host, constraint_host = host.lower(), constraint.rpartition("@")[2].lower()
    if "@" in constraint:
        wanted = constraint.rpartition("@")[0]
        same = local.lower() == wanted.lower() if broad else local == wanted
        return same and host == constraint_host
    if constraint.startswith("."):
        return host.endswith(constraint_host)
    return host == constraint_host


def _host_within(name: str, constraint: str, *, broad: bool) -> bool:
    if not constraint:
        return True
    if broad and name.startswith("*.") and constraint.endswith(name[1:]):
        return True  # some of the names that the star stands for
    if constraint.startswith("."):
        return name.endswith(constraint)
    return name == constraint or name.endswith("." + constraint)


def _address_within(name: str, constraint: str, *, broad: bool) -> bool:
    found = _HOST_OF_URI.fullmatch(name)
    host = "" if found is None else found["host"].lower()
    if not host or not constraint or host.rpartition(".")[2].isdigit():
        return broad  # no host, or one that is an address and no name
    return host.endswith(constraint) if constraint.startswith(".") else host == constraint


def _canonical(name: x509.Name) -> Names:
    """Write *name* so that equal ones are equal (RFC 5280, 7.1): without case and extra spaces."""
    return tuple(
        frozenset((one.oid.dotted_string, _folded(one.value)) for one in rdn) for rdn in name.rdns
    )


@lru_cache(maxsize=512)
def _canonical_subtree(name: x509.Name) -> Names:
    """As `_canonical`, of what a CA that is believed constrains: the same over and over."""
    return _canonical(name)


def _folded(value: str | bytes) -> str | bytes:
    if isinstance(value, bytes):
        return value
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())


def _shown(name: x509.GeneralName) -> str:
    match name:
        case x509.DirectoryName():
            return name_in_words(name.value)
        case x509.OtherName():
            return f"a name of the kind {name.type_id.dotted_string}"
        case _:
            return shortened(str(name.value))
