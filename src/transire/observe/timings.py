"""Counters and histograms that one event loop fills and reads: without a lock, told when scraped.

`prometheus_client`'s own take two locks, and a look-up by labels or a walk over the buckets, for
every value; a request leaves a dozen of them.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from transire.observe.names import Metric

__all__ = ["Counts", "Timings"]


class Counts(Collector):
    """One counter, by the values of its labels; likewise not for threads."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._counts: dict[tuple[str, ...], int] = {}
        if not metric.labels:
            self._counts[()] = 0

    def add(self, count: int, *labels: str) -> None:
        """Count so many more, none below zero.

        Args:
            labels: A value for each of the metric's labels, in their order.
        """
        self._counts[labels] = self._counts.get(labels, 0) + count

    def collect(self) -> Iterable[CounterMetricFamily]:
        """The counter as it is now."""
        metric = self._metric
        family = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, count in self._counts.items():
            family.add_metric(labels, count)
        return [family]


class Timings(Collector):
    """One histogram, or one by the values of its only label.

    Not for threads: values are added, and the whole is told, on one event loop.

    Args:
        bounds: Upper bounds of the buckets, in seconds, ascending; one without bound is added.
    """

    def __init__(self, metric: Metric, bounds: Sequence[float]) -> None:
        self._metric = metric
        self._bounds = tuple(bounds)
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}
        if not metric.labels:
            self._begin("")

    def observe(self, seconds: float, label: str = "") -> None:
        """Add one value."""
        counts = self._counts.get(label)
        if counts is None:
            counts = self._begin(label)
        counts[bisect_left(self._bounds, seconds)] += 1
        self._sums[label] += seconds

    def knows(self, label: str) -> bool:
        """Whether a value of the label has been counted."""
        return label in self._counts

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """The histogram as it is now."""
        metric = self._metric
        family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        names = [*map(floatToGoString, self._bounds), "+Inf"]
        for label, counts in self._counts.items():
            buckets = list(zip(names, map(float, accumulate(counts)), strict=True))
            labels = [label] if metric.labels else []
            family.add_metric(labels, buckets, self._sums[label])
        return [family]

    def _begin(self, label: str) -> list[int]:
        self._sums[label] = 0.0
        counts = self._counts[label] = [0] * (len(self._bounds) + 1)
        return counts
