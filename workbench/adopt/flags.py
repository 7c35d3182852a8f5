"""Every option of Piper's training: the setting that it becomes here, or why it has no effect.

Two programs: `python -m piper.train fit` (piper1-gpl, options as `data.batch_size`) and its predecessor
`python -m piper_train` (options as `batch_size`), many of whose options are those of the first under another name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Flag:
    """One option."""

    kind: str
    """`int`, `float`, `bool`, `text`, `path`, or `any` (lists, objects: kept as they are)."""
    default: object = None
    """Piper's."""
    to: str = ""
    """The setting it becomes, `table.key`."""
    reason: str = ""
    """Why it has no effect here; empty when it has."""
    alias: str = ""
    """Of the predecessor: the option of `fit` that means the same."""


def _ignored(kind: str, default: object, reason: str) -> Flag:
    return Flag(kind, default, reason=reason)


_OWN_LOOP = "the trainer here has its own loop"
_UNUSED = "Piper does not use it either"
_NO_PARTIAL_EPOCHS = "an epoch has all clips of its part of the split"
_FIXED = "the optimizer is Piper's AdamW with its constants; a resumed checkpoint keeps its own"

_TRAINER = {
    "accelerator": Flag("text", "auto", "training.accelerator"),
    "strategy": Flag("text", "auto", "training.launcher"),
    "devices": Flag("any", "auto", "training.devices"),
    "num_nodes": _ignored("int", 1, "a training runs on one machine"),
    "precision": Flag("text", None, "training.precision"),
    "logger": _ignored("any", None, "curves and samples are always written, as TensorBoard files of the run"),
    "callbacks": Flag("any", None, "training.keep_best"),
    "fast_dev_run": _ignored("any", False, "`workbench train --max-steps 1` tries one batch"),
    "max_epochs": Flag("int", -1, "training.epochs"),
    "min_epochs": _ignored("int", None, "nothing ends a training before [training] epochs but its user"),
    "max_steps": Flag("int", -1, "training.max_steps"),
    "min_steps": _ignored("int", None, "nothing ends a training before [training] epochs but its user"),
    "max_time": _ignored("any", None, "no clock ends a training; [training] epochs or max_steps do"),
    "limit_train_batches": _ignored("any", None, _NO_PARTIAL_EPOCHS),
    "limit_val_batches": _ignored("any", None, _NO_PARTIAL_EPOCHS),
    "limit_test_batches": _ignored("any", None, "training has no test loop, nor has Piper's fit"),
    "limit_predict_batches": _ignored("any", None, "training has no predict loop, nor has Piper's fit"),
    "overfit_batches": _ignored("any", 0.0, _NO_PARTIAL_EPOCHS),
    "val_check_interval": _ignored("any", None, "validation is at the end of an epoch, see validate_every_epochs"),
    "check_val_every_n_epoch": Flag("int", 1, "training.validate_every_epochs"),
    "num_sanity_val_steps": _ignored("int", None, "`workbench health` looks at the clips before training"),
    "log_every_n_steps": Flag("int", None, "training.log_every_steps"),
    "enable_checkpointing": _ignored("any", None, "checkpoints are always written"),
    "enable_progress_bar": _ignored("any", None, "the workbench shows the progress"),
    "enable_model_summary": _ignored("any", None, "the workbench shows what is trained"),
    "accumulate_grad_batches": _ignored("any", 1, "gradients are not gathered over batches; see batch_size"),
    "gradient_clip_val": _ignored("any", None, "gradients are not clipped"),
    "gradient_clip_algorithm": _ignored("any", None, "gradients are not clipped"),
    "deterministic": _ignored("any", None, _OWN_LOOP),
    "benchmark": _ignored("any", None, _OWN_LOOP),
    "inference_mode": _ignored("any", True, _OWN_LOOP),
    "use_distributed_sampler": _ignored(
        "any", True, "the split and the batches of each process are planned and stored"
    ),
    "profiler": _ignored("any", None, _OWN_LOOP),
    "detect_anomaly": _ignored("any", False, _OWN_LOOP),
    "barebones": _ignored("any", False, _OWN_LOOP),
    "plugins": _ignored("any", None, "Lightning's plugins are not used; the workbench has its own"),
    "sync_batchnorm": _ignored("any", False, "the model has no batch norm"),
    "reload_dataloaders_every_n_epochs": _ignored("int", 0, _OWN_LOOP),
    "default_root_dir": Flag("path", None, "paths.piper_runs"),
    "enable_autolog_hparams": _ignored("any", True, "settings are always stored with a run"),
    "model_registry": _ignored("any", None, "there is no model registry"),
}

