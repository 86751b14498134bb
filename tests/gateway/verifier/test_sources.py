"""Where lists are had from, kept for the next start."""

from datetime import timedelta
from pathlib import Path, PurePath

import pytest

from gateway.verifier.fetching import Mark
from gateway.verifier.sources import Source, read_sources, write_sources
from tests.ca.foreign.crl_makers import NOW, WEEK


def test_what_is_kept_is_read(tmp_path: Path) -> None:
    """Everything that is known of a source outlives the process."""
    one = Source(("http://a/", "http://b/"), delta=True, scope="x\ny")
    one.succeed(NOW, NOW + WEEK)
    one.mark, one.marked, one.digest = Mark('"etag"', None), "http://a/", "ab"
    two = Source(file=PurePath("/a/b.crl"))
    two.fail(NOW, "is not there", NOW + WEEK)
    three = Source(("http://c/",))
    write_sources(tmp_path / "sources.json", [one, two, three])
    assert read_sources(tmp_path / "sources.json") == {
        "http://a/ http://b/": one,
        "file /a/b.crl": two,
        "http://c/": three,
    }
    assert [path.name for path in tmp_path.iterdir()] == ["sources.json"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"a": {}}', '{"a": 5}', '{"a": {"urls": 5}}', "\udcff"]
)
def test_what_cannot_be_read_is_begun_again(tmp_path: Path, text: str) -> None:
    """A damaged file costs a fetch, and nothing else."""
    (tmp_path / "x").write_bytes(text.encode(errors="surrogateescape"))
    assert read_sources(tmp_path / "x") == {}
    assert read_sources(tmp_path / "missing") == {}


def test_failures_are_counted_until_it_goes_well() -> None:
    """What was wrong is told as long as it is."""
    source = Source(("http://a/",))
    source.fail(NOW, "one", NOW)
    source.fail(NOW, "two", NOW)
    assert (source.failures, source.failure, source.failed_at) == (2, "two", NOW)
    source.succeed(NOW, NOW + WEEK)
    assert (source.failures, source.failure, source.failed_at) == (0, "", None)


def test_what_a_wrong_clock_has_planned_is_due() -> None:
    """A clock that was a year ahead, and is put right, keeps no list from being fetched."""
    source = Source(("http://a/",))
    assert source.is_due(NOW)
    source.succeed(NOW, NOW + timedelta(hours=1))
    assert not source.is_due(NOW)
    assert source.is_due(NOW + timedelta(hours=1))
    assert source.is_due(NOW - timedelta(days=365))
