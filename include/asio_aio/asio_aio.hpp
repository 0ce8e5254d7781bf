// SPDX-License-Identifier: BSL-1.0
#pragma once

// Includes every public header. To shorten compile times, include only the headers that you use.
#include <asio_aio/aligned_buffer.hpp>
#include <asio_aio/backend.hpp>
#include <asio_aio/basic_random_access_file_aio.hpp>
#include <asio_aio/basic_stream_file_aio.hpp>
#include <asio_aio/buffer_registration.hpp>
#include <asio_aio/call_modes.hpp>
#include <asio_aio/configure.hpp>
#include <asio_aio/direct_alignment.hpp>
#include <asio_aio/error.hpp>
#include <asio_aio/file_base.hpp>
#include <asio_aio/file_status.hpp>
#include <asio_aio/options.hpp>
#include <asio_aio/path_calls.hpp>
#include <asio_aio/path_ref.hpp>
#include <asio_aio/random_access_file_aio.hpp>
#include <asio_aio/replace_file.hpp>
#include <asio_aio/statistics.hpp>
#include <asio_aio/stream_file_aio.hpp>
#include <asio_aio/transfer_options.hpp>
#include <asio_aio/version.hpp>
