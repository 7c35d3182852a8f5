"""The table of options is complete, and every entry says what becomes of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from core_vits.config import ModelConfig, piper_hyperparameters
from workbench.adopt.documents import read_yaml
from workbench.adopt.flags import ARCHITECTURE, FIT_FLAGS
from workbench.adopt.legacy_flags import LEGACY_DEFAULTS, LEGACY_FLAGS
from workbench.adopt.mapper import same
from workbench.config import TABLES

SETTINGS = {f"{table}.{item.name}" for table, cls in TABLES.items() for item in dataclasses.fields(cls)}
# Have no default in Piper: the file of defaults was written by a run that gave them.
REQUIRED = {
    "data.csv_path",
    "data.cache_dir",
    "data.espeak_voice",
    "data.config_path",
    "data.voice_name",
    "data.audio_dir",
}
# Every option that `piper.train fit` writes into its config.yaml, by group.
NAMES = """
seed_everything optimizer lr_scheduler ckpt_path weights_only
trainer: accelerator strategy devices num_nodes precision logger callbacks fast_dev_run max_epochs min_epochs max_steps
 min_steps max_time limit_train_batches limit_val_batches limit_test_batches limit_predict_batches overfit_batches
 val_check_interval check_val_every_n_epoch num_sanity_val_steps log_every_n_steps enable_checkpointing
 enable_progress_bar enable_model_summary accumulate_grad_batches gradient_clip_val gradient_clip_algorithm
 deterministic benchmark inference_mode use_distributed_sampler profiler detect_anomaly barebones plugins
 sync_batchnorm reload_dataloaders_every_n_epochs default_root_dir enable_autolog_hparams model_registry
model: sample_rate num_speakers resblock resblock_kernel_sizes resblock_dilation_sizes upsample_rates
 upsample_initial_channel upsample_kernel_sizes filter_length hop_length win_length mel_channels mel_fmin mel_fmax
 inter_channels hidden_channels filter_channels n_heads n_layers kernel_size p_dropout n_layers_q use_spectral_norm
 gin_channels use_sdp segment_size use_mrd learning_rate learning_rate_d betas betas_d eps lr_decay lr_decay_d
 init_lr_ratio warmup_epochs c_mel c_kl grad_clip vocoder_warmstart_ckpt warmstart_ckpt mos_metric dataset
data: csv_path cache_dir espeak_voice config_path voice_name audio_dir alignments_dir num_symbols batch_size
 validation_split num_test_examples num_workers trim_silence keep_seconds_before_silence keep_seconds_after_silence
 phoneme_type dataset_type phonemes_path vowel_clusters
"""


def flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def known_names() -> set[str]:
    found, prefix = set(), ""
    for word in NAMES.split():
        if word.endswith(":"):
            prefix = f"{word[:-1]}."
        else:
            found.add(prefix + word)
    return found


def test_every_option_of_piper_is_in_the_table() -> None:
    assert set(FIT_FLAGS) == known_names()


def test_every_option_that_piper_writes_down_is_in_the_table_with_its_default(shared: Path) -> None:
    written = dict(flat(read_yaml(shared / "facts" / "piper_fit_defaults.yaml")))
    assert set(written) == set(FIT_FLAGS)
    wrong = [
        name
        for name, value in written.items()
        if name not in REQUIRED and not same(FIT_FLAGS[name].default, value)
    ]  # fmt: skip
    assert wrong == []


@pytest.mark.parametrize("name", FIT_FLAGS)
def test_every_option_becomes_a_setting_or_has_a_reason(name: str) -> None:
    flag = FIT_FLAGS[name]
    assert bool(flag.to) != bool(flag.reason)
    assert not flag.to or flag.to in SETTINGS


def test_every_option_of_the_predecessor_becomes_a_setting_or_has_a_reason() -> None:
    for name, flag in LEGACY_FLAGS.items():
        assert [bool(flag.to), bool(flag.reason), bool(flag.alias)].count(True) == 1, name
        assert not flag.alias or flag.alias in FIT_FLAGS, name
        assert not flag.to or flag.to in SETTINGS, name
    assert set(LEGACY_DEFAULTS) <= set(FIT_FLAGS)
    for name in (
        "dataset_dir", "quality", "checkpoint_epochs", "max_phoneme_ids", "resume_from_checkpoint", "batch_size",
        "resume_from_single_speaker_checkpoint", "validation_split", "num_test_examples", "max_epochs", "precision",
        "devices", "accelerator", "strategy", "seed", "gpus", "hidden_channels", "default_root_dir",
    ):  # fmt: skip
        assert name in LEGACY_FLAGS


def test_the_architecture_of_the_table_is_the_medium_quality() -> None:
    medium = piper_hyperparameters(ModelConfig())
    assert {name for name, value in ARCHITECTURE.items() if not same(value, medium[name])} == set()


def test_the_manual_lists_every_option_that_becomes_a_setting(repo: Path) -> None:
    page = (repo / "workbench" / "help" / "piper.md").read_text(encoding="utf-8")
    for name, flag in [*FIT_FLAGS.items(), *((name, flag) for name, flag in LEGACY_FLAGS.items() if not flag.alias)]:
        if flag.to and flag.to != "voice.quality":
            assert f"`{name}`" in page or f"`{name.replace('_', '-')}`" in page, name
