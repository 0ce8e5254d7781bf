// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/backend.hpp>

#include <cstddef>
#include <vector>

namespace asio_aio {

/// The options of one execution context; see `configure`.
struct options {
    static constexpr unsigned most_threads = 4096;
    static constexpr unsigned deepest_queue = 32768; // the limit of io_uring

    /// The engines to try, best first. The context uses the first one that works. If the list is
    /// empty, Asio's configuration, the environment, the file and then the automatic choice decide.
    std::vector<backend> choice;

    /// The number of operations of one context that the kernel may have at a time; 1 to
    /// `deepest_queue`. Further operations wait in the library, in order.
    /**
     * io_uring: each costs about 100 bytes, which Linux 6.14 to 6.18 count as locked memory.
     * libaio: each counts against `fs.aio-max-nr`, which is 65536 for the whole system by default.
     * If RLIMIT_MEMLOCK or `fs.aio-max-nr` is too low, the library halves the depth, down to 16.
     * The pool's limit is `max_threads`.
     */
    unsigned queue_depth = 256;

    /// The largest number of threads in a context's pool; 1 to `most_threads`. The pool starts
    /// threads on demand. After 10 idle seconds a thread ends, except for the last one.
    /**
     * If the system allows no thread at all (RLIMIT_NPROC, pids.max), operations wait 5 seconds for
     * the first thread. Then they fail with `not_enough_memory`.
     *
     * With io_uring the kernel has worker threads of its own. They belong to the thread that runs
     * the context, and all its rings share them. The library raises their limit to this number, and
     * never lowers it. The limit may be higher because of another context, or by the kernel's
     * default of four for each processor.
     */
    unsigned max_threads = 32;

    /// io_uring: a kernel thread takes the submissions, so the program makes fewer system calls
    /// (IORING_SETUP_SQPOLL).
    /**
     * Each context has one such thread. It keeps a core busy while there is work and for a second
     * after, and this counts as CPU time of the process. Use the option for one or two busy
     * contexts on a machine with idle cores.
     */
    bool sqpoll = false;

    /// io_uring: only one thread runs the context, so the kernel need not interrupt it
    /// (IORING_SETUP_DEFER_TASKRUN, Linux 6.1).
    /**
     * Any thread may open files and start operations. The first thread that runs the context owns
     * the ring until that thread exits. Then another thread may run the context. If another thread
     * runs the context earlier, the operations that it submits fail with `errc::wrong_thread`. So
     * do operations that the kernel has when the owner exits. On a kernel without this mode
     * io_uring is not available, and the next engine of the choice is tried. Excludes `sqpoll`.
     */
    bool single_issuer = false;

    /// The largest inline read, in bytes; 0 turns inline reads off. An inline read is a buffered
    /// read of data that is in memory, without an engine.
    /**
     * The thread that starts the read copies the data, which takes about 10 microseconds for 64
     * KiB. Reads into more than eight buffers use an engine. Writes to tmpfs are treated in the
     * same way, except for files that are opened with `append`, and while a write, resize or
     * allocation of the same file object is in flight. One of another object or process makes such
     * a write wait. With 0, such writes and `async_size` also use an engine.
     *
     * If the program's buffer is not in memory (a cold mapping, userfaultfd(2)), the thread waits
     * for it. Use 0 if such buffers are usual.
     */
    std::size_t inline_read_limit = std::size_t(64) * 1024;

    /// Inline reads on filesystems that refuse RWF_NOWAIT: tmpfs, and overlayfs, which is the root
    /// of a container.
    /**
     * tmpfs: the library assumes that the whole file is in memory. A read waits for a page that was
     * swapped out.
     *
     * overlayfs: the library maps the file and calls mincore(2) to learn what is in memory. It
     * never accesses the mapping. While the file is open, the mapping takes address space of twice
     * the file's size, and at least 64 MiB.
     *
     * On overlayfs the library does not read inline in these cases:
     * - RLIMIT_AS is set.
     * - More than 8192 files or an eighth of the address space would be mapped.
     * - A write, resize or allocation of the same file object is in flight.
     * - The process neither owns the file nor may write it: the kernel does not report what is in
     *   memory.
     *
     * On overlayfs an inline read may wait in these cases:
     * - The file is changed through another descriptor, and XFS lies below: XFS takes a lock to
     *   read.
     * - NFS lies below: the kernel may ask the server.
     * - The file was opened read-only, and the kernel has copied it to the upper layer since.
     *
     * Turn the option off if one of these cases applies to your container.
     */
    bool inline_reads_without_nowait = true;
};

} // namespace asio_aio
