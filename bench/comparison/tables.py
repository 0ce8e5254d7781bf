# SPDX-License-Identifier: BSL-1.0
"""Prints the tables."""
import sys

from .figures import CPU, RATE, ratio, value


class Paint:
    """Colours text if the stream is a terminal."""

    def __init__(self, stream=sys.stdout):
        self._on = stream.isatty()

    def __call__(self, code, text):
        return f"\x1b[{code}m{text}\x1b[0m" if self._on else text

    def bold(self, text):
        return self("1", text)

    def dim(self, text):
        return self("2", text)

    def good(self, text):
        return self("32", text)

    def bad(self, text):
        return self("31", text)


def number(what):
    """The number with at least three significant digits."""
    if what is None:
        return "–"
    digits = 0 if what >= 100 else 1 if what >= 10 else 2
    return f"{what:,.{digits}f}".replace(",", " ")


def print_table(headings, rows, paint, bold_row=None):
    """Aligns the first column to the left, figures to the right. A row of two has a remark."""
    figures = [row for row in [headings, *rows] if len(row) > 2]
    widths = [max(len(row[i]) for row in (figures if i else [headings, *rows])) for i in range(len(headings))]

    def line(row):
        if len(row) == 2:
            return f"{row[0]:<{widths[0]}}  {row[1]}"
        return "  ".join([f"{row[0]:<{widths[0]}}"] + [f"{c:>{w}}" for c, w in zip(row[1:], widths[1:])])

    print(paint.bold(line(headings)))
    for i, row in enumerate(rows):
        text = line(row)
        print(paint.bold(text) if i == bold_row else paint.dim(text) if len(row) == 2 else text)


_FIGURES = (("rate /s", RATE), ("CPU µs/op", CPU), ("p50 µs", "p50_us"), ("p99 µs", "p99_us"), ("p99.9 µs", "p999_us"))
_TIMER_FIGURES = (("p50 µs late", "p50_us"), ("p99 µs late", "p99_us"), ("max µs late", "max_us"),
                  ("writes /s", "writes_per_second"), ("syncs /s", "syncs_per_second"))


def reference_of(case, results):
    """The contestant of ratio 1.00: the reference of the case, else the first of ours that ran."""
    ours = [each for each in case.contestants if each.name.startswith("ours")]
    ran = [each for each in (case.reference, *ours) if results[each.name]["runs"]]
    return ran[0] if ran else case.reference


def print_case(case, results, paint):
    figures, ratios = _FIGURES, ((RATE, f"rate × {case.reference_word}"), (CPU, f"CPU × {case.reference_word}"))
    if case.timer:
        figures, ratios = _TIMER_FIGURES, (("p99_us", "p99 × before" if case.reference_word == "before" else "p99 × threads"),)
    reference = reference_of(case, results)
    rows = []
    for contestant in case.contestants:
        result = results[contestant.name]
        if "not_run" in result:
            rows.append([contestant.name, "not run: " + result["not_run"]])
        elif "failed" in result:
            rows.append([contestant.name, "FAILED: " + result["failed"]])
        else:
            rows.append([contestant.name, *(number(value(result, key)) for _, key in figures),
                         *(number(ratio(result, results[reference.name], key)) for key, _ in ratios)])
    print(f"\n{paint.bold(case.name)}: {case.about}")
    headings = ["contestant", *(title for title, _ in figures), *(title for _, title in ratios)]
    print_table(headings, rows, paint, bold_row=case.contestants.index(reference))
