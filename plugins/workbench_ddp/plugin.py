"""What this plugin offers. Nothing heavy is imported here: records name their code."""

from __future__ import annotations

from collections.abc import Iterable

from workbench.api import LauncherSpec, Plugin


class DdpPlugin(Plugin):
    """Starts trainers on this machine."""

    summary = "starts training on this machine, on one device or several"

    def workbench_register_launchers(self) -> Iterable[LauncherSpec]:
        """The launchers `local` and `ddp`."""
        return [
            LauncherSpec(
                name="local",
                target="workbench_ddp.local:LocalLauncher",
                summary="one process on this machine",
            ),
            LauncherSpec(
                name="ddp",
                target="workbench_ddp.ddp:DdpLauncher",
                summary="one process for each device of this machine",
            ),
        ]


plugin = DdpPlugin()
