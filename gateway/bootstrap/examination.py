"""What `pusterla doctor` looks at: is everything of a site as it must be, and what to do if not.

Looks only, and changes nothing. What the one who asks may not read is said to
be unseen, not well.
"""

import socket
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from ca.ages import Age
from ca.hierarchy import ISSUER_NAME, files_of, issuers_in
from ca.ledger import IssuerState
from ca.publishing import Publication
from ca.trust import CLOCK_SLACK
from gateway.bootstrap.folder import SiteFolder, too_open
from gateway.bootstrap.published import PublishedList, published_lists
from gateway.config import Configuration, Problems, read_configuration, read_site
from gateway.core.site import Site
from gateway.store import Store, StoreOutdated

_SOCKET_SECONDS = 2.0
_NAMED = 5
# Between groups and users of our own `deploy/` builds walls; others have no business here.
_OTHERS = 0o007


class Health(StrEnum):
    """How one thing is."""

    OK = "ok"
    WARNING = "warning"
    """Works, but somebody should look at it; or could not be looked at."""
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, how it is, and what to do where it is not well."""

    health: Health
    subject: str
    words: str
    way_out: str = ""


def ok(subject: str, words: str) -> Finding:
    """Say that *subject* is well."""
    return Finding(Health.OK, subject, words)


def warning(subject: str, words: str, way_out: str = "") -> Finding:
    """Say that somebody should look at *subject*."""
    return Finding(Health.WARNING, subject, words, way_out)


def problem(subject: str, words: str, way_out: str) -> Finding:
    """Say that *subject* is not as it must be."""
    return Finding(Health.PROBLEM, subject, words, way_out)


def examine_files(folder: SiteFolder) -> Iterator[Finding]:
    """Look whether files are there, and for whom."""
    found = [finding for secret in _secrets(folder) for finding in _examine_secret(secret)]
    for path in (folder.keys, folder.ca, folder.edge, folder.store, folder.database):
        mode = _mode(path)
        if mode is not None and mode & _OTHERS:
            found.append(problem("files", f"others can reach {path}", f"chmod o= {path}"))
    yield from found or [ok("files", "all there, and nothing secret is open to others")]


def examine_configuration(folder: SiteFolder) -> Iterator[Finding]:
    """Read pusterla.toml and apps/ as `serve` does."""
    found = read_configuration(folder.path)
    if isinstance(found, Configuration):
        yield ok("configuration", f"no problems, {len(found.applications)} applications")
        return
    for each in found.problems:
        yield problem("configuration", str(each), "correct the file")


def examine_portal(folder: SiteFolder) -> Finding:
    """Try the portal's socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_SOCKET_SECONDS)
        try:
            probe.connect(str(folder.portal_socket))
        except (FileNotFoundError, ConnectionRefusedError):
            return warning("portal", "does not run", "pusterla serve")
        except OSError as error:
            return warning("portal", f"{folder.portal_socket}: {error.strerror or error}")
    return ok("portal", "answers on its socket")


async def examine_store(
    store: Store, publication: Publication, now: datetime
) -> AsyncIterator[Finding]:
    """Look at what the store holds: the audit log, the clock by it, and every CRL."""
    broken = await store.audit_break()
    if broken is not None:
        yield problem(
            "audit log",
            f"changed by somebody: line {broken} does not follow from those before it",
            "compare with a backup, and ask who could write to the store",
        )
    else:
        yield ok("audit log", "the chain holds")
    yield await _examine_clock(store, now)
    yield await _examine_people(store, now)
    for issuer in await store.issuers():
        if issuer.state is IssuerState.RETIRED:
            continue
        found = await published_lists(store, publication, issuer.name, now)
        if not found:
            yield problem("CRL", f"{issuer.name} has never published one", "pusterla crl publish")
        for each in found:
            # What certificates no longer name may come to its end unnoticed.
            if each.kept:
                yield _examine_crl(each)
    waiting = [
        record
        for record in await store.certificates()
        if record.revoked_at is not None and record.crl_number is None
    ]
    if waiting:
        words = (
            f"{len(waiting)} revoked certificates are in none yet: this gateway refuses them, "
            "everybody else still trusts them"
        )
        yield problem("CRL", words, "pusterla crl publish, or start the authority")


