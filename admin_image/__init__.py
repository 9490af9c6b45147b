# SPDX-License-Identifier: Apache-2.0
"""What runs inside the admin container: the door itself.

Only the standard library is imported here, and never the launcher; the two meet in `spec`.
"""
