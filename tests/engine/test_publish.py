"""Publishing works from anywhere, and never raises or waits long because a broker is down."""

import asyncio
import threading
import time

import pytest
from asgiref.sync import sync_to_async
from django.db import transaction
from django.test import override_settings

from rest_channels.cluster.counts import counts
from rest_channels.cluster.link import Link
from rest_channels.cluster.packet_sender import node_group
from rest_channels.cluster.publisher import publisher
from rest_channels.consumers import SocketConsumer
from rest_channels.engine import hub
from rest_channels.engine.commands import deliver_to_each
from rest_channels.engine.publish import current_hub, send_command_to_each
from rest_channels.groups import Channel, Group
from rest_channels.protocol.messages import Event
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView
from tests.brokers import LAYERS, layers
from tests.cluster.test_link import GRACE, Node, happens
from tests.ports import free_port


class Room(SocketView):
    def connect(self, request):
        self.join("room")


@pytest.fixture(params=LAYERS, ids=["core", "pubsub"])
async def grace(request, redis_url):
    """Somebody in the group `room`, in another process."""
    with override_settings(CHANNEL_LAYERS=layers(request.param, redis_url)):
        async with Node(GRACE, "room") as grace:
            yield grace
            await asyncio.to_thread(publisher.stop)


@pytest.fixture
def dead_broker():
    """A broker that nobody has started."""
    url = f"redis://127.0.0.1:{free_port()}"
    with override_settings(CHANNEL_LAYERS=layers(LAYERS[1], url)):
        yield


def say(text: str) -> None:
    """Speak to the group; `text` is JSON already."""
    Group("room").send({"text": text})


async def test_a_thread_that_serves_nothing_has_spoken_when_the_call_returns(grace) -> None:
    def speak() -> None:
        for number in range(20):
            say(str(number))

    await asyncio.to_thread(speak)
    await grace.hears(*map(str, range(20)))


async def test_a_loop_that_serves_nothing_speaks_too_awaited_or_not(grace) -> None:
    await Group("room").asend({"text": "awaited"})
    say("not awaited")
    await grace.hears("awaited", "not awaited")


async def test_loops_that_come_and_go_speak_through_the_one_publisher(grace) -> None:
    def speak() -> None:
        for number in range(5):
            asyncio.run(Group("room").asend({"text": str(number)}))

    await asyncio.to_thread(speak)
    await grace.hears(*"01234")
    assert threading.active_count() < 20


async def test_where_sockets_are_served_their_link_speaks_for_every_thread(grace) -> None:
    async with SocketCommunicator(Room.as_asgi()) as socket:
        await asyncio.to_thread(say, '"from a thread"')
        await Group("room").asend({"text": '"from the loop"'})
        await socket.expect_event("from a thread")
        await socket.expect_event("from the loop")
        await grace.hears('"from a thread"', '"from the loop"')
    assert publisher._thread is None


async def test_the_last_one_who_leaves_is_heard_saying_goodbye(grace) -> None:
    class Polite(SocketView):
        def disconnect(self, request):
            self.broadcast("room", "goodbye")

    async with SocketCommunicator(Polite.as_asgi()):
        pass
    await grace.hears('"goodbye"')


async def test_what_is_no_member_of_any_process_is_passed_over(grace) -> None:
    await Channel("0123456789-1.1").asend({"text": "x"})
    await Channel("what is that").asend({"text": "x"})
    await Group("room").aadd("what is that")
    assert grace.receiver.texts == []


MANY = [f"{GRACE}.{number:x}" for number in range(4_500)]


async def test_many_addresses_of_a_node_travel_as_numbers_in_few_messages(grace) -> None:
    event = Event.rendered("", None, "hello")
    await asyncio.to_thread(send_command_to_each, MANY, deliver_to_each, event)
    await happens(lambda: len(grace.receiver.obeyed) == 3)
    names, numbers, events = zip(*grace.receiver.obeyed, strict=True)
    assert set(names) == {"tell_each"}
    assert [len(some) for some in numbers] == [2_000, 2_000, 500]
    assert [f"{GRACE}.{number}" for some in numbers for number in some] == MANY
    assert {event.text for event in events} == {"hello"}


async def test_addresses_of_here_of_elsewhere_and_of_nowhere_each_get_theirs(grace) -> None:
    async with SocketCommunicator(Room.as_asgi()) as socket:
        (here,) = current_hub().members
        addresses = [MANY[1], here, "bot-7", "", "what is that", "0123456789-1.1", MANY[2]]
        await send_command_to_each(addresses, deliver_to_each, Event.rendered("", None, '"hello"'))
        await socket.expect_event("hello")
        await happens(lambda: grace.receiver.obeyed)
        [(_name, numbers, _event)] = grace.receiver.obeyed
        assert numbers == ["1", "2"]


