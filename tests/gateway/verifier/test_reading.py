"""Reading a list in a process of its own."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop

from ca.foreign.crls import CRLFault, RefusedCRL
from ca.foreign.revoked import IndexDamaged, RevokedIndex
from ca.trust import RevocationReason
from gateway.verifier.files import FileFailed
from gateway.verifier.reading import LIMITS, ReadingLimits, open_index, read_list
from tests.ca.foreign.crl_makers import NOW, make_crl
from tests.ca.foreign.makers import make_foreign_ca
from tests.ca.foreign.test_crls import der
from tests.gateway.verifier.big import make_big_crl, make_identified_ca

CA = make_identified_ca()
MIB = 2**20


@pytest.fixture(scope="module")
def million() -> bytes:
    """Return a list of a million entries."""
    return make_big_crl(CA, 1_000_000)


async def test_a_list_becomes_an_index(tmp_path: Path) -> None:
    """What the list says is found in the file, which nobody else reads."""
    source, target = tmp_path / "list", tmp_path / "index"
    source.write_bytes(make_crl(CA, [(5, None)], number=7))
    index = await read_list(source, target, [der(CA)], NOW)
    assert isinstance(index, RevokedIndex)
    assert index.facts.number == 7
    assert index.find(5) is not None
    assert index.find(6) is None
    assert target.stat().st_mode & 0o777 == 0o600


def test_it_works_on_the_loop_of_our_processes(tmp_path: Path) -> None:
    """Processes run on uvloop, which starts programs in its own way."""
    source = tmp_path / "list"
    source.write_bytes(make_crl(CA, [(5, None)], number=7))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        index = runner.run(read_list(source, tmp_path / "index", [der(CA)], NOW))
        runner.run(asyncio.sleep(0))
    assert isinstance(index, RevokedIndex)
    assert index.facts.number == 7


async def test_what_is_refused_leaves_nothing(tmp_path: Path) -> None:
    """Why it is refused comes back, and no file stays."""
    source, target = tmp_path / "list", tmp_path / "index"
    source.write_bytes(make_crl(make_foreign_ca(NOW)))
    refused = await read_list(source, target, [der(CA)], NOW)
    assert isinstance(refused, RefusedCRL)
    assert refused.reason is CRLFault.SIGNATURE
    assert not target.exists()


@pytest.mark.parametrize(
    "limits",
    [
        replace(LIMITS, elapsed=0.01),
        replace(LIMITS, memory=100 * MIB),
        replace(LIMITS, processor=1),
    ],
    ids=["elapsed", "memory", "processor"],
)
async def test_what_costs_too_much_is_refused(
    tmp_path: Path, million: bytes, limits: ReadingLimits
) -> None:
    """Time and memory are bounded, and what ends the reader ends in a sentence."""
    source, target = tmp_path / "list", tmp_path / "index"
    source.write_bytes(million)
    refused = await read_list(source, target, [der(CA)], NOW, limits)
    assert isinstance(refused, RefusedCRL)
    assert refused.reason is CRLFault.COSTLY
    assert not target.exists()


@pytest.mark.parametrize("patience", [0.0, 0.001, 0.002, 0.004, 0.008, 0.1])
async def test_a_reader_that_is_not_waited_for_is_ended(
    tmp_path: Path, million: bytes, patience: float
) -> None:
    """Whoever gives up takes the process along, one that is just being started too."""
    source = tmp_path / "list"
    source.write_bytes(million)
    # Other tests have servers of theirs, to the end of the session.
    others = _children()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(patience):
            await read_list(source, tmp_path / "index", [der(CA)], NOW)
    assert _children() == others


async def test_a_reader_that_cannot_be_started_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Python that runs was taken away beneath it: nobody falls over that."""
    source = tmp_path / "list"
    source.write_bytes(make_crl(CA))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(FileFailed, match=r"reader cannot be started: No such file"):
        await read_list(source, tmp_path / "index", [der(CA)], NOW)


async def test_a_list_that_is_not_there_is_said(tmp_path: Path) -> None:
    """Files that cannot be read or written are named."""
    with pytest.raises(FileFailed, match=r"missing: No such file"):
        await read_list(tmp_path / "missing", tmp_path / "index", [der(CA)], NOW)
    source = tmp_path / "list"
    source.write_bytes(make_crl(CA))
    with pytest.raises(FileFailed, match="nowhere/index: cannot be written"):
        await read_list(source, tmp_path / "nowhere" / "index", [der(CA)], NOW)


async def test_a_million_entries(tmp_path: Path, million: bytes) -> None:
    """So many are read within the limits, into less than 80 MiB, while the loop goes on."""
    source, target = tmp_path / "list", tmp_path / "index"
    source.write_bytes(million)
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.01)
            turns += 1

    async with asyncio.TaskGroup() as group:
        turning = group.create_task(turn())
        index = await read_list(source, target, [der(CA)], NOW)
        turning.cancel()
    assert isinstance(index, RevokedIndex)
    assert len(index) == 1_000_000
    assert turns > 10
    assert target.stat().st_size < 80 * MIB
    found = index.find((1 << 120) + 999_999)
    assert found is not None
    assert getattr(found, "reason", None) is RevocationReason.KEY_COMPROMISE


def test_damaged_indexes_are_not_used(tmp_path: Path) -> None:
    """A file that is empty, missing or changed is told from a good one."""
    path = tmp_path / "index"
    with pytest.raises(FileFailed):
        open_index(path)
    path.write_bytes(b"")
    with pytest.raises(FileFailed):
        open_index(path)
    path.write_bytes(b"x" * 1000)
    with pytest.raises(IndexDamaged, match="index: it is not as it was written"):
        open_index(path)


def _children() -> set[str]:
    return {
        pid
        for task in Path("/proc/self/task").iterdir()
        for pid in (task / "children").read_text().split()
    }
