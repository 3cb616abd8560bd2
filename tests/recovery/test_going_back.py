"""A store that went back in time with its epoch, and clients that say more than the store has."""

import asyncio
import json

from tests.recovery.simulation import KEPT, World
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


async def world_with_forty_messages() -> tuple[World, str]:
    """Return a world, and the epoch of its group."""
    world = quiet_world()
    for _ in range(40):
        await world.publish(world.hubs[0], GROUP)
    return world, (await world.store.store.position(GROUP, KEPT)).epoch


def go_back(world: World, count: int) -> None:
    """Take the last messages from the store, as a database does that is restored."""
    group = world.store.store._groups[GROUP]  # type: ignore[attr-defined]
    group.last -= count
    for _ in range(count):
        group.messages.pop()


@in_virtual_time
async def test_a_client_that_says_more_than_the_store_has_is_told_where_it_goes_on() -> None:
    world, epoch = await world_with_forty_messages()
    hub, member = world.hubs[0], Receiver()
    hub.join(GROUP, member)
    await passed(0.1)
    hub.recovery.resume(member, {TAG: (epoch, 45)})
    await passed(0.1)
    told = [json.loads(text) for text in member.texts[1:]]
    assert told == [{"$joined": {TAG: [epoch, 40]}}, {"$resumed": {TAG: "gap"}}]
    hub.leave(GROUP, member)
    await world.end()


@in_virtual_time
async def test_what_one_client_says_is_no_gap_for_others() -> None:
    world, epoch = await world_with_forty_messages()
    hub, liar, member = world.hubs[0], Receiver(), Receiver()
    for each in (liar, member):
        hub.join(GROUP, each)
    await passed(0.1)
    hub.recovery.resume(liar, {TAG: (epoch, 10**15)})
    await passed(0.1)
    hub.recovery.resume(member, {TAG: (epoch, 5)})
    await passed(0.1)
    assert len(member.texts) == 1 + 35 + 1
    assert json.loads(member.texts[-1]) == {"$resumed": {TAG: "ok"}}
    for each in (liar, member):
        hub.leave(GROUP, each)
    await world.end()


@in_virtual_time
async def test_a_client_that_knows_more_than_its_hub_has_no_gap() -> None:
    world, epoch = await world_with_forty_messages()
    hub, member = world.hubs[0], Receiver()
    hub.join(GROUP, member)
    await passed(0.1)
    await world.store.store.append(GROUP, "{}", KEPT, "ada", 1)
    hub.recovery.resume(member, {TAG: (epoch, 41)})
    await passed(0.1)
    told = [json.loads(text) for text in member.texts[1:]]
    assert told == [{"$resumed": {TAG: "ok"}}, {"$at": f"{TAG}.41"}]
    hub.leave(GROUP, member)
    await world.end()


@in_virtual_time
async def test_hubs_that_see_the_store_go_back_begin_one_epoch() -> None:
    world, epoch = await world_with_forty_messages()
    clients = [client_at(world, number) for number in range(3)]
    await passed(0.5)
    go_back(world, 5)
    await passed(6)
    assert [gaps(client) for client in clients] == [1, 1, 1]
    assert (await world.store.store.position(GROUP, KEPT)).epoch != epoch
    await world.publish(world.hubs[1], GROUP)
    await passed(1)
    assert [numbers(client) for client in clients] == [[41], [41], [41]]
    await world.end()


@in_virtual_time
async def test_a_store_that_gives_an_offset_to_another_message_went_back() -> None:
    """So many messages came since that a comparison of the offsets shows nothing."""
    world, epoch = await world_with_forty_messages()
    client = client_at(world, 0)
    await passed(0.1)
    for _ in range(5):
        await world.publish(world.hubs[0], GROUP)
    go_back(world, 5)
    for _ in range(10):
        await world.publish(world.hubs[0], GROUP)
    await passed(6)
    assert gaps(client) == 1
    assert (await world.store.store.position(GROUP, KEPT)).epoch != epoch
    await world.end()


@in_virtual_time
async def test_a_message_that_comes_while_the_store_is_asked_is_no_sign_that_it_went_back() -> None:
    world, epoch = await world_with_forty_messages()
    client = client_at(world, 0)
    answered = world.store.store.positions

    async def answer_late(groups):  # type: ignore[no-untyped-def]
        found = await answered(groups)
        await asyncio.sleep(0.3)
        return found

    world.store.store.positions = answer_late  # type: ignore[method-assign]
    for _ in range(20):
        await world.publish(world.hubs[0], GROUP)
        await passed(0.25)
    assert (len(numbers(client)), gaps(client)) == (20, 0)
    assert (await world.store.store.position(GROUP, KEPT)).epoch == epoch
    await world.end()
