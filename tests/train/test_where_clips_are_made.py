"""A preparation here, in processes and on a Ray cluster: the same cache to the byte, whatever ends a process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from fragile_cutter import Crashing, TooLarge
from local_ray import local_ray
from small_project import RATE, Project

import workbench_espeak
from core_vits.cutting import Cut, CutPlan
from workbench.config import Workspace
from workbench.errors import DatasetError, EnvironmentProblem
from workbench.executors import Here, Processes
from workbench.host import Host
from workbench.jobs.start import run_workspace
from workbench.train.clips import ClipBuild, Clips
from workbench.train.cutting import Cutter, Group, group_size, worth_starting
from workbench.workers.targets import process_front
from workbench.workers.targets.frontend import front_end
from workbench.workers.targets.process_front import PhonemeSettings, phonemes_here

pytestmark = [
    pytest.mark.skipif(bool(workbench_espeak.available()), reason=workbench_espeak.available() or "there"),
    pytest.mark.timeout(240),
]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    made.clip("nothing", "…")
    made.clip("long", "Это очень длинная запись.", seconds=9.0)
    for number in range(24):
        made.clip(f"clip{number}", f"И это предложение, оно номер {number}.", seed=number)
    soundfile.write(made.wavs / "silent.wav", np.zeros(RATE), RATE)
    (made.wavs / "noise.wav").write_bytes(b"no sound")
    made.rows += [("silent", "Тишина."), ("noise", "Шум."), ("lost", "Нет записи.")]
    return made


def workspace(project: Project) -> Workspace:
    return run_workspace(project.run(audio={"sample_rate": RATE, "trim_silence": True}))


class Build:
    """One preparation with a cache of its own."""

    def __init__(self, workspace: Workspace, cache: Path, executor_name: str) -> None:
        own = replace(workspace, paths=replace(workspace.paths, cache=str(cache)))
        self.front = front_end(own, Host.load(own))
        self.phonemized: list[str] = []
        """Texts of which this process made the phonemes."""
        real = self.front._phonemize  # type: ignore[attr-defined]
        self.front._phonemize = lambda texts: self.phonemized.extend(texts) or real(texts)  # type: ignore[attr-defined]
        self.build = ClipBuild(own, self.front, lambda *_: None, executor_name=executor_name)

    def run(self) -> Clips:
        try:
            return self.build.run()
        finally:
            self.front.close()


def files(cache: Path) -> dict[str, bytes]:
    """What the cache says and holds, without what is said of files and times."""
    (folder,) = (path.parent for path in cache.glob("*/index.jsonl"))
    names = [path.name for path in folder.iterdir() if path.name != "recordings.jsonl"]
    return {name: (folder / name).read_bytes() for name in names}


@pytest.mark.parametrize(
    "name",
    ["processes", pytest.param("ray", marks=pytest.mark.filterwarnings("ignore"))],  # Ray's own warnings
)
def test_the_cache_is_the_same_to_the_byte(project: Project, tmp_path: Path, name: str) -> None:
    if name == "ray":
        local_ray()
    place = workspace(project)
    here, there = Build(place, tmp_path / "here", "here"), Build(place, tmp_path / name, name)
    one, other = here.run(), there.run()
    assert (one.made, len(one.dropped)) == (25, 4)
    assert other.dropped == one.dropped
    assert files(tmp_path / name) == files(tmp_path / "here")
    assert {"index.jsonl", "audio.i16", "prepared.json"} <= set(files(tmp_path / "here"))
    assert here.phonemized
    assert not there.phonemized, "phonemes are made where recordings are cut"
    memos = [next((tmp_path / cache).glob("phonemes/*")).read_text().split("\n") for cache in ("here", name)]
    assert sorted(memos[0]) == sorted(memos[1])


def test_processes_that_start_early_change_nothing(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = workspace(project)
    Build(place, tmp_path / "here", "here").run()
    monkeypatch.setattr("workbench.train.cutting._CLIPS_A_PROCESS", 10)
    early = Build(place, tmp_path / "early", "processes")
    began: list[object] = []
    start = Processes.start
    monkeypatch.setattr(Processes, "start", lambda self, ready: began.append(ready) or start(self, ready))
    early.run()
    assert len(began) == 1
    assert files(tmp_path / "early") == files(tmp_path / "here")
    again = Build(place, tmp_path / "early", "processes")
    assert again.run().made == 0
    assert len(began) == 1, "nothing starts where all is prepared"


def test_a_group_that_ends_its_process_is_cut_recording_by_recording(project: Project, tmp_path: Path) -> None:
    place = workspace(project)
    Build(place, tmp_path / "here", "here").run()
    fragile = Build(place, tmp_path / "fragile", "processes")
    cutter = fragile.build._cutter
    fragile.build._cutter = TooLarge(cutter.plan, cutter.phonemes)
    assert fragile.run().made == 25
    assert files(tmp_path / "fragile") == files(tmp_path / "here")


def test_a_recording_that_ends_its_process_alone_is_named_and_what_was_made_is_kept(
    project: Project, tmp_path: Path
) -> None:
    place = workspace(project)
    fragile = Build(place, tmp_path / "cache", "processes")
    cutter = fragile.build._cutter
    fragile.build._cutter = Crashing(cutter.plan, cutter.phonemes, name="clip20.wav")
    with pytest.raises(DatasetError, match=r"clip20\.wav ended the process .* \(workbench curate exclude\)"):
        fragile.run()
    (index,) = (tmp_path / "cache").glob("*/index.jsonl")
    kept = index.read_bytes().count(b"\n")
    assert kept >= 8
    assert Build(place, tmp_path / "cache", "here").run().made == 25 - kept


def test_another_version_of_the_phonemizer_makes_no_phonemes_elsewhere(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = workspace(project)
    build = Build(place, tmp_path / "cache", "processes")
    cutter = build.build._cutter
    assert cutter.phonemes is not None
    monkeypatch.setattr(process_front, "_Here", type("Fresh", (process_front._Here,), {}))
    assert set(phonemes_here(cutter.phonemes, ["Привет."])) == {"Привет."}
    other = PhonemeSettings(place, {**cutter.phonemes.decides, "phonemizer_version": "espeak-ng 9.99"})
    assert phonemes_here(other, ["Привет."]) == {}
    build.build._cutter = Cutter(cutter.plan, other)
    assert build.run().made == 25
    assert len(build.phonemized) > 20, "who reads the table makes them"


def test_several_processes_cut_exactly_as_one_does(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wavs = sorted((shared / "fixtures/dataset/wavs").glob("*.wav"))
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no sound")
    paths = [*wavs, broken, *wavs, *wavs, broken, *wavs]
    cutter = Cutter(CutPlan(22_050, True, 0.25, 0.25))
    monkeypatch.setattr("core_vits.cutting._LONGEST_IN_A_BATCH", 30_000)  # here; the others have the default
    groups = [Group(paths[begin : begin + 5]) for begin in range(0, len(paths), 5)]
    processes = Processes(2)
    try:
        one, two = (
            [clip for made in work.run(cutter, groups, cutter.lost) for clip in made.cuts]
            for work in (Here(), processes)
        )
    finally:
        processes.close()
    for first, second in zip(one, two, strict=True):
        if isinstance(first, Cut):
            assert isinstance(second, Cut)
            assert np.array_equal(first.samples, second.samples)
            assert first.seconds_trimmed == second.seconds_trimmed
        else:
            assert first == second
            assert "can't be decoded" in first


def test_processes_start_if_each_has_enough_clips(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [worth_starting(clips) for clips in (-5, 0, 6, 199, 200, 1_000, 8_397)] == [-1, 0, 0, 1, 2, 10, 83]
    assert [group_size(clips, processes) for clips, processes in ((6, 1), (200, 2), (8_397, 64))] == [8, 25, 32]
    monkeypatch.setattr("workbench.executors.cores", lambda: 64)
    build = Build(workspace(project), tmp_path / "cache", "auto").build
    assert [build._executor_for(clips).at_once for clips in (6, 199, 200, 1_000, 8_397)] == [1, 1, 2, 10, 64]


def test_recordings_are_asked_for_group_by_group(monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []

    def groups() -> Iterator[Group]:
        for name in "abc":
            happened.append(f"draw {name}")
            yield Group([Path(name)])

    monkeypatch.setattr("workbench.train.cutting.cut", lambda paths, *_: [str(paths[0])])
    cutter = Cutter(CutPlan(RATE, False, 0, 0))
    for result in Here().run(cutter, groups(), cutter.lost):
        (name,) = result.cuts
        happened.append(f"have {name}")
    assert happened == ["draw a", "have a", "draw b", "have b", "draw c", "have c"]


def test_ray_that_is_missing_is_told_before_anything_is_read(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    place = workspace(project)
    (project.root / "metadata.csv").unlink()
    with pytest.raises(EnvironmentProblem, match=r"voice-workbench\[ray\]"):
        Build(place, tmp_path / "cache", "ray")


def test_the_detector_of_a_process_is_made_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from workbench.train import cutting

    made: list[Any] = []
    real = cutting.SpeechDetector
    monkeypatch.setattr(cutting, "SpeechDetector", lambda: made.append(1) or real())
    cutting._detector.cache_clear()
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(1).normal(0, 0.1, RATE), RATE)
    cutter = Cutter(CutPlan(RATE, True, 0.25, 0.25))
    cutter.ready()
    assert [len(cutter(Group([tmp_path / "a.wav"])).cuts) for _ in range(3)] == [1, 1, 1]
    assert made == [1]
