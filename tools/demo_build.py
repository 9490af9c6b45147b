# SPDX-License-Identifier: Apache-2.0
"""What the demo needs, built side by side; each builder does nothing when it is there already."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tools.transcript import Transcript

ROOT: Final = Path(__file__).resolve().parent.parent
LOGS: Final = ROOT / ".cache" / "demo"
# In two lanes for two processors: the image takes about as long as the other two together.
LANES: Final = (
    (("tools/build_image.py",),),
    (("-m", "tests.refhost.build"), ("tools/build_bundle.py",)),
)
# The last words of a builder: that nothing has changed, or how long it took and what came out.
_RESULT: Final = re.compile(r"nothing has changed| in [0-9.]+ s$|MiB unpacked,")


class BuildError(Exception):
    """A builder failed; its last words are in the message."""


def build(transcript: Transcript) -> None:
    LOGS.mkdir(parents=True, exist_ok=True)
    for lane in LANES:
        for arguments in lane:
            transcript.typed("laptop$", f"python {' '.join(arguments)}")
    with ThreadPoolExecutor(len(LANES)) as pool:
        for done in [pool.submit(_build_lane, lane) for lane in LANES]:
            transcript.output("\n".join(done.result()))


def _build_lane(lane: tuple[tuple[str, ...], ...]) -> list[str]:
    return [line for arguments in lane for line in _build_one(arguments)]


def _build_one(arguments: tuple[str, ...]) -> list[str]:
    """Run a builder, and give what it says of its result; all that it says goes into a file."""
    log = LOGS / f"{Path(arguments[-1]).name}.log"
    with log.open("w+") as sink:
        done = subprocess.run(
            (sys.executable, *arguments), check=False, cwd=ROOT, stdin=subprocess.DEVNULL,
            stdout=sink, stderr=subprocess.STDOUT,
        )  # fmt: skip
        sink.seek(0)
        said = sink.read().splitlines()
    if done.returncode:
        last = "\n".join(said[-20:])
        raise BuildError(f"{' '.join(arguments)} failed:\n{last}")
    return [line for line in said if _RESULT.search(line)]
