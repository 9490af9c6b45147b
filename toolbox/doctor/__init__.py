# SPDX-License-Identifier: Apache-2.0
"""What looks wrong with this host: each noun reads its facts once and judges them as a value."""
