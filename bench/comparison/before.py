# SPDX-License-Identifier: BSL-1.0
"""Compares this library with its build in another tree."""
from dataclasses import replace

from .figures import CPU, RATE, ratio
from .tables import number

NOW, BEFORE = "now", "before"
MOST_LOST = 0.02


def pairs(cases, build):
    """One case for each contestant of ours: its current build and the one in `build`."""
    return [replace(case, name=f"{case.name}: {each.name}", reference_word=BEFORE,
                    contestants=(replace(each, name=NOW), before), reference=before)
            for case in cases for each in case.contestants if each.name.startswith("ours")
            for before in (replace(each, name=BEFORE, build=build),)]


def print_verdict(cases, results, paint):
    """Prints the cases that became slower by more than the limit, or that there is none."""
    lost = [line for case in cases for line in _losses(results[case.name], case)]
    limit = f"{MOST_LOST:.0%}"
    print()
    print(paint.bad(f"Slower than before by more than {limit}:") if lost else
          paint.good(f"Nothing is slower than before by more than {limit}."))
    for line in lost:
        print("  " + line)


def _losses(result, case):
    now, before = result[NOW], result[BEFORE]
    for title, key, loss in (("rate", RATE, lambda r: 1 / r - 1), ("CPU", CPU, lambda r: r - 1)):
        share = ratio(now, before, key)
        if share and loss(share) > MOST_LOST:
            yield f"{case.name}: {title} {number(share)} ×"
