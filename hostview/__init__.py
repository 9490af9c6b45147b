# SPDX-License-Identifier: Apache-2.0
"""The host as both images see it at /host: its mounts, made read-only; the kernel calls for that.

Each image carries a copy. Only the standard library is imported here, and nothing else of ours.
"""
