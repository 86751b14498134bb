"""Do keys and certificates belong together, and when do they end? For `pusterla doctor`."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_pem_public_key,
)

from gateway.bootstrap.applications import server_certificate_covers
from gateway.bootstrap.examination import Finding, ok, problem, warning
from gateway.bootstrap.folder import KeyFileRefused, SiteFolder, read_secret

SOON = timedelta(days=30)


def examine_keys(folder: SiteFolder, now: datetime) -> Iterator[Finding]:
    """Look at the pairs of keys and certificates, and at when certificates end."""
    server = folder.server_certificate
    renew = f"pusterla cert renew-server, or put a new one into {server}"
    yield from _examine_certificate("server certificate", server, now, renew)
    yield from _examine_pair("server key", folder.server_key, folder.server_certificate)
    yield from _examine_certificate("issuing CA", folder.issuing_certificate, now)
    yield from _examine_pair("issuing key", folder.issuing_key, folder.issuing_certificate)
    yield from _examine_certificate("root CA", folder.root_certificate, now)
    yield from _examine_pair("assertion key", folder.assertion_key, folder.assertion_public)


def examine_hosts(folder: SiteFolder, hosts: Iterable[str]) -> Iterator[Finding]:
    """Look whether browsers take the server certificate for each of *hosts*."""
    missing = [host for host in hosts if server_certificate_covers(folder, host) is False]
    if missing:
        yield warning(
            "server certificate",
            f"does not cover {', '.join(missing)}",
            f"put one that does into {folder.server_certificate}",
        )


def _examine_certificate(
    subject: str, path: Path, now: datetime, renew: str = ""
) -> Iterator[Finding]:
    renew = renew or f"put a new one into {path}"
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        yield _unseen(subject, path, error)
        return
    except ValueError:
        yield problem(subject, f"{path} is no certificate", "restore it from a backup")
        return
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > ends:
        yield problem(subject, f"ended at {ends:%F}", renew)
    elif now < begins:
        yield problem(subject, f"begins at {begins:%F}, in the future", "set the clock")
    elif ends - now < SOON:
        yield warning(subject, f"ends at {ends:%F}", renew)
    else:
        yield ok(subject, f"good until {ends:%F}")


def _examine_pair(subject: str, key: Path, public: Path) -> Iterator[Finding]:
    try:
        wanted = _public_of(public)
        found = load_pem_private_key(read_secret(key), password=None).public_key()
    except KeyFileRefused as error:
        cause = error.__cause__
        # A key that is open to others is found among the files.
        if isinstance(cause, OSError):
            yield _unseen(subject, key, cause)
        return
    except OSError as error:
        yield _unseen(subject, public, error)
        return
    except (ValueError, TypeError):
        yield problem(subject, f"{key} or {public} is not what it should be", "restore a backup")
        return
    if found == wanted:
        yield ok(subject, f"belongs to {public.name}")
    else:
        yield problem(subject, f"{key} does not belong to {public}", "restore both from one backup")


def _public_of(path: Path) -> object:
    data = path.read_bytes()
    if b"BEGIN CERTIFICATE" in data:
        return x509.load_pem_x509_certificate(data).public_key()
    return load_pem_public_key(data)


def _unseen(subject: str, path: Path, error: OSError) -> Finding:
    if isinstance(error, PermissionError):
        return warning(subject, f"{path} cannot be looked at by this user", "ask as root")
    return problem(subject, f"{path} cannot be read: {error.strerror}", "restore it from a backup")
