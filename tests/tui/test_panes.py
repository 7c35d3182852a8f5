"""What the panes do: filter, play, train, stop, resume, export, speak, cancel; and what they say when it goes wrong."""

from __future__ import annotations

import threading

from tail.event_files import EventWriter, event_name
from tui.conftest import scan_of
from tui.recorded import NOW, Recorded, add_checkpoint, make_run, screen_text, until, write_curves

from workbench.errors import DatasetError
from workbench.jobs.rundir import stop_requested, write_status
from workbench.tui.app import WorkbenchApp
from workbench.tui.services import Exported, Played, ScanResult, VoiceFile
from workbench.tui.widgets.rows import RowList

SIZE = (100, 30)


async def test_enter_on_a_finding_shows_its_rows_and_esc_shows_all(recorded: Recorded) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "text.digits" in screen_text(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: "1 of 2 " in screen_text(app))
        assert "utterances · rule: text.digits" in screen_text(app)
        assert [item["row"] for item in app.query_one("#utterances", RowList).items] == [5, 7]
        await pilot.press("escape")
        await until(pilot, lambda: "1 of 48" in screen_text(app))


async def test_slash_filters_while_typing(recorded: Recorded) -> None:
    recorded.scan_result = scan_of(10_000)
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "10 000 utterances" in screen_text(app))
        await pilot.press("slash", *"09999")
        await until(pilot, lambda: "1 of 1 " in screen_text(app))
        assert "utt_09999.wav" in screen_text(app)
        await pilot.press("enter", "escape")
        await until(pilot, lambda: "1 of 10000" in screen_text(app))


async def test_a_metadata_file_that_cannot_be_read_is_one_line_and_r_scans_again(recorded: Recorded) -> None:
    recorded.scan_error = DatasetError("metadata.csv: it is not UTF-8 text. Save it as UTF-8.")
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "✗ metadata.csv: it is not UTF-8 text. Save it as UTF-8." in screen_text(app))
        assert "Traceback" not in screen_text(app)
        recorded.scan_error = None
        await pilot.press("r")
        await until(pilot, lambda: "48 utterances" in screen_text(app))
        await pilot.press("exclamation_mark")
        await until(pilot, lambda: "it is not UTF-8 text" in screen_text(app).replace("\n", " "))


async def test_a_scan_shows_progress_and_x_cancels_it(recorded: Recorded) -> None:
    recorded.gate = threading.Event()
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "12 of 48" in screen_text(app))
        assert "dataset scan" in screen_text(app).splitlines()[1]
        await pilot.press("x")
        await until(pilot, lambda: "the scan was cancelled; r scans again" in screen_text(app))
        assert ("cancel", "audio") in recorded.calls
        assert "dataset scan" not in screen_text(app).splitlines()[1]


async def test_a_first_scan_shows_what_it_finds_while_it_goes_on_and_keeps_the_cursor(recorded: Recorded) -> None:
    whole = recorded.scan_result
    recorded.scan_parts = [ScanResult(findings=whole.findings[:2], utterances=whole.utterances[:12])]
    recorded.gate = threading.Event()
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "1 of 12 " in screen_text(app))
        assert "text.digits" in screen_text(app)
        assert "scanning metadata.csv" in screen_text(app)
        await pilot.press("tab", "down", "down")
        recorded.gate.set()
        await until(pilot, lambda: "3 of 48 " in screen_text(app))
        assert "1 utterance will not be trained" in screen_text(app)


async def test_a_first_scan_that_is_cancelled_does_not_pass_for_a_whole_one(recorded: Recorded) -> None:
    recorded.scan_parts = [ScanResult(utterances=recorded.scan_result.utterances[:12])]
    recorded.gate = threading.Event()
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "1 of 12 " in screen_text(app))
        assert "Nothing so far." in screen_text(app)
        await pilot.press("x")
        await until(pilot, lambda: "the scan was cancelled; r scans again" in screen_text(app))
        assert "utt_00001" not in screen_text(app)
        assert "Nothing found" not in screen_text(app)


