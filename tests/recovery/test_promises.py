"""What recovery promises, one by one, in virtual time: the bounds are those of real time."""

import asyncio
import json
from typing import Any

import pytest

from rest_channels.engine.history_writer import HistoryWriter
from rest_channels.history.records import Position
from rest_channels.history.stores.base import Append
from rest_channels.history.stores.memory import MemoryStore
from rest_channels.protocol.messages import Event
from rest_channels.protocol.recovery_frames import tag_of
from tests.recovery.simulation import (
    GROUPS,
    KEPT,
    Connection,
    SimulatedClient,
    World,
    run,
)

GROUP = GROUPS[0]
TAG = tag_of(GROUP)


def quiet_world(store: MemoryStore | None = None) -> World:
    """Return a world in which nothing happens by itself, and nothing is lost."""
    world = World(0, store or MemoryStore())
    world.clients, world.loss = [], 0
    return world


def client_at(world: World, hub: int) -> SimulatedClient:
    client = SimulatedClient(world.random, [GROUP], world.pace)
    world.clients.append(client)
    Connection(world, world.hubs[hub], client)
    return client


def numbers(client: SimulatedClient) -> list[int]:
    """Return the numbers of the messages that `client` has handled."""
    log = client.tags[TAG].log
    return [json.loads(entry[-1])["number"] for entry in log if entry[0] in ("message", "plain")]


def gaps(client: SimulatedClient) -> int:
    return [entry[0] for entry in client.tags[TAG].log].count("gap")


async def passed(seconds: float) -> None:
    await asyncio.sleep(seconds)


def in_virtual_time(test: Any) -> Any:
    def call() -> None:
        run(test())

    call.__name__, call.__doc__ = test.__name__, test.__doc__
    return call


@in_virtual_time
async def test_a_message_whose_publisher_was_killed_arrives_within_two_seconds() -> None:
    world = quiet_world()
    client = client_at(world, 0)
    await passed(0.1)
    text = json.dumps({"group": GROUP, "number": 7})
    await world.store.append_many([Append(GROUP, text, KEPT, "killed", 1)])
    await passed(2)
    assert (numbers(client), gaps(client)) == ([7], 0)
    await world.end()


@pytest.mark.parametrize("kind", ["before", "after", "lost", "late"])
def test_an_outage_of_the_store_is_one_gap_within_three_seconds(kind: str) -> None:
    async def test() -> None:
        world = quiet_world()
        clients = [client_at(world, 0), client_at(world, 1)]
        await passed(0.1)
        world.publish(world.hubs[0], GROUP)
        await passed(0.1)
        world.store.is_down, world.store.kinds = True, [kind]
        world.publish(world.hubs[0], GROUP)
        await passed(3)
        world.publish(world.hubs[0], GROUP)
        world.store.is_down = False
        await passed(3)
        assert [gaps(client) for client in clients] == [1, 1]
        world.publish(world.hubs[0], GROUP)
        await passed(3)
        assert [gaps(client) for client in clients] == [1, 1]
        # Another hub may have read a message that the store took without an answer.
        assert (numbers(clients[0]), numbers(clients[1])[-1]) == ([1, 2, 3, 4], 4)
        await world.end()
        assert world.check() == []

    run(test())


@in_virtual_time
async def test_a_client_that_is_no_member_is_sent_nothing() -> None:
    world = quiet_world()
    member = client_at(world, 0)
    stranger = SimulatedClient(world.random, [GROUPS[1]], world.pace)
    connection = Connection(world, world.hubs[0], stranger)
    world.publish(world.hubs[0], GROUP)
    await passed(0.1)
    received: list[str] = []
    connection.deliver = lambda event: received.append(event.text)  # type: ignore[method-assign]
    epoch = member.tags[TAG].epoch
    world.hubs[0].recovery.resume(connection, {TAG: (epoch, 0)})
    assert received == [f'{{"$resumed":{{"{TAG}":"gap"}}}}']
    connection.close()
    await world.end()


class Receiver:
    """A member that counts what it is sent."""

    overrides_sending = False
    needs_queue = False

    def __init__(self) -> None:
        self.texts: list[str] = []

    def deliver(self, event: Any) -> None:
        self.texts.append(event.text)


