# SPDX-License-Identifier: Apache-2.0
"""How much is pulled in an emergency, and how much is installed."""

from __future__ import annotations

from bench import programs
from tools import build_image

MEBIBYTE = 1 << 20


def measure() -> dict[str, float]:
    """MiB by name, of what has been built."""
    found: dict[str, int] = {}
    if build_image.ARCHIVE.exists():
        found["admin image, to pull"] = build_image._compressed(build_image.ARCHIVE)  # noqa: SLF001
        found["admin image, unpacked"] = build_image.ARCHIVE.stat().st_size
    for archive in sorted((programs.ROOT / "dist").glob("hatchway-*.tar.gz")):
        found["bundle, compressed"] = archive.stat().st_size
    if programs.BUNDLE.exists():
        files = (path for path in programs.BUNDLE.rglob("*") if path.is_file())
        found["bundle, unpacked"] = sum(path.stat().st_size for path in files)
    return {name: size / MEBIBYTE for name, size in found.items()}