async def test_space_plays_the_recording_of_the_selected_row(recorded: Recorded) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "48 utterances" in screen_text(app))
        await pilot.press("tab", "down", "space")
        await until(pilot, lambda: "played 1.9 s by sounddevice" in screen_text(app))
        assert ("play", "utt_00002.wav") in recorded.calls
        await pilot.press("down", "space")
        await until(pilot, lambda: "line 3: there is no recording utt_00003.wav" in screen_text(app))


async def test_t_asks_with_facts_and_starts(recorded: Recorded) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("t")
        await until(pilot, lambda: "48 clips of metadata.csv   20 epochs" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: "start a training?" not in screen_text(app))
        assert not [call for call in recorded.calls if call[0] == "start"]
        await pilot.press("t")
        await until(pilot, lambda: "start a training?" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: "[2 Train]" in screen_text(app) and "● training" in screen_text(app))
        assert ("start", None) in recorded.calls
        await pilot.press("t")
        await until(pilot, lambda: "is training already; X stops it" in screen_text(app))


async def test_stopping_asks_with_the_safe_answer_first(training: Recorded) -> None:
    folder = training.runs / "20270115-090000-aelita"
    app = WorkbenchApp(training)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("X")
        await until(pilot, lambda: "stop the training?" in screen_text(app))
        await pilot.press("enter")
        await pilot.pause(0.2)
        assert not stop_requested(folder)
        await pilot.press("X")
        await until(pilot, lambda: "stop the training?" in screen_text(app))
        await pilot.press("s")
        await until(pilot, lambda: "● stopping at the next step" in screen_text(app))
        assert stop_requested(folder)


async def test_a_stopped_run_is_offered_and_r_resumes_it(recorded: Recorded) -> None:
    folder = make_run(recorded.runs, "20270115-090000-aelita", state="stopped", phase="done")
    add_checkpoint(folder, 3, 360, val_mel=25.1)
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "■ stopped epoch 4/20" in screen_text(app))
        await pilot.press("t")
        await until(pilot, lambda: "resume 20270115-090000-aelita" in screen_text(app))
        await pilot.press("escape")
        await pilot.press("2")
        await until(pilot, lambda: "r resumes it where it ended" in screen_text(app))
        await pilot.press("r")
        await until(pilot, lambda: ("start", "20270115-090000-aelita") in recorded.calls)
        await until(pilot, lambda: "● training" in screen_text(app))


async def test_curves_and_checkpoints_appear_while_one_looks(training: Recorded) -> None:
    folder = training.runs / "20270115-090000-aelita"
    app = WorkbenchApp(training)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "batches 0–396" in screen_text(app))
        write_curves(EventWriter(folder / "metrics" / event_name(1), NOW), range(400, 800, 4), nan_at=600)
        await until(pilot, lambda: "batches 0–796" in screen_text(app))
        assert "✗" in screen_text(app), "a loss that was no number is marked"
        add_checkpoint(folder, 4, 480, val_mel=24.0)
        await until(pilot, lambda: "checkpoint of epoch 4 written, val mel 24.00" in screen_text(app))
        (folder / "checkpoints" / "epoch=1-step=240.ckpt").unlink()
        add_checkpoint(folder, 5, 600, val_mel=23.0)
        await until(pilot, lambda: "checkpoint of epoch 5 written, val mel 23.00" in screen_text(app))


async def test_a_resume_leaves_the_discarded_tail_visible(training: Recorded) -> None:
    folder = training.runs / "20270115-090000-aelita"
    app = WorkbenchApp(training)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "batches 0–396" in screen_text(app))
        writer = EventWriter(folder / "metrics" / event_name(1), NOW)
        write_curves(writer, range(300, 352, 4), started=NOW)
        await until(pilot, lambda: "dim: before a resume" in screen_text(app))


