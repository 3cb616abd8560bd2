"""How much memory idle connections take, and with it how many clients a server can have."""

import asyncio
import gc
import tracemalloc
from contextvars import Context

import pytest
from django.urls import path

from rest_channels.concurrency.tasks import EAGER_TASKS
from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.routing import SocketApplication
from rest_channels.views import SocketView

COUNT = 300
SCOPE = {"type": "websocket", "path": "/", "headers": [], "query_string": b""}


class View(SocketView):
    """Receives nothing."""


class Consumer(AsyncAPIConsumer):
    """Has no actions."""


class Client:
    """Connects, and sends nothing. It keeps as little as a server can."""

    def __init__(self, application) -> None:
        self.messages = [{"type": "websocket.connect"}]
        self.accepted = asyncio.get_running_loop().create_future()
        serve = application({**SCOPE}, self.receive, self.send)
        self.task = asyncio.create_task(serve, context=Context())  # without values of other tests

    async def receive(self) -> dict:
        if not self.messages:
            await asyncio.get_running_loop().create_future()
        return self.messages.pop()

    async def send(self, message) -> None:
        assert message["type"] == "websocket.accept"
        self.accepted.set_result(None)


async def connect(application, count) -> list[Client]:
    clients = [Client(application) for _ in range(count)]
    await asyncio.wait([client.accepted for client in clients])
    return clients


@pytest.mark.parametrize(
    ("application", "limit"),
    [
        (View.as_asgi(), 4_450),
        (Consumer.as_asgi(), 4_600 if EAGER_TASKS else 4_700),  # 3.11 makes a dict at `vars()`
        (SocketApplication([path("", View.as_asgi())]), 6_500),
    ],
    ids=["view", "consumer", "site"],
)
async def test_an_idle_connection_takes_little_memory(application, limit) -> None:
    clients = await connect(application, 50)
    sizes = []
    for _ in range(2):  # a table of the process that has to grow does not grow twice
        gc.collect()
        tracemalloc.start()
        clients += await connect(application, COUNT)
        gc.collect()
        size, _peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        sizes.append(size / COUNT)
    for client in clients:
        client.task.cancel()
    await asyncio.wait([client.task for client in clients])
    assert min(sizes) < limit