ARCHITECTURE: Mapping[str, object] = MappingProxyType(
    {
        "resblock": "2",
        "resblock_kernel_sizes": (3, 5, 7),
        "resblock_dilation_sizes": ((1, 2), (2, 6), (3, 12)),
        "upsample_rates": (8, 8, 4),
        "upsample_initial_channel": 256,
        "upsample_kernel_sizes": (16, 16, 8),
        "filter_length": 1024,
        "hop_length": 256,
        "win_length": 1024,
        "mel_channels": 80,
        "mel_fmin": 0.0,
        "mel_fmax": None,
        "inter_channels": 192,
        "hidden_channels": 192,
        "filter_channels": 768,
        "n_heads": 2,
        "n_layers": 6,
        "kernel_size": 3,
        "p_dropout": 0.1,
        "use_spectral_norm": False,
        "gin_channels": 0,
        "use_sdp": True,
    }
)
"""Options of `model.` that together are a quality, with Piper's defaults."""

_MODEL = {
    "sample_rate": Flag("int", 22_050, "audio.sample_rate"),
    "num_speakers": Flag("int", 1, "dataset.multi_speaker"),
    **{name: Flag("any", default, "voice.quality") for name, default in ARCHITECTURE.items()},
    "n_layers_q": _ignored("any", 3, _UNUSED),
    "segment_size": Flag("int", 8192, "training.segment_size"),
    "use_mrd": Flag("bool", False, "training.multi_resolution_discriminator"),
    "learning_rate": Flag("float", 2e-4, "training.learning_rate"),
    "learning_rate_d": Flag("float", 1e-4, "training.learning_rate_d"),
    "betas": _ignored("any", (0.8, 0.99), _FIXED),
    "betas_d": _ignored("any", (0.5, 0.9), _FIXED),
    "eps": _ignored("float", 1e-9, _FIXED),
    "lr_decay": Flag("float", 0.999875, "training.lr_decay"),
    "lr_decay_d": Flag("float", 0.9999, "training.lr_decay_d"),
    "init_lr_ratio": _ignored("any", 1.0, _UNUSED),
    "warmup_epochs": _ignored("any", 0, _UNUSED),
    "c_mel": Flag("float", 45.0, "training.mel_weight"),
    "c_kl": Flag("float", 1.0, "training.kl_weight"),
    "grad_clip": _ignored("any", None, _UNUSED),
    "vocoder_warmstart_ckpt": Flag("path", None, "start.checkpoint"),
    "warmstart_ckpt": Flag("path", None, "start.checkpoint"),
    "mos_metric": _ignored("text", "utmos", "no listening score is computed, and no model is fetched for one"),
    "dataset": _ignored("any", None, _UNUSED),
}

_DATA = {
    "csv_path": Flag("path", None, "dataset.metadata"),
    "cache_dir": Flag("path", None, "paths.cache"),
    "espeak_voice": Flag("text", None, "voice.language"),
    "config_path": _ignored("path", None, "a voice gets its config when it is exported; this file was only read"),
    "voice_name": Flag("text", None, "voice.name"),
    "audio_dir": Flag("path", None, "dataset.audio"),
    "alignments_dir": _ignored("path", None, _UNUSED),
    "num_symbols": Flag("int", 256, "voice.quality"),
    "batch_size": Flag("int", 32, "training.batch_size"),
    "validation_split": Flag("float", 0.1, "training.validation_split"),
    "num_test_examples": Flag("int", 5, "training.test_clips"),
    "num_workers": Flag("int", 1, "training.num_workers"),
    "trim_silence": Flag("bool", True, "audio.trim_silence"),
    "keep_seconds_before_silence": Flag("float", 0.25, "audio.keep_seconds_before"),
    "keep_seconds_after_silence": Flag("float", 0.25, "audio.keep_seconds_after"),
    "phoneme_type": Flag("text", None, "text.phonemizer"),
    "dataset_type": Flag("text", "text", "dataset.type"),
    "phonemes_path": Flag("path", None, "text.phoneme_map"),
    "vowel_clusters": Flag("any", None, "text.vowel_clusters"),
}

FIT_FLAGS: Mapping[str, Flag] = MappingProxyType(
    {
        "seed_everything": Flag("any", True, "training.seed"),
        **{f"trainer.{name}": flag for name, flag in _TRAINER.items()},
        **{f"model.{name}": flag for name, flag in _MODEL.items()},
        **{f"data.{name}": flag for name, flag in _DATA.items()},
        "optimizer": _ignored("any", None, _FIXED),
        "lr_scheduler": _ignored("any", None, "the learning rates fall by lr_decay and lr_decay_d after each epoch"),
        "ckpt_path": Flag("path", None, "start.checkpoint"),
        "weights_only": _ignored("any", None, "no code in a checkpoint is ever run"),
    }
)
"""Options of `piper.train fit`, as in the config.yaml that it writes."""