async def test_who_may_have_missed_a_word_is_told_under_its_address() -> None:
    class Attentive(SocketConsumer):
        def gap(self, groups):
            self.send_json(list(groups))

    async with SocketCommunicator(Attentive.as_asgi()) as socket:
        (address,) = current_hub().members
        current_hub().messages_lost([node_group(current_hub().node)])
        await socket.expect_event([address])
        current_hub().layer_restored()
        await socket.expect_event([address])


async def test_a_link_that_nobody_uses_rests_and_comes_back(grace, monkeypatch) -> None:
    monkeypatch.setattr("rest_channels.cluster.publisher.IDLE", 0.05)
    await asyncio.to_thread(say, "before")
    await asyncio.sleep(0.3)
    assert publisher._link is None
    await asyncio.to_thread(say, "after")
    await grace.hears("before", "after")


async def test_with_a_dead_broker_a_word_to_many_nodes_waits_a_second_in_all(dead_broker) -> None:
    addresses = [f"00000000{number:02x}-1.1" for number in range(20)]
    began = time.monotonic()
    await asyncio.to_thread(
        send_command_to_each, addresses, deliver_to_each, Event.rendered("", None, "hello")
    )
    assert time.monotonic() - began < 1.5
    await asyncio.to_thread(publisher.stop)


async def test_with_a_dead_broker_the_first_word_waits_a_second_and_no_other_does(
    dead_broker,
) -> None:
    def speak() -> list[float]:
        times = []
        for _ in range(20):
            began = time.monotonic()
            say("nobody hears it")
            times.append(time.monotonic() - began)
        return times

    before = counts.undelivered
    first, *others = await asyncio.to_thread(speak)
    assert first < 1.5
    assert sum(others) < 1.5
    await asyncio.to_thread(publisher.stop)
    assert counts.undelivered == before + 20


@pytest.mark.django_db(transaction=True)
async def test_with_a_dead_broker_what_waits_for_the_commit_is_done_all_the_same(
    dead_broker,
) -> None:
    def work() -> list[str]:
        done = []
        with transaction.atomic():
            transaction.on_commit(lambda: say("lost"))
            transaction.on_commit(lambda: done.append("kept"))
        return done

    assert await sync_to_async(work)() == ["kept"]


async def test_with_a_dead_broker_sockets_open_and_hear_each_other(dead_broker) -> None:
    class Talk(Room):
        def receive(self, request):
            self.broadcast("room", request.data)

    began = time.monotonic()
    async with (
        SocketCommunicator(Talk.as_asgi()) as one,
        SocketCommunicator(Talk.as_asgi()) as two,
    ):
        assert time.monotonic() - began < 3
        began = time.monotonic()
        for number in range(20):
            await one.send_json(number)
            await two.expect_event(number)
        assert time.monotonic() - began < 1


async def test_a_dead_link_ends_when_its_loop_does_not_need_it(dead_broker) -> None:
    link = Link("cccccccccc-1", Node.__new__(Node))
    began = time.monotonic()
    await link.stop()
    assert time.monotonic() - began < 3


async def test_what_another_process_rendered_its_own_way_reaches_even_those_who_intercept(
    grace,
) -> None:
    class Intercepting(SocketView):
        def connect(self, request):
            self.join("room")

        def send_json(self, data):
            return super().send_json({"seen": data})

    async with SocketCommunicator(Intercepting.as_asgi()) as socket:
        for text in ('{"a": 1}', "no JSON at all"):
            grace.link.sender.put("room", Event.rendered("room", "data", text))
        await socket.expect_event({"seen": {"a": 1}})
        assert await socket.receive_from() == "no JSON at all"


@pytest.mark.parametrize("awaited", [True, False])
async def test_the_order_is_kept_while_connections_come_and_go(grace, awaited) -> None:
    done = False

    async def come_and_go() -> None:
        while not done:
            async with SocketCommunicator(Room.as_asgi()):
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.005)

    visits = asyncio.create_task(come_and_go())
    for number in range(400):
        sent = Group("room").send({"text": str(number)})
        if awaited:
            await sent
        await asyncio.sleep(0.001)
    done = True
    await visits
    await grace.hears(*map(str, range(400)))


def test_the_names_of_commands_on_the_wire_never_change() -> None:
    """Two releases share a broker during a rolling restart: a new name would lose a revocation."""
    assert sorted(hub._commands) == [
        "dismiss",
        "enlist",
        "enroll",
        "expel",
        "expire",
        "recheck",
        "shut_each",
        "tell",
        "tell_each",
    ]
