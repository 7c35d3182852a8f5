"""Columns that grow, and the joining of two stretches of one file."""

from __future__ import annotations

from pathlib import Path

from workbench.tail.series import PROBLEM_LIMIT, EventStore, TagColumns


def append(columns: TagColumns, steps: range) -> None:
    add_step, add_wall_time, add_value = columns.appenders
    for step in steps:
        add_step(step)
        add_wall_time(1.7e9 + step)
        add_value(step / 8)


def test_points_appear_with_the_commit() -> None:
    columns = TagColumns()
    append(columns, range(3))
    assert len(columns.points) == 0
    assert columns.commit()
    assert columns.points.steps.tolist() == [0, 1, 2]
    assert not columns.commit()


def test_earlier_stretch_goes_in_front_and_growing_goes_on_behind() -> None:
    early, late = EventStore(Path("events")), EventStore(Path("events"))
    append(late.column("loss"), range(100, 200))
    append(early.column("loss"), range(100))
    append(early.column("gone"), range(5))
    early.saw(5.0)
    early.add_problem(17, "damaged")
    late.add_problem(9000, "damaged")
    assert (early.commit(), late.commit()) == ({"loss", "gone"}, {"loss"})
    late.put_in_front(early)
    append(late.column("loss"), range(200, 500))
    late.commit()
    assert late.column("loss").points.steps.tolist() == list(range(500))
    assert late.column("loss").points.values.tolist() == [step / 8 for step in range(500)]
    assert late.column("gone").points.steps.tolist() == list(range(5))
    assert [problem.offset for problem in late.problems] == [17, 9000]
    assert late.last_wall_time == 5.0


def test_problems_are_counted_beyond_those_that_are_kept() -> None:
    store = EventStore(Path("events"))
    for offset in range(PROBLEM_LIMIT + 10):
        store.add_problem(offset, "damaged")
    assert (len(store.problems), store.problem_count) == (PROBLEM_LIMIT, PROBLEM_LIMIT + 10)


def test_clock_that_is_not_a_number_is_ignored() -> None:
    store = EventStore(Path("events"))
    for wall_time in (float("nan"), 3.0, 2.0):
        store.saw(wall_time)
    assert store.last_wall_time == 3.0
