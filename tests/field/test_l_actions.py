"""What the code of a project finds in the steps of an action."""

import pytest

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.dispatch import Refusal
from rest_channels.testing import SocketCommunicator


def refuse(error, invocation):
    """Name the class of the consumer, which is that of the handler."""
    return Refusal(type(invocation.target[0].__self__).__name__, 418)


class Kettle(AsyncAPIConsumer):
    @action()
    async def boil(self):
        raise ValueError

    @action()
    async def stop(self):
        raise SystemExit


@pytest.mark.parametrize("content", [[], {}, {"action": "boil"}, {"action": "stop"}])
async def test_an_exception_handler_finds_the_consumer_of_every_error(settings, content) -> None:
    settings.REST_CHANNELS = {"EXCEPTION_HANDLER": refuse}
    async with SocketCommunicator(Kettle.as_asgi()) as socket:
        await socket.send_json(content)
        reply = await socket.receive_json()
        assert (reply["errors"], reply["response_status"]) == (["Kettle"], 418)
