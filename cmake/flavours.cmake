# SPDX-License-Identifier: BSL-1.0
# asio_aio::asio_aio for Boost.Asio, and asio_aio::standalone for standalone Asio: the headers with
# their Asio, over the compiled library asio_aio::core. For the build, and for an installed package.

# asio_aio_add_flavour(<name> <library>...)
# Defines asio_aio::<name>. In the build of this project it is an ordinary target, because the
# headers of imported targets count as system headers, which get no warnings.
function(asio_aio_add_flavour name)
    if(PROJECT_NAME STREQUAL "asio_aio" AND TARGET asio_aio)
        set(target asio_aio_${name})
        add_library(${target} INTERFACE)
        add_library(asio_aio::${name} ALIAS ${target})
    else()
        set(target asio_aio::${name})
        add_library(${target} INTERFACE IMPORTED)
    endif()
    # Asio is no part of an export set.
    target_link_libraries(${target} INTERFACE asio_aio::core $<BUILD_INTERFACE:${ARGN}>)
    set(asio_aio_flavour_target ${target} PARENT_SCOPE)
endfunction()

# asio_aio_add_boost_flavour(): defines asio_aio::asio_aio if Boost is found.
function(asio_aio_add_boost_flavour)
    if(TARGET asio_aio::asio_aio)
        return()
    endif()
    # A Boost that the project builds itself has a target for each library.
    if(NOT TARGET Boost::asio AND NOT TARGET Boost::headers)
        # CONFIG finds Boost's own package files, which every version that is new enough has.
        find_package(Boost 1.81 CONFIG QUIET)
        set(asio_aio_old_boost ${Boost_CONSIDERED_VERSIONS} PARENT_SCOPE)
    endif()
    foreach(boost Boost::asio Boost::headers)
        if(TARGET ${boost})
            asio_aio_add_flavour(asio_aio ${boost})
            return()
        endif()
    endforeach()
endfunction()

# asio_aio_add_standalone_flavour(): defines asio_aio::standalone if standalone Asio is found.
function(asio_aio_add_standalone_flavour)
    if(TARGET asio_aio::standalone)
        return()
    endif()
    if(TARGET asio::asio)
        asio_aio_add_flavour(standalone asio::asio)
    else()
        find_path(ASIO_AIO_asio_include_dir asio.hpp)
        mark_as_advanced(ASIO_AIO_asio_include_dir)
        asio_aio_read_version("${ASIO_AIO_asio_include_dir}" version)
        if(version VERSION_LESS 1.28)
            set(asio_aio_old_standalone ${version} PARENT_SCOPE)
            return()
        endif()
        asio_aio_add_flavour(standalone)
        target_include_directories(${asio_aio_flavour_target} SYSTEM INTERFACE
            $<BUILD_INTERFACE:${ASIO_AIO_asio_include_dir}>)
    endif()
    target_compile_definitions(${asio_aio_flavour_target} INTERFACE ASIO_AIO_STANDALONE)
endfunction()

# asio_aio_read_version(<include folder of Asio> <result>): empty if the folder has no Asio.
function(asio_aio_read_version folder result)
    set(${result} "" PARENT_SCOPE)
    if(EXISTS "${folder}/asio/version.hpp")
        file(STRINGS "${folder}/asio/version.hpp" line REGEX "define ASIO_VERSION [0-9]+")
        if(line MATCHES "ASIO_VERSION ([0-9]+)([0-9][0-9][0-9])([0-9][0-9])")
            math(EXPR minor "1${CMAKE_MATCH_2} - 1000")
            math(EXPR patch "1${CMAKE_MATCH_3} - 100")
            set(${result} ${CMAKE_MATCH_1}.${minor}.${patch} PARENT_SCOPE)
        endif()
    endif()
endfunction()

# asio_aio_describe_flavour(<boost or standalone> <result>)
# Sets <result> to what the flavour needs and what was found instead, for messages.
function(asio_aio_describe_flavour name result)
    if(name STREQUAL "boost")
        set(text "Boost 1.81 or newer (on Debian 12: libboost1.81-dev, later: libboost-dev)")
    else()
        set(text "standalone Asio 1.28 or newer (on Debian 13: libasio-dev)")
    endif()
    if(asio_aio_old_${name})
        list(REMOVE_DUPLICATES asio_aio_old_${name}) # CMake finds /usr/lib in /lib again
        list(JOIN asio_aio_old_${name} ", " versions)
        string(APPEND text ", not ${versions}")
    endif()
    set(${result} ${text} PARENT_SCOPE)
endfunction()
