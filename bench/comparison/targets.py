# SPDX-License-Identifier: BSL-1.0
"""The performance targets of the library, and the check of each."""
from dataclasses import dataclass

from .contestants import (
    ASIO_FILE, BARE_LIBAIO, BARE_URING, DURABLE_LIBAIO, DURABLE_LOOP, DURABLE_POOL, DURABLE_URING, LIBAIO, LIBUV,
    LIBUV_32, POOL, PWRITE, TIMER_LIBAIO, TIMER_POOL, TIMER_THREADS, TIMER_URING, URING, URING_AWAITABLE)
from .figures import CPU, RATE, ratio
from .mounts import OVERLAYFS, TMPFS
from .tables import number

_WORDS = {RATE: "rate", CPU: "CPU", "p99_us": "p99"}
_ONE_THREAD = "ours, one thread"
_OF_SEVERAL_CASES = ("many-files", "buffered-write", "durable-append")


@dataclass(frozen=True)
class Target:
    workload: str
    case: str
    ours: str
    theirs: str
    figure: str
    least: float = None
    most: float = None

    def holds(self, measured):
        return measured >= self.least if self.least is not None else measured <= self.most

    def __str__(self):
        bound = f"at least {self.least:g}" if self.least is not None else f"at most {self.most:.3g}"
        return f"{self.case}: {_WORDS[self.figure]} of {self.ours}, {bound} × {self.theirs}"


def _target(case, ours, theirs, figure, **bound):
    names = [each if isinstance(each, str) else each.name for each in (ours, theirs)]
    workload = next((each for each in _OF_SEVERAL_CASES if case.startswith(each)), case)
    return Target(workload, case, *names, figure, **bound)


TARGETS = [
    _target("direct-read-32", URING, ASIO_FILE, RATE, least=3),
    _target("direct-read-32", URING, ASIO_FILE, CPU, most=1 / 5),
    _target("direct-read-32", URING, BARE_URING, RATE, least=0.97),
    _target("direct-read-32", URING, BARE_URING, CPU, most=1.05),
    _target("direct-read-32", LIBAIO, BARE_LIBAIO, RATE, least=0.97),
    _target("direct-read-32", LIBAIO, BARE_LIBAIO, CPU, most=1.05),
    _target("direct-write-32", LIBAIO, BARE_LIBAIO, RATE, least=0.97),
    _target("direct-write-32", LIBAIO, BARE_LIBAIO, CPU, most=1.05),
    _target("cached-read-32", URING, BARE_URING, CPU, most=1.08),
    _target("cached-read-32", URING_AWAITABLE, BARE_URING, CPU, most=1.12),
    _target("cached-read-1", URING, BARE_URING, CPU, most=1.10),
    _target("cached-read-1", LIBAIO, BARE_URING, CPU, most=1.10),
    _target("cached-read-1", POOL, BARE_URING, CPU, most=1.10),
    _target("cached-read-1", URING, ASIO_FILE, CPU, most=1 / 2.2),
    _target("cached-read-32", URING, ASIO_FILE, CPU, most=1 / 2.2),
    _target("direct-read-32", POOL, LIBUV_32, RATE, least=1),
    _target("direct-read-32", POOL, LIBUV_32, CPU, most=0.9),
    _target("direct-read-32", POOL, LIBUV, RATE, least=1.5),
    *(_target(f"{filesystem}-read-1", ours, BARE_URING, CPU, most=1 / 10)
      for filesystem in (OVERLAYFS, TMPFS) for ours in (URING, LIBAIO, POOL)),
    _target("threads-2", "ours, 2 contexts, a thread each", _ONE_THREAD, RATE, least=1.9),
    _target("threads-2", "ours, 2 threads in one run()", _ONE_THREAD, RATE, least=1.5),
    _target("many-files-10000", URING, BARE_URING, CPU, most=1.25),
    _target("timer-delay", TIMER_URING, TIMER_THREADS, "p99_us", most=1.1),
    _target("timer-delay", TIMER_LIBAIO, TIMER_THREADS, "p99_us", most=1.1),
    _target("timer-delay", TIMER_LIBAIO, TIMER_POOL, "p99_us", most=1.1),
    _target("timer-delay", TIMER_POOL, TIMER_THREADS, "p99_us", most=1.1),
    *(target for ours in (URING, LIBAIO, POOL)
      for target in (_target("buffered-write-16", ours, PWRITE, RATE, least=0.75),
                     _target("buffered-write-16", ours, PWRITE, CPU, most=1.5),
                     _target("buffered-write-16-files-16", ours, PWRITE, RATE, least=1))),
    *(target for ours in (DURABLE_URING, DURABLE_LIBAIO, DURABLE_POOL)
      for target in (_target("durable-append-64", ours, DURABLE_LOOP, RATE, least=8),
                     _target("durable-append-1", ours, DURABLE_LOOP, RATE, least=0.9))),
]

WORKLOADS_OF_TARGETS = list(dict.fromkeys(each.workload for each in TARGETS))


def _why_not(results, target):
    for name in (target.ours, target.theirs):
        result = results[name]
        if "runs" not in result or not result["runs"]:
            return name + ": " + result.get("not_run", result.get("failed", "no result"))
    return None


def judge(target, results):
    """Returns the measured ratio, or None, and the verdict."""
    reason = _why_not(results, target)
    if reason:
        return None, "not run: " + reason
    measured = ratio(results[target.ours], results[target.theirs], target.figure)
    if measured is None:
        return None, "not measured"
    return measured, "ok" if target.holds(measured) else "missed"


def print_targets(all_results, paint):
    """Prints each target whose case was run; returns the same for the JSON."""
    judged = [(each, *judge(each, all_results[each.case])) for each in TARGETS if each.case in all_results]
    paints = {"ok": paint.good, "missed": paint.bad}
    width = max(len(str(each)) for each in TARGETS)
    print("\n" + paint.bold(f"{'target':<{width}}  measured ratio"))
    for each, measured, verdict in judged:
        print(f"{str(each):<{width}}  {number(measured):>8}  {paints.get(verdict, paint.dim)(verdict)}")
    return [{"target": str(each), "measured": measured, "verdict": verdict} for each, measured, verdict in judged]
