"""Work over pieces: the same results in the same order, wherever they are made."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest
from local_ray import local_ray

from workbench.errors import DatasetError, EnvironmentProblem
from workbench.executors import Executor, Here, Processes, Ray, check, executor, one_by_one


def square(number: int) -> int:
    time.sleep(0.001 * (number % 3))
    return number * number


def process_of(number: int) -> int:
    return os.getpid()


def process_and_parent(number: int) -> tuple[int, int]:
    return os.getpid(), os.getppid()


def fragile(number: int) -> int:
    """Kills its process at 7, as a decoder may."""
    if number == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def refusing(number: int) -> int:
    if number == 3:
        raise DatasetError("three is not liked")
    return number


def note_process(folder: Path) -> None:
    (folder / str(os.getpid())).touch()
    raise DatasetError("nobody hears this")


def environment(name: str) -> str | None:
    return os.environ.get(name)


def never(piece: object) -> int:
    raise AssertionError(f"{piece} was lost")


@pytest.fixture
def processes() -> Iterator[Processes]:
    made = Processes(2)
    yield made
    made.close()


@pytest.fixture
def ray() -> Ray:
    return local_ray()


SOMEWHERE = [
    pytest.param("processes", id="processes"),
    # The warnings are Ray's own.
    pytest.param("ray", id="ray", marks=[pytest.mark.timeout(240), pytest.mark.filterwarnings("ignore")]),
]


@pytest.fixture
def elsewhere(request: pytest.FixtureRequest) -> Executor:
    """An executor whose pieces run in other processes."""
    made: Executor = request.getfixturevalue(request.param)
    return made


@pytest.mark.parametrize("elsewhere", SOMEWHERE, indirect=True)
def test_results_come_in_the_order_of_the_pieces(elsewhere: Executor) -> None:
    wanted = [number * number for number in range(40)]
    for made in (Here(), elsewhere):
        assert list(made.run(square, range(40), never)) == wanted
        assert list(made.run(square, [], never)) == []


@pytest.mark.parametrize("elsewhere", SOMEWHERE, indirect=True)
def test_no_piece_runs_here_unless_the_first_is_to(elsewhere: Executor) -> None:
    assert os.getpid() not in elsewhere.run(process_of, range(6), never)
    assert list(Here().run(process_of, range(2), never)) == [os.getpid()] * 2


def test_the_first_piece_runs_here_if_it_is_wanted(processes: Processes) -> None:
    first, *others = processes.run(process_of, range(6), never, first_here=True)
    assert first == os.getpid()
    assert os.getpid() not in others


def test_neither_the_first_piece_here_nor_a_start_waits_for_processes(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    submit = processes._pool.submit
    monkeypatch.setattr(processes._pool, "submit", lambda *task: submit(*task) if gate.wait(40) else None)
    processes.start(os.getpid)
    results = processes.run(process_of, range(3), never, first_here=True)
    assert next(results) == os.getpid()
    assert not gate.is_set()
    gate.set()
    assert len(list(results)) == 2


@pytest.mark.parametrize("elsewhere", SOMEWHERE, indirect=True)
def test_pieces_are_taken_as_results_are_wanted(elsewhere: Executor) -> None:
    taken = []

    def pieces() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    results = elsewhere.run(square, pieces(), never)
    assert [next(results) for _ in range(5)] == [0, 1, 4, 9, 16]
    assert len(taken) <= 6 + 2 * elsewhere.at_once


@pytest.mark.parametrize("elsewhere", SOMEWHERE, indirect=True)
def test_a_piece_that_kills_its_process_is_lost_alone(elsewhere: Executor) -> None:
    lost: list[int] = []

    def note(piece: int) -> int:
        lost.append(piece)
        return -piece

    assert list(elsewhere.run(fragile, range(12), note)) == [0, 1, 2, 3, 4, 5, 6, -7, 8, 9, 10, 11]
    assert lost == [7]


def test_pieces_are_still_handed_out_when_a_later_one_has_killed_its_process(processes: Processes) -> None:
    def pieces() -> Iterator[int]:
        yield from (0, 7)
        deadline = time.monotonic() + 40
        while not processes._pool._broken and time.monotonic() < deadline:  # type: ignore[attr-defined]
            time.sleep(0.01)
        yield from (1, 2)

    assert list(processes.run(fragile, pieces(), lambda piece: -piece)) == [0, -7, 1, 2]


def test_the_parts_of_a_lost_piece_are_done_one_by_one() -> None:
    assert one_by_one(fragile, [6, 7, 8], lambda piece: -piece) == [6, -7, 8]


@pytest.mark.parametrize("elsewhere", SOMEWHERE, indirect=True)
def test_an_exception_of_the_function_reaches_whoever_asked_as_it_was(elsewhere: Executor) -> None:
    with pytest.raises(DatasetError) as caught:
        list(elsewhere.run(refusing, range(5), never))
    assert str(caught.value) == "three is not liked"


def test_processes_get_ready_before_there_is_a_piece(processes: Processes, tmp_path: Path) -> None:
    processes.start(functools.partial(note_process, tmp_path))
    assert list(processes.run(square, range(3), never)) == [0, 1, 4]
    ready = {int(path.name) for path in tmp_path.iterdir()}
    assert ready
    assert os.getpid() not in ready


@pytest.mark.parametrize("elsewhere", SOMEWHERE, indirect=True)
def test_a_piece_computes_on_one_thread_and_this_process_keeps_its_setting(
    elsewhere: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert list(elsewhere.run(environment, ["OMP_NUM_THREADS"], never)) == ["1"]
    assert "OMP_NUM_THREADS" not in os.environ


def test_processes_have_the_environment_that_is_now_not_that_of_the_first_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for value in ("first", "second"):
        monkeypatch.setenv("WORKBENCH_PROBE", value)
        made = Processes(1)
        assert list(made.run(environment, ["WORKBENCH_PROBE"], never)) == [value]
        made.close()


@pytest.mark.parametrize("module", ["workbench.train.cutting", "workbench.workers.targets.health_work"])
def test_what_processes_begin_with_starts_no_thread(module: str) -> None:
    # A fork copies one thread only: locks that others hold would be held for ever.
    code = (
        f"import os, workbench.one_thread, {module}, sys\n"
        "sys.exit(f'{threads} threads' if (threads := len(os.listdir('/proc/self/task'))) > 1 else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stderr


OWNER = """
import os, sys, time
import test_executors
from workbench.executors import executor

