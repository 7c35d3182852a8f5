"""The preparation of a run: the peer's clips sample by sample, only what is new is made, and it can be stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from small_project import RATE, Project, prepared

import workbench_espeak
from core_vits.audio import to_int16
from core_vits.cache import CacheReader, CacheWriter
from core_vits.cutting import Cut, CutPlan
from workbench.host import Host
from workbench.jobs import rundir
from workbench.jobs.start import run_workspace
from workbench.train.clips import ClipBuild
from workbench.train.cutting import Group, Made, cut_all, group_size, processes_for
from workbench.train.prepare import main
from workbench.workers.targets.frontend import front_end

pytestmark = pytest.mark.skipif(bool(workbench_espeak.available()), reason=workbench_espeak.available() or "there")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    for number in range(6):
        made.clip(f"clip{number}", f"Это предложение номер {number}.", seed=number)
    return made


def test_clips_equal_the_peers_cache_and_so_do_their_ids(shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("piper_phonemize")
    source = shared / "fixtures/dataset"
    project = Project(tmp_path / "project")
    run = project.run(
        dataset={"metadata": str(source / "metadata.csv"), "audio": str(source / "wavs")},
        text={"phonemizer": "piper"},
        audio={"sample_rate": 22_050, "trim_silence": True},
    )
    summary = prepared(run)
    assert [clip["line"] for clip in summary["trained"]] == [1, 2, 3, 5, 6]
    assert [(item["line"], item["file"]) for item in summary["dropped"]] == [(4, "missing_0099.wav")]
    reader = CacheReader(Path(summary["cache"]))
    peer_ids = {item["text"]: item["ids"] for item in json.loads((source / "peer_setup.json").read_text())["shapes"]}
    for clip in summary["trained"]:
        entry = reader.entries[clip["key"]]
        (cached,) = (source / "cache").glob(f"{clip['line']}_*.audio.pt")
        expected = torch.load(cached, weights_only=True).numpy()
        assert np.array_equal(reader.audio(entry), to_int16(expected))
        if "/" not in entry.text:  # the peer's newer engine speaks the slash in other words
            assert list(entry.phoneme_ids) == peer_ids[entry.text]
    reader.close()


def test_the_voice_config_has_all_that_the_peers_has(shared: Path, project: Project) -> None:
    run = project.run()
    prepared(run)
    ours = rundir.read_json(run / "config.json")
    peer = json.loads((shared / "fixtures/dataset/config.json").read_text("utf-8"))
    assert set(peer) <= set(ours)
    same = ("phoneme_id_map", "num_symbols", "num_speakers", "inference", "hop_length", "speaker_id_map", "espeak",
            "phoneme_type", "piper_version", "default_speaker_id")  # fmt: skip
    assert {name: ours[name] for name in same} == {name: peer[name] for name in same}
    assert ours["audio"] == {"sample_rate": RATE, "quality": "tiny"}
    assert ours["language"]["family"] == "ru"
    assert ours["phoneme_map"] == {}


def test_a_second_preparation_makes_nothing(project: Project) -> None:
    first = prepared(project.run())
    assert (first["made"], first["reused"]) == (6, 0)
    second = prepared(project.run())
    assert (second["made"], second["reused"]) == (0, 6)
    assert second["trained"] == first["trained"]


def test_only_what_changed_is_made_again(project: Project) -> None:
    first = prepared(project.run())
    project.clip("clip9", "Новая запись.", seed=99)
    project.rows.insert(0, project.rows.pop())  # an inserted row moves all others
    project.rows[2] = (project.rows[2][0], "Другой текст здесь.")
    samples = np.random.default_rng(50).normal(0, 0.1, RATE * 2).clip(-0.9, 0.9)
    soundfile.write(project.wavs / "clip4.wav", samples, RATE)
    second = prepared(project.run())
    assert (second["made"], second["reused"]) == (3, 4)
    keys = {clip["file"]: clip["key"] for clip in first["trained"]}
    changed = {clip["file"] for clip in second["trained"] if keys.get(clip["file"]) != clip["key"]}
    assert changed == {"clip9", "clip1", "clip4"}


@pytest.mark.parametrize(
    "change",
    [
        {"audio": {"sample_rate": 22_050}},
        {"audio": {"trim_silence": True}},
        {"text": {"espeak_voice": "uk"}},
    ],
)
def test_other_settings_never_use_clips_of_the_old_ones(project: Project, change: dict[str, dict[str, object]]) -> None:
    first = prepared(project.run())
    second = prepared(project.run(**change))
    assert (second["made"], second["reused"]) == (6, 0)
    assert second["cache"] != first["cache"]
    assert prepared(project.run())["reused"] == 6


def test_another_phonemizer_version_never_uses_clips_of_the_old_one(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(project.run())
    from workbench_espeak.backend import EspeakPhonemizer

    class Newer(EspeakPhonemizer):
        def __init__(self, library: Any) -> None:
            super().__init__(library)
            self.version = "espeak-ng 9.99"

    monkeypatch.setattr("workbench_espeak.backend.EspeakPhonemizer", Newer)
    second = prepared(project.run())
    assert (second["made"], second["phonemizer"]["version"]) == (6, "espeak-ng 9.99")


def test_rows_that_would_crash_or_spoil_a_training_are_dropped_with_their_reason(project: Project) -> None:
    project.clip("short", "Очень длинный текст для записи, которая длится всего лишь четверть секунды.", 0.25)
    project.clip("empty", " ")
    project.clip("nothing", "…")
    project.rows += [("lost", "Нет записи."), ("../metadata.csv", "Наружу."), ("clip0", "Это предложение номер 0.")]
    (project.wavs / "noise.wav").write_bytes(b"no sound")
    soundfile.write(project.wavs / "silent.wav", np.zeros(RATE), RATE)
    project.rows += [("noise", "Не запись."), ("silent", "Тишина.")]
    run = project.run()
    summary = prepared(run)
    reasons = {item["line"]: item["reason"] for item in summary["dropped"]}
    wanted = {
        7: "too little speech for its text", 8: "text is empty", 9: "gives no phonemes", 10: "no such recording",
        11: "leads out of", 12: "same recording and text as line 1", 13: "can't be decoded", 14: "digital silence",
    }  # fmt: skip
    assert set(reasons) == set(wanted)
    for line, words in wanted.items():
        assert words in reasons[line]
    assert [clip["line"] for clip in summary["trained"]] == [1, 2, 3, 4, 5, 6]
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert [(event["kind"], event["trained"], event["dropped"]) for event in events] == [("prepare_done", 6, 8)]
    assert rundir.read_status(run)["phase"] == "prepare"


def test_speakers_get_numbers_and_the_config_says_so(project: Project) -> None:
    project.rows = [
        (file, f"{'mia' if number % 2 else 'tom'}|{text}") for number, (file, text) in enumerate(project.rows)
    ]
    run = project.run(dataset={"multi_speaker": True})
    assert prepared(run)["speakers"] == {"tom": 0, "mia": 1}
    config = rundir.read_json(run / "config.json")
    assert (config["num_speakers"], config["speaker_id_map"]) == (2, {"tom": 0, "mia": 1})


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_clips_are_refused_in_one_line(project: Project, rows: int, capsys: pytest.CaptureFixture[str]) -> None:
    project.rows = [*project.rows[:rows], ("lost", "Нет записи.")]
    run = project.run()
    assert main([str(run)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"metadata.csv: {rows} of {rows + 1} rows can be trained" in error
    assert "there is no such recording in wavs" in error
    assert rundir.read_status(run)["message"] == error.strip()
    assert not (run / "prepare.json").exists()


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda run: (run / "run.toml").write_text("[voice"), "settings can't be read"),
        (lambda run: (run / "run.toml").unlink(), "settings can't be read"),
        (lambda run: (run.parents[1] / "metadata.csv").unlink(), "no such file"),
        (
            lambda run: (run / "run.toml").write_text((run / "run.toml").read_text().replace('"espeak"', '"nope"')),
            "no phonemizer 'nope'",
        ),
    ],
)
def test_what_can_not_be_read_is_one_line_and_exit_code_2(
    project: Project, capsys: pytest.CaptureFixture[str], break_it: Callable[[Path], object], words: str
) -> None:
    run = project.run()
    break_it(run)
    assert main([str(run)]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_without_an_argument_the_usage_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err


def test_a_request_to_stop_ends_it_cleanly_and_keeps_what_was_made(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = project.run()
    rundir.ask_to_stop(run)
    assert main([str(run)]) == 0
    assert not (run / "prepare.json").exists()
    assert (run / "stop.request").exists(), "the supervisor must still see that it was asked"
    run = project.run()
    real = CacheWriter.add

    def add_then_ask(self: Any, **clip: Any) -> Any:
        entry = real(self, **clip)
        rundir.ask_to_stop(run)
        time.sleep(0.6)  # the request is looked for twice a second
        return entry

    monkeypatch.setattr(CacheWriter, "add", add_then_ask)
    assert main([str(run)]) == 0
    assert not (run / "prepare.json").exists()
    monkeypatch.undo()
    assert prepared(project.run())["reused"] == 1


def test_a_full_disk_is_one_line_and_the_next_preparation_goes_on(project: Project) -> None:
    run = project.run()
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))\n"
        "from workbench.train.prepare import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run)], capture_output=True, text=True, check=False, timeout=50
    )
    # The limit makes a library of the phonemizer complain about its shared memory first.
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr
    assert "can't be written: File too large" in done.stderr.splitlines()[-1]
    again = prepared(project.run())
    assert (again["reused"], again["made"]) == (2, 4)


@pytest.mark.timeout(240)
def test_a_killed_preparation_goes_on_where_it_was(project: Project) -> None:
    for number in range(10, 60):
        project.clip(f"clip{number}", f"Это предложение номер {number}.", seconds=4.0, seed=number)
    run = project.run(audio={"trim_silence": True})
    process = subprocess.Popen([sys.executable, "-m", "workbench.train.prepare", str(run)], stdout=subprocess.DEVNULL)
    index = None
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        index = next((project.root / ".cache").glob("*/index.jsonl"), None)
        if index is not None and index.stat().st_size > 1000:
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert index is not None
    complete = index.read_bytes().count(b"\n")
    again = prepared(project.run(audio={"trim_silence": True}))
    assert again["reused"] >= complete > 0
    assert len(again["trained"]) == 56


def test_it_says_how_far_it_is(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(rundir.StatusWriter, "update", lambda _, **changes: seen.append(changes))
    prepared(project.run())
    clips = [item["progress"] for item in seen if item["progress"]["what"] == "clips"]
    assert [item["done"] for item in clips] == [0, 1, 2, 3, 4, 5, 6]
    assert all(item["total"] == 6 for item in clips)
    assert clips[3]["eta_seconds"] >= 0
    assert all((item["phase"], item["state"]) == ("prepare", "running") for item in seen)


@pytest.mark.timeout(240)
def test_several_processes_cut_exactly_as_one_does(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wavs = sorted((shared / "fixtures/dataset/wavs").glob("*.wav"))
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no sound")
    paths = [*wavs, broken, *wavs, *wavs, broken, *wavs]
    plan = CutPlan(22_050, True, 0.25, 0.25)
    monkeypatch.setattr("core_vits.cutting._LONGEST_IN_A_BATCH", 30_000)  # here; the others have the default
    groups = [Group(paths[begin : begin + 5]) for begin in range(0, len(paths), 5)]
    one, two = ([clip for made in cut_all(groups, plan, processes) for clip in made.cuts] for processes in (1, 2))
    for first, second in zip(one, two, strict=True):
        if isinstance(first, Cut):
            assert isinstance(second, Cut)
            assert np.array_equal(first.samples, second.samples)
            assert first.seconds_trimmed == second.seconds_trimmed
        else:
            assert first == second
            assert "can't be decoded" in first


def test_as_many_processes_cut_as_there_are_cores_and_enough_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    assert [processes_for(clips) for clips in (0, 6, 199, 200, 1_000, 8_397)] == [1, 1, 1, 2, 10, 64]
    assert [group_size(clips, processes) for clips, processes in ((6, 1), (200, 2), (8_397, 64))] == [8, 25, 32]


def test_processes_that_cut_compute_on_one_thread_and_ours_keeps_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str | None] = []
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)

    class Pool:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def submit(self, *_: object) -> Future[Made]:
            started.append(os.environ.get("OMP_NUM_THREADS"))
            future: Future[Made] = Future()
            future.set_result(Made(["no clip"]))
            return future

        def shutdown(self, **_: object) -> None:
            pass

    monkeypatch.setattr("workbench.train.cutting.ProcessPoolExecutor", Pool)
    groups = [Group([Path("a.wav")]), Group([Path("b.wav")])]
    made = list(cut_all(groups, CutPlan(RATE, False, 0, 0), processes=2))
    assert [clip for group in made for clip in group.cuts] == ["no clip", "no clip"]
    assert started == ["1", "1"]
    assert (os.environ["OMP_NUM_THREADS"], os.environ.get("OPENBLAS_NUM_THREADS")) == ("7", None)


@pytest.mark.timeout(240)
def test_several_processes_phonemize_exactly_as_one_does(project: Project, tmp_path: Path) -> None:
    project.clip("nothing", "…")
    for number in range(10, 30):
        project.clip(f"clip{number}", f"И это предложение, оно номер {number}.", seed=number)
    workspace = run_workspace(project.run())
    seen = []
    for processes in (1, 2):
        own = replace(workspace, paths=replace(workspace.paths, cache=str(tmp_path / str(processes))))
        front = front_end(own, Host.load(own))
        asked: list[str] = []
        real = front._phonemize  # type: ignore[attr-defined]
        front._phonemize = lambda texts, asked=asked, real=real: asked.extend(texts) or real(texts)  # type: ignore[attr-defined]
        clips = ClipBuild(own, front, lambda *_: None, processes=processes).run()
        front.close()
        seen.append(
            ([(entry.key, entry.phoneme_ids) for entry in clips.entries], [item.reason for item in clips.dropped])
        )
        assert bool(asked) == (processes == 1), "two leave the phonemes to the processes that cut"
    assert seen[0] == seen[1]
    assert seen[0][1] == ["its text gives no phonemes"]
    one, two = (next((tmp_path / count).glob("phonemes/*")).read_text().split("\n") for count in ("1", "2"))
    assert sorted(one) == sorted(two)


def test_recordings_are_asked_for_group_by_group(monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []

    def groups() -> Iterator[Group]:
        for name in "abc":
            happened.append(f"draw {name}")
            yield Group([Path(name)])

    monkeypatch.setattr("workbench.train.cutting.cut", lambda paths, *_: [str(paths[0])])
    for result in cut_all(groups(), CutPlan(RATE, False, 0, 0), processes=1):
        (name,) = result.cuts
        happened.append(f"have {name}")
    assert happened == ["draw a", "have a", "draw b", "have b", "draw c", "have c"]


def test_it_needs_no_torch(project: Project) -> None:
    run = project.run()
    code = (
        "import sys\nfrom workbench.train.prepare import main\ncode = main(sys.argv[1:])\n"
        "heavy = {'torch', 'lightning', 'librosa', 'textual', 'tensorboard'} & set(sys.modules)\n"
        "sys.exit(code or (f'imported {heavy}' if heavy else 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run)], capture_output=True, text=True, check=False, timeout=50
    )
    assert done.returncode == 0, done.stderr


def test_a_folder_that_can_not_be_written_is_one_line(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    run = project.run()
    shutil.rmtree(project.root / ".cache", ignore_errors=True)
    (project.root / ".cache").write_text("a file where the folder should be")
    assert main([str(run)]) == 2
    error = capsys.readouterr().err
    assert "can't be written" in error
    assert error.count("\n") == 1
    os.remove(project.root / ".cache")  # noqa: PTH107
