"""Reading a site's files: everything in one go, so that all problems are found at once."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.config.agreements import read_agreements
from gateway.config.applications import ApplicationReader
from gateway.config.calendars import read_calendars
from gateway.config.documents import read_document, visible_files
from gateway.config.settings import read_settings
from gateway.core.agreements import AgreementDocument
from gateway.core.site import DEFAULT_TIME_ZONE, Application, Site
from policies.reading import Problem, Section, parse_toml
from policies.times import Almanac

SETTINGS_FILE: Final = "pusterla.toml"
APPS_DIRECTORY: Final = "apps"
APP_SUFFIX: Final = ".toml"


@dataclass(frozen=True, slots=True)
class Problems:
    """Everything that is wrong with the files; nothing of them may be used."""

    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        """One problem a line."""
        return "\n".join(map(str, self.problems))


@dataclass(frozen=True, slots=True)
class Configuration:
    """A site, its applications and its agreements, by name."""

    site: Site
    applications: Mapping[str, Application]
    agreements: Mapping[str, AgreementDocument] = field(default_factory=dict)


def read_configuration(directory: Path, site: Site | None = None) -> Configuration | Problems:
    """Read pusterla.toml and apps/*.toml in *directory*, and what those rest on.

    With *site* the settings are those, whatever pusterla.toml says. Everything else is read once, so
    that applications were checked against the very agreements that come with them.
    """
    problems: list[Problem] = []
    if site is None:
        site = _read_site(directory / SETTINGS_FILE, problems)
    agreements = read_agreements(directory, problems)
    almanac = _make_almanac(directory, site, agreements, problems)
    applications = _read_applications(directory / APPS_DIRECTORY, site, almanac, problems)
    if problems or site is None:
        return Problems(tuple(problems))
    return Configuration(site, applications, agreements)


def read_site(path: Path) -> Site | Problems:
    """Read the file *path*, a pusterla.toml."""
    problems: list[Problem] = []
    site = _read_site(path, problems)
    return Problems(tuple(problems)) if problems or site is None else site


def parse_site(text: str) -> Site | Problems:
    """Read *text* as if it were a pusterla.toml."""
    problems: list[Problem] = []
    data = parse_toml(text, SETTINGS_FILE, problems)
    site = None if data is None else read_settings(Section(data, SETTINGS_FILE, problems), cores())
    return Problems(tuple(problems)) if problems or site is None else site


def read_sound_configuration(directory: Path, site: Site) -> tuple[Configuration, Problems]:
    """Read what has no mistake among the files in *directory*, and say why the rest is left out.

    The settings are *site*. Of two applications that name the same host neither is sound: nobody can
    say whose it is.
    """
    problems: list[Problem] = []
    agreements = read_agreements(directory, problems)
    almanac = _make_almanac(directory, site, agreements, problems)
    applications = _read_sound(directory / APPS_DIRECTORY, site, almanac, problems)
    return Configuration(site, applications, agreements), Problems(tuple(problems))


def read_new_application(
    directory: Path, site: Site, name: str, text: str
) -> Application | Problems:
    """Read *text* as if it were the file of a further application *name* in *directory*.

    Only its own problems are answered, among them a host that an application
    which is there already has; what is wrong with those is not its fault.
    """
    problems: list[Problem] = []
    folder = directory.parent
    almanac = _make_almanac(folder, site, read_agreements(folder, problems), problems)
    reader = ApplicationReader(site, folder, almanac, problems)
    _read_files(reader, directory, problems)
    problems.clear()
    place = f"{directory.name}/{name}{APP_SUFFIX}"
    data = parse_toml(text, place, problems)
    document = Section(data or {}, place, problems)
    application = None if data is None else reader.read(name, place, document)
    return application or Problems(tuple(problems))


def application_names(directory: Path) -> list[str]:
    """Return what the applications in *directory* are called; raise `OSError` if that fails.

    None of the files is read.
    """
    return [path.name.removesuffix(APP_SUFFIX) for path in application_files(directory)]


def application_files(directory: Path) -> list[Path]:
    """List the files of applications in *directory*, by name; raise `OSError` if that fails."""
    return visible_files(directory, APP_SUFFIX)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def _read_site(path: Path, problems: list[Problem]) -> Site | None:
    document = read_document(path, path.name, problems)
    return None if document is None else read_settings(document, cores())


def _read_applications(
    directory: Path, site: Site | None, almanac: Almanac, problems: list[Problem]
) -> dict[str, Application]:
    reader = ApplicationReader(site, directory.parent, almanac, problems)
    return _read_files(reader, directory, problems)


def _read_sound(
    directory: Path, site: Site, almanac: Almanac, problems: list[Problem]
) -> dict[str, Application]:
    try:
        names = application_names(directory)
    except OSError as error:
        problems.append(Problem(directory.name, f"cannot be read: {error.strerror}"))
        return {}
    found: list[Application] = []
    for name in names:
        place = f"{directory.name}/{name}{APP_SUFFIX}"
        document = read_document(directory / (name + APP_SUFFIX), place, problems)
        # A reader for each: which file comes first is to make no difference.
        reader = ApplicationReader(site, directory.parent, almanac, problems)
        if document is not None and (application := reader.read(name, place, document)):
            found.append(application)
    claims = Counter(application.host for application in found)
    for application in found:
        if claims[application.host] > 1:
            place = f"{directory.name}/{application.name}{APP_SUFFIX}"
            problems.append(Problem(place, f"another file has the host {application.host!r} too"))
    return {one.name: one for one in found if claims[one.host] == 1}


def _make_almanac(
    folder: Path,
    site: Site | None,
    agreements: Mapping[str, AgreementDocument],
    problems: list[Problem],
) -> Almanac:
    zone = DEFAULT_TIME_ZONE if site is None else site.time_zone
    texts = {name: document.agreement for name, document in agreements.items()}
    return Almanac(zone, read_calendars(folder, problems), texts)


def _read_files(
    reader: ApplicationReader, directory: Path, problems: list[Problem]
) -> dict[str, Application]:
    try:
        files = application_files(directory)
    except OSError as error:
        # A directory that is gone would otherwise be a site that serves nothing.
        problems.append(Problem(directory.name, f"cannot be read: {error.strerror}"))
        return {}
    applications: dict[str, Application] = {}
    for path in files:
        place = f"{directory.name}/{path.name}"
        document = read_document(path, place, problems)
        if document is None:
            continue
        application = reader.read(path.name.removesuffix(APP_SUFFIX), place, document)
        if application is not None:
            applications[application.name] = application
    return applications
