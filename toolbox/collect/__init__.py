# SPDX-License-Identifier: Apache-2.0
"""A bundle of what a support engineer asks for: gathered, redacted, packed."""
