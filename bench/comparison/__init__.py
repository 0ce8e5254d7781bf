# SPDX-License-Identifier: BSL-1.0
"""What bench/compare is made of."""
