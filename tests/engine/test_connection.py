"""One connection from its handshake to its end, with all kinds of handlers and clients."""

import asyncio
import contextlib
import threading
import time

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.test import override_settings

from rest_channels.concurrency.awaitables import DONE
from rest_channels.concurrency.threads import thread_pool
from rest_channels.consumers import SocketConsumer
from rest_channels.exceptions import CloseCode, OutboxFull
from rest_channels.groups import Group
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView


async def test_a_connection_handles_its_frames_one_at_a_time_in_order() -> None:
    class Slow(SocketView):
        async def receive(self, request):
            await asyncio.sleep(0.01 if request.data % 2 else 0)
            self.send_json(request.data)

    async with SocketCommunicator(Slow.as_asgi()) as socket:
        for number in range(20):
            await socket.send_json(number)
        assert [await socket.receive_json() for _ in range(20)] == list(range(20))


async def test_frames_sent_during_connect_wait_until_it_returns() -> None:
    class Slow(SocketView):
        async def connect(self, request):
            await self.join_slowly(request)

        async def join_slowly(self, request):
            self.join("x")
            await asyncio.sleep(0.01)
            self.send_json("connected")

    async with SocketCommunicator(Slow.as_asgi()) as socket:
        await socket.expect_event("connected")


async def test_group_messages_during_the_handshake_wait_in_the_outbox() -> None:
    class Slow(SocketView):
        async def connect(self, request):
            self.join("early")
            await Group("early").asend({"text": '"early"'})
            self.send_json("late")

    async with SocketCommunicator(Slow.as_asgi()) as socket:
        await socket.expect_event("early")
        await socket.expect_event("late")


async def test_a_group_event_does_not_wait_for_a_handler_that_hangs() -> None:
    class Hung(SocketConsumer):
        groups = ["news"]

        async def receive_json(self, content):
            await asyncio.Event().wait()

        def headline(self, event):
            self.send_json(event["text"])

    async with SocketCommunicator(Hung.as_asgi()) as socket:
        await socket.send_json("hang")
        await publish("news", {"type": "headline", "text": "moved on"})
        await socket.expect_event("moved on")


async def test_a_def_event_method_never_runs_together_with_a_def_frame_handler() -> None:
    running, counts = [], []

    class CountRunning(SocketConsumer):
        groups = ["careful"]

        def work(self):
            running.append(1)
            time.sleep(0.02)
            counts.append(len(running))
            running.pop()
            self.send_json("done")

        def receive_json(self, content):
            self.work()

        def event(self, event):
            self.work()

    async with SocketCommunicator(CountRunning.as_asgi()) as socket:
        await socket.send_json(None)
        await publish("careful", {"type": "event"})
        await socket.expect_event("done")
        await socket.expect_event("done")
    assert counts == [1, 1]


async def test_def_handlers_of_different_connections_run_in_parallel() -> None:
    meeting = threading.Barrier(4, timeout=2)

    class Meeting(SocketView):
        def receive(self, request):
            meeting.wait()
            self.send_json("met")

    sockets = [SocketCommunicator(Meeting.as_asgi()) for _ in range(4)]
    for socket in sockets:
        await socket.connect()
        await socket.send_json(None)
    for socket in sockets:
        await socket.expect_event("met")
        await socket.disconnect()


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, StopIteration])
async def test_a_def_handler_that_raises_an_exit_ends_neither_server_nor_connection(
    error, caplog
) -> None:
    class Leaving(SocketView):
        def receive(self, request):
            raise error

    async with SocketCommunicator(Leaving.as_asgi()) as socket:
        for call in (1, 2):
            await socket.send_json({"request_id": call})
            await socket.expect_reply(call, status=500)


class BaseError(BaseException):
    pass


