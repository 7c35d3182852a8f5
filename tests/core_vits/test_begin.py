"""Runs that begin with a checkpoint: exactly where it stopped, or with parts of it; told in words before."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from legacy_checkpoint import legacy_payload, write_legacy
from numpy.typing import NDArray
from training_parts import CONFIG, MadeUpData, Notes, settings, small_payload
from vits_parity import read_arrays

from core_vits.architecture import architecture_from_state_dict
from core_vits.checkpoint import EXTRAS_KEY, load_checkpoint
from core_vits.config import PRESETS, ConfigError, ModelConfig
from core_vits.dataset import Batch
from core_vits.errors import CheckpointFileError
from core_vits.synthesizer import Synthesizer
from core_vits.train.begin import BeginPlan, Choices, carry_out, plan_begin
from core_vits.train.callbacks import Callback, Progress, StepRecord
from core_vits.train.loop import Trainer
from core_vits.train.models import VoiceModels
from core_vits.train.optim import Optimization
from core_vits.train.origin import FIRST_PIPER, OURS, PIPER, read_origin
from core_vits.train.settings import Position
from core_vits.train.telling import facts_of, plan_as_json

RUNS = ("minid", "minid_ms", "minid_mrd")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A checkpoint of three epochs of two batches of the smallest voice, as Piper writes it."""
    torch.set_num_threads(1)
    return small_payload(tmp_path_factory.mktemp("small"))


@pytest.fixture
def piper(small: dict[str, Any]) -> dict[str, Any]:
    """A copy that a test may spoil."""
    return copy.deepcopy(small)


def resumed(payload: Mapping[str, Any], choices: Choices | None = None, **changes: Any) -> tuple[BeginPlan, Whole]:
    """Plan and execution, without files."""
    wanted = settings(epochs=9, **changes)
    models = VoiceModels(CONFIG)
    whole = Whole(models, Optimization(models.model_g.parameters(), models.judges(), wanted))
    plan = plan_begin(payload, CONFIG, wanted, choices or Choices())
    carry_out(plan, payload, whole.models, whole.optimization)
    return plan, whole


@dataclass(frozen=True)
class Whole:
    """What is trained, and what trains it."""

    models: VoiceModels
    optimization: Optimization


def peer(shared: Path, name: str) -> Path:
    return shared / "fixtures" / f"run_{name}" / "last.ckpt"


def config_of(payload: Mapping[str, Any]) -> ModelConfig:
    return architecture_from_state_dict(payload["state_dict"], payload["hyper_parameters"])


def make(
    folder: Path,
    config: ModelConfig,
    *extra: Callback,
    data: Any = None,
    choices: Choices | None = None,
    **changes: Any,
) -> tuple[Trainer, Notes]:
    notes = Notes()
    trainer = Trainer(
        settings(**{"epochs": 10_000, **changes}),
        config,
        data or MadeUpData(batches=1, validation=0),
        folder,
        callbacks=[notes, *extra],
        choices=choices,
    )
    return trainer, notes


# --- exactly where it stopped ---------------------------------------------------------------------------------------


class Recorded:
    """The one batch that the peer recorded a step on."""

    batches_per_epoch = 2
    validation_batches = 0

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        def tensor(name: str) -> torch.Tensor:
            return torch.from_numpy(arrays[name])

        audio = tensor("in_audios")
        lengths = tensor("in_spectrogram_lengths")
        self._batch = Batch(
            phoneme_ids_BT=tensor("in_phoneme_ids"),
            phoneme_lengths_B=tensor("in_phoneme_lengths"),
            spectrogram_BCF=tensor("in_spectrograms"),
            spectrogram_lengths_B=lengths,
            audio_B1S=audio,
            audio_lengths_B=torch.full_like(lengths, audio.shape[2]),
            speaker_ids_B=tensor("in_speaker_ids") if "in_speaker_ids" in arrays else None,
            keys=("a", "b"),
        )

    def train(self, epoch: int, start_batch: int) -> Iterator[Batch]:
        assert start_batch == 0
        yield self._batch

    def largest(self, epoch: int) -> list[Batch]:
        return []

    def validation(self) -> Iterator[Batch]:
        return iter(())

    def sentences(self) -> list[Any]:
        return []


