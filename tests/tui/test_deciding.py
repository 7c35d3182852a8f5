"""Keys of the data pane that decide about rows: exclude, correct, mend, undo, sort; and the picture of a recording."""

from __future__ import annotations

import threading

import pytest
from tui.conftest import scan_of
from tui.recorded import Recorded, screen_text, until

from workbench.jobs.curation import read_curation
from workbench.tui.app import WorkbenchApp
from workbench.tui.panes import beside
from workbench.tui.screens.inspect import InspectScreen
from workbench.tui.widgets.clip import ClipPicture, ClipView
from workbench.tui.widgets.rows import RowList

SIZE = (100, 30)
WIDE = (160, 48)


def excluded(services: Recorded) -> dict[str, str]:
    return {file: why for file, (why, _) in read_curation(services.root / "curation").excluded.items()}


async def test_e_excludes_a_row_with_what_was_found_e_again_includes_it_and_u_undoes(recorded: Recorded) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "48 utterances" in screen_text(app))
        await pilot.press("tab", *["down"] * 4, "e")
        await until(pilot, lambda: "excluded 1 row: text.digits; u undoes it" in screen_text(app))
        assert excluded(recorded) == {"utt_00005.wav": "text.digits"}
        await until(pilot, lambda: any("5  –  utt_00005" in line for line in screen_text(app).splitlines()))
        await pilot.press("e")
        await until(pilot, lambda: excluded(recorded) == {})
        await pilot.press("u")
        await until(pilot, lambda: "undone: included 1 row again" in screen_text(app))
        assert excluded(recorded) == {"utt_00005.wav": "text.digits"}


async def test_e_in_capitals_excludes_what_is_shown_only_after_a_yes(recorded: Recorded) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "text.digits" in screen_text(app))
        await pilot.press("down", "enter", "E")
        await until(pilot, lambda: "2 utterances," in screen_text(app))
        await pilot.press("enter")  # the answer that has the focus is no
        await until(pilot, lambda: "2 utterances," not in screen_text(app))
        assert excluded(recorded) == {}
        await pilot.press("E")
        await until(pilot, lambda: "2 utterances," in screen_text(app))
        await pilot.press("y")
        await until(pilot, lambda: len(excluded(recorded)) == 2)
        assert set(excluded(recorded).values()) == {"text.digits"}


async def test_a_text_is_corrected_beside_the_table(recorded: Recorded) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "48 utterances" in screen_text(app))
        await pilot.press("tab", "T")
        await until(pilot, lambda: "What is said in the recording" in screen_text(app))
        await pilot.press("end", *"!", "enter")
        await until(pilot, lambda: "corrected the text of utt_00001.wav" in screen_text(app))
        (text, before) = read_curation(recorded.root / "curation").corrected["utt_00001.wav"]
        assert text == before + "!"
        await pilot.press("T", "end", "ctrl+u", "enter")
        await until(pilot, lambda: "must be one line that is not empty" in screen_text(app))


async def test_f_mends_one_and_capital_f_all_that_are_shown(recorded: Recorded) -> None:
    recorded.gate = None
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "text.digits" in screen_text(app))
        await pilot.press("down", "enter", "f")
        await until(pilot, lambda: "mend utt_00005.wav" in screen_text(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: "r looks again, u undoes it" in screen_text(app))
        assert recorded.calls[-1] == ("mend", "utt_00005.wav", ("left",), 0.0)
        await pilot.press("F")
        await until(pilot, lambda: "mend all 2 that are shown" in screen_text(app))
        await pilot.press("end", "enter")
        wanted = ("mend", "utt_00005.wav", "utt_00007.wav", (), 6.0)
        await until(pilot, lambda: recorded.calls[-1] == wanted)


async def test_f_on_a_missing_recording_takes_the_one_that_was_probably_meant(recorded: Recorded) -> None:
    (missing,) = [item for item in recorded.scan_result.findings if item["rule"] == "audio.missing"]
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "48 utterances" in screen_text(app))
        await pilot.press("tab", "down", "down", "f")
        await until(pilot, lambda: "none with a name like it" in screen_text(app))
        missing["evidence"] = {"close": "Utt_00003.wav"}
        await pilot.press("f")
        await until(pilot, lambda: "the folder has Utt_00003.wav" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: "utt_00003.wav is taken from Utt_00003.wav; u undoes it" in screen_text(app))
    assert read_curation(recorded.root / "curation").recordings["utt_00003.wav"][0] == "Utt_00003.wav"


