"""A connection is freed at once, whatever has ended it, and whatever it leaves in the loop."""

import asyncio
import threading
import time
import weakref

import pytest
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import PermissionDenied

from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer
from rest_channels.decorators import action
from rest_channels.engine import ending
from rest_channels.engine.publish import current_hub
from rest_channels.multiplexer import Multiplexer
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView
from sockets.handlers import RoutedSocketHandler


@pytest.fixture
async def without_popping(without_collections, caplog):
    """Keep cancelled timers in the loop: it removes them only where they come next."""
    caplog.set_level("CRITICAL", "rest_channels")  # the records of a test keep what they name
    timer = asyncio.get_running_loop().call_later(4, lambda: None)
    yield
    timer.cancel()


pytestmark = pytest.mark.usefixtures("without_popping")


@pytest.mark.parametrize("base", [SocketView, SocketConsumer])
async def test_a_connection_whose_connect_refuses_is_freed_at_once(base, settle) -> None:
    class Refusing(base):
        async def connect(self, request=None):
            connections.append(weakref.ref(request.connection if request else self._connection))
            raise PermissionDenied

    connections = []
    socket = SocketCommunicator(Refusing.as_asgi())
    await socket.connect()
    await socket.expect_close(4403)
    await socket.disconnect()
    await settle(lambda: connections[0]() is None)


class User:
    pk = 1
    is_authenticated = True


class Hour(BaseAuthentication):
    def authenticate(self, request):
        return User(), {"exp": time.time() + 3600}


async def test_a_connection_with_a_token_is_freed_before_the_token_expires(settle) -> None:
    class Rooms(AsyncAPIConsumer):
        authentication_classes = [Hour]

        async def connect(self):
            connections.append(weakref.ref(self._connection))

    connections = []
    async with SocketCommunicator(Rooms.as_asgi()) as socket:
        await socket.send_json({"action": "authenticate", "token": "another"})
        await socket.receive_json()
    await settle(lambda: connections[0]() is None)


async def test_a_connection_that_another_has_closed_keeps_none_of_both(settle) -> None:
    class Rooms(SocketConsumer):
        async def connect(self):
            connections.append(self._connection)

        async def receive_json(self, content):
            connections[1].close(4400)

    connections = []
    one, two = SocketCommunicator(Rooms.as_asgi()), SocketCommunicator(Rooms.as_asgi())
    async with one, two:
        await one.send_json(None)
        await two.expect_close(4400)
    connections[:] = map(weakref.ref, connections)
    await settle(lambda: [each() for each in connections] == [None, None])


async def test_a_sender_is_freed_although_a_receiver_has_a_deadline(settle) -> None:
    class Receiver(SocketView):
        async def connect(self, request):
            self.join("rooms")

        async def send_json(self, data):
            await asyncio.sleep(0.001)
            await super().send_json(data)

    class Sender(SocketView):
        async def receive(self, request):
            connections.append(weakref.ref(self.connection))
            self.broadcast("rooms", request.data)

    connections = []
    async with SocketCommunicator(Receiver.as_asgi()) as receiver:
        async with SocketCommunicator(Sender.as_asgi()) as sender:
            await sender.send_json("hello")
            await receiver.expect_event("hello")
        await settle(lambda: connections[0]() is None)


async def test_a_connection_whose_call_did_not_end_is_freed_when_it_does(
    settle, monkeypatch
) -> None:
    class Stuck(AsyncAPIConsumer):
        async def connect(self):
            connections.append(weakref.ref(self._connection))

        @action()
        async def wait(self):
            while not ended.is_set():
                try:
                    await ended.wait()
                except asyncio.CancelledError:
                    asyncio.current_task().uncancel()

        async def disconnect(self, code):
            codes.append(code)

    connections, codes, ended = [], [], asyncio.Event()
    monkeypatch.setattr(ending, "END_TIMEOUT", 0.01)
    async with SocketCommunicator(Stuck.as_asgi()) as socket:
        await socket.send_json({"action": "wait"})
    assert codes == [1000]
    ended.set()
    await settle(lambda: connections[0]() is None)


async def test_a_def_that_outlives_its_connection_sends_without_waiting_for_the_loop(
    gate, settings, monkeypatch
) -> None:
    class Room(SocketConsumer):
        def receive_json(self, content):
            gate.pass_through()
            self.send_json("x" * 200)
            sent.set()

    settings.REST_CHANNELS = {"OUTBOX_BYTES": 100}
    monkeypatch.setattr(ending, "END_TIMEOUT", 0.01)
    sent = threading.Event()
    async with SocketCommunicator(Room.as_asgi()) as socket:
        await socket.send_json(None)
        assert await asyncio.to_thread(gate.reached.wait, 5)
    gate.opened.set()
    assert sent.wait(2)  # the loop does nothing meanwhile


class Waiting(AsyncAPIConsumer):
    @action()
    async def wait(self):
        await asyncio.Event().wait()

    @action()
    async def ask(self):
        await self.handle_action("wait", 1)

    @action(detached=True)
    async def load(self):
        await asyncio.Event().wait()


class WaitingView(SocketView):
    async def receive(self, request):
        await asyncio.Event().wait()


class WaitingInDispatch(SocketView):
    async def dispatch(self, request):
        if request.event == "receive":
            await asyncio.Event().wait()
        await super().dispatch(request)


class Refusing(RoutedSocketHandler):
    """It has no route for the type of the frame."""

    async def websocket_connect(self, message):
        """Accept the client, without a row."""


STREAMS = Multiplexer(one=Waiting.as_asgi(), two=WaitingView.as_asgi())


@pytest.mark.parametrize(
    ("application", "content"),
    [
        (Waiting.as_asgi(), {"action": "wait"}),
        (Waiting.as_asgi(), {"action": "ask"}),
        (Waiting.as_asgi(), {"action": "load"}),
        (WaitingView.as_asgi(), {}),
        (WaitingInDispatch.as_asgi(), {}),
        (Refusing.as_asgi(), {"type": "UNKNOWN"}),
        (STREAMS, {"stream": "one", "payload": {"action": "wait"}}),
    ],
)
async def test_a_connection_is_freed_at_once_whatever_its_last_frame_does(
    application, content, settle, monkeypatch
) -> None:
    monkeypatch.setattr(ending, "END_TIMEOUT", 0.01)
    async with SocketCommunicator(application) as socket:
        connections = [weakref.ref(each) for each in current_hub().members.values()]
        await socket.send_json(content)
        await asyncio.sleep(0.01)
    await settle(lambda: not any(each() for each in connections))


async def test_a_connection_that_the_server_cancels_is_freed_at_once(settle) -> None:
    left = asyncio.create_task(serve_and_cancel())
    await settle(left.done)
    await settle(lambda: left.result()() is None)


async def serve_and_cancel():
    """Serve a client, cancel that as a server does, and return a reference to the connection."""
    socket = SocketCommunicator(WaitingView.as_asgi())
    await socket.connect()
    [connection] = current_hub().members.values()
    reference = weakref.ref(connection)
    socket._task.cancel()
    await asyncio.wait({socket._task})
    return reference