if __name__ == "__main__":
    made = executor(sys.argv[1])
    results = made.run(test_executors.process_and_parent, range(1000), None)
    pids = {pid for _ in range(8) for pid in next(results)}
    print(*pids - {os.getpid()}, flush=True)
    time.sleep(100)
"""


def alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.parametrize("name", SOMEWHERE)
def test_nothing_outlives_an_owner_that_is_killed(name: str, tmp_path: Path) -> None:
    if name == "ray":
        pytest.importorskip("ray")
    (tmp_path / "owner.py").write_text(OWNER)
    tests = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    owner = subprocess.Popen(
        [sys.executable, str(tmp_path / "owner.py"), name],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": tests},
    )
    assert owner.stdout is not None
    workers = [int(pid) for pid in owner.stdout.readline().split()]
    assert len(workers) > 1  # and what they were forked from
    assert all(map(alive, workers))
    owner.kill()
    owner.wait()
    owner.stdout.close()
    deadline = time.monotonic() + 40
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers))


@pytest.mark.parametrize(
    ("name", "cores", "at_once", "kind"),
    [
        ("auto", 64, None, Processes),
        ("auto", 64, 1, Here),
        ("auto", 1, None, Here),
        ("here", 64, None, Here),
        ("processes", 64, 1, Processes),
        ("processes", 1, None, Processes),
    ],
)
def test_processes_are_taken_where_it_is_worth_it_or_wanted(
    monkeypatch: pytest.MonkeyPatch, name: str, cores: int, at_once: int | None, kind: type[Executor]
) -> None:
    monkeypatch.setattr("workbench.executors.cores", lambda: cores)
    made = executor(name, at_once=at_once)
    made.close()
    assert isinstance(made, kind)


@pytest.mark.parametrize(("cores", "at_once", "wanted"), [(64, None, 64), (64, 8, 8), (2, 8, 2), (64, 1, 2), (1, 8, 1)])
def test_there_are_as_many_processes_as_cores_and_work(
    monkeypatch: pytest.MonkeyPatch, cores: int, at_once: int | None, wanted: int
) -> None:
    monkeypatch.setattr("workbench.executors.cores", lambda: cores)
    made = executor("processes", at_once=at_once)
    made.close()
    assert made.at_once == wanted


@pytest.mark.parametrize("ask", [check, executor])
def test_ray_that_is_not_installed_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[[str], object]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'voice-workbench\[ray\]'"):
        ask("ray")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "ray://[::1]:1/"])
def test_a_cluster_that_does_not_answer_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    ray = ModuleType("ray")
    ray.is_initialized = lambda: False  # type: ignore[attr-defined]
    ray.init = lambda **_: pytest.fail("it was asked, which takes minutes")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(EnvironmentProblem) as caught:
        executor("ray")
    told = f"the Ray cluster at RAY_ADDRESS={address} can't be used: "
    assert str(caught.value).startswith(told)
    assert "Correct it" in str(caught.value)