async def test_mending_can_be_cancelled(recorded: Recorded) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "48 utterances" in screen_text(app))
        recorded.gate = threading.Event()
        await pilot.press("tab", "f")
        await until(pilot, lambda: "mend utt_00001.wav" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: "mending" in screen_text(app).splitlines()[1])
        await pilot.press("x")
        await until(pilot, lambda: "mending was cancelled; nothing was changed" in screen_text(app))


async def test_s_sorts_and_the_same_order_again_turns_it_round(recorded: Recorded) -> None:
    recorded.scan_result = scan_of(10_000)
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "10 000 utterances" in screen_text(app))
        rows = app.query_one("#utterances", RowList)
        await pilot.press("tab", "s", "down", "down", "enter")
        await until(pilot, lambda: "utterances · seconds ↓" in screen_text(app))
        lengths = [item["seconds"] for item in rows.items]
        assert lengths[:-1] == sorted(lengths[:-1], reverse=True)
        assert lengths[-1] is None, "what has no length comes last"
        await pilot.press("s", "enter")
        await until(pilot, lambda: "utterances · seconds ↑" in screen_text(app))
        lengths = [item["seconds"] for item in rows.items]
        assert lengths[:-1] == sorted(lengths[:-1])
        assert lengths[-1] is None


async def test_enter_shows_an_utterance_in_full_and_brackets_go_to_its_neighbours(recorded: Recorded) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "48 utterances" in screen_text(app))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: isinstance(app.screen, InspectScreen))
        await until(pilot, lambda: "█" in screen_text(app))
        assert "utt_00001.wav  (line 1)" in screen_text(app)
        await pilot.press("right_square_bracket", "right_square_bracket")
        await until(pilot, lambda: "✗ dropped audio.missing" in screen_text(app))
        assert "█" not in screen_text(app), "there is no recording to draw"
        await pilot.press("left_square_bracket", "e")
        await until(pilot, lambda: "– excluded: by ear" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, InspectScreen))
        assert app.query_one("#utterances", RowList).cursor == 1
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, InspectScreen) and "█" in screen_text(app))


async def test_beside_the_list_only_the_recording_is_drawn_that_the_cursor_rests_on(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "LOOK_SECONDS", 1.5)
    app = WorkbenchApp(recorded)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: ("picture", "utt_00001.wav") in recorded.calls)
        await pilot.press("tab", *["down"] * 20)
        await until(pilot, lambda: ("picture", "utt_00021.wav") in recorded.calls)
        drawn = [call[1] for call in recorded.calls if call[0] == "picture"]
        assert len(drawn) < 10, drawn  # on a busy machine the cursor rests now and then


async def test_a_terminal_that_grows_shows_the_utterance_beside_the_list(recorded: Recorded) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "48 utterances" in screen_text(app))
        assert "(line 1)" not in screen_text(app)
        await pilot.resize_terminal(*WIDE)
        await until(pilot, lambda: "utt_00001.wav  (line 1)" in screen_text(app))


async def test_a_recording_that_cannot_be_drawn_leaves_the_place_empty(recorded: Recorded) -> None:
    recorded.picture_missing = True
    app = WorkbenchApp(recorded)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: ("picture", "utt_00001.wav") in recorded.calls)
        await pilot.press("tab", "down")
        await until(pilot, lambda: ("picture", "utt_00002.wav") in recorded.calls)
        assert "failed" not in screen_text(app)


def picture() -> ClipPicture:
    return ClipPicture(seconds=1, low=[0, -1.0], high=[0, 0.5], bands=[[0, 255], [0, 0]], highest_hz=8000)


async def test_the_waveform_is_as_high_as_the_recording_is_loud_and_low_bands_are_below(recorded: Recorded) -> None:
    app = WorkbenchApp(recorded)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "48 utterances" in screen_text(app))
        view = app.query_one("#picture", ClipView)
        view.show(picture())
        width = view.size.width
        for row in range(3):
            assert view.render_line(row).text == " " * (width // 2) + "█" * (width - width // 2)
        top, bottom = view.render_line(3), view.render_line(view.size.height - 1)
        assert {str(segment.style.bgcolor.triplet) for segment in top if segment.style} != {
            str(segment.style.bgcolor.triplet) for segment in bottom if segment.style
        }


async def test_without_colours_the_spectrogram_is_drawn_in_shades(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = WorkbenchApp(recorded)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "48 utterances" in screen_text(app))
        view = app.query_one("#picture", ClipView)
        view.show(picture())
        width = view.size.width
        assert view.render_line(view.size.height - 1).text == " " * (width // 2) + "█" * (width - width // 2)
        assert view.render_line(3).text.strip() == ""
