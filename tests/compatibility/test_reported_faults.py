"""Faults that users of Channels, DCRF and similar libraries reported, each with a test.

The comments name the systems that had a fault: raw Channels 4.3, DCRF (djangochannelsrestframework
1.3), channels-router (django-channels-router), chanx 2.13.
"""

import asyncio
import contextlib
import gc
import json
import math
import threading
import time
from importlib import import_module

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from channels.db import database_sync_to_async
from django.contrib.auth.models import User
from django.test import override_settings
from django.urls import path
from rest_framework.permissions import BasePermission

from rest_channels.consumers import SocketConsumer
from rest_channels.decorators import socket_route
from rest_channels.engine.connection import Connection
from rest_channels.exceptions import CloseCode
from rest_channels.groups import Channel, Group
from rest_channels.parsers import JSONParser
from rest_channels.renderers import JSONRenderer
from rest_channels.routing import SocketApplication
from rest_channels.settings import api_settings
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView, SocketView


class View(SocketView):
    async def receive(self, request):
        self.send_json(request.data)


class Methods(SocketRouteView):
    @socket_route
    async def echo(self, request, data):
        return data


class Consumer(SocketConsumer):
    async def receive_json(self, content):
        self.send_json(content)


ECHO = {"method": "echo", "data": 1, "request_id": 1}
every_class = pytest.mark.parametrize("cls", [View, Methods, Consumer])


# Of 238 bad frames 142 closed the socket of raw Channels; of 262 bad frames 69 closed that of DCRF.


@every_class
@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "null",
        "[]",
        "1",
        '""',
        "NaN",
        '{"method": {}}',
        "[" * 1_000,
        '"\\ud800"',
        "9" * 999,
    ],
)
async def test_an_invalid_frame_does_not_close_the_connection(cls, frame) -> None:
    async with SocketCommunicator(cls.as_asgi()) as socket:
        await socket.send_to(frame)
        await socket.receive_from()
        await socket.send_json(ECHO)
        await socket.expect_reply(1, data=1)


# Raw Channels, DCRF: an exception closes the socket.


@pytest.mark.parametrize("error", [LookupError, TypeError, RecursionError, MemoryError, OSError])
@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_an_exception_does_not_close_the_socket(error, kind, caplog) -> None:
    class Sync(SocketView):
        def receive(self, request):
            if request.data == "raise":
                raise error("marker")
            self.send_json("fine")

    class Async(SocketView):
        async def receive(self, request):
            if request.data == "raise":
                raise error("marker")
            self.send_json("fine")

    view = Sync if kind == "def" else Async
    async with SocketCommunicator(view.as_asgi()) as socket:
        await socket.send_json("raise")
        refusal = await socket.expect_event(status=500)
        assert "marker" not in str(refusal)
        await socket.send_json("on")
        await socket.expect_event("fine")


@pytest.mark.parametrize("error", [StopIteration, StopAsyncIteration, asyncio.CancelledError])
@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_an_exception_with_a_meaning_to_python_does_not_close_the_socket(
    error, kind, caplog
) -> None:
    class Sync(SocketView):
        def receive(self, request):
            if request.data == "raise":
                raise error
            self.send_json("fine")

    class Async(SocketView):
        async def receive(self, request):
            if request.data == "raise":
                raise error
            self.send_json("fine")

    view = Sync if kind == "def" else Async
    async with SocketCommunicator(view.as_asgi()) as socket:
        await socket.send_json("raise")
        await socket.expect_event(status=500)
        await socket.send_json("on")
        await socket.expect_event("fine")


async def test_a_connect_that_awaits_a_cancelled_task_is_answered(caplog) -> None:
    class Awaiting(SocketView):
        async def connect(self, request):
            task = asyncio.ensure_future(asyncio.Event().wait())
            task.cancel()
            await task

    socket = SocketCommunicator(Awaiting.as_asgi())
    await socket.connect()
    await socket.expect_event(status=500)
    await socket.expect_close(CloseCode.CONNECT_FAILED)
    await socket.disconnect()