class FirstStep(Callback):
    """What stands in the networks right after the first step."""

    def __init__(self) -> None:
        self.trainer: Trainer | None = None
        self.metrics: dict[str, float] = {}
        self.gradients: dict[str, NDArray[np.float64]] = {}
        self.weights: dict[str, NDArray[np.float64]] = {}

    def on_step_end(self, progress: Progress, record: StepRecord) -> None:
        assert self.trainer is not None
        assert record.metrics is not None
        self.metrics = dict(record.metrics)
        models = self.trainer.models
        for side, parameters in (("g", models.model_g.parameters()), ("d", models.judges())):
            listed = list(parameters)
            self.gradients[side] = np.array([0.0 if p.grad is None else p.grad.double().norm().item() for p in listed])
            self.weights[side] = np.array([[p.double().sum().item(), p.double().norm().item()] for p in listed])


@pytest.mark.parametrize("name", RUNS)
def test_the_first_step_of_a_resumed_run_is_the_one_that_piper_would_have_made(
    shared: Path, tmp_path: Path, name: str
) -> None:
    path = peer(shared, name)
    payload = load_checkpoint(path)
    arrays = read_arrays(shared / f"fixtures/parity/{name}_step.npz")
    batches = int(payload["global_step"]) // 2
    step = FirstStep()
    trainer, _ = make(tmp_path, config_of(payload), step, data=Recorded(arrays), max_steps=batches + 1)
    step.trainer = trainer
    generator = trainer.models.model_g
    generator.forward = partial(  # type: ignore[method-assign]
        Synthesizer.forward,
        generator,
        posterior_noise_BDF=torch.from_numpy(arrays["noise_posterior"]),
        duration_noise_B2T=torch.from_numpy(arrays["noise_dp"]),
        slice_uniform_B=torch.from_numpy(arrays["rand_slice"]),
    )
    trainer.models.eval()  # as the recording was made: without dropout
    assert trainer.fit(path) == "completed"

    assert trainer.position == Position(epoch=int(payload["epoch"]) + 1, batch=1, step=batches + 1)
    names = {"loss_g": "loss_g", "loss_d": "loss_d", "metric_mel": "mel", "metric_kl": "kl", "metric_dur": "duration",
             "metric_fm": "feature", "metric_gen": "generator", "metric_disc": "discriminator"}  # fmt: skip
    if name == "minid_mrd":
        names |= {"metric_mrd_gen": "mrd_generator", "metric_mrd_disc": "mrd_discriminator"}
    for recorded, ours in names.items():
        assert step.metrics[ours] == pytest.approx(float(arrays[recorded]), rel=1e-4), ours
    # The gradient of the keys' bias is zero; what is recorded there is rounding, which Adam scales up.
    noise = np.array([key.endswith("conv_k.bias") for key, _ in generator.named_parameters()])
    for side, solid in (("g", ~noise), ("d", np.ones(len(step.gradients["d"]), bool))):
        recorded_norms = arrays[f"grad_norm_{side}"][solid]
        # The trainer judges real and made audio in one batch. In the single length of a last layer their gradients
        # nearly cancel, so that its rounding is measured against the network's largest gradient as well.
        gap = np.abs(step.gradients[side][solid] - recorded_norms)
        assert (gap / np.maximum(recorded_norms, 0.02 * recorded_norms.max())).max() < 1e-4
        assert (gap / np.maximum(recorded_norms, 1e-30)).max() < 5e-4
        sums = arrays[f"after_step_{side}_sum_norm"][solid]
        gap = np.abs(step.weights[side][solid] - sums).max(1) / np.maximum(sums[:, 1], 1e-30)
        assert gap.max() < 1e-4
    moments = [state["state"][0]["step"] for state in trainer.optimization.optimizer_states()]
    assert [float(count) for count in moments] == arrays["adam_step_after"].tolist()
    assert list(trainer.optimization.learning_rates().values()) == arrays["lr_in_optimizers"].tolist()


