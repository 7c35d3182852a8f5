"""Rules that find what would stop a training run or silently spoil it."""

from __future__ import annotations

from collections.abc import Iterable

from workbench.api import HealthRuleSpec, Needs, Plugin, hookimpl


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
            ),
            HealthRuleSpec(
                name="audio",
                target="workbench_health.audio:AudioRule",
                needs=frozenset({Needs.AUDIO, Needs.SAMPLES}),
                summary="recordings that can't be decoded, are silent, clipped, or at another rate",
            ),
            HealthRuleSpec(
                name="text",
                target="workbench_health.texts:TextRule",
                needs=frozenset({Needs.TEXT}),
                summary="texts that are empty, repeated, or hold characters that are read wrongly",
            ),
            HealthRuleSpec(
                name="phonemes",
                target="workbench_health.phonemes:PhonemeRule",
                needs=frozenset({Needs.PHONEMES}),
                summary="texts without phonemes, and phonemes that the voice has no number for",
            ),
            HealthRuleSpec(
                name="ids",
                target="workbench_health.ids:IdsRule",
                needs=frozenset({Needs.PHONEMES}),
                summary="given phoneme ids without the marks of a sentence, or that no symbol has",
            ),
            HealthRuleSpec(
                name="speakers",
                target="workbench_health.speakers:SpeakerRule",
                needs=frozenset({Needs.AUDIO, Needs.PHONEMES}),
                summary="speakers without a name, with nearly the same name, or with too few clips",
            ),
            HealthRuleSpec(
                name="length",
                target="workbench_health.lengths:LengthRule",
                needs=frozenset({Needs.AUDIO, Needs.PHONEMES}),
                summary="clips too short for their text or for a segment, and clips much longer than the others",
            ),
            HealthRuleSpec(
                name="dataset",
                target="workbench_health.whole:DatasetRule",
                needs=frozenset({Needs.AUDIO, Needs.PHONEMES}),
                summary="too few clips to split into training and validation",
            ),
        )


plugin = HealthPlugin()
