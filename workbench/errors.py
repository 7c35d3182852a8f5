"""The one exception tree of the workbench.

    WorkbenchError                 something a user can mend; str() is the one line to show
    ├── ConfigError                workbench.toml or a setting is wrong
    ├── DatasetError               metadata, recordings or the cache can't be used
    ├── CheckpointError            a checkpoint can't be written, read or used
    ├── RunError                   a run can't be started, stopped or read
    │   └── RunActiveError         another process runs it at this moment
    ├── PluginError                a plugin or the part of it that was asked for isn't there
    ├── WorkerError                a worker process failed or died
    │   └── Cancelled              the user cancelled the call
    ├── ExportError                an export failed or did not equal the checkpoint
    └── EnvironmentProblem         something outside is missing: a package, a device, disk space

A message says where (as the user wrote it), what is, what is wanted and what to do, in one line. The command line
prints it and ends with exit code 2; the terminal workbench shows it as a message. Nobody sees a traceback.
"""

from __future__ import annotations


class WorkbenchError(Exception):
    """Something a user can mend. `str(error)` is the line to show."""


class ConfigError(WorkbenchError):
    """`workbench.toml` or a setting in it is wrong."""


class DatasetError(WorkbenchError):
    """Metadata, recordings or the cache can't be used."""


class CheckpointError(WorkbenchError):
    """A checkpoint can't be written, read or used."""


class RunError(WorkbenchError):
    """A run can't be started, stopped or read."""


class RunActiveError(RunError):
    """Another process runs it at this moment."""


class PluginError(WorkbenchError):
    """A plugin, or the part of it that was asked for, isn't there or failed."""


class WorkerError(WorkbenchError):
    """A worker process failed or died."""


class Cancelled(WorkerError):
    """The user cancelled the call."""


class ExportError(WorkbenchError):
    """An export failed, or the exported voice does not equal its checkpoint."""


class EnvironmentProblem(WorkbenchError):
    """Something outside the program is missing: a system package, a device, disk space."""
