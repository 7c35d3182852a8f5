"""Launchers: ways to start a trainer."""

from workbench_ddp.plugin import plugin

__all__ = ["plugin"]