@pytest.mark.parametrize(
    "error", [SystemExit(), BaseError(), BaseExceptionGroup("all", [BaseError()])]
)
async def test_an_async_handler_that_raises_an_exit_ends_neither_server_nor_connection(
    error,
) -> None:
    class Leaving(SocketView):
        async def receive(self, request):
            raise error

        async def disconnect(self, request):
            raise error

    async with SocketCommunicator(Leaving.as_asgi()) as socket:
        for call in (1, 2):
            await socket.send_json({"request_id": call})
            await socket.expect_reply(call, status=500)


async def test_a_connect_that_raises_generator_exit_refuses_the_handshake() -> None:
    class RaiseGeneratorExit(SocketView):
        async def connect(self, request):
            raise GeneratorExit

    asyncio.get_running_loop().set_exception_handler(
        lambda *args: None
    )  # asyncio would log the error
    socket = SocketCommunicator(RaiseGeneratorExit.as_asgi())
    assert await socket.connect() == (False, CloseCode.CONNECT_FAILED)
    await socket.disconnect()


async def test_a_connection_ends_when_the_server_cannot_send(monkeypatch) -> None:
    monkeypatch.setattr("rest_channels.engine.connection.CLOSE_TIMEOUT", 0.02)
    incoming = asyncio.Queue()

    async def send(message):
        if message["type"] == "websocket.accept":
            incoming.put_nowait({"type": "websocket.receive", "text": "1"})
        elif message["type"] == "websocket.send":
            raise ValueError("What is that?")

    class Echo(SocketView):
        def receive(self, request):
            self.send_json(request.data)

    application = Echo.as_asgi()(SocketCommunicator(None).scope, incoming.get, send)
    incoming.put_nowait({"type": "websocket.connect"})
    async with asyncio.timeout(2):
        await application


# Timeouts.


@override_settings(REST_CHANNELS={"HANDLER_TIMEOUT": 0.05})
@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_handler_that_exceeds_its_timeout_gets_504_and_the_connection_stays_open(
    kind,
) -> None:
    may_end = threading.Event()

    class Sync(SocketView):
        def receive(self, request):
            if request.data["hang"]:
                may_end.wait(5)
            self.send_json({"fine": True})

    class Async(SocketView):
        async def receive(self, request):
            if request.data["hang"]:
                await asyncio.sleep(5)
            self.send_json({"fine": True})

    view = Sync if kind == "def" else Async
    async with SocketCommunicator(view.as_asgi()) as socket:
        await socket.send_json({"hang": True, "request_id": 1})
        await socket.expect_reply(1, status=504)
        await socket.send_json({"hang": False})
        await socket.expect_event({"fine": True})
        may_end.set()


@override_settings(REST_CHANNELS={"HANDLER_TIMEOUT": 0.2})
async def test_the_timeout_counts_from_the_start_of_each_call() -> None:
    class AnswerSlowly(SocketView):
        async def receive(self, request):
            await asyncio.sleep(0.05)
            self.send_json("ok")

    async with SocketCommunicator(AnswerSlowly.as_asgi()) as socket:
        for _ in range(6):  # longer than one deadline in all
            await socket.send_json(None)
            await socket.expect_event("ok")


# Disconnects.


async def test_an_async_handler_is_cancelled_within_a_second_after_its_client_left(settle) -> None:
    ends = []

    class Hung(SocketView):
        async def receive(self, request):
            ends.append("began")
            try:
                await asyncio.Event().wait()
            finally:
                ends.append("cancelled")

        def disconnect(self, request):
            ends.append("disconnect")

    async with SocketCommunicator(Hung.as_asgi()) as socket:
        await socket.send_json(None)
        await settle(lambda: ends)
        left = time.monotonic()
    assert time.monotonic() - left < 1.5
    assert ends == ["began", "cancelled", "disconnect"]


