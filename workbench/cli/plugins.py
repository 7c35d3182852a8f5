"""The verb `plugins`."""

from __future__ import annotations

import argparse

from workbench.cli.context import open_host, open_workspace_if_any
from workbench.cli.guard import NO, OK
from workbench.cli.output import Console
from workbench.config import did_you_mean
from workbench.errors import PluginError
from workbench.host import Host, PluginRecord


def run_plugins(args: argparse.Namespace, console: Console) -> int:
    """List the plugins, or show one in full; exit code 1 when one has failed."""
    host = open_host(args, open_workspace_if_any(args), console)
    records = host.plugins
    if args.name is not None:
        record = _named(records, args.name)
        _show(record, console)
        console.answer(record.as_json())
        return NO if record.state == "failed" else OK
    console.answer({"plugins": [record.as_json() for record in records], "problems": host.problems})
    console.table(
        ("plugin", "state", "version", "distribution", "ms", "offers"),
        [
            (
                record.name,
                record.state,
                record.version,
                record.distribution,
                f"{record.load_ms:.1f}",
                _offers(record),
            )
            for record in records
        ],
    )
    for record in records:
        if record.reason:
            console.line(f"{record.name} is {record.state}: {record.reason}")
        for warning in record.warnings:
            console.line(f"{record.name}: {warning}")
    if not records:
        console.line(
            "no plugin is installed; install voice-workbench again: pip install --force-reinstall voice-workbench"
        )
    return NO if _any_failed(host) else OK


def _named(records: list[PluginRecord], name: str) -> PluginRecord:
    for record in records:
        if record.name == name:
            return record
    names = [record.name for record in records]
    hint = did_you_mean(name, names) or f"; there are: {', '.join(names)}"
    raise PluginError(f"there is no plugin '{name}'{hint}")


def _show(record: PluginRecord, console: Console) -> None:
    console.line(f"{record.name}: {record.state}{f': {record.reason}' if record.reason else ''}")
    if record.summary:
        console.line(record.summary)
    console.line(f"from {record.distribution} {record.version}, {record.origin}, loaded in {record.load_ms:.1f} ms")
    for kind, names in record.registered.items():
        console.line(f"{kind.replace('_', ' ')}: {', '.join(names)}")
    for hook, milliseconds in record.hooks_ms.items():
        console.line(f"{hook}: {milliseconds:.1f} ms")
    for warning in record.warnings:
        console.line(warning)
    if record.traceback:
        console.line(record.traceback.rstrip("\n"))


def _offers(record: PluginRecord) -> str:
    return "; ".join(f"{kind.replace('_', ' ')}: {', '.join(names)}" for kind, names in record.registered.items())


def _any_failed(host: Host) -> bool:
    return any(record.state == "failed" for record in host.plugins)
