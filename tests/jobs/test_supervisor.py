"""The supervisor with small steps instead of a trainer."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.jobs.rundir import FileLock, ask_to_stop, read_lines, read_status, write_json
from workbench.jobs.runs import RunView, read_run
from workbench.jobs.supervisor import last_line

HEAD = """
import os, signal, sys, time
from pathlib import Path
from workbench.jobs.rundir import stop_requested, write_status
run = Path(sys.argv[1])
"""


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Makes a run directory whose steps are given as Python code."""

    def make(**steps: str) -> Path:
        run = tmp_path / "r"
        (run / "checkpoints").mkdir(parents=True)
        (run / "logs").mkdir()
        write_json(run / "run.json", {"format": 1, "id": "r", "created": 1.0})
        argvs = {name: [sys.executable, "-c", HEAD + textwrap.dedent(code), str(run)] for name, code in steps.items()}
        write_json(
            run / "launch.json",
            {"steps": [{"name": name, "argv": argv, "env": {"FROM": "launch"}} for name, argv in argvs.items()]},
        )
        return run

    return make


def supervise(run: Path, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "workbench.jobs.supervisor", *options, str(run)])


def finish(run: Path) -> RunView:
    with supervise(run) as process:
        process.wait(30)
    view = read_run(run)
    assert process.returncode == view.status.exit_code
    return view


def await_file(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} did not appear"
        time.sleep(0.02)


def test_steps_run_in_order_and_their_output_goes_to_their_logs(make_run: Callable[..., Path]) -> None:
    run = make_run(
        prepare="print('one', os.environ['FROM']); (run / 'a').touch()",
        train="assert (run / 'a').exists(); sys.stderr.write('two'); write_status(run, outcome='completed')",
    )
    view = finish(run)
    assert (view.state, view.status.phase, view.status.exit_code) == ("completed", "done", 0)
    assert (run / "logs" / "prepare.log").read_text() == "one launch\n"
    assert (run / "logs" / "train.log").read_text() == "two"
    kinds = [event["kind"] for event in read_lines(run / "events.jsonl") if event["kind"] != "error"]
    assert kinds == ["started", "finished"]


def test_the_run_is_live_while_a_step_runs(make_run: Callable[..., Path]) -> None:
    run = make_run(train="(run / 'up').touch()\nwhile not stop_requested(run): time.sleep(0.02)")
    with supervise(run) as process:
        await_file(run / "up")
        view = read_run(run)
        assert (view.live, view.state, view.status.phase) == (True, "running", "train")
        ask_to_stop(run)
        assert process.wait(20) == 0
    view = read_run(run)
    assert (view.live, view.state) == (False, "stopped")
    assert not (run / "stop.request").exists()


def test_a_stop_while_preparing_never_starts_the_training(make_run: Callable[..., Path]) -> None:
    run = make_run(
        prepare="(run / 'up').touch()\nwhile not stop_requested(run): time.sleep(0.02)",
        train="(run / 'trained').touch()",
    )
    with supervise(run) as process:
        await_file(run / "up")
        ask_to_stop(run)
        assert process.wait(20) == 0
    assert read_run(run).state == "stopped"
    assert not (run / "trained").exists()


def test_what_the_trainer_says_about_its_end_wins_over_a_late_stop_request(make_run: Callable[..., Path]) -> None:
    run = make_run(train="(run / 'stop.request').touch(); time.sleep(0.7); write_status(run, outcome='completed')")
    assert finish(run).state == "completed"


def test_a_failed_step_ends_the_run_with_its_last_line(make_run: Callable[..., Path]) -> None:
    run = make_run(
        prepare="print('fine'); print('metadata.csv: there is no such file.\\x1b[2J'); print(); sys.exit(2)",
        train="(run / 'trained').touch()",
    )
    view = finish(run)
    assert (view.state, view.status.exit_code) == ("failed", 2)
    assert view.message == "metadata.csv: there is no such file. [2J"
    assert not (run / "trained").exists()


def test_a_step_that_gives_its_own_reason_is_believed(make_run: Callable[..., Path]) -> None:
    run = make_run(train="write_status(run, message='the disk is full'); print('noise'); sys.exit(2)")
    assert finish(run).message == "the disk is full"


def test_a_killed_step_is_reported_with_the_signal(make_run: Callable[..., Path]) -> None:
    run = make_run(train="print('step 7', flush=True); os.kill(os.getpid(), signal.SIGKILL)")
    view = finish(run)
    assert view.message == "train was killed by SIGKILL (out of memory?); it last said: step 7"
    assert (view.state, view.status.exit_code) == ("failed", 137)


def test_a_program_that_is_not_there_is_reported(make_run: Callable[..., Path]) -> None:
    run = make_run(train="")
    write_json(run / "launch.json", {"steps": [{"name": "train", "argv": ["/nowhere/python"]}]})
    assert "can't be started" in finish(run).message


