"""The training loop on a very small voice: stopping, resuming, saving, diverging."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from training_parts import CONFIG, MadeUpData, Notes, StopAt, settings

from core_vits.checkpoint import EXTRAS_KEY, architecture_from_state_dict, load_checkpoint, save_atomic
from core_vits.config import PRESETS, ModelConfig
from core_vits.errors import CheckpointFileError
from core_vits.scores import Score
from core_vits.synthesizer import Synthesizer
from core_vits.train import keeper as keeper_module
from core_vits.train import loop
from core_vits.train.callbacks import Callback
from core_vits.train.distributed import compute_threads, make_fabric
from core_vits.train.errors import TrainingError
from core_vits.train.loop import Trainer
from core_vits.train.settings import Position


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread, and a stop request is seen at once."""
    torch.set_num_threads(1)
    monkeypatch.setattr(loop, "STOP_LOOK_SECONDS", 0.0)


def run(
    folder: Path,
    *extra: Callback,
    data: MadeUpData | None = None,
    stop: StopAt | None = None,
    config: ModelConfig = CONFIG,
    begin_with: Path | None = None,
    **changes: object,
) -> tuple[Trainer, Notes, str]:
    """Train to the end, or to the stop; returns the trainer, what it said, and how it ended."""
    notes = Notes()
    callbacks = [notes, *extra, *([stop] if stop else [])]
    trainer = Trainer(
        settings(**changes),
        config,
        data or MadeUpData(),
        folder,
        callbacks=callbacks,
        stop=stop.asked if stop else lambda: False,
    )
    return trainer, notes, trainer.fit(begin_with)


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in trainer.models.state_dict().items()}


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    different = [key for key in one if not torch.equal(one[key], other[key])]
    assert different == []


@dataclass(frozen=True)
class Whole:
    """A run of two epochs of four batches that nothing interrupted."""

    folder: Path
    losses: list[tuple[int, float, float]]
    weights: dict[str, torch.Tensor]
    rates: dict[str, float]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("whole")
    trainer, notes, outcome = run(folder)
    assert outcome == "completed"
    return Whole(folder, notes.losses, weights(trainer), trainer.optimization.learning_rates())


