# SPDX-License-Identifier: BSL-1.0
"""Exceptions for runs that end without a result."""


class NotRun(Exception):
    """The contestant cannot run on this machine."""

    key = "not_run"  # the key of the reason in the results


class Failed(Exception):
    """The contestant should run, and failed."""

    key = "failed"
