# SPDX-License-Identifier: BSL-1.0
# Targets for liburing and libaio: for the build, and for projects that link an installed static
# asio_aio.

# asio_aio_find_engine_library(<name> <header> <static>)
# Defines the target asio_aio::lib<name> if the library is found.
function(asio_aio_find_engine_library name header static)
    if(TARGET asio_aio::lib${name})
        return()
    endif()
    if(static)
        set(kind static)
        set(names lib${name}.a)
    else()
        set(kind default)
        set(names ${name})
    endif()
    find_path(ASIO_AIO_${name}_include_dir ${header})
    find_library(ASIO_AIO_${name}_${kind}_library NAMES ${names})
    mark_as_advanced(ASIO_AIO_${name}_include_dir ASIO_AIO_${name}_${kind}_library)
    if(ASIO_AIO_${name}_include_dir AND ASIO_AIO_${name}_${kind}_library)
        add_library(asio_aio::lib${name} UNKNOWN IMPORTED)
        set_target_properties(asio_aio::lib${name} PROPERTIES
            IMPORTED_LOCATION ${ASIO_AIO_${name}_${kind}_library}
            INTERFACE_INCLUDE_DIRECTORIES ${ASIO_AIO_${name}_include_dir})
    endif()
endfunction()

# asio_aio_describe_engine_library(<name> <header> <static> <result>)
# Sets <result> to a description of the library for messages.
function(asio_aio_describe_engine_library name header static result)
    if(static)
        set(file lib${name}.a)
    else()
        set(file lib${name}.so)
    endif()
    set(${result} "${file} with ${header} (on Debian: lib${name}-dev)" PARENT_SCOPE)
endfunction()
