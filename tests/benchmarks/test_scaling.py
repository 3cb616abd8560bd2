"""The model of what a number of connections needs."""

import pytest

from benchmarks.environments import PROJECT
from benchmarks.results import read
from benchmarks.scaling import (
    Capacity,
    Costs,
    Load,
    as_markdown,
    measured,
    needs,
    parts,
    processes_of_group,
)

COSTS = Costs(frame=50, delivery=10, connect=400, receipt=15, memory=20)
IDLE = Load(connections=1_000, frames=0, broadcasts=0, lifetime=1e9)


def test_an_idle_process_needs_memory_only():
    found = needs(IDLE, COSTS, Capacity(process_memory=0.1))
    assert found.memory == pytest.approx(0.1 + 1_000 * 20e-6)
    assert (found.processes, found.machines, found.redis) == (1, 1, 0)


def test_frames_deliveries_and_connects_add_up():
    load = Load(connections=1_000, frames=2, broadcasts=10, members=100, lifetime=100)
    found = needs(load, COSTS, Capacity())
    of_redis = 10 * 15  # one process receives each message at most once
    expected = 1_000 * 2 * 50 + 10 * 100 * 10 + 10 * 400 + of_redis
    assert found.cpu == pytest.approx(expected / 1e6)


@pytest.mark.parametrize(
    ("frames", "machine_memory", "connections", "bound_by"),
    [(1, 1_000, 1e9, "CPU"), (0, 2, 1e9, "memory"), (0, 1_000, 5_000, "connections")],
)
def test_what_is_scarce_decides_the_number_of_processes(
    frames, machine_memory, connections, bound_by
):
    load = Load(connections=100_000, frames=frames, broadcasts=0)
    capacity = Capacity(machine_memory=machine_memory, process_connections=connections)
    found = needs(load, COSTS, capacity)
    assert found.bound_by == bound_by
    assert found.processes > 1


def test_a_message_reaches_only_processes_with_a_member():
    assert processes_of_group(10, members=1) == pytest.approx(1)
    assert processes_of_group(10, members=10_000) == pytest.approx(10)


def test_more_broadcasts_need_more_redis():
    load = Load(connections=1_000_000, frames=0, broadcasts=10_000, members=1_000)
    found = needs(load, COSTS, Capacity(redis_messages=50_000))
    assert found.redis > 1
    assert found.redis_messages == pytest.approx(
        10_000 * processes_of_group(found.processes, 1_000), rel=0.1
    )


def test_the_table_has_a_row_for_each_load():
    table = as_markdown([IDLE, IDLE], COSTS, Capacity()).splitlines()
    assert len(table) == 4
    assert table[2].startswith("| 1,000 | ")


def test_the_page_has_the_table_of_the_committed_results():
    table = as_markdown(parts(Load()), measured(read()), Capacity())
    assert table in (PROJECT / "docs" / "scaling.md").read_text(encoding="utf-8")
