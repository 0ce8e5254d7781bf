// SPDX-License-Identifier: BSL-1.0
#pragma once

// The version of the library. CMakeLists.txt takes the version of the project from here.
#define ASIO_AIO_VERSION_MAJOR 0
#define ASIO_AIO_VERSION_MINOR 2
#define ASIO_AIO_VERSION_PATCH 0

/// The version as one number, for comparisons in `#if`: version 1.2.3 is 10203.
#define ASIO_AIO_VERSION                                                                           \
 (ASIO_AIO_VERSION_MAJOR * 10000 + ASIO_AIO_VERSION_MINOR * 100 + ASIO_AIO_VERSION_PATCH)
