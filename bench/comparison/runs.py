# SPDX-License-Identifier: BSL-1.0
"""Runs the contestants, round by round."""
import json
import os
import subprocess
from dataclasses import replace

from . import fio, mounts
from .contestants import PREAD
from .outcome import Failed, NotRun

CANNOT_RUN = 77


def _complaint(done):
    """The last line that a program wrote to standard error, without the name of the program."""
    line = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return line.split(": ", 1)[-1]


def _arguments(options):
    arguments = []
    for name, value in options.items():
        if value is True:
            arguments.append(f"--{name}")
        elif value is not False:
            arguments += [f"--{name}", str(value)]
    return arguments


# Options that a case gives to all contestants, and the programs that know them.
_OPTIONS_OF_SOME = {"queue-depth": ("asio_aio", "liburing", "libaio")}


def _command(settings, case, contestant, latency):
    options = settings.options(case, contestant)
    for name, programs in _OPTIONS_OF_SOME.items():
        if contestant.program not in programs:
            options.pop(name, None)
    if contestant.program == "fio":
        return fio.command(settings, options)
    program = (contestant.build or settings.build) / "bench" / f"bench_{contestant.program}"
    if not program.exists():
        raise NotRun(f"{program.name} was not built; CMake leaves it out if its library is not installed")
    command = [str(program), "--json", *_arguments(options), *(["--latency"] if latency else [])]
    return mounts.command(case.mounted, settings.data, command) if case.mounted else command


def _environment(contestant):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ASIO_AIO_") and k != "UV_THREADPOOL_SIZE"}
    return {**kept, **contestant.environment}


def run_once(settings, case, contestant, latency):
    """Runs a contestant once; returns the object that its program prints."""
    command = _command(settings, case, contestant, latency)
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=_environment(contestant), check=False,
                              timeout=settings.seconds_for_one_run)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"did not end within {settings.seconds_for_one_run} s: {' '.join(command)}") from error
    if done.returncode == CANNOT_RUN:
        raise NotRun(_complaint(done))
    if contestant.program == "fio":
        return {**fio.parse(done), "command": command}
    if done.returncode != 0:
        raise Failed(f"exit status {done.returncode}: {_complaint(done)} ({' '.join(command)})")
    return {**json.loads(done.stdout), "command": command}


def _prepare_mounts(settings, case):
    mounts.check(case.mounted, settings.data)
    if case.mounted == mounts.OVERLAYFS:
        # Makes the data files before the mount: a run would make them in the upper layer.
        run_once(settings, replace(case, mounted=""), PREAD, latency=False)


def run_case(settings, case, progress):
    """Runs all rounds of a case; returns the runs of each contestant, or why it has none."""
    results = {each.name: {"runs": [], "latency_runs": []} for each in case.contestants}
    running = list(case.contestants)
    if case.mounted:
        try:
            _prepare_mounts(settings, case)
        except (NotRun, Failed) as reason:
            return {name: {**result, reason.key: str(reason)} for name, result in results.items()}
    for round_number in range(settings.rounds):
        # Each round begins with another contestant.
        first = round_number % len(case.contestants)
        for contestant in case.contestants[first:] + case.contestants[:first]:
            if contestant not in running:
                continue
            progress(f"{case.name}: round {round_number + 1} of {settings.rounds}: {contestant.name}")
            try:
                _run_in_round(settings, case, contestant, round_number, results[contestant.name])
            except (NotRun, Failed) as reason:
                results[contestant.name][reason.key] = str(reason)
                running.remove(contestant)
    return results


def _run_in_round(settings, case, contestant, round_number, result):
    result["runs"].append(run_once(settings, case, contestant, latency=False))
    if case.latency and not case.timer and round_number < settings.latency_rounds:
        # fio measures latencies in every run.
        own = contestant.program != "fio"
        result["latency_runs"].append(
            run_once(settings, case, contestant, latency=True) if own else result["runs"][-1])
