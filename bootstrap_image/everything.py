# SPDX-License-Identifier: Apache-2.0
"""All that ever is imported here: the build of the image compiles it ahead of time."""

from __future__ import annotations

import urllib.request  # noqa: F401, TID253 - for the same end

import yaml  # noqa: F401

from bootstrap_image import archive, runner, validate  # noqa: F401
