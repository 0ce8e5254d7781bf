# SPDX-License-Identifier: BSL-1.0
"""Describes the machine, compilers and libraries of a comparison."""
import datetime
import os
import platform
import re
import shlex
import subprocess
import sys


def _output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _first_match(path, pattern, default="unknown"):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = re.search(pattern, file.read(), re.MULTILINE)
    except OSError:
        return default
    return found.group(1) if found else default


def _filesystem(folder):
    kind = _output("findmnt", "--noheadings", "--output", "FSTYPE,SOURCE,OPTIONS", "--target", str(folder))
    return " ".join(kind.split()) or "unknown"


def _compiler(build):
    compiler = _first_match(build / "CMakeCache.txt", r"^CMAKE_CXX_COMPILER:\w+=(.*)$", "")
    flags = _first_match(build / "CMakeCache.txt", r"^CMAKE_CXX_FLAGS_RELEASE:\w+=(.*)$", "")
    return (_output(compiler, "--version").splitlines() or ["unknown"])[0] + " " + flags if compiler else "unknown"


def _libraries(build):
    boost = _first_match(build / "CMakeCache.txt", r"^Boost_DIR:\w+=.*Boost-([0-9.]+)$")
    found = [f"Boost {boost}"]
    for name in ("liburing", "libuv"):
        version = _output("pkg-config", "--modversion", name)
        found += [f"{name} {version}"] if version else []
    fio = _output("fio", "--version")
    return ", ".join(found + ([fio] if fio else []))


def describe(build, data):
    memory_kib = int(_first_match("/proc/meminfo", r"^MemTotal:\s+(\d+)", "0"))
    cpu = _first_match("/proc/cpuinfo", r"^model name\s*:\s*(.*)$", platform.machine())
    return {
        "machine": f"{os.cpu_count()} × {cpu}, {memory_kib / 2**20:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "filesystem": _filesystem(data),
        "compiler": _compiler(build),
        "libraries": _libraries(build),
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": shlex.join(["bench/compare", *sys.argv[1:]]),
    }
