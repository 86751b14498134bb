import pytest

from gateway.bootstrap.outcome import NoReport, Outcome, read_report, refused, write_report


def test_a_report_is_read_as_it_was_written() -> None:
    """One line carries every process with its words."""
    report = {
        "edge-0": Outcome(taken=("site.contact", "wiki changed")),
        "supervisor": Outcome(later=("site.port",)),
        "portal": Outcome(problems=("no", "no — really")),
    }
    line = write_report(report)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert read_report(line) == report


@pytest.mark.parametrize(
    "line", [b"", b"[]\n", b"{", b'{"edge-0": 3}', b'{"edge-0": {"eaten": []}}', b"\xff"]
)
def test_what_is_no_report_is_refused(line: bytes) -> None:
    """Whatever another program may have said."""
    with pytest.raises(NoReport, match="not a report"):
        read_report(line)


def test_there_is_always_something_to_say() -> None:
    """Of nothing new too; a refusal says that what was in force stays."""
    assert [*Outcome().lines()] == ["nothing new"]
    assert [*Outcome(("a", "b"), ("c",)).lines()] == [
        "taken up: a, b",
        "takes effect at the next start: c",
    ]
    *problems, last = refused("one\ntwo").lines()
    assert problems == ["one", "two"]
    assert "what was in force stays in force" in last
