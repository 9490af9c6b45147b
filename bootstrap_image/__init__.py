# SPDX-License-Identifier: Apache-2.0
"""What runs inside the bootstrap container: users' user data, once, before kubelet.

Only the standard library is imported here, PyYAML where a cloud-config is read, and never the
launcher; the two meet in `spec`. `plan` is pure: data in, steps and findings out. `runner` acts.
"""
