"""One table makes bindings, footer and help; every key in it arrives through tmux."""

from __future__ import annotations

import re

import pytest
from rich.cells import cell_len
from tui.recorded import Recorded, screen_text, until

from workbench.tui.app import WorkbenchApp
from workbench.tui.keys import KEYS, SCOPES, bindings, footer_keys
from workbench.tui.screens.pages import help_text

# Measured in tmux 3.3a over SSH: these and single characters arrive under their own names.
DELIVERABLE = {"enter", "escape", "space", "tab", "shift+tab", "up", "down", "left", "right", "home", "end", "f1"}
DELIVERABLE |= {"pageup", "pagedown", "ctrl+p", "question_mark", "slash", "colon", "plus", "minus"}
DELIVERABLE |= {"exclamation_mark", "left_square_bracket", "right_square_bracket"}


def test_every_key_arrives_in_a_terminal_multiplexer() -> None:
    for key in KEYS:
        for name in key.keys.split(","):
            assert name in DELIVERABLE or re.fullmatch(r"[A-Za-z0-9]", name), f"{key.id}: {name}"


def test_every_binding_has_an_id_of_its_own() -> None:
    made = bindings(*SCOPES)
    ids = [binding.id for binding in made]
    assert None not in ids
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("scopes", [("data", "list"), ("chart", "train"), ("checkpoints", "list")])
def test_no_key_means_two_things_in_one_pane(scopes: tuple[str, ...]) -> None:
    names = [name for key in KEYS if key.scope in {*scopes, "all"} for name in key.keys.split(",")]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("scopes", [(), ("data", "list"), ("chart", "train"), ("checkpoints", "list")])
def test_help_start_or_stop_and_quit_are_never_left_out(scopes: tuple[str, ...], live: bool) -> None:
    must, _ = footer_keys(*scopes, live=live)
    assert [key.label for key in must] == ["help", "stop…" if live else "train", "quit"]
    assert cell_len("  ".join(f"{key.shown} {key.label}" for key in must)) < 60


def test_help_names_every_key_of_the_table_and_the_manual() -> None:
    text = help_text(("chart", "train"), [("training", "# Training\n\nEpochs.")])
    for key in KEYS:
        assert key.what in text
    assert text.index(SCOPES["chart"]) < text.index(SCOPES["data"]), "the pane's own keys come first"
    assert "Epochs." in text


async def test_question_mark_shows_the_keys_of_the_pane_first_and_esc_closes(training: Recorded) -> None:
    app = WorkbenchApp(training)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("question_mark")
        await until(pilot, lambda: "Zoom in and out." in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: "[2 Train]" in screen_text(app))
        await pilot.press("f1")
        await until(pilot, lambda: "Zoom in and out." in screen_text(app))


async def test_the_palette_offers_the_keys_of_the_pane(training: Recorded) -> None:
    app = WorkbenchApp(training)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: app.pane is not None)
        titles = [command.title for command in app.get_system_commands(app.screen)]
        assert "metric  (m)" in titles
        assert "export  (e)" not in titles
        await pilot.press("colon")
        await until(pilot, lambda: type(app.screen).__name__ == "CommandPalette")
        await pilot.press(*"metric")
        await until(pilot, lambda: "metric  (m)" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: type(app.screen).__name__ == "PickScreen")
