"""What an action causes for its own connection is sent after its reply."""

import asyncio

import pytest
from django.contrib.auth.models import Group as Row

from rest_channels.api_consumer import AsyncAPIConsumer
from rest_channels.consumers import SocketConsumer
from rest_channels.decorators import action, socket_route
from rest_channels.groups import Channel, Group
from rest_channels.observer import model_observer
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView, SocketView
from sockets.models import Socket
from sockets.router import SocketRouter

pytestmark = pytest.mark.django_db(transaction=True)

TIMES = 40


async def frames_of(socket, count):
    return [await socket.receive_json() for _ in range(count)]


# Observers and messages of consumers.


class Rows(AsyncAPIConsumer):
    groups = ["news"]
    plain = model_observer(Row)

    @model_observer(Row)
    async def handled(self, message, action, **kwargs):
        await self.send_json({"action": f"handled {action}"})

    @action()
    async def subscribe(self, request_id, observer):
        await getattr(self, observer).subscribe(request_id=request_id)
        return None, 201

    @action()
    async def save(self, pk):
        row = await Row.objects.aget(pk=pk)
        await row.asave()
        return {}, 200

    @action()
    async def pause(self, pk):
        await (await Row.objects.aget(pk=pk)).asave()
        await asyncio.sleep(0.01)
        return {}, 200

    @action()
    def save_in_thread(self, pk):
        Row.objects.get(pk=pk).save()
        return {}, 200

    @action()
    async def fail(self, pk):
        await (await Row.objects.aget(pk=pk)).asave()
        raise ValueError("after the save")

    @action()
    async def group_send(self, pk):
        await self.channel_layer.group_send("news", {"type": "note"})
        await asyncio.sleep(0.01)
        return {}, 200

    @action()
    def group_send_in_thread(self, pk):
        self.channel_layer.group_send("news", {"type": "note"})
        return {}, 200

    @action()
    async def rendered(self, pk):
        await Group("news").asend({"text": '{"action": "note"}'})
        await asyncio.sleep(0.01)
        return {}, 200

    @action()
    async def address(self, pk):
        await Channel(self._connection.address).asend({"text": '{"action": "note"}'})
        await asyncio.sleep(0.01)
        return {}, 200

    async def note(self, event):
        await self.send_json({"action": "note"})


class OwnReply(Rows):
    async def reply(self, action, **kwargs):
        await super().reply(action, **kwargs)


