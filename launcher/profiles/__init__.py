# SPDX-License-Identifier: Apache-2.0
"""Privileges by name: one file for each kind of container, with a reason for each right."""