async def test_zoom_pan_cursor_log_band_and_fit(training: Recorded) -> None:
    app = WorkbenchApp(training)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "batches 0–396" in screen_text(app))
        await pilot.press("plus")
        await until(pilot, lambda: "batches 198–396" in screen_text(app))
        await pilot.press("left")
        await until(pilot, lambda: "batches 148–346" in screen_text(app))
        await pilot.press("c")
        await until(pilot, lambda: "cursor  batch 348" in screen_text(app) or "cursor  batch 344" in screen_text(app))
        assert "epoch 2" in screen_text(app)
        await pilot.press("left", "c", "0", "l", "b")
        await until(pilot, lambda: "batches 0–396   log   band" in screen_text(app))
        await pilot.press("minus", "l", "b")
        await until(pilot, lambda: "batches 0–396\n" in screen_text(app))


async def test_m_picks_another_metric(training: Recorded) -> None:
    app = WorkbenchApp(training)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "batches 0–396" in screen_text(app))
        await pilot.press("m", "j", "enter")
        await until(pilot, lambda: "\nkl   ── train" in screen_text(app))


async def test_brackets_show_another_run(training: Recorded) -> None:
    make_run(training.runs, "20270114-090000-aelita", state="failed", phase="done", message="CUDA out of memory")
    app = WorkbenchApp(training)
    async with app.run_test(size=(130, 40)) as pilot:
        await until(pilot, lambda: "20270114-090000-aelita" in screen_text(app))
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: "This run wrote no curves. CUDA out of memory" in screen_text(app))
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "▸ 20270115-090000-aelita" in screen_text(app))


async def test_a_run_that_fails_says_why_once(training: Recorded) -> None:
    folder = training.runs / "20270115-090000-aelita"
    app = WorkbenchApp(training)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        write_status(folder, losses={"mel": float("nan")})
        await until(pilot, lambda: "mel: not a number at batch 400" in screen_text(app))
        write_status(folder, state="failed", phase="done", message="the disk is full")
        training.lock.release()
        await until(pilot, lambda: "failed: the disk is full  o shows its log" in screen_text(app))
        await pilot.press("o")
        await until(pilot, lambda: "epoch 3 begins" in screen_text(app))


async def test_e_exports_and_shows_the_largest_difference(training: Recorded) -> None:
    onnx = training.root / "voices" / "ru-aelita-tiny.onnx"
    files = (onnx, onnx.with_suffix(".onnx.json"))
    training.export_result = Exported(files=files, largest_difference=4.7e-8, accepted=True, message="equal")
    app = WorkbenchApp(training)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("3")
        await until(pilot, lambda: "720" in screen_text(app))
        await pilot.press("down", "e")
        await until(pilot, lambda: "exported ru-aelita-tiny.onnx, largest difference" in screen_text(app))
        text = screen_text(app)
        assert "✓ max|Δ| 4.7e-08" in text
        assert "✓ exported voices/ru-aelita-tiny.onnx" in text
        assert ("export", "epoch=2-step=480.ckpt") in training.calls


async def test_e_asks_for_the_format_where_there_are_several_and_remembers_it(training: Recorded) -> None:
    onnx = training.root / "voices" / "ru-aelita-tiny-half.onnx"
    training.exporters = ["onnx", "onnx-half", "mine"]
    training.export_result = Exported(files=(onnx,), largest_difference=1e-4, accepted=True, message="equal")
    app = WorkbenchApp(training)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("3")
        await until(pilot, lambda: "720" in screen_text(app))
        await pilot.press("e", "escape", "e", "down", "enter")
        await until(pilot, lambda: ("export", "epoch=3-step=720.ckpt", "onnx-half") in training.calls)
        await until(pilot, lambda: "exported ru-aelita-tiny-half.onnx, largest difference" in screen_text(app))
        await pilot.press("down", "e", "enter")
        await until(pilot, lambda: ("export", "epoch=2-step=480.ckpt", "onnx-half") in training.calls)