# Raw Channels, DCRF: a consumer handles one message at a time. A slow handler blocks group events.


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_handler_that_hangs_blocks_no_group_event(kind) -> None:
    let_go = threading.Event()

    class Sync(SocketView):
        def connect(self, request):
            self.join("news")

        def receive(self, request):
            let_go.wait(5)

    class Async(SocketView):
        async def connect(self, request):
            self.join("news")

        async def receive(self, request):
            await asyncio.Event().wait()

    async with SocketCommunicator((Sync if kind == "def" else Async).as_asgi()) as socket:
        await socket.send_json("hang")
        await socket.expect_nothing()
        for number in range(3):
            await Group("news").asend({"text": str(number)})
            await socket.expect_event(number)
        let_go.set()


# Raw Channels, chanx: the handler of a disconnected client continues. `disconnect` is skipped, or
# the application "took too long to shut down and was killed".


@pytest.mark.parametrize("kind", ["def", "async def", "ignores its cancellation"])
@pytest.mark.parametrize("base", [SocketView, SocketConsumer])
async def test_disconnect_runs_even_if_a_handler_hangs(kind, base, caplog) -> None:
    disconnects, tasks, let_go, hanging = [], set(), threading.Event(), threading.Event()

    def hang(self, *args, **kwargs):
        hanging.set()
        let_go.wait(5)

    async def ahang(self, *args, **kwargs):
        hanging.set()
        await asyncio.Event().wait()

    async def ignore_cancellation(self, *args, **kwargs):
        tasks.add(asyncio.current_task())
        hanging.set()
        while not let_go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    handlers = {"def": hang, "async def": ahang, "ignores its cancellation": ignore_cancellation}

    class Hung(base):
        receive = handlers[kind]

        async def disconnect(self, *args):
            disconnects.append(args)

    socket = SocketCommunicator(Hung.as_asgi())
    await socket.connect()
    await socket.send_json("hang")
    await asyncio.to_thread(hanging.wait, 2)
    start = time.monotonic()
    await socket.disconnect()
    assert time.monotonic() - start < 2
    assert len(disconnects) == 1
    let_go.set()
    if tasks:
        await asyncio.wait(tasks)


async def test_thousands_of_clients_that_hang_and_disconnect_leave_no_task_or_connection() -> None:
    class Hung(SocketView):
        async def connect(self, request):
            self.join("hung")

        async def receive(self, request):
            await asyncio.Event().wait()

    async def connect_and_leave() -> None:
        async with SocketCommunicator(Hung.as_asgi()) as socket:
            await socket.send_json("hang")

    def count_connections() -> int:
        gc.collect()
        return sum(type(instance) is Connection for instance in gc.get_objects())

    # A traceback that is still referenced keeps its connection alive.
    tasks, before = len(asyncio.all_tasks()), count_connections()
    for _ in range(4):
        await asyncio.gather(*(connect_and_leave() for _ in range(500)))
    assert len(asyncio.all_tasks()) == tasks
    assert count_connections() == before


# Raw Channels: an unknown path and a malformed Origin give a 500 with a traceback. A foreign Origin
# with the session cookie is accepted.