def test_a_damaged_launch_file_fails_the_run_and_not_silently(make_run: Callable[..., Path]) -> None:
    run = make_run(train="")
    (run / "launch.json").write_text("{")
    view = finish(run)
    assert view.state == "failed"
    assert "supervisor failed" in view.message


def test_sigterm_is_passed_on_as_a_stop_request(make_run: Callable[..., Path]) -> None:
    run = make_run(
        train="(run / 'up').touch()\nwhile not stop_requested(run): time.sleep(0.02)\n"
        "write_status(run, outcome='stopped')"
    )
    with supervise(run) as process:
        await_file(run / "up")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert read_run(run).state == "stopped"


def test_a_second_sigterm_reaches_a_step_that_does_not_listen(make_run: Callable[..., Path]) -> None:
    run = make_run(train="(run / 'up').touch(); time.sleep(60)")
    with supervise(run) as process:
        await_file(run / "up")
        process.send_signal(signal.SIGTERM)
        await_file(run / "stop.request")
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    assert "SIGTERM" in read_run(run).message


def test_sighup_does_not_reach_the_run(make_run: Callable[..., Path]) -> None:
    run = make_run(train="(run / 'up').touch(); time.sleep(0.5); write_status(run, outcome='completed')")
    with supervise(run) as process:
        await_file(run / "up")
        process.send_signal(signal.SIGHUP)
        assert process.wait(20) == 0
    assert read_run(run).state == "completed"


def test_a_second_supervisor_is_refused_and_the_first_goes_on(make_run: Callable[..., Path]) -> None:
    run = make_run(train="")
    lock = FileLock(run / "run.lock")
    lock.acquire()
    with supervise(run) as process:
        assert process.wait(20) == 2
    assert read_status(run) == {}
    lock.release()


def test_detached_it_returns_when_it_has_the_run_and_the_step_goes_on(make_run: Callable[..., Path]) -> None:
    run = make_run(train="time.sleep(1); write_status(run, outcome='completed'); (run / 'over').touch()")
    with supervise(run, "--detach") as process:
        assert process.wait(20) == 0
    assert read_run(run).live
    assert not (run / "over").exists()
    await_file(run / "over")
    deadline = time.monotonic() + 20
    while read_run(run).live and time.monotonic() < deadline:
        time.sleep(0.05)
    assert read_run(run).state == "completed"


def test_detached_it_says_at_once_that_it_can_not_have_the_run(make_run: Callable[..., Path]) -> None:
    run = make_run(train="")
    lock = FileLock(run / "run.lock")
    lock.acquire()
    with supervise(run, "--detach") as process:
        assert process.wait(20) == 2
    lock.release()


def test_checkpoints_are_reported_to_plugins_without_harming_the_run(make_run: Callable[..., Path]) -> None:
    # There is no run.toml, so no plugin can be loaded: the run must not care.
    run = make_run(
        train="import json\n(run / 'checkpoints' / 'index.jsonl').write_text(json.dumps({'file': 'a.ckpt'}) + '\\n')\n"
        "time.sleep(0.6); write_status(run, outcome='completed')"
    )
    assert finish(run).state == "completed"
    errors = [event["message"] for event in read_lines(run / "events.jsonl") if event["kind"] == "error"]
    assert any("workbench_checkpoint_saved" in message for message in errors)


def test_usage_errors_are_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "workbench.jobs.supervisor", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_a_launcher_that_passes_on_a_signal_has_the_last_word(
    make_run: Callable[..., Path],
) -> None:
    code = """
        write_status(run, message="curves can't be written")
        print("process 2 of 2 was killed by SIGKILL", flush=True)
        sys.exit({code})
    """
    run = make_run(train=code.replace("{code}", str(128 + signal.SIGKILL)))
    view = finish(run)
    assert (view.state, view.message) == ("failed", "process 2 of 2 was killed by SIGKILL")
    shutil.rmtree(run)
    run = make_run(train=code.replace("{code}", "2"))
    assert finish(run).message == "curves can't be written"


def test_the_last_line_of_a_log_is_found_behind_any_bytes(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    assert last_line(log) == ""
    log.write_bytes(b"\xff\n" * 20_000 + b"the \x1b[31mend\x1b[0m \n\n  \n")
    assert last_line(log) == "the [31mend [0m"


@pytest.mark.parametrize("signalled", [False, True])
def test_a_run_that_is_removed_ends_and_is_not_made_again(make_run: Callable[..., Path], signalled: bool) -> None:
    run = make_run(train="(run / 'up').touch(); time.sleep(60)", next="(run / 'next').mkdir(parents=True)")
    with supervise(run) as process:
        await_file(run / "up")
        shutil.rmtree(run)
        if signalled:
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 2
    assert not run.exists()
