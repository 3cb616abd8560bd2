"""Data of clients that is kept as long as their connection is bounded in bytes."""

import asyncio
import gc
import tracemalloc
from contextlib import AsyncExitStack

import pytest
from django.contrib.auth.models import Group
from rest_framework import serializers

from rest_channels.consumers import GenericAsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.mixins import StreamedPaginatedListMixin
from rest_channels.observer import ObserverModelInstanceMixin, model_observer
from rest_channels.testing import SocketCommunicator
from sockets.router import SocketRouter

pytestmark = pytest.mark.django_db(transaction=True)

LONG = [[]] * 20_000  # 60 KB as JSON, and more than a megabyte as Python objects


class GroupSerializer(serializers.ModelSerializer):
    class Meta:
        model = Group
        fields = ["id", "name"]


class Groups(ObserverModelInstanceMixin, StreamedPaginatedListMixin, GenericAsyncAPIConsumer):
    queryset = Group.objects.all()
    serializer_class = GroupSerializer
    every = model_observer(Group, serializer_class=GroupSerializer)

    @action()
    async def follow(self, request_id, **kwargs):
        await self.every.subscribe(request_id=request_id)
        return None, 201

    @action(detached=True)
    async def wait(self, **kwargs):
        await asyncio.sleep(0)


class OwnRows(Groups):
    def get_queryset(self, **kwargs):
        return Group.objects.all()


def connect(consumer):
    return SocketCommunicator(consumer.as_asgi(), dialect="action")


async def ask(socket, name, request_id, **arguments):
    await socket.send_json({"action": name, "request_id": request_id, **arguments})
    return await socket.receive_json()


@pytest.mark.parametrize("name", ["subscribe_instance", "follow", "wait", "list"])
@pytest.mark.parametrize("request_id", ["x" * 60_000, LONG, {"a": LONG}, "ü" * 200])
async def test_a_request_id_that_would_be_kept_is_bounded_in_length(name, request_id) -> None:
    group = await Group.objects.acreate(name="a")
    async with connect(Groups) as socket:
        frame = await ask(socket, name, request_id, pk=group.pk)
        assert frame["response_status"] == 400
        assert frame["errors"] == [{"request_id": ["It may have at most 256 bytes."]}]


@pytest.mark.parametrize("consumer", [Groups, OwnRows])
async def test_four_clients_that_subscribe_with_request_ids_of_65_kb_keep_none(consumer) -> None:
    group = await Group.objects.acreate(name="a")
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(connect(consumer)) for _ in range(4)]
        for socket in sockets:  # what the first frame of a connection creates is not measured
            await ask(socket, "subscribe_instance", "first", pk=group.pk)
        gc.collect()
        tracemalloc.start()
        for number in range(128):
            request_id = f"{number:03}" + "x" * 65_000
            for socket in sockets:
                frame = await ask(socket, "subscribe_instance", request_id, pk=group.pk)
                assert frame["response_status"] == 400
                socket._calls.clear()  # the test client remembers what it has called
        gc.collect()
        size, _peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert size < 1_000_000  # all of them are 33 MB
        group.name = "b"
        await group.asave()
        for socket in sockets:
            frame = await socket.receive_json()
            assert (frame["request_id"], frame["action"]) == ("first", "update")


@pytest.mark.parametrize("consumer", [Groups, OwnRows])
async def test_subscriptions_with_large_arguments_take_little_memory(consumer) -> None:
    group = await Group.objects.acreate(name="a")
    async with connect(consumer) as socket:
        await ask(socket, "subscribe_instance", "first", pk=group.pk)
        tracemalloc.start()
        for number in range(20):
            await ask(socket, "subscribe_instance", number, pk=group.pk, unknown=LONG)
        gc.collect()
        size, _peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert size < 4_000_000


async def test_a_subscription_keeps_arguments_that_the_consumer_may_need() -> None:
    class Named(Groups):
        def get_queryset(self, letter="", **kwargs):
            return Group.objects.filter(name__startswith=letter)

    group = await Group.objects.acreate(name="a")
    async with connect(Named) as socket:
        await ask(socket, "subscribe_instance", 1, pk=group.pk, letter="a")
        group.name = "b"
        await group.asave()
        assert (await socket.receive_json())["response_status"] == 404


async def test_the_arguments_of_all_subscriptions_of_a_connection_are_bounded_together() -> None:
    group = await Group.objects.acreate(name="a")
    async with connect(OwnRows) as socket:
        for number in range(10):
            arguments = {"pk": group.pk, "about": "x" * 10_000}
            frame = await ask(socket, "subscribe_instance", number, **arguments)
            if frame["response_status"] == 400:
                break
        assert number == 6
        assert frame["errors"] == ["A connection's subscriptions may hold at most 65536 bytes."]
        await ask(socket, "unsubscribe_instance", 0, pk=group.pk)
        frame = await ask(socket, "subscribe_instance", 9, **arguments)
        assert frame["response_status"] == 201


async def test_a_connection_keeps_no_frame_after_it_was_handled() -> None:
    router = SocketRouter()

    @router.route("NOTE")
    def note(socket, content):
        socket.send_action("DONE")

    async with AsyncExitStack() as stack:
        sockets = []
        for _number in range(10):
            socket = SocketCommunicator(router.as_asgi(), dialect="type")
            sockets.append(await stack.enter_async_context(socket))
        tracemalloc.start()
        for socket in sockets:
            await socket.send_json({"type": "NOTE", "text": "x" * 60_000})
            await socket.expect_event(type="DONE")
        gc.collect()
        size, _peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert size < 300_000
