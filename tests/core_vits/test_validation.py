"""A full memory costs a validation some clips or sentences, which it names, and never the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from ddp_probe import JUDGING, Draws, run_out_of_memory, utterances
from torch import Tensor
from training_parts import CONFIG, MadeUpData, Notes, settings

from core_vits.config import LossWeights
from core_vits.dataset import Batch, CachedBatch, Collate
from core_vits.scores import compared_over, digest_of
from core_vits.synthesizer import Synthesizer
from core_vits.train.data import Sentence
from core_vits.train.distributed import make_fabric
from core_vits.train.keeper import CheckpointKeeper
from core_vits.train.loop import Trainer
from core_vits.train.models import VoiceModels
from core_vits.train.optim import Optimization
from core_vits.train.step import AdversarialStep
from core_vits.train.validation import RoomyEvaluation, apart, speak

CPU = torch.device("cpu")
FULL = "CUDA out of memory. Tried to allocate 2.00 GiB"


@pytest.fixture
def voice() -> VoiceModels:
    torch.set_num_threads(1)
    torch.manual_seed(5)
    return VoiceModels(CONFIG)


@pytest.fixture
def evaluation(voice: VoiceModels) -> Iterator[RoomyEvaluation]:
    """Draws the same numbers for a clip whatever batch it is in."""
    optimization = Optimization(voice.model_g.parameters(), voice.judges(), settings())
    step = AdversarialStep(make_fabric(settings()), voice, optimization, LossWeights())
    draws = Draws(CONFIG)
    real = step.evaluate

    def drawing(part: Batch, **options: Any) -> Any:
        draws.begin(0, part)
        return real(part, **options)

    step.evaluate = drawing  # type: ignore[method-assign]
    with draws.injected(), apart(voice, 7, CPU):
        yield RoomyEvaluation(step, CPU)


def together(*rows: int) -> CachedBatch:
    clips = utterances(1)
    return Collate(audio_config=CONFIG.audio)([clips[row] for row in rows])


def numbers(losses: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(value) for name, value in losses.items()}


def refuse_long(voice: VoiceModels, frames: int) -> None:
    """Let everything with so many frames fail, however few clips it is."""

    def refuse(_: object, inputs: tuple[Tensor, ...]) -> None:
        if inputs[2].shape[2] >= frames:
            raise torch.OutOfMemoryError(FULL)

    voice.model_g.register_forward_pre_hook(refuse)


@pytest.mark.parametrize("place", ["forward", JUDGING])
@pytest.mark.parametrize("above", [1, 2])
def test_losses_in_parts_are_those_of_the_whole_batch(
    voice: VoiceModels, evaluation: RoomyEvaluation, place: str, above: int
) -> None:
    """KL is a mean over frames, duration one over phonemes: the parts differ in both."""
    whole = evaluation.evaluate(together(0, 1, 2, 3), 7)
    run_out_of_memory(voice, place, above=above)
    divided = evaluation.evaluate(together(0, 1, 2, 3), 7)
    assert (whole.clips, divided.clips, divided.skipped) == (4, 4, [])
    assert numbers(divided.losses) == pytest.approx(numbers(whole.losses), rel=1e-6)


def test_what_did_not_fit_is_divided_beforehand_the_next_time(voice: VoiceModels, evaluation: RoomyEvaluation) -> None:
    run_out_of_memory(voice, "forward", above=2)
    calls: list[int] = []
    real = evaluation._step.evaluate

    def counted(part: Batch, **options: Any) -> Any:
        calls.append(len(part.names))
        return real(part, **options)

    evaluation._step.evaluate = counted  # type: ignore[method-assign]
    evaluation.evaluate(together(0, 1, 2, 3), 7)
    assert calls == [4, 2, 2]
    evaluation.evaluate(together(0, 1, 2, 3), 7)
    assert calls[3:] == [2, 2]


def test_a_clip_that_does_not_fit_alone_is_left_out_and_named_once(
    voice: VoiceModels, evaluation: RoomyEvaluation
) -> None:
    without = evaluation.evaluate(together(1, 2, 3), 7)
    refuse_long(voice, 60)
    found = evaluation.evaluate(together(0, 1, 2, 3), 7)
    assert (found.clips, without.clips) == (3, 3)
    assert numbers(found.losses) == pytest.approx(numbers(without.losses), rel=1e-6)
    (line,) = found.skipped
    assert line.startswith(f"0.wav: this validation clip alone, 60 frames, does not fit into the memory of cpu ({FULL}")
    assert evaluation.evaluate(together(0, 1, 2, 3), 7).skipped == []


def test_of_clips_none_of_which_fits_there_are_no_losses(voice: VoiceModels, evaluation: RoomyEvaluation) -> None:
    refuse_long(voice, 0)
    found = evaluation.evaluate(together(0, 1), 7)
    assert (found.losses, found.clips) == ({}, 0)
    assert [line.split(":")[0] for line in found.skipped] == ["0.wav", "1.wav"]


def test_what_is_no_lack_of_memory_ends_the_validation(
    evaluation: RoomyEvaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("index out of range")

    monkeypatch.setattr(evaluation._step, "evaluate", fail)
    with pytest.raises(RuntimeError, match="index out of range"):
        evaluation.evaluate(together(0, 1), 7)


class Full:
    """Lets the synthesis of a sentence fail so many times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, length: int, times: int) -> None:
        self.left = times
        real = Synthesizer.infer

        def infer(voice: Synthesizer, ids_BT: Tensor, *arguments: Any, **options: Any) -> Any:
            if ids_BT.shape[1] == length and self.left:
                self.left -= 1
                raise torch.OutOfMemoryError(FULL)
            return real(voice, ids_BT, *arguments, **options)

        monkeypatch.setattr(Synthesizer, "infer", infer)


