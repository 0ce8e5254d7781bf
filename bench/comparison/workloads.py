# SPDX-License-Identifier: BSL-1.0
"""The table of named workloads. Each has one case or more."""
from dataclasses import dataclass, field

from .contestants import (
    ASIO_FILE, ASIO_FILE_URING, BARE_LIBAIO, BARE_URING, BARE_URING_REGISTERED, DURABLE_BARE_URING, DURABLE_DSYNC,
    DURABLE_LIBAIO, DURABLE_LIBUV, DURABLE_LOOP, DURABLE_POOL, DURABLE_THREADS, DURABLE_URING, FIO, LIBAIO, LIBUV,
    OPEN_CALLS, OPEN_LIBAIO, OPEN_POOL, OPEN_THREADS, OPEN_URING, OTHERS, OURS, POOL, PREAD, PWRITE, TIMER_IDLE,
    TIMER_LIBAIO, TIMER_POOL, TIMER_THREADS, TIMER_URING, URING, URING_AWAITABLE, URING_REGISTERED)
from .mounts import BTRFS, OVERLAYFS, TMPFS, XFS


@dataclass(frozen=True)
class Case:
    name: str
    about: str
    operations: int
    options: dict
    contestants: tuple
    reference: object = URING  # the contestant of ratio 1.00
    reference_word: str = "ours"
    timer: bool = False
    latency: bool = True
    # The plots that have a point for this case: "cached", "direct" or "durable"; empty for none.
    series: str = ""
    mounted: str = ""  # the filesystem that each run mounts over the data folder; empty for none


def _case(name, about, operations, contestants, **options):
    return Case(name, about, operations, options, tuple(contestants))


# Each run fills a tmpfs of its own, in memory.
_TMPFS_MIB = 256

# Small, so that a run writes each block several times, and is soon written back.
_CACHED_WRITE_MIB = 256

# Small, as the file of a log: a run goes through it more than once.
_DURABLE_MIB = 16
_DURABLE_OPERATIONS = 5_000


def _mounted(filesystem, depth):
    options = {"depth": depth, **({"size": _TMPFS_MIB} if filesystem == TMPFS else {})}
    operations, bare, libuv = 400_000, BARE_URING, LIBUV
    if depth == 1:
        # The bare ring passes each read to a thread of the kernel, libuv to one of its own threads.
        # That takes 30 times as long as a pread.
        operations, bare, libuv = 200_000, BARE_URING.at_pace(0.05), LIBUV.at_pace(0.05)
    about = f"cached random 4 KiB reads on {filesystem}, {depth} in flight"
    contestants = (URING, URING_AWAITABLE, LIBAIO, POOL, bare, PREAD, libuv)
    return Case(f"{filesystem}-read-{depth}", about, operations, options, contestants, mounted=filesystem)


def _buffered_write(depth, files, filesystem=""):
    one = files == 1
    name = f"{filesystem or 'buffered'}-write-" + ("" if one else f"{files}-files-") + str(depth)
    where = (f" on {filesystem}" if filesystem else "") + (" to one file" if one else f" to {files} files")
    options = {"operation": "write", "depth": depth, "size": _CACHED_WRITE_MIB, **({} if one else {"files": files})}
    return Case(name, f"buffered random 4 KiB writes{where}, {depth} in flight", 150_000 if depth == 1 else 300_000,
                options, (URING, LIBAIO, POOL, PWRITE, BARE_URING, LIBUV), reference=PWRITE, reference_word="pwrite",
                mounted=filesystem)


def _durable_append(writers, operations):
    # One thread writes as many records as it does in the case of one writer.
    loop = DURABLE_LOOP.at_pace(_DURABLE_OPERATIONS / operations)
    contestants = [DURABLE_URING, DURABLE_LIBAIO, DURABLE_POOL, loop, DURABLE_THREADS, DURABLE_DSYNC, DURABLE_LIBUV,
                   DURABLE_BARE_URING]
    if writers == 1:
        contestants.remove(DURABLE_THREADS)
    about = f"4 KiB appended to one file and synced, by {writers} writer{'s' if writers > 1 else ''}"
    return Case(f"durable-append-{writers}", about, operations, {"depth": writers, "size": _DURABLE_MIB},
                tuple(contestants), reference=loop, reference_word="one thread", series="durable")


def _timer(name, about, **options):
    return Case(name, about, 0, options, (TIMER_URING, TIMER_LIBAIO, TIMER_POOL, TIMER_THREADS, TIMER_IDLE),
                reference=TIMER_THREADS, timer=True)


