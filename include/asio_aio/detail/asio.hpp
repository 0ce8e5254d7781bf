// SPDX-License-Identifier: BSL-1.0
#pragma once

// Asio, from Boost or standalone. The other headers name it `net`.

#include <asio_aio/detail/config.hpp>

#if defined(ASIO_AIO_STANDALONE)

# include <asio/any_io_executor.hpp>
# include <asio/associated_allocator.hpp>
# include <asio/associated_cancellation_slot.hpp>
# include <asio/associated_executor.hpp>
# include <asio/associated_immediate_executor.hpp>
# include <asio/async_result.hpp>
# include <asio/buffer.hpp>
# include <asio/cancellation_type.hpp>
# include <asio/defer.hpp>
# include <asio/dispatch.hpp>
# include <asio/error.hpp>
# include <asio/execution.hpp>
# include <asio/execution_context.hpp>
# include <asio/executor_work_guard.hpp>
# include <asio/file_base.hpp>
# include <asio/io_context.hpp>
# include <asio/posix/stream_descriptor.hpp>
# include <asio/post.hpp>
# include <asio/prefer.hpp>
# include <asio/query.hpp>
# include <asio/recycling_allocator.hpp>
# include <asio/require.hpp>
# include <asio/strand.hpp>
# include <asio/system_executor.hpp>
# include <asio/thread_pool.hpp>
# if defined(ASIO_HAS_FILE)
#  define ASIO_AIO_ASIO_HAS_FILE
# endif
# define ASIO_AIO_ASIO_VERSION ASIO_VERSION
# if ASIO_VERSION >= 103300
#  include <asio/config.hpp>
# endif

#else

# include <boost/asio/any_io_executor.hpp>
# include <boost/asio/associated_allocator.hpp>
# include <boost/asio/associated_cancellation_slot.hpp>
# include <boost/asio/associated_executor.hpp>
# include <boost/asio/async_result.hpp>
# include <boost/asio/buffer.hpp>
# include <boost/asio/cancellation_type.hpp>
# include <boost/asio/defer.hpp>
# include <boost/asio/dispatch.hpp>
# include <boost/asio/error.hpp>
# include <boost/asio/execution.hpp>
# include <boost/asio/execution_context.hpp>
# include <boost/asio/executor_work_guard.hpp>
# include <boost/asio/file_base.hpp>
# include <boost/asio/io_context.hpp>
# include <boost/asio/posix/stream_descriptor.hpp>
# include <boost/asio/post.hpp>
# include <boost/asio/prefer.hpp>
# include <boost/asio/query.hpp>
# include <boost/asio/recycling_allocator.hpp>
# include <boost/asio/require.hpp>
# include <boost/asio/strand.hpp>
# include <boost/asio/system_executor.hpp>
# include <boost/asio/thread_pool.hpp>
# if defined(BOOST_ASIO_HAS_FILE)
#  define ASIO_AIO_ASIO_HAS_FILE
# endif
# define ASIO_AIO_ASIO_VERSION BOOST_ASIO_VERSION
# if BOOST_ASIO_VERSION >= 102800 // Boost 1.82
#  include <boost/asio/associated_immediate_executor.hpp>
# endif
# if BOOST_ASIO_VERSION >= 103300 // Boost 1.88
#  include <boost/asio/config.hpp>
# endif

#endif
