# SPDX-License-Identifier: BSL-1.0
# Builds and runs the first ```cpp block of README.md, because users copy it.
set(readme ${PROJECT_SOURCE_DIR}/README.md)
if(NOT EXISTS ${readme})
    message(WARNING "README.md is missing: its program is not tested")
    return()
endif()
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${readme})

file(READ ${readme} text)
string(FIND "${text}" "```cpp\n" begin)
if(begin EQUAL -1)
    message(FATAL_ERROR "README.md has no block that begins with ```cpp")
endif()
math(EXPR begin "${begin} + 7")
string(SUBSTRING "${text}" ${begin} -1 text)
string(FIND "${text}" "\n```" length)
string(SUBSTRING "${text}" 0 ${length} program)
file(GENERATE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/readme_program.cpp CONTENT "${program}\n")

add_executable(test_readme_program ${CMAKE_CURRENT_BINARY_DIR}/readme_program.cpp)
target_compile_features(test_readme_program PRIVATE cxx_std_20)
target_link_libraries(test_readme_program PRIVATE
    ${asio_aio_test_flavour} asio_aio_test_asio asio_aio_build_options)
set_target_properties(test_readme_program PROPERTIES CXX_EXTENSIONS OFF)
asio_aio_register_test(readme_program test_readme_program)
# The file that the program reads.
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/data/readme_program/data.bin "The first line of a file.\n")