@pytest.mark.parametrize(("times", "spoken"), [(1, ["long", "short"]), (2, ["short"])])
def test_a_sentence_that_does_not_fit_is_tried_twice_and_the_others_are_spoken(
    voice: VoiceModels, monkeypatch: pytest.MonkeyPatch, times: int, spoken: list[str]
) -> None:
    Full(monkeypatch, 7, times)
    sentences = [
        Sentence(name="long", phoneme_ids=(1, 0, 30, 0, 31, 0, 2)),
        Sentence(name="short", phoneme_ids=(1, 0, 2)),
    ]
    told: list[str] = []
    with apart(voice, 7, CPU):
        samples = speak(voice.model_g, sentences, CPU, must_stop=lambda: False, problem=told.append)
    assert [sample.name for sample in samples] == spoken
    expected = [f"'long' could not be spoken: it does not fit into the memory of cpu: {FULL}"]
    assert told == (expected if times == 2 else [])


def trainer_of(folder: Path, heard: Notes, epochs: int = 2) -> Trainer:
    """A step and a validation in each epoch."""
    torch.set_num_threads(1)
    return Trainer(settings(epochs=epochs), CONFIG, MadeUpData(batches=1), folder, callbacks=[heard])


@pytest.fixture(scope="module")
def enough(tmp_path_factory: pytest.TempPathFactory) -> Notes:
    """Of a run with enough memory."""
    heard = Notes()
    trainer_of(tmp_path_factory.mktemp("enough"), heard).fit()
    return heard


def full_for_everything(trainer: Trainer, _: pytest.MonkeyPatch) -> None:
    """Only outside of training: the discriminators have room where gradients are wanted."""

    def refuse(*_: object) -> None:
        if not torch.is_grad_enabled():
            raise torch.OutOfMemoryError(FULL)

    trainer.models.model_d.register_forward_pre_hook(refuse)


