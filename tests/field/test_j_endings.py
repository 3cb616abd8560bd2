"""Every connection ends, whatever its handlers do."""

import asyncio

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from rest_channels.consumers import SocketConsumer
from rest_channels.engine.publish import current_hub
from rest_channels.multiplexer import Multiplexer
from rest_channels.testing import SocketCommunicator


@override_settings(REST_CHANNELS={"HANDLER_TIMEOUT": 0.1})
async def test_a_disconnect_that_hangs_ends_at_its_deadline_whatever_ran_before() -> None:
    class Consumer(SocketConsumer):
        async def receive_json(self, content):
            await asyncio.sleep(0.001)
            self.send_json(content)

        async def disconnect(self, code):
            await asyncio.Event().wait()

    socket = SocketCommunicator(Consumer.as_asgi(), timeout=1)
    await socket.connect()
    await socket.send_json(1)
    assert await socket.receive_json() == 1
    await socket.disconnect()


async def test_what_a_disconnect_sends_without_awaiting_ends_with_the_connection() -> None:
    ended = asyncio.Event()

    class Consumer(SocketConsumer):
        async def send_json(self, content, close=False):
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        async def disconnect(self, code):
            self.send_json({})

    async with SocketCommunicator(Consumer.as_asgi()):
        pass
    assert ended.is_set()


@pytest.mark.parametrize("name", ["BEAT", "HANDLER_TIMEOUT"])
async def test_a_connection_that_a_wrong_setting_ends_is_forgotten(name) -> None:
    class Consumer(SocketConsumer):
        pass

    hub = current_hub()
    for value in ("5 s", None):
        with override_settings(REST_CHANNELS={name: value}):
            socket = SocketCommunicator(Consumer.as_asgi())
            if value is not None:
                with pytest.raises(ImproperlyConfigured):
                    await socket.connect()
            else:
                await socket.connect()
                await socket.disconnect()
    assert (hub.members, hub._connection_count, hub.link, hub._timer) == ({}, 0, None, None)


def test_a_multiplexer_without_streams_is_refused() -> None:
    with pytest.raises(TypeError, match="no stream"):
        Multiplexer({})
