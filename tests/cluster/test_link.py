"""Two nodes on one broker, like two processes, on both Redis layers, also when the broker fails."""

import asyncio
import random
import time
from contextlib import AsyncExitStack

import pytest
from django.test import override_settings
from redis.asyncio.client import PubSub

from rest_channels.cluster import packet_sender, packets, streams
from rest_channels.cluster.counts import counts
from rest_channels.cluster.layer import LayerConnection
from rest_channels.cluster.nodes import new_node
from rest_channels.cluster.packet_sender import ALL_NODES_GROUP, node_group
from rest_channels.cluster.packets import VERSION, CommandPacket, EventsPacket, pack
from rest_channels.protocol.messages import Event
from tests.brokers import LAYERS, Broker, layers
from tests.cluster.nodes import ADA, GRACE, MISSING, Node, running, wait_until

pytestmark = pytest.mark.programs


@pytest.fixture(scope="module")
def broker():
    broker = Broker()
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(params=LAYERS, ids=["core", "pubsub"])
def layer(request, broker):
    """The name of a Redis layer, which is configured."""
    with override_settings(CHANNEL_LAYERS=layers(request.param, broker.url)):
        yield request.param


@pytest.fixture
async def pair(layer):
    """The node Ada, in no group, and the node Grace, in the group `chess`."""
    async with AsyncExitStack() as stack:
        ada = await stack.enter_async_context(Node(ADA))
        grace = await stack.enter_async_context(Node(GRACE, "chess"))
        yield ada, grace


@pytest.fixture
def missed():
    """Return a function that counts missed and undelivered messages since the test began."""
    before = counts.missed, counts.undelivered
    return lambda: (counts.missed - before[0], counts.undelivered - before[1])


async def test_a_process_receives_the_messages_of_another_in_order(pair) -> None:
    ada, grace = pair
    texts = [str(number) for number in range(500)]
    ada.send("chess", *texts)
    ada.send("go", "no member")
    await grace.receives(*texts)


async def test_a_link_ignores_the_messages_of_its_own_process(pair) -> None:
    ada, _grace = pair
    async with Node(new_node(), "chess") as first, Node(new_node(), "chess") as second:
        first.send("chess", "known already")
        await first.link.sender.flush()
        ada.send("chess", "news")
        await second.receives("news")


async def test_a_link_drops_packets_of_its_own_process_before_it_unpacks_them(
    pair, monkeypatch
) -> None:
    ada, grace = pair
    unpacked = []

    def unpack(message):
        unpacked.append((message["from"], message["kind"]))
        return packets.unpack(message)

    monkeypatch.setattr("rest_channels.cluster.link.unpack", unpack)
    async with Node(new_node(), "chess") as first, Node(new_node(), "chess") as second:
        first.send("chess", "known already")
        await first.link.sender.flush()
        ada.send("chess", "news")
        await second.receives("news")
        await first.receives("news")
        await grace.receives("known already", "news")
    assert unpacked.count((first.link.node, "say")) == 1  # by Grace, in another process
    assert "canary" not in [kind for _source, kind in unpacked]


async def test_a_node_receives_group_messages_from_joining_until_leaving(pair) -> None:
    ada, grace = pair
    grace.receiver.groups.add("go")
    if (joining := grace.link.join("go")) is not None:
        await asyncio.wait({joining})
    ada.send("go", "hello")
    await grace.receives("hello")
    grace.receiver.groups.remove("go")
    grace.link.leave("go")
    ada.send("chess", "still here")
    await grace.receives("still here")


async def test_a_join_is_done_when_redis_has_read_it(pair, monkeypatch) -> None:
    """A busy Redis may read a message of another process first."""
    ada, grace = pair
    execute, late = PubSub.execute_command, []

    async def execute_late(self, *args) -> None:
        late.append(asyncio.create_task(wait_and_execute(self, *args)))

    async def wait_and_execute(self, *args) -> None:
        await asyncio.sleep(0.2)
        await execute(self, *args)

    grace.receiver.groups.add("go")
    with monkeypatch.context() as patched:
        patched.setattr(PubSub, "execute_command", execute_late)
        if (joining := grace.link.join("go")) is not None:
            await asyncio.wait({joining})
    ada.send("go", "hello")
    await asyncio.gather(*late)
    await grace.receives("hello")