def store_finding(error: Exception) -> Finding:
    """Say why the store could not be opened, or not be read."""
    if isinstance(error, StoreOutdated):
        way_out = "stop the site, make a backup, then pusterla doctor --migrate"
        return problem("store", "its tables are those of another version", way_out)
    return problem("store", str(error), "see that it is there and runs, or restore a backup")


def site_of(folder: SiteFolder) -> Site | None:
    """Return the settings, or None when they have problems (of which there is a finding)."""
    found = read_site(folder.settings)
    return None if isinstance(found, Problems) else found


@dataclass(frozen=True, slots=True)
class _Secret:
    """A secret file; whether its group may read it, and whether a site goes on without it."""

    path: Path
    group: bool = False
    needed: bool = True


def issuing_names(folder: SiteFolder) -> list[str]:
    """Return the issuing CAs that have files here; a site with none misses those of the first."""
    # Whoever may not look into the directory is told so where its files are looked at.
    with suppress(OSError):
        return issuers_in(folder.ca) or [ISSUER_NAME]
    return [ISSUER_NAME]


def _secrets(folder: SiteFolder) -> tuple[_Secret, ...]:
    return (
        # Signs nothing from day to day, and is best kept somewhere else.
        _Secret(folder.root_key, needed=False),
        *(_Secret(files_of(folder.ca, name).key) for name in issuing_names(folder)),
        _Secret(folder.server_key),
        _Secret(folder.assertion_key),
        _Secret(folder.site_key),
        _Secret(folder.cookie_key, group=True),
    )


def _examine_secret(secret: _Secret) -> Iterator[Finding]:
    path = secret.path
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        if secret.needed:
            yield problem("files", f"{path} is missing", "restore it from a backup")
    except PermissionError:
        yield warning("files", f"{path} cannot be looked at by this user", "ask as root")
    else:
        if too_open(mode, group=secret.group):
            words = f"others can reach {path} (mode {mode:04o})"
            yield problem("files", words, f"chmod 600 {path}; who could read it may have it")


def _mode(path: Path) -> int | None:
    with suppress(OSError):
        return stat.S_IMODE(path.stat().st_mode)
    return None


async def _examine_clock(store: Store, now: datetime) -> Finding:
    lines = await store.audit_tail(1)
    if lines and lines[-1].event.at > now + CLOCK_SLACK:
        ahead = lines[-1].event.at - now
        return problem(
            "clock",
            f"behind: the newest line of the audit log is {ahead} later than now",
            "set the clock (timedatectl); until then certificates and codes may be refused",
        )
    return ok("clock", "not behind what the store has seen")


async def _examine_people(store: Store, now: datetime) -> Finding:
    newcomers = await store.newcomers()
    stuck = [user for user, ticket in newcomers.items() if ticket is None or ticket.ends_at <= now]
    if not stuck:
        return ok("people", f"{len(newcomers)} have a ticket for their first sign-in")
    named = ", ".join(stuck[:_NAMED]) + (" …" if len(stuck) > _NAMED else "")
    words = f"{len(stuck)} have no password and no ticket that is good: {named}"
    return warning("people", words, "pusterla user ticket USER makes one")


def _examine_crl(found: PublishedList) -> Finding:
    name, ends = found.words, f"{found.record.next_update:%F %T} UTC"
    way_out = "start the authority, or pusterla crl publish"
    match found.age:
        case Age.ENDED:
            return problem("CRL", f"{name} ended at {ends}", way_out)
        case Age.FUTURE:
            return problem("CRL", f"{name} begins in the future", "set the clock, then publish")
        case Age.LATE:
            words = f"{name} is past half of its life and was not followed by another; ends {ends}"
            return warning("CRL", words, way_out)
        case Age.GOOD:
            return ok("CRL", f"{name}, {found.record.entries} entries, good until {ends}")
