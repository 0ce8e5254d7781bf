// SPDX-License-Identifier: BSL-1.0
#pragma once

/// What the headers use of the compiled library. A shared library exports nothing else.
#define ASIO_AIO_API __attribute__((visibility("default")))
