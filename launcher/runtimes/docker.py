# SPDX-License-Identifier: Apache-2.0
"""docker: its daemon takes its containers along when it is restarted, unless it is told not to."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from launcher.errors import HatchwayError
from launcher.runtimes.whales import Whales

if TYPE_CHECKING:
    from launcher.plan import Plan
    from launcher.runtimes.base import Container

_MORTAL = (
    "restarting docker ends this door and all sessions: its live-restore is off; "
    "before you restart it, open the door in another engine (--runtime) or enable live-restore"
)


@dataclasses.dataclass(frozen=True)
class Docker(Whales):
    """As the others, but for what its daemon does to its containers."""

    def cautions(self) -> tuple[str, ...]:
        return (_MORTAL,) if self._live_restore is False else ()

    def start(self, plan: Plan, *, keep: bool = False) -> Container:
        # Before 24.0.8, docker removes at its start whatever is to remove itself, also what runs
        # (moby/moby issue 46308): live-restore would not hold for it.
        return super().start(plan, keep=keep or bool(self._live_restore))

    @functools.cached_property
    def _live_restore(self) -> bool | None:
        """None where the daemon does not say."""
        form = "{{.LiveRestoreEnabled}}"
        try:
            said = self._engine.ask("name its settings", "info", "--format", form)
        except HatchwayError:  # whatever is wrong shows at the start
            return None
        return {"true": True, "false": False}.get(said.strip())
