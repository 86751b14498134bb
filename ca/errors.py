"""What the certificate authority refuses, and what can break: one tree.

::

    CAError
    +-- Refused                 all reasons at once; the one who asked can put it right
    |   +-- IdentityRefused     a name, device, host or address that does not belong in a certificate
    |   +-- ProfileRefused      a profile whose limits are unsound
    |   +-- IssuanceRefused     a request that the profile does not permit
    |   +-- RequestRefused      a certificate request that is none, or shows nothing
    |   +-- StatusRefused       a CRL that must not be signed
    |   +-- BundleRefused       a bundle that would not protect its key
    +-- LintFailed              a certificate that breaks the rules: our fault, never released
    +-- NameUnreadable          a certificate whose names this CA cannot have written
    +-- FileRefused             a key or certificate file that is not as it must be
    |   +-- KeyLocked           a key whose passphrase or PIN is missing, wrong or too weak
    +-- LedgerError             the ledger contradicts what was to be written
    +-- SignerBusy              another process holds the signer's lock
"""

from collections.abc import Sequence


class CAError(Exception):
    """The root of everything that this package raises on purpose."""


class Refused(CAError):
    """Something asked for is not permitted; *reasons* holds every cause, not only the first."""

    def __init__(self, reasons: Sequence[str]) -> None:
        """Take *reasons*, each a sentence that names the thing and the way out."""
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


class IdentityRefused(Refused):
    """A name, device, host or address does not belong in a certificate."""


class ProfileRefused(Refused):
    """A profile's own limits are unsound."""


class IssuanceRefused(Refused):
    """The profile does not permit what the request asks for."""


class RequestRefused(Refused):
    """A file is not one certificate request, signed with a key of a kind that is certified."""


class StatusRefused(Refused):
    """A CRL with these contents must not be signed."""


class BundleRefused(Refused):
    """The bundle would not protect the key inside it."""


class LintFailed(CAError):
    """A certificate breaks the rules. The fault is ours, and it must not be released."""

    def __init__(self, findings: Sequence[str]) -> None:
        """Take *findings*, every broken rule."""
        super().__init__("; ".join(findings))
        self.findings = tuple(findings)


class NameUnreadable(CAError):
    """The certificate's names are not such as this CA writes."""


class FileRefused(CAError):
    """A key or certificate file is missing, in the way, open to others or not readable."""


class KeyLocked(FileRefused):
    """A key's passphrase, or its token's PIN, is missing, wrong, or no protection."""


class LedgerError(CAError):
    """The ledger contradicts what was to be written; nothing was written."""


class SignerBusy(CAError):
    """Another process holds the signer's lock, and went on holding it."""
