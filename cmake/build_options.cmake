# SPDX-License-Identifier: BSL-1.0
# asio_aio_build_options: warnings and sanitizers for the targets of this project. Not installed.
add_library(asio_aio_build_options INTERFACE)

target_compile_options(asio_aio_build_options INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion)
if(ASIO_AIO_WARNINGS_AS_ERRORS)
    target_compile_options(asio_aio_build_options INTERFACE -Werror)
endif()

if(ASIO_AIO_SANITIZE)
    list(JOIN ASIO_AIO_SANITIZE "," asio_aio_sanitizers)
    set(asio_aio_sanitizer_flags -fsanitize=${asio_aio_sanitizers} -fno-sanitize-recover=all)
    target_compile_options(asio_aio_build_options INTERFACE ${asio_aio_sanitizer_flags} -fno-omit-frame-pointer)
    target_link_options(asio_aio_build_options INTERFACE ${asio_aio_sanitizer_flags})
    if("thread" IN_LIST ASIO_AIO_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        # GCC warns about each atomic_thread_fence, which Asio's headers contain.
        target_compile_options(asio_aio_build_options INTERFACE -Wno-tsan)
    endif()
endif()