async def test_the_format_of_the_run_s_last_export_is_proposed_after_a_restart(training: Recorded) -> None:
    training.exporters = ["onnx", "mine"]
    checkpoint = training.runs / "20270115-090000-aelita" / "checkpoints" / "epoch=1-step=240.ckpt"
    voice = Exported(files=(), largest_difference=1e-6, accepted=True, message="", exporter="mine", replaced=True)
    training.exports = {checkpoint: voice}
    app = WorkbenchApp(training)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("3")
        await until(pilot, lambda: "voice replaced" in screen_text(app))
        assert "max|Δ|" not in screen_text(app)
        await pilot.press("e", "enter")
        await until(pilot, lambda: ("export", "epoch=3-step=720.ckpt", "mine") in training.calls)


async def test_a_voice_that_differs_is_not_called_exported(training: Recorded) -> None:
    training.export_result = Exported(files=(), largest_difference=0.3, accepted=False, message="differs by 0.3")
    app = WorkbenchApp(training)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("3")
        await until(pilot, lambda: "720" in screen_text(app))
        await pilot.press("e")
        await until(pilot, lambda: "✗ rejected" in screen_text(app))
        text = screen_text(app)
        assert "not exported: differs by 0.3" in text
        assert "✓ exported" not in text


async def test_x_cancels_an_export_and_quitting_asks_while_one_runs(training: Recorded) -> None:
    app = WorkbenchApp(training)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        training.gate = threading.Event()
        await pilot.press("3")
        await until(pilot, lambda: "720" in screen_text(app))
        await pilot.press("e")
        await until(pilot, lambda: "33 %  exporting" in screen_text(app))
        assert "export of epoch 3" in screen_text(app).splitlines()[1]
        await pilot.press("e")
        await until(pilot, lambda: "is under way; x cancels it" in screen_text(app))
        await pilot.press("q")
        await until(pilot, lambda: "would be cancelled" in screen_text(app))
        await pilot.press("enter")
        assert app.is_running
        await pilot.press("x")
        await until(pilot, lambda: "export of epoch 3 was cancelled" in screen_text(app))
        assert ("cancel", "torch") in training.calls


async def test_space_speaks_with_a_checkpoint_and_says_where_the_wav_is(training: Recorded) -> None:
    training.play_result = Played(played=False, message="x.wav", reasons=("sounddevice: PortAudio is not installed",))
    app = WorkbenchApp(training)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("3")
        await until(pilot, lambda: "720" in screen_text(app))
        await pilot.press("space")
        await until(pilot, lambda: "no sound here (sounddevice: PortAudio is not installed)" in screen_text(app))
        assert "WAV voices/spoken/x.wav  1.9 s" in screen_text(app)
        assert ("speak", "epoch=3-step=720.ckpt", "Добрый день, это новый голос.") in training.calls
        await pilot.press("tab", "space")
        await until(pilot, lambda: any(call[:2] == ("speak", "ru-aelita-tiny.onnx") for call in training.calls))


async def test_a_speaker_is_chosen_for_a_voice_that_has_several(training: Recorded) -> None:
    training.speakers = ("mia", "tom")
    app = WorkbenchApp(training)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("3")
        await until(pilot, lambda: "mia: «Добрый день, это новый голос.»" in screen_text(app))
        await pilot.press("space")
        await until(pilot, lambda: any(call[0] == "speak" and call[3:] == ("mia",) for call in training.calls))
        await until(pilot, lambda: "played 1.9 s" in screen_text(app))
        await pilot.press("S")
        await until(pilot, lambda: "━ speaker ━" in screen_text(app))
        await pilot.press("j", "enter")
        await until(pilot, lambda: "tom: «Добрый день" in screen_text(app))
        await pilot.press("space")
        await until(pilot, lambda: any(call[0] == "speak" and call[3:] == ("tom",) for call in training.calls))
        # The exported voice has one speaker: nobody is named, and there is nobody to choose.
        await pilot.press("tab")
        await until(pilot, lambda: "│«Добрый день" in screen_text(app))
        await pilot.press("S")
        await until(pilot, lambda: "there is one speaker here" in screen_text(app))
        # Lists of other panes are none of this one's business.
        await pilot.press("1")
        await pilot.pause(0.6)
        assert "failed" not in screen_text(app)


