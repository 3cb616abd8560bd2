"""Appends that have run, and whose answers are lost. Meanwhile hubs read the messages."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from rest_channels.history.records import Position, StoreUnavailable
from rest_channels.history.stores.base import Append
from rest_channels.history.stores.memory import MemoryStore
from tests.recovery.simulation import GROUPS, KEPT, World
from tests.recovery.test_promises import (
    GROUP,
    TAG,
    Receiver,
    client_at,
    gaps,
    in_virtual_time,
    numbers,
    passed,
    quiet_world,
)


class Silent(MemoryStore):
    """A store that is read, and whose answers to writers are lost as often as it is told to."""

    losses = 0

    async def append_many(self, items: Sequence[Append]) -> list[Position]:
        found = await super().append_many(items)
        if self.losses:
            self.losses -= 1
            await asyncio.sleep(1)
            raise StoreUnavailable("made up")
        return found


def silent_world(losses: int) -> World:
    """Return a world in which nothing else fails. Its hubs compare at 1 s, 2 s and so on."""
    store = Silent()
    store.losses = losses
    return quiet_world(store)


async def append_elsewhere(world: World, number: int) -> None:
    """Append a message of another process, which is killed before it sends it."""
    text = json.dumps({"group": GROUP, "number": number})
    items = [Append(GROUP, text, KEPT, f"killed {number}", 1)]
    await MemoryStore.append_many(world.store.store, items)  # type: ignore[arg-type]


@in_virtual_time
async def test_a_message_that_its_own_hub_could_read_is_not_sent_again_without_an_offset() -> None:
    world = silent_world(losses=2)
    client = client_at(world, 0)
    await passed(0.5)
    world.publish(world.hubs[0], GROUP)
    await passed(5)
    assert (numbers(client), gaps(client)) == ([1], 1)
    await world.end()


@in_virtual_time
async def test_clients_of_other_hubs_get_the_message_once_too() -> None:
    world = silent_world(losses=2)
    clients = [client_at(world, number) for number in range(3)]
    await passed(0.5)
    world.publish(world.hubs[0], GROUP)
    await passed(5)
    assert [numbers(client) for client in clients] == [[1], [1], [1]]
    assert [gaps(client) for client in clients] == [1, 1, 1]
    await world.end()


@in_virtual_time
async def test_messages_before_and_after_it_come_in_order_when_the_second_attempt_works() -> None:
    world = silent_world(losses=1)
    client = client_at(world, 0)
    await passed(0.5)
    await append_elsewhere(world, 101)
    world.publish(world.hubs[0], GROUP)
    await passed(0.1)
    await append_elsewhere(world, 102)
    await passed(2)
    assert (numbers(client), gaps(client)) == ([101, 1, 102], 0)
    await world.end()


@in_virtual_time
async def test_a_client_that_asks_for_what_it_missed_does_not_get_the_message_twice() -> None:
    world = silent_world(losses=0)
    hub, member = world.hubs[0], Receiver()
    for _ in range(40):
        world.publish(hub, GROUP)
    hub.join(GROUP, member)
    await passed(0.1)
    world.store.store.losses = 2  # type: ignore[attr-defined]
    world.publish(hub, GROUP)
    await passed(0.1)
    epoch = (await world.store.store.position(GROUP, KEPT)).epoch
    hub.recovery.resume(member, {TAG: (epoch, 5)})
    await passed(5)
    assert len([text for text in member.texts if '"number": 41' in text]) == 1
    assert f'{{"$resumed":{{"{TAG}":"later"}}}}' in member.texts
    hub.leave(GROUP, member)
    await world.end()


@in_virtual_time
async def test_appends_to_another_group_keep_nobody_waiting() -> None:
    world = silent_world(losses=2)
    client = client_at(world, 0)
    await passed(0.9)
    world.publish(world.hubs[0], GROUPS[1])
    await append_elsewhere(world, 101)
    await passed(0.2)
    assert numbers(client) == [101]
    await world.end()


class ReadOnly(MemoryStore):
    """A store that can be read, and takes nothing until it is told to."""

    is_full = True

    async def append_many(self, items: Sequence[Append]) -> list[Position]:
        self._refuse()
        return await super().append_many(items)

    async def new_epoch(self, *args: Any) -> Position:
        self._refuse()
        return await super().new_epoch(*args)

    def _refuse(self) -> None:
        if self.is_full:
            raise StoreUnavailable("made up")


@in_virtual_time
async def test_a_hub_that_begins_an_epoch_for_a_writer_merges_it_with_the_writers_own() -> None:
    store = ReadOnly()
    world = quiet_world(store)
    clients = [client_at(world, number) for number in range(3)]
    await passed(0.5)
    for hub in world.hubs:
        world.publish(hub, GROUP)
    await passed(8)
    store.is_full = False
    await passed(5)
    assert [gaps(client) for client in clients] == [1, 1, 1]
    await world.end()
