# SPDX-License-Identifier: Apache-2.0
"""`python3 -I -m admin_image`: the container's entry point."""

from __future__ import annotations

import sys

from admin_image.supervisor import main

if __name__ == "__main__":
    sys.exit(main())
