# SPDX-License-Identifier: BSL-1.0
"""The settings of a comparison, and the options of each run."""
from dataclasses import dataclass
from pathlib import Path

QUICK_SIZE_MIB = 16
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
        """The options of one run. Those of the contestant override those of the case."""
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
        """Latencies come from runs of their own, because measuring them slows each operation."""
        return max(1, self.rounds // 2)

    @property
    def seconds_for_one_run(self):
        return 60 if self.quick else 600
