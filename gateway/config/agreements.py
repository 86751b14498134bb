"""agreements/NAME.toml and the texts in agreements/NAME/ → agreements by name.

[title]
en = "Working from elsewhere"      # in each language that people read here
it = "Lavoro agile"

[[versions]]
version = "1"                      # what it is called, for people and in the record
due = 2026-01-01                   # from this day on it must have been accepted
[versions.texts]
en = "1.en.md"                     # a file in agreements/NAME/, in Markdown
it = "1.it.md"
"""

import re
from hashlib import sha256
from pathlib import Path
from typing import Final

from gateway.config.documents import read_document, visible_files
from gateway.core.agreements import AgreementDocument, AgreementText
from gateway.core.languages import LANGUAGES
from gateway.core.refusals import Language
from policies.model import check_name
from policies.papers import Agreement, AgreementVersion, mark_of
from policies.reading import Problem, Section
from policies.values import suggest

AGREEMENTS_DIRECTORY: Final = "agreements"
AGREEMENT_SUFFIX: Final = ".toml"
TEXT_SUFFIX: Final = ".md"
LARGEST_TEXT: Final = 128 * 1024
"""Forty printed pages."""

_VERSIONS: Final = 100
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FILE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TITLE_MAXIMUM: Final = 120


def read_agreements(folder: Path, problems: list[Problem]) -> dict[str, AgreementDocument]:
    """Read the agreements of the site in *folder*; a site without any is no problem."""
    found: dict[str, AgreementDocument] = {}
    for path in _named(folder / AGREEMENTS_DIRECTORY, AGREEMENT_SUFFIX):
        place = f"{AGREEMENTS_DIRECTORY}/{path.name}"
        document = read_document(path, place, problems)
        if document is not None:
            name = path.name.removesuffix(AGREEMENT_SUFFIX)
            agreement = _read_agreement(name, path.parent / name, document)
            if agreement is not None:
                found[name] = agreement
    return found


def agreement_files(directory: Path) -> list[Path]:
    """List the agreements in *directory* and their texts; none where it cannot be looked into."""
    agreements = _named(directory, AGREEMENT_SUFFIX)
    folders = [path.with_name(path.name.removesuffix(AGREEMENT_SUFFIX)) for path in agreements]
    return [*agreements, *(text for one in folders for text in _named(one, TEXT_SUFFIX))]


def _named(directory: Path, suffix: str) -> list[Path]:
    try:
        return visible_files(directory, suffix)
    except OSError:
        return []


def _read_agreement(name: str, folder: Path, document: Section) -> AgreementDocument | None:
    """Make the agreement *name* of *document*, or `None` after recording every problem."""
    before = document.problem_count
    try:
        check_name(name)
    except ValueError as error:
        document.report(None, f"{error}; rename the file")
    titles = _read_titles(document.section("title"))
    sections = document.sections("versions")
    if not sections and document.raw("versions") in (None, []):
        document.report("versions", "it has no version: write at least one [[versions]]")
    if len(sections) > _VERSIONS:
        document.report("versions", f"more than {_VERSIONS} versions")
        return None
    read = [_read_version(name, folder, section) for section in sections]
    document.finish()
    _check_apart(sections, [None if one is None else one[0] for one in read])
    found = [one for one in read if one is not None]
    if document.problem_count > before:
        return None
    found.sort(key=lambda one: one[0].due)
    return AgreementDocument(
        Agreement(name, tuple(version for version, _ in found)),
        titles,
        tuple(text for _, texts in found for text in texts),
    )


def _read_titles(section: Section) -> dict[Language, str]:
    titles = {
        language: text
        for language in LANGUAGES
        if (text := section.text(language, default=None, check=_check_title)) is not None
    }
    section.finish()
    if not titles and not any(language in section for language in LANGUAGES):
        section.report(None, f"missing: what people call it, as {_an_example('Remote working')}")
    return titles


def _read_version(
    name: str, folder: Path, section: Section
) -> tuple[AgreementVersion, list[AgreementText]] | None:
    before = section.problem_count
    version = section.text("version", check=_check_version)
    due = section.date("due")
    texts = section.section("texts")
    found = [
        text
        for language in LANGUAGES
        if (text := _read_text(texts, language, version or "", folder)) is not None
    ]
    texts.finish()
    section.finish()
    if not any(language in texts for language in LANGUAGES):
        texts.report(None, f"missing: its text, as {_an_example('1.en.md')}")
    if section.problem_count > before or version is None or due is None:
        return None
    marks = frozenset(mark_of(name, version, text.digest) for text in found)
    return AgreementVersion(version, due, marks), found


def _read_text(
    section: Section, language: Language, version: str, folder: Path
) -> AgreementText | None:
    found: list[AgreementText] = []

    def read(file: str) -> None:
        found.append(read_text(folder, file, version, language))

    section.text(language, default=None, check=read)
    return found[0] if found else None


def read_text(folder: Path, file: str, version: str, language: Language) -> AgreementText:
    """Read the text *file* in *folder*, or raise `ValueError` with a message for people."""
    where = f"{AGREEMENTS_DIRECTORY}/{folder.name}/"
    if not _FILE.fullmatch(file) or not file.endswith(TEXT_SUFFIX):
        raise ValueError(
            f"{file!r} is not the name of a text in {where}; write one such as 1.en.md"
        )
    path = folder / file
    try:
        with path.open("rb") as opened:
            data = opened.read(LARGEST_TEXT + 1)
    except FileNotFoundError:
        hint = suggest(file, [one.name for one in _named(folder, TEXT_SUFFIX)])
        raise ValueError(f"there is no file {where}{file}{hint}") from None
    except OSError as error:
        raise ValueError(f"{where}{file} cannot be read: {error.strerror}") from error
    if len(data) > LARGEST_TEXT:
        raise ValueError(f"{where}{file} is larger than {LARGEST_TEXT // 1024} KiB")
    try:
        markdown = data.decode("utf-8").removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{where}{file}: line {line} is not UTF-8: save it as UTF-8") from error
    if not markdown.strip():
        raise ValueError(f"{where}{file} is empty: nobody can agree to nothing")
    return AgreementText(version, language, markdown, sha256(data).hexdigest())


def _check_apart(sections: tuple[Section, ...], versions: list[AgreementVersion | None]) -> None:
    """Report versions with the name or the day of one before."""
    names: dict[str, int] = {}
    days: dict[object, int] = {}
    for position, (section, version) in enumerate(zip(sections, versions, strict=True), start=1):
        if version is None:
            continue
        if names.setdefault(version.version, position) != position:
            before = names[version.version]
            section.report("version", f"{version.version!r} is already versions[{before}]")
        if days.setdefault(version.due, position) != position:
            section.report(
                "due", f"{version.due} is already the day of versions[{days[version.due]}]"
            )


def _check_version(text: str) -> None:
    if not _VERSION.fullmatch(text):
        raise ValueError(
            f"{text!r} cannot be the name of a version: use 1 to 64 letters, digits, '.', '_' and '-'"
        )


def _check_title(text: str) -> None:
    if len(text) > _TITLE_MAXIMUM or not text.isprintable():
        raise ValueError(f"a title is one line of at most {_TITLE_MAXIMUM} characters")


def _an_example(text: str) -> str:
    return f'en = "{text}"'
