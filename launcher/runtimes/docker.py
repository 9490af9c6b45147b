# SPDX-License-Identifier: Apache-2.0
"""docker: its daemon takes its containers along when it is restarted, unless it is told not to."""

from __future__ import annotations

import dataclasses

from launcher.errors import HatchwayError
from launcher.runtimes.whales import Whales

_MORTAL = (
    "restarting docker ends this door and all sessions: its live-restore is off; "
    "before you restart it, open the door in another engine (--runtime) or enable live-restore"
)


@dataclasses.dataclass(frozen=True)
class Docker(Whales):
    """As the others, but for what its daemon does to its containers."""

    def cautions(self) -> tuple[str, ...]:
        form = "{{.LiveRestoreEnabled}}"
        try:
            said = self._engine.ask("name its settings", "info", "--format", form)
        except HatchwayError:  # for advice alone; whatever is wrong shows at the start
            return ()
        return (_MORTAL,) if said.strip() == "false" else ()
