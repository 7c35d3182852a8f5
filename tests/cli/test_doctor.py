"""The machine's checks, on machines made of files and programs in a temporary folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from workbench.api import Finding, Severity
from workbench.api.testing import one_line
from workbench.host import Host, machine
from workbench.host.doctor import run_checks

from .conftest import HEAD, Command


def test_the_doctor_answers_with_findings_of_one_line_each(workbench: Command, folder: Path) -> None:
    (folder / "workbench.toml").write_text(HEAD)
    outcome = workbench("doctor", "--json")
    answer = outcome.json
    assert outcome.code == (0 if answer["ok"] else 1)
    subjects = {finding["subject"] for finding in answer["findings"]}
    assert {
        "Python",
        "native extension",
        "C++ compiler",
        "GPU",
        "disk",
        "PortAudio",
        "sound card",
        "logout",
    } <= subjects
    for finding in answer["findings"]:
        assert one_line(finding["message"]), finding
        assert finding["severity"] in list(Severity)


def test_given_phoneme_ids_need_no_phonemizer(workbench: Command, folder: Path) -> None:
    (folder / "workbench.toml").write_text(HEAD.replace('"ru"', '"xx"'))
    about = {finding["subject"]: finding for finding in workbench("doctor", "--json").json["findings"]}
    assert about["language xx"]["severity"] == Severity.BLOCKS
    with (folder / "workbench.toml").open("a") as settings:
        settings.write('[dataset]\ntype = "phoneme_ids"\n')
    about = {finding["subject"]: finding for finding in workbench("doctor", "--json").json["findings"]}
    assert about["language xx"]["severity"] == Severity.OK


def test_no_sound_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.util.find_library", lambda _: None)
    portaudio, *_ = machine.check_sound()
    assert portaudio.severity == Severity.INFO
    assert portaudio.fix == "sudo apt install libportaudio2"


def program_in(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_a_gpu_is_told_and_a_driver_that_fails_is_warned_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr("importlib.metadata.version", lambda _: "2.13.0")
    program_in(tmp_path / "bin", "nvidia-smi", "echo 'NVIDIA L4, 23034 MiB, 550.54'")
    (good,) = machine.check_gpu()
    assert (good.severity, good.message) == (Severity.OK, "NVIDIA L4, 23034 MiB, 550.54")
    program_in(tmp_path / "bin", "nvidia-smi", "echo 'Failed to initialize NVML' >&2; exit 9")
    (bad,) = machine.check_gpu()
    assert bad.severity == Severity.WARNS
    assert "Failed to initialize NVML" in bad.message
    program_in(tmp_path / "bin", "nvidia-smi", "echo 'NVIDIA L4, 23034 MiB, 550.54'")
    monkeypatch.setattr("importlib.metadata.version", lambda _: "2.13.0+cpu")
    (useless,) = machine.check_gpu()
    assert useless.severity == Severity.WARNS
    assert "CPU only" in useless.message


def test_a_machine_without_a_compiler_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (found,) = machine.check_compiler()
    assert (found.severity, found.fix) == (Severity.INFO, "sudo apt install g++")


@pytest.mark.parametrize(("free", "severity"), [(2e8, Severity.BLOCKS), (3e9, Severity.WARNS), (3e11, Severity.OK)])
def test_little_disk_is_warned_of_and_none_blocks(
    free: float, severity: Severity, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=int(free))
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    (found,) = machine.check_disk(tmp_path / "not" / "made" / "yet")
    assert found.severity == severity
    assert found.evidence["free_bytes"] == int(free)


def test_memory_and_cores_are_those_of_the_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    (found,) = machine.check_memory(tmp_path)
    assert (found.severity, found.message) == (Severity.INFO, "the system does not say how much there is; 8 cores")
    group = tmp_path / "sys" / "fs" / "cgroup"
    (tmp_path / "proc" / "self").mkdir(parents=True)
    group.mkdir(parents=True)
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 500000000 kB\nMemAvailable: 400000000 kB\n")
    (tmp_path / "proc" / "self" / "cgroup").write_text("0::/\n")
    (tmp_path / "proc" / "self" / "mountinfo").write_text("31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    (found,) = machine.check_memory(tmp_path)
    assert found.message == "512.0 GB, of which 409.6 GB can be had; 8 cores"
    (group / "memory.max").write_text("16000000000\n")
    (group / "memory.current").write_text("4000000000\n")
    (group / "cpu.max").write_text("100000 100000\n")
    (found,) = machine.check_memory(tmp_path)
    assert found.severity == Severity.OK
    assert found.message == (
        f"16.0 GB, of which 12.0 GB can be had; 1 core; limited by {group}/memory.max and {group}/cpu.max"
    )


def test_a_place_that_takes_no_runs_blocks(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    (found,) = machine.check_disk(tmp_path / "runs")
    assert found.severity == Severity.BLOCKS
    assert "is not a folder" in found.message


def test_logging_out_is_dangerous_only_where_logind_kills_and_nobody_lingers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("USER", "anna")
    (tmp_path / "logind.conf").write_text("[Login]\n#KillUserProcesses=yes\n")
    assert [found.severity for found in machine.check_logind(tmp_path, tmp_path)] == [Severity.OK]
    (tmp_path / "logind.conf.d").mkdir()
    (tmp_path / "logind.conf.d" / "kill.conf").write_text("[Login]\nKillUserProcesses=yes\n")
    (found,) = machine.check_logind(tmp_path, tmp_path)
    assert (found.severity, found.fix) == (Severity.WARNS, "loginctl enable-linger anna")
    (tmp_path / "anna").touch()
    assert [found.severity for found in machine.check_logind(tmp_path, tmp_path)] == [Severity.OK]


def test_the_foreign_package_of_our_name_is_warned_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert [found.severity for found in machine.check_foreign_distribution()] == [Severity.OK]
    info = tmp_path / "workbench-0.8.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: workbench\nVersion: 0.8\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    (found,) = machine.check_foreign_distribution()
    assert found.severity == Severity.WARNS
    assert "'workbench' 0.8" in found.message


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "TERM is not set"),
        ({"TERM": "dumb"}, "TERM is dumb"),
        ({"TERM": "xterm-256color"}, "colours: 256"),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, "colours: 24 bit"),
        ({"TERM": "xterm", "COLORTERM": "truecolor", "NO_COLOR": "1"}, "none (NO_COLOR)"),
    ],
)
def test_the_terminal_is_told_by_its_colours(environ: Mapping[str, str], said: str) -> None:
    assert said in next(iter(machine.check_terminal(environ))).message


@pytest.mark.parametrize(("value", "severity"), [("on", Severity.OK), ("external", Severity.INFO)])
def test_inside_tmux_the_clipboard_is_asked_about(
    value: str, severity: Severity, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert list(machine.check_tmux({})) == []
    program_in(tmp_path / "bin", "tmux", f"echo {value}")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (found,) = machine.check_tmux({"TMUX": "/tmp/tmux-0/default,1,0"})
    assert found.severity == severity


def test_a_plugins_check_runs_where_it_asks_to_and_a_failing_one_is_a_finding(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    info = site / "throwaway_checks-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: throwaway-checks\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[voice_workbench]\nchecks = throwaway_checks:plugin\n")
    (site / "throwaway_checks.py").write_text(
        "from workbench.api import DoctorCheckSpec, Finding, Plugin, Severity\n"
        "class Checks(Plugin):\n"
        "    def workbench_register_doctor_checks(self):\n"
        "        yield DoctorCheckSpec(name='here', target='throwaway_checks:here')\n"
        "        yield DoctorCheckSpec(name='there', target='throwaway_checks:here', pool='torch')\n"
        "        yield DoctorCheckSpec(name='broken', target='throwaway_checks:broken')\n"
        "        yield DoctorCheckSpec(name='odd', target='throwaway_checks:odd')\n"
        "def here(): return [Finding(rule='x', severity=Severity.OK, subject='x', message='fine')]\n"
        "def broken(): raise SystemExit('no\\nno')\n"
        "def odd(): return ['text']\n"
        "plugin = Checks()\n"
    )
    monkeypatch.syspath_prepend(str(site))
    asked: list[tuple[str, str]] = []

    def elsewhere(pool: str, target: str) -> Sequence[Mapping[str, Any]]:
        asked.append((pool, target))
        return [Finding(rule="x", severity=Severity.WARNS, subject="there", message="far").as_json()]

    findings = list(run_checks(Host.load(None, environ={}), None, {}, elsewhere))
    assert asked == [("torch", "throwaway_checks:here")]
    by_subject = {finding.subject: finding for finding in findings}
    assert by_subject["x"].message == "fine"
    assert by_subject["there"].severity == Severity.WARNS
    assert by_subject["broken"].message == "the check itself failed: no no"
    assert by_subject["odd"].message == "the check itself failed: returned a str; a Finding is wanted"


def test_plugins_are_listed_with_what_they_offer(workbench: Command) -> None:
    outcome = workbench("plugins", "--json")
    by_name = {record["name"]: record for record in outcome.json["plugins"]}
    assert by_name["ddp"]["registered"] == {"launchers": ["local", "ddp"]}
    assert by_name["ddp"]["distribution"] == "voice-workbench"
    plain = workbench("plugins")
    assert "launchers: local, ddp" in plain.out


def test_a_failed_plugin_makes_the_answer_no(
    workbench: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    info = tmp_path / "site" / "throwaway_bad-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: throwaway-bad\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[voice_workbench]\nbad = throwaway_bad_module:plugin\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    outcome = workbench("plugins")
    assert outcome.code == 1
    assert "bad is failed: ModuleNotFoundError" in outcome.out
    shown = workbench("plugins", "bad")
    assert shown.code == 1
    assert "throwaway-bad 1" in shown.out
    assert workbench("plugins", "--safe").code == 0
