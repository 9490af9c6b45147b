# SPDX-License-Identifier: Apache-2.0
"""The reference host: a virtual machine that has what ContainerOS has, and lacks what it lacks."""