class TestResume:
    @pytest.mark.parametrize("stop_at", [None, 8])
    def test_a_stopped_and_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(
        self, tmp_path: Path, whole: Whole, stop_at: int | None
    ) -> None:
        step = stop_at or random.randint(5, 7)  # 8 is the end of the last epoch; anywhere inside it must do as well
        first, before, outcome = run(tmp_path, stop=StopAt(step))
        assert (outcome, first.position.step) == ("stopped", step)
        second, after, outcome = run(tmp_path)
        assert outcome == "completed"
        assert before.losses + after.losses == whole.losses, f"stopped at step {step}"
        assert_same(whole.weights, weights(second))
        assert second.optimization.learning_rates() == whole.rates

    def test_a_run_may_be_stopped_after_every_single_step(self, tmp_path: Path, whole: Whole) -> None:
        losses = []
        for step in range(1, 5):
            _, part, outcome = run(tmp_path, stop=StopAt(step), epochs=1)
            assert outcome == "stopped"
            losses += part.losses
        trainer, part, outcome = run(tmp_path, epochs=1)
        assert outcome == "completed"
        assert losses + part.losses == whole.losses[:4]
        assert_same(load_checkpoint(whole.folder / "epoch=0-step=8.ckpt")["state_dict"], weights(trainer))

    def test_a_resumed_run_goes_on_with_the_very_next_batch(self, tmp_path: Path) -> None:
        run(tmp_path, stop=StopAt(2))
        data = MadeUpData()
        run(tmp_path, data=data, stop=StopAt(3))
        assert data.served[0] == (0, 2)

    def test_a_stop_request_from_before_the_first_step_trains_and_saves_nothing(self, tmp_path: Path) -> None:
        trainer, notes, outcome = run(tmp_path, stop=StopAt(0).reached())
        assert (outcome, trainer.position.step, notes.saved) == ("stopped", 0, [])

    def test_a_new_run_that_goes_on_from_the_middle_of_an_epoch_ends_with_the_same_weights_too(
        self, tmp_path: Path, whole: Whole
    ) -> None:
        first, before, _ = run(tmp_path / "one", stop=StopAt(6))
        second, after, outcome = run(tmp_path / "two", begin_with=tmp_path / "one" / "epoch=1-step=12.ckpt")
        assert (outcome, first.position) == ("completed", Position(epoch=1, batch=2, step=6))
        assert before.losses + after.losses == whole.losses
        assert_same(whole.weights, weights(second))

    def test_resuming_passes_over_a_damaged_newest_checkpoint_and_says_so(self, tmp_path: Path, whole: Whole) -> None:
        good = tmp_path / "epoch=0-step=8.ckpt"
        good.write_bytes((whole.folder / good.name).read_bytes())
        (tmp_path / "epoch=1-step=16.ckpt").write_bytes((whole.folder / "epoch=1-step=16.ckpt").read_bytes()[:1000])
        trainer, notes, _ = run(tmp_path, stop=StopAt(5))
        assert notes.resumed_from == good
        assert "cut off" in notes.problems[0]
        assert trainer.position == Position(epoch=1, batch=1, step=5)

    def test_epochs_of_another_length_begin_anew(self, tmp_path: Path) -> None:
        run(tmp_path, stop=StopAt(2))
        data = MadeUpData(batches=3)
        run(tmp_path, data=data, stop=StopAt(3))
        assert data.served[0] == (0, 0)

    def test_a_checkpoint_of_another_model_is_refused_with_the_difference(self, tmp_path: Path, whole: Whole) -> None:
        wider = replace(CONFIG, hidden_channels=16)
        with pytest.raises(CheckpointFileError, match="hidden_channels 8 instead of 16"):
            run(tmp_path, config=wider, begin_with=whole.folder / "epoch=0-step=8.ckpt")

    def test_a_model_of_another_kind_is_refused_by_one_sentence_about_its_tensors(self, tmp_path: Path) -> None:
        save_atomic(tmp_path / "a.ckpt", {"state_dict": {"encoder.weight": torch.zeros(2)}})
        with pytest.raises(CheckpointFileError, match="not a Piper model") as caught:
            run(tmp_path / "run", data=MadeUpData(batches=1), begin_with=tmp_path / "a.ckpt")
        assert str(caught.value).count("missing") == 1

    @pytest.mark.parametrize("name", ["run_minid", "run_minid_mrd"])
    def test_training_goes_on_from_a_checkpoint_of_piper(self, shared: Path, tmp_path: Path, name: str) -> None:
        path = shared / "fixtures" / name / "last.ckpt"
        payload = load_checkpoint(path)
        config = architecture_from_state_dict(payload["state_dict"], payload["hyper_parameters"])
        epoch = int(payload["epoch"])
        data = MadeUpData(batches=1)
        trainer, notes, outcome = run(
            tmp_path, data=data, config=config, begin_with=path, epochs=epoch + 2, learning_rate=1e-3
        )
        assert outcome == "completed"
        assert data.served == [(epoch + 1, 0)]
        assert trainer.position.optimizer_step == int(payload["global_step"]) + 2
        moments = trainer.optimization.generator.state_dict()["state"][0]
        assert float(moments["step"]) == payload["global_step"] // 2 + 1
        # The rate is the file's, not the setting's, and it decays from there.
        assert trainer.optimization.learning_rates()["g"] == pytest.approx(2e-4 * 0.999875)
        assert notes.losses[0][1] < 500

    def test_a_file_without_discriminators_gives_its_generator(self, tmp_path: Path, whole: Whole) -> None:
        payload = load_checkpoint(whole.folder / "epoch=1-step=16.ckpt")
        payload["state_dict"] = {k: v for k, v in payload["state_dict"].items() if k.startswith("model_g.")}
        torch.save(payload, tmp_path / "generator.ckpt")
        second = Trainer(settings(epochs=3), CONFIG, MadeUpData(), tmp_path / "b", callbacks=[notes := Notes()])
        second._resume(tmp_path / "generator.ckpt")
        generator = {key: value for key, value in weights(second).items() if key.startswith("model_g.")}
        assert_same(generator, whole.weights)
        assert "no discriminators" in notes.problems[0]


