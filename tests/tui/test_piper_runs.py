"""Piper's own runs in the panes: golden screens, walking over them, samples, and what never acts on them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from piper_tree import FIRST, SENTENCES, add_checkpoint, make_version, tree_digest
from tail.event_files import EventWriter, event_name, tone
from tui.recorded import NOW, Recorded, add_curves, make_run, screen_text, until
from tui.recorded import add_checkpoint as add_own_checkpoint
from tui.test_screens import SIZES, Golden, shown

from workbench.jobs.piper_runs import PiperRuns
from workbench.tui.app import WorkbenchApp
from workbench.tui.services import Exported, Played
from workbench.tui.widgets.rows import RowList

SIZE = (100, 30)
DAY = 86_400


@pytest.fixture
def piper(recorded: Recorded) -> Iterator[Recorded]:
    """No run of ours; a rated chain of two versions with damage, and before it a run of the first Piper."""
    logs = recorded.root / "lightning_logs"
    started = int(NOW) - 2 * DAY
    make_version(logs, 0, epochs=range(1), generation=FIRST, started=started - DAY)
    add_checkpoint(logs / "version_0", "epoch=0-step=80.ckpt", 0, 80, NOW - 3 * DAY)
    make_version(logs, 1, epochs=range(10), started=started, rated=True)
    for name, epoch in (("epoch=8-val_mel=3.5", 8), ("epoch=8-val_mos=3.8", 8), ("epoch=9-val_mel=3.3", 9)):
        add_checkpoint(logs / "version_1", f"{name}.ckpt", epoch, 80 * (epoch + 1), NOW - 2 * DAY + 40 * epoch)
    resumed = "lightning_logs/version_1/checkpoints/epoch=8-val_mel=3.5.ckpt"
    # Twelve seconds ago it ended its sixteenth epoch.
    make_version(logs, 2, epochs=range(9, 16), started=int(NOW) - 292, resumed=resumed, rated=True)
    add_checkpoint(logs / "version_2", "epoch=15-val_mel=2.57.ckpt", 15, 1280, NOW - 12)
    add_checkpoint(logs / "version_2", "last.ckpt", 15, 1280, NOW - 11)
    broken = add_checkpoint(logs / "version_2", "epoch=14-val_mel=2.77.ckpt", 14, 1200)
    broken.write_bytes(broken.read_bytes()[:-1])
    os.utime(broken, (NOW - 52, NOW - 52))
    (logs / "version_2" / "checkpoints" / "epoch=13.ckpt.part").touch()
    recorded.piper = PiperRuns(logs, now=recorded.now)
    before = tree_digest(logs)
    yield recorded
    assert tree_digest(logs) == before


@SIZES
async def test_piper_train(piper: Recorded, golden: Golden, size: tuple[int, int]) -> None:
    golden(await shown(piper, size, "2", "discriminator"))


@SIZES
async def test_piper_checkpoints(piper: Recorded, golden: Golden, size: tuple[int, int]) -> None:
    golden(await shown(piper, size, "3", "640"))


@SIZES
async def test_piper_samples(piper: Recorded, golden: Golden, size: tuple[int, int]) -> None:
    app = WorkbenchApp(piper)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "will not be trained" in screen_text(app))
        await pilot.press("3")
        await until(pilot, lambda: "640" in screen_text(app))
        await pilot.press("s")
        # All are read, and the detail (wide terminals) speaks of the first.
        await until(pilot, lambda: "1 of 32" in screen_text(app))
        await until(pilot, lambda: size[0] < 120 or "«Маленький" in screen_text(app))
        await pilot.pause(0.3)
        golden(screen_text(app))


async def test_a_run_of_the_first_piper_shows_the_curves_that_it_has(piper: Recorded, golden: Golden) -> None:
    app = WorkbenchApp(piper)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "will not be trained" in screen_text(app))
        await pilot.press("2")
        await until(pilot, lambda: "version_1…2, read-only" in screen_text(app))
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: "loss_g   ── train" in screen_text(app))
        await pilot.pause(0.3)
        golden(screen_text(app))
        # The metric that was chosen is that of the next run again.
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "mel   ── train" in screen_text(app))


async def test_brackets_walk_over_piper_s_runs_and_ours_and_ours_come_first(piper: Recorded) -> None:
    add_curves(make_run(piper.runs, "20270114-090000-aelita", state="completed", phase="done"), range(0, 40, 4))
    app = WorkbenchApp(piper)
    async with app.run_test(size=(130, 40)) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("2")
        await until(pilot, lambda: "▸ 20270114-090000-aelita" in screen_text(app))
        for label in ("version_1…2", "version_0"):
            await pilot.press("left_square_bracket")
            await until(pilot, lambda label=label: f"▸ {label} " in screen_text(app))
        assert "○ Piper run version_0, read-only" in screen_text(app).splitlines()[0]
        for label in ("version_1…2", "20270114-090000-aelita"):
            await pilot.press("right_square_bracket")
            await until(pilot, lambda label=label: f"▸ {label} " in screen_text(app))


async def test_r_and_x_never_act_on_a_run_of_piper_s(piper: Recorded) -> None:
    folder = make_run(piper.runs, "20270114-090000-aelita", state="stopped", phase="done")
    add_own_checkpoint(folder, 3, 360, val_mel=25.1)
    app = WorkbenchApp(piper)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("2", "left_square_bracket")
        await until(pilot, lambda: "version_1…2, read-only" in screen_text(app))
        await pilot.press("r")
        await until(pilot, lambda: "version_2 can't be resumed; 20270114-090000-aelita can" in screen_text(app))
        await pilot.press("X")
        await until(pilot, lambda: "no training is running" in screen_text(app))
        assert not [call for call in piper.calls if call[0] in ("start", "stop")]


async def test_e_exports_and_space_speaks_with_a_checkpoint_of_piper_s(piper: Recorded) -> None:
    onnx = piper.root / "voices" / "ru-aelita-tiny.onnx"
    piper.export_result = Exported(files=(onnx,), largest_difference=4.7e-8, accepted=True, message="equal")
    app = WorkbenchApp(piper)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("3")
        await until(pilot, lambda: "640" in screen_text(app))
        await pilot.press("e")
        await until(pilot, lambda: "✓ max|Δ| 4.7e-08" in screen_text(app))
        assert ("export", "epoch=15-val_mel=2.57.ckpt") in piper.calls
        await pilot.press("down", "space")
        await until(pilot, lambda: any(call[:2] == ("speak", "last.ckpt") for call in piper.calls))


async def test_o_shows_versions_problems_and_settings(piper: Recorded) -> None:
    app = WorkbenchApp(piper)
    async with app.run_test(size=(130, 40)) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("2")
        await until(pilot, lambda: "▲ 2 problems with its files: o tells" in screen_text(app))
        await pilot.press("o")
        await until(pilot, lambda: "── version_1/config.yaml" in screen_text(app))
        text = screen_text(app)
        for expected in (
            "version_1…2: versions and settings",
            "goes on from version_1, epoch=8-val_mel=3.5.ckpt",
            "▲ version_2/checkpoints/epoch=13.ckpt.part: is no checkpoint (half-copied?)",
            "▲ version_2/checkpoints/epoch=14-val_mel=2.77.ckpt: is not whole (half-copied?)",
            "── version_2/config.yaml",
            "  voice_name: aelita",
        ):
            assert expected in text


async def test_space_plays_the_sample_of_the_selected_checkpoint_s_epoch(piper: Recorded) -> None:
    piper.play_result = Played(played=False, message="x", reasons=("sounddevice: PortAudio is not installed",))
    app = WorkbenchApp(piper)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("3")
        await until(pilot, lambda: "640" in screen_text(app))
        await pilot.press("end", "s")
        # The last row is that of epoch 8, seven epochs of two sentences down.
        await until(pilot, lambda: "15 of 32" in screen_text(app))
        await pilot.press("down", "space")
        await until(pilot, lambda: "no sound here (sounddevice: PortAudio is not installed)" in screen_text(app))
        assert ("extract", "version_2", SENTENCES[1], 8) in piper.calls
        assert ("play", "sample.wav") in piper.calls
        assert "WAV voices/spoken/sample.wav" in screen_text(app)
        await pilot.press("s")
        await until(pilot, lambda: "exported voices" in screen_text(app))
        assert app.focused is app.query_one("#checkpoints", RowList)


async def test_a_sample_that_plays_can_be_cancelled(piper: Recorded) -> None:
    app = WorkbenchApp(piper)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("3", "s")
        await until(pilot, lambda: "1 of 32" in screen_text(app))
        piper.gate = threading.Event()
        await pilot.press("space")
        await until(pilot, lambda: "playing the sample of epoch 15" in screen_text(app))
        await pilot.press("x")
        await until(pilot, lambda: "playing the sample of epoch 15 was cancelled" in screen_text(app))
        assert ("cancel", "audio") in piper.calls


async def test_samples_of_a_live_run_of_ours_appear_while_one_looks(training: Recorded) -> None:
    metrics = training.runs / "20270115-090000-aelita" / "metrics"
    app = WorkbenchApp(training)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("3", "s")
        await until(pilot, lambda: "No sample yet" in screen_text(app))
        writer = EventWriter(metrics / event_name(1), NOW - 30)
        writer.clip("sample/1", 360, *tone(0.05))
        await until(pilot, lambda: "sample/1" in screen_text(app))
        (metrics / "sentences.json").write_text('{"sample/1": "Ветер стих."}', "utf-8")
        writer.clip("sample/1", 380, *tone(0.05))
        await until(pilot, lambda: screen_text(app).count("Ветер стих.") == 2)
        await pilot.press("left_square_bracket", "space")
        await until(pilot, lambda: ("play", "sample.wav") in training.calls)


async def test_a_version_that_goes_on_while_one_looks_takes_the_place_of_the_one_before(piper: Recorded) -> None:
    logs = piper.root / "lightning_logs"
    copy = piper.root / "copy"
    make_version(copy, 0, epochs=range(1), started=int(NOW) - 3000)
    piper.piper = PiperRuns(copy, now=piper.now)
    app = WorkbenchApp(piper)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("2")
        await until(pilot, lambda: "Piper run version_0, read-only" in screen_text(app))
        make_version(
            copy, 1, epochs=range(1, 2), started=int(NOW) - 60, resumed="version_0/checkpoints/e.ckpt", clips=False
        )
        piper.clock += 3
        await until(pilot, lambda: "Piper run version_0…1, read-only" in screen_text(app))
        await until(pilot, lambda: "batches 10–80" in screen_text(app))
    assert logs.is_dir()


async def test_a_folder_that_is_not_there_is_told_once(recorded: Recorded, tmp_path: Path) -> None:
    recorded.piper = PiperRuns(tmp_path / "nowhere")
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(160, 30)) as pilot:
        await until(pilot, lambda: "will not be trained" in screen_text(app))
        await pilot.press("exclamation_mark")
        await until(pilot, lambda: "nowhere: there is no such folder; correct piper_runs" in screen_text(app))
        assert app.alerts.text().count("nowhere: there is no such folder") == 1
