"""A frame that waits while its user loses all rights is not handled."""

import asyncio

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from rest_framework.permissions import BasePermission

from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer, view_as_consumer
from rest_channels.decorators import action
from rest_channels.engine.publish import current_hub
from rest_channels.protocol.messages import Event
from rest_channels.revocation import arevoke
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada():
    return User.objects.create_user("ada", password="secret")


def waiting_for_permission(gate, handled):
    class Slow(BasePermission):
        def has_permission(self, request, view):
            if getattr(request, "event", "receive") == "receive":
                gate.pass_through()
            return True

    class View(SocketView):
        permission_classes = (Slow,)

        async def receive(self, request):
            handled.append(request.user)

    class Consumer(AsyncAPIConsumer):
        permission_classes = (Slow,)

        @action()
        async def go(self):
            handled.append(self.scope["user"])
            return None, 200

    def wrapped(request):
        handled.append(request.user)
        return HttpResponse("done")

    return {
        "view": View.as_asgi(),
        "consumer": Consumer.as_asgi(),
        "wrapped": wrapped,
        "slow": Slow,
    }


async def end_while_it_waits(application, ada, gate, block=None):
    """Send a frame, revoke its user while it waits, and let it continue."""
    socket = SocketCommunicator(application, user=ada, dialect="action")
    assert (await socket.connect())[0]
    [connection] = current_hub().members.values()
    if block is not None:
        connection.deliver(Event("", {"type": block}))
        assert await asyncio.to_thread(gate.reached.wait, 5)
    await socket.send_json({"action": "go", "request_id": 1})
    if block is not None:
        async with asyncio.timeout(2):
            while not connection.call_queue.busy:  # noqa: ASYNC110 - nothing signals it
                await asyncio.sleep(0.001)
    else:
        assert await asyncio.to_thread(gate.reached.wait, 5)
    await arevoke(user=ada)
    await socket.expect_close(4443)
    gate.opened.set()
    await socket.expect_nothing()  # the client does not leave yet
    await socket.disconnect()


@pytest.mark.parametrize("kind", ["view", "consumer"])
async def test_a_frame_whose_permissions_are_checked_during_a_revocation_is_not_handled(
    kind, ada, gate
) -> None:
    handled = []
    await end_while_it_waits(waiting_for_permission(gate, handled)[kind], ada, gate)
    assert handled == []


async def test_a_wrapped_view_is_not_called_for_a_user_who_was_revoked_meanwhile(ada, gate) -> None:
    handled = []
    made = waiting_for_permission(gate, handled)
    application = view_as_consumer(made["wrapped"], {"go": "GET"})
    application.consumer_class.get_permissions = lambda self, action=None: (
        [] if action == "connect" else [made["slow"]()]
    )
    await end_while_it_waits(application, ada, gate)
    assert handled == []


@pytest.mark.parametrize("base", [SocketConsumer, AsyncAPIConsumer])
async def test_a_def_that_waits_for_another_during_a_revocation_does_not_begin(
    base, ada, gate, caplog
) -> None:
    handled = []

    class Consumer(base):
        def block(self, event):
            gate.pass_through()

        def receive_json(self, content):
            handled.append(content)

    await end_while_it_waits(Consumer.as_asgi(), ada, gate, block="block")
    assert handled == []
    assert "receive_json" not in caplog.text


async def test_a_handshake_is_not_accepted_for_a_user_who_is_revoked_meanwhile(ada, gate) -> None:
    connected = []

    class Slow(BasePermission):
        def has_permission(self, request, view):
            gate.pass_through()
            return True

    class View(SocketView):
        permission_classes = (Slow,)

        def connect(self, request):
            connected.append(request.user)

        def disconnect(self, request):
            connected.append(request.code)

    socket = SocketCommunicator(View.as_asgi(), user=ada)
    connecting = asyncio.create_task(socket.connect())
    assert await asyncio.to_thread(gate.reached.wait, 5)
    await arevoke(user=ada)
    gate.opened.set()
    assert await connecting == (False, 4443)
    await socket.disconnect()
    assert connected == []