async def test_joining_and_leaving_repeatedly_ends_with_the_last_wanted_state(pair) -> None:
    ada, grace = pair
    for _ in range(5):
        grace.receiver.groups.add("go")
        grace.link.join("go")
        grace.receiver.groups.remove("go")
        grace.link.leave("go")
    grace.receiver.groups.add("go")
    if (joining := grace.link.join("go")) is not None:
        await asyncio.wait({joining})
    ada.send("go", "hello")
    await grace.receives("hello")


async def test_a_node_runs_and_acknowledges_a_command(pair) -> None:
    ada, grace = pair
    assert await ada.link.send_command(grace.link.node, "dance", 3, "steps")
    assert grace.receiver.commands == [("dance", 3, "steps")]


async def test_a_command_to_a_missing_node_waits_a_second_and_raises_no_error(pair) -> None:
    ada, _grace = pair
    began = time.monotonic()
    assert not await ada.link.send_command(MISSING, "dance")
    assert time.monotonic() - began < 2


async def test_a_message_that_cannot_be_serialized_is_logged_and_the_link_goes_on(
    pair, missed, caplog
) -> None:
    ada, grace = pair
    ada.link.sender.put("chess", Event("chess", {"type": "x", "of": object()}))
    ada.send("chess", "fine")
    await grace.receives("fine")
    assert "cannot travel" in caplog.text
    assert (missed(), grace.receiver.gaps) == ((1, 1), ["chess"])


async def test_messages_that_do_not_fit_into_the_queue_are_counted_as_missed(
    pair, missed, monkeypatch
) -> None:
    ada, grace = pair
    monkeypatch.setattr(packet_sender, "QUEUE_SIZE", 20)
    ada.send("chess", *map(str, range(100)))
    await ada.link.sender.flush()
    ada.send("chess", "last")
    await wait_until(lambda: "last" in grace.receiver.texts)
    assert len(grace.receiver.texts) + missed()[0] == 101
    assert missed()[0] == missed()[1] > 70


async def test_the_loss_of_a_last_message_is_noticed_within_two_seconds(pair, missed) -> None:
    ada, grace = pair
    ada.send("chess", "received")
    await grace.receives("received")
    ada.link.sender.streams.take_numbers("chess", 3, time.monotonic())  # lost on the way
    await wait_until(lambda: missed() == (3, 0), 2.5)
    assert grace.receiver.gaps == ["chess"]


async def test_a_loss_is_reported_after_an_outage_longer_than_the_repeated_reports(
    pair, missed, monkeypatch
) -> None:
    ada, grace = pair
    monkeypatch.setattr(packet_sender, "HEARTBEAT", 0.1)
    monkeypatch.setattr(streams, "REPORT_UNTIL", 1.5)
    sender, connection = ada.link.sender, ada.link._connection
    ada.send("chess", "received")
    await grace.receives("received")
    ada.link._connection = None
    ada.send("chess", "lost")
    await sender.flush()
    await wait_until(sender._report_task.done)
    ada.link._connection = connection
    sender.restore()
    await wait_until(lambda: missed() == (1, 1))


async def test_the_first_messages_of_a_process_wait_for_a_layer_that_is_slow(
    layer, missed, monkeypatch
) -> None:
    listen = LayerConnection.listen

    async def listen_slowly(self, on_message):
        await listen(self, lambda message: self._loop.call_later(0.5, on_message, message))

    async with Node(GRACE, "chess") as grace:
        monkeypatch.setattr(LayerConnection, "listen", listen_slowly)
        ada = Node(ADA)
        ada.send("chess", "first")
        await grace.receives("first")
        await ada.link.stop()
    assert missed() == (0, 0)


async def test_a_link_ignores_packets_of_a_newer_release(pair, caplog) -> None:
    ada, grace = pair
    connection = await ada.link._get_connection()
    newer = pack(ada.link.node, EventsPacket("chess", 0.0, 0.0, 1, ())) | {"v": VERSION + 1}
    await connection.send("chess", newer)
    await connection.send(
        "chess", pack(ada.link.node, EventsPacket("chess", 0.0, 0.0, 1, ())) | {"new": {}}
    )
    await connection.send("chess", {"type": "something.else"})
    ada.send("chess", "fine")
    await grace.receives("fine")
    assert "another release" in caplog.text


async def test_a_node_that_stops_leaves_nothing_in_the_broker(layer, broker) -> None:
    broker.flush()
    async with Node(ADA, "chess", "go"):
        pass
    with broker.client() as client:
        assert client.keys("*:group:*") == []
        assert client.pubsub_channels() == []


