"""Recordings of a workspace against its texts: what is heard, what is remembered, what is said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ipa_recognizer import TABLE, write_recording

from workbench.api import PhoneRecognizerSpec
from workbench.errors import DatasetError, PluginError
from workbench.host import Host, Registered
from workbench.mismatch.kept import HEARD, read_kept
from workbench.workers.targets.mismatch import listen

SPEC = PhoneRecognizerSpec(name="ipa", target="ipa_recognizer:create")
SOUNDS = "aeiouptkbdgfsʃxmnlrjv"


class Project:
    """A workspace whose texts are IPA, and whose recogniser hears what its table says."""

    def __init__(self, root: Path, rows: int = 14) -> None:
        self.root = root
        random = np.random.default_rng(3)
        self.texts = ["".join(random.choice(list(SOUNDS), 40)) for _ in range(rows)]
        (root / "wavs").mkdir()
        for number in range(rows):
            write_recording(root / "wavs" / f"{number}.wav", number + 1)
        (root / "workbench.toml").write_text(
            '[voice]\nname = "probe"\nlanguage = "ru"\nquality = "low"\n[text]\nphonemizer = "text"\n', "utf-8"
        )
        self.hears({number + 1: text for number, text in enumerate(self.texts)})
        self.table(range(rows))

    def table(self, order: Sequence[int]) -> None:
        """Write the metadata: row `n` has recording `n` and the text of `order[n]`."""
        rows = (f"{number}.wav|{self.texts[row]}\n" for number, row in enumerate(order))
        (self.root / "metadata.csv").write_text("".join(rows), "utf-8")

    def hears(self, phones: dict[int, str]) -> None:
        """What is heard of each number."""
        (self.root / "heard.json").write_text(json.dumps(phones), "utf-8")

    def hearings(self) -> int:
        """Recordings that were heard so far."""
        log = self.root / "heard.log"
        return len(log.read_text().splitlines()) if log.exists() else 0

    def listen(self, **options: Any) -> dict[str, Any]:
        return listen(str(self.root), **options)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv(TABLE, str(tmp_path / "heard.json"))
    monkeypatch.setattr(Host, "recognizers", lambda _: [Registered(plugin="audio", spec=SPEC)])
    return Project(tmp_path)


def test_a_clean_dataset_has_no_findings_and_each_clip_its_distance(project: Project) -> None:
    report = project.listen()
    assert report["findings"] == []
    assert report["summary"]["fits"] == 14
    assert report["summary"]["heard_now"] == 14
    assert [clip["distance"] for clip in report["clips"]] == [0.0] * 14
    assert report["clips"][2]["row"] == 3
    assert report["clips"][2]["heard"].replace(" ", "") == report["clips"][2]["expected"] == project.texts[2]


def test_swapped_texts_are_found_and_the_report_is_json(project: Project) -> None:
    project.table([0, 1, 9, *range(3, 9), 2, *range(10, 14)])
    report = json.loads(json.dumps(project.listen()))
    (finding,) = report["findings"]
    assert (finding["rule"], finding["subject"], finding["severity"]) == ("mismatch.swapped", "metadata.csv:3", "warns")
    assert report["clips"][2]["best_row"] == 10
    assert report["clips"][9]["verdict"] == "swapped"


def test_a_second_run_hears_only_what_is_new_and_changed_texts_cost_nothing(project: Project) -> None:
    project.listen()
    assert project.hearings() == 14
    project.table([1, 0, *range(2, 14)])
    report = project.listen()
    assert project.hearings() == 14
    assert report["summary"]["heard_before"] == 14
    assert [finding["rule"] for finding in report["findings"]] == ["mismatch.swapped"]
    write_recording(project.root / "wavs" / "4.wav", 5, seconds=0.3)
    assert project.listen()["summary"]["heard_now"] == 1


def test_what_was_heard_before_the_end_is_kept(project: Project) -> None:
    class Enough(Exception):
        """The user cancels."""

    def cancel(done: float, total: float, what: str) -> None:
        if done == 6:
            raise Enough

    with pytest.raises(Enough):
        project.listen(progress=cancel)
    assert project.listen()["summary"]["heard_before"] >= 6


def test_progress_says_how_much_speech_and_time_is_left_before_anything_is_heard(project: Project) -> None:
    seen: list[tuple[float, float, str]] = []
    project.listen(progress=lambda *step: seen.append(step))
    assert [what for _, _, what in seen[:2]] == ["phonemizing the texts", "recordings looked up"]
    done, total, what = seen[2]
    assert (done, total) == (0, 14)
    assert what.startswith("new recordings; 0.00 h of speech left, about 0:0")
    assert [step[0] for step in seen[2:16]] == list(range(14))


def test_what_was_found_is_kept_with_the_rows_and_recordings_that_were_judged(project: Project) -> None:
    project.table([1, 0, *range(2, 14)])
    found = project.listen()["findings"]
    kept = read_kept(project.root / ".cache", HEARD)
    assert kept is not None
    assert (kept.by, kept.findings) == ("ipa 1", found)
    assert [kept.clips[row][0] for row in (1, 14)] == ["0.wav", "13.wav"]
    assert min(kept.clips[row][3] or 0 for row in (1, 2)) > max(kept.clips[row][3] or 0 for row in range(3, 15))


def test_several_threads_hear_the_same(project: Project) -> None:
    project.table([1, 0, *range(2, 14)])
    alone = project.listen()
    for file in (project.root / ".cache" / "heard").iterdir():
        file.unlink()
    together = project.listen(threads=3)
    assert together["clips"] == alone["clips"]
    assert together["summary"]["heard_now"] == 14


def test_two_files_with_the_same_content_are_heard_once(project: Project) -> None:
    (project.root / "wavs" / "1.wav").write_bytes((project.root / "wavs" / "0.wav").read_bytes())
    project.listen()
    assert project.hearings() == 13


def test_a_recording_that_is_missing_or_damaged_is_counted_and_stops_no_other(project: Project) -> None:
    (project.root / "wavs" / "3.wav").unlink()
    (project.root / "wavs" / "4.wav").write_bytes(b"no recording")
    report = project.listen()
    (finding,) = report["findings"]
    assert finding["rule"] == "mismatch.unheard"
    assert finding["evidence"]["clips"] == 2
    assert report["summary"]["fits"] == 12


def test_a_recogniser_that_fails_at_one_recording_goes_on_with_the_next(project: Project) -> None:
    project.hears({number + 1: text for number, text in enumerate(project.texts) if number != 5})
    report = project.listen()
    assert report["summary"]["recognizer_failures"] == 1
    assert report["clips"][5]["verdict"] == "unheard"
    assert report["summary"]["fits"] == 13


def test_a_recogniser_that_fails_each_time_is_one_error(project: Project) -> None:
    project.hears({})
    with pytest.raises(PluginError, match=r"phone recogniser ipa: KeyError: .*\.wav"):
        project.listen()


def test_a_table_that_can_not_be_read_is_an_error_of_the_dataset(project: Project) -> None:
    (project.root / "metadata.csv").unlink()
    with pytest.raises(DatasetError, match=r"metadata\.csv"):
        project.listen()


def test_without_a_recogniser_the_error_says_what_to_install(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = PhoneRecognizerSpec(name="hama", target="a:b", available=lambda: "hama is not installed. Do it.")
    monkeypatch.setattr(Host, "recognizers", lambda _: [Registered(plugin="hama", spec=spec)])
    with pytest.raises(PluginError, match=r"nothing here can hear .*hama is not installed\. Do it\."):
        project.listen()
