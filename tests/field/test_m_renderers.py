"""What renders nothing sends no empty frame, and leaves no client without its answer."""

import pytest

from rest_channels.decorators import socket_route
from rest_channels.socket_consumer import SocketConsumer
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView


class Forgetful:
    """A renderer whose author has forgotten to return the text."""

    def render(self, data):
        data.pop("seen", None)


@pytest.mark.parametrize("name", ["answer", "text", "binary"])
async def test_an_answer_that_a_renderer_returns_none_for_is_a_500(name) -> None:
    class Desk(SocketRouteView):
        text_renderer_class = bytes_renderer_class = Forgetful

        @socket_route
        async def answer(self, request, data):
            return {"seen": True}

        @socket_route
        async def text(self, request, data):
            await self.send_json({"seen": True})

        @socket_route
        async def binary(self, request, data):
            await self.send(request.reply_channel, {"seen": True}, "binary")

    async with SocketCommunicator(Desk.as_asgi()) as socket:
        await socket.call(name)
        assert (await socket.receive_json())["status"] == 500


@pytest.mark.parametrize("arguments", [{}, {"text_data": None}, {"close": True}])
async def test_a_consumer_that_sends_neither_text_nor_bytes_sends_no_empty_frame(arguments) -> None:
    class Desk(SocketConsumer):
        async def receive_json(self, content):
            await self.send(**arguments)

    async with SocketCommunicator(Desk.as_asgi()) as socket:
        await socket.send_json({})
        assert (await socket.receive_json())["status"] == 500