def _block(block, direct):
    most_bytes, most_operations = (1 << 30, 40_000) if direct else (2 << 30, 300_000)
    kind = "direct" if direct else "cached"
    size = f"{block} B" if block < 1024 else f"{block >> 10} KiB"
    return _case(f"blocks-{kind}-{block}", f"{kind} random reads of {size}, 32 in flight",
                 min(most_operations, most_bytes // block), (URING, POOL, ASIO_FILE, BARE_URING, LIBUV),
                 block=block, depth=32, direct=direct)


def _depth(depth, direct):
    kind = "direct" if direct else "cached"
    operations = 300_000 if not direct else min(30_000, 8_000 * depth)
    contestants = (URING, POOL, ASIO_FILE, ASIO_FILE_URING, BARE_URING, LIBUV)
    if direct:
        contestants += (LIBAIO, BARE_LIBAIO)
    return Case(f"depths-{kind}-{depth}", f"{kind} random 4 KiB reads, {depth} in flight", operations,
                {"depth": depth, "direct": direct}, contestants, series=kind)


def _many_files(files, at_once):
    return Case(f"many-files-{files}", f"{at_once} cached 4 KiB reads started at once on {files} open files", at_once,
                {"files": files, "depth": at_once, "warm-up": 0, "queue-depth": 256},
                (URING, URING_AWAITABLE, POOL, BARE_URING), latency=False)


def _registered(block, depth, operations):
    return _case(f"registered-buffers-{block >> 10}k-{depth}",
                 f"direct random reads of {block >> 10} KiB, {depth} in flight", operations,
                 (URING, URING_REGISTERED, BARE_URING, BARE_URING_REGISTERED), block=block, depth=depth, direct=True)


def _threads():
    ours_one = URING.having("ours, one thread", threads=1, contexts=1)
    contestants = [ours_one]
    for contestant, short in ((URING, "ours"), (ASIO_FILE, "asio::random_access_file")):
        contestants += [contestant.having(f"{short}, 2 contexts, a thread each", threads=2, contexts=2),
                        contestant.having(f"{short}, 2 threads in one run()", threads=2, contexts=1)]
    for contestant in (BARE_URING, PREAD):
        contestants += [contestant.having(f"{contestant.name}, {n}", threads=t)
                        for t, n in ((1, "one thread"), (2, "2 threads"))]
    return Case("threads-2", "cached random 4 KiB reads of two files, 32 in flight for each thread", 600_000,
                {"depth": 32, "files": 2}, tuple(contestants), reference=ours_one)


def _open_close(depth):
    return Case(f"open-close-{depth}", f"open, size and close of 1000 small files, {depth} in flight", 200_000,
                {"files": 1000, "size": 16, "depth": depth},
                (OPEN_URING, OPEN_LIBAIO, OPEN_POOL, OPEN_THREADS, OPEN_CALLS), reference=OPEN_URING)


WORKLOADS = {
    "cached-read-1": [_case("cached-read-1", "cached random 4 KiB reads, 1 in flight", 400_000,
                            (*OURS, *OTHERS, PREAD, *FIO), depth=1)],
    "cached-read-32": [_case("cached-read-32", "cached random 4 KiB reads, 32 in flight", 1_000_000,
                             (*OURS, *OTHERS, PREAD, *FIO), depth=32)],
    "direct-read-1": [_case("direct-read-1", "direct random 4 KiB reads, 1 in flight", 8_000,
                            (*OURS, *OTHERS, PREAD, *FIO), depth=1, direct=True)],
    "direct-read-32": [_case("direct-read-32", "direct random 4 KiB reads, 32 in flight", 120_000,
                             (*OURS, *OTHERS, *FIO), depth=32, direct=True)],
    "direct-write-32": [_case("direct-write-32", "direct random 4 KiB writes, 32 in flight", 30_000,
                              (*OURS, *OTHERS, *FIO), operation="write", depth=32, direct=True)],
    "cached-write-16": [_case("cached-write-16", "buffered random 4 KiB writes, 16 in flight", 600_000,
                              (*OURS, *OTHERS, PREAD, *FIO), operation="write", depth=16, size=_CACHED_WRITE_MIB)],
    "mixed-32": [_case("mixed-32", "direct random 4 KiB operations, 70 % reads, 32 in flight", 30_000,
                       (*OURS, *OTHERS, *FIO), operation="mixed", depth=32, direct=True)],
    **{case.name: [case] for case in (_mounted(filesystem, depth)
                                      for filesystem in (OVERLAYFS, TMPFS) for depth in (1, 32))},
    "many-files": [_many_files(1_000, 100_000), _many_files(10_000, 100_000)],
    "threads-2": [_threads()],
    "open-close": [_open_close(1), _open_close(64)],
    "buffered-write": [_buffered_write(depth, files) for files in (1, 16) for depth in (1, 16)],
    "durable-append": [_durable_append(1, _DURABLE_OPERATIONS), _durable_append(8, 20_000),
                       _durable_append(64, 60_000)],
    "timer-delay": [_timer("timer-delay", "a 1 ms timer beside 64 buffered 64 KiB writes and syncs in flight")],
    "timer-writes": [_timer("timer-writes", "a 1 ms timer beside 64 buffered 64 KiB writes in flight, without syncs",
                            **{"sync-every": 0})],
    **{f"{filesystem}-write": [_buffered_write(16, files, filesystem) for files in (1, 16)]
       for filesystem in (TMPFS, OVERLAYFS, XFS, BTRFS)},
    "registered-buffers": [_registered(4096, 1, 8_000), _registered(4096, 32, 120_000),
                           _registered(65536, 1, 4_000), _registered(65536, 32, 16_000)],
    "blocks": [_block(block, direct) for direct in (False, True) for block in (512, 4096, 65536, 1 << 20)],
    "depths": [_depth(depth, direct) for direct in (False, True) for depth in (1, 4, 16, 32, 64, 128, 256)],
}

# The workloads of a run without --workload. The others take longer than all of these together.
_MOUNTED_WRITES = tuple(f"{filesystem}-write" for filesystem in (TMPFS, OVERLAYFS, XFS, BTRFS))
DEFAULT = [name for name in WORKLOADS if name not in (*_MOUNTED_WRITES, "registered-buffers", "blocks", "depths")]
