"""Models that begin with parts of another one: what is called copied is copied, and nothing is garbage."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from training_parts import CONFIG, settings, small_payload

from core_vits.config import PRESETS, ModelConfig
from core_vits.errors import CheckpointFileError
from core_vits.synthesizer import Synthesizer
from core_vits.train.begin import BeginPlan, Choices, Known, carry_out, plan_begin
from core_vits.train.models import VoiceModels
from core_vits.train.optim import Optimization
from core_vits.train.surgery import (
    COPIED,
    NEW,
    ROWS,
    SPEAKER_TABLE,
    SYMBOL_TABLE,
    VOCODER_PREFIXES,
    ZERO,
    is_conditioning,
    part_of,
)
from core_vits.train.telling import facts_of, plan_as_json

SEVERAL = replace(CONFIG, num_speakers=3, gin_channels=8)
HIGH = replace(
    CONFIG, resblock="1", resblock_dilation_sizes=((1, 3),), upsample_rates=(8, 8, 2, 2),
    upsample_kernel_sizes=(16, 16, 4, 4), upsample_initial_channel=32,
)  # fmt: skip
RESUME, WARM, VOCODER = Choices(), Choices(mode="warm-start"), Choices(mode="vocoder")
NAMES = {"anna": 0, "boris": 1, "clara": 2}
MAP = {"_": (0,), "^": (1,), "$": (2,), "a": (14,), "b": (15,), "ʃ": (96,)}
MOVED = {"_": (0,), "^": (1,), "$": (2,), "a": (15,), "b": (14,), "ʃ": (96,), "ɕ": (200,)}


@dataclass(frozen=True)
class Case:
    """A surgery: from which model to which, and how."""

    name: str
    before: ModelConfig
    after: ModelConfig
    choices: Choices
    known: Known = field(default_factory=Known)


CASES = [
    Case("the same model", CONFIG, CONFIG, RESUME),
    Case("one discriminator more", CONFIG, replace(CONFIG, use_mrd=True), RESUME),
    Case("one discriminator less", replace(CONFIG, use_mrd=True), CONFIG, RESUME),
    Case("more speakers, by number", SEVERAL, replace(SEVERAL, num_speakers=5), RESUME),
    Case(
        "other speakers, by name", SEVERAL, replace(SEVERAL, num_speakers=4), RESUME,
        Known(speakers_before=NAMES, speakers={"dora": 0, "clara": 1, "anna": 2, "emil": 3}),
    ),
    Case("one speaker to several", CONFIG, SEVERAL, WARM),
    Case("several speakers to one", SEVERAL, CONFIG, WARM),
    Case("fewer speakers", SEVERAL, replace(SEVERAL, num_speakers=2), WARM),
    Case("a speaker embedding of another width", SEVERAL, replace(SEVERAL, gin_channels=4), WARM),
    Case("another decoder", CONFIG, HIGH, WARM),
    Case("the smaller decoder", HIGH, CONFIG, WARM),
    Case("wider discriminators", CONFIG, replace(CONFIG, discriminator_width_divisor=16), WARM),
    Case("the plain duration predictor", CONFIG, replace(CONFIG, use_sdp=False), WARM),
    Case("other phoneme numbers", CONFIG, CONFIG, WARM, Known(symbols_before=MAP, symbols=MOVED)),
    Case("a smaller phoneme table", CONFIG, replace(CONFIG, num_symbols=130), WARM),
    Case("the vocoder alone", CONFIG, CONFIG, VOCODER),
    Case("the vocoder for several speakers", CONFIG, SEVERAL, VOCODER),
]  # fmt: skip
EVERY = pytest.mark.parametrize("case", CASES, ids=[case.name.replace(" ", "-") for case in CASES])


@pytest.fixture(scope="module")
def payloads(tmp_path_factory: pytest.TempPathFactory) -> dict[ModelConfig, dict[str, Any]]:
    """A checkpoint of each model that a surgery begins with, its moments too."""
    torch.set_num_threads(1)
    trained = small_payload(tmp_path_factory.mktemp("trained"))
    return {config: made_up(trained, config) for config in {case.before for case in CASES}}


def made_up(trained: Mapping[str, Any], config: ModelConfig) -> dict[str, Any]:
    """A checkpoint of another model: counters of a trained one, weights and moments at random but told apart."""
    torch.manual_seed(len(str(config)))
    models = VoiceModels(config)
    for parameter in models.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, 0.0, 0.1)
    made = Optimization(models.model_g.parameters(), models.judges(), settings())
    states = made.optimizer_states()
    for state, parameters in zip(states, (models.model_g.parameters(), models.judges()), strict=True):
        state["state"] = {
            index: {"step": torch.tensor(6.0), "exp_avg": torch.randn_like(p), "exp_avg_sq": torch.rand_like(p)}
            for index, p in enumerate(parameters)
        }
    return {**trained, "state_dict": models.state_dict(), "optimizer_states": states}


Outcome = tuple[BeginPlan, Any, VoiceModels, Optimization]


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    """What came out of each case, for tests that only look."""
    return {}


def operated(case: Case, payloads: Mapping[ModelConfig, Any], outcomes: dict[str, Outcome]) -> Outcome:
    """As `operate`, but once for each case."""
    if case.name not in outcomes:
        outcomes[case.name] = operate(case, payloads)
    return outcomes[case.name]


def operate(case: Case, payloads: Mapping[ModelConfig, Any]) -> Outcome:
    """Plan and execution on models that were just built."""
    payload = payloads[case.before]
    wanted = settings(epochs=9)
    torch.manual_seed(11)
    models = VoiceModels(case.after)
    optimization = Optimization(models.model_g.parameters(), models.judges(), wanted)
    plan = plan_begin(payload, case.after, wanted, case.choices, case.known)
    carry_out(plan, payload, models, optimization)
    return plan, payload, models, optimization


@EVERY
def test_what_is_called_copied_is_equal_to_the_bit_and_the_rest_is_finite(
    case: Case, payloads: dict[ModelConfig, Any], outcomes: dict[str, Outcome]
) -> None:
    plan, payload, models, _ = operated(case, payloads, outcomes)
    torch.manual_seed(11)
    built = VoiceModels(case.after).state_dict()
    now, old = models.state_dict(), payload["state_dict"]
    assert [move.name for move in plan.surgery.moves] == list(now)
    for move in plan.surgery.moves:
        value = now[move.name]
        assert torch.isfinite(value).all(), move.name
        if move.how == COPIED:
            assert torch.equal(value, old[move.name]), move.name
        elif move.how == ZERO:
            assert not value.any(), move.name
        elif move.how == NEW:
            assert torch.equal(value, built[move.name]), move.name
        elif move.rows is not None:
            for row, source in enumerate(move.rows.source):
                assert source < 0 or torch.equal(value[row], old[move.name][source]), (move.name, row)


@EVERY
def test_every_parameter_of_both_models_is_counted_once(
    case: Case, payloads: dict[ModelConfig, Any], outcomes: dict[str, Outcome]
) -> None:
    plan, payload, models, _ = operated(case, payloads, outcomes)
    parts = plan.surgery.parts()
    assert sum(part.parameters for part in parts) == sum(value.numel() for value in models.state_dict().values())
    assert sum(part.tensors for part in parts) == len(models.state_dict())
    total = sum(value.numel() for value in payload["state_dict"].values())
    assert sum(part.copied for part in parts) + plan.surgery.unused == total
    assert sum(part.dropped for part in parts) == plan.surgery.unused
    assert all(0 <= part.copied <= part.parameters for part in parts)
    assert "other" not in {part.part for part in parts}
    document = plan_as_json(plan)
    assert [part["copied"] for part in document["parts"]] == [part.copied for part in parts]
    assert all(fact.text and "model_" not in fact.text for fact in facts_of(plan)), "no names of tensors"


@EVERY
def test_moments_go_where_their_parameter_went(
    case: Case, payloads: dict[ModelConfig, Any], outcomes: dict[str, Outcome]
) -> None:
    plan, payload, models, optimization = operated(case, payloads, outcomes)
    moves = {move.name: move for move in plan.surgery.moves}
    sides = (
        [f"model_g.{name}" for name, _ in models.model_g.named_parameters()],
        [name for name, _ in models.named_parameters() if not name.startswith("model_g.")],
    )
    before = VoiceModels(case.before)
    old_sides = (
        [f"model_g.{name}" for name, _ in before.model_g.named_parameters()],
        [name for name, _ in before.named_parameters() if not name.startswith("model_g.")],
    )
    for number, names in enumerate(sides):
        state = optimization.optimizers[number].state_dict()["state"]
        if case.choices.mode != "resume":
            assert state == {}
            continue
        stored = payload["optimizer_states"][number]["state"]
        for index, name in enumerate(names):
            move = moves[name]
            if move.how == NEW:
                assert index not in state, name
                continue
            theirs = stored[old_sides[number].index(name)]
            for key in ("exp_avg", "exp_avg_sq"):
                if move.rows is None:
                    assert torch.equal(state[index][key], theirs[key]), name
                    continue
                for row, source in enumerate(move.rows.source):
                    expected = theirs[key][source] if source >= 0 else torch.zeros_like(theirs[key][0])
                    assert torch.equal(state[index][key][row], expected), (name, row)
            assert float(state[index]["step"]) == 6.0


@pytest.mark.parametrize("case", CASES[1:5], ids=[case.name.replace(" ", "-") for case in CASES[1:5]])
def test_a_step_can_be_made_with_moments_that_are_not_all_there(case: Case, payloads: dict[ModelConfig, Any]) -> None:
    _, _, models, optimization = operate(case, payloads)
    for optimizer in optimization.optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.full_like(parameter, 1e-3)
        optimizer.step()
    assert models.all_finite()


# --- one speaker to several -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("use_sdp", [True, False])
def test_every_speaker_begins_with_the_voice_of_the_single_one(tmp_path: Path, use_sdp: bool) -> None:
    torch.manual_seed(3)
    single_config = replace(CONFIG, use_sdp=use_sdp)
    single = VoiceModels(single_config).eval()
    for parameter in single.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, 0.0, 0.1)
    several = replace(single_config, num_speakers=3, gin_channels=8)
    models = VoiceModels(several).eval()
    wanted = settings()
    optimization = Optimization(models.model_g.parameters(), models.judges(), wanted)
    payload = {"state_dict": single.state_dict()}
    carry_out(plan_begin(payload, several, wanted, WARM), payload, models, optimization)
    ids, lengths = torch.tensor([[1, 0, 30, 0, 42, 0, 2]]), torch.tensor([7])

    def speak(generator: Synthesizer, speaker: Tensor | None) -> tuple[Tensor, Tensor]:
        torch.manual_seed(0)
        with torch.no_grad():
            spoken = generator.infer(ids, lengths, speaker_ids_B=speaker)
            frames = torch.randn(1, 513, 40, generator=torch.Generator().manual_seed(1)).abs()
            trained = generator(
                ids, lengths, frames, torch.tensor([40]), speaker,
                posterior_noise_BDF=torch.zeros(1, 8, 40), duration_noise_B2T=torch.ones(1, 2, 7),
                slice_uniform_B=torch.zeros(1),
            )  # fmt: skip
        return spoken.audio_B1S, torch.cat((trained.audio_B1S.flatten(), trained.duration_loss_B))

    audio, trained = speak(single.model_g, None)
    for number in range(3):
        mine, mine_trained = speak(models.model_g, torch.tensor([number]))
        assert torch.equal(mine, audio)
        assert torch.equal(mine_trained, trained)


def test_speakers_can_be_told_apart_after_a_few_steps(tmp_path: Path) -> None:
    torch.manual_seed(3)
    single, models, wanted = VoiceModels(CONFIG), VoiceModels(SEVERAL), settings()
    optimization = Optimization(models.model_g.parameters(), models.judges(), wanted)
    payload = {"state_dict": single.state_dict()}
    carry_out(plan_begin(payload, SEVERAL, wanted, WARM), payload, models, optimization)
    latent = torch.randn(3, 8, 6)
    for _ in range(3):
        audio = models.model_g.dec(latent, models.model_g.speaker_embedding(torch.arange(3)))
        optimization.generator.zero_grad()
        (audio * torch.randn_like(audio)).sum().backward()
        optimization.generator.step()
    assert models.model_g.dec.cond.weight.any(), "a layer at zero must be able to leave it"
    assert models.model_g.emb_g.weight.grad is not None
    assert models.model_g.emb_g.weight.grad.any()


def test_rows_of_new_speakers_lie_near_the_mean_of_the_old_ones_and_differ(
    payloads: dict[ModelConfig, Any], outcomes: dict[str, Outcome]
) -> None:
    _, payload, models, _ = operated(CASES[3], payloads, outcomes)
    old, now = payload["state_dict"][SPEAKER_TABLE], models.state_dict()[SPEAKER_TABLE]
    gap = (now[3:] - old.mean(0)).abs() / old.std(0)
    assert 0 < gap.max() < 0.6
    assert not torch.equal(now[3], now[4])


def test_speakers_follow_their_names_and_not_their_numbers(
    payloads: dict[ModelConfig, Any], outcomes: dict[str, Outcome]
) -> None:
    plan, payload, models, _ = operated(CASES[4], payloads, outcomes)
    old, now = payload["state_dict"][SPEAKER_TABLE], models.state_dict()[SPEAKER_TABLE]
    assert torch.equal(now[1], old[NAMES["clara"]])
    assert torch.equal(now[2], old[NAMES["anna"]])
    assert (plan.new_speakers, plan.dropped_speakers) == (("dora", "emil"), ("boris",))


def test_phonemes_follow_their_symbols_and_not_their_numbers(
    payloads: dict[ModelConfig, Any], outcomes: dict[str, Outcome]
) -> None:
    case = next(case for case in CASES if case.name == "other phoneme numbers")
    plan, payload, models, _ = operated(case, payloads, outcomes)
    old, now = payload["state_dict"][SYMBOL_TABLE], models.state_dict()[SYMBOL_TABLE]
    for symbol in MAP:
        assert torch.equal(now[MOVED[symbol][0]], old[MAP[symbol][0]]), symbol
    assert not torch.equal(now[200], old[200]), "a new phoneme must not begin as some other one"
    assert (plan.moved_symbols, plan.new_symbols) == (("a", "b"), ("ɕ",))


def test_maps_that_agree_on_what_both_know_copy_the_whole_table(payloads: dict[ModelConfig, Any]) -> None:
    known = Known(symbols_before=MAP, symbols={**MAP, "ɕ": (200,)})
    plan = plan_begin(payloads[CONFIG], CONFIG, settings(epochs=9), RESUME, known)
    assert plan.surgery.is_whole
    assert plan.new_symbols == ("ɕ",)


def test_the_vocoder_is_decoder_posterior_encoder_and_flow_and_nothing_else(
    payloads: dict[ModelConfig, Any], outcomes: dict[str, Outcome]
) -> None:
    case = next(case for case in CASES if case.name == "the vocoder alone")
    plan, _, _, _ = operated(case, payloads, outcomes)
    copied = {move.name for move in plan.surgery.moves if move.how == COPIED}
    assert copied == {name for name in payloads[CONFIG]["state_dict"] if name.startswith(VOCODER_PREFIXES)}
    assert {part_of(name) for name in copied} == {"decoder", "posterior encoder", "flow"}


def test_a_decoder_of_another_build_is_built_anew_as_a_whole(
    payloads: dict[ModelConfig, Any], outcomes: dict[str, Outcome]
) -> None:
    case = next(case for case in CASES if case.name == "another decoder")
    plan, _, _, _ = operated(case, payloads, outcomes)
    hows = {move.how for move in plan.surgery.moves if move.name.startswith("model_g.dec.")}
    assert hows == {NEW}
    others = [move for move in plan.surgery.moves if not move.name.startswith("model_g.dec.")]
    assert all(move.how == COPIED for move in others)


# --- refusals -------------------------------------------------------------------------------------------------------

with torch.device("meta"):
    _HIGH_STATE = VoiceModels(PRESETS["high"]).state_dict()


def refusal(
    payload: Mapping[str, Any], config: ModelConfig, choices: Choices = RESUME, known: Known | None = None
) -> str:
    plan = plan_begin(payload, config, settings(epochs=9), choices, known)
    with pytest.raises(CheckpointFileError) as caught:
        carry_out(plan, payload, None, None)  # type: ignore[arg-type]  # refused before anything is touched
    assert str(caught.value) == plan.refusal
    assert "\n" not in plan.refusal
    assert "model_g" not in plan.refusal
    return plan.refusal


def test_another_quality_is_told_by_its_name() -> None:
    said = refusal({"state_dict": _HIGH_STATE, "epoch": 3, "global_step": 8}, PRESETS["medium"])
    assert said.startswith("this checkpoint is 'high', the project says 'medium'. Set quality = \"high\" in [voice]")
    assert "--mode warm-start" in said


@pytest.mark.parametrize(
    ("before", "after", "known", "said"),
    [
        (CONFIG, SEVERAL, None, "has one speaker, the data set has 3.*--mode warm-start"),
        (SEVERAL, CONFIG, None, r"has 3 speakers, the data set has one.*multi_speaker = true"),
        (SEVERAL, replace(SEVERAL, num_speakers=2), None, "3 speakers, the data set has 2, and which of them"),
        (CONFIG, replace(CONFIG, hidden_channels=16), None, "hidden_channels 8 instead of 16"),
        (CONFIG, replace(CONFIG, num_symbols=130), None, "a table of 256 phonemes, the project one of 130"),
        (CONFIG, CONFIG, Known(symbols_before=MAP, symbols=MOVED), r"2 phonemes have other numbers.*\(a b\)"),
        (
            CONFIG,
            replace(CONFIG, audio=replace(CONFIG.audio, sample_rate=16_000)),
            None,
            r"trained at 22050 Hz, the project says 16000 Hz. Set sample_rate = 22050 in \[audio\]",
        ),
    ],
)  # fmt: skip
def test_what_can_not_be_resumed_says_in_words_why_and_what_to_do(
    payloads: dict[ModelConfig, Any], before: ModelConfig, after: ModelConfig, known: Known | None, said: str
) -> None:
    assert re.search(said, refusal(payloads[before], after, known=known))


def test_a_run_at_its_end_is_not_begun(payloads: dict[ModelConfig, Any]) -> None:
    for changes, said in (
        ({"epochs": 3}, "trained 3 epochs and"),
        ({"epochs": 9, "max_steps": 6}, "trained 6 batches"),
    ):
        plan = plan_begin(payloads[CONFIG], CONFIG, settings(**changes), RESUME)
        assert said in plan.refusal
        assert not plan_begin(payloads[CONFIG], CONFIG, settings(**changes), RESUME, own=True).refusal
        assert not plan_begin(payloads[CONFIG], CONFIG, settings(**changes), WARM).refusal


@pytest.mark.parametrize("choices", [RESUME, WARM, VOCODER])
def test_weights_that_are_no_numbers_are_refused(payloads: dict[ModelConfig, Any], choices: Choices) -> None:
    payload = {**payloads[CONFIG], "state_dict": copy.deepcopy(payloads[CONFIG]["state_dict"])}
    payload["state_dict"]["model_g.dec.conv_pre.bias"][0] = float("nan")
    plan = plan_begin(payload, CONFIG, settings(epochs=9), choices)
    assert "its training had diverged. Use an earlier checkpoint" in plan.refusal


def test_a_model_of_which_nothing_fits_is_refused(payloads: dict[ModelConfig, Any]) -> None:
    said = refusal(payloads[CONFIG], PRESETS["medium"], WARM)
    assert "nothing of this checkpoint fits" in said


def test_moments_of_another_model_are_told_from_a_damaged_file(payloads: dict[ModelConfig, Any]) -> None:
    payload = {**payloads[CONFIG], "optimizer_states": copy.deepcopy(payloads[CONFIG]["optimizer_states"])}
    payload["optimizer_states"][1]["param_groups"][0]["params"].append(999)
    case = Case("", CONFIG, CONFIG, RESUME)
    with pytest.raises(CheckpointFileError, match=r'optimizer state belongs to \d+ parameters.*optimizer = "fresh"'):
        operate(case, {CONFIG: payload})
    operate(replace(case, choices=Choices(optimizer="fresh")), {CONFIG: payload})


def test_the_conditioning_layers_are_all_that_a_speaker_adds_but_its_table() -> None:
    with torch.device("meta"):
        single, several = VoiceModels(CONFIG).state_dict(), VoiceModels(SEVERAL).state_dict()
    added = set(several) - set(single)
    assert SPEAKER_TABLE in added
    assert {name for name in added if not is_conditioning(name)} == {SPEAKER_TABLE}
    assert not any(is_conditioning(name) for name in single)
    assert ROWS != COPIED
