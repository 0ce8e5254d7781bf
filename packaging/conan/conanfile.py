# SPDX-License-Identifier: BSL-1.0
"""Conan 2 recipe. In the root of the tree: conan create packaging/conan"""
import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, rmdir


class AsioAioConan(ConanFile):
    name = "asio_aio"
    description = "Asynchronous disk files for Boost.Asio and standalone Asio, on io_uring, Linux AIO or threads"
    license = "BSL-1.0"
    topics = ("asio", "io_uring", "aio", "file", "asynchronous")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {
        "shared": [True, False],
        "fPIC": [True, False],
        "with_io_uring": [True, False],
        "with_libaio": [True, False],
        "asio": ["boost", "standalone"],
    }
    default_options = {
        "shared": False,
        "fPIC": True,
        "with_io_uring": True,
        "with_libaio": True,
        "asio": "boost",
        "boost/*:header_only": True,
    }

    @property
    def _root(self):
        return os.path.join(self.recipe_folder, "..", "..")

    def set_version(self):
        text = load(self, os.path.join(self._root, "include", "asio_aio", "version.hpp"))
        self.version = ".".join(re.findall(r"VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", text, re.M))

    def export_sources(self):
        for pattern in ("CMakeLists.txt", "LICENSE", "CHANGELOG.md", "cmake/*", "include/*", "src/*"):
            copy(self, pattern, src=self._root, dst=self.export_sources_folder)

    def configure(self):
        if self.options.shared:
            self.options.rm_safe("fPIC")

    def validate(self):
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration("asio_aio needs Linux")
        check_min_cppstd(self, 17)

    def layout(self):
        cmake_layout(self)

    def requirements(self):
        if self.options.asio == "boost":
            self.requires("boost/[>=1.81 <2]", transitive_headers=True)
        else:
            self.requires("asio/[>=1.28 <2]", transitive_headers=True)
        if self.options.with_io_uring:
            self.requires("liburing/[>=2.3 <3]")
        if self.options.with_libaio:
            self.requires("libaio/[>=0.3.113 <1]")

    def generate(self):
        toolchain = CMakeToolchain(self)
        for program in ("TESTS", "EXAMPLES", "INFO", "BENCH"):
            toolchain.cache_variables[f"ASIO_AIO_BUILD_{program}"] = False
        toolchain.cache_variables["ASIO_AIO_WITH_IO_URING"] = "ON" if self.options.with_io_uring else "OFF"
        toolchain.cache_variables["ASIO_AIO_WITH_LIBAIO"] = "ON" if self.options.with_libaio else "OFF"
        # For default_backend; the prefix is a folder of Conan's cache.
        toolchain.cache_variables["CMAKE_INSTALL_SYSCONFDIR"] = "/etc"
        toolchain.generate()
        CMakeDeps(self).generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()
        copy(self, "LICENSE", src=self.source_folder, dst=os.path.join(self.package_folder, "licenses"))
        rmdir(self, os.path.join(self.package_folder, "lib", "cmake"))
        rmdir(self, os.path.join(self.package_folder, "lib", "pkgconfig"))

    def package_info(self):
        standalone = self.options.asio == "standalone"
        self.cpp_info.set_property("cmake_file_name", "asio_aio")
        self.cpp_info.set_property("cmake_target_name", "asio_aio::standalone" if standalone else "asio_aio::asio_aio")
        self.cpp_info.set_property("pkg_config_name", "asio_aio-standalone" if standalone else "asio_aio")
        self.cpp_info.libs = ["asio_aio"]
        self.cpp_info.system_libs = ["pthread"]
        if standalone:
            self.cpp_info.defines = ["ASIO_AIO_STANDALONE"]
