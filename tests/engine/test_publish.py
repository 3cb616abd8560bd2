"""Publishing works from anywhere, and never raises or waits long because a broker is down."""

import asyncio
import threading
import time

import pytest
from asgiref.sync import sync_to_async
from django.db import transaction
from django.test import override_settings

from rest_channels.cluster.counts import counts
from rest_channels.cluster.link import Link, PacketReceiver
from rest_channels.cluster.packet_sender import node_group
from rest_channels.cluster.standalone_publisher import publisher
from rest_channels.consumers import SocketConsumer
from rest_channels.engine.command_registry import commands
from rest_channels.engine.commands import deliver_to_each
from rest_channels.engine.publish import current_hub, send_command_to_each
from rest_channels.groups import Channel, Group
from rest_channels.protocol.messages import Event
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView
from tests.brokers import LAYERS, layers
from tests.cluster.nodes import GRACE, MISSING, Node, wait_until
from tests.ports import free_port


class Room(SocketView):
    def connect(self, request):
        self.join("room")


@pytest.fixture(params=LAYERS, ids=["core", "pubsub"])
async def grace(request, redis_url):
    """A node of another process, in the group `room`."""
    with override_settings(CHANNEL_LAYERS=layers(request.param, redis_url)):
        async with Node(GRACE, "room") as grace:
            yield grace
            await asyncio.to_thread(publisher.stop)


@pytest.fixture
def dead_broker():
    """A configured broker that is not running."""
    url = f"redis://127.0.0.1:{free_port()}"
    with override_settings(CHANNEL_LAYERS=layers(LAYERS[1], url)):
        yield


def publish(text: str) -> None:
    """Send `text`, which is JSON already, to the group `room`."""
    Group("room").send({"text": text})


async def test_a_thread_without_a_hub_has_sent_its_message_when_the_call_returns(grace) -> None:
    def publish_many() -> None:
        for number in range(20):
            publish(str(number))

    await asyncio.to_thread(publish_many)
    await grace.receives(*map(str, range(20)))


async def test_a_loop_without_a_hub_sends_messages_awaited_or_not(grace) -> None:
    await Group("room").asend({"text": "awaited"})
    publish("not awaited")
    await grace.receives("awaited", "not awaited")


async def test_loops_that_start_and_end_send_through_one_publisher(grace) -> None:
    def publish_many() -> None:
        for number in range(5):
            asyncio.run(Group("room").asend({"text": str(number)}))

    await asyncio.to_thread(publish_many)
    await grace.receives(*"01234")
    assert threading.active_count() < 20


async def test_threads_of_a_serving_process_send_through_the_link_of_its_hub(grace) -> None:
    async with SocketCommunicator(Room.as_asgi()) as socket:
        await asyncio.to_thread(publish, '"from a thread"')
        await Group("room").asend({"text": '"from the loop"'})
        await socket.expect_event("from a thread")
        await socket.expect_event("from the loop")
        await grace.receives('"from a thread"', '"from the loop"')
    assert publisher._thread is None


async def test_other_processes_receive_messages_of_the_last_connections_disconnect(grace) -> None:
    class SendInDisconnect(SocketView):
        def disconnect(self, request):
            self.broadcast("room", "goodbye")

    async with SocketCommunicator(SendInDisconnect.as_asgi()):
        pass
    await grace.receives('"goodbye"')


async def test_messages_to_unknown_addresses_are_dropped(grace) -> None:
    await Channel("0123456789-1.1").asend({"text": "x"})
    await Channel("no address").asend({"text": "x"})
    await Group("room").aadd("no address")
    assert grace.receiver.texts == []


MANY = [f"{GRACE}.{number:x}" for number in range(4_500)]


async def test_many_addresses_of_one_node_are_sent_as_numbers_in_few_packets(grace) -> None:
    event = Event.rendered("", None, "hello")
    await asyncio.to_thread(send_command_to_each, MANY, deliver_to_each, event)
    await wait_until(lambda: len(grace.receiver.commands) == 3)
    names, numbers, events = zip(*grace.receiver.commands, strict=True)
    assert set(names) == {"tell_each"}
    assert [len(batch) for batch in numbers] == [2_000, 2_000, 500]
    assert [f"{GRACE}.{number}" for batch in numbers for number in batch] == MANY
    assert {event.text for event in events} == {"hello"}


async def test_a_command_reaches_local_and_remote_addresses_and_skips_invalid_ones(grace) -> None:
    async with SocketCommunicator(Room.as_asgi()) as socket:
        (local,) = current_hub().members
        addresses = [MANY[1], local, "bot-7", "", "no address", "0123456789-1.1", MANY[2]]
        await send_command_to_each(addresses, deliver_to_each, Event.rendered("", None, '"hello"'))
        await socket.expect_event("hello")
        await wait_until(lambda: grace.receiver.commands)
        [(_name, numbers, _event)] = grace.receiver.commands
        assert numbers == ["1", "2"]