@pytest.mark.parametrize("missed", [10, 40])
def test_five_thousand_clients_that_return_share_few_reads(missed: int) -> None:
    async def test() -> None:
        world = quiet_world()
        hub = world.hubs[0]
        members = [Receiver() for _ in range(5_000)]
        for _ in range(missed):
            world.publish(world.hubs[0], GROUP)
        await passed(0.1)
        for member in members:
            hub.join(GROUP, member)
        await passed(0.1)
        world.store.reads.clear()
        epoch = (await world.store.store.position(GROUP, KEPT)).epoch
        began = asyncio.get_running_loop().time()
        for number, member in enumerate(members):
            hub.recovery.resume(member, {TAG: (epoch, number % missed)})
            if not number % 100:
                await passed(0.01)
        await passed(1.5 - (asyncio.get_running_loop().time() - began))
        assert all(member.texts[-1].endswith('"ok"}}') for member in members)
        counts = {len(member.texts) - 2 - missed + at % missed for at, member in enumerate(members)}
        assert counts == {0}
        assert world.store.reads["since"] <= 1.5 / 0.02
        for member in members:
            hub.leave(GROUP, member)
        await world.end()

    run(test())


@in_virtual_time
async def test_clients_whose_messages_are_gone_take_few_reads() -> None:
    world = quiet_world()
    hub = world.hubs[0]
    members = [Receiver() for _ in range(1_000)]
    for _ in range(3):
        await world.store.store.append_many(
            [Append(GROUP, "{}", KEPT, "ada", number) for number in range(1, 2_001)]
        )
    for member in members:
        hub.join(GROUP, member)
    await passed(1)
    world.store.reads.clear()
    epoch = (await world.store.store.position(GROUP, KEPT)).epoch
    for number, member in enumerate(members):
        hub.recovery.resume(member, {TAG: (epoch, number)})
    await passed(0.5)
    assert all(member.texts[-1].endswith('"gap"}}') for member in members)
    assert world.store.reads["since"] <= 20
    for member in members:
        hub.leave(GROUP, member)
    await world.end()


@in_virtual_time
async def test_what_a_client_missed_is_paged() -> None:
    world = quiet_world()
    hub = world.hubs[0]
    text = json.dumps({"group": GROUP, "text": "x" * 30_000})
    items = [Append(GROUP, text, KEPT, "ada", number) for number in range(1, 41)]
    await world.store.append_many(items)
    member = Receiver()
    hub.join(GROUP, member)
    await passed(0.1)
    epoch = (await world.store.store.position(GROUP, KEPT)).epoch
    after, results = 0, []
    while not results or results[-1] == "more":
        before = len(member.texts)
        hub.recovery.resume(member, {TAG: (epoch, after)})
        await passed(0.1)
        *page, answer = member.texts[before:]
        assert sum(map(len, page)) <= 262_144 + 1_000
        after += len(page)
        results.append(json.loads(answer)["$resumed"][TAG])
    assert (after, results[-1]) == (40, "ok")
    hub.leave(GROUP, member)
    await world.end()


@in_virtual_time
async def test_a_client_holds_a_thousand_messages_at_most_and_misses_none() -> None:
    world = quiet_world()
    client = client_at(world, 0)
    await passed(0.1)
    epoch = client.tags[TAG].epoch
    client.receive(json.dumps({"$joined": {TAG: [epoch, 5]}}))
    for offset in range(7, 1_500):
        client.receive(json.dumps({"$at": f"{TAG}.{offset}", "number": offset}))
        assert len(client.tags[TAG].held) <= 1_000
    await world.end()


# A group whose members leave and come back.


@in_virtual_time
async def test_a_store_that_answers_late_for_a_group_that_is_gone_changes_nothing() -> None:
    world = quiet_world()
    world.store.slow = 1
    client = client_at(world, 0)
    client.connection.close()  # type: ignore[union-attr]
    await passed(2)
    assert (world.hubs[0].recovery.groups, world.hubs[0].tasks, world.errors) == ({}, set(), [])


@in_virtual_time
async def test_a_group_whose_last_member_leaves_and_returns_meanwhile_continues() -> None:
    world = quiet_world()
    world.store.slow = 0.5
    client = client_at(world, 0)
    for _ in range(20):
        client.connection.close()  # type: ignore[union-attr]
        Connection(world, world.hubs[0], client)
        world.publish(world.hubs[1], GROUP)
        await passed(0.2)
    await passed(3)
    begun = client.tags[TAG].log.index(next(e for e in client.tags[TAG].log if e[0] == "begin"))
    offset = client.tags[TAG].log[begun][2]
    assert numbers(client) == list(range(offset + 1, 21))
    await world.end()


