"""Answers that are late: they are sent, and once."""

import asyncio

import pytest
from django.test import override_settings

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.engine.publish import current_hub
from rest_channels.testing import SocketCommunicator


class Answers(AsyncAPIConsumer):
    @action()
    async def answer(self):
        return None, 200

    @action()
    async def ask(self):
        await self.handle_action("answer", 1)


class Slow:
    async def reply(self, action, **kwargs):
        await asyncio.sleep(0.4)
        await super().reply(action, **kwargs)


class SlowAnswers(Slow, Answers):
    pass


@override_settings(REST_CHANNELS={"HANDLER_TIMEOUT": 0.2})
@pytest.mark.parametrize("name", ["answer", "ask"])
async def test_an_answer_that_waits_for_a_broker_beyond_the_deadline_is_sent_once(name) -> None:
    async with SocketCommunicator(Answers.as_asgi(), dialect="action") as socket:
        [connection] = current_hub().members.values()
        connection.groups.add_pending(asyncio.get_running_loop().create_future())
        assert await socket.call(name) == 1
        assert (await socket.receive_json())["response_status"] == 200
        await socket.expect_nothing()


@override_settings(REST_CHANNELS={"HANDLER_TIMEOUT": 0.2})
async def test_an_answer_that_a_mixin_delays_beyond_the_deadline_is_sent_once() -> None:
    async with SocketCommunicator(SlowAnswers.as_asgi(), dialect="action") as socket:
        await socket.expect_reply(await socket.call("answer"), response_status=200)
        await socket.expect_nothing()
