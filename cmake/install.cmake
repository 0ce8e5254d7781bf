# SPDX-License-Identifier: BSL-1.0
# Components: runtime (a shared library), dev (headers, CMake and pkg-config files, a static library)
# and tools (programs and their manual pages).
set(asio_aio_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/asio_aio)

install(TARGETS asio_aio EXPORT asio_aio
    LIBRARY COMPONENT runtime NAMELINK_COMPONENT dev
    ARCHIVE COMPONENT dev)
install(DIRECTORY include/asio_aio TYPE INCLUDE COMPONENT dev FILES_MATCHING PATTERN "*.hpp")
install(EXPORT asio_aio NAMESPACE asio_aio:: FILE asio_aioTargets.cmake
    DESTINATION ${asio_aio_package_dir} COMPONENT dev)
configure_package_config_file(cmake/asio_aioConfig.cmake.in asio_aioConfig.cmake
    INSTALL_DESTINATION ${asio_aio_package_dir})
write_basic_package_version_file(asio_aioConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES
    ${PROJECT_BINARY_DIR}/asio_aioConfig.cmake
    ${PROJECT_BINARY_DIR}/asio_aioConfigVersion.cmake
    cmake/engine_libraries.cmake
    cmake/flavours.cmake
    DESTINATION ${asio_aio_package_dir} COMPONENT dev)

# Manual pages are made from the help of the programs, if help2man and gzip are found.
find_program(ASIO_AIO_HELP2MAN help2man)
find_program(ASIO_AIO_GZIP gzip)
mark_as_advanced(ASIO_AIO_HELP2MAN ASIO_AIO_GZIP)

# asio_aio_install_manual(<target> <name> <what it is>)
function(asio_aio_install_manual target name what)
    if(NOT ASIO_AIO_HELP2MAN OR NOT ASIO_AIO_GZIP OR CMAKE_CROSSCOMPILING)
        return()
    endif()
    set(page ${PROJECT_BINARY_DIR}/man/${name}.1)
    file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/man)
    add_custom_command(OUTPUT ${page}.gz
        COMMAND ${ASIO_AIO_HELP2MAN} --no-info --name=${what} --section=1
            --version-string=${PROJECT_VERSION} --output=${page} $<TARGET_FILE:${target}>
        COMMAND ${ASIO_AIO_GZIP} -9nf ${page}
        DEPENDS ${target} VERBATIM)
    add_custom_target(${target}_manual ALL DEPENDS ${page}.gz)
    # Optional: a build of single targets makes no page.
    install(FILES ${page}.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT tools OPTIONAL)
endfunction()

if(TARGET asio_aio_info)
    asio_aio_install_manual(asio_aio_info asio-aio-info
        "report which asynchronous file engines of asio_aio work on this machine")
endif()
