"""What `connect` may do, and when it is called."""

import pytest
from django.contrib.auth import get_user_model
from django.test import override_settings

from rest_channels.engine.hub import Hub
from rest_channels.engine.memberships import GroupMemberships
from rest_channels.revocation import arevoke
from rest_channels.socket_consumer import SocketConsumer
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

User = get_user_model()


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


class Desk(SocketConsumer):
    groups = ["lobby"]

    async def connect(self):
        self.called.append(self.scope["user"])


class Board(SocketView):
    async def connect(self, request):
        self.called.append(request.user)


@pytest.mark.parametrize(
    ("kind", "owner", "name"),
    [
        (Desk, Hub, "reachable"),
        (Board, Hub, "reachable"),
        (Desk, GroupMemberships, "wait_joined"),
    ],
)
@pytest.mark.django_db(transaction=True)
async def test_connect_is_not_called_for_a_user_who_is_revoked_while_it_waits_for_the_broker(
    kind, owner, name, monkeypatch
) -> None:
    async def wait(self, *args):
        await arevoke(user=ada)
        return await original(self, *args)

    ada = await User.objects.acreate(username="ada")
    original = getattr(owner, name)
    monkeypatch.setattr(owner, name, wait)
    monkeypatch.setattr(kind, "called", [], raising=False)
    socket = SocketCommunicator(kind.as_asgi(), user=ada)
    accepted, _code = await socket.connect()
    await socket.disconnect()
    assert (accepted, kind.called) == (False, [])
