"""The simulation of observers with a history: every subscription sees every change once, or a gap.

`RECOVERY_SEEDS=60` runs more of them.
"""

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
    """Let a group begin again, as if another process owed it."""
    await world.store.store.new_epoch(world.random.choice(GROUPS), KEPT)


FAILURES: list[Callable[[RowWorld], Awaitable[None]]]
FAILURES = [silence, outage, failures, slowness, another_epoch, oblivion]  # type: ignore[list-item]


async def simulate(seed: int) -> None:
    world = RowWorld(seed)
    with world.patched():
        await world.run(4.0, world.random.sample(FAILURES, 3))
        await world.settle()
        await world.end()
    assert world.check() == []
    assert world.shown > 30


@pytest.mark.parametrize("seed", SEEDS)
def test_every_subscription_sees_every_change_once_or_a_gap(seed: int) -> None:
    run(simulate(seed))
