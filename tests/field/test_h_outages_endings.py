"""A server that does not wait for a slow `disconnect()`: every other ending still runs."""

import asyncio

import pytest

from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer
from rest_channels.decorators import action, detached
from rest_channels.engine.publish import current_hub
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView
from sockets.handlers import RoutedSocketHandler
from sockets.models import Socket
from sockets.presence import Presence


async def leave_an_impatient_server(application, times=1, **kwargs):
    """Connect and leave. The server cancels the application while `disconnect` runs."""
    socket = SocketCommunicator(application, **kwargs)
    await socket.connect()
    await socket._to_application.put({"type": "websocket.disconnect", "code": 1001})
    await asyncio.sleep(0.05)
    for _ in range(times):
        socket._task.cancel()
        await asyncio.sleep(0.01)
    async with asyncio.timeout(3):
        await asyncio.wait({socket._task})
    assert socket._task.cancelled()


@pytest.mark.parametrize("times", [1, 3])
async def test_groups_and_tasks_end_when_the_server_cancels_a_slow_disconnect(times) -> None:
    cancelled = []

    class Slow(SocketConsumer):
        groups = ["all"]

        async def disconnect(self, code):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.append(code)
                raise

    await leave_an_impatient_server(Slow.as_asgi(), times)
    assert cancelled == [1001]
    assert (current_hub().groups, current_hub().members) == ({}, {})


async def test_a_disconnect_that_ignores_its_cancellation_delays_no_other_ending() -> None:
    released = asyncio.Event()

    class Stubborn(SocketView):
        async def disconnect(self, request):
            while not released.is_set():
                try:
                    await released.wait()
                except asyncio.CancelledError:
                    continue

    await leave_an_impatient_server(Stubborn.as_asgi())
    assert current_hub()._connection_count == 0
    released.set()
    await asyncio.sleep(0)


async def test_later_endings_run_when_an_earlier_one_fails(caplog) -> None:
    ended = []

    class View(SocketView):
        async def connect(self, request):
            async def fail():
                raise OSError("x")

            async def end():
                ended.append(1)

            self.connection.on_ended += (fail, end)

    async with SocketCommunicator(View.as_asgi()):
        pass
    assert ended == [1]
    assert "failed at the end" in caplog.text


@pytest.mark.django_db(transaction=True)
async def test_a_row_is_deleted_when_the_server_cancels_a_slow_disconnect(monkeypatch) -> None:
    class Handler(RoutedSocketHandler):
        async def disconnect(self, code):
            await asyncio.sleep(60)

    await leave_an_impatient_server(Handler.as_asgi(), dialect="type")
    assert not await Socket.objects.aexists()


@pytest.mark.django_db(transaction=True)
async def test_a_row_is_deleted_when_the_server_cancels_its_slow_deletion(monkeypatch) -> None:
    delete = Presence._delete_pending
    waits = [60, 0]

    async def slow(self):
        await asyncio.sleep(waits.pop(0))
        await delete(self)

    monkeypatch.setattr(Presence, "_delete_pending", slow)
    await leave_an_impatient_server(RoutedSocketHandler.as_asgi(), dialect="type")
    assert not await Socket.objects.aexists()


async def test_detached_actions_end_when_the_server_cancels_a_slow_disconnect() -> None:
    ended = asyncio.Event()

    class Slow(AsyncAPIConsumer):
        @action()
        @detached
        async def work(self, **kwargs):
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()

        async def connect(self):
            await self.handle_action("work", 1)

        async def disconnect(self, code):
            await asyncio.sleep(60)

    await leave_an_impatient_server(Slow.as_asgi())
    assert ended.is_set()
