"""Detached methods of a `def`, and the hook of completed actions."""

import asyncio
import time
from functools import partial

from asgiref.sync import async_to_sync

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action, detached
from rest_channels.groups import Group
from rest_channels.testing import SocketCommunicator


async def test_a_message_of_a_detached_method_follows_the_reply_of_the_def_that_begins_it() -> None:
    class Rooms(AsyncAPIConsumer):
        groups = ["rooms"]

        @action()
        def save(self):
            async_to_sync(self.tell)()
            time.sleep(0.05)
            return None, 200

        @detached
        async def tell(self):
            await asyncio.sleep(0)
            await Group("rooms").asend({"text": '{"action": "saved"}'})

    async with SocketCommunicator(Rooms.as_asgi(), dialect="action") as socket:
        await socket.call("save")
        assert [(await socket.receive_json())["action"] for _ in range(2)] == ["save", "saved"]


async def test_the_hook_of_completed_actions_needs_no_name(settle) -> None:
    class Rooms(AsyncAPIConsumer):
        async def connect(self):
            self.handle_detached_task_completion = partial(completed.append)

        @action(detached=True)
        async def load(self):
            return None, 200

    completed = []
    async with SocketCommunicator(Rooms.as_asgi(), dialect="action") as socket:
        await socket.expect_reply(await socket.call("load"))
        await settle(lambda: completed)
