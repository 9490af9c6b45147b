# SPDX-License-Identifier: Apache-2.0
"""`python3 -I -m admin_image`: the container's entry point."""

from __future__ import annotations

import sys

from admin_image import log

if __name__ == "__main__":
    log.redirect()  # first of all: also what fails below has to be read somewhere

    from admin_image.supervisor import main

    sys.exit(main())