async def test_a_hanging_def_handler_keeps_only_its_thread_after_its_client_left(
    settle, caplog
) -> None:
    may_end, ends = threading.Event(), []

    class Hung(SocketView):
        def receive(self, request):
            ends.append("began")
            may_end.wait(5)
            self.send_json("too late")

        async def disconnect(self, request):
            ends.append("disconnect")

    async with SocketCommunicator(Hung.as_asgi()) as socket:
        await socket.send_json(None)
        await settle(lambda: ends)
    assert ends == ["began", "disconnect"]
    assert len(thread_pool) == 1
    assert "was left running" in caplog.text
    may_end.set()


async def test_frames_received_before_a_disconnect_are_still_handled() -> None:
    handled = []

    class RecordFrames(SocketView):
        async def receive(self, request):
            await asyncio.sleep(0.01)
            handled.append(request.data)

    async with SocketCommunicator(RecordFrames.as_asgi()) as socket:
        for number in range(5):
            await socket.send_json(number)
    assert handled == [0, 1, 2, 3, 4]


async def test_disconnect_runs_once_when_the_server_closes_and_when_it_is_cancelled() -> None:
    codes = []

    class Short(SocketView):
        async def receive(self, request):
            self.close(4321, "enough")

        async def disconnect(self, request):
            codes.append(request.code)

    async with SocketCommunicator(Short.as_asgi()) as socket:
        await socket.send_json(None)
        await socket.expect_close(4321)
    socket = SocketCommunicator(Short.as_asgi())
    await socket.connect()
    socket._task.cancel()
    await asyncio.wait({socket._task})
    assert codes == [4321, CloseCode.ABNORMAL]


async def test_disconnect_runs_when_a_client_leaves_during_connect(settle) -> None:
    ends = []

    class Slow(SocketView):
        async def connect(self, request):
            ends.append("connect")
            await asyncio.Event().wait()

        async def disconnect(self, request):
            ends.append("disconnect")

    socket = SocketCommunicator(Slow.as_asgi(), timeout=0.05)
    with pytest.raises(AssertionError, match="nothing came"):
        await socket.connect()
    await socket.disconnect()
    assert ends == ["connect", "disconnect"]


async def test_an_error_in_disconnect_is_logged_and_ends_nothing_else(caplog) -> None:
    class Bad(SocketView):
        def disconnect(self, request):
            raise RuntimeError("in disconnect")

    async with SocketCommunicator(Bad.as_asgi()):
        pass
    assert "in disconnect" in caplog.text


# Limits.


@override_settings(REST_CHANNELS={"MAX_FRAME_SIZE": 100})
async def test_a_frame_that_is_too_big_closes_the_connection_with_4413() -> None:
    class Echo(SocketView):
        async def receive(self, request):
            self.send_json(len(request.data))

    async with SocketCommunicator(Echo.as_asgi()) as socket:
        await socket.send_json("x" * 98)
        await socket.expect_event(98)
        await socket.send_json("ä" * 50)
        await socket.expect_close(CloseCode.MESSAGE_TOO_BIG)


@override_settings(REST_CHANNELS={"INBOX_FRAMES": 3})
async def test_too_many_waiting_frames_close_the_connection_with_the_flood_code() -> None:
    class Hung(SocketView):
        async def receive(self, request):
            await asyncio.Event().wait()

    async with SocketCommunicator(Hung.as_asgi()) as socket:
        for number in range(5):
            await socket.send_json(number)
        await socket.expect_close(CloseCode.FLOOD)


@override_settings(REST_CHANNELS={"FRAME_RATE": 1, "FRAME_BURST": 10})
async def test_too_many_frames_per_second_close_the_connection_with_the_flood_code() -> None:
    class Echo(SocketView):
        async def receive(self, request):
            self.send_json(request.data)

    async with SocketCommunicator(Echo.as_asgi()) as socket:
        for number in range(10):
            await socket.send_json(number)
            await socket.expect_event(number)
        await socket.send_json(11)
        await socket.expect_close(CloseCode.FLOOD)


