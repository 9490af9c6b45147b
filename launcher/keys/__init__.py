# SPDX-License-Identifier: Apache-2.0
"""Public keys: what they look like, and where they come from."""
