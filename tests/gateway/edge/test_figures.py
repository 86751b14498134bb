import json

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.refusal_kinds import Refusal
from gateway.edge.figures import REQUEST_BOUNDS, Figures, Histogram


@given(st.lists(st.floats(0, 100)))
def test_each_duration_is_in_one_bucket(durations: list[float]) -> None:
    """The first one that reaches so far, as Prometheus' `le` says: less or equal."""
    histogram = Histogram()
    for seconds in durations:
        histogram.observe(seconds)
    assert sum(histogram.buckets) == len(durations)
    for place, bound in enumerate(REQUEST_BOUNDS, start=1):
        expected = sum(seconds <= bound for seconds in durations)
        assert sum(histogram.buckets[:place]) == expected


def test_a_snapshot_is_a_copy_that_json_can_carry() -> None:
    """With every reason of ours from the beginning, so that a first refusal shows as a rise."""
    figures = Figures()
    figures.applications["wiki"].statuses[200] += 1
    said = figures.snapshot()
    assert json.loads(json.dumps(said)) == said
    assert said["refusals"].keys() == {refusal.value for refusal in Refusal}
    figures.applications["wiki"].statuses[200] += 1
    figures.refusals["internal"] += 1
    assert said["applications"]["wiki"]["statuses"] == {"200": 1}
    assert said["refusals"]["internal"] == 0


def test_statuses_that_are_none_make_no_labels() -> None:
    """An application may answer with what it likes; metrics stay bounded."""
    figures = Figures()
    for status in range(100, 1000):
        figures.applications["wiki"].statuses[status] += 1
    statuses = figures.snapshot()["applications"]["wiki"]["statuses"]
    assert len(statuses) < 70
    assert sum(statuses.values()) == 900
