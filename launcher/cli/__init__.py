# SPDX-License-Identifier: Apache-2.0
"""The command `hatchway`: parse, call, print; no logic."""
