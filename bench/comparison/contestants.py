# SPDX-License-Identifier: BSL-1.0
"""The contestants. Each is a program of the build folder, or fio, with its own options."""
from dataclasses import dataclass, field, replace
from pathlib import Path


@dataclass(frozen=True)
class Contestant:
    name: str
    program: str  # bench_<program>, or fio
    options: dict = field(default_factory=dict)
    environment: dict = field(default_factory=dict)
    # The share of a case's operations: below 1 for a contestant that would take many times as long.
    pace: float = 1.0
    build: Path | None = None  # a build folder of another tree

    def having(self, name, **options):
        return replace(self, name=name, options={**self.options, **options})

    def at_pace(self, pace):
        return replace(self, pace=pace)


def _ours(name, engine, token="callback", **more):
    return Contestant(name, "asio_aio", {"engine": engine, "token": token, **more})


URING = _ours("ours, io_uring", "io_uring")
URING_AWAITABLE = _ours("ours, io_uring, use_awaitable", "io_uring", "use_awaitable")
URING_FUTURE = Contestant(
    "ours, io_uring, use_future", "asio_aio", {"engine": "io_uring", "token": "use_future"}, pace=0.3)
URING_SINGLE = _ours("ours, io_uring, single_issuer", "io_uring", **{"single-issuer": True})
URING_REGISTERED = _ours("ours, io_uring, registered buffers", "io_uring", **{"registered-buffers": True})
LIBAIO = _ours("ours, libaio", "libaio")
POOL = _ours("ours, thread_pool", "thread_pool")
POOL_AWAITABLE = _ours("ours, thread_pool, use_awaitable", "thread_pool", "use_awaitable")

ASIO_FILE = Contestant("asio::random_access_file", "asio_file", pace=0.4)
ASIO_FILE_URING = Contestant("asio::random_access_file, no epoll", "asio_file_io_uring", pace=0.4)
BARE_URING = Contestant("bare liburing", "liburing")
BARE_URING_SINGLE = Contestant("bare liburing, single issuer", "liburing", {"single-issuer": True})
BARE_URING_REGISTERED = Contestant("bare liburing, registered buffers", "liburing", {"registered-buffers": True})
BARE_LIBAIO = Contestant("bare libaio", "libaio")
PREAD = Contestant("pread loop", "pread")
PWRITE = Contestant("pwrite loop", "pread")
LIBUV = Contestant("libuv, 4 threads (default)", "libuv", pace=0.2)
LIBUV_32 = Contestant("libuv, 32 threads", "libuv", environment={"UV_THREADPOOL_SIZE": "32"}, pace=0.2)
FIO_URING = Contestant("fio, io_uring", "fio", {"ioengine": "io_uring"})
FIO_LIBAIO = Contestant("fio, libaio", "fio", {"ioengine": "libaio"})

OPEN_URING = Contestant("ours, io_uring", "open_close", {"engine": "io_uring"})
OPEN_LIBAIO = Contestant("ours, libaio", "open_close", {"engine": "libaio"})
OPEN_POOL = Contestant("ours, thread_pool", "open_close", {"engine": "thread_pool"})
OPEN_THREADS = Contestant("asio::thread_pool of 4", "open_close", {"way": "asio_threads"})
OPEN_CALLS = Contestant("open, fstat, close in a loop", "open_close", {"way": "system_calls"})

# Writers that make each write durable. The depth is the number of writers.
DURABLE_URING = Contestant("ours, io_uring", "durable", {"way": "asio_aio", "engine": "io_uring"})
DURABLE_LIBAIO = Contestant("ours, libaio", "durable", {"way": "asio_aio", "engine": "libaio"})
DURABLE_POOL = Contestant("ours, thread_pool", "durable", {"way": "asio_aio", "engine": "thread_pool"})
DURABLE_LOOP = Contestant("pwrite, fdatasync: one thread", "durable", {"way": "pwrite_fdatasync", "depth": 1})
DURABLE_THREADS = Contestant("pwrite, fdatasync: a thread each", "durable", {"way": "pwrite_fdatasync"})
DURABLE_DSYNC = Contestant("pwritev2, RWF_DSYNC: a thread each", "durable", {"way": "rwf_dsync"})
DURABLE_LIBUV = Contestant("libuv, 4 threads (default)", "durable", {"way": "libuv"})
DURABLE_BARE_URING = Contestant("bare liburing, linked fsync", "durable", {"way": "liburing"})

OURS = (URING, URING_AWAITABLE, URING_FUTURE, URING_SINGLE, LIBAIO, POOL, POOL_AWAITABLE)
OTHERS = (ASIO_FILE, ASIO_FILE_URING, BARE_URING, BARE_URING_SINGLE, BARE_LIBAIO, LIBUV, LIBUV_32)
FIO = (FIO_URING, FIO_LIBAIO)

# The loop of the timer is idle, runs beside threads that write, or writes to files itself.
TIMER_IDLE = Contestant("idle loop", "timer_delay", {"load": "idle"})
TIMER_THREADS = Contestant("threads beside the loop", "timer_delay", {"load": "threads"})
TIMER_URING = Contestant("ours, io_uring", "timer_delay", {"load": "asio_aio", "engine": "io_uring"})
TIMER_LIBAIO = Contestant("ours, libaio", "timer_delay", {"load": "asio_aio", "engine": "libaio"})
TIMER_POOL = Contestant("ours, thread_pool", "timer_delay", {"load": "asio_aio", "engine": "thread_pool"})
