"""The plan of a start, as the worker makes it: the checkpoint, what stands around it, and the project."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from jobs.test_background import MAP, our_run
from legacy_checkpoint import legacy_payload

from core_vits.checkpoint import EXTRAS_KEY, load_checkpoint, save_atomic
from core_vits.config import PRESETS, ModelConfig
from core_vits.train.models import VoiceModels
from core_vits.train.optim import Optimization
from core_vits.train.settings import Position, TrainSettings
from core_vits.train.state import Provenance, pack
from workbench.config import load_workspace, settings_as_dict, with_overrides
from workbench.errors import CheckpointError, DatasetError
from workbench.jobs.rundir import write_json
from workbench.workers.targets import starting

TINY = PRESETS["tiny"]
FILES = ("k1.wav", "k2.wav", "k3.wav", "new.wav")


@pytest.fixture(autouse=True)
def phonemizer(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is there on every machine."""
    monkeypatch.setattr(
        starting, "_front_end", lambda _: ({"_": [0], "^": [1], "$": [2], "a": [14]}, "espeak 1.52 b ru")
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A workspace of quality tiny."""
    (tmp_path / "wavs").mkdir()
    for file in FILES:
        (tmp_path / "wavs" / file).touch()
    (tmp_path / "metadata.csv").write_text("".join(f"{file}|text\n" for file in (*FILES, "gone.wav")))
    (tmp_path / "workbench.toml").write_text('[voice]\nname = "anna"\nlanguage = "ru"\nquality = "tiny"\n')
    return tmp_path


def payload_of(config: ModelConfig, provenance: Provenance | None = None) -> dict[str, Any]:
    """An untrained checkpoint of 20 batches, of ours."""
    torch.manual_seed(1)
    models, wanted = VoiceModels(config), TrainSettings()
    made = Optimization(models.model_g.parameters(), models.judges(), wanted)
    position = Position(epoch=4, step=20)
    return pack(
        models, made, position, wanted, batches_per_epoch=5, validation={}, provenance=provenance or Provenance()
    )


def piper_of(config: ModelConfig) -> dict[str, Any]:
    payload = payload_of(config)
    del payload[EXTRAS_KEY]
    return payload


def plan(project: Path, checkpoint: Path | None, **overrides: Any) -> dict[str, Any]:
    workspace = load_workspace(project)
    if checkpoint is not None:
        overrides["start.checkpoint"] = str(checkpoint)
    settings = settings_as_dict(
        with_overrides(workspace, {name.replace("__", "."): v for name, v in overrides.items()})
    )
    settings["workspace"] = {"root": str(workspace.root), "file": str(workspace.file)}
    return starting.plan(settings)


def said(made: dict[str, Any], label: str) -> str:
    return "\n".join(fact["text"] for fact in made["facts"] if fact["label"] == label)


def test_a_run_of_ours_keeps_its_split_and_knows_its_phonemizer(project: Path) -> None:
    path = our_run(project / "runs" / "one")
    save_atomic(path, payload_of(TINY))
    made = plan(project, path)
    assert made["refusal"] == ""
    assert said(made, "split") == "that of one is kept for 3 of 4 clips (new clips: 1)"
    assert (
        said(made, "phonemizer")
        == "espeak 1.51 abc ru before, espeak 1.52 b ru now: the same text may give other phonemes"
    )
    assert said(made, "made by") == "of Voice Workbench"
    assert made["model"]["hidden_channels"] == TINY.hidden_channels
    save_atomic(path, payload_of(TINY, Provenance(phonemizer="espeak 1.52 b ru")))
    assert said(plan(project, path), "phonemizer") == "espeak 1.52 b ru, as before", "the file itself goes first"


def test_a_piper_file_says_that_its_split_is_lost_and_compares_its_phonemes(project: Path) -> None:
    path = project / "lightning_logs" / "version_0" / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    save_atomic(path, piper_of(TINY))
    alone = plan(project, path)
    assert "Piper does not store its own" in said(alone, "split")
    assert "no config.json beside it" in said(alone, "phonemizer")
    write_json(project / "config.json", {"phoneme_id_map": MAP, "piper_version": "1.5.0", "espeak": {"voice": "ru"}})
    made = plan(project, path)
    assert "(piper 1.5.0, espeak voice ru); all phonemes that both know have the same number" in said(
        made, "phonemizer"
    )
    write_json(project / "config.json", {"phoneme_id_map": {**MAP, "a": [15]}})
    moved = plan(project, path)
    assert "last.ckpt: 1 phoneme has another number in the checkpoint than in this project (a)" in moved["refusal"]
    assert plan(project, path, start__mode="warm-start")["refusal"] == ""


def test_a_legacy_file_with_pathlib_inside_is_told_as_what_it_is(project: Path) -> None:
    torch.save(legacy_payload(piper_of(TINY), epoch=426, batches=101_199, rate=1.9e-4), project / "old.ckpt")
    made = plan(project, project / "old.ckpt")
    assert said(made, "made by") == "of the first Piper (piper_train)"
    assert said(made, "done") == "427 epochs: 101 199 batches (237 an epoch), 202 398 optimizer steps"
    assert "the discriminators keep the file's betas (0.8, 0.99)" not in said(made, "note"), "there are no moments"
    assert made["plan"]["position"] == {"epoch": 427, "batch": 0, "step": 101_199, "optimizer_step": 202_398}


def test_another_quality_is_refused_in_words_with_the_name_of_the_file(project: Path) -> None:
    save_atomic(project / "tiny.ckpt", piper_of(TINY))
    made = plan(project, project / "tiny.ckpt", voice__quality="medium")
    assert "tiny.ckpt: this checkpoint is 'tiny', the project says 'medium'" in made["refusal"]
    assert not said(made, "weights"), "what would be kept is not worth reading"


def test_a_size_that_is_no_quality_is_kept_when_it_is_resumed(project: Path) -> None:
    own = replace(TINY, hidden_channels=48, use_mrd=True)
    save_atomic(project / "own.ckpt", piper_of(own))
    made = plan(project, project / "own.ckpt")
    assert made["refusal"] == ""
    assert made["model"]["hidden_channels"] == 48
    assert made["model"]["use_mrd"] is False, "what a setting speaks of, the setting decides"
    assert made["model"]["segment_size"] == 8192
    assert "[voice] says 'tiny'; the run keeps the checkpoint's own size (hidden_channels differ)" in said(
        made, "model"
    )
    warm = plan(project, project / "own.ckpt", start__mode="warm-start")
    assert warm["model"]["hidden_channels"] == TINY.hidden_channels


def test_speakers_are_those_of_the_table_and_their_embedding_is_as_wide_as_it_was(project: Path) -> None:
    several = replace(TINY, num_speakers=2, gin_channels=24)
    save_atomic(project / "ms.ckpt", payload_of(several, Provenance(speakers={"anna": 0, "boris": 1})))
    rows = [f"{file}|{who}|text\n" for file, who in zip(FILES, ("clara", "boris", "anna", "boris"), strict=True)]
    (project / "metadata.csv").write_text("".join(rows))
    made = plan(project, project / "ms.ckpt", dataset__multi_speaker=True)
    assert (made["refusal"], made["model"]["gin_channels"], made["model"]["num_speakers"]) == ("", 24, 3)
    assert said(made, "speakers") == "new: clara"
    single = plan(project, project / "ms.ckpt")
    assert "has 2 speakers, the data set has one" in single["refusal"]


def test_a_run_from_scratch_is_told_too(project: Path) -> None:
    made = plan(project, None)
    assert said(made, "model") == "'tiny', 1 speaker, 22050 Hz"
    assert made["checkpoint"] is None


def test_a_file_is_compared_with_its_checksums_once_until_it_changes(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project / "tiny.ckpt"
    save_atomic(path, piper_of(TINY))
    seen: list[bool] = []

    def watched(file: Path, *, verified: bool, **options: Any) -> dict[str, Any]:
        seen.append(verified)
        return load_checkpoint(file, verified=verified, **options)

    monkeypatch.setattr(starting, "load_checkpoint", watched)
    plan(project, path)
    plan(project, path, start__mode="vocoder")
    os.utime(path, ns=(1, 1))
    plan(project, path)
    assert seen == [False, True, False]


def test_progress_is_told_in_megabytes(project: Path) -> None:
    path = project / "tiny.ckpt"
    save_atomic(path, piper_of(TINY))
    told: list[tuple[float, float, str]] = []
    workspace = with_overrides(load_workspace(project), {"start.checkpoint": str(path)})
    settings = {**settings_as_dict(workspace), "workspace": {"root": str(project), "file": str(workspace.file)}}
    starting.plan(settings, progress=lambda *said: told.append(said))
    read = [item for item in told if "MB of tiny.ckpt read" in item[2]]
    assert read[-1][0] == read[-1][1] == round(path.stat().st_size / 1e6)


def test_what_can_not_be_read_is_one_line(project: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.ckpt: can't be read"):
        plan(project, project / "none.ckpt")
    (project / "cut.ckpt").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(CheckpointError, match="cut off"):
        plan(project, project / "cut.ckpt")
    save_atomic(project / "odd.ckpt", {"state_dict": {"encoder.weight": torch.zeros(2)}})
    with pytest.raises(CheckpointError, match=r"odd\.ckpt: not a Piper model") as caught:
        plan(project, project / "odd.ckpt")
    assert "\n" not in str(caught.value)
    (project / "metadata.csv").unlink()
    with pytest.raises(DatasetError):
        plan(project, project / "odd.ckpt")
