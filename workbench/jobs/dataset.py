"""What the settings of a workspace say about its dataset, read: the table of recordings and the user's phoneme map.

Light: nothing is decoded and nothing phonemized.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core_vits.manifest import Manifest, ManifestError, Row, read_metadata
from core_vits.phoneme_map import Clusters, PhonemeMap, PhonemeMapError, read_phoneme_map
from workbench.config import Workspace
from workbench.config.settings import PHONEME_IDS
from workbench.errors import ConfigError
from workbench.jobs.curation import curated, read_curation


def read_table(workspace: Workspace) -> Manifest:
    """The table of recordings and texts as it is trained: without the excluded rows, with the corrected texts.

    Raises:
        ManifestError: it can't be read.
    """
    return curated(read_table_as_written(workspace), read_curation(workspace.curation))


def read_table_as_written(workspace: Workspace) -> Manifest:
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


def rows_of(manifest: Manifest, file: str) -> list[Row]:
    """The rows of a recording: by the name that the table gives it, or by that and a suffix."""
    exact = [row for row in manifest.rows if row.file == file]
    return exact or [
        row for row in manifest.rows if file.startswith(row.file + ".") and "/" not in file[len(row.file) :]
    ]


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


def vowel_clusters(workspace: Workspace, id_map: Mapping[str, Sequence[int]], phoneme_type: str) -> Clusters:
    """The clusters that `[text] vowel_clusters` names, checked against what they must fit.

    Args:
        workspace: names them.
        id_map: must have an id for each.
        phoneme_type: of the phonemizer.

    Raises:
        ConfigError: the map has no id for one, or the phonemes are not of a kind that Piper's runtime merges.
    """
    clusters = Clusters(workspace.text.vowel_clusters)
    if absent := clusters.without_id(id_map):
        where = workspace.text.phoneme_map or "the phonemizer's map"
        raise ConfigError(
            f"[text] vowel_clusters: {where} has no id for '{absent[0]}'; give it one in [text] phoneme_map, or delete "
            "the cluster"
        )
    if clusters.all and phoneme_type != "espeak":
        raise ConfigError(
            f"[text] vowel_clusters: Piper's runtime merges eSpeak's phonemes only, not those of type "
            f"'{phoneme_type}'; delete the clusters"
        )
    return clusters
