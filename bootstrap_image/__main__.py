# SPDX-License-Identifier: Apache-2.0
"""`python3 -I -m bootstrap_image`: the container's entry point; with `validate FILE`, a check."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["validate"]:
        from bootstrap_image import validate

        sys.exit(validate.main(sys.argv[2:]))

    from bootstrap_image import runner

    sys.exit(runner.main())
