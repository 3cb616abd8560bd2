"""Random drops, losses and failures: every client sees every message once and in order, or a gap.

`RECOVERY_SEEDS=60` runs more of them.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest

from rest_channels.history.stores.memory import MemoryStore
from tests.recovery.simulation import GROUPS, KEPT, World, run

FIRST, COUNT = (int(each) for each in os.environ.get("RECOVERY_SEEDS", "0:5").split(":"))
SEEDS = range(FIRST, FIRST + COUNT)


async def silence(world: World) -> None:
    """Let no message reach one hub for a while."""
    hub = world.random.choice(world.hubs)
    hub.silent_until = asyncio.get_running_loop().time() + 0.1 * world.pace + world.delay(3)


async def outage(world: World) -> None:
    """Let all calls fail for a while, some of them after they have run, or before they run."""
    world.store.is_down = True
    await asyncio.sleep(0.1 * world.pace + world.delay(3))
    world.store.is_down = False


async def failures(world: World) -> None:
    """Let some calls fail."""
    world.store.failing = 0.3
    await asyncio.sleep(2 * world.pace)
    world.store.failing = 0


async def slowness(world: World) -> None:
    """Let calls take longer."""
    world.store.slow = 0.2
    await asyncio.sleep(2 * world.pace)
    world.store.slow = 0.002


async def sluggishness(world: World) -> None:
    """Let calls take almost too long, and many of them fail."""
    world.store.slow, world.store.failing = 0.9, 0.3
    await asyncio.sleep(4 * world.pace)
    world.store.slow, world.store.failing = 0.002, 0


async def another_epoch(world: World) -> None:
    """Let a group begin again, as if another process owed it."""
    await world.store.store.new_epoch(world.random.choice(GROUPS), KEPT)


async def oblivion(world: World) -> None:
    """Let the store forget everything."""
    world.may_repeat = True
    world.store.store.__init__()  # type: ignore[misc]


FAILURES: list[Callable[[World], Awaitable[None]]] = [
    silence,
    outage,
    failures,
    slowness,
    another_epoch,
]


async def simulate(seed: int, failures: list[Callable[[World], Awaitable[None]]]) -> None:
    world = World(seed, MemoryStore())
    await world.run(6.0, world.random.sample(failures, 3))
    await world.settle()
    await world.end()
    assert world.check() == []
    assert world.sent > 100


@pytest.mark.parametrize("seed", SEEDS)
def test_every_client_sees_every_message_once_or_a_gap(seed: int) -> None:
    run(simulate(seed, FAILURES))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_store_does_late_is_neither_lost_nor_repeated(seed: int) -> None:
    run(simulate(seed, [outage, outage, failures]))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_sluggish_store_has_kept_without_an_answer_is_not_repeated(seed: int) -> None:
    run(simulate(seed, [outage, sluggishness, outage]))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_store_that_forgets_is_a_gap(seed: int) -> None:
    run(simulate(seed, [silence, slowness, oblivion, oblivion]))