@in_virtual_time
async def test_a_member_that_leaves_while_it_is_served_is_sent_nothing_more() -> None:
    world = quiet_world()
    hub = world.hubs[0]
    for _ in range(40):
        world.publish(hub, GROUP)
    await passed(0.1)
    stays, leaves = Receiver(), Receiver()
    hub.join(GROUP, stays)
    hub.join(GROUP, leaves)
    await passed(0.1)
    epoch = (await world.store.store.position(GROUP, KEPT)).epoch
    for member in (stays, leaves):
        hub.recovery.resume(member, {TAG: (epoch, 5)})
    hub.leave(GROUP, leaves)
    await passed(1)
    assert (len(stays.texts), len(leaves.texts)) == (1 + 35 + 1, 1)
    hub.leave(GROUP, stays)
    await world.end()


@in_virtual_time
async def test_a_handler_that_answers_a_message_does_not_overtake_it() -> None:
    world = quiet_world()
    hub = world.hubs[0]

    class Answering(Receiver):
        def deliver(self, event: Any) -> None:
            super().deliver(event)
            if '"number": 1' in event.text and len(self.texts) == 2:
                world.publish(hub, GROUP)

    others = hub.hand_on_unnumbered, hub.recovery.note_append, hub.recovery.note_doubt
    writer = HistoryWriter("ada", hub.hand_on, *others, lambda: world.store.store)
    hub.writer = writer  # its store answers at once
    first, second = Answering(), Receiver()
    hub.join(GROUP, first)
    hub.join(GROUP, second)
    await passed(0.1)
    texts = [json.dumps({"number": number}) for number in (1, 2)]
    items = [Append(GROUP, text, KEPT, "grace", n) for n, text in enumerate(texts, 1)]
    events = [
        Event.rendered(GROUP, None, item.text)._replace(position=position)
        for item, position in zip(items, await world.store.append_many(items), strict=True)
    ]
    for event in reversed(events):
        hub.receive(event)
    await passed(0.5)
    found = [json.loads(text)["$at"] for text in second.texts[1:]]
    assert found == [f"{TAG}.1", f"{TAG}.2", f"{TAG}.3"]
    for member in (first, second):
        hub.leave(GROUP, member)
    await world.end()


@in_virtual_time
async def test_a_client_that_is_told_of_a_gap_twice_does_not_ask_for_ever() -> None:
    """Its position is moved to where the hub is, if it has asked from there already."""
    world = quiet_world()
    hub = world.hubs[0]
    member = Receiver()
    hub.join(GROUP, member)
    await passed(0.1)
    for _ in range(100):
        world.publish(hub, GROUP)
    await passed(0.2)
    position = Position((await world.store.store.position(GROUP, KEPT)).epoch, 0)
    hub.recovery.resume(member, {TAG: position})
    await passed(0.2)
    joined, resumed = (json.loads(text) for text in member.texts[-2:])
    assert joined == {"$joined": {TAG: [position.epoch, 100]}}
    assert resumed == {"$resumed": {TAG: "gap"}}
    hub.leave(GROUP, member)
    await world.end()


@in_virtual_time
async def test_an_epoch_that_ends_while_clients_are_served_ends_their_service() -> None:
    world = quiet_world()
    hub = world.hubs[0]
    for _ in range(40):
        world.publish(hub, GROUP)
    await passed(0.1)

    class First(Receiver):
        def deliver(self, event: Any) -> None:
            super().deliver(event)
            if "$resumed" in event.text:
                asyncio.get_running_loop().call_soon(hub.recovery.groups[GROUP].note_loss)

    members = [First(), *(Receiver() for _ in range(99))]
    for member in members:
        hub.join(GROUP, member)
    await passed(0.1)
    epoch = (await world.store.store.position(GROUP, KEPT)).epoch
    for member in members:
        hub.recovery.resume(member, {TAG: (epoch, 5)})
    await passed(0.1)
    assert [len(member.texts) for member in (members[1], members[-1])] == [1 + 35 + 1, 1 + 1]
    assert members[-1].texts[-1] == f'{{"$resumed":{{"{TAG}":"later"}}}}'
    for member in members:
        hub.leave(GROUP, member)
    await world.end()


@in_virtual_time
async def test_a_late_message_of_an_ended_epoch_keeps_nobody_waiting() -> None:
    world = quiet_world()
    hub = world.hubs[0]
    client_at(world, 0)
    await passed(0.1)
    ended = await world.store.store.position(GROUP, KEPT)
    await world.store.store.new_epoch(GROUP, KEPT)
    await passed(2)
    hub.receive(Event.rendered(GROUP, None, "{}")._replace(position=ended._replace(offset=1)))
    member = Receiver()
    assert hub.join(GROUP, member) is None
    hub.leave(GROUP, member)
    await world.end()