def test_what_is_resumed_is_bit_for_bit_what_the_file_holds(shared: Path, tmp_path: Path) -> None:
    payload = load_checkpoint(peer(shared, "minid_mrd"))
    trainer, _ = make(tmp_path, config_of(payload))
    trainer._resume(peer(shared, "minid_mrd"))
    assert all(torch.equal(value, payload["state_dict"][key]) for key, value in trainer.models.state_dict().items())
    for ours, theirs in zip(trainer.optimization.optimizer_states(), payload["optimizer_states"], strict=True):
        assert ours["param_groups"][0]["params"] == theirs["param_groups"][0]["params"]
        for index, moments in theirs["state"].items():
            assert all(torch.equal(ours["state"][index][name], value) for name, value in moments.items())


class TestPositions:
    def test_of_a_file_of_the_first_piper_trained_for_weeks(self, small: dict[str, Any]) -> None:
        old = legacy_payload(small, epoch=426, batches=101_199, rate=1.9e-4)
        origin = read_origin(old)
        assert origin.maker == FIRST_PIPER
        assert origin.position == Position(epoch=427, step=101_199)
        assert origin.position.optimizer_step == 202_398
        assert (
            f"epoch={origin.position.labelled_epoch}-step={origin.position.optimizer_step}" == "epoch=426-step=202398"
        )
        assert origin.batches_per_epoch == 237

    def test_of_a_legacy_file_that_piper_went_on_with_the_step_counter_that_began_anew_is_not_believed(
        self, piper: dict[str, Any]
    ) -> None:
        old = legacy_payload(piper, epoch=9, batches=40, rate=2e-4)
        assert read_origin({**old, "global_step": 8}).position == Position(epoch=10, step=40)

    @pytest.mark.parametrize(
        ("last_batch", "processed", "expected"), [(True, 3, 3), (True, 2, 3), (False, 2, 2), (None, 2, 3)]
    )
    def test_of_a_file_from_inside_an_epoch_its_epoch_begins_again(
        self, piper: dict[str, Any], last_batch: bool | None, processed: int, expected: int
    ) -> None:
        loop = piper["loops"]["fit_loop"]
        loop["epoch_progress"]["current"]["processed"] = processed
        loop["epoch_loop.batch_progress"]["is_last_batch"] = last_batch
        origin = read_origin(piper)
        assert origin.position == Position(epoch=expected, step=6)
        assert origin.unfinished == (last_batch is False)

    def test_without_loops_from_the_two_numbers_beside_them(self, piper: dict[str, Any]) -> None:
        del piper["loops"]
        assert read_origin(piper).position == Position(epoch=3, step=6)
        del piper["epoch"]
        assert read_origin(piper).position is None
        plan = plan_begin(piper, CONFIG, settings(), Choices())
        assert "doesn't say where its training stood" in plan.refusal

    @pytest.mark.parametrize("odd", [-1, 1.5, "7", None, True, 2**60, [3]])
    def test_counters_that_never_counted_anything_are_passed_over(self, piper: dict[str, Any], odd: object) -> None:
        piper["loops"]["fit_loop"]["epoch_loop.state_dict"]["_batches_that_stepped"] = odd
        piper["loops"]["fit_loop"]["epoch_progress"] = odd
        assert read_origin(piper).position == Position(epoch=3, step=6)


def test_a_run_whose_epochs_have_another_length_now_knows_how_many_batches_are_left() -> None:
    at = Position(epoch=3, batch=1, step=7)
    assert Progress(position=at, epochs=5, batches_per_epoch=4).last_step == 7 + 3 + 4
    assert Progress(position=at, epochs=5, batches_per_epoch=4, max_steps=9).last_step == 9
    assert Progress(position=Position(epoch=5, step=14), epochs=5, batches_per_epoch=4).last_step == 14


