"""Twenty steps after a resume: Piper's own trainer and ours, from one checkpoint, on the same batches and noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from core_vits.architecture import architecture_from_state_dict
from core_vits.checkpoint import load_checkpoint
from core_vits.dataset import Batch
from core_vits.train.callbacks import Callback, Progress, StepRecord
from core_vits.train.loop import Trainer
from core_vits.train.settings import TrainSettings

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]

STEPS = 20
SEED = 20_260_112  # as in drive_piper.py
NAMES = {"mel": "mel", "kl": "kl", "dur": "duration", "fm": "feature", "gen": "generator", "disc": "discriminator",
         "loss_g": "loss_g", "loss_d": "loss_d", "mrd_gen": "mrd_generator", "mrd_fm": "mrd_feature",
         "mrd_disc": "mrd_discriminator"}  # fmt: skip


@pytest.fixture(params=["minid", "minid_ms", "minid_mrd"], scope="module")
def recorded(
    request: pytest.FixtureRequest, drive_piper: Any, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, NDArray[Any]]]:
    """Checkpoint, and what Piper did from there."""
    checkpoint = shared / f"fixtures/run_{request.param}/last.ckpt"
    folder = tmp_path_factory.mktemp(request.param)
    speakers = 2 if request.param == "minid_ms" else 1
    rows = (shared / "fixtures/dataset/metadata.csv").read_text(encoding="utf-8").splitlines()
    if speakers == 2:
        rows = [row.replace("|", f"|spk{number % 2}|", 1) for number, row in enumerate(rows)]
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    options = {
        "data.csv_path": folder / "metadata.csv",
        "data.audio_dir": shared / "fixtures/dataset/wavs",
        "data.cache_dir": folder / "cache",
        "data.config_path": folder / "config.json",
        "data.voice_name": "probe",
        "data.espeak_voice": "ru",
        "data.batch_size": 2,
        "data.validation_split": 0,
        "data.num_test_examples": 0,
        "model.num_speakers": speakers,
        "trainer.accelerator": "cpu",
        "trainer.max_epochs": 1 + int(load_checkpoint(checkpoint)["epoch"]) + 1,
        "trainer.logger": "false",
        "trainer.enable_progress_bar": "false",
        "trainer.enable_model_summary": "false",
    }
    drive_piper("record", checkpoint, folder / "steps.npz", STEPS, narrow=16, options=options, cwd=folder)
    with np.load(folder / "steps.npz") as archive:
        return checkpoint, {name: archive[name] for name in archive.files}


class Replay:
    """The recorded batches as training data; before each one the noise begins anew, as it did over there."""

    batches_per_epoch = STEPS
    validation_batches = 0

    def __init__(self, arrays: Mapping[str, NDArray[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
        self._arrays = arrays
        self._noise = torch.Generator()
        randn, rand = torch.randn, torch.rand
        monkeypatch.setattr(torch, "randn", lambda *size, **_: randn(*size, generator=self._noise))
        monkeypatch.setattr(torch, "rand", lambda *size, **_: rand(*size, generator=self._noise))
        monkeypatch.setattr(torch, "randn_like", lambda like, **_: randn(like.shape, generator=self._noise))

    def train(self, _epoch: int, start_batch: int) -> Iterator[Batch]:
        for number in range(start_batch, STEPS):
            self._noise.manual_seed(SEED + number)
            part = {name: self._tensor(f"batch{number}_{name}") for name in (
                "phoneme_ids", "phoneme_lengths", "spectrograms", "spectrogram_lengths", "audios", "audio_lengths"
            )}  # fmt: skip
            speakers = f"batch{number}_speaker_ids"
            yield Batch(*part.values(), self._tensor(speakers) if speakers in self._arrays else None, ("a", "b"))

    def _tensor(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self._arrays[name])

    def largest(self, _epoch: int) -> list[Batch]:
        return []

    def validation(self) -> Iterator[Batch]:
        return iter(())

    def sentences(self) -> list[Any]:
        return []


class Notes(Callback):
    """What the trainer said after each step."""

    def __init__(self) -> None:
        self.losses: list[Mapping[str, float]] = []
        self.rates: list[Mapping[str, float]] = []
        self.begin: tuple[int, int] = (0, 0)

    def on_run_start(self, progress: Progress, resumed_from: Path | None) -> None:
        assert resumed_from is not None
        self.begin = progress.position.epoch, progress.position.optimizer_step

    def on_step_end(self, progress: Progress, record: StepRecord) -> None:
        assert record.metrics is not None
        self.losses.append(record.metrics)
        self.rates.append(progress.learning_rates)


def test_twenty_resumed_steps_are_those_of_piper(
    recorded: tuple[Path, dict[str, NDArray[Any]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, arrays = recorded
    payload = load_checkpoint(checkpoint)
    config = architecture_from_state_dict(payload["state_dict"], payload["hyper_parameters"])
    settings = TrainSettings(
        epochs=int(payload["epoch"]) + 2, batch_size=2, log_every_steps=1, accelerator="cpu", lr_decay=0.5
    )
    notes = Notes()
    trainer = Trainer(settings, config, Replay(arrays, monkeypatch), tmp_path / "checkpoints", callbacks=[notes])
    trainer.models.eval()  # no dropout, as over there
    # The loop would switch it on again.
    monkeypatch.setattr(type(trainer.models), "train", lambda self, _mode=True: self)
    trainer.fit(checkpoint)

    assert notes.begin == tuple(arrays["begin"].tolist())
    assert int(arrays["steps"]) == len(notes.losses) == STEPS
    worst = {}
    for name, ours in NAMES.items():
        if f"step0_{name}" not in arrays:
            continue
        theirs = np.array([arrays[f"step{number}_{name}"] for number in range(STEPS)], np.float64)
        mine = np.array([losses[ours] for losses in notes.losses])
        worst[name] = float(np.abs(mine / theirs - 1).max())
    assert len(worst) >= 8
    assert max(worst.values()) < 1e-5, worst  # measured: 2e-6 at most
    for number, rates in enumerate(notes.rates):
        assert [rates["g"], rates["d"]] == arrays[f"step{number}_rates"].tolist()

    state = trainer.models.state_dict()
    assert [*state] == arrays["names"].tolist()
    ours = np.array([[float(value.double().sum()), float(value.double().norm())] for value in state.values()])
    # Keys' biases have no gradient but rounding, which Adam makes as large as any other.
    counted = np.array([not name.endswith("conv_k.bias") for name in state])
    difference = np.abs(ours - arrays["weights"]).max(1) / np.maximum(arrays["weights"][:, 1], 1e-3)
    assert difference[counted].max() < 1e-3
