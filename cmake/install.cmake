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
# The package defines the targets of both flavours itself (flavours.cmake). A project that contains
# this one and installs a library which links such a target needs the name that the target has then.
# So the targets are in an export set, which is never installed.
foreach(flavour asio_aio standalone)
    if(TARGET asio_aio_${flavour})
        set_target_properties(asio_aio_${flavour} PROPERTIES EXPORT_NAME ${flavour})
        install(TARGETS asio_aio_${flavour} EXPORT asio_aio_flavours)
    endif()
endforeach()
install(EXPORT asio_aio_flavours NAMESPACE asio_aio:: DESTINATION ${asio_aio_package_dir}
    COMPONENT never EXCLUDE_FROM_ALL)
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

# asio_aio_install_manual(<target> <name> <component> <what it is>): <name> is that of the installed
# program. Its help names the program as it was called, so help2man calls it by a link.
function(asio_aio_install_manual target name component what)
    if(NOT ASIO_AIO_HELP2MAN OR NOT ASIO_AIO_GZIP OR CMAKE_CROSSCOMPILING)
        return()
    endif()
    set(folder ${PROJECT_BINARY_DIR}/man)
    set(page ${folder}/${name}.1)
    file(MAKE_DIRECTORY ${folder})
    add_custom_command(OUTPUT ${page}.gz
        COMMAND ${CMAKE_COMMAND} -E create_symlink $<TARGET_FILE:${target}> ${folder}/${name}
        COMMAND ${ASIO_AIO_HELP2MAN} --no-info --name=${what} --section=1
            --version-string=${PROJECT_VERSION} --output=${page} ${folder}/${name}
        COMMAND ${ASIO_AIO_GZIP} -9nf ${page}
        DEPENDS ${target} VERBATIM)
    add_custom_target(${target}_manual ALL DEPENDS ${page}.gz)
    # Optional: a build of single targets makes no page.
    install(FILES ${page}.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT ${component} OPTIONAL
        ${ARGN})
endfunction()

if(TARGET asio_aio_info)
    asio_aio_install_manual(asio_aio_info asio-aio-info tools
        "report which asynchronous file engines of asio_aio work on this machine")
endif()

# asio_aio_install_example(<target> <what it is>): for the Debian package of the examples. The
# program's name in bin is a link, asio-aio-<target>.
function(asio_aio_install_example target what)
    string(REPLACE _ - name asio-aio-${target})
    set(link ${PROJECT_BINARY_DIR}/man/${target}/${name})
    set(folder ${CMAKE_INSTALL_LIBEXECDIR}/asio-aio)
    install(TARGETS ${target} RUNTIME DESTINATION ${folder} COMPONENT examples EXCLUDE_FROM_ALL)
    file(RELATIVE_PATH program
        ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBEXECDIR}/asio-aio/${target})
    file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/man/${target})
    file(CREATE_LINK ${program} ${link} SYMBOLIC)
    install(FILES ${link} TYPE BIN COMPONENT examples EXCLUDE_FROM_ALL)
    asio_aio_install_manual(${target} ${name} examples ${what} EXCLUDE_FROM_ALL)
endfunction()

if(ASIO_AIO_BUILD_EXAMPLES)
    asio_aio_install_example(callbacks "count lines with callbacks and asio_aio")
    asio_aio_install_example(copy_file "copy a file with many blocks in flight by asio_aio")
    asio_aio_install_example(coroutines "count lines in a coroutine with asio_aio")
    asio_aio_install_example(file_server "serve files over HTTP with asio_aio")
    asio_aio_install_example(futures "count lines with futures and asio_aio")
    asio_aio_install_example(read_lines "print the longest line of a file with asio_aio")
    asio_aio_install_example(replace_file "replace the content of a file with asio_aio")
    asio_aio_install_example(stackful_coroutines "count lines in a stackful coroutine with asio_aio")
    asio_aio_install_example(write_ahead_log "append to a write-ahead log, or recover it, with asio_aio")
    install(DIRECTORY example/ DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/asio-aio-examples/examples
        COMPONENT examples EXCLUDE_FROM_ALL)
endif()