SAVING = ["save", "pause", "save_in_thread", "fail"]
SENDING = ["group_send", "group_send_in_thread", "rendered", "address"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("consumer", [Rows, OwnReply])
@pytest.mark.parametrize("observer", ["plain", "handled"])
@pytest.mark.parametrize("name", SAVING)
async def test_a_change_is_sent_to_the_saving_client_after_the_reply(
    consumer, observer, name
) -> None:
    row = await Row.objects.acreate(name="a")
    async with SocketCommunicator(consumer.as_asgi(), dialect="action") as socket:
        await socket.expect_reply(await socket.call("subscribe", observer=observer))
        event = "update" if observer == "plain" else "handled update"
        for _number in range(TIMES):
            await socket.call(name, pk=row.pk)
            found = [frame["action"] for frame in await frames_of(socket, 2)]
            assert found == [name, event]


@pytest.mark.parametrize("name", SENDING)
async def test_a_message_to_a_group_of_its_sender_is_sent_after_the_reply(name) -> None:
    async with SocketCommunicator(Rows.as_asgi(), dialect="action") as socket:
        for _number in range(TIMES):
            await socket.call(name, pk=1)
            found = [frame["action"] for frame in await frames_of(socket, 2)]
            assert found == [name, "note"]


# Views and routers.


class View(SocketRouteView):
    async def connect(self, request):
        self.join("news")

    @socket_route
    async def say(self, request, data):
        await self.broadcast("news", "message")
        await asyncio.sleep(0.001)
        self.send_json("sent afterwards")
        return "reply"


class SyncView(View):
    @socket_route
    def say(self, request, data):
        Group("news").send({"text": '"message"'})
        self.send_json("sent afterwards")
        return "reply"


class Overriding(View):
    async def send_json(self, data):
        await super().send_json(data)


@pytest.mark.parametrize("view", [View, SyncView])
async def test_a_broadcast_of_a_view_reaches_its_own_client_after_the_reply(view) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        for _number in range(TIMES):
            await socket.call("say")
            reply, *others = await frames_of(socket, 3)
            assert (reply["data"], others) == ("reply", ["message", "sent afterwards"])


async def test_the_reply_comes_first_also_where_a_view_overrides_how_it_sends() -> None:
    """The handler of a message and the call run at the same time: the order of the rest is open."""
    async with SocketCommunicator(Overriding.as_asgi()) as socket:
        for _number in range(TIMES):
            await socket.call("say")
            reply, *others = await frames_of(socket, 3)
            assert (reply["data"], set(others)) == ("reply", {"message", "sent afterwards"})


async def test_messages_to_socket_rows_reach_the_sending_client_after_its_handler() -> None:
    router = SocketRouter()

    @router.route("ALL")
    async def everyone(socket, content):
        await Socket.objects.all().asend_action("MESSAGE")
        socket.send_action("REPLY")

    async with SocketCommunicator(router.as_asgi(), dialect="type") as socket:
        for _number in range(TIMES):
            await socket.send_json({"type": "ALL"})
            frames = await frames_of(socket, 2)
            assert [frame["type"] for frame in frames] == ["REPLY", "MESSAGE"]


# What does not wait.


class Plain(SocketView):
    async def connect(self, request):
        self.join("news")


async def test_a_handler_that_waits_for_its_own_message_receives_it() -> None:
    class Waiting(AsyncAPIConsumer):
        groups = ["news"]

        @action()
        async def ask(self):
            self.answer = asyncio.get_running_loop().create_future()
            await self.channel_layer.group_send("news", {"type": "note"})
            return await self.answer, 200

        async def note(self, event):
            await self.send_json({"action": "note"})
            self.answer.set_result("answer")

    async with SocketCommunicator(Waiting.as_asgi(), dialect="action") as socket:
        await socket.call("ask")
        assert [frame["action"] for frame in await frames_of(socket, 2)] == ["ask", "note"]


async def test_a_handler_that_waits_for_its_own_change_receives_it() -> None:
    class Waiting(AsyncAPIConsumer):
        @model_observer(Row)
        async def every(self, message, **kwargs):
            await self.send_json({"action": "event"})
            self.changed.set()

        @action()
        async def subscribe(self):
            await self.every.subscribe()
            return None, 201

        @action()
        async def create(self):
            self.changed = asyncio.Event()
            await Row.objects.acreate(name="a")
            await self.changed.wait()
            return None, 201

    async with SocketCommunicator(Waiting.as_asgi(), dialect="action") as socket:
        await socket.expect_reply(await socket.call("subscribe"))
        await socket.call("create")
        assert [frame["action"] for frame in await frames_of(socket, 2)] == ["create", "event"]


async def test_a_handler_that_waits_for_many_own_messages_does_not_deadlock(settings) -> None:
    settings.REST_CHANNELS = {"OUTBOX_BYTES": 500}

    class Waiting(SocketConsumer):
        groups = ["news"]

        async def receive_json(self, content):
            self.count = asyncio.Semaphore(0)
            for _number in range(10):
                await self.channel_layer.group_send("news", {"type": "note"})
                await self.count.acquire()
            await self.send_json("reply")

        async def note(self, event):
            await self.send_json("x" * 100)
            self.count.release()

    async with SocketCommunicator(Waiting.as_asgi()) as socket:
        await socket.send_json({})
        frames = await frames_of(socket, 11)
        assert sorted(frames) == sorted(["reply", *["x" * 100] * 10])


async def test_messages_of_others_do_not_wait_for_a_handler_that_sends_nothing() -> None:
    class Hung(SocketConsumer):
        groups = ["news"]

        async def receive_json(self, content):
            await Group("elsewhere").asend({"text": "{}"})
            await asyncio.Event().wait()

    async with SocketCommunicator(Hung.as_asgi()) as socket:
        await socket.send_json({})
        await asyncio.sleep(0.01)
        await Group("news").asend({"text": '"news"'})
        await socket.expect_event("news")


async def test_the_ping_of_a_client_does_not_wait_for_the_reply() -> None:
    class Slow(Plain):
        async def receive(self, request):
            await self.broadcast("news", "message")
            await asyncio.Event().wait()

    async with SocketCommunicator(Slow.as_asgi()) as socket:
        await socket.send_json({})
        await asyncio.sleep(0.01)
        await socket.send_json({"$ping": 7})
        await socket.expect_event({"$pong": 7})


async def test_messages_of_a_detached_action_do_not_wait() -> None:
    class Detaching(AsyncAPIConsumer):
        groups = ["news"]

        @action(detached=True)
        async def long(self):
            await Group("news").asend({"text": '{"action": "progress"}'})
            await asyncio.Event().wait()

    async with SocketCommunicator(Detaching.as_asgi(), dialect="action") as socket:
        await socket.call("long")
        assert (await socket.receive_json())["action"] == "progress"


async def test_a_handler_that_closes_sends_its_own_messages_before_the_close() -> None:
    class Closing(Plain):
        async def receive(self, request):
            await self.broadcast("news", "message")
            self.close()

    async with SocketCommunicator(Closing.as_asgi()) as socket:
        await socket.send_json({})
        await socket.expect_event("message")
        await socket.expect_close()


async def test_other_members_receive_the_message_at_once() -> None:
    class Slow(Plain):
        async def receive(self, request):
            await self.broadcast("news", "message")
            await asyncio.Event().wait()

    async with SocketCommunicator(Slow.as_asgi()) as one, SocketCommunicator(Slow.as_asgi()) as two:
        await one.send_json({})
        await two.expect_event("message")
        await one.expect_nothing()
