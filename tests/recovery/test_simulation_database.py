"""The simulation with the store in the database: that of the tests, or of `DATABASE_URL`.

`RECOVERY_SEEDS=60` runs more of them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from unittest.mock import patch

import pytest

from rest_channels.history.models import HistoryGroup, HistoryMessage
from rest_channels.history.stores.database import DatabaseStore
from tests.recovery.simulation import GROUPS, World, run
from tests.recovery.test_simulation import FAILURES, SEEDS, failures, outage, silence, slowness
from tests.recovery.test_simulation_redis import PACE, TIMES
from tests.recovery.threads import no_loop, threads_on_loop

pytestmark = pytest.mark.django_db(transaction=True)

Failure = Callable[[World], Awaitable[None]]
FEW_SEEDS = SEEDS[:2] if len(SEEDS) <= 5 else SEEDS
"""A query takes longer than a call of the store in memory."""


async def deletion(world: World) -> None:
    """Let the database lose all histories."""
    world.may_repeat = True
    with no_loop():
        HistoryGroup.objects.all().delete()


async def loss_of_messages(world: World) -> None:
    """Let the database lose the messages of a group, and keep its counter."""
    with no_loop():
        HistoryMessage.objects.filter(group__name=world.random.choice(GROUPS)).delete()


async def simulate(seed: int, failures: Sequence[Failure], seconds: float = 2.0) -> None:
    world = World(seed, DatabaseStore())
    with threads_on_loop(lambda: world.delay(0.02)):
        await world.run(seconds, failures)
        await world.settle()
        await world.end()
    assert world.check() == []
    assert world.sent > 50


@pytest.mark.parametrize("seed", FEW_SEEDS)
def test_every_client_sees_every_message_of_the_database_once_or_a_gap(seed: int) -> None:
    run(simulate(seed, FAILURES[seed % 4 :][:2]))


@pytest.mark.parametrize("seed", FEW_SEEDS)
def test_a_database_that_loses_rows_is_a_gap(seed: int) -> None:
    run(simulate(seed, [deletion, loss_of_messages, silence, deletion]))


@pytest.mark.parametrize("seed", FEW_SEEDS[:1] if len(SEEDS) <= 5 else SEEDS)
def test_transactions_that_wait_for_each_other_keep_one_order(seed: int) -> None:
    """With threads: appends of three hubs wait for the lock of a group."""

    async def simulate_with_threads() -> None:
        world = World(seed, DatabaseStore(), PACE)
        await world.run(6 * PACE, [slowness, outage, failures])
        await world.settle()
        await world.end()
        assert world.check() == []

    with ExitStack() as stack:
        for module, name in TIMES:
            stack.enter_context(patch.object(module, name, getattr(module, name) * PACE))
        asyncio.run(simulate_with_threads())
