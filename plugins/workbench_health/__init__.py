"""Rules that find what would stop a training run or silently spoil it."""

from __future__ import annotations

from collections.abc import Iterable

from workbench.api import HealthRuleSpec, Needs, Plugin, hookimpl
from workbench_health.kinds.recordings import AUDIO, RECORDING
from workbench_health.kinds.sound import DUPLICATE, SIGNAL
from workbench_health.kinds.texts import IDS, PHONEMES, SPEAKERS, TEXT
from workbench_health.kinds.training import DATASET, LENGTH, MEMORY
from workbench_health.limits import limits_of


class HealthPlugin(Plugin):
    """Registers the rules; their modules are imported only where a dataset is scanned."""

    requires_api = (1, 0)
    summary = "Rules for metadata, recordings, texts and phonemes"

    @hookimpl
    def workbench_register_health_rules(self) -> Iterable[HealthRuleSpec]:
        return (
            HealthRuleSpec(
                name="recording",
                target="workbench_health.recordings:RecordingRule",
                needs=frozenset({Needs.MANIFEST}),
                summary="recordings that are missing, outside the folder, or named twice",
                kinds=RECORDING,
                limits=limits_of("rows_named"),
            ),
            HealthRuleSpec(
                name="audio",
                target="workbench_health.audio:AudioRule",
                needs=frozenset({Needs.AUDIO}),
                summary="recordings that can't be decoded, are silent, clipped, or of another format or rate",
                kinds=AUDIO,
                limits=limits_of("rows_named", "quiet_peak", "clipped_samples", "bandwidth_share"),
            ),
            HealthRuleSpec(
                name="signal",
                target="workbench_health.signals:SignalRule",
                needs=frozenset({Needs.AUDIO}),
                summary="recordings with noise, hum, clicks, echo, cut speech, or unlike the speaker's others",
                kinds=SIGNAL,
                limits=limits_of(
                    "rows_named",
                    "outlier",
                    "quiet_peak",
                    "clipped_samples",
                    "offset",
                    "snr_db",
                    "snr_step_db",
                    "level_step_db",
                    "hum_db",
                    "bandwidth_share",
                    "silence_seconds",
                    "cut_db",
                    "clicks",
                    "gap_seconds",
                    "echo",
                    "echo_step",
                    "pitch_step",
                ),
            ),
            HealthRuleSpec(
                name="duplicate",
                target="workbench_health.duplicates:DuplicateRule",
                needs=frozenset({Needs.AUDIO, Needs.TEXT}),
                summary="recordings that are the same sound, and what repetitions do to the split",
                kinds=DUPLICATE,
                limits=limits_of("rows_named", "near_bits"),
            ),
            HealthRuleSpec(
                name="text",
                target="workbench_health.texts:TextRule",
                needs=frozenset({Needs.TEXT}),
                summary="texts that are empty, repeated, or read otherwise than they were said",
                kinds=TEXT,
                limits=limits_of("rows_named"),
            ),
            HealthRuleSpec(
                name="phonemes",
                target="workbench_health.phonemes:PhonemeRule",
                needs=frozenset({Needs.PHONEMES}),
                summary="texts without phonemes, and phonemes that the voice has no number for",
                kinds=PHONEMES,
                limits=limits_of("rows_named", "rare_phoneme"),
            ),
            HealthRuleSpec(
                name="ids",
                target="workbench_health.ids:IdsRule",
                needs=frozenset({Needs.PHONEMES}),
                summary="given phoneme ids without the marks of a sentence, or that no symbol has",
                kinds=IDS,
            ),
            HealthRuleSpec(
                name="speakers",
                target="workbench_health.speakers:SpeakerRule",
                needs=frozenset({Needs.AUDIO, Needs.PHONEMES}),
                summary="speakers without a name, with nearly the same name, or with too few clips",
                kinds=SPEAKERS,
            ),
            HealthRuleSpec(
                name="length",
                target="workbench_health.lengths:LengthRule",
                needs=frozenset({Needs.AUDIO, Needs.PHONEMES}),
                summary="clips too short or too long, and clips whose text does not fit their length",
                kinds=LENGTH,
                limits=limits_of("rows_named", "outlier", "pace_factor", "long_seconds", "long_factor"),
            ),
            HealthRuleSpec(
                name="memory",
                target="workbench_health.memory:MemoryRule",
                needs=frozenset({Needs.AUDIO, Needs.PHONEMES}),
                summary="clips and batches that do not fit into the GPU's memory",
                kinds=MEMORY,
                limits=limits_of("rows_named", "gpu_gb"),
            ),
            HealthRuleSpec(
                name="dataset",
                target="workbench_health.whole:DatasetRule",
                needs=frozenset({Needs.AUDIO, Needs.PHONEMES}),
                summary="too few clips to split into training and validation",
                kinds=DATASET,
            ),
        )


plugin = HealthPlugin()
