"""The `config.json` of a checkpoint of Piper's own: where its training run says that it was written.

Light: no weights are read.
"""

from __future__ import annotations

from pathlib import Path

from workbench.tail.chain import CHECKPOINTS, places
from workbench.tail.lightning import CONFIG, HYPERPARAMETERS, read_settings, value_of

VOICE_CONFIG = "config.json"


def find_piper_config(checkpoint: Path) -> Path | None:
    """Find the configuration that the run of a checkpoint was trained with.

    The command line of today writes it to `data.config_path`, the first Piper's preparation into its `dataset_dir`.
    Such a path is as it was typed: relative to an unknown folder, or of another machine; then a file of that name above
    the run is meant.

    Returns:
        None if the run's settings name none, or it is not there.
    """
    here = checkpoint.absolute()
    run = here.parent.parent if here.parent.name == CHECKPOINTS else here.parent
    named = _value(run / CONFIG, "config_path", "data")
    if named is not None:
        written = Path(named)
        wanted = [*places(written, run), *(folder / written.name for folder in (run, *places(Path(), run)))]
    else:
        dataset = _value(run / HYPERPARAMETERS, "dataset_dir")
        wanted = [place / VOICE_CONFIG for place in places(Path(dataset), run)] if dataset is not None else []
    return next((path for path in wanted if _is_file(path)), None)


def _value(settings: Path, key: str, section: str = "") -> str | None:
    try:
        return value_of(read_settings(settings), key, section)
    except OSError:
        return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
