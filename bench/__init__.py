# SPDX-License-Identifier: Apache-2.0
"""Hatchway beside its peers, in one run on one machine: ratios, for times alone say little."""
