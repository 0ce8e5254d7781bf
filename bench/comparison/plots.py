# SPDX-License-Identifier: BSL-1.0
"""Draws the workloads `depths` and `durable-append` as SVG files with gnuplot."""
import subprocess

from .contestants import (
    ASIO_FILE, ASIO_FILE_URING, BARE_LIBAIO, BARE_URING, DURABLE_BARE_URING, DURABLE_DSYNC, DURABLE_LOOP,
    DURABLE_THREADS, LIBAIO, LIBUV, POOL, URING)
from .figures import CPU, RATE, value

# Each contestant has one colour and one mark, the same in every plot. These are the colours of
# Okabe and Ito, which people with any kind of colour vision can distinguish.
_STYLES = {
    URING.name: ("#0072B2", 7), POOL.name: ("#56B4E9", 5), LIBAIO.name: ("#CC79A7", 9),
    ASIO_FILE.name: ("#D55E00", 6), ASIO_FILE_URING.name: ("#E69F00", 4),
    BARE_URING.name: ("#000000", 2), BARE_LIBAIO.name: ("#999999", 1), LIBUV.name: ("#009E73", 10),
    DURABLE_BARE_URING.name: ("#000000", 2), DURABLE_LOOP.name: ("#999999", 1),
    DURABLE_THREADS.name: ("#D55E00", 6), DURABLE_DSYNC.name: ("#E69F00", 4)}
_OURS_WIDTH, _WIDTH = 3, 1.5
_PLOTS = (
    ("rate", RATE, "operations per second", "set format y '%.0s %c'", "set yrange [0:*]"),
    ("cpu", CPU, "CPU time per operation, µs", "set logscale y", "set yrange [*:*]"),
    ("latency", "p99_us", "99 % of the operations take at most, µs", "set logscale y", "set yrange [*:*]"),
)
# The title of each kind of plots, and what a case's depth is.
_KINDS = {
    "cached": ("Random 4 KiB reads, cached", "operations in flight"),
    "direct": ("Random 4 KiB reads, direct", "operations in flight"),
    "durable": ("4 KiB appended to one file and synced", "writers"),
}

WORKLOADS = ("depths", "durable-append")


def _series(cases, all_results, figure):
    """{contestant: [(depth, value)]} for the contestants that ran."""
    series = {}
    for case in cases:
        for contestant in case.contestants:
            point = value(all_results[case.name][contestant.name], figure)
            if point is not None:
                series.setdefault(contestant.name, []).append((case.options["depth"], point))
    return series


def _script(path, kind, unit, scales, series):
    title, axis = _KINDS[kind]
    blocks, curves = [], []
    for i, (name, points) in enumerate(series.items()):
        rows = "\n".join(f"{depth} {point}" for depth, point in points)
        blocks.append(f"$data{i} << end_of_data\n{rows}\nend_of_data")
        colour, mark = _STYLES[name]
        width = _OURS_WIDTH if name.startswith("ours") else _WIDTH
        curves.append(f"$data{i} using 1:2 with linespoints linewidth {width} pointsize 0.8 pointtype {mark} "
                      f"linecolor rgb '{colour}' title '{name}'")
    depths = sorted({depth for points in series.values() for depth, _ in points})
    tics = ", ".join(str(depth) for depth in depths)
    return "\n".join([
        *blocks, "set terminal svg size 900,480 dynamic enhanced font 'sans-serif,13' background rgb 'white'",
        f"set output '{path}'", f"set title '{title}'",
        "set key outside right center Left reverse samplen 2 noenhanced",
        "set logscale x 2", f"set xtics ({tics})", f"set xrange [{depths[0] * 0.9}:{depths[-1] * 1.1}]",
        f"set xlabel '{axis}'", f"set ylabel '{unit}'", "set grid linecolor rgb '#dddddd'", *scales,
        "plot " + ", ".join(curves), ""])


def draw(cases, all_results, folder):
    """Writes <kind>-<figure>.svg; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for kind in dict.fromkeys(case.series for case in cases):
        of_kind = [case for case in cases if case.series == kind]
        for name, figure, unit, *scales in _PLOTS:
            series = _series(of_kind, all_results, figure)
            if not series:
                continue
            path = folder / f"{kind}-{name}.svg"
            script = _script(path, kind, unit, scales, series)
            subprocess.run(["gnuplot"], input=script, text=True, check=True)
            drawn.append(path)
    return drawn
