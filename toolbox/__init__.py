# SPDX-License-Identifier: Apache-2.0
"""Ad-hoc diagnostics against the host or one container."""