class TestLearningRates:
    def test_the_rates_really_decay_after_each_epoch(self, tmp_path: Path) -> None:
        trainer, _, _ = run(tmp_path, data=MadeUpData(batches=1), epochs=3, lr_decay=0.5, lr_decay_d=0.25)
        assert trainer.optimization.learning_rates() == pytest.approx({"g": 2e-4 / 8, "d": 1e-4 / 64})
        payload = load_checkpoint(tmp_path / "epoch=2-step=6.ckpt")
        assert payload["optimizer_states"][0]["param_groups"][0]["lr"] == pytest.approx(2e-4 / 8)
        assert payload["lr_schedulers"][0]["last_epoch"] == 3


class TestCheckpointContents:
    def test_the_layout_is_that_of_a_checkpoint_that_piper_made(self, shared: Path, tmp_path: Path) -> None:
        peers = load_checkpoint(shared / "fixtures" / "run_minid" / "last.ckpt")
        config = architecture_from_state_dict(peers["state_dict"], peers["hyper_parameters"])
        run(tmp_path, data=MadeUpData(batches=2), config=config, epochs=3)
        ours = load_checkpoint(tmp_path / "epoch=2-step=12.ckpt")
        assert set(ours) == {*peers, EXTRAS_KEY}
        assert list(ours["state_dict"]) == list(peers["state_dict"])
        assert ours["hyper_parameters"].keys() == peers["hyper_parameters"].keys()
        # Piper's command line also checks kinds: a weight of 45.0 where it wants 45 makes it refuse the whole file.
        kinds = {name: type(value) for name, value in peers["hyper_parameters"].items()}
        assert {name: type(value) for name, value in ours["hyper_parameters"].items()} == kinds
        assert ours["hyper_parameters"]["warmstart_ckpt"] is None
        assert ours["hyper_parameters"]["vocoder_warmstart_ckpt"] is None
        for mine, theirs in zip(ours["optimizer_states"], peers["optimizer_states"], strict=True):
            assert mine["param_groups"][0].keys() == theirs["param_groups"][0].keys()
            assert mine["state"].keys() == theirs["state"].keys()
        # Same epoch, same number of batches: the counters that Lightning resumes by must be the same numbers.
        for loop_of_peer in peers["loops"].values():
            for key in [key for key in loop_of_peer if "val_loop.batch_progress" in key]:
                loop_of_peer.pop(key)
        for loop_of_ours in ours["loops"].values():
            for key in [key for key in loop_of_ours if "val_loop.batch_progress" in key]:
                loop_of_ours.pop(key)
        assert ours["loops"] == peers["loops"]
        assert (ours["epoch"], ours["global_step"]) == (peers["epoch"], peers["global_step"])

    def test_a_checkpoint_inside_an_epoch_counts_only_finished_epochs(self, tmp_path: Path) -> None:
        run(tmp_path, data=MadeUpData(batches=3), stop=StopAt(5))
        payload = load_checkpoint(tmp_path / "epoch=1-step=10.ckpt")
        fit = payload["loops"]["fit_loop"]
        assert fit["epoch_progress"]["current"] == {"ready": 2, "completed": 1, "started": 2, "processed": 1}
        assert fit["epoch_loop.batch_progress"]["current"]["completed"] == 2
        assert fit["epoch_loop.batch_progress"]["is_last_batch"] is False
        extras = payload[EXTRAS_KEY]
        assert (extras["epoch"], extras["batch"], extras["step"]) == (1, 2, 5)

    def test_a_narrow_discriminator_is_read_back_as_narrow(self, whole: Whole) -> None:
        payload = load_checkpoint(whole.folder / "epoch=0-step=8.ckpt")
        assert architecture_from_state_dict(payload["state_dict"], payload["hyper_parameters"]) == CONFIG