@override_settings(REST_CHANNELS={"MAX_SUBSCRIPTIONS": 2})
@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_client_with_too_many_subscriptions_receives_a_400_frame(kind) -> None:
    class Sync(SocketView):
        def receive(self, request):
            self.join(request.data["group"])
            self.send_json("joined")

    class Async(SocketView):
        async def receive(self, request):
            self.join(request.data["group"])
            self.send_json("joined")

    view = Sync if kind == "def" else Async
    async with SocketCommunicator(view.as_asgi()) as socket:
        for name in "abb":
            await socket.send_json({"group": name})
            await socket.expect_event("joined")
        await socket.send_json({"group": "c", "request_id": 9})
        await socket.expect_reply(9, status=400)


@override_settings(REST_CHANNELS={"OUTBOX_BYTES": 100})
async def test_a_member_that_stops_reading_is_closed_and_the_others_lose_nothing() -> None:
    class Room(SocketView):
        async def connect(self, request):
            self.join("room")

    class Stalled(SocketCommunicator):
        def __init__(self, *args):
            super().__init__(*args)
            self.may_read = asyncio.Event()
            put = self._from_application.put

            async def slow_put(message):
                await put(message)
                await self.may_read.wait()

            self._from_application.put = slow_put

    app = Room.as_asgi()
    async with SocketCommunicator(app) as reader, Stalled(app) as stalled:
        for number in range(50):
            await Group("room").asend({"text": f'"message {number}"'})
            await asyncio.sleep(0)  # on Python 3.11 an outbox sends in the loop's next iteration
        assert [await reader.receive_json() for _ in range(50)] == [
            f"message {number}" for number in range(50)
        ]
        stalled.may_read.set()
        assert CloseCode.TOO_SLOW.reconnect
        await stalled.expect_close(CloseCode.TOO_SLOW)


# Methods that can be awaited.


