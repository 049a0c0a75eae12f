"""Histograms without a lock tell what `prometheus_client`'s own would."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from transire.observe.names import Metric
from transire.observe.timings import Timings

BOUNDS = (0.001, 0.25, 1.0)
BY_STAGE = Metric(name="took_seconds", kind="histogram", help="How long.", labels=("stage",))
PLAIN = Metric(name="took_seconds", kind="histogram", help="How long.")


def told(registry: CollectorRegistry) -> set[str]:
    lines = generate_latest(registry).decode().splitlines()
    return {line for line in lines if "_created" not in line}


@given(st.lists(st.tuples(st.sampled_from(["a", 'b"\\']), st.floats(0, 2)), max_size=20))
def test_a_histogram_by_label_tells_the_same_as_the_librarys(
    values: list[tuple[str, float]],
) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    timings = Timings(BY_STAGE, BOUNDS)
    ours.register(timings)
    library = Histogram(
        BY_STAGE.name, BY_STAGE.help, BY_STAGE.labels, registry=theirs, buckets=BOUNDS
    )

    for label, seconds in values:
        timings.observe(seconds, label)
        library.labels(label).observe(seconds)

    assert told(ours) == told(theirs)


def test_a_histogram_without_label_is_told_before_its_first_value() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    ours.register(Timings(PLAIN, BOUNDS))
    Histogram(PLAIN.name, PLAIN.help, registry=theirs, buckets=BOUNDS)

    assert told(ours) == told(theirs)


def test_a_value_on_a_bound_lies_below_it() -> None:
    registry, timings = CollectorRegistry(), Timings(PLAIN, BOUNDS)
    registry.register(timings)

    timings.observe(0.25)

    assert 'took_seconds_bucket{le="0.25"} 1.0' in told(registry)
