"""Worker processes, with real processes throughout."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from workbench.errors import Cancelled, ExportError, WorkerError
from workbench.workers import Worker

HERE = Path(__file__).parent
TARGETS = "worker_targets"


def search_path() -> str:
    """PYTHONPATH with the targets of these tests; an empty entry would stand for the current folder."""
    return os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Worker]:
    monkeypatch.setenv("PYTHONPATH", search_path())
    with Worker("text", log=tmp_path / "worker.log") as worker:
        yield worker


def until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Wait for a condition; its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return value


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_values_come_back_as_they_were_sent(worker: Worker) -> None:
    values = {"text": "Ёж «съел»\n|\u2028\udc80", "number": 1.5, "nothing": None, "list": [1, [True, {"a": "b"}]]}
    assert worker.call(f"{TARGETS}:echo", **values) == values


def test_pieces_of_an_answer_come_in_order_before_its_end(worker: Worker) -> None:
    seen: list[Any] = []
    assert worker.call(f"{TARGETS}:pieces", on_part=seen.append, count=1000) == "done"
    assert seen == [{"piece": number} for number in range(1000)]
    assert worker.call(f"{TARGETS}:pieces", count=3) == "done"


def test_a_megabyte_passes_both_ways(worker: Worker) -> None:
    text = "ы" * 500_000
    assert worker.call(f"{TARGETS}:echo", text=text) == {"text": text}


def test_one_process_serves_all_calls(worker: Worker) -> None:
    assert worker.pid is None
    assert worker.call(f"{TARGETS}:process_id") == worker.call(f"{TARGETS}:process_id") == worker.pid


def test_a_round_trip_is_fast(worker: Worker) -> None:
    worker.call(f"{TARGETS}:echo")
    times = []
    for _ in range(300):
        started = time.perf_counter()
        worker.call(f"{TARGETS}:echo")
        times.append(time.perf_counter() - started)
    # The least of many: what it costs when nobody else wants the cores. Measured: 0.06 ms.
    assert min(times) < 0.002


def test_what_a_target_prints_does_not_reach_the_wire(worker: Worker) -> None:
    assert worker.call(f"{TARGETS}:noisy", text="{}") == "{}: stdin had b''"
    worker.close()
    log = worker.log.read_text()
    assert "{}\n" in log
    assert "written to fd 1" in log
    assert "printed by C" in log


def test_a_worker_that_was_warmed_serves_the_call_with_the_module_loaded(worker: Worker) -> None:
    worker.warm("colorsys")
    pid = worker.pid
    assert pid is not None
    assert worker.call(f"{TARGETS}:is_loaded", name="colorsys") is True
    assert worker.call(f"{TARGETS}:process_id") == pid


def test_what_can_not_be_loaded_beforehand_does_no_harm(worker: Worker) -> None:
    worker.warm("no.such.module")
    assert worker.call(f"{TARGETS}:echo", a=1) == {"a": 1}


def test_progress_arrives_in_order_and_before_the_result(worker: Worker) -> None:
    seen: list[tuple[float, float, str]] = []
    assert worker.call(f"{TARGETS}:count", steps=5, on_progress=lambda *p: seen.append(p)) == 5
    assert seen == [(n, 5, f"step {n}") for n in range(1, 6)]


def test_a_flood_of_progress_is_thinned_and_the_last_one_arrives(worker: Worker) -> None:
    seen: list[tuple[float, float, str]] = []
    worker.call(f"{TARGETS}:flood", steps=20_000, on_progress=lambda *p: seen.append(p))
    assert len(seen) < 200
    assert seen[-1] == (20_000, 20_000, "counting")


def test_progress_without_a_listener_is_dropped(worker: Worker) -> None:
    assert worker.call(f"{TARGETS}:count", steps=3) == 3


def test_a_listener_that_fails_ends_the_call_and_the_next_call_works(worker: Worker) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the widget is gone")

    with pytest.raises(RuntimeError, match="widget"):
        worker.call(f"{TARGETS}:count", steps=3, on_progress=fail)
    assert worker.call(f"{TARGETS}:echo", a=1) == {"a": 1}


def test_a_users_error_keeps_its_class_and_its_line(worker: Worker) -> None:
    with pytest.raises(ExportError) as caught:
        worker.call(f"{TARGETS}:refuse")
    assert type(caught.value) is ExportError
    assert str(caught.value) == "ru-x-tiny.onnx: the largest difference is 0.5. Export again."


def test_an_error_class_that_only_the_worker_knows_becomes_its_nearest_ancestor(worker: Worker) -> None:
    with pytest.raises(ExportError, match="of a plugin"):
        worker.call(f"{TARGETS}:refuse_locally")


@pytest.mark.parametrize(
    ("call", "kwargs", "said"),
    [
        (f"{TARGETS}:divide", {"a": 1, "b": 0}, "ZeroDivisionError: division by zero"),
        (f"{TARGETS}:divide", {"a": 1}, "TypeError: divide() missing 1 required positional argument: 'b'"),
        (f"{TARGETS}:leave", {}, "SystemExit: 7"),
        (f"{TARGETS}:not_json", {}, "TypeError: Object of type object is not JSON serializable"),
        (f"{TARGETS}:nothing_here", {}, "AttributeError: module 'worker_targets' has no attribute 'nothing_here'"),
        ("no_such_module:f", {}, "ModuleNotFoundError: No module named 'no_such_module'"),
    ],
)
def test_any_other_error_is_one_line_with_its_traceback_as_a_note_and_in_the_log(
    worker: Worker, call: str, kwargs: dict[str, Any], said: str
) -> None:
    with pytest.raises(WorkerError) as caught:
        worker.call(call, **kwargs)
    assert str(caught.value) == said
    assert "Traceback" in "".join(caught.value.__notes__)
    pid = worker.pid
    assert worker.call(f"{TARGETS}:process_id") == pid  # the worker lives on
    worker.close()
    assert said.split(":")[0] in worker.log.read_text()


def test_a_segfault_is_an_error_and_the_next_call_starts_a_new_process(worker: Worker) -> None:
    first = worker.call(f"{TARGETS}:process_id")
    with pytest.raises(WorkerError) as caught:
        worker.call(f"{TARGETS}:segfault")
    message = str(caught.value)
    assert message.startswith("the text worker died (SIGSEGV): Fatal Python error: Segmentation fault")
    assert "\n" not in message
    assert worker.call(f"{TARGETS}:process_id") != first


def test_a_dead_worker_leaves_its_last_words_in_the_error(worker: Worker) -> None:
    with pytest.raises(WorkerError) as caught:
        worker.call(f"{TARGETS}:last_words_then_die", words="one\ntwo\n\nthree\nno room left\n")
    assert str(caught.value) == f"the text worker died (exit code 3): two / three / no room left; log: {worker.log}"


def test_a_worker_killed_while_idle_is_replaced_without_an_error(worker: Worker) -> None:
    first = worker.call(f"{TARGETS}:process_id")
    for _ in range(10):
        # At once: for a moment a killed process still looks alive and its pipes still take a request.
        os.kill(first, signal.SIGKILL)
        last, first = first, worker.call(f"{TARGETS}:process_id")
        assert first != last


def test_cancel_kills_the_worker_and_the_next_call_works(worker: Worker, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    caught: list[BaseException] = []

    def call() -> None:
        try:
            worker.call(f"{TARGETS}:sleep", seconds=60, mark=str(mark))
        except Cancelled as error:
            caught.append(error)

    for _ in range(3):
        mark.unlink(missing_ok=True)
        thread = threading.Thread(target=call)
        thread.start()
        pid = int(until(lambda: mark.exists() and mark.read_text()))
        worker.cancel()
        # At once, from another thread: it must not be handed to the process that is about to die.
        assert worker.call(f"{TARGETS}:echo", a=1) == {"a": 1}
        thread.join(10)
        assert gone(pid)
    assert [str(error) for error in caught] == ["cancelled; the text worker was ended"] * 3


def test_cancel_leaves_an_idle_worker_alone(worker: Worker) -> None:
    first = worker.call(f"{TARGETS}:process_id")
    worker.cancel()
    assert worker.call(f"{TARGETS}:process_id") == first


def test_a_call_past_its_time_is_ended(worker: Worker) -> None:
    worker.call(f"{TARGETS}:echo")
    started = time.monotonic()
    with pytest.raises(WorkerError, match="did not answer in time"):
        worker.call(f"{TARGETS}:sleep", seconds=60, timeout=0.2)
    assert time.monotonic() - started < 5
    assert worker.call(f"{TARGETS}:echo", a=1) == {"a": 1}


def test_calls_of_many_threads_get_their_own_answers(worker: Worker) -> None:
    answers: dict[int, Any] = {}

    def ask(number: int) -> None:
        answers[number] = [worker.call(f"{TARGETS}:echo", n=number)["n"] for _ in range(20)]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == {number: [number] * 20 for number in range(8)}


def test_close_ends_the_process_even_in_the_middle_of_a_call(worker: Worker, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    caught: list[BaseException] = []

    def call() -> None:
        try:
            worker.call(f"{TARGETS}:sleep", seconds=60, mark=str(mark))
        except Cancelled as error:
            caught.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    pid = int(until(lambda: mark.exists() and mark.read_text()))
    worker.close()
    thread.join(10)
    assert gone(pid)
    assert len(caught) == 1


def test_a_worker_ends_in_the_middle_of_a_call_when_its_client_is_killed(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    log = tmp_path / "log"
    program = (
        "import sys; from pathlib import Path; from workbench.workers import Worker; "
        "Worker('text', log=Path(sys.argv[2])).call('worker_targets:sleep', seconds=60, mark=sys.argv[1])"
    )
    client = subprocess.Popen(
        [sys.executable, "-c", program, str(mark), str(log)],
        env={**os.environ, "PYTHONPATH": search_path()},
    )
    try:
        pid = int(until(lambda: mark.exists() and mark.read_text(), 20))
        assert not gone(pid)
    finally:
        client.kill()
        client.wait()
    until(lambda: gone(pid))


def test_a_module_in_the_users_folder_is_not_imported(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sneaky.py").write_text("raise SystemExit('ran')")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WorkerError, match="No module named 'sneaky'"):
        worker.call("sneaky:f")


def test_a_log_that_can_not_be_written_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", search_path())
    (tmp_path / "file").touch()
    with Worker("text", log=tmp_path / "file" / "worker.log") as worker:
        assert worker.call(f"{TARGETS}:noisy", text="x")


def test_an_unknown_pool_is_refused() -> None:
    with pytest.raises(ValueError, match="the pools are text, audio, torch"):
        Worker("gpu")


def test_the_client_imports_nothing_heavy() -> None:
    program = "import sys, workbench.workers, json; print(json.dumps(sorted(sys.modules)))"
    modules = json.loads(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)
    assert not {"torch", "numpy", "librosa", "onnxruntime", "textual", "pluggy", "sounddevice"} & set(modules)