@pytest.mark.parametrize("where", ["/", "/nowhere/", "/x", "//", "/é/", "/%00/"])
async def test_an_unknown_path_is_no_500(where, caplog) -> None:
    socket = SocketCommunicator(SocketApplication([path("x/", View.as_asgi())]), where)
    assert await socket.connect() == (False, 1000)
    await socket.disconnect()
    assert [record.levelname for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize(
    "origin",
    ["http://[::1", "http://", "null", "", "://", "http://a:b", "http://testserver:99999", "\xff"],
)
async def test_an_invalid_origin_is_no_500(origin, caplog) -> None:
    app = SocketApplication([path("", View.as_asgi())])
    socket = SocketCommunicator(app, headers=[("Origin", origin)])
    assert await socket.connect() == (False, 1000)
    await socket.disconnect()
    assert [record.levelname for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize(
    "origin", ["https://testserver", "http://testserver:8000", "http://testserver.evil.example"]
)
async def test_scheme_and_port_are_part_of_an_origin(origin) -> None:
    app = SocketApplication([path("", View.as_asgi())])
    socket = SocketCommunicator(app, headers=[("Origin", origin), ("Cookie", "sessionid=x")])
    assert (await socket.connect())[0] is False
    await socket.disconnect()


# channels-router: `__getattr__` makes misspelt attributes valid.


@pytest.mark.parametrize("name", ["broadcst", "on_conect", "route", "recieve", "Handler", "_x"])
@pytest.mark.parametrize(
    "thing",
    [
        SocketView,
        SocketView(),
        SocketRouteView,
        SocketRouteView(),
        SocketConsumer,
        SocketConsumer(),
        SocketApplication([]),
        Group("g"),
        Channel("c"),
        api_settings,
        SocketCommunicator(View.as_asgi()),
    ],
    ids=lambda thing: getattr(thing, "__name__", f"{type(thing).__name__}()"),
)
def test_a_misspelt_attribute_is_an_attribute_error(thing, name) -> None:
    with pytest.raises(AttributeError):
        getattr(thing, name)


@pytest.mark.parametrize(
    "module", ["views", "consumers", "routing", "groups", "sessions", "decorators", "settings"]
)
def test_a_misspelt_import_is_an_error(module) -> None:
    with pytest.raises(AttributeError):
        _ = import_module(f"rest_channels.{module}").socket_rout


async def test_a_request_and_a_consumers_layer_raise_attribute_errors_for_misspelt_names() -> None:
    missing = []

    class MisspeltConsumer(SocketConsumer):
        async def connect(self):
            missing.append(getattr(self.channel_layer, "group_snd", None))

    class MisspeltView(SocketView):
        async def connect(self, request):
            missing.append(getattr(request, "channel_sesion", None))

    for cls in (MisspeltConsumer, MisspeltView):
        async with SocketCommunicator(cls.as_asgi()):
            pass
    assert missing == [None, None]


# DCRF: data of clients becomes keyword arguments. A key can be the name of a parameter or method.

COLLIDING = ["self", "request", "data", "args", "kwargs", "cls", "__class__", "pk", "return", "_"]


@pytest.mark.parametrize("key", COLLIDING)
async def test_a_key_of_a_client_reaches_no_parameter_of_the_library(key) -> None:
    class Saving(SocketRouteView):
        @socket_route
        async def save(self, request, data, pk=None, *args, **kwargs):
            assert type(self) is Saving
            assert request is self.request
            return {"data": data, "others": [pk, *args, kwargs]}

    async with SocketCommunicator(Saving.as_asgi()) as socket:
        await socket.send_json(
            {key: "evil", "method": "save", "data": {key: "evil"}, "request_id": 1}
        )
        await socket.expect_reply(1, data={"data": {key: "evil"}, "others": [None, {}]})


@pytest.mark.parametrize("name", sorted({*dir(SocketRouteView), *dir(Methods), *COLLIDING}))
async def test_a_frame_cannot_call_a_python_attribute_as_a_method(name) -> None:
    async with SocketCommunicator(Methods.as_asgi()) as socket:
        call = await socket.call(name, 1)
        if name != "echo":
            await socket.expect_reply(call, status=400)
        await socket.call("echo", "alive")
        await socket.expect_reply(call + 1, data="alive")


async def test_a_frame_of_a_client_is_never_handled_as_an_event_of_the_server() -> None:
    called = []

    class Broadcasting(SocketView):
        async def receive(self, request):
            self.broadcast("talk", request.data)

    class Listening(SocketConsumer):
        groups = ["talk"]

        @classmethod
        def encode_json(cls, content):
            return json.dumps({"content": content})

        async def moderators_only(self, event):
            called.append(event)

    frame = {"type": "moderators.only"}
    async with (
        SocketCommunicator(Broadcasting.as_asgi()) as eve,
        SocketCommunicator(Listening.as_asgi()) as ada,
    ):
        await eve.send_json(frame)
        await ada.expect_event({"content": frame})
    assert called == []


# Raw Channels, DCRF: NaN and Infinity are sent as such, and no browser can read them.


@every_class
async def test_nan_is_sent_as_null(cls) -> None:
    class SendNaN(cls):
        async def connect(self, *args):
            self.send_json([math.nan, math.inf, -math.inf, {"x": math.nan}])

    async with SocketCommunicator(SendNaN.as_asgi()) as socket:
        assert await socket.receive_from() == '[null,null,null,{"x":null}]'


@pytest.mark.parametrize("frame", ["NaN", "Infinity", "-Infinity", "[1e999]", '{"x":-1e999}'])
async def test_a_frame_with_nan_or_infinity_is_answered_with_400(frame) -> None:
    async with SocketCommunicator(View.as_asgi()) as socket:
        await socket.send_to(frame)
        await socket.expect_event(status=400)


# Raw Channels: of 600 messages of 20 kB to a stalled client 355 were lost without any report.


class Room(SocketView):
    async def connect(self, request):
        self.join("room")


def connect_to_room(stalled: bool) -> tuple[SocketCommunicator, asyncio.Event]:
    """A client whose server must wait with every frame until the event is set."""
    may_read = asyncio.Event()
    if not stalled:
        may_read.set()

    async def application(scope, receive, send):
        async def slow_send(message):
            if message["type"] == "websocket.send":
                await may_read.wait()
            await send(message)

        await Room.as_asgi()(scope, receive, slow_send)

    return SocketCommunicator(application), may_read


async def test_a_slow_member_is_closed_as_too_slow_and_no_other_loses_messages() -> None:
    (slow, may_read), (quick, _) = connect_to_room(stalled=True), connect_to_room(stalled=False)
    async with slow, quick:
        for number in range(600):
            await Group("room").asend({"text": json.dumps([number, "x" * 20_000])})
            await asyncio.sleep(0)
        assert [(await quick.receive_json())[0] for _ in range(600)] == list(range(600))
        may_read.set()
        received = []
        while (message := await slow._next("the end"))["type"] == "websocket.send":
            received.append(json.loads(message["text"])[0])
        # The client receives the first messages without a gap, then a code to reconnect.
        assert received == list(range(len(received)))
        assert 0 < len(received) < 60
        assert message["code"] == CloseCode.TOO_SLOW
        assert CloseCode(message["code"]).reconnect


# Many systems: one connection sees the state of another.


@pytest.mark.parametrize("base", [SocketView, SocketConsumer])
async def test_the_state_of_two_connections_is_not_mixed(base) -> None:
    def remember(self, name):
        if base is SocketView:
            self.state.setdefault("names", []).append(name)
            return self.state["names"]
        self.names = [*getattr(self, "names", []), name]
        return self.names

    class Remembering(base):
        async def receive(self, *args, text_data=None, bytes_data=None):
            name = args[0].data if args else json.loads(text_data)
            self.send_json(remember(self, name))

    app = Remembering.as_asgi()
    async with SocketCommunicator(app) as first, SocketCommunicator(app) as second:
        await asyncio.gather(first.send_json("a"), second.send_json("b"))
        await first.expect_event(["a"])
        await second.expect_event(["b"])
        await first.send_json("c")
        await first.expect_event(["a", "c"])
    async with SocketCommunicator(app) as third:
        await third.send_json("d")
        await third.expect_event(["d"])


async def test_users_are_not_mixed_up_between_threads() -> None:
    meeting = threading.Barrier(8, timeout=5)

    class UserName(SocketView):
        def receive(self, request):
            before = request.user.username
            meeting.wait()
            self.send_json([before, request.user.username, self.request.user.username])

    sockets = [SocketCommunicator(UserName.as_asgi(), user=User(username=str(n))) for n in range(8)]
    for socket in sockets:
        await socket.connect()
        await socket.send_json(None)
    for number, socket in enumerate(sockets):
        await socket.expect_event([str(number)] * 3)
        await socket.disconnect()


# DCRF: settings are read when a class is defined.


class RejectAll(BasePermission):
    message = "closed today"

    def has_permission(self, request, view):
        return False


class UpperCaseRenderer(JSONRenderer):
    def render(self, data):
        return super().render(data).upper()


class ReversingParser(JSONParser):
    def parse(self, frame):
        return super().parse(frame)[::-1]


HERE = "tests.compatibility.test_reported_faults"


async def test_a_setting_changed_after_a_class_was_defined_takes_effect() -> None:
    app = View.as_asgi()
    changes = {"DEFAULT_TEXT_RENDERER_CLASS": f"{HERE}.UpperCaseRenderer"}
    changes["DEFAULT_TEXT_PARSER_CLASS"] = f"{HERE}.ReversingParser"
    for settings, answer in [({}, "abc"), (changes, "CBA"), ({}, "abc")]:
        with override_settings(REST_CHANNELS=settings):
            async with SocketCommunicator(app) as socket:
                await socket.send_json("abc")
                await socket.expect_event(answer)


@override_settings(REST_CHANNELS={"MAX_FRAME_SIZE": 10})
async def test_limits_changed_after_a_class_was_defined_take_effect() -> None:
    async with SocketCommunicator(View.as_asgi()) as socket:
        await socket.send_json("x" * 20)
        await socket.expect_close(CloseCode.MESSAGE_TOO_BIG)


@pytest.mark.parametrize("cls", [View, Methods])
async def test_default_permissions_changed_after_a_class_was_defined_take_effect(cls) -> None:
    settings = {"DEFAULT_PERMISSION_CLASSES": [f"{HERE}.RejectAll"]}
    with override_settings(REST_CHANNELS=settings):
        async with SocketCommunicator(cls.as_asgi(), user=User(username="ada")) as socket:
            assert "closed today" in str(await socket.expect_event(status=403))
            await socket.expect_close(CloseCode.FORBIDDEN)


# Raw Channels: all synchronous code of a process runs in one thread (50 × 10 ms took 530 ms).

CONNECTIONS = 8


@pytest.mark.parametrize("way", ["def", "sync_to_async", "database_sync_to_async", "permission"])
async def test_synchronous_code_of_different_connections_runs_in_parallel(way) -> None:
    meeting = threading.Barrier(CONNECTIONS, timeout=5)

    class WaitForOthers(BasePermission):
        def has_permission(self, request, view):
            return bool(meeting.wait() + 1)

    class Sync(SocketView):
        def receive(self, request):
            meeting.wait()
            self.send_json("met")

    class Async(SocketView):
        async def receive(self, request):
            helper = {"sync_to_async": sync_to_async}.get(way, database_sync_to_async)
            await helper(meeting.wait)()
            self.send_json("met")

    class Guarded(SocketView):
        permission_classes = [WaitForOthers]

        async def connect(self, request):
            self.send_json("met")

    view = {"def": Sync, "permission": Guarded}.get(way, Async)
    sockets = [SocketCommunicator(view.as_asgi(), timeout=6) for _ in range(CONNECTIONS)]
    await asyncio.gather(*(socket.connect() for socket in sockets))
    for socket in sockets:
        if view is not Guarded:
            await socket.send_json(None)
    for socket in sockets:
        await socket.expect_event("met")
    await asyncio.gather(*(socket.disconnect() for socket in sockets))


async def test_a_def_handler_that_hangs_blocks_no_thread_of_other_connections() -> None:
    let_go = threading.Event()

    class Hung(SocketView):
        def receive(self, request):
            self.send_json("hanging")
            let_go.wait(5)

    async with SocketCommunicator(Hung.as_asgi()) as socket:
        await socket.send_json(None)
        await socket.expect_event("hanging")
        assert await asyncio.wait_for(sync_to_async(lambda: "fine")(), 1) == "fine"
        let_go.set()


# channels_redis, Celery: sending to a group from a thread fails, because its event loop is closed.


async def test_threads_with_short_lived_event_loops_can_send_to_a_group() -> None:
    def worker(number: int) -> None:
        async_to_sync(Group("room").asend)({"text": str(number)})
        asyncio.run(Group("room").asend({"text": str(number)}))
        Group("room").send({"text": str(number)})

    async with SocketCommunicator(Room.as_asgi()) as socket:
        for number in range(3):
            await asyncio.to_thread(worker, number)
            for _ in range(3):
                await socket.expect_event(number)


# Other systems: every application writes its own limits. Here limits are on by default.


@pytest.mark.parametrize(
    ("frames", "code"), [(["x" * 65 * 1024], CloseCode.MESSAGE_TOO_BIG), (["1"] * 1_100, 4429)]
)
async def test_frame_size_and_rate_are_limited_by_default(frames, code) -> None:
    async with SocketCommunicator(View.as_asgi()) as socket:
        for frame in frames:
            await socket.send_to(frame)
        await socket.expect_close(code)