class TestMakers:
    def test_are_told_by_content(self, small: dict[str, Any], tmp_path: Path) -> None:
        assert read_origin(small).maker == PIPER
        path = write_legacy(tmp_path / "a.ckpt", small, epoch=2164, batches=6000, rate=1.5e-4)
        assert read_origin(load_checkpoint(path)).maker == FIRST_PIPER
        assert read_origin({**small, EXTRAS_KEY: {"epoch": 1, "batch": 0, "step": 4}}).maker == OURS

    def test_qualities_are_read_from_the_shapes_and_not_from_what_the_file_says(self) -> None:
        with torch.device("meta"):
            state = VoiceModels(replace(PRESETS["high"], use_mrd=True, num_speakers=3)).state_dict()
        origin = read_origin({"state_dict": state, "hyper_parameters": {"quality": "x-low", "resblock": "2"}})
        assert (origin.quality, origin.config.num_speakers, origin.config.use_mrd) == ("high", 3, True)

    @pytest.mark.parametrize("odd", [None, 3, [], "x", {"a": 1}])
    @pytest.mark.parametrize("key", ["loops", "hyper_parameters", "optimizer_states", "lr_schedulers", EXTRAS_KEY])
    def test_a_file_that_lies_about_itself_is_read_or_refused_in_a_line(
        self, small: dict[str, Any], key: str, odd: object
    ) -> None:
        try:
            plan, _ = resumed({**small, key: odd})
        except CheckpointFileError as error:
            assert "\n" not in str(error)  # noqa: PT017
        else:
            assert plan.position.epoch == 3
            assert all(fact.text for fact in facts_of(plan))


ODD: tuple[Any, ...] = (
    None, -1, 2**70, float("nan"), "x", [], {}, (), True, torch.zeros(2), torch.tensor(float("nan")), [1, "a"],
    {0: None},
)  # fmt: skip


def spoil(value: Any, chance: random.Random) -> None:
    """Replace or remove something in nested dictionaries and lists."""
    while True:
        key = chance.choice(list(value) if isinstance(value, dict) else range(len(value)))
        if isinstance(value[key], dict | list) and value[key] and chance.random() < 0.8:
            value = value[key]
        elif isinstance(value, dict) and chance.random() < 0.2:
            del value[key]
            return
        else:
            value[key] = chance.choice(ODD)
            return


