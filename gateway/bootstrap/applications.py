"""Adding and taking away the files of applications, for the command."""

import os
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography import x509

from ca.keys import sync_folder
from gateway.bootstrap.command import Command, CommandRefused
from gateway.bootstrap.folder import SiteFolder
from gateway.config.applications import check_app_name
from gateway.config.files import Problems, application_names, read_new_application
from gateway.config.template import application_text
from gateway.core.audit import AuditKind
from gateway.core.site import Application
from gateway.core.spans import show_spans
from policies.parse import SubjectKind, SubjectTerm
from policies.values import suggest

FILE_MODE = 0o640
"""For edge, portal and authority to read, by their group; nobody else needs to know them."""


async def add_application(
    command: Command,
    name: str,
    host: str,
    upstreams: tuple[str, ...],
    allow: Sequence[SubjectTerm],
    *,
    title: str | None = None,
    description: str | None = None,
    icon: str | None = None,
) -> Application:
    """Write apps/NAME.toml; raise `CommandRefused` when it is there or would be wrong.

    *icon* is the name of a file that lies in apps/ already.

    The file appears whole or not at all, and after it has been written down
    in the audit log. A running site takes it up by itself. What was granted for an application
    of before under that name, whose file somebody took away, ends.
    """
    _refuse_bad_name(name)
    path = command.folder.app_file(name)
    if path.exists():
        raise CommandRefused(f"there is an application {name!r} already: edit {path}")
    text = application_text(
        name, host, upstreams, allow, title=title, description=description, icon=icon
    )
    found = read_new_application(command.folder.apps, command.site, name, text)
    if isinstance(found, Problems):
        raise CommandRefused("\n".join(problem.message for problem in found.problems))
    draft = _hidden(path)
    try:
        _write(draft, text)
        await _turn(command, AuditKind.APPLICATION_ADDED, name, host=host)
        try:
            # Unlike a rename, a link never takes the place of what is there.
            os.link(draft, path)
        except FileExistsError:
            raise CommandRefused(f"there is an application {name!r} already: {path}") from None
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(command.folder.apps)
    return found


async def remove_application(command: Command, name: str) -> Path:
    """Take apps/NAME.toml away, also one with problems; raise `CommandRefused` if there is none.

    Certificates that open this application alone stay, and open nothing. Requests for it that
    somebody waits for or was granted end.
    """
    path = command.folder.app_file(refuse_unknown_application(command.folder, name))
    # First, for what ends is not to be had back: where the file cannot be taken away, nothing does.
    gone = path.rename(_hidden(path))
    try:
        await _turn(command, AuditKind.APPLICATION_REMOVED, name)
    except BaseException:
        gone.rename(path)
        raise
    gone.unlink()
    sync_folder(command.folder.apps)
    return path


def _hidden(path: Path) -> Path:
    """Return a name beside *path* that begins with a dot, so that no running process reads it."""
    return path.with_name(f".{path.stem}.{secrets.token_hex(4)}")


async def _turn(command: Command, kind: AuditKind, name: str, **detail: str) -> None:
    ended = await command.store.turn_application(
        kind, name, command.today(), by=command.by, **detail
    )
    for one in ended:
        days = show_spans(one.days)
        command.say(f"request {one.number} of {one.user} for {name} is over with it: {days}")


async def missing_subjects(command: Command, allow: Iterable[SubjectTerm]) -> list[str]:
    """Say which of *allow* are nobody as yet: allowed, but perhaps mistyped."""
    people = await command.store.people()
    known = {
        SubjectKind.USER: {person.user for person in people},
        SubjectKind.GROUP: {group for person in people for group in person.groups},
    }
    words = {SubjectKind.USER: "there is no user", SubjectKind.GROUP: "nobody is in a group"}
    return [
        f"{words[term.kind]} {term.name!r} yet{suggest(term.name, known[term.kind])}"
        for term in allow
        if term.name not in known[term.kind]
    ]


def refuse_unknown_application(folder: SiteFolder, name: str) -> str:
    """Return *name* if there is such an application, or raise `CommandRefused`."""
    try:
        known = application_names(folder.apps)
    except OSError as error:
        raise CommandRefused(f"{folder.apps} cannot be read: {error.strerror}") from error
    if name in known:
        return name
    hint = suggest(name, known) or "; `pusterla app list` names them all"
    raise CommandRefused(f"no application {name!r}{hint}")


def server_certificate_covers(folder: SiteFolder, host: str) -> bool | None:
    """Say whether browsers will take the server certificate for *host*; None: cannot be read.

    RFC 6125, section 6.4.3: a star stands for one whole label, the first one.
    """
    try:
        certificate = x509.load_pem_x509_certificate(folder.server_certificate.read_bytes())
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (OSError, ValueError, x509.ExtensionNotFound):
        return None
    star = f"*.{host.partition('.')[2]}"
    return bool({host, star} & set(extension.value.get_values_for_type(x509.DNSName)))


def _refuse_bad_name(name: str) -> None:
    try:
        check_app_name(name)
    except ValueError as error:
        raise CommandRefused(str(error)) from error


def _write(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as file:
        # Whatever the umask: a file that the edge cannot read is a problem of the site.
        os.fchmod(file.fileno(), FILE_MODE)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