class TestValidation:
    def test_whether_there_is_a_validation_does_not_change_the_training(self, tmp_path: Path, whole: Whole) -> None:
        _, notes, _ = run(tmp_path, data=MadeUpData(validation=0), epochs=1)
        assert notes.validations[0].metrics == {}
        assert notes.losses == whole.losses[:4]
        saved = load_checkpoint(tmp_path / "epoch=0-step=8.ckpt")["state_dict"]
        assert_same(load_checkpoint(whole.folder / "epoch=0-step=8.ckpt")["state_dict"], saved)

    def test_a_validation_measures_all_losses_and_speaks_and_can_be_repeated(self, tmp_path: Path) -> None:
        trainer, notes, _ = run(tmp_path, data=MadeUpData(batches=1), epochs=1)
        torch.rand(17)
        trainer._validate()
        assert notes.validations[1].metrics == notes.validations[0].metrics
        record = notes.validations[0]
        assert {"mel", "kl", "duration", "feature", "generator", "discriminator"} <= record.metrics.keys()
        assert record.samples[0].audio_S.size % CONFIG.audio.hop_length == 0
        assert notes.saved[-1].val_mel == record.mel

    def test_clips_shorter_than_a_segment_are_trained_and_validated(self, tmp_path: Path) -> None:
        _, notes, outcome = run(tmp_path, data=MadeUpData(batches=1, frames=7), epochs=1)
        assert outcome == "completed"
        assert math.isfinite(notes.losses[0][1])
        assert math.isfinite(notes.validations[0].metrics["mel"])

    def test_a_sentence_that_can_not_be_spoken_is_reported_and_training_goes_on(self, tmp_path: Path) -> None:
        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("index out of range")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Synthesizer, "infer", fail)
            _, notes, outcome = run(tmp_path, data=MadeUpData(batches=1), epochs=1)
        assert outcome == "completed"
        assert "'one' could not be spoken" in notes.problems[0]


