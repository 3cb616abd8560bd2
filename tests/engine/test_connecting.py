"""What connecting and closing costs: no task, and no call, that nothing needs."""

import asyncio

import pytest
from django.test import override_settings

from rest_channels.concurrency import serial_queue, tasks
from rest_channels.concurrency.tasks import new_task
from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.dispatch import adapters
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import RevocationIndex
from rest_channels.permissions import BasePermission
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView, SocketView


class Plain(SocketRouteView):
    """Overrides nothing for a handshake."""


class PlainConsumer(AsyncAPIConsumer):
    """Overrides nothing for a handshake."""


class Nobody(BasePermission):
    def can_connect(self, scope, consumer, message):
        return False


@pytest.fixture
def started(monkeypatch) -> list[str]:
    """The names of the coroutines that the library has started as tasks."""
    names: list[str] = []

    def count(work, **options):
        names.append(work.__qualname__)
        return new_task(work, **options)

    monkeypatch.setattr(tasks, "new_task", count)
    monkeypatch.setattr(serial_queue, "new_task", count)
    return names


@pytest.mark.parametrize("application", [Plain, PlainConsumer])
async def test_a_client_that_connects_and_leaves_costs_one_task(application, started) -> None:
    async with SocketCommunicator(application.as_asgi()):  # the last one also ends the hub
        started.clear()
        async with SocketCommunicator(application.as_asgi()):
            pass
        assert started == ["Connection._call"]


async def test_a_handshake_that_calls_nothing_of_the_class_is_no_event(monkeypatch) -> None:
    monkeypatch.setattr(adapters, "dispatch", None)
    for application in (Plain, PlainConsumer):
        async with SocketCommunicator(application.as_asgi()):
            pass


async def test_what_replaces_connect_after_the_class_was_made_is_called(monkeypatch) -> None:
    called = []

    async def connect(self, *request):
        called.append(type(self))

    for cls in (Plain, PlainConsumer):
        monkeypatch.setattr(cls, "connect", connect, raising=False)
        async with SocketCommunicator(cls.as_asgi()):
            pass
    assert called == [Plain, PlainConsumer]


@pytest.mark.parametrize("name", ["websocket_connect", "accept"])
async def test_what_a_consumer_overrides_of_the_handshake_is_called(name) -> None:
    called = []

    class Consumer(AsyncAPIConsumer):
        pass

    async def method(self, *args, **kwargs):
        called.append(name)
        await getattr(super(Consumer, self), name)(*args, **kwargs)

    setattr(Consumer, name, method)
    async with SocketCommunicator(Consumer.as_asgi()):
        assert called == [name]


async def test_permissions_of_the_settings_are_read_at_each_handshake() -> None:
    path = "rest_framework.permissions.IsAuthenticated"
    async with SocketCommunicator(Plain.as_asgi()):
        pass
    with override_settings(REST_CHANNELS={"DEFAULT_PERMISSION_CLASSES": [path]}):
        socket = SocketCommunicator(Plain.as_asgi())
        await socket.connect()
        assert (await socket.receive_json())["status"] == 401
        await socket.disconnect()


async def test_a_permission_that_a_consumer_gets_later_refuses(monkeypatch) -> None:
    monkeypatch.setattr(PlainConsumer, "permission_classes", [Nobody])
    socket = SocketCommunicator(PlainConsumer.as_asgi())
    accepted, _code = await socket.connect()
    assert not accepted
    await socket.disconnect()


async def test_a_client_without_session_user_and_token_is_not_indexed() -> None:
    async with SocketCommunicator(Plain.as_asgi()):
        assert not current_hub().get_component(RevocationIndex).identities


class Server:
    """A server that accepts the handshake as slowly as a test wants."""

    def __init__(self) -> None:
        self.begun_to_accept, self.may_accept = asyncio.Semaphore(0), asyncio.Event()
        self.sent: asyncio.Queue[str] = asyncio.Queue()
        self.messages: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self.push("websocket.connect")

    def push(self, kind: str, **more: str) -> None:
        self.messages.put_nowait({"type": kind, **more})

    async def send(self, message) -> None:
        if message["type"] == "websocket.accept":
            self.begun_to_accept.release()
            await self.may_accept.wait()
        self.sent.put_nowait(message["type"])

    def serve(self, application) -> "asyncio.Task[None]":
        scope = {"type": "websocket", "path": "/", "headers": []}
        call = application.as_asgi()(scope, self.messages.get, self.send)
        return asyncio.ensure_future(call)


async def test_a_client_that_leaves_while_the_server_accepts_is_noticed_within_a_second() -> None:
    server = Server()
    serving = server.serve(Plain)
    await server.begun_to_accept.acquire()
    server.push("websocket.disconnect")
    async with asyncio.timeout(1):
        await serving
    assert server.sent.empty()


async def test_a_server_that_accepts_after_the_deadline_still_accepts_once_and_first() -> None:
    class Sending(SocketView):
        async def connect(self, request):
            self.send_json("hello")

    server = Server()
    serving = server.serve(Sending)
    await server.begun_to_accept.acquire()
    [connection] = current_hub().members.values()
    connection.call_queue._deadline = 0.0
    connection.call_queue._check_deadline()
    await asyncio.sleep(0.01)
    assert server.begun_to_accept.locked()  # it was not asked to accept once more
    server.may_accept.set()
    assert [await server.sent.get() for _ in range(2)] == ["websocket.accept", "websocket.send"]
    server.push("websocket.disconnect")
    await serving
