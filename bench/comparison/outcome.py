# SPDX-License-Identifier: BSL-1.0
"""What a run can end in, besides a result."""


class NotRun(Exception):
    """A contestant that cannot run on this machine, and why."""

    key = "not_run"  # of a result that has this instead of figures


class Failed(Exception):
    """A contestant that should run and does not."""

    key = "failed"