class TestRetention:
    def test_the_best_and_the_newest_are_kept_and_foreign_files_are_left_alone(self, tmp_path: Path) -> None:
        keeper = keeper_module.CheckpointKeeper(tmp_path, keep_best=2, keep_last=1)
        foreign = tmp_path / "epoch=0-step=1.ckpt"
        foreign.write_text("not ours")
        payload = {"state_dict": {"w": torch.zeros(1)}}
        for step, mel in enumerate([5.0, 1.0, 4.0, 2.0, 3.0, None], start=1):
            keeper.save(payload, Position(epoch=step, step=step), "epoch", Score(loss=mel))
        left = {path.name for path in tmp_path.glob("*.ckpt")}
        assert left == {foreign.name, "epoch=1-step=4.ckpt", "epoch=3-step=8.ckpt", "epoch=5-step=12.ckpt"}

    def test_a_lower_loss_over_fewer_clips_takes_no_place_of_the_best(self, tmp_path: Path) -> None:
        keeper = keeper_module.CheckpointKeeper(tmp_path, keep_best=2, keep_last=1)
        payload = {"state_dict": {"w": torch.zeros(1)}}
        few = {"over": "few", "clips": 9, "clips_of": 10}
        scores = [Score(loss=loss, over="all", clips=10, clips_of=10) for loss in (5.0, 4.0)]
        for step, score in enumerate([*scores, Score(loss=1.0, **few), scores[0], scores[0]], start=1):
            keeper.save(payload, Position(epoch=step, step=step), "epoch", score)
            if step == 3:
                assert len(list(tmp_path.glob("*.ckpt"))) == 3, "the newest stays beside the two best"
        assert {int(name.split("=")[1].split("-")[0]) for name in keeper.known()} == {1, 4}

    def test_when_less_fits_for_good_a_new_best_begins_and_the_old_ones_make_room_one_by_one(
        self, tmp_path: Path
    ) -> None:
        keeper = keeper_module.CheckpointKeeper(tmp_path, keep_best=3, keep_last=1)
        payload = {"state_dict": {"w": torch.zeros(1)}}
        scores = [Score(loss=loss, over="all", clips=10, clips_of=10) for loss in (1.0, 1.1, 1.2)]
        scores += [Score(loss=loss, over="few", clips=9, clips_of=10) for loss in (2.0, 1.9, 1.8, 1.7)]
        kept = []
        for step, score in enumerate(scores, start=1):
            keeper.save(payload, Position(epoch=step, step=step), "epoch", score)
            kept.append({int(name.split("=")[1].split("-")[0]) + 1 for name in keeper.known()})
        assert kept[2:] == [{1, 2, 3}, {1, 2, 3, 4}, {1, 4, 5}, {4, 5, 6}, {5, 6, 7}]
        assert [score.over for score in keeper.scores()] == ["few"] * 3

    def test_nothing_is_removed_when_the_new_one_could_not_be_saved(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keeper = keeper_module.CheckpointKeeper(tmp_path, keep_best=0, keep_last=1)
        payload = {"state_dict": {"w": torch.zeros(1)}}
        keeper.save(payload, Position(epoch=1, step=1), "epoch", Score())
        monkeypatch.setattr(keeper_module, "save_atomic", _full_disk)
        with pytest.raises(CheckpointFileError):
            keeper.save(payload, Position(epoch=2, step=2), "epoch", Score())
        assert [path.name for path in tmp_path.glob("*.ckpt")] == ["epoch=0-step=2.ckpt"]

    def test_a_torn_line_of_the_index_hides_no_other(self, tmp_path: Path) -> None:
        keeper = keeper_module.CheckpointKeeper(tmp_path, keep_best=0, keep_last=5)
        payload = {"state_dict": {"w": torch.zeros(1)}}
        keeper.save(payload, Position(epoch=1, step=1), "epoch", Score())
        with (tmp_path / "index.jsonl").open("a") as index:
            index.write('{"file": "epoch=')
        keeper.save(payload, Position(epoch=2, step=2), "epoch", Score())
        assert list(keeper.known()) == ["epoch=0-step=2.ckpt", "epoch=1-step=4.ckpt"]

    def test_a_file_whose_saver_died_before_its_line_is_noted_at_the_next_start(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keeper = keeper_module.CheckpointKeeper(tmp_path, keep_best=0, keep_last=1)
        monkeypatch.setattr(keeper, "_note", _die)
        with pytest.raises(KeyboardInterrupt):
            keeper.save({"state_dict": {"w": torch.zeros(1)}}, Position(epoch=1, step=1), "epoch", Score(loss=1.5))
        assert keeper.known() == {}
        again = keeper_module.CheckpointKeeper(tmp_path, keep_best=0, keep_last=1)
        assert again.known()["epoch=0-step=2.ckpt"]["val_mel"] == 1.5
        assert not (tmp_path / ".saving").exists()


class TestTrouble:
    def test_losses_that_are_not_finite_end_the_run_and_name_the_last_good_checkpoint(self, tmp_path: Path) -> None:
        with pytest.raises(TrainingError, match=r"not finite at step 2.*last good checkpoint is epoch=0-step=2\.ckpt"):
            run(tmp_path, data=MadeUpData(batches=1, poison_at=(1, 0)))
        assert [path.name for path in tmp_path.glob("*.ckpt")] == ["epoch=0-step=2.ckpt"]
        assert load_checkpoint(tmp_path / "epoch=0-step=2.ckpt")

    def test_weights_that_are_not_finite_are_never_saved(self, tmp_path: Path) -> None:
        # The points of the curve lie behind the end of the epoch, so that only the check before saving can see it.
        with pytest.raises(TrainingError, match="weights are not finite at step 2"):
            run(tmp_path, data=MadeUpData(batches=2, poison_at=(0, 1)), log_every_steps=100)
        assert list(tmp_path.glob("*.ckpt")) == []

    def test_a_disk_that_was_full_for_a_while_costs_one_checkpoint_only(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, calls = save_atomic, list[Path]()

        def sometimes(path: Path, payload: dict[str, Any]) -> int:
            calls.append(path)
            return _full_disk(path, payload) if len(calls) == 1 else real(path, payload)

        monkeypatch.setattr(keeper_module, "save_atomic", sometimes)
        _, notes, outcome = run(tmp_path, data=MadeUpData(batches=1))
        assert outcome == "completed"
        assert "no room" in notes.problems[0]
        assert "next checkpoint tries again" in notes.problems[0]
        assert [saved.path.name for saved in notes.saved] == ["epoch=1-step=4.ckpt"]

    def test_a_disk_that_is_full_at_the_end_is_an_error(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keeper_module, "save_atomic", _full_disk)
        notes, stop = Notes(), StopAt(1)
        with pytest.raises(TrainingError, match=r"last checkpoint was not saved.*no room"):
            run(tmp_path, notes, stop=stop)
        with pytest.raises(TrainingError, match=r"last checkpoint was not saved.*no room"):
            run(tmp_path, notes, data=MadeUpData(batches=1), epochs=1)
        assert notes.problems == [], "the error says it"

    def test_data_that_ends_too_early_is_an_error_of_one_line(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = MadeUpData(batches=0)
        data.batches_per_epoch = 3
        monkeypatch.setattr(data, "train", lambda *_: iter([]))
        with pytest.raises(TrainingError, match="ended after 0 batches; 3 were announced"):
            run(tmp_path, data=data)


class TestLimits:
    def test_max_steps_ends_the_run_inside_an_epoch_with_a_validated_checkpoint(self, tmp_path: Path) -> None:
        trainer, notes, outcome = run(tmp_path, max_steps=3)
        assert (outcome, trainer.position) == ("completed", Position(epoch=0, batch=3, step=3))
        assert [(saved.path.name, saved.kind) for saved in notes.saved] == [("epoch=0-step=6.ckpt", "stop")]
        assert notes.saved[0].val_mel is not None

    def test_checkpoints_and_validations_come_as_often_as_asked_and_at_the_end(self, tmp_path: Path) -> None:
        _, notes, _ = run(
            tmp_path, data=MadeUpData(batches=1), epochs=5, checkpoint_every_epochs=2, validate_every_epochs=3
        )
        assert [saved.epoch for saved in notes.saved] == [1, 3, 4]
        assert len(notes.validations) == 2

    def test_the_timer_saves_inside_an_epoch(self, tmp_path: Path) -> None:
        _, notes, _ = run(tmp_path, data=MadeUpData(batches=2), epochs=1, checkpoint_every_minutes=1e-9)
        assert [saved.kind for saved in notes.saved] == ["timer", "timer", "epoch"]

    def test_a_point_of_the_curve_is_the_mean_of_the_steps_since_the_last_one(
        self, tmp_path: Path, whole: Whole
    ) -> None:
        _, double, _ = run(tmp_path, epochs=1, log_every_steps=2)
        assert [step for step, *_ in double.losses] == [1, 2, 4]
        expected = (whole.losses[2][1] + whole.losses[3][1]) / 2
        assert double.losses[2][1] == pytest.approx(expected, rel=1e-6)


def _full_disk(path: Path, payload: object) -> int:
    raise CheckpointFileError(f"{path.name}: not saved, there is no room")


def _die(_: object) -> None:
    raise KeyboardInterrupt


def test_a_narrow_model_computes_on_one_thread_and_pipers_on_all() -> None:
    assert compute_threads(PRESETS["tiny"], 8) == 1
    assert {compute_threads(PRESETS[quality], 8) for quality in ("x-low", "low", "medium", "high")} == {8}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"accelerator": "cuda"}, "accelerator is cuda, but torch .* finds no CUDA GPU here"),
        ({"accelerator": "abacus"}, r"accelerator abacus, .* can't be used here: .* Change them in \[training\]"),
        ({"precision": "bf16-tru"}, r"precision bf16-tru can't be used here: .* Change them in \[training\]"),
    ],
)
def test_a_device_or_precision_that_is_not_here_is_one_line(
    monkeypatch: pytest.MonkeyPatch, wrong: dict[str, object], said: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(TrainingError, match=said) as caught:
        make_fabric(settings(**wrong))
    assert "\n" not in str(caught.value)
