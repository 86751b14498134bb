"""The lists in force of one trust, and their files: the last good copy of each.

Each list has two files in the folder: as it was received (`.crl`, to look at with any tool), and
as it is looked up in (`.index`). The second is what counts; where it is damaged, it is made anew
from the first.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ca.foreign.coverage import HeldList
from ca.foreign.crls import RefusedCRL
from ca.foreign.facts import ListFacts
from ca.foreign.ordering import Step, judge_delta, judge_full
from ca.foreign.revoked import IndexDamaged, RevokedIndex
from gateway.verifier.files import TEMPORARY, FileFailed, move, remove
from gateway.verifier.reading import open_index

_INDEX: Final = ".index"
_LIST: Final = ".crl"


@dataclass(frozen=True, slots=True)
class Damaged:
    """A list whose index cannot be used: *words* name the file, and *copy* is the list itself."""

    words: str
    copy: Path


class Shelf:
    """What is held: at most one full list of each scope, and its newest delta."""

    def __init__(self, directory: Path, authorities: frozenset[str]) -> None:
        """Take up what lies in *directory*, which is made, as far as it is of *authorities*.

        Maps the index of each list and reads it once: some tens of milliseconds for a million
        entries. What is of no use any more is taken away.
        """
        self._directory = directory
        self._held: dict[str, HeldList] = {}
        self.damaged: list[Damaged] = []
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in directory.glob(f"{TEMPORARY}*"):
            remove(path)
        deltas = []
        for path in sorted(directory.glob(f"*{_INDEX}")):
            index = self._open(path)
            if index is None:
                continue
            if index.facts.authority not in authorities or path != self._path(index.facts, _INDEX):
                remove(path, path.with_suffix(_LIST))
            elif index.facts.base is None:
                self._held[index.facts.scope] = HeldList(index)
            else:
                deltas.append(index)
        for index in deltas:
            self._hold_delta(index)

    def get(self, scope: str) -> HeldList | None:
        """Return what is held of *scope*."""
        return self._held.get(scope)

    def all(self) -> Iterator[tuple[str, HeldList]]:
        """Name each scope, and what is held of it."""
        yield from self._held.items()

    def of(self, authority: str) -> list[HeldList]:
        """Return what is held of the lists of *authority*."""
        return [one for one in self._held.values() if one.full.facts.authority == authority]

    def judge(self, new: ListFacts) -> Step | RefusedCRL:
        """Judge a list that has arrived beside what is held."""
        held = self._held.get(new.scope)
        full = None if held is None else held.full.facts
        if new.base is None:
            return judge_full(new, full)
        delta = None if held is None or held.delta is None else held.delta.facts
        return judge_delta(new, full, delta)

    def put(self, index: RevokedIndex, index_file: Path, copy: Path) -> None:
        """Let *index* be in force from now on, with its finished files; raises `FileFailed`.

        The copy is moved first: whatever a crash leaves, the index in its place is a whole one.
        """
        facts = index.facts
        move(copy, self._path(facts, _LIST))
        move(index_file, self._path(facts, _INDEX))
        if facts.base is not None:
            self._hold_delta(index)
            return
        held = self._held.get(facts.scope)
        delta = held.delta if held else None
        if delta is not None and judge_delta(delta.facts, facts, None) is not Step.NEXT:
            remove(self._path(delta.facts, _INDEX), self._path(delta.facts, _LIST))
            delta = None
        self._held[facts.scope] = HeldList(index, delta)

    def new_path(self, name: str) -> Path:
        """Name a file that is not finished yet."""
        return self._directory / f"{TEMPORARY}{name}"

    def copy_of(self, facts: ListFacts) -> Path:
        """Name the file of a list that is held, as it was received."""
        return self._path(facts, _LIST)

    def _hold_delta(self, index: RevokedIndex) -> None:
        held = self._held.get(index.facts.scope)
        if held is not None:
            self._held[index.facts.scope] = replace(held, delta=index)

    def _open(self, path: Path) -> RevokedIndex | None:
        try:
            return open_index(path)
        except (FileFailed, IndexDamaged) as error:
            copy = path.with_suffix(_LIST)
            if copy.is_file():
                self.damaged.append(Damaged(str(error), copy))
            return None

    def _path(self, facts: ListFacts, suffix: str) -> Path:
        kind = "full" if facts.base is None else "delta"
        name = hashlib.sha256(facts.scope.encode()).hexdigest()[:32]
        return self._directory / f"{name}-{kind}{suffix}"
