# SPDX-License-Identifier: BSL-1.0
# Installs asio_aio.pc for Boost.Asio, and asio_aio-standalone.pc for standalone Asio.

# A program that links a static asio_aio links its libraries, too. A shared asio_aio has linked them
# already, and its file does not name them: pkg-config --cflags would need liburing's file even as
# Requires.private, and a machine that only builds programs has no liburing-dev.
# liburing has a pkg-config file; libaio has none.
set(needed_packages)
set(needed_libraries)
if(ASIO_AIO_HAS_IO_URING AND ASIO_AIO_STATIC_ENGINES)
    string(APPEND needed_libraries " -l:liburing.a")
elseif(ASIO_AIO_HAS_IO_URING)
    set(needed_packages "liburing >= 2.3")
endif()
if(ASIO_AIO_HAS_LIBAIO AND ASIO_AIO_STATIC_ENGINES)
    string(APPEND needed_libraries " -l:libaio.a")
elseif(ASIO_AIO_HAS_LIBAIO)
    string(APPEND needed_libraries " -laio")
endif()
set(libraries "-lasio_aio -pthread")
set(requires)
if(asio_aio_type STREQUAL "STATIC_LIBRARY")
    string(APPEND libraries "${needed_libraries}")
    set(requires "Requires: ${needed_packages}")
endif()

# Relative to the place of the file, so that an installation may move.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(prefix "${CMAKE_INSTALL_PREFIX}")
else()
    file(RELATIVE_PATH up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
    string(REGEX REPLACE "/$" "" up "${up}")
    set(prefix "\${pcfiledir}/${up}")
endif()
foreach(folder INCLUDEDIR LIBDIR)
    string(TOLOWER ${folder} variable)
    if(IS_ABSOLUTE "${CMAKE_INSTALL_${folder}}")
        set(${variable} "${CMAKE_INSTALL_${folder}}")
    else()
        set(${variable} "\${prefix}/${CMAKE_INSTALL_${folder}}")
    endif()
endforeach()

# asio_aio_install_pkg_config(<name> <asio> [<compiler option>...])
function(asio_aio_install_pkg_config name asio)
    list(JOIN ARGN " " options)
    configure_file(${PROJECT_SOURCE_DIR}/cmake/asio_aio.pc.in ${PROJECT_BINARY_DIR}/${name}.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
        COMPONENT dev)
endfunction()

asio_aio_install_pkg_config(asio_aio "Boost.Asio")
asio_aio_install_pkg_config(asio_aio-standalone "standalone Asio" -DASIO_AIO_STANDALONE)
