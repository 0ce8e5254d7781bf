# SPDX-License-Identifier: BSL-1.0
# `cpack -G DEB` makes Debian packages: libasio-aio<version> (only of a shared library),
# libasio-aio-dev, asio-aio-tools and asio-aio-examples. See doc/packages.md.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "The asio_aio maintainers <maintainers@asio-aio.invalid>")
set(CPACK_PACKAGE_VENDOR "The asio_aio maintainers")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)

get_target_property(soversion asio_aio SOVERSION)
set(runtime_package libasio-aio${soversion})
set(dev_depends "libboost-dev (>= 1.81) | libboost1.81-dev | libasio-dev (>= 1:1.28)")
set(CPACK_COMPONENTS_ALL dev)
if(TARGET asio_aio_info)
    list(APPEND CPACK_COMPONENTS_ALL tools)
endif()
if(ASIO_AIO_BUILD_EXAMPLES)
    list(APPEND CPACK_COMPONENTS_ALL examples)
endif()
if(asio_aio_type STREQUAL "SHARED_LIBRARY")
    list(APPEND CPACK_COMPONENTS_ALL runtime)
    string(PREPEND dev_depends "${runtime_package} (= ${PROJECT_VERSION}-1), ")
    file(WRITE ${PROJECT_BINARY_DIR}/debian/shlibs
        "libasio_aio ${soversion} ${runtime_package} (>= ${PROJECT_VERSION})\n")
    file(WRITE ${PROJECT_BINARY_DIR}/debian/triggers "activate-noawait ldconfig\n")
    set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA
        ${PROJECT_BINARY_DIR}/debian/shlibs ${PROJECT_BINARY_DIR}/debian/triggers)
    set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR})
    set(CPACK_DEBIAN_TOOLS_PACKAGE_DEPENDS "${runtime_package} (= ${PROJECT_VERSION}-1)")
    set(CPACK_DEBIAN_EXAMPLES_PACKAGE_DEPENDS ${CPACK_DEBIAN_TOOLS_PACKAGE_DEPENDS})
else()
    if(ASIO_AIO_HAS_IO_URING)
        string(APPEND dev_depends ", liburing-dev")
    endif()
    if(ASIO_AIO_HAS_LIBAIO)
        string(APPEND dev_depends ", libaio-dev")
    endif()
endif()

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME ${runtime_package})
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION "Asynchronous disk files for Asio: shared library
 Programs that use Boost.Asio or standalone Asio read and write disk files
 with io_uring, Linux AIO or threads, chosen at run time.")

set(CPACK_DEBIAN_DEV_PACKAGE_NAME libasio-aio-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS ${dev_depends})
set(CPACK_COMPONENT_DEV_DESCRIPTION "Asynchronous disk files for Asio: headers and build files
 Headers, library, CMake package and pkg-config files of asio_aio, for
 programs that use Boost.Asio or standalone Asio.")

set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME asio-aio-tools)
set(CPACK_DEBIAN_TOOLS_PACKAGE_SECTION utils)
set(CPACK_COMPONENT_TOOLS_DESCRIPTION "report of the asynchronous file engines of a machine
 asio-aio-info reports which engines of asio_aio work on this machine,
 which one a program gets, and the limits that affect them.")

set(CPACK_DEBIAN_EXAMPLES_PACKAGE_NAME asio-aio-examples)
set(CPACK_DEBIAN_EXAMPLES_PACKAGE_SECTION utils)
set(CPACK_COMPONENT_EXAMPLES_DESCRIPTION "example programs of asio_aio and their sources
 A file server, a write-ahead log, a program that copies files, and small
 programs, one for each kind of completion token.")

# What every Debian package contains.
if(ASIO_AIO_GZIP)
    file(READ LICENSE license)
    string(REGEX REPLACE "\n" "\n " license "${license}")
    string(REGEX REPLACE "\n *\n" "\n .\n" license "${license}")
    file(WRITE ${PROJECT_BINARY_DIR}/debian/copyright
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
        "Upstream-Name: asio_aio\n\nFiles: *\nCopyright: 2026 The asio_aio maintainers\n"
        "License: BSL-1.0\n ${license}\n")
    string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
    foreach(component IN LISTS CPACK_COMPONENTS_ALL)
        string(TOUPPER ${component} upper)
        set(package ${CPACK_DEBIAN_${upper}_PACKAGE_NAME})
        set(folder ${PROJECT_BINARY_DIR}/debian/${package})
        file(WRITE ${folder}/changelog.Debian
            "asio-aio (${PROJECT_VERSION}-1) unstable; urgency=medium\n\n"
            "  * See changelog.gz.\n\n -- ${CPACK_PACKAGE_CONTACT}  ${date}\n")
        configure_file(CHANGELOG.md ${folder}/changelog COPYONLY)
        execute_process(COMMAND ${ASIO_AIO_GZIP} -9nf changelog.Debian changelog WORKING_DIRECTORY ${folder})
        install(FILES ${folder}/changelog.Debian.gz ${folder}/changelog.gz
            ${PROJECT_BINARY_DIR}/debian/copyright
            DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package} COMPONENT ${component} EXCLUDE_FROM_ALL)
    endforeach()
endif()
include(CPack)
