"""The thread pool serves on, whatever the system, drivers and tasks of handlers do."""

import asyncio
import threading
import time

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import override_settings

from rest_channels.concurrency.threads import _Thread, thread_pool
from rest_channels.consumers import SocketConsumer
from rest_channels.testing import SocketCommunicator


async def test_work_goes_on_when_the_system_has_once_refused_a_new_thread(monkeypatch) -> None:
    start, refusals = _Thread.start, [RuntimeError("can't start new thread")]

    def start_or_refuse(thread):
        if refusals:
            raise refusals.pop()
        start(thread)

    class Consumer(SocketConsumer):
        def receive_json(self, content):
            self.send_json(content)

    monkeypatch.setattr(_Thread, "start", start_or_refuse)
    async with SocketCommunicator(Consumer.as_asgi()) as socket:
        await socket.send_json(1)
        await socket.expect_event(status=500)
        await socket.send_json(2)
        await socket.expect_event(2)


async def test_work_shares_a_thread_while_the_system_has_no_more(monkeypatch) -> None:
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    class Consumer(SocketConsumer):
        async def receive_json(self, content):
            first = await sync_to_async(threading.get_ident)()
            monkeypatch.setattr(_Thread, "start", refuse)
            answering = sync_to_async(self.send_json)
            await asyncio.gather(answering(1), other.send_json(None))
            assert await sync_to_async(threading.get_ident)() == first

    class Other(SocketConsumer):
        def receive_json(self, content):
            self.send_json("done")

    async with (
        SocketCommunicator(Consumer.as_asgi()) as socket,
        SocketCommunicator(Other.as_asgi()) as other,
    ):
        await socket.send_json(None)
        await other.expect_event("done")
        await socket.expect_event(1)


async def test_a_driver_that_fails_to_close_a_connection_ends_no_thread(
    monkeypatch, settle
) -> None:
    failures = []

    def fail():
        failures.append(threading.current_thread())
        raise RuntimeError("the driver cannot close it")

    class Consumer(SocketConsumer):
        def receive_json(self, content):
            connections["default"].close_if_unusable_or_obsolete = fail
            self.send_json(content)

    monkeypatch.setattr("rest_channels.concurrency.threads.CLEANUP_INTERVAL", 0.01)
    async with SocketCommunicator(Consumer.as_asgi()) as socket:
        for number in range(2):
            await socket.send_json(number)
            await socket.expect_event(number)
            await settle(lambda: len(failures) > 2)
        assert failures[0].is_alive()


async def test_a_task_that_outlives_its_handler_keeps_no_thread(settle) -> None:
    threads, ended = [], asyncio.Event()

    class Consumer(SocketConsumer):
        async def receive_json(self, content):
            async def save_later():
                await ended.wait()
                threads.append(await sync_to_async(threading.current_thread)())
                threads.append(await sync_to_async(threading.current_thread)())

            self.task = asyncio.create_task(save_later())

    async with SocketCommunicator(Consumer.as_asgi()) as socket:
        await socket.send_json(None)
        await socket.expect_nothing()
    ended.set()
    await settle(lambda: len(threads) == 2)
    await settle(lambda: not any(thread.leases for thread in thread_pool._all))
    assert threads[0] is threads[1]


async def test_a_middleware_may_work_in_threads_when_it_receives_and_sends(settle) -> None:
    messages = []

    class Consumer(SocketConsumer):
        async def receive_json(self, content):
            await self.send_json(content)

    async def record_all(scope, receive, send):
        async def recorded_receive():
            message = await receive()
            await sync_to_async(messages.append)(message["type"])
            return message

        async def recorded_send(message):
            await sync_to_async(messages.append)(message["type"])
            await send(message)

        await Consumer.as_asgi()(scope, recorded_receive, recorded_send)

    async with SocketCommunicator(record_all) as socket:
        await socket.send_json({"$ping": 1})
        await socket.expect_event({"$pong": 1})
        await socket.send_json(1)
        await socket.expect_event(1)
    assert messages[-1] == "websocket.disconnect"
    await settle(lambda: not any(thread.leases for thread in thread_pool._all))


@override_settings(REST_CHANNELS={"MAX_THREADS": 2})
async def test_what_a_handler_runs_at_one_time_waits_for_one_thread(settle) -> None:
    begun, opened = threading.Semaphore(0), threading.Event()

    class Blocking(SocketConsumer):
        def receive_json(self, content):
            begun.release()
            opened.wait(5)

    def own_thread():
        time.sleep(0.05)  # until the other thread is free too
        return threading.get_ident()

    class Consumer(SocketConsumer):
        async def receive_json(self, content):
            work = [asyncio.create_task(sync_to_async(own_thread)()) for _ in range(2)]
            await settle(lambda: len(thread_pool._waiting[False]) == 2)
            opened.set()
            self.send_json(len({await each for each in work}))

    app = Blocking.as_asgi()
    async with (
        SocketCommunicator(app) as one,
        SocketCommunicator(app) as two,
        SocketCommunicator(Consumer.as_asgi()) as socket,
    ):
        for blocking in (one, two):
            await blocking.send_json(None)
            await asyncio.to_thread(begun.acquire, timeout=5)
        await socket.send_json(None)
        await socket.expect_event(1)


def break_connection():
    """Leave the connection of this thread as one whose server has gone."""
    connection = connections["default"]
    connection.ensure_connection()
    connection.errors_occurred = True
    connection.is_usable = lambda: False


def is_closed():
    """Return whether this thread has no connection, and repair what broke it."""
    connection = connections["default"]
    del connection.is_usable
    return connection.connection is None


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.django_db(transaction=True)
async def test_a_broken_connection_is_replaced_while_a_handler_keeps_its_thread(
    shared, settings
) -> None:
    settings.REST_CHANNELS = {"THREAD_SENSITIVE": shared}

    class Consumer(SocketConsumer):
        async def receive_json(self, content):
            await sync_to_async(break_connection)()
            self.send_json(await sync_to_async(is_closed)())

    async with SocketCommunicator(Consumer.as_asgi()) as socket:
        await socket.send_json(None)
        await socket.expect_event(True)
