"""Options of Piper's first trainer, `python -m piper_train`, and of its `piper_train.preprocess`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from workbench.adopt.flags import ARCHITECTURE, FIT_FLAGS, Flag

_LIGHTNING_OLD = "an option of old Lightning versions that the trainer here does not have"


def _same(name: str) -> Flag:
    return Flag(FIT_FLAGS[name].kind, alias=name)


def _ignored(reason: str) -> Flag:
    return Flag("any", reason=reason)


_TRAINER_OPTIONS = (
    "accelerator", "strategy", "devices", "num_nodes", "precision", "logger", "callbacks", "fast_dev_run", "max_epochs",
    "min_epochs", "max_steps", "min_steps", "max_time", "limit_train_batches", "limit_val_batches",
    "limit_test_batches", "limit_predict_batches", "overfit_batches", "val_check_interval", "check_val_every_n_epoch",
    "num_sanity_val_steps", "log_every_n_steps", "enable_checkpointing", "enable_progress_bar", "enable_model_summary",
    "accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm", "deterministic", "benchmark",
    "inference_mode", "profiler", "detect_anomaly", "plugins", "sync_batchnorm", "reload_dataloaders_every_n_epochs",
    "default_root_dir",
)  # fmt: skip
_MODEL_OPTIONS = (
    "learning_rate", "learning_rate_d", "betas", "betas_d", "eps", "lr_decay", "lr_decay_d", "init_lr_ratio",
    "warmup_epochs", "c_mel", "c_kl", "grad_clip", "segment_size", "sample_rate", "num_speakers", "n_layers_q",
)  # fmt: skip
_DATA_OPTIONS = ("batch_size", "validation_split", "num_test_examples", "num_workers", "num_symbols")
_OLD_LIGHTNING = (
    "checkpoint_callback", "num_processes", "auto_select_gpus", "tpu_cores", "ipus", "track_grad_norm",
    "weights_save_path", "auto_lr_find", "auto_scale_batch_size", "amp_backend", "amp_level", "move_metrics_to_cpu",
    "multiple_trainloader_mode", "enable_graph", "process_position", "progress_bar_refresh_rate",
    "prepare_data_per_node", "terminate_on_nan", "weights_summary", "stochastic_weight_avg",
)  # fmt: skip

LEGACY_FLAGS: Mapping[str, Flag] = MappingProxyType(
    {
        "dataset_dir": Flag("path", to="dataset.metadata"),
        "checkpoint_epochs": Flag("int", to="training.checkpoint_every_epochs"),
        "quality": Flag("text", "medium", "voice.quality"),
        "resume_from_checkpoint": _same("ckpt_path"),
        "resume_from_single_speaker_checkpoint": Flag("path", to="start.checkpoint"),
        "max_phoneme_ids": _ignored("no row is left out for its length; `workbench health` names long ones"),
        "seed": _same("seed_everything"),
        "save_top_k": _ignored("[training] keep_best and keep_last say how many checkpoints are kept"),
        "gpus": _same("trainer.devices"),
        "replace_sampler_ddp": _same("trainer.use_distributed_sampler"),
        **{name: _same(f"trainer.{name}") for name in _TRAINER_OPTIONS},
        **{name: _same(f"model.{name}") for name in (*_MODEL_OPTIONS, *ARCHITECTURE)},
        **{name: _same(f"data.{name}") for name in _DATA_OPTIONS},
        **{name: _ignored(_LIGHTNING_OLD) for name in _OLD_LIGHTNING},
        # What a checkpoint's hparams.yaml holds besides.
        "dataset": _ignored("the list of clips is made from the metadata when a training starts"),
        "sample_bytes": _ignored("recordings of any width are read"),
        "channels": _ignored("recordings of any number of channels are read"),
    }
)
"""Options of `piper_train`; dashes are written as underscores."""

LEGACY_DEFAULTS: Mapping[str, object] = MappingProxyType({"model.learning_rate_d": 2e-4, "trainer.max_epochs": 1000})
"""Where the predecessor's default is another than that of `fit`."""

PREPROCESS_FLAGS: Mapping[str, Flag] = MappingProxyType(
    {
        "language": Flag("text", to="voice.language"),
        "input_dir": Flag("path", to="dataset.audio"),
        "output_dir": Flag("path"),
        "dataset_format": Flag("text"),
        "single_speaker": Flag("bool", False, "dataset.multi_speaker"),
        "speaker_id": Flag("text"),
        "sample_rate": Flag("int", to="audio.sample_rate"),
        "phoneme_type": Flag("text", to="text.phonemizer"),
        "text_casing": Flag("text"),
        "dataset_name": Flag("text", to="voice.name"),
        "audio_quality": Flag("text"),
        "cache_dir": Flag("path"),
        "max_workers": Flag("any"),
        "skip_audio": Flag("bool"),
        "debug": Flag("bool"),
    }
)
"""Options of `piper_train.preprocess`: where the table and the recordings of a `--dataset-dir` come from."""
