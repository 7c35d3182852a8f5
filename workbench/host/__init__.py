"""The plugin host: finds plugins, guards them, and collects what they offer."""

from workbench.host.host import Host, speaks
from workbench.host.records import HOOK_BUDGET_MS, PluginRecord, Registered

__all__ = ["HOOK_BUDGET_MS", "Host", "PluginRecord", "Registered", "speaks"]
