"""The simulation of observers with a history: every subscription sees every change once, or a gap.

`RECOVERY_SEEDS=60` runs more of them.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.recovery.observers import GROUPS, KEPT, RowWorld
from tests.recovery.simulation import run
from tests.recovery.test_simulation import SEEDS, failures, oblivion, outage, slowness

pytestmark = pytest.mark.django_db(transaction=True)


async def silence(world: RowWorld) -> None:
    """Let no message reach one hub for a while."""
    hub = world.random.choice(world.hubs)
    world.silent_until[hub] = world.loop.time() + 0.1 + world.delay(3)


async def another_epoch(world: RowWorld) -> None:
    """Let all groups begin again, as if another process owed it."""
    for group in GROUPS:
        await world.store.store.new_epoch(group, KEPT)


async def slow_rows(world: RowWorld) -> None:
    """Let rows be read and rendered slowly, so that changes wait when an epoch begins."""
    world.thread_delay, world.stale = 0.3, 30
    await asyncio.sleep(1)
    await another_epoch(world)
    await asyncio.sleep(1.5)
    world.thread_delay = 0.02


FAILURES: list[Callable[[RowWorld], Awaitable[None]]]
FAILURES = [silence, outage, failures, slowness, oblivion]  # type: ignore[list-item]


async def simulate(seed: int) -> None:
    world = RowWorld(seed)
    with world.patched():
        chosen = [*world.random.sample(FAILURES, 2), another_epoch, slow_rows]
        await world.run(4.0, world.random.sample(chosen, 4))
        await world.settle()
        await world.end()
    assert world.check() == []
    assert world.shown > 30


@pytest.mark.parametrize("seed", SEEDS)
def test_every_subscription_sees_every_change_once_or_a_gap(seed: int) -> None:
    run(simulate(seed))
