"""The data pane lets models tell which recordings don't say their texts."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tui.recorded import Recorded, screen_text, until

from workbench.errors import WorkerError
from workbench.tui.app import WorkbenchApp
from workbench.tui.screens.dialogs import PickScreen
from workbench.tui.services import Comparison, Judge
from workbench.tui.widgets.rows import RowList

SIZE = (100, 30)
HAMA = Judge(name="hama", how="hears the recordings")
VOICE = Judge(name="epoch 3 of run", how="a voice of yours", checkpoint=Path("a.ckpt"), run=Path("run"))
FOUND = Comparison(
    findings=[
        {"rule": "mismatch.text", "severity": "warns", "subject": f"metadata.csv:{row}", "message": "says another text",
         "evidence": {"heard": "a b c", "expected": "x y z"}}
        for row in (9, 11)
    ]
    + [{"rule": "mismatch.shifted", "severity": "warns", "subject": "metadata.csv:20", "message": "a block",
        "evidence": {"first_line": 20, "last_line": 24}}],
    suspicion={row: row / 48 for row in range(1, 49)},
)  # fmt: skip


def rows_of(app: Any) -> list[int]:
    return [item["row"] for item in app.query_one("#utterances", RowList).items]


async def scanned(app: Any, pilot: Any) -> None:
    await until(pilot, lambda: "48 utterances" in screen_text(app))


async def test_m_asks_who_compares_and_shows_progress_with_the_time_that_is_left(recorded: Recorded) -> None:
    recorded.judge_list, recorded.gate = [HAMA, VOICE], None
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await scanned(app, pilot)
        await pilot.press("m")
        await until(pilot, lambda: "epoch 3 of run   a voice of yours" in screen_text(app))
        recorded.gate = threading.Event()
        await pilot.press("down", "enter")
        await until(pilot, lambda: "25 %  0.30 h of speech left, about 1:42 min" in screen_text(app))
        assert ("compare", "epoch 3 of run") in recorded.calls
        assert "texts and recordings" in screen_text(app).splitlines()[1]
        recorded.comparison = FOUND
        recorded.gate.set()
        await until(pilot, lambda: "mismatch.shifted" in screen_text(app))
        assert "▲ warnings 5" in screen_text(app)


async def test_a_scan_and_playing_go_on_meanwhile_and_x_cancels_the_comparison_last(recorded: Recorded) -> None:
    recorded.judge_list = [HAMA]
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await scanned(app, pilot)
        recorded.gate = threading.Event()
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, PickScreen))
        await pilot.press("enter")
        await until(pilot, lambda: "x cancels" in screen_text(app))
        await pilot.press("m")
        await until(pilot, lambda: "hama is at work already" in screen_text(app))
        await pilot.press("x")
        await until(pilot, lambda: "the comparison was cancelled; what was judged is kept" in screen_text(app))
        assert ("cancel", "texts") in recorded.calls
        assert "texts and recordings" not in screen_text(app).splitlines()[1]


@pytest.mark.parametrize(
    ("judges", "said"),
    [
        ([replace(HAMA, unavailable="the package hama is not installed. Install it: pip install hama")], "Install it"),
        ([], "no phone recogniser is installed"),
    ],
)
async def test_without_anybody_who_can_the_message_says_what_to_do(
    recorded: Recorded, judges: list[Judge], said: str
) -> None:
    recorded.judge_list = judges
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await scanned(app, pilot)
        await pilot.press("m")
        await until(pilot, lambda: said in screen_text(app))
        assert not any(call[0] == "compare" for call in recorded.calls)


async def test_a_recogniser_that_is_missing_beside_a_voice_says_so_when_it_is_chosen(recorded: Recorded) -> None:
    recorded.judge_list = [replace(HAMA, unavailable="pip install hama"), VOICE]
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await scanned(app, pilot)
        await pilot.press("m")
        await until(pilot, lambda: "hama   ✗ pip install hama" in screen_text(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: not isinstance(app.screen, PickScreen))
        assert not any(call[0] == "compare" for call in recorded.calls)


async def test_what_is_kept_stands_beside_the_rules_the_worst_row_first_and_can_be_excluded(recorded: Recorded) -> None:
    recorded.comparison = FOUND
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "mismatch.text" in screen_text(app))
        names = [group.rule for group in app.query_one("#findings", RowList).items]
        assert names.index("audio.missing") < names.index("mismatch.text") < names.index("audio.rates")
        await pilot.press(*["down"] * names.index("mismatch.text"), "enter")
        await until(pilot, lambda: rows_of(app) == [11, 9])
        assert "worst first" in screen_text(app)
        await pilot.press("e")
        await until(pilot, lambda: recorded.excluded() == {"utt_00011.wav": "mismatch.text"})
        await pilot.press("enter")
        await until(pilot, lambda: "heard        a b c" in screen_text(app))
        await pilot.press(
            "escape", "escape", "escape", *["up"] * 5, *["down"] * names.index("mismatch.shifted"), "enter"
        )
        await until(pilot, lambda: rows_of(app) == [24, 23, 22, 21, 20])


async def test_all_rows_can_be_sorted_by_how_little_they_fit(recorded: Recorded) -> None:
    recorded.comparison = FOUND
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "mismatch.text" in screen_text(app))
        await pilot.press("s", "end", "enter")
        await until(pilot, lambda: rows_of(app)[:2] == [48, 47])


async def test_what_goes_wrong_is_one_line(recorded: Recorded) -> None:
    recorded.judge_list, recorded.told = [HAMA], WorkerError("the audio worker died (SIGKILL); log: x")
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await scanned(app, pilot)
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, PickScreen))
        await pilot.press("enter")
        await until(pilot, lambda: "the audio worker died (SIGKILL)" in screen_text(app))
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)
