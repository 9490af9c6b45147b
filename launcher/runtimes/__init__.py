# SPDX-License-Identifier: Apache-2.0
"""Container runtimes: one protocol, one file each, and the table that names them."""
