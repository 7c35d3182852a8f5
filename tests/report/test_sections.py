"""Verdicts of single sections, on machines and files as they may be."""

from __future__ import annotations

import dataclasses
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from hostile_files import archive, dictionary, number, numbers, program, tensor
from piper_project import CHECKPOINT
from piper_tree import add_checkpoint, make_version
from report_story import make_recordings, make_story, sparse_wav

from core_vits.config import PRESETS
from core_vits.manifest import Row
from core_vits.needed_memory import PARAMETERS
from core_vits.train.models import VoiceModels
from workbench.adopt import adopt
from workbench.config import with_overrides, write_workspace
from workbench.report.document import document
from workbench.report.languages import language
from workbench.report.making import report_on
from workbench.report.packages import Package, cuda_of_torch, needed_packages
from workbench.report.recordings import read_recordings
from workbench.report.records import Report, Section, Statement, Verdict, say
from workbench.report.saved import look_inside
from workbench.report.situation import read_situation
from workbench.scan.piper_cache import read_cache

from .conftest import MACHINE, Make, keys, section, statement

ENGLISH = language("en")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A small story whose checkpoint is as far as its voices."""
    return make_story(tmp_path / "felix", clips=20, generations=1, voices=False)


def scanned(*findings: dict[str, str], longest: float = 10.0, usable: int = 20) -> Any:
    """A scan with these findings."""
    summary = {
        "hours": 20 * 3.644 / 3600, "usable": usable, "lengths": {"median": 3.6, "max": longest}, "speakers": 0,
        "phonemizer": "piper", "phonemizer_version": "1",
    }  # fmt: skip
    return lambda _: {"summary": summary, "findings": list(findings), "utterances": [{}] * 20}


def finding(severity: str, rule: str) -> dict[str, str]:
    return {"severity": severity, "rule": rule, "subject": "metadata.csv:3", "message": "is odd"}


def test_recorded_steps_are_counted_where_they_are_on_and_said_not_to_be_measured(make: Make, small: Path) -> None:
    adopted = adopt([str(small)]).workspace
    assert "recorded_need" not in {fact.name for fact in section(make(small, scanned()), "remarks").facts}
    write_workspace(with_overrides(adopted, {"training.cuda_graphs": True}))
    report = make(small, scanned())
    facts = {fact.name: fact for fact in section(report, "remarks").facts}
    assert ENGLISH.quantity(facts["gpu_need"].quantity) == "estimate: 8.97 GB"
    # Once more the batch, 6.59 GB, the gradients, 0.28 GB, and of 1.50 GB what is no weight, gradient or moment.
    assert ENGLISH.quantity(facts["recorded_need"].quantity) == "estimate: 16.2 GB"
    assert ENGLISH.text(facts["recorded_need"].evidence).endswith("arithmetic, not measured")
    assert "memory.recorded" not in keys(report)
    tight = dataclasses.replace(MACHINE, gpus=(dataclasses.replace(MACHINE.gpus[0], bytes=12 << 30),) * 2)
    report = make(small, scanned(), machine=tight)
    assert statement(report, "memory.enough").verdict == Verdict.OK
    assert statement(report, "memory.recorded").verdict == Verdict.WARNING


def test_a_cache_that_only_a_script_names_is_in_the_table_of_sizes_and_told(
    make: Make, small: Path, tmp_path: Path
) -> None:
    cache = (small / ".cache").rename(tmp_path / "scratch of piper")
    text = (small / "train_resume.sh").read_text()
    (small / "second.sh").write_text(text.replace("$DATA_DIR/.cache", str(cache)))
    report = make(small)
    places = {row[0].value.key: row[3].value for row in section(report, "dataset").tables[0].rows}
    assert places["kind.piper_cache"] == str(cache)
    (small / "second.sh").unlink()
    assert "kind.piper_cache" not in {row[0].value.key for row in section(make(small), "dataset").tables[0].rows}


def test_findings_are_worded_in_the_language_of_the_report(make: Make, small: Path) -> None:
    words = {"summary": "шумно", "effect": "Голос выучит шум.", "fix": "Запишите заново.", "facts": ["{db} дБ"]}
    found = {**finding("warns", "signal.noise"), "evidence": {"db": 12.5}}
    looked = scanned(found, finding("drops", "of.others"))(None)
    kinds = {"signal.noise": {"words": {"ru": words}}, "of.others": {"words": {}}}
    report = make(small, lambda _: {**looked, "kinds": kinds})
    said = {item.text.values["rule"]: item.text for section in report.sections for item in section.statements
            if item.text.key.startswith("scan.")}  # fmt: skip
    russian = language("ru")
    expected = "metadata.csv:3: шумно: 12,5 дБ. Голос выучит шум. Запишите заново."
    assert russian.text(said["signal.noise"]).endswith(expected)
    assert russian.text(said["of.others"]).endswith("metadata.csv:3: is odd")
    assert ENGLISH.text(said["signal.noise"]).endswith("metadata.csv:3: is odd")
    told = [item for part in document(report, russian)["sections"] for item in part["statements"]]
    assert expected in [item["values"].get("example") for item in told]


def test_a_finding_that_blocks_makes_the_project_not_ready_and_others_do_not(make: Make, small: Path) -> None:
    (small / "lightning_logs" / "version_2" / "checkpoints" / CHECKPOINT).write_bytes(with_weights(426, 202_398))
    good = make(small, scanned(finding("drops", "audio.silent"), finding("warns", "text.short")))
    assert good.ready is True
    assert {"scan.drops", "scan.warns"} <= keys(good)
    bad = make(small, scanned(finding("blocks", "phonemes.none-installed")))
    assert bad.ready is False
    assert "Blocks a training, 1 finding of phonemes.none-installed, for instance metadata.csv:3: is odd" in [
        ENGLISH.text(reason.text) for reason in bad.reasons
    ]


def test_too_few_clips_are_an_error(make: Make, small: Path) -> None:
    assert statement(make(small, scanned(usable=1)), "dataset.too_few").verdict == Verdict.ERROR


def test_cuda_that_is_wanted_and_not_there_is_an_error(make: Make, small: Path) -> None:
    none = dataclasses.replace(MACHINE, gpus=(), gpu_problem="missing", driver_cuda="")
    report = make(small, machine=none)
    assert (
        ENGLISH.text(statement(report, "gpu.wanted").text) == "The settings want CUDA (2 devices), and no GPU is here."
    )
    one = dataclasses.replace(MACHINE, gpus=MACHINE.gpus[:1])
    assert statement(make(small, machine=one), "gpu.too_few").verdict == Verdict.ERROR
    assert statement(make(small), "gpu.enough").verdict == Verdict.OK


def test_torch_for_a_newer_cuda_than_the_driver_s_is_an_error(make: Make, small: Path) -> None:
    old = dataclasses.replace(MACHINE, driver_cuda="11.8")
    found = statement(make(small, machine=old), "cuda.driver_old")
    assert found.verdict == Verdict.ERROR
    assert ENGLISH.text(found.text).startswith("torch is built for CUDA 12.4, the driver runs up to 11.8")
    assert statement(make(small), "cuda.fits").verdict == Verdict.OK


def test_memory_and_cores_name_what_limits_them(make: Make, small: Path) -> None:
    job = dataclasses.replace(
        MACHINE, memory=16 * 10**9, memory_by="/sys/fs/cgroup/memory.max", cores=3, cores_by="/sys/fs/cgroup/cpu.max"
    )
    facts = {fact.name: fact for fact in section(make(small, machine=job), "environment").facts}
    assert (ENGLISH.quantity(facts["memory"].quantity), facts["memory"].evidence) == (
        "16.0 GB", "/sys/fs/cgroup/memory.max",
    )  # fmt: skip
    assert (facts["cores"].quantity.value, facts["cores"].evidence) == (3, "/sys/fs/cgroup/cpu.max")


def test_little_shared_memory_matters_in_a_container_with_several_processes(make: Make, small: Path) -> None:
    docker = dataclasses.replace(MACHINE, container="/.dockerenv", shared_memory=64 << 20)
    assert statement(make(small, machine=docker), "container.shared_memory").verdict == Verdict.WARNING
    assert "container.shared_memory" not in keys(make(small))


def test_the_memory_estimate_is_labelled_and_compared_with_the_smallest_gpu(make: Make, small: Path) -> None:
    report = make(small, scanned(longest=10.0))
    need = next(fact for fact in section(report, "remarks").facts if fact.name == "gpu_need")
    assert ENGLISH.quantity(need.quantity) == "estimate: 8.97 GB"
    assert "16 clips × (217 MB + 226 KB a frame; the longest clip has 10.0 s)" in ENGLISH.text(need.evidence)
    assert statement(report, "memory.enough").verdict == Verdict.OK
    tight = dataclasses.replace(MACHINE, gpus=(dataclasses.replace(MACHINE.gpus[0], bytes=4 << 30), MACHINE.gpus[0]))
    assert statement(make(small, scanned(), machine=tight), "memory.too_little").verdict == Verdict.WARNING


def test_without_a_scan_the_memory_is_unknown(make: Make, small: Path) -> None:
    need = next(fact for fact in section(make(small), "remarks").facts if fact.name == "gpu_need")
    assert need.quantity.value is None


@pytest.mark.parametrize("quality", PRESETS)
def test_the_parameters_of_each_quality_are_those_of_the_model(quality: str) -> None:
    with torch.device("meta"):
        models = VoiceModels(PRESETS[quality])
    counted = (sum(item.numel() for item in models.model_g.parameters()), sum(item.numel() for item in models.judges()))
    assert PARAMETERS[quality] == counted


def with_weights(epoch: int, step: int, *, memory: bool = True) -> bytes:
    """A checkpoint of one tensor in each of the models."""
    shape = tensor(numbers(4), numbers(1))
    description = program(
        dictionary(
            epoch=number(epoch), global_step=number(step),
            state_dict=dictionary(**{"model_g.w": shape, "model_d.w": shape, "model_d.v": shape}),
        )
    )  # fmt: skip
    return archive(description, None if memory else {"data/0": bytes(8)})


def test_parameters_are_counted_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "epoch=1-step=4.ckpt"
    path.write_bytes(with_weights(1, 4))
    inside = look_inside(path)
    assert inside is not None
    assert (inside.generator, inside.discriminators, inside.lacking) == (4, 8, 0)
    path.write_bytes(with_weights(1, 4, memory=False))
    damaged = look_inside(path)
    assert damaged is not None
    assert damaged.lacking == 3
    path.write_bytes(b"nothing")
    assert look_inside(path) is None


def test_a_checkpoint_without_weights_or_with_a_hole_is_an_error(make: Make, small: Path) -> None:
    assert statement(make(small), "model.no_weights").verdict == Verdict.ERROR
    checkpoint = small / "lightning_logs" / "version_2" / "checkpoints" / CHECKPOINT
    checkpoint.write_bytes(with_weights(426, 202_398, memory=False))
    assert statement(make(small), "model.lacks").verdict == Verdict.ERROR
    checkpoint.write_bytes(with_weights(426, 202_398))
    differs = statement(make(small), "model.differs")
    assert ENGLISH.text(differs.text).endswith("has 4 parameters in its generator, quality medium has 23,663,792.")


def test_a_checkpoint_that_is_cut_off_is_an_error_where_training_goes_on_from_it(make: Make, small: Path) -> None:
    checkpoint = small / "lightning_logs" / "version_2" / "checkpoints" / CHECKPOINT
    checkpoint.write_bytes(checkpoint.read_bytes()[:-10])
    found = statement(make(small), "checkpoints.broken")
    assert found.verdict == Verdict.ERROR
    assert "cut off" in ENGLISH.text(found.text)


def test_the_speed_is_that_of_the_event_files_and_the_rest_follows(make: Make, small: Path) -> None:
    make_version(small / "lightning_logs", 9, epochs=range(6), batches=40, every=10)
    report = make(small)
    facts = {fact.name: fact for fact in section(report, "remarks").facts}
    assert facts["epochs_an_hour"].quantity.value == pytest.approx(3600 / 40)
    assert facts["time_left"].quantity.value == pytest.approx((10_000 - 427) * 40)
    assert "time.elsewhere" in keys(report)


def test_no_speed_is_made_up(make: Make, small: Path) -> None:
    make_version(small / "lightning_logs", 9, epochs=range(0), batches=40)
    report = make(small)
    facts = {fact.name: fact for fact in section(report, "remarks").facts}
    assert facts["epochs_an_hour"].quantity.value is None
    assert "time_left" not in facts
    assert statement(report, "time.unknown").verdict == Verdict.UNKNOWN


def test_voices_without_configuration_or_content_are_told(make: Make, small: Path) -> None:
    (small / "felix_mirage_a.onnx").write_bytes(b"")
    (small / "felix_mirage_b.onnx").write_bytes(bytes(200_000))
    (small / "felix_mirage_b.onnx.json").write_text("{")
    report = make(small)
    assert statement(report, "exports.small").text.values["voice"] == "felix_mirage_a.onnx"
    assert statement(report, "exports.json_missing").text.values["voice"] == "felix_mirage_a.onnx"
    assert statement(report, "exports.json_unusable").text.values["voice"] == "felix_mirage_b.onnx"
    assert statement(report, "exports.not_compared").verdict == Verdict.UNKNOWN


def test_several_formats_and_rates_are_told(make: Make, small: Path) -> None:
    make_recordings(small, 20)
    other = small / "wavs" / "felix_000019.wav"
    other.unlink()
    sparse_wav(other, seconds=1.0)
    data = bytearray(other.read_bytes())
    data[24:28] = struct.pack("<I", 44_100)
    other.write_bytes(data)
    report = make(small)
    text = ENGLISH.text(statement(report, "dataset.other_rate").text)
    assert text == "Not at 22,050 Hz: 1 file of 20 (most have 22,050 Hz); they are resampled."
    assert "arithmetic.fits_mixed" in keys(report)


def test_flac_headers_tell_rate_and_length(repo: Path) -> None:
    found = read_recordings(repo / "workbench" / "demo" / "wavs")
    assert found.formats == {(16_000, 1, 16): 48}
    assert found.seconds == pytest.approx(0.0752 * 3600, rel=0.01)
    assert found.wavs == 0


def test_entries_of_a_cache_are_known_by_row_and_text(tmp_path: Path) -> None:
    rows = [Row(1, "a.wav", "Привет, мир.", None), Row(2, "b.wav", "…", None), Row(3, "c.wav", "Очень " * 20, None)]
    for name in ("1_Привет, мир", "2_", f"3_{'Очень ' * 20}"[:50], "1_2_Привет, мир", "4_Привет", "1_Пока", "0123abcd"):
        (tmp_path / f"{name}.spec.pt").write_bytes(bytes(10))
        (tmp_path / f"{name}.phonemes.pt").write_bytes(bytes(1))
    found = read_cache(tmp_path, rows)
    assert (found.files, found.bytes, found.clips) == (14, 77, 7)
    assert (found.stale, found.current, found.stale_bytes) == (3, 4, 33)


def test_packages_are_compared_by_their_versions() -> None:
    assert Package(name="torch", wanted=">=2.10", installed="2.13.0+cpu").good
    assert not Package(name="torch", wanted=">=2.10", installed="2.3.1+cu121").good
    assert not Package(name="torch", wanted=">=2.10", installed="").good
    assert {package.name for package in needed_packages()} >= {"torch", "lightning", "textual"}


@pytest.mark.parametrize(
    ("version", "line", "cuda"),
    [
        ("2.13.0+cpu", "", ""),
        ("2.13.0", "cuda: Optional[str] = '12.8'", "12.8"),
        ("2.3.1+cu121", "", "12.1"),
        ("2.13.0", "cuda: Optional[str] = None", ""),
        ("2.13.0", "", None),
        ("", "", None),
    ],
)
def test_the_cuda_of_torch_is_read_without_importing_it(
    version: str, line: str, cuda: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "version.py").write_text(f"{line}\n")
    spec = type("Spec", (), {"origin": str(tmp_path / "__init__.py")})
    monkeypatch.setattr("workbench.report.packages.installed", lambda _: version)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: spec)
    assert cuda_of_torch() == cuda


def test_an_error_goes_before_what_is_unknown_and_that_before_a_warning() -> None:
    def one(*statements: Statement) -> Report:
        part = Section(name="dataset", statements=statements)
        return Report(
            folder=Path(), made=0.0, voice="v", language="ru", adopted=True, scanned=True, sections=(part,)
        )  # fmt: skip

    error, warning = Statement(Verdict.ERROR, say("gpu.tiny")), Statement(Verdict.WARNING, say("gpu.tiny"))
    unknown = Statement(Verdict.UNKNOWN, say("dataset.not_scanned"), decisive=True)
    idle = Statement(Verdict.UNKNOWN, say("time.unknown"))
    assert [one(*items).ready for items in ((error, unknown), (unknown, warning), (warning, idle), ())] == [
        False, None, True, True,
    ]  # fmt: skip
    assert one(error, unknown).reasons == (error,)
    assert one(unknown, warning).sections[0].verdict == Verdict.UNKNOWN


def test_a_workspace_of_ours_names_the_lines_of_its_file(make: Make, small: Path) -> None:
    lines = ("[voice]", 'name = "felix"', 'language = "ru"', "[training]", "batch_size = 4", "[dataset]")
    (small / "workbench.toml").write_text("\n".join([*lines, 'metadata = "metadata_2col.csv"']))
    report = make(small)
    facts = {fact.name: fact for fact in section(report, "configuration").facts}
    assert facts["training.batch_size"].evidence == "workbench.toml:5"
    assert facts["training.epochs"].evidence == say("evidence.default")
    assert report.adopted
    assert "workbench adopt" not in [command.line for command in section(report, "recommendations").commands]


def test_checkpoints_of_versions_are_listed_once(make: Make, small: Path) -> None:
    add_checkpoint(small / "lightning_logs" / "version_3", "epoch=500-step=237474.ckpt", 500, 237_474)
    found = section(make(small), "checkpoints")
    assert [row[1].value for row in found.tables[0].rows] == [500, 426]


def test_a_run_of_ours_goes_on_by_its_name_and_one_that_is_done_needs_more_epochs(make: Make, tmp_path: Path) -> None:
    (tmp_path / "workbench.toml").write_text('[voice]\nname = "v"\nlanguage = "ru"\n[training]\nepochs = 10\n')
    checkpoints = tmp_path / "runs" / "20270115-v" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints.parent / "run.json").write_text('{"format": 1, "created": 1.0}')
    (checkpoints / "epoch=4-step=50.ckpt").write_bytes(with_weights(4, 50))
    report = make(tmp_path)
    start = next(fact for fact in section(report, "checkpoints").facts if fact.name == "start")
    assert (start.quantity.value, start.evidence) == ("runs/20270115-v/checkpoints/epoch=4-step=50.ckpt", "runs")
    lines = [command.line for command in section(report, "recommendations").commands]
    assert "workbench train --resume 20270115-v --detach" in lines
    (checkpoints / "epoch=9-step=100.ckpt").write_bytes(with_weights(9, 100))
    report = make(tmp_path)
    assert ENGLISH.text(statement(report, "order.done").text).startswith("Trained are 10 epochs, and 10 are wanted")
    lines = [command.line for command in section(report, "recommendations").commands]
    assert "workbench train --resume 20270115-v --epochs 20 --detach" in lines


def test_commands_name_the_workspace_where_it_is_not_the_current_folder(
    make: Make, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(small)
    monkeypatch.chdir(tmp_path)
    report = report_on(read_situation(small, None))
    lines = [command.line for command in section(report, "recommendations").commands]
    assert lines[0] == "workbench adopt felix"
    assert "workbench health -C felix" in lines
    file = tmp_path / "own name.toml"
    file.write_text('[voice]\nname = "v"\nlanguage = "ru"\n[dataset]\nmetadata = "felix/metadata_2col.csv"\n')
    report = report_on(read_situation(file, None))
    assert "workbench health -C 'own name.toml'" in [item.line for item in section(report, "recommendations").commands]


def test_a_torch_that_the_project_pins_and_the_workbench_can_not_use_is_told(make: Make, small: Path) -> None:
    script = small / "train_resume.sh"
    script.write_text(f"pip install torch==2.3.1 --index-url https://example.org/cu121\n{script.read_text()}")
    found = statement(make(small), "packages.pinned")
    assert (found.verdict, found.evidence) == (Verdict.WARNING, "train_resume.sh:1")
    script.write_text(script.read_text().replace("2.3.1", "2.99.0"))
    assert "packages.pinned" not in keys(make(small))


def test_some_old_entries_of_a_cache_are_no_second_generation(make: Make, small: Path) -> None:
    cache = small / ".cache"
    (cache / "3_Совсем другой текст.spec.pt").write_bytes(bytes(1000))
    report = make(small)
    text = ENGLISH.text(statement(report, "cache.stale").text)
    assert text.startswith(".cache: entries that belong to no row of today's table: 1 of 21 (1 KB).")
    assert "cache.generations" not in keys(report)


def test_a_checkpoint_that_only_lends_its_weights_is_not_gone_on_from(make: Make, tmp_path: Path) -> None:
    (tmp_path / "base.ckpt").write_bytes(with_weights(5000, 100_000))
    settings = '[voice]\nname = "v"\nlanguage = "ru"\n[start]\ncheckpoint = "base.ckpt"\nmode = "warm-start"\n'
    (tmp_path / "workbench.toml").write_text(settings)
    report = make(tmp_path)
    assert {"order.done", "order.start", "counters.other"} & keys(report) == set()
    assert "workbench train --detach" in [item.line for item in section(report, "recommendations").commands]
    checkpoints = tmp_path / "runs" / "20270115-v" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints.parent / "run.json").write_text('{"format": 1, "created": 1.0}')
    (checkpoints / "epoch=4-step=50.ckpt").write_bytes(with_weights(4, 50))
    lines = [item.line for item in section(make(tmp_path), "recommendations").commands]
    assert "workbench train --resume 20270115-v --detach" in lines
