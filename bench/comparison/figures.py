# SPDX-License-Identifier: BSL-1.0
"""Medians, and ratios of runs of the same round."""
from statistics import median

RATE = "rate"
CPU = "cpu_us_per_operation"
LATENCIES = ("p50_us", "p99_us", "p999_us")


def value(result, key):
    """The median of a figure over all rounds that have it; None if none has."""
    of_latency = key in LATENCIES and result["latency_runs"]
    runs = result["latency_runs" if of_latency else "runs"]
    values = [run[key] for run in runs if key in run]
    return median(values) if values else None


def summary(result, reference):
    """The figures of a contestant for the JSON: medians and ratios."""
    keys = sorted({key for run in result["runs"] + result["latency_runs"] for key, what in run.items()
                   if isinstance(what, (int, float))})
    return {"median": {key: value(result, key) for key in keys},
            "ratio": {key: ratio(result, reference, key) for key in keys}}


def ratio(result, reference, key):
    """The median, over the rounds, of the ratio of two contestants; None without a common round."""
    pairs = [(run[key], other[key]) for run, other in zip(result["runs"], reference["runs"])
             if key in run and other.get(key)]
    return median(a / b for a, b in pairs) if pairs else None
