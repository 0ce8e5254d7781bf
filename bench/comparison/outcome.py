# SPDX-License-Identifier: BSL-1.0
"""What a run can end in, besides a result."""


class NotRun(Exception):
    """A contestant that cannot run on this machine, and why."""


class Failed(Exception):
    """A contestant that should run and does not."""
