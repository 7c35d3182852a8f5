"""What the settings of a workspace say about its dataset, read: the table of recordings and the user's phoneme map.

Light: nothing is decoded and nothing phonemized.
"""

from __future__ import annotations

from core_vits.manifest import Manifest, ManifestError, read_metadata
from core_vits.phoneme_map import PhonemeMap, PhonemeMapError, read_phoneme_map
from workbench.config import Workspace
from workbench.config.settings import PHONEME_IDS
from workbench.errors import ConfigError


def read_table(workspace: Workspace) -> Manifest:
    """The table of recordings and texts.

    Raises:
        ManifestError: it can't be read.
    """
    dataset = workspace.dataset
    return read_metadata(
        workspace.metadata,
        delimiter=dataset.delimiter,
        quoting=dataset.quoting,
        multi_speaker=dataset.multi_speaker,
        phoneme_ids=dataset.type == PHONEME_IDS,
        name=dataset.metadata,
    )


def texts(workspace: Workspace) -> list[str]:
    """Texts of the table that are not empty; none where it can't be read."""
    try:
        return [row.text for row in read_table(workspace).rows if row.text.strip()]
    except ManifestError:
        return []


def own_phoneme_map(workspace: Workspace) -> PhonemeMap | None:
    """The map that `[text] phoneme_map` names; None when it names none.

    Raises:
        ConfigError: it is none.
    """
    if workspace.phoneme_map is None:
        return None
    try:
        return read_phoneme_map(workspace.phoneme_map, name=workspace.text.phoneme_map)
    except PhonemeMapError as error:
        raise ConfigError(str(error)) from None
