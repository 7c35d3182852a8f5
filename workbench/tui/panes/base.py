"""What every pane of ours has in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual.containers import Vertical

from workbench.tui.messages import Said

if TYPE_CHECKING:
    from workbench.tail.follower import RunFollower
    from workbench.tui.app import WorkbenchApp
    from workbench.tui.services import Services
    from workbench.tui.watch import Snapshot


class Pane(Vertical):
    """A numbered pane. Mounted when it is first shown; draws only while it is shown."""

    TITLE: ClassVar[str]
    SCOPES: ClassVar[tuple[str, ...]]
    """Scopes of the key table, for footer and help."""
    FOCUS: ClassVar[str] = ""
    """Selector of the part that has the focus first; empty: the pane itself."""
    NEEDS_CURVES: ClassVar[bool] = False
    NEEDS_LOG: ClassVar[bool] = False

    @property
    def needs_curves(self) -> bool:
        """Whether event files must be read for what is shown now."""
        return self.NEEDS_CURVES

    @property
    def workbench(self) -> WorkbenchApp:
        """The app, as what it is."""
        return cast("WorkbenchApp", self.app)

    @property
    def services(self) -> Services:
        """The rest of the workbench."""
        return self.workbench.services

    def shown(self) -> None:
        """The pane came to the front: take the focus and draw what is known."""
        (self.query_one(self.FOCUS) if self.FOCUS else self).focus()
        self.looked(self.workbench.snapshot, self.workbench.curves, True)

    def looked(self, snapshot: Snapshot, curves: RunFollower | None, curves_changed: bool) -> None:
        """The files said something new; called while the pane is shown."""

    def ticked(self) -> None:
        """Half a second passed; called while the pane is shown. For ages and elapsed times."""

    def short(self, path: Path) -> Path:
        """A path as seen from the workspace."""
        root = self.services.project.root
        return path.relative_to(root) if path.is_relative_to(root) else path

    def say(self, text: str, level: str = "info") -> None:
        """Put one line into the message line and the alert log."""
        self.post_message(Said(text, level))
