"""The question before a training that begins with a checkpoint: facts, choices, refusals; nothing starts unasked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tui.recorded import Recorded, add_checkpoint, make_run, screen_text, until

from workbench.errors import CheckpointError
from workbench.jobs.rundir import write_status
from workbench.tui.app import WorkbenchApp
from workbench.tui.services import Beginning, StartPlan

SIZE = (100, 30)
PLAN = StartPlan(
    facts=[
        ("checkpoint", "epoch=426-step=202398.ckpt (846 MB)", False),
        ("model", "'medium', 1 speaker, 22050 Hz", False),
        ("done", "427 epochs: 101 199 batches (237 an epoch), 202 398 optimizer steps", False),
        ("goes on", "with epoch 428 of 1 000 (epoch=427 in file names); 573 are left", False),
        ("rate", "generator 0.00019 of the file, times 0.999875 after each epoch: 0.000177 in epoch 1 000", False),
        ("optimizer", "both are kept", False),
        ("weights", "all 784 tensors are copied (70.4 M parameters)", False),
        ("split", "new: Piper does not store its own, so clips of its training may be in our validation", True),
    ],
    model={"hidden_channels": 192},
)


@pytest.fixture
def piper(recorded: Recorded) -> Recorded:
    """A workspace whose settings name a checkpoint to begin with."""
    recorded.start_checkpoint = recorded.root / "epoch=426-step=202398.ckpt"
    recorded.plan_result = PLAN
    return recorded


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
async def test_the_start_dialog(piper: Recorded, golden: Callable[[str], None], size: tuple[int, int]) -> None:
    piper.picture_missing = True  # it is drawn when the cursor has rested a while
    app = WorkbenchApp(piper)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "will not be trained" in screen_text(app))
        await pilot.press("t")
        await until(pilot, lambda: "101 199 batches" in screen_text(app))
        await pilot.pause(0.3)
        golden(screen_text(app))


async def test_what_the_file_holds_is_shown_before_anything_starts_and_enter_starts_with_it(piper: Recorded) -> None:
    app = WorkbenchApp(piper)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("t")
        await until(pilot, lambda: "all 784 tensors are copied" in screen_text(app))
        assert "48 clips of metadata.csv" in screen_text(app)
        assert not [call for call in piper.calls if call[0] == "start"]
        await pilot.press("enter")
        await until(pilot, lambda: "● training" in screen_text(app))
        chosen = Beginning(
            checkpoint=piper.root / "epoch=426-step=202398.ckpt",
            mode="resume",
            learning_rate="continue",
            optimizer="keep",
        )
        assert ("begin", chosen) in piper.calls


async def test_reading_shows_how_far_it_is_and_there_is_nothing_to_agree_to_yet(piper: Recorded) -> None:
    piper.gate = threading.Event()
    app = WorkbenchApp(piper)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        piper.gate.set()
        await until(pilot, lambda: "48 utterances" in screen_text(app))
        piper.gate.clear()
        await pilot.press("t")
        await until(pilot, lambda: "212 of 846 MB of epoch=426-step=202398.ckpt read" in screen_text(app))
        await pilot.press("t", "enter")  # the first letter of the answer that can't be given, and the safe one
        await pilot.pause(0.1)
        assert not [call for call in piper.calls if call[0] == "start"]
        piper.gate.set()


async def test_a_choice_is_worked_out_anew_before_it_can_be_agreed_to(piper: Recorded) -> None:
    app = WorkbenchApp(piper)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("t")
        await until(pilot, lambda: "all 784 tensors are copied" in screen_text(app))
        await pilot.press("l")
        await until(pilot, lambda: piper.calls[-1][:1] == ("plan",) and piper.calls[-1][3] == "keep")
        await until(pilot, lambda: "l learning rate: keep" in screen_text(app) and "784" in screen_text(app))
        await pilot.press("o", "m")
        await until(pilot, lambda: piper.calls[-1][2] == "warm-start" and "784" in screen_text(app))
        assert "l learning rate" not in screen_text(app), "a warm start has the settings' rates"
        await pilot.press("l", "t")
        await until(pilot, lambda: any(call[0] == "begin" for call in piper.calls))
        chosen = next(call[1] for call in piper.calls if call[0] == "begin")
        assert (chosen.mode, chosen.learning_rate, chosen.optimizer) == ("warm-start", "keep", "fresh")


REFUSED = StartPlan(facts=PLAN.facts[:3], refusal="this checkpoint is 'high', the project says 'medium'")


@pytest.mark.parametrize("answer", [REFUSED, CheckpointError("a.ckpt: the file is cut off")])
async def test_a_refusal_is_shown_in_the_dialog_and_nothing_starts(
    piper: Recorded, answer: StartPlan | CheckpointError
) -> None:
    piper.plan_result = answer
    said = answer.refusal if isinstance(answer, StartPlan) else str(answer)
    app = WorkbenchApp(piper)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("t")
        await until(pilot, lambda: f"✗ can't begin: {said}" in screen_text(app))
        await pilot.press("t")
        await pilot.pause(0.1)
        assert f"✗ can't begin: {said}" in screen_text(app), "it stays, and so does the question"
        await pilot.press("enter")  # the safe answer has the focus
        await until(pilot, lambda: "can't begin" not in screen_text(app))
        assert not [call for call in piper.calls if call[0] == "start"]


async def test_from_scratch_is_one_letter_away(piper: Recorded) -> None:
    app = WorkbenchApp(piper)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("t")
        await until(pilot, lambda: "all 784 tensors are copied" in screen_text(app))
        await pilot.press("f")
        await until(pilot, lambda: ("start", None) in piper.calls)
        assert not [call for call in piper.calls if call[0] == "begin"]


async def test_a_new_run_begins_with_the_checkpoint_that_is_selected(training: Recorded) -> None:
    folder = training.runs / "20270115-090000-aelita"
    training.plan_result = PLAN
    app = WorkbenchApp(training)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("3")
        await until(pilot, lambda: "720" in screen_text(app))
        await pilot.press("n")
        await until(pilot, lambda: "is training already; X stops it" in screen_text(app))
        write_status(folder, state="completed", phase="done")
        training.lock.release()
        await until(pilot, lambda: "● training" not in screen_text(app))
        await pilot.press("down", "n")
        await until(pilot, lambda: "all 784 tensors are copied" in screen_text(app))
        assert training.calls[-1][:2] == ("plan", "epoch=2-step=480.ckpt")


async def test_n_without_a_checkpoint_says_what_to_do(recorded: Recorded) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("3")
        await until(pilot, lambda: "Press t to train" in screen_text(app))
        await pilot.press("n")
        await until(pilot, lambda: "nothing to begin with" in screen_text(app))


async def test_a_stopped_run_is_offered_there_too_and_facts_scroll_on_a_small_screen(piper: Recorded) -> None:
    folder = make_run(piper.runs, "20270115-090000-aelita", state="stopped", phase="done")
    add_checkpoint(folder, 3, 360, val_mel=25.1)
    piper.plan_result = StartPlan(facts=[*PLAN.facts, *[("note", f"line {n}", True) for n in range(40)]])
    app = WorkbenchApp(piper)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "■ stopped epoch 4/20" in screen_text(app))
        await pilot.press("t")
        await until(pilot, lambda: "101 199 batches" in screen_text(app))
        assert "resume 20270115-090000-aelita" in screen_text(app)
        assert "line 39" not in screen_text(app)
        await pilot.press(*["pagedown"] * 8)
        await until(pilot, lambda: "line 39" in screen_text(app))
        await pilot.press("r")
        await until(pilot, lambda: ("start", "20270115-090000-aelita") in piper.calls)


def test_the_dialog_reads_no_checkpoint_itself(repo: Path) -> None:
    text = (repo / "workbench" / "tui" / "screens" / "start.py").read_text(encoding="utf-8")
    assert "import torch" not in text
    assert "core_vits" not in text