class Unread(SocketCommunicator):
    """A client that does not read until `may_read` is set."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.may_read = asyncio.Event()

    async def connect(self):
        async def application(scope, receive, send):
            async def slow_send(message):
                if message["type"] == "websocket.send":
                    await self.may_read.wait()
                await send(message)

            await inner(scope, receive, slow_send)

        inner, self.application = self.application, application
        return await super().connect()


@override_settings(REST_CHANNELS={"OUTBOX_BYTES": 200})
async def test_awaiting_send_json_waits_while_the_outbox_is_full(settle) -> None:
    sent = []

    class Stream(SocketView):
        async def receive(self, request):
            for number in range(20):
                await self.send_json("x" * 28)
                sent.append(number)

    async with Unread(Stream.as_asgi()) as socket:
        await socket.send_json(None)
        await settle(lambda: len(sent) >= 3)
        assert len(sent) < 6
        socket.may_read.set()
        for _ in range(20):
            await socket.expect_event("x" * 28)


@override_settings(REST_CHANNELS={"OUTBOX_BYTES": 200})
async def test_send_json_in_a_def_handler_blocks_while_the_outbox_is_full(settle) -> None:
    sent = []

    class Stream(SocketView):
        def receive(self, request):
            for number in range(20):
                self.send_json("x" * 28)
                sent.append(number)

    async with Unread(Stream.as_asgi()) as socket:
        await socket.send_json(None)
        await settle(lambda: len(sent) >= 3)
        assert len(sent) < 8
        socket.may_read.set()
        for _ in range(20):
            await socket.expect_event("x" * 28)


@override_settings(REST_CHANNELS={"OUTBOX_BYTES": 100})
async def test_calls_that_are_not_awaited_raise_outbox_full_when_they_overflow(settle) -> None:
    errors = []

    class SendWithoutAwait(SocketView):
        async def receive(self, request):
            try:
                for _ in range(20):
                    self.send_json("x" * 28)
            except OutboxFull as error:
                errors.append(str(error))

    async with Unread(SendWithoutAwait.as_asgi()) as socket:
        await socket.send_json(None)
        await settle(lambda: errors)
        assert "await what you send" in errors[0]
        socket.may_read.set()


async def test_send_json_returns_a_coroutine_that_may_be_dropped_or_scheduled() -> None:
    class Room(SocketView):
        async def receive(self, request):
            self.send_json("dropped")
            await asyncio.create_task(self.send_json("scheduled"))
            await asyncio.gather(self.send_json("gathered"), self.send_json("too"))
            await DONE
            await DONE

    async with SocketCommunicator(Room.as_asgi()) as socket:
        await socket.send_json(None)
        for text in ("dropped", "scheduled", "gathered", "too"):
            await socket.expect_event(text)


async def test_calls_of_a_def_handler_keep_their_order() -> None:
    class Talk(SocketView):
        def receive(self, request):
            self.join("talk")
            for number in range(0, 30, 3):
                self.send_json(number)
                self.broadcast("talk", number + 1)
                request.reply_channel.send({"text": str(number + 2)})
            self.close(4000)

    async with SocketCommunicator(Talk.as_asgi()) as socket:
        await socket.send_json(None)
        assert [await socket.receive_json() for _ in range(30)] == list(range(30))
        await socket.expect_close(4000)


# The control frame.


async def test_a_ping_is_answered_even_while_a_handler_hangs() -> None:
    class Hung(SocketView):
        async def receive(self, request):
            await asyncio.Event().wait()

    async with SocketCommunicator(Hung.as_asgi()) as socket:
        await socket.send_json("hang")
        await socket.send_to('{"$ping": 42}')
        await socket.expect_event({"$pong": 42})


async def test_only_a_frame_that_contains_nothing_but_a_ping_is_a_control_frame() -> None:
    class Echo(SocketView):
        async def receive(self, request):
            self.send_json(request.data)

    async with SocketCommunicator(Echo.as_asgi()) as socket:
        for content in ({"$ping": 1, "more": 2}, ["$ping"], "$ping"):
            await socket.send_json(content)
            await socket.expect_event(content)


async def publish(group, message):
    """Send `message` to the event methods of the members of `group`."""
    from rest_channels.engine.publish import publish
    from rest_channels.protocol.messages import Event

    publish(Event(group, message))


@pytest.mark.django_db(transaction=True)
async def test_a_handler_that_iterates_slowly_keeps_its_database_connection(monkeypatch) -> None:
    monkeypatch.setattr("rest_channels.concurrency.threads.CLEANUP_INTERVAL", 0.01)
    users = [User(username=f"user-{number}") for number in range(10)]
    await User.objects.abulk_create(users)

    class Slow(SocketView):
        async def receive(self, request):
            names = []
            async for user in User.objects.order_by("pk").aiterator(chunk_size=2):
                await asyncio.sleep(0.02)
                names.append(user.username)
            self.send_json(len(names))

    async with SocketCommunicator(Slow.as_asgi()) as socket:
        await socket.send_json("go")
        await socket.expect_event(10)


@pytest.mark.django_db(transaction=True)
async def test_a_handler_does_not_inherit_the_database_state_of_the_previous_handler() -> None:
    class ChangeConnectionState(SocketView):
        def receive(self, request):
            if request.data == "off":
                transaction.set_autocommit(False)
                User.objects.create_user("eve")
            elif request.data == "broken":
                with contextlib.suppress(DatabaseError), connection.cursor() as cursor:
                    cursor.execute("SELECT nonsense")
            else:
                User.objects.create_user("bob")
            self.send_json([transaction.get_autocommit(), connection.errors_occurred])

    for command, state in (
        ("off", [False, False]),
        ("broken", [True, True]),
        ("write", [True, False]),
    ):
        async with SocketCommunicator(ChangeConnectionState.as_asgi()) as socket:
            await socket.send_json(command)
            await socket.expect_event(state)
    assert [user.username async for user in User.objects.all()] == ["bob"]
