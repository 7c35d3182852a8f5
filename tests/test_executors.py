"""Work over pieces: the same results in the same order, wherever they are made."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.errors import EnvironmentProblem
from workbench.executors import Here, Processes, Ray, executor


def square(number: int) -> int:
    time.sleep(0.001 * (number % 3))
    return number * number


def process_of(number: int) -> int:
    return os.getpid()


def fragile(number: int) -> int:
    """Kills its process at 7, as a decoder may."""
    if number == 7:
        os.kill(os.getpid(), signal.SIGSEGV)
    return number


def refusing(number: int) -> int:
    if number == 3:
        raise ValueError("three is not liked")
    return number


def never(piece: int) -> int:
    raise AssertionError(f"{piece} was lost")


@pytest.fixture
def processes() -> Iterator[Processes]:
    made = Processes(2)
    yield made
    made.close()


def test_results_come_in_the_order_of_the_pieces(processes: Processes) -> None:
    wanted = [number * number for number in range(40)]
    for made in (Here(), processes):
        assert list(made.run(square, range(40), never)) == wanted
        assert list(made.run(square, [], never)) == []


def test_the_first_piece_runs_here_and_the_others_do_not(processes: Processes) -> None:
    first, *others = processes.run(process_of, range(6), never)
    assert first == os.getpid()
    assert os.getpid() not in others


def test_pieces_are_taken_as_results_are_wanted(processes: Processes) -> None:
    taken = []

    def pieces() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    results = processes.run(square, pieces(), never)
    assert [next(results) for _ in range(5)] == [0, 1, 4, 9, 16]
    assert len(taken) < 20


def test_a_piece_that_kills_its_process_is_lost_alone(processes: Processes) -> None:
    lost: list[int] = []

    def note(piece: int) -> int:
        lost.append(piece)
        return -piece

    assert list(processes.run(fragile, range(12), note)) == [0, 1, 2, 3, 4, 5, 6, -7, 8, 9, 10, 11]
    assert lost == [7]


def test_an_exception_of_the_function_reaches_whoever_asked(processes: Processes) -> None:
    with pytest.raises(ValueError, match="three is not liked"):
        list(processes.run(refusing, range(5), never))


def test_auto_starts_processes_only_where_it_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(executor("auto", worth_processes=False), Here)
    monkeypatch.setattr("workbench.executors.cores", lambda: 1)
    assert isinstance(executor("auto"), Here)
    monkeypatch.setattr("workbench.executors.cores", lambda: 2)
    made = executor("auto")
    assert isinstance(made, Processes)
    made.close()


def test_ray_that_is_not_installed_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'voice-workbench\[ray\]'"):
        executor("ray")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # ray's own
def test_ray_gives_the_same_results(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    made = Ray()
    try:
        assert list(made.run(abs, range(-20, 0), never)) == list(range(20, 0, -1))
    finally:
        made.close()
