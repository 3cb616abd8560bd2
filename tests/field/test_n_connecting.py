"""What `connect` may do, and when it is called."""

import pytest
from django.test import override_settings

from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView


class Sending(SocketView):
    async def connect(self, request):
        await self.send_json("x" * 60)


class SendingInThread(SocketView):
    def connect(self, request):
        self.send_json("x" * 60)


class SendingMuch(SocketView):
    async def connect(self, request):
        await self.send_json("x" * 600)


@override_settings(REST_CHANNELS={"OUTBOX_BYTES": 100, "HANDLER_TIMEOUT": 0.5})
@pytest.mark.parametrize("view", [Sending, SendingInThread, SendingMuch])
async def test_connect_may_send_more_than_half_of_what_may_wait(view) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        assert "x" * 60 in await socket.receive_json()
        await socket.expect_nothing()