def containers_copied(value: Any) -> Any:
    """The same with dictionaries and lists of its own, and the same tensors."""
    if isinstance(value, dict):
        return {key: containers_copied(item) for key, item in value.items()}
    return [containers_copied(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("seed", range(3))
def test_a_spoiled_file_is_used_as_far_as_it_makes_sense_or_refused_in_a_line(small: dict[str, Any], seed: int) -> None:
    chance = random.Random(seed)
    outcomes = []
    for _ in range(10):
        payload = containers_copied({**small, "state_dict": None})
        payload[EXTRAS_KEY] = {"epoch": 3, "batch": 1, "step": 7, "batches_per_epoch": 2, "speakers": {"a": 0}}
        for _ in range(chance.choice([1, 2, 5])):
            spoil(payload, chance)
        try:
            plan, whole = resumed({**payload, "state_dict": small["state_dict"]})
        except CheckpointFileError as error:
            assert "\n" not in str(error)  # noqa: PT017
            outcomes.append("refused")
            continue
        assert all(fact.text for fact in facts_of(plan))
        assert plan_as_json(plan)["refusal"] == ""
        for optimizer in whole.optimization.optimizers:
            for parameter in optimizer.param_groups[0]["params"]:
                parameter.grad = torch.full_like(parameter, 1e-3)
            optimizer.step()
        assert whole.models.all_finite()
        outcomes.append("used")
    assert "used" in outcomes


# --- learning rates -------------------------------------------------------------------------------------------------


def used_rates(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """The rates that each step really uses, filled while it trains."""
    used: list[tuple[float, float]] = []
    real = trainer._room.train

    def watched(batch: Batch, **options: Any) -> Any:
        used.append(tuple(optimizer.param_groups[0]["lr"] for optimizer in trainer.optimization.optimizers))  # type: ignore[arg-type]
        return real(batch, **options)

    monkeypatch.setattr(trainer._room, "train", watched)
    return used


class TestRates:
    DECAY: ClassVar = {"lr_decay": 0.5, "lr_decay_d": 0.25, "learning_rate": 8e-4, "learning_rate_d": 4e-4}

    @pytest.mark.parametrize(
        ("policy", "expected"),
        [
            ("continue", [(1.5e-4, 1.5e-4), (0.75e-4, 0.375e-4), (0.375e-4, 0.09375e-4)]),
            ("keep", [(1.5e-4, 1.5e-4)] * 3),
            ("set", [(8e-4, 4e-4), (4e-4, 1e-4), (2e-4, 0.25e-4)]),
        ],
    )
    def test_of_a_decayed_file_in_each_epoch_and_after_a_resume_of_the_new_run(
        self,
        small: dict[str, Any],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        policy: str,
        expected: list[tuple[float, float]],
    ) -> None:
        path = write_legacy(tmp_path / "a.ckpt", small, epoch=2164, batches=6495, rate=1.5e-4)
        config, choices = CONFIG, Choices(learning_rate=policy)
        used = []
        for epochs in (2167, 2168):  # stopped after two epochs, resumed for the third
            trainer, notes = make(tmp_path / "run", config, choices=choices, epochs=epochs, **self.DECAY)
            begun = used_rates(trainer, monkeypatch)
            assert trainer.fit(path) == "completed"
            used += begun
        assert notes.resumed_from == tmp_path / "run" / "epoch=2166-step=12994.ckpt"
        assert np.allclose(used, expected, rtol=1e-9)
        assert trainer.position == Position(epoch=2168, step=6498)
        moments = trainer.optimization.generator.state_dict()["state"][0]
        assert float(moments["step"]) == float(small["optimizer_states"][0]["state"][0]["step"]) + 3

    @pytest.mark.parametrize("policy", ["continue", "keep", "set"])
    def test_are_those_that_were_told_before(
        self, small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str
    ) -> None:
        torch.save(small, tmp_path / "a.ckpt")
        choices = Choices(learning_rate=policy)
        plan = plan_begin(small, CONFIG, settings(epochs=5, **self.DECAY), choices)
        trainer, _ = make(tmp_path / "run", CONFIG, choices=choices, epochs=5, **self.DECAY)
        used = used_rates(trainer, monkeypatch)
        trainer.fit(tmp_path / "a.ckpt")
        assert np.allclose(used[0], [plan.rates[side].now for side in "gd"], rtol=1e-9)
        assert np.allclose(used[-1], [plan.rates[side].last for side in "gd"], rtol=1e-9)

    @pytest.mark.parametrize("mode", ["warm-start", "vocoder"])
    def test_of_a_warm_start_are_those_of_the_settings(self, small: dict[str, Any], mode: str) -> None:
        plan, whole = resumed(small, Choices(mode=mode, learning_rate="keep"), **self.DECAY)
        assert whole.optimization.learning_rates() == {"g": 8e-4, "d": 4e-4}
        assert plan.position == Position()
        assert not whole.optimization.generator.state
        whole.optimization.end_epoch()
        assert whole.optimization.learning_rates() == {"g": 4e-4, "d": 1e-4}
        assert plan.choices.later().decays

    def test_of_a_fresh_optimizer_are_the_files_and_its_moments_are_not(self, small: dict[str, Any]) -> None:
        plan, whole = resumed(small, Choices(optimizer="fresh"), **self.DECAY)
        files = [state["param_groups"][0]["lr"] for state in small["optimizer_states"]]
        assert list(whole.optimization.learning_rates().values()) == files
        assert files[0] < 2e-4
        assert not whole.optimization.generator.state
        assert not whole.optimization.judges.state
        assert plan.position == Position(epoch=3, step=6)

    @pytest.mark.parametrize("rate", [float("nan"), -1.0, 0.0, 3.0])
    def test_that_can_not_be_are_refused_unless_they_are_set(self, piper: dict[str, Any], rate: float) -> None:
        piper["optimizer_states"][0]["param_groups"][0]["lr"] = rate
        refused = plan_begin(piper, CONFIG, settings(epochs=9), Choices())
        assert "--learning-rate set" in refused.refusal
        assert not plan_begin(piper, CONFIG, settings(epochs=9), Choices(learning_rate="set")).refusal

    def test_a_choice_that_is_none_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="mode is 'cold'; set one of resume, warm-start, vocoder"):
            Choices(mode="cold")

    def test_a_warm_start_path_in_the_hyperparameters_is_told_and_passed_over(self, piper: dict[str, Any]) -> None:
        piper["hyper_parameters"]["warmstart_ckpt"] = "/home/anna/other.ckpt"
        plan = plan_begin(piper, CONFIG, settings(epochs=9), Choices())
        assert plan.surgery.is_whole
        assert any("other.ckpt" in fact.text and fact.warning for fact in facts_of(plan))