async def test_a_link_renews_its_memberships_before_the_layer_ends_them(broker) -> None:
    config = layers(LAYERS[0], broker.url, group_expiry=3)
    with override_settings(CHANNEL_LAYERS=config):
        async with Node(ADA) as ada, Node(GRACE, "chess") as grace:
            for number in range(5):
                await asyncio.sleep(1)
                ada.send("chess", str(number))
                await grace.receives(str(number))
            assert grace.receiver.restorations == 0


# Outages.

MANY = [f"group-{number}" for number in range(2000)]


@pytest.mark.quiet
@pytest.mark.parametrize("outage", ["restart", "flush", "pause"])
async def test_after_an_outage_all_groups_return_and_losses_are_counted(
    layer, broker, missed, outage
) -> None:
    """The benchmark `outage` bounds the time that this takes, in seconds."""
    async with Node(ADA) as ada, Node(GRACE, *MANY) as grace:
        sent = 0

        async def send_repeatedly() -> None:
            nonlocal sent
            while True:
                sent += 1
                ada.send(MANY[sent % 7], str(sent))
                await asyncio.sleep(0.02)

        async with running(send_repeatedly()):
            await wait_until(lambda: len(grace.receiver.texts) > 5)
            if outage == "restart":
                broker.kill()
                await asyncio.sleep(1)
                await asyncio.to_thread(broker.start)
            elif outage == "flush":
                broker.flush()
            else:
                with broker.paused():
                    await asyncio.sleep(3)
            received = len(grace.receiver.texts)
            await wait_until(lambda: len(grace.receiver.texts) > received + 3, 15)
            if outage != "flush":
                await wait_until(lambda: grace.receiver.restorations == 1, 15)
                ada.send(MANY[-1], "the last group")
                await wait_until(lambda: "the last group" in grace.receiver.texts)
                sent += 1
        await wait_until(lambda: len(grace.receiver.texts) + missed()[0] == sent, 15)


async def test_a_link_that_starts_without_a_broker_finds_it_later(layer, broker) -> None:
    broker.kill()
    try:
        async with Node(ADA) as ada, Node(GRACE, "chess") as grace:
            began = time.monotonic()
            ada.send("chess", "lost")
            await ada.link.sender.flush()
            assert time.monotonic() - began < 1.5
            await asyncio.to_thread(broker.start)
            await wait_until(lambda: grace.receiver.restorations and ada.receiver.restorations, 3)
            ada.send("chess", "found")
            await grace.receives("found")
    finally:
        if broker.server is None:
            broker.start()


async def test_a_lost_command_counts_as_missed(pair, missed) -> None:
    ada, grace = pair
    await ada.link.send_command(grace.link.node, "first")
    own_group = node_group(grace.link.node)
    ada.link.sender.streams.take_numbers(own_group, 1, time.monotonic())  # lost on the way
    await wait_until(lambda: missed() == (1, 0), 2.5)
    assert grace.receiver.gaps == [own_group]


async def test_layer_connections_restore_the_close_method_of_their_loop(layer) -> None:
    loop = asyncio.get_running_loop()
    before = vars(loop).get("close")
    for _ in range(20):
        async with Node(ADA):
            pass
    assert vars(loop).get("close") is before


async def test_a_membership_that_changes_all_the_time_ends_in_the_last_wanted_state(pair) -> None:
    _ada, grace = pair
    chance = random.Random(1)
    for _ in range(300):
        grace.receiver.groups ^= {"go"}
        changing = (grace.link.join if "go" in grace.receiver.groups else grace.link.leave)("go")
        if changing is not None and chance.random() < 0.5:
            await asyncio.wait({changing})
        else:
            await asyncio.sleep(chance.random() * 0.002)
    wanted = "go" in grace.receiver.groups
    await wait_until(lambda: ("go" in grace.link._memberships.joined) == wanted, 1)


async def test_a_command_for_all_hubs_is_sent_again_when_the_broker_is_back(layer, broker) -> None:
    async with Node(ADA) as ada, Node(GRACE, "chess") as grace:
        with broker.paused():
            ada.link.sender.put(ALL_NODES_GROUP, CommandPacket("expire", (["key"],)))
            await ada.link.sender.flush()
        await wait_until(lambda: ("expire", ["key"]) in grace.receiver.commands)
