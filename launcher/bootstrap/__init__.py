# SPDX-License-Identifier: Apache-2.0
"""The bootstrap container: users' data runs once, before kubelet, and its result is on record."""
