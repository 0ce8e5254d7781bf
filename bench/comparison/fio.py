# SPDX-License-Identifier: BSL-1.0
"""fio as a contestant: the command for the same job, and the conversion of its JSON."""
import json
import shutil

from .outcome import Failed, NotRun

_PAGE = 4096
_OPERATIONS = {"read": "randread", "write": "randwrite", "mixed": "randrw"}


def command(settings, options):
    program = shutil.which("fio")
    if not program:
        raise NotRun("fio is not installed")
    file_bytes = (options["size"] << 20) // _PAGE * _PAGE
    block = options.get("block", 4096)
    return [
        program, "--name=compare", "--output-format=json", "--norandommap", "--invalidate=0",
        "--unified_rw_reporting=1", "--lat_percentiles=1", "--clat_percentiles=0",
        f"--filename={settings.data}/1x{file_bytes}/0", f"--size={file_bytes}",
        f"--io_size={options['operations'] * block}", f"--rw={_OPERATIONS[options.get('operation', 'read')]}",
        f"--rwmixread={options.get('read-percent', 70)}", f"--bs={block}", f"--iodepth={options['depth']}",
        f"--direct={int(options.get('direct', False))}", f"--ioengine={options['ioengine']}"]


def parse(done):
    """Converts the result of a finished fio to the names that our programs use."""
    if done.returncode != 0:
        raise NotRun((done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[0])
    try:
        # fio prints notes before the object.
        job = json.loads(done.stdout[done.stdout.index("{"):])["jobs"][0]
    except (ValueError, LookupError) as error:
        raise Failed(f"fio printed no result: {error}") from error
    mixed = job["mixed"]
    operations = mixed["total_ios"]
    seconds = max(mixed["runtime"], 1) / 1e3  # whole milliseconds
    percentile = mixed["lat_ns"].get("percentile", {})
    return {
        "contestant": "fio", "operations": operations, "seconds": seconds, "rate": operations / seconds,
        "cpu_us_per_operation": (job["usr_cpu"] + job["sys_cpu"]) / 100 * seconds * 1e6 / operations,
        "p50_us": percentile.get("50.000000", 0) / 1e3, "p99_us": percentile.get("99.000000", 0) / 1e3,
        "p999_us": percentile.get("99.900000", 0) / 1e3, "engine": "fio", "notes": ""}
