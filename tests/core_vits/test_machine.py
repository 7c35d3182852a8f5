"""Memory and cores of a process in a container or a job, from made-up control groups."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from core_vits.machine import Limit, cores, free_bytes, total_memory, usable_cores

GB = 1 << 30
MEMINFO = f"MemTotal:       {512 * GB // 1024} kB\nMemFree:   1 kB\nMemAvailable:   {400 * GB // 1024} kB\n"
V2 = "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "35 31 0:32 {root} /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory\n"
    "32 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
)


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


def system(root: Path, cgroup: str, mounts: str, files: Mapping[str, object], meminfo: str = MEMINFO) -> Path:
    """A `proc` and a `sys` with these files below `/sys/fs/cgroup`."""
    (root / "proc" / "self").mkdir(parents=True)
    (root / "proc" / "meminfo").write_text(meminfo)
    (root / "proc" / "self" / "cgroup").write_text(cgroup)
    (root / "proc" / "self" / "mountinfo").write_text("23 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + mounts)
    for name, text in files.items():
        path = root / "sys" / "fs" / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


def found(root: Path) -> tuple[int, int, int]:
    """Gigabytes in all and free, and cores."""
    total = total_memory(root)
    assert total is not None
    return total.amount // GB, free_bytes(root) // GB, usable_cores(root).amount


def test_a_docker_container_of_version_2_sees_its_own_group_as_the_root(tmp_path: Path) -> None:
    files = {"memory.max": 16 * GB, "memory.current": 6 * GB, "cpu.max": "250000 100000"}
    files |= {"memory.stat": f"anon {2 * GB}\ninactive_file {3 * GB}\nactive_file {1 * GB}\nfile {4 * GB}"}
    root = system(tmp_path, "0::/\n", V2, files)
    assert found(root) == (16, 14, 3)
    assert total_memory(root) == Limit(16 * GB, str(root / "sys/fs/cgroup/memory.max"))
    assert usable_cores(root).source.endswith("cpu.max")


def test_the_tightest_limit_above_a_slurm_job_counts(tmp_path: Path) -> None:
    job = "system.slice/slurmstepd.scope/job_7"
    files: dict[str, object] = {
        f"{job}/memory.max": 16 * GB, f"{job}/memory.current": 10 * GB, f"{job}/cpu.max": "max 100000",
        f"{job}/step_0/memory.max": "max", f"{job}/step_0/cpu.max": "400000 100000",
        "system.slice/memory.max": 64 * GB, "system.slice/memory.current": 63 * GB,
        "other/memory.max": 1 * GB,
    }  # fmt: skip
    root = system(tmp_path, f"0::/{job}/step_0\n", V2, files)
    # 6 GB are left of the job's, but only one of what all jobs together may have.
    assert found(root) == (16, 1, 4)


def test_version_1_inside_a_container_without_a_namespace_of_its_own(tmp_path: Path) -> None:
    cgroup = "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/\n"
    files = {
        "memory/memory.limit_in_bytes": 8 * GB, "memory/memory.usage_in_bytes": 5 * GB,
        "memory/memory.stat": f"cache {3 * GB}\ntotal_inactive_file {2 * GB}\ntotal_active_file {1 * GB}",
        "cpu,cpuacct/cpu.cfs_quota_us": 150_000, "cpu,cpuacct/cpu.cfs_period_us": 100_000,
    }  # fmt: skip
    root = system(tmp_path, cgroup, V1.format(root="/docker/abc"), files)
    assert found(root) == (8, 6, 2)


def test_version_1_on_a_machine_with_a_job_s_group(tmp_path: Path) -> None:
    cgroup = "9:memory:/slurm/uid_1/job_2/step_0\n8:cpu,cpuacct:/slurm/uid_1\n"
    files = {
        "memory/slurm/uid_1/job_2/step_0/memory.limit_in_bytes": 9_223_372_036_854_771_712,
        "memory/slurm/uid_1/job_2/memory.limit_in_bytes": 16 * GB,
        "memory/slurm/uid_1/job_2/memory.usage_in_bytes": 1 * GB,
        "cpu,cpuacct/slurm/uid_1/cpu.cfs_quota_us": -1, "cpu,cpuacct/slurm/uid_1/cpu.cfs_period_us": 100_000,
    }  # fmt: skip
    root = system(tmp_path, cgroup, V1.format(root="/"), files)
    assert found(root) == (16, 15, 8)


@pytest.mark.parametrize("path", ["/../../elsewhere", "/somewhere/else"])
def test_a_group_that_is_not_to_be_seen_leaves_what_is_mounted(tmp_path: Path, path: str) -> None:
    root = system(tmp_path, f"0::{path}\n", V2.replace(" / /sys", " /docker/abc /sys"), {"memory.max": 4 * GB})
    assert found(root) == (4, 4, 8)


def test_a_limit_above_what_the_machine_has_is_none(tmp_path: Path) -> None:
    root = system(tmp_path, "0::/\n", V2, {"memory.max": 600 * GB, "memory.current": GB, "cpu.max": "6400000 100000"})
    assert found(root) == (512, 400, 8)
    assert total_memory(root) == Limit(512 * GB, "/proc/meminfo")


def test_a_full_group_has_nothing_left_and_half_a_core_is_one(tmp_path: Path) -> None:
    files = {"memory.max": GB, "memory.current": 2 * GB, "cpu.max": "50000 100000"}
    assert found(system(tmp_path, "0::/\n", V2, files)) == (1, 0, 1)


def test_where_the_system_says_nothing_nothing_is_limited(tmp_path: Path) -> None:
    assert (total_memory(tmp_path), free_bytes(tmp_path)) == (None, sys.maxsize)
    assert usable_cores(tmp_path) == Limit(8, "sched_getaffinity")


@pytest.mark.parametrize("content", ["", "many", "-5", "max max", "1 0"])
def test_files_that_say_something_else_limit_nothing(tmp_path: Path, content: str) -> None:
    files = {"memory.max": content, "memory.current": content, "memory.stat": content, "cpu.max": content}
    assert found(system(tmp_path, "0::/\nnonsense\n::\n", V2 + "- cgroup2\nx\n", files)) == (512, 400, 8)


def test_of_this_machine_there_is_something_and_not_more_than_the_kernel_says() -> None:
    total = total_memory()
    assert total is not None
    assert 0 < free_bytes() <= sys.maxsize
    assert 1 <= cores() <= 8
