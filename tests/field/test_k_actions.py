"""Actions run as they did before the dispatcher ran them."""

import asyncio
import gc
import weakref
from unittest import mock

import pytest
from django.contrib.auth import get_user_model

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.groups import Group
from rest_channels.testing import SocketCommunicator

User = get_user_model()


async def test_a_detached_action_may_take_an_argument_with_any_name() -> None:
    class Payments(AsyncAPIConsumer):
        @action(detached=True)
        async def pay(self, method, invocation):
            return [method, invocation], 200

    async with SocketCommunicator(Payments.as_asgi()) as socket:
        await socket.send_json({"action": "pay", "method": "card", "invocation": 7})
        assert (await socket.receive_json())["data"] == ["card", 7]


async def test_an_action_of_a_consumer_with_its_own_reply_may_take_an_argument_with_any_name() -> (
    None
):
    class Payments(AsyncAPIConsumer):
        def reply(self, action, data=None, **kwargs):
            return super().reply(action, data={"paid": data}, **kwargs)

        @action()
        def pay(self, method, handler):
            return [method, handler], 200

    async with SocketCommunicator(Payments.as_asgi()) as socket:
        await socket.send_json({"action": "pay", "method": "card", "handler": 7})
        assert (await socket.receive_json())["data"] == {"paid": ["card", 7]}


@pytest.mark.django_db(transaction=True)
async def test_an_action_that_another_calls_does_not_wait_for_a_check_of_its_user() -> None:
    ada = await User.objects.acreate(username="ada")
    noted = []

    class Accounts(AsyncAPIConsumer):
        @action()
        async def leave(self):
            await User.objects.aupdate(is_active=False)
            await ada.asave(update_fields=["first_name"])
            await self.handle_action("note", None)

        @action()
        async def note(self):
            noted.append(self.action)

    async with SocketCommunicator(Accounts.as_asgi(), user=ada) as socket:
        await socket.send_json({"action": "leave"})
        await socket.expect_close(4442)
    assert noted == ["note"]


@pytest.mark.parametrize("owner", [AsyncAPIConsumer, "subclass", "instance"])
@pytest.mark.parametrize("name", ["websocket_receive", "get_throttles"])
async def test_a_test_may_replace_a_method_while_a_client_is_connected(owner, name) -> None:
    consumers, answered = [], asyncio.Event()

    class Counter(AsyncAPIConsumer):
        async def connect(self):
            consumers.append(self)

        @action()
        async def count(self):
            return 1, 200

    async with SocketCommunicator(Counter.as_asgi()) as socket:
        target = {"subclass": Counter, "instance": consumers[0]}.get(owner, owner)

        def replacement(*args, **kwargs):
            answered.set()
            return []

        with mock.patch.object(target, name, side_effect=replacement):
            await socket.send_json({"action": "count"})
            await asyncio.wait_for(answered.wait(), 1)


async def test_a_hook_that_refers_to_its_consumer_does_not_keep_it_after_the_end() -> None:
    ended = []

    class Counter(AsyncAPIConsumer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)

            async def check_permissions(action):
                self.checked = action

            self.check_permissions = check_permissions
            ended.append(weakref.ref(self))

        @action()
        async def count(self):
            return 1, 200

    async with SocketCommunicator(Counter.as_asgi()) as socket:
        await socket.send_json({"action": "count"})
        await socket.receive_json()
    gc.collect()
    assert ended[0]() is None


@pytest.mark.parametrize("replaces_reading", [False, True])
async def test_a_message_of_an_action_comes_before_what_it_lets_a_detached_action_send(
    replaces_reading,
) -> None:
    woken = asyncio.Event()

    class Room(AsyncAPIConsumer):
        groups = ["room"]

        @action(detached=True)
        async def follow(self):
            await woken.wait()
            return "followed", 200

        @action()
        async def say(self):
            await asyncio.sleep(0.001)
            Group("room").send({"text": '"said"'})
            woken.set()
            return "reply", 200

    if replaces_reading:
        Room.get_action_name = lambda self, content: (content.pop("action"), content)
    async with SocketCommunicator(Room.as_asgi()) as socket:
        await socket.send_json({"action": "follow"})
        await socket.send_json({"action": "say"})
        frames = [await socket.receive_json() for _ in range(3)]
    assert [frame if frame == "said" else frame["data"] for frame in frames] == [
        "reply",
        "said",
        "followed",
    ]