def full_for_a_batch(trainer: Trainer, _: pytest.MonkeyPatch) -> None:
    def refuse(_: object, inputs: tuple[Tensor, ...]) -> None:
        if not torch.is_grad_enabled() and inputs[0].shape[0] > 1:
            raise torch.OutOfMemoryError(FULL)

    trainer.models.model_d.register_forward_pre_hook(refuse)


def full_for_samples(_: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    Full(monkeypatch, 5, 1_000)


@pytest.mark.parametrize(
    ("fill", "clips", "spoken", "problems"),
    [
        (full_for_a_batch, 2, 1, []),
        (full_for_everything, 0, 1, ["a: this validation", "b: this validation"]),
        (full_for_samples, 2, 0, ["'one' could not be", "'one' could not be"]),
    ],
)
def test_a_run_whose_validation_lacks_memory_trains_on_as_if_nothing_had_been(
    fill: Callable[[Trainer, pytest.MonkeyPatch], None],
    clips: int,
    spoken: int,
    problems: list[str],
    enough: Notes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard = Notes()
    trainer = trainer_of(tmp_path, heard)
    fill(trainer, monkeypatch)
    assert trainer.fit() == "completed"
    assert heard.losses == enough.losses
    assert len(heard.validations) == 2, "one an epoch"
    for validation in heard.validations:
        assert (validation.clips, validation.clips_of, len(validation.samples)) == (clips, 2, spoken)
        assert bool(validation.metrics) == bool(clips)
    assert [problem[: len(start)] for problem, start in zip(heard.problems, problems, strict=True)] == problems


def lacking(trainer: Trainer, at: set[int]) -> None:
    """Let the longer clip of each validation of these fail alone."""

    def refuse(_: object, inputs: tuple[Tensor, ...]) -> None:
        if not torch.is_grad_enabled() and len(trainer._scores) in at and inputs[2].shape[2] >= 24:
            raise torch.OutOfMemoryError(FULL)

    trainer.models.model_g.register_forward_pre_hook(refuse)


@pytest.mark.parametrize(
    ("at", "said", "best"),
    [
        ({1}, ["it does not count, unless"], "all"),
        ({1, 2}, ["it does not count, unless", "the best is chosen anew"], "few"),
        (set(), [], "all"),
    ],
)
def test_a_validation_over_fewer_clips_is_told_and_the_best_is_chosen_of_the_same_clips(
    at: set[int], said: list[str], best: str, tmp_path: Path
) -> None:
    heard = Notes()
    trainer = trainer_of(tmp_path, heard, epochs=3)
    lacking(trainer, at)
    assert trainer.fit() == "completed"
    told = [problem for problem in heard.problems if problem.startswith("this validation is over")]
    assert len(told) == len(said)
    for line, part in zip(told, said, strict=True):
        assert line.startswith(
            "this validation is over 1 of 2 clips, those that the best checkpoint was chosen by were"
        )
        assert part in line
    assert [validation.clips for validation in heard.validations] == [1 if number in at else 2 for number in range(3)]
    records = CheckpointKeeper(tmp_path, keep_best=3, keep_last=3).scores()
    assert [score.clips for score in records] == [1 if number in at else 2 for number in range(3)]
    assert records[0].over == digest_of(["a", "b"])
    assert compared_over(records) == digest_of(["a", "b"] if best == "all" else ["b"])


def test_a_run_that_goes_on_with_other_clips_says_so(tmp_path: Path) -> None:
    first, second = Notes(), Notes()
    trainer_of(tmp_path, first, epochs=1).fit()
    again = trainer_of(tmp_path, second, epochs=2)
    real = again._data._batch  # type: ignore[attr-defined]
    again._data._batch = lambda seed: replace(real(seed), keys=("a", "c"))  # type: ignore[attr-defined]
    again.fit()
    (told,) = [problem for problem in second.problems if problem.startswith("this validation is over")]
    assert told == (
        "this validation is over 2 clips, those that the best checkpoint was chosen by were over 2, and not the same "
        "ones: they are not compared, and the best is chosen anew from here on"
    )