async def test_another_sentence_is_spoken_after_it_was_edited(training: Recorded) -> None:
    app = WorkbenchApp(training)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("3")
        await until(pilot, lambda: "720" in screen_text(app))
        await pilot.press("T")
        await until(pilot, lambda: "sentence to speak" in screen_text(app))
        await pilot.press("home", *"Ну, ", "enter")
        await until(pilot, lambda: "«Ну, Добрый день, это новый голос.»" in screen_text(app))
        await pilot.press("space")
        await until(pilot, lambda: any(call[0] == "speak" and call[2].startswith("Ну, ") for call in training.calls))


async def test_names_from_outside_cannot_talk_to_the_terminal(training: Recorded) -> None:
    evil = "\x1b]52;c;cm0=\x07[red]\u202e\x9b2J"
    training.voices = [VoiceFile(onnx=training.root / f"{evil}.onnx", bytes=1, time=NOW, has_config=False)]
    log = training.runs / "20270115-090000-aelita" / "logs" / "train.log"
    log.write_text(f"{evil} says the log\n", encoding="utf-8")
    training.scan_error = DatasetError(f"{evil}: bad [/] markup")
    app = WorkbenchApp(training)
    async with app.run_test(size=(130, 40)) as pilot:
        await until(pilot, lambda: app.pane is not None)
        for pane in "213":
            await pilot.press(pane)
            await pilot.pause(0.6)
            text = screen_text(app)
            assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(text)
        await until(pilot, lambda: r"\x1b]52;c;cm0=\x07[red]" in screen_text(app))


async def test_quitting_says_nothing_to_the_run(training: Recorded) -> None:
    app = WorkbenchApp(training)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "✗" not in screen_text(app) and app.pane is not None)
        await pilot.press("q")
        await pilot.pause(0.3)
    assert not app.is_running
    assert not stop_requested(training.runs / "20270115-090000-aelita")
    assert app.return_code == 0


async def test_leaving_in_the_middle_of_a_scan_asks_nothing_and_ends_cleanly(recorded: Recorded) -> None:
    recorded.gate = threading.Event()
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "12 of 48" in screen_text(app))
        await pilot.press("q")
        await pilot.pause(0.3)
    assert not app.is_running
    assert app.return_code == 0


async def test_leaving_in_the_middle_of_an_export_asks_first(training: Recorded) -> None:
    app = WorkbenchApp(training)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "[3 Checkpoints]" in screen_text(app) and "120" in screen_text(app))
        training.gate = threading.Event()
        await pilot.press("e")
        await until(pilot, lambda: any("export" in job for job in app.jobs))
        await pilot.press("q")
        await until(pilot, lambda: "leave?" in screen_text(app))
        assert app.is_running
        await pilot.press("l")
        await pilot.pause(0.3)
    assert not app.is_running


async def test_an_error_while_the_app_closes_goes_to_the_log_and_not_to_the_terminal(training: Recorded) -> None:
    app = WorkbenchApp(training)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
    # The app has left; a late message of a thread meets a pane whose parts are gone.
    app._handle_exception(RuntimeError("too late"))
    # None: the app was closed from outside; Textual sets 1 for an error.
    assert app.return_code is None
    assert "too late" in (training.root / "state" / "voice-workbench" / "tui.log").read_text(encoding="utf-8")


async def test_w_writes_the_report_and_says_where_or_why_not(recorded: Recorded) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "48 utterances" in screen_text(app))
        await pilot.press("w")
        await until(pilot, lambda: "readiness-report.md" in screen_text(app))
        recorded.scan_result = ScanResult()
        await pilot.press("r")
        await until(pilot, lambda: "The metadata has no row" in screen_text(app))
        await pilot.press("w")
        await until(pilot, lambda: "nothing to report on" in screen_text(app))
