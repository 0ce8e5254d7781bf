# SPDX-License-Identifier: BSL-1.0
# An overlay port: it builds the tree that contains it.
#     vcpkg install asio-aio --overlay-ports=packaging/vcpkg
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

vcpkg_check_features(OUT_FEATURE_OPTIONS FEATURE_OPTIONS
    FEATURES
        io-uring ASIO_AIO_WITH_IO_URING
        libaio ASIO_AIO_WITH_LIBAIO)

vcpkg_cmake_configure(
    SOURCE_PATH "${SOURCE_PATH}"
    OPTIONS
        ${FEATURE_OPTIONS}
        -DCMAKE_INSTALL_SYSCONFDIR=/etc # for default_backend; the prefix is a folder of vcpkg's
        -DASIO_AIO_BUILD_TESTS=OFF
        -DASIO_AIO_BUILD_EXAMPLES=OFF
        -DASIO_AIO_BUILD_INFO=OFF
        -DASIO_AIO_BUILD_BENCH=OFF)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(PACKAGE_NAME asio_aio CONFIG_PATH lib/cmake/asio_aio)
vcpkg_fixup_pkgconfig()
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
