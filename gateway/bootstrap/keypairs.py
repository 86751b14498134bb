"""Do keys and certificates belong together, and when do they end? For `pusterla doctor`."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_pem_public_key,
)

from ca.errors import KeyLocked
from ca.hierarchy import ISSUER_NAME, files_of, name_of
from ca.issuers import number_of
from ca.keys import Protection, protection_in
from gateway.bootstrap.applications import server_certificate_covers
from gateway.bootstrap.examination import Finding, issuing_names, ok, problem, warning
from gateway.bootstrap.folder import KeyFileRefused, SiteFolder, read_secret
from gateway.bootstrap.passphrases import configured_file, file_in, read_passphrase
from gateway.core.site import Site

SOON = timedelta(days=30)


def examine_keys(folder: SiteFolder, now: datetime) -> Iterator[Finding]:
    """Look at the pairs of keys and certificates, and at when certificates end."""
    server = folder.server_certificate
    renew = f"pusterla cert renew-server, or put a new one into {server}"
    yield from _examine_certificate("server certificate", server, now, renew)
    yield from _examine_pair("server key", folder.server_key, folder.server_certificate)
    for name in issuing_names(folder):
        files = files_of(folder.ca, name)
        number = "" if name == ISSUER_NAME else f" {number_of(name)}"
        yield from _examine_certificate(f"issuing CA{number}", files.certificate, now)
        yield from _examine_pair(f"issuing key{number}", files.key, files.certificate)
    yield from _examine_certificate("root CA", folder.root_certificate, now)
    if _is_there(folder.root_key):
        yield warning(
            "root key",
            f"{folder.root_key} lies on the site, where it is needed only for a new issuing CA",
            "move it to a place that is offline (docs/ca.md)",
        )
    yield from _examine_pair("assertion key", folder.assertion_key, folder.assertion_public)


def examine_secrets(folder: SiteFolder, site: Site) -> Iterator[Finding]:
    """Look whether the authority has what it opens the keys of issuing CAs with, as far as seen."""
    for name in issuing_names(folder):
        key = files_of(folder.ca, name).key
        try:
            protection = protection_in(key.read_bytes())
        except OSError:
            # Told of among the files.
            continue
        if protection is not Protection.NONE:
            yield _examine_secret(folder, site, key, protection)


def _examine_secret(folder: SiteFolder, site: Site, key: Path, protection: Protection) -> Finding:
    pin = protection is Protection.TOKEN
    subject, what = f"{name_of(key)}", "PIN" if pin else "passphrase"
    setting = "pin_file" if pin else "passphrase_file"
    place = configured_file(folder, site, pin=pin)
    if place is None:
        words = f"its {what} is in no file: a credential of systemd has it, or people"
        return ok(subject, words)
    file = file_in(place, key)
    try:
        read_passphrase(file)
    except KeyLocked as error:
        cause = error.__cause__.__cause__ if error.__cause__ is not None else None
        if isinstance(cause, PermissionError):
            return warning(subject, f"{file} cannot be looked at by this user", "ask as root")
        way_out = f"see to {file}, or to {setting} under [ca] (docs/ca.md)"
        return problem(subject, f"the authority cannot open its key: {error}", way_out)
    return ok(subject, f"its {what} is in {file}")


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
        pem = read_secret(key)
        if (protection := protection_in(pem)) is not Protection.NONE:
            yield ok(subject, f"protected ({protection}), so not opened")
            return
        found = load_pem_private_key(pem, password=None).public_key()
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


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _unseen(subject: str, path: Path, error: OSError) -> Finding:
    if isinstance(error, PermissionError):
        return warning(subject, f"{path} cannot be looked at by this user", "ask as root")
    return problem(subject, f"{path} cannot be read: {error.strerror}", "restore it from a backup")
