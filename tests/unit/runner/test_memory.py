"""Memory figures, read from laid-out machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from remote.workloads.hostfacts import cores
from remote.workloads.memory import Cgroup, available_memory, find_cgroup, system_oom_kills


def lay_out(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


V1 = {
    "proc/self/cgroup": "4:memory:/docker/abc\n0::/\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "2000000000\n",
    "sys/fs/cgroup/memory/docker/abc/memory.stat": "hierarchical_memory_limit 1500000000\n",
    "sys/fs/cgroup/memory/docker/abc/memory.max_usage_in_bytes": "1499000000\n",
    "sys/fs/cgroup/memory/docker/abc/memory.oom_control": (
        "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"
    ),
}
V2 = {
    "proc/self/cgroup": "0::/user.slice/run\n",
    "sys/fs/cgroup/memory.stat": "anon 1\n",
    "sys/fs/cgroup/user.slice/memory.max": "3000000000\n",
    "sys/fs/cgroup/user.slice/run/memory.max": "max\n",
    "sys/fs/cgroup/user.slice/run/memory.peak": "2900000000\n",
    "sys/fs/cgroup/user.slice/run/memory.events": "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\n",
}


def found(root: Path) -> Cgroup:
    cgroup = find_cgroup(root)
    assert cgroup is not None
    return cgroup


def test_v1_reads_the_lowest_limit_of_the_hierarchy(tmp_path: Path) -> None:
    cgroup = found(lay_out(tmp_path, V1))
    assert cgroup.version == 1
    assert cgroup.limit() == 1_500_000_000
    assert cgroup.peak() == 1_499_000_000
    assert cgroup.oom_kills() == 3


def test_v2_reads_the_limit_of_a_group_above(tmp_path: Path) -> None:
    cgroup = found(lay_out(tmp_path, V2))
    assert cgroup.version == 2
    assert cgroup.limit() == 3_000_000_000
    assert cgroup.peak() == 2_900_000_000
    assert cgroup.oom_kills() == 1


def test_in_a_container_the_path_is_the_hosts_and_the_mount_is_the_group(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "4:memory:/docker/abc\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "700\n",
        "sys/fs/cgroup/memory/memory.oom_control": "oom_kill 1\n",
    }
    cgroup = found(lay_out(tmp_path, files))
    assert (cgroup.limit(), cgroup.oom_kills(), cgroup.peak()) == (700, 1, None)


def test_room_is_that_of_the_tightest_level_and_counts_cache(tmp_path: Path) -> None:
    v1 = {
        "proc/self/cgroup": "2:memory:/docker/abc\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "1000\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "700\n",
        "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 50\n",
    }
    assert found(lay_out(tmp_path / "v1", v1)).room() == 350
    v2 = {
        "proc/self/cgroup": "0::/outer/inner\n",
        "sys/fs/cgroup/memory.stat": "anon 1\n",
        "sys/fs/cgroup/outer/memory.max": "1000\n",
        "sys/fs/cgroup/outer/memory.current": "900\n",
        "sys/fs/cgroup/outer/memory.stat": "inactive_file 300\n",
        "sys/fs/cgroup/outer/inner/memory.max": "max\n",
        "sys/fs/cgroup/outer/inner/memory.current": "500\n",
        "sys/fs/cgroup/outer/inner/memory.events": "oom_kill 0\n",
    }
    assert found(lay_out(tmp_path / "v2", v2)).room() == 400


def test_without_a_limit_the_machine_decides(tmp_path: Path) -> None:
    unlimited = {"sys/fs/cgroup/memory.stat": "anon 1\n", "sys/fs/cgroup/memory.max": "max\n"}
    assert found(lay_out(tmp_path, unlimited)).room() is None
    assert available_memory() > 0


def test_no_limit_is_none(tmp_path: Path) -> None:
    files = {"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}
    assert found(lay_out(tmp_path, files)).limit() is None


def test_a_machine_without_cgroups(tmp_path: Path) -> None:
    assert find_cgroup(tmp_path) is None
    assert system_oom_kills(tmp_path) == 0


def test_kills_of_the_whole_machine(tmp_path: Path) -> None:
    lay_out(tmp_path, {"proc/vmstat": "nr_free_pages 5\noom_kill 12\n"})
    assert system_oom_kills(tmp_path) == 12


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"sys/fs/cgroup/cpu.max": "100000 100000\n"}, 1),
        (
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            1,
        ),
    ],
)
def test_a_cpu_quota_bounds_the_cores(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    assert cores(lay_out(tmp_path, files)) == expected


def test_no_cpu_quota(tmp_path: Path) -> None:
    unlimited = lay_out(tmp_path / "a", {"sys/fs/cgroup/cpu.max": "max 100000\n"})
    assert cores(unlimited) == cores(tmp_path / "nothing")
