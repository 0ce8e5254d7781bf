# SPDX-License-Identifier: BSL-1.0
"""The modules of bench/compare."""
