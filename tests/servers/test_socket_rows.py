"""The socket rows of two server processes, used by a third process. One server is killed."""

import asyncio
import signal
import time
from contextlib import AsyncExitStack

import pytest
from django.urls import path

from sockets.handlers import RoutedSocketHandler
from tests.brokers import LAYERS, wait_in_thread

from .cluster import Cluster

COUNT = "result = Socket.objects.count()"


class Game(RoutedSocketHandler):
    routes = (*RoutedSocketHandler.routes, ("SAY", "on_say"))

    def on_say(self, content):
        self.peers().send_action("SAID", text=content["text"])


urlpatterns = [path("game/<int:pk>/", Game.as_asgi())]


# One layer is enough: rows are sent to by address, which test_processes.py tests with both.
@pytest.fixture(scope="module", params=LAYERS[:1], ids=["core"])
def running(request, site_environ, tmp_path_factory):
    cluster = Cluster(request.param, site_environ, tmp_path_factory.mktemp("cluster"), __name__)
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(running):
    """All of it, without a row."""
    running.restart_ended()
    running.shell("from sockets.models import Socket")
    wait_in_thread(lambda: running.shell(COUNT) == 0)
    return running


@pytest.fixture
async def players(cluster):
    """`await players("one", 50)` returns 50 clients of server one."""
    async with AsyncExitStack() as stack:

        async def enter(server: str, number: int):
            site = getattr(cluster, server)
            connecting = (stack.enter_async_context(site.connect("game/1/")) for _ in range(number))
            return [await client for client in connecting]

        yield enter


async def run(cluster, code: str):
    return await asyncio.to_thread(cluster.shell, code)


def send_to_all(text: str) -> str:
    return f"result = Socket.objects.filter(path='/game/1/').send_action('CHAT', text={text!r})"


async def texts_of(clients) -> set[str]:
    """Return the texts of the next frame of each client."""
    frames = [await client.receive_json() for client in clients]
    return {frame.get("text") for frame in frames}


async def test_a_queryset_in_a_shell_sends_to_the_sockets_of_both_servers(cluster, players) -> None:
    clients = [*await players("one", 5), *await players("two", 5)]
    assert await run(cluster, send_to_all("hello")) == 10
    assert await texts_of(clients) == {"hello"}
    await clients[0].send_json({"type": "SAY", "text": "from a peer"})
    assert await texts_of(clients[1:]) == {"from a peer"}


async def test_a_shell_can_close_the_socket_of_a_row(cluster, players) -> None:
    [client] = await players("one", 1)
    await run(cluster, "Socket.objects.get().disconnect(4001, 'Enough.')")
    assert await client.receive_close() == (4001, "Enough.")


async def test_the_rows_of_a_killed_server_are_deleted_and_the_others_stay(
    cluster, players
) -> None:
    ones, twos = await players("one", 50), await players("two", 50)
    assert await run(cluster, COUNT) == 100
    await asyncio.sleep(1.5)  # long enough for both to have a lease (TEST_BEAT is 1)
    cluster.one.process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    number = 100
    while number > 50 and time.monotonic() < deadline:
        number = await run(cluster, send_to_all("still there?"))
        assert number >= 50
        assert await texts_of(twos) == {"still there?"}
    assert number == 50
    assert await run(cluster, "result = Socket.objects.online().count()") == 50
    assert len(ones) == 50


async def test_a_server_that_receives_sigterm_leaves_no_rows(cluster, players) -> None:
    await players("one", 50)
    cluster.one.process.send_signal(signal.SIGTERM)
    assert await cluster.one.wait_exit(15) in (0, -signal.SIGTERM)
    assert await run(cluster, COUNT) == 0


async def test_without_a_broker_sending_with_a_queryset_returns_within_seconds(
    cluster, players
) -> None:
    await players("one", 1)
    cluster.broker.kill()
    began = time.monotonic()
    assert await run(cluster, send_to_all("anybody?")) == 1
    assert time.monotonic() - began < 2.5