async def test_a_connection_that_may_miss_messages_receives_a_gap_for_its_address() -> None:
    class GapReporter(SocketConsumer):
        def gap(self, groups):
            self.send_json(list(groups))

    async with SocketCommunicator(GapReporter.as_asgi()) as socket:
        (address,) = current_hub().members
        current_hub().messages_lost([node_group(current_hub().node)])
        await socket.expect_event([address])
        current_hub().layer_restored()
        await socket.expect_event([address])


async def test_the_publisher_closes_an_idle_link_and_opens_it_again(grace, monkeypatch) -> None:
    monkeypatch.setattr("rest_channels.cluster.standalone_publisher.IDLE_TIMEOUT", 0.05)
    await asyncio.to_thread(publish, "before")
    await asyncio.sleep(0.3)
    assert publisher._link is None
    await asyncio.to_thread(publish, "after")
    await grace.receives("before", "after")


async def test_with_a_dead_broker_a_command_to_many_nodes_waits_one_second_in_total(
    dead_broker,
) -> None:
    addresses = [f"00000000{number:02x}-1.1" for number in range(20)]
    began = time.monotonic()
    await asyncio.to_thread(
        send_command_to_each, addresses, deliver_to_each, Event.rendered("", None, "hello")
    )
    assert time.monotonic() - began < 1.5
    await asyncio.to_thread(publisher.stop)


async def test_with_a_dead_broker_only_the_first_message_waits_a_second(
    dead_broker,
) -> None:
    def publish_many() -> list[float]:
        times = []
        for _ in range(20):
            began = time.monotonic()
            publish("lost")
            times.append(time.monotonic() - began)
        return times

    before = counts.undelivered
    first, *later = await asyncio.to_thread(publish_many)
    assert first < 1.5
    assert sum(later) < 1.5
    await asyncio.to_thread(publisher.stop)
    assert counts.undelivered == before + 20


@pytest.mark.django_db(transaction=True)
async def test_with_a_dead_broker_all_on_commit_callbacks_run(
    dead_broker,
) -> None:
    def work() -> list[str]:
        done = []
        with transaction.atomic():
            transaction.on_commit(lambda: publish("lost"))
            transaction.on_commit(lambda: done.append("kept"))
        return done

    assert await sync_to_async(work)() == ["kept"]


async def test_with_a_dead_broker_sockets_connect_and_receive_local_messages(dead_broker) -> None:
    class Talk(Room):
        def receive(self, request):
            self.broadcast("room", request.data)

    began = time.monotonic()
    async with (
        SocketCommunicator(Talk.as_asgi()) as first,
        SocketCommunicator(Talk.as_asgi()) as second,
    ):
        assert time.monotonic() - began < 3
        began = time.monotonic()
        for number in range(20):
            await first.send_json(number)
            await second.expect_event(number)
        assert time.monotonic() - began < 1


async def test_a_link_to_a_dead_broker_stops_within_three_seconds(dead_broker) -> None:
    link = Link(MISSING, PacketReceiver())
    began = time.monotonic()
    await link.stop()
    assert time.monotonic() - began < 3


async def test_a_view_that_overrides_sending_receives_text_rendered_by_another_process(
    grace,
) -> None:
    class Overriding(SocketView):
        def connect(self, request):
            self.join("room")

        def send_json(self, data):
            return super().send_json({"seen": data})

    async with SocketCommunicator(Overriding.as_asgi()) as socket:
        for text in ('{"a": 1}', "no JSON at all"):
            grace.link.sender.put("room", Event.rendered("room", "data", text))
        await socket.expect_event({"seen": {"a": 1}})
        assert await socket.receive_from() == "no JSON at all"


@pytest.mark.parametrize("awaited", [True, False])
async def test_messages_stay_in_order_while_connections_open_and_close(grace, awaited) -> None:
    done = False

    async def connect_repeatedly() -> None:
        while not done:
            async with SocketCommunicator(Room.as_asgi()):
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.005)

    connecting = asyncio.create_task(connect_repeatedly())
    for number in range(400):
        sent = Group("room").send({"text": str(number)})
        if awaited:
            await sent
        await asyncio.sleep(0.001)
    done = True
    await connecting
    await grace.receives(*map(str, range(400)))


def test_the_wire_names_of_commands_never_change() -> None:
    """Two releases share a broker during a rolling restart. A new name would lose a revocation."""
    assert sorted(commands) == [
        "dismiss",
        "enlist",
        "enroll",
        "expel",
        "expire",
        "recheck",
        "recheck_related",
        "recheck_sessions",
        "recheck_tokens",
        "shut_each",
        "tell",
        "tell_each",
    ]
