# SPDX-License-Identifier: BSL-1.0
"""How a comparison is run."""
from dataclasses import dataclass
from pathlib import Path

QUICK_SIZE_MIB = 64
QUICK_LEAST_OPERATIONS = 200


@dataclass(frozen=True)
class Settings:
    build: Path
    data: Path
    rounds: int
    size_mib: int
    quick: bool

    def operations(self, case, contestant):
        count = int(case.operations * contestant.pace)
        if self.quick:
            count = max(QUICK_LEAST_OPERATIONS, count // 200)
        return count

    def options(self, case, contestant):
        """The options of one run, those of the contestant last."""
        options = {**case.options, **contestant.options, "dir": str(self.data)}
        options["size"] = min(self.size_mib, case.options.get("size", self.size_mib))
        if self.quick and "files" in case.options:
            options["files"] = max(2, case.options["files"] // 10)
        if case.timer:
            options["seconds"] = 1 if self.quick else 5
            return options
        options["operations"] = self.operations(case, contestant)
        options["depth"] = min(options["depth"], options["operations"])
        return options

    @property
    def latency_rounds(self):
        """Latencies are measured in runs of their own, since that takes time of each operation."""
        return max(1, self.rounds // 2)

    @property
    def seconds_for_one_run(self):
        return 60 if self.quick else 600
