"""Our families as prometheus-client's metric families. Importing this imports prometheus-client."""

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from .store import Histogram, Numbers


def number_family(numbers: Numbers) -> Metric:
    """One sample per label set."""
    definition = numbers.definition
    family_type = CounterMetricFamily if definition.type == "counter" else GaugeMetricFamily
    family = family_type(definition.name, definition.help, labels=definition.labels)
    for labels, value in numbers.items():
        family.add_metric(labels, value)
    return family


def histogram_family(histogram: Histogram) -> Metric:
    """Cumulative buckets, sum and count per label set."""
    definition = histogram.definition
    family = HistogramMetricFamily(definition.name, definition.help, labels=definition.labels)
    bounds = [*map(str, definition.buckets), "+Inf"]
    for labels, counts, total in histogram.items():
        family.add_metric(labels, list(zip(bounds, map(float, counts), strict=True)), total)
    return family
