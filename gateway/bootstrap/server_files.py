"""The certificates and the key in keys/edge, as far as a worker could not serve with them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.bootstrap.folder import KeyFileRefused, SiteFolder, read_secret
from gateway.config import Problems
from policies.reading import Problem


@dataclass(frozen=True, slots=True)
class ServerFiles:
    """What was found in keys/edge, and fits together."""

    certificate: x509.Certificate
    """The server's own, the first in its file."""
    authorities: frozenset[x509.Certificate]
    """Those to which certificates of clients must chain."""

    def difference(self, old: "ServerFiles") -> Iterator[str]:
        """Say what is other than in *old*."""
        if self.certificate != old.certificate:
            ends = self.certificate.not_valid_after_utc
            yield f"server certificate, good until {ends:%F}"
        added, removed = self.authorities - old.authorities, old.authorities - self.authorities
        if added or removed:
            yield f"client CAs, {len(added)} added and {len(removed)} removed"


def read_server_files(folder: SiteFolder) -> ServerFiles | Problems:
    """Read the certificates, and say whether the key belongs to them; all problems at once.

    Dates are not looked at: see `refuse_dates`.
    """
    problems: list[Problem] = []
    server = folder.server_certificate
    chain = _certificates(folder, server.name, problems)
    _look_at_key(folder, chain[0] if chain else None, problems)
    authorities = _certificates(folder, folder.client_trust.name, problems)
    if problems:
        return Problems(tuple(problems))
    return ServerFiles(chain[0], frozenset(authorities))


def refuse_dates(folder: SiteFolder, files: ServerFiles, now: datetime) -> Problems | None:
    """Say why a server certificate that is to be new in *files* is none at *now*."""
    certificate, words = files.certificate, ""
    if now > certificate.not_valid_after_utc:
        words = f"it ended at {certificate.not_valid_after_utc:%F}"
    elif now < certificate.not_valid_before_utc:
        words = f"it begins at {certificate.not_valid_before_utc:%F}, in the future"
    if not words:
        return None
    return Problems((Problem(_place(folder, folder.server_certificate.name), words),))


def _place(folder: SiteFolder, name: str) -> str:
    return str((folder.edge / name).relative_to(folder.path))


def _certificates(folder: SiteFolder, name: str, problems: list[Problem]) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates((folder.edge / name).read_bytes())
    except OSError as error:
        problems.append(Problem(_place(folder, name), f"cannot be read: {error.strerror}"))
    except ValueError:
        problems.append(Problem(_place(folder, name), "these are no certificates in PEM"))
    return []


def _look_at_key(
    folder: SiteFolder, certificate: x509.Certificate | None, problems: list[Problem]
) -> None:
    place = _place(folder, folder.server_key.name)
    try:
        key = load_pem_private_key(read_secret(folder.server_key), password=None)
    except KeyFileRefused as error:
        problems.append(Problem(place, str(error)))
    except (ValueError, TypeError):
        problems.append(Problem(place, "this is no unencrypted key in PEM"))
    else:
        if certificate is not None and key.public_key() != certificate.public_key():
            problems.append(
                Problem(place, f"it does not belong to {folder.server_certificate.name}")
            )
