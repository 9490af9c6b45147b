# SPDX-License-Identifier: Apache-2.0
"""The door: opening, proving, looking at and closing the admin container."""
