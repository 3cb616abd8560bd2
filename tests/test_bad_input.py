"""Any frame gets one answer in the format of the dialect, and the connection stays open."""

import asyncio
import json
import logging
import os
import random
import sqlite3
import subprocess
import threading
from inspect import signature

import msgpack
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core import exceptions as core
from django.db import DatabaseError, IntegrityError, OperationalError
from django.test import override_settings
from rest_framework.exceptions import APIException, ValidationError

from rest_channels.consumers import SocketConsumer
from rest_channels.decorators import socket_route
from rest_channels.engine.connection import Connection
from rest_channels.exceptions import CloseCode
from rest_channels.parsers import MessagePackParser
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView, SocketView

UNBOUNDED = {"FRAME_RATE": None}

RANDOM_FRAMES = int(os.environ.get("RANDOM_FRAMES", "3000"))
"""How many random frames each view receives. `RANDOM_FRAMES=30000` takes a minute."""


# The views under test. Each answers a valid frame with its content.


class SyncView(SocketView):
    def receive(self, request, **kwargs):
        assert not kwargs
        self.send_json({"echo": request.data})


class AsyncView(SocketView):
    async def receive(self, request, **kwargs):
        assert not kwargs
        await self.send_json({"echo": request.data})


class SyncMethods(SocketRouteView):
    @socket_route
    def say(self, request, data, **kwargs):
        assert not kwargs
        return {"echo": data}


class AsyncMethods(SocketRouteView):
    @socket_route
    async def say(self, request, data, **kwargs):
        assert not kwargs
        return {"echo": data}


class SyncConsumer(SocketConsumer):
    def receive_json(self, content, **kwargs):
        assert not kwargs
        self.send_json({"echo": content})


class AsyncConsumer(SocketConsumer):
    async def receive_json(self, content, **kwargs):
        assert not kwargs
        await self.send_json({"echo": content})


VIEWS = [SyncView, AsyncView, SyncMethods, AsyncMethods, SyncConsumer, AsyncConsumer]
every_view = pytest.mark.parametrize("view", VIEWS)


def is_route_view(view):
    return issubclass(view, SocketRouteView)


def frame_for(view, data):
    """Return a valid frame with `data`."""
    return json.dumps({"method": "say", "data": data} if is_route_view(view) else data)


def echo_of(view, data):
    """Return the answer to a frame with `data`."""
    answer = {"echo": data}
    return {"method": "say", "data": answer, "status": 200} if is_route_view(view) else answer


def read_strictly(text):
    """Return the content of the frame as a browser reads it."""
    assert isinstance(text, str)
    text.encode()
    return json.loads(text, parse_constant=reject_constant)


def reject_constant(name):
    raise AssertionError(f"{name} is not strict JSON.")


async def send(socket, frame):
    if isinstance(frame, bytes):
        await socket.send_to(bytes_data=frame)
    else:
        await socket.send_to(frame)


async def receive_answer(socket):
    return read_strictly(await socket.receive_from())


async def assert_still_answers(view, socket):
    """Send a valid frame. Its answer must be next: no earlier frame gets a second answer."""
    await socket.send_to(frame_for(view, "are you there?"))
    assert await receive_answer(socket) == echo_of(view, "are you there?")
    await socket.expect_nothing(0)


def assert_refusal(view, frame, status, **expected):
    """Assert that `frame` is an error in the format of the view's dialect."""
    assert type(frame) is dict
    assert frame["status"] == status
    assert frame.items() >= expected.items()
    if is_route_view(view):
        assert frame.keys() - {"request_id"} == {"method", "data", "status"}
        assert type(frame["data"]) is dict
    else:
        assert frame.keys() - {"request_id"} == {"detail", "status"}
        assert type(frame["detail"]) is str


@pytest.fixture(autouse=True)
def bad_input_logs_no_traceback(request, caplog):
    """Fail if a test logs a traceback. Tests that use `caplog` may log one."""
    yield
    if "caplog" not in signature(request.function).parameters:
        assert [record.getMessage() for record in caplog.records if record.exc_info] == []


@pytest.fixture(autouse=True)
def escape_lone_surrogates_in_the_log(monkeypatch):
    """A worker of pytest-xdist would crash on a report whose log has such a character."""
    format_exception = logging.Formatter.formatException

    def format_escaped(self, exc_info):
        return format_exception(self, exc_info).encode(errors="backslashreplace").decode()

    monkeypatch.setattr(logging.Formatter, "formatException", format_escaped)


# Frames that no parser accepts

INVALID_JSON = [
    "", " ", "hello", "{", "}", "[", '{"a":', '{"a":1,}', "{a:1}", "{'a':1}", "'a'", '"a', '"\x01"',
    "01", "+1", ".5", "1.", "0x10", "nul", "None", "True", "undefined", "1 2", "{}{}", "// a\n1",
    "\ufeff{}", "<xml/>", "\x00", "NaN", "-Infinity", '{"method": "say", "data": NaN}',
    "[Infinity]",
    '{"request_id": NaN}', "1e999", "[-1e999]", "1" * 5_000, '{"data": -%s}' % ("9" * 5_000),
    '"\\ud800"', '{"\\udc00": 1}', '"\ud800"', "\udfff", '{"method": "say", "data": "\ud83d"}',
    '{"$ping": NaN}', '{"$ping": ', '{"$ping": 1e999}', '"$ping"}',
]  # fmt: skip

TOO_DEEP = [
    "[" * 32_000 + "]" * 32_000,
    "[" * 65_536,
    '{"a":' * 8_000 + "1" + "}" * 8_000,
    '{"a":' * 13_000,
    "[" * 65 + "]" * 65,
    '{"method": "say", "data": ' + "[" * 64 + "]" * 64 + "}",
    '{"method": "say", "request_id": ' + "[" * 64 + "]" * 64 + "}",
]

BINARY_FRAMES = [
    b"", b"\x00", b"\xff", b"\xc3\x28", b"{}", b'{"method": "say"}', b"\x81\xa1a\x01",
    b"\xff" * 65_536,
    b'{"$ping": 1}',
]  # fmt: skip


@every_view
async def test_every_invalid_json_frame_is_answered_with_a_400(view) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        for frame in INVALID_JSON:
            await send(socket, frame)
            assert_refusal(view, await receive_answer(socket), 400)
        await assert_still_answers(view, socket)


@every_view
async def test_every_frame_that_is_nested_too_deep_is_answered_with_a_400(view) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        for frame in TOO_DEEP:
            await send(socket, frame)
            assert_refusal(view, await receive_answer(socket), 400)
            await assert_still_answers(view, socket)


@every_view
async def test_every_binary_frame_without_a_parser_is_answered_with_a_400(view) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        for frame in BINARY_FRAMES:
            await send(socket, frame)
            assert_refusal(view, await receive_answer(socket), 400)
            await assert_still_answers(view, socket)


@every_view
async def test_a_frame_with_64_levels_of_nesting_is_handled(view) -> None:
    inner = json.loads("[" * 63 + "]" * 63)
    async with SocketCommunicator(view.as_asgi()) as socket:
        await socket.send_to(frame_for(view, inner))
        assert await receive_answer(socket) == echo_of(view, inner)


@every_view
async def test_a_message_with_neither_text_nor_bytes_is_answered_with_a_400(view) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        await socket.send_to(None)
        assert_refusal(view, await receive_answer(socket), 400)
        await assert_still_answers(view, socket)


# Names and values that a dialect rejects

NOT_OBJECTS = [None, True, False, 0, -1.5, "", "say", [], [1], [{"method": "say"}], ["say", 1]]
INVALID_NAMES = [
    None,
    True,
    0,
    5.5,
    "",
    [],
    ["say"],
    {},
    {"say": 1},
    "x" * 257,
    "x" * 60_000,
    " say",
    "SAY",
]
route_views = pytest.mark.parametrize("view", [SyncMethods, AsyncMethods])
other_views = pytest.mark.parametrize("view", [view for view in VIEWS if not is_route_view(view)])


@route_views
async def test_a_route_view_answers_a_frame_that_is_not_an_object_with_a_400(view) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        for content in NOT_OBJECTS:
            await socket.send_json(content)
            assert_refusal(view, await receive_answer(socket), 400, method=None)
        await assert_still_answers(view, socket)


@other_views
async def test_a_view_without_a_dialect_handles_a_frame_that_is_not_an_object(view) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        for content in NOT_OBJECTS:
            await socket.send_json(content)
            assert await receive_answer(socket) == {"echo": content}


@route_views
async def test_a_route_view_answers_an_invalid_method_with_a_400(view) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        for name in INVALID_NAMES:
            await socket.send_json({"method": name, "data": {}})
            frame = await receive_answer(socket)
            assert_refusal(view, frame, 400)
            assert frame["data"].keys() == {"method"}
            assert len(json.dumps(frame)) < 1_000
        await assert_still_answers(view, socket)


@route_views
async def test_a_route_view_never_calls_attributes_that_are_not_routes(view) -> None:
    names = {
        *dir(view),
        *dir(view()),
        *vars(SocketConsumer),
        *dir(object),
        *dir(dict),
        *dir(Connection),
    }
    names |= {f"{name}.__call__" for name in ("say", "receive")} | {"__globals__", "request.user"}
    async with SocketCommunicator(view.as_asgi()) as socket:
        for name in sorted(names - {"say"}):
            await socket.send_json({"method": name, "data": {}, "request_id": name})
            frame = await receive_answer(socket)
            assert_refusal(view, frame, 400, method=name, request_id=name)
            assert frame["data"].keys() == {"method"}
        await assert_still_answers(view, socket)


@other_views
async def test_a_view_without_a_dialect_handles_names_of_attributes_as_content(view) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        for name in dir(view):
            content = {"type": name, "method": name, "action": name}
            await socket.send_json(content)
            assert await receive_answer(socket) == {"echo": content}


PARAMETER_NAMES = [
    "self", "request", "scope", "__class__", "kwargs", "args", "data", "content", "view", "cls",
    "call",
    "connection", "socket", "message", "text_data", "bytes_data", "code", "event", "handler",
    "user",
    "session", "state", "dialect", "routes", "close", "type", "action", "pk", "__init__",
    "__dict__",
    "path", "url_route", "data__in", "password__startswith", "status", "detail", "errors", "echo",
]  # fmt: skip


@every_view
async def test_keys_that_are_names_of_parameters_are_handled_as_content(view) -> None:
    content = dict.fromkeys(PARAMETER_NAMES, "x")
    async with SocketCommunicator(view.as_asgi()) as socket:
        frame = {**content, "method": "say", "data": content} if is_route_view(view) else content
        await socket.send_json(frame)
        assert await receive_answer(socket) == echo_of(view, content)
        for key in PARAMETER_NAMES:
            frame = {"method": "say", key: "x"} if is_route_view(view) else {key: "x"}
            await socket.send_json(frame)
            data = frame.get("data") if is_route_view(view) else frame
            assert await receive_answer(socket) == echo_of(view, data)


@pytest.mark.parametrize("key", ["self", "request", "kwargs", "__class__"])
@every_view
async def test_the_arguments_of_the_url_do_not_come_from_a_frame(view, key) -> None:
    async with SocketCommunicator(view.as_asgi(), kwargs={}) as socket:
        await socket.send_json({"method": "say", "data": None, key: {"pk": 1}})
        assert (await receive_answer(socket)).keys() & {"echo", "data"}


# Request ids

IDS = [
    None,
    True,
    False,
    0,
    1,
    -1.5,
    2**53 + 1,
    "",
    "id",
    "x" * 60_000,
    [],
    [1, [2]],
    {},
    {"a": None},
]


class Failing(SocketView):
    async def receive(self, request):
        _ = request.data
        raise core.PermissionDenied


class FailingSync(SocketView):
    def receive(self, request):
        raise core.PermissionDenied


class FailingConsumer(SocketConsumer):
    async def receive_json(self, content):
        raise core.PermissionDenied


@pytest.mark.parametrize("view", [Failing, FailingSync, FailingConsumer, SyncMethods, AsyncMethods])
async def test_a_refusal_repeats_the_request_id_of_any_type(view) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        for request_id in IDS:
            await socket.send_json({"method": "fly", "request_id": request_id})
            frame = await receive_answer(socket)
            assert_refusal(view, frame, 400 if is_route_view(view) else 403)
            assert frame.get("request_id") == request_id
            assert type(frame.get("request_id")) is type(request_id)


MESSAGEPACK_IDS = [None, 1, "a", b"a", b"\xff", [b"\xff"], {"a": b"\xff"}, msgpack.Timestamp(1, 2)]


@pytest.mark.parametrize("request_id", MESSAGEPACK_IDS, ids=repr)
@pytest.mark.parametrize("kind", [Failing, AsyncMethods])
async def test_a_request_id_that_json_does_not_have_still_gets_an_answer(kind, request_id) -> None:
    view = kind.as_asgi(bytes_parser_class=MessagePackParser)
    async with SocketCommunicator(view) as socket:
        await send(socket, msgpack.packb({"method": "fly", "request_id": request_id}))
        frame = await receive_answer(socket)
        assert frame["status"] in {400, 403}
        await socket.expect_nothing()


MALFORMED_MESSAGEPACK = [
    b"", b"\xc1", b"\xff", b"\x91" * 60_000, b"\xdd\xff\xff\xff\xff", b"\xd4\x05\x00",
    b"\xcb\x7f\xf8" + b"\x00" * 6,
    b"\x81\xa1\xff\x01", b"\x81\x01\x02", b"\x92\x01", b"\x01\x02", b"\xc0", b"\x90",
    b'{"method": "say"}',
    b"\x81\xc4\x01a\x01", msgpack.packb({"method": b"say"}), msgpack.packb({b"method": "say"}),
    msgpack.packb(msgpack.Timestamp(1)),
    msgpack.packb({"method": "say", "data": msgpack.Timestamp(1)}),
]  # fmt: skip


@pytest.mark.parametrize("kind", [SyncMethods, AsyncMethods])
async def test_every_malformed_messagepack_frame_is_answered_with_a_400(kind) -> None:
    view = kind.as_asgi(bytes_parser_class=MessagePackParser)
    async with SocketCommunicator(view) as socket:
        for frame in MALFORMED_MESSAGEPACK:
            await send(socket, frame)
            assert_refusal(kind, await receive_answer(socket), 400)
            await assert_still_answers(kind, socket)


# Size and number


@pytest.mark.parametrize("frame", ["x" * 10_000_000, b"x" * 10_000_000, "x" * 65_537, "€" * 21_846])
@every_view
async def test_a_frame_that_is_too_large_closes_the_connection_with_4413(view, frame) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        await send(socket, frame)
        await socket.expect_close(CloseCode.MESSAGE_TOO_BIG)


@every_view
async def test_a_frame_of_exactly_the_maximum_size_is_handled(view) -> None:
    text = "x" * (65_536 - len(frame_for(view, "")))
    async with SocketCommunicator(view.as_asgi()) as socket:
        await socket.send_to(frame_for(view, text))
        assert await receive_answer(socket) == echo_of(view, text)


@every_view
async def test_a_thousand_frames_at_once_are_all_answered_in_order(view) -> None:
    async with SocketCommunicator(view.as_asgi(), timeout=10) as socket:
        for number in range(1_000):
            await socket.send_to(frame_for(view, number))
        for number in range(1_000):
            assert await receive_answer(socket) == echo_of(view, number)
        await socket.expect_nothing(0)


@every_view
async def test_a_thousand_invalid_frames_at_once_get_a_thousand_answers(view) -> None:
    async with SocketCommunicator(view.as_asgi(), timeout=10) as socket:
        for _number in range(1_000):
            await socket.send_to("{")
        for _number in range(1_000):
            assert_refusal(view, await receive_answer(socket), 400)
        await socket.expect_nothing(0)


def hanging_view(kind):
    """Return a view whose handler hangs, an event set when it begins, and one to end it."""
    began, release = threading.Event(), threading.Event()

    class Sync(SocketView):
        def receive(self, request):
            began.set()
            release.wait(10)

    class Async(SocketView):
        async def receive(self, request):
            began.set()
            await asyncio.sleep(10)

    class Consumer(SocketConsumer):
        async def receive_json(self, content):
            began.set()
            await asyncio.sleep(10)

    return {"def": Sync, "async def": Async, "consumer": Consumer}[kind], began, release


kinds = pytest.mark.parametrize("kind", ["def", "async def", "consumer"])


@kinds
async def test_more_than_a_thousand_frames_at_once_close_the_connection(kind, settle) -> None:
    view, began, release = hanging_view(kind)
    async with SocketCommunicator(view.as_asgi()) as socket:
        await socket.send_json(0)
        await settle(began.is_set)  # else the close may come before a thread is free
        for number in range(1_030):
            await socket.send_json(number)
        await socket.expect_close(CloseCode.FLOOD)
        release.set()


@kinds
@override_settings(REST_CHANNELS=UNBOUNDED)
async def test_the_server_queues_1024_frames_and_closes_the_connection_at_the_next(
    kind, settle
) -> None:
    view, began, release = hanging_view(kind)
    async with SocketCommunicator(view.as_asgi()) as socket:
        await socket.send_json(0)
        await settle(began.is_set)
        for number in range(1_024):
            await socket.send_json(number)
        await socket.expect_nothing()
        await socket.send_json("one too many")
        await socket.expect_close(CloseCode.FLOOD)
        release.set()


@kinds
async def test_the_server_queues_one_mebibyte_and_closes_the_connection_after_it(
    kind, settle
) -> None:
    view, began, release = hanging_view(kind)
    async with SocketCommunicator(view.as_asgi()) as socket:
        await socket.send_json(0)
        await settle(began.is_set)
        for _number in range(16):
            await socket.send_to('"' + "x" * 65_534 + '"')
        await socket.expect_nothing()
        await socket.send_to("1")
        await socket.expect_close(CloseCode.FLOOD)
        release.set()


# A client that does not read


CLOSE = "websocket.close"


def types_of(messages):
    return [message["type"] for message in messages]


async def messages_to_slow_client(view, frames, settle):
    """Return what the server sends to a client that sends `frames` before it begins to read."""
    incoming, sent = asyncio.Queue(), []
    accepted, may_read = asyncio.Event(), asyncio.Event()

    async def send(message):
        if message["type"] == "websocket.accept":
            accepted.set()
        else:
            await may_read.wait()
            sent.append(message)

    scope = SocketCommunicator(view).scope
    serving = asyncio.create_task(view(scope, incoming.get, send))
    incoming.put_nowait({"type": "websocket.connect"})
    await accepted.wait()
    for frame in frames:
        incoming.put_nowait({"type": "websocket.receive", "text": frame})
    await settle(lambda: serving.done() or incoming.empty())
    await asyncio.sleep(0.05)
    may_read.set()
    await settle(lambda: serving.done() or len(sent) >= len(frames) or CLOSE in types_of(sent))
    incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await asyncio.wait_for(serving, 5)
    return sent


@pytest.mark.parametrize("frame", ["{", '{"$ping": 12345}', '{"method": "say", "data": 1}'])
@pytest.mark.parametrize("view", [AsyncMethods, SyncMethods, AsyncView, AsyncConsumer])
@override_settings(REST_CHANNELS={"OUTBOX_BYTES": 1_000})
async def test_a_slow_client_receives_every_answer_or_is_closed(view, frame, settle) -> None:
    sent = await messages_to_slow_client(view.as_asgi(), [frame] * 200, settle)
    frames = [message for message in sent if message["type"] == "websocket.send"]
    close_codes = [message["code"] for message in sent if message["type"] == CLOSE]
    assert len(frames) == 200 or close_codes == [CloseCode.TOO_SLOW]


# Error frames for errors of a handler

MARK = "MARKER-4711"


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError(MARK)

    __repr__ = __str__


class Chained(Exception):
    def __init__(self, text) -> None:
        super().__init__(text)
        self.add_note(text)
        self.__cause__ = ValueError(text)


ERRORS = [
    ValueError(MARK), TypeError(MARK), KeyError(MARK), IndexError(MARK), AttributeError(MARK),
    LookupError(MARK), ZeroDivisionError(MARK), RuntimeError(MARK), NotImplementedError(MARK),
    RecursionError(MARK), MemoryError(MARK), OSError(5, MARK),
    FileNotFoundError(2, MARK, f"/etc/{MARK}"),
    PermissionError(13, MARK), ConnectionResetError(MARK), TimeoutError(MARK), AssertionError(MARK),
    ImportError(MARK, name=MARK, path=f"/{MARK}.py"), NameError(MARK), EOFError(MARK),
    StopIteration(MARK),
    StopAsyncIteration(MARK), UnicodeDecodeError("utf-8", MARK.encode(), 0, 1, MARK),
    UnicodeEncodeError("ascii", MARK, 0, 1, MARK), SyntaxError(MARK),
    ExceptionGroup(MARK, [ValueError(MARK)]),
    json.JSONDecodeError(MARK, MARK, 0), sqlite3.OperationalError(MARK), OperationalError(MARK),
    IntegrityError(MARK), DatabaseError(MARK), core.ImproperlyConfigured(MARK),
    core.ValidationError(MARK),
    core.FieldError(MARK), User.MultipleObjectsReturned(MARK),
    subprocess.CalledProcessError(1, [MARK], MARK, MARK), Chained(MARK), Unprintable(MARK),
    ValueError(f"{MARK} \ud800"), ValueError({"detail": MARK}), ValueError(MARK, 404), Exception(),
]  # fmt: skip


def views_raising(error):
    class Sync(SocketView):
        def receive(self, request):
            secret = settings.SECRET_KEY
            if request.data == "fail":
                raise error
            self.send_json({"echo": request.data, "known": bool(secret)})

    class Async(SocketView):
        async def receive(self, request):
            secret = settings.SECRET_KEY
            if request.data == "fail":
                raise error
            self.send_json({"echo": request.data, "known": bool(secret)})

    class Methods(SocketRouteView):
        @socket_route
        async def say(self, request, data):
            if data == "fail":
                raise error
            return data

    class Consumer(SocketConsumer):
        def receive_json(self, content):
            if content == "fail":
                raise error
            self.send_json({"echo": content})

    return [Sync, Async, Methods, Consumer]


def name_of(error):
    return f"{type(error).__name__}-{ERRORS.index(error)}"


@pytest.mark.parametrize("error", ERRORS, ids=name_of)
async def test_an_error_of_a_handler_gives_a_500_that_reveals_nothing(error, caplog) -> None:
    for view in views_raising(error):
        async with SocketCommunicator(view.as_asgi()) as socket:
            await socket.send_to(frame_for(view, "fail"))
            text = await socket.receive_from()
            assert_refusal(view, read_strictly(text), 500)
            leaks = [
                MARK,
                type(error).__name__,
                "Traceback",
                ".py",
                view.__name__,
                __name__,
                "only for",
            ]
            assert [leak for leak in leaks if leak in text] == []
            await socket.send_to(frame_for(view, "fine"))
            assert (await receive_answer(socket)).keys() & {"echo", "data"}
            await socket.expect_nothing(0)
    assert len([record for record in caplog.records if record.exc_info]) == 4


@pytest.mark.parametrize("error", ERRORS, ids=name_of)
@override_settings(
    REST_CHANNELS={"DEBUG_ERRORS": True}, SECRET_KEY="hush-hush", SHOP_API_TOKEN="hush"
)
async def test_an_error_of_a_handler_shows_its_traceback_in_debug_mode(error, caplog) -> None:
    for view in views_raising(error):
        async with SocketCommunicator(view.as_asgi()) as socket:
            await socket.send_to(frame_for(view, "fail"))
            text = await socket.receive_from()
            frame = read_strictly(text)
            error_content = frame["data"] if is_route_view(view) else frame
            assert frame["status"] == 500
            assert "Traceback (most recent call last)" in error_content["traceback"]
            assert type(error).__name__ in error_content["traceback"]
            assert "hush" not in text


async def test_a_handler_whose_own_task_was_cancelled_gives_a_500(caplog) -> None:
    class AwaitCancelledTask(SocketView):
        async def receive(self, request):
            task = asyncio.ensure_future(asyncio.sleep(10))
            task.cancel()
            await task

    async with SocketCommunicator(AwaitCancelledTask.as_asgi()) as socket:
        for _time in range(2):
            await socket.send_to("1")
            assert_refusal(AwaitCancelledTask, await receive_answer(socket), 500)


@pytest.mark.parametrize(
    "error", [User.DoesNotExist(MARK), core.ObjectDoesNotExist(MARK), core.PermissionDenied(MARK)]
)
async def test_a_refusal_that_a_handler_raises_reveals_nothing(error, caplog) -> None:
    for view in views_raising(error):
        async with SocketCommunicator(view.as_asgi()) as socket:
            await socket.send_to(frame_for(view, "fail"))
            text = await socket.receive_from()
            assert read_strictly(text)["status"] in {403, 404, 500}
            assert MARK not in text


async def test_a_result_that_cannot_be_rendered_gives_a_500(caplog) -> None:
    class Answering(SocketRouteView):
        @socket_route
        async def say(self, request, data):
            return {"object": object()} if data == "fail" else data

        @socket_route
        async def whisper(self, request, data):
            return "\ud800"

    async with SocketCommunicator(Answering.as_asgi()) as socket:
        for name, data in (("say", "fail"), ("whisper", None)):
            call = await socket.call(name, data)
            await socket.expect_reply(call, status=500, data={"detail": "A server error occurred."})
        await socket.expect_reply(await socket.call("say", 1), data=1, status=200)


class Unrenderable(APIException):
    def __init__(self) -> None:
        self.detail = object()


REFUSALS = [ValidationError("\ud800"), ValidationError({"name": ["\udfff"]}), Unrenderable()]


@pytest.mark.parametrize("error", REFUSALS, ids=range(3))
async def test_a_refusal_that_cannot_be_rendered_gives_a_500(error, caplog) -> None:
    for view in views_raising(error):
        async with SocketCommunicator(view.as_asgi()) as socket:
            await socket.send_to(frame_for(view, "fail"))
            assert_refusal(view, await receive_answer(socket), 500)


@pytest.mark.parametrize("error", REFUSALS, ids=range(3))
async def test_a_connect_with_an_unrenderable_refusal_is_closed(error, caplog) -> None:
    class Refused(SocketView):
        async def connect(self, request):
            raise error

    async with SocketCommunicator(Refused.as_asgi()) as socket:
        await socket.expect_close()


def failing_handler(error, invocation):
    raise LookupError(MARK)


@override_settings(REST_CHANNELS={"EXCEPTION_HANDLER": failing_handler})
async def test_an_exception_handler_that_raises_an_error_gives_a_500(caplog) -> None:
    async with SocketCommunicator(AsyncView.as_asgi()) as socket:
        await socket.send_to("{")
        assert_refusal(AsyncView, await receive_answer(socket), 500)
        await assert_still_answers(AsyncView, socket)


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_an_error_while_connecting_reveals_nothing(kind, caplog) -> None:
    class Sync(SocketView):
        def connect(self, request):
            raise ValueError(MARK)

    class Async(SocketView):
        async def connect(self, request):
            raise ValueError(MARK)

    async with SocketCommunicator((Sync if kind == "def" else Async).as_asgi()) as socket:
        text = await socket.receive_from()
        assert read_strictly(text) == {"detail": "A server error occurred.", "status": 500}
        closing = await socket._next("a close")
        socket._to_application.put_nowait({"type": "websocket.disconnect", "code": closing["code"]})
        assert closing["code"] == 4500
        assert MARK not in str(closing)


# Random frames


class RandomFrames:
    """Random frames, the same ones in every run."""

    WORDS = [
        "say",
        "method",
        "data",
        "request_id",
        "$ping",
        "self",
        "__class__",
        "",
        "ä",
        "\u0000",
        "😀",
    ]
    NOISE = '{}[]",:\\u0123456789eE+-.tfn $pingNaI\x00\x1f\ud800é€😀'

    def __init__(self, seed) -> None:
        self.random = random.Random(seed)

    def value(self, depth=0):
        kind = self.random.randrange(9 if depth < 4 else 6)
        if kind < 6:
            number = self.random.choice(
                [0, -1, 1.5, 2**53, 2**63, 2**64, 1e308, 10**30, float("nan"), float("inf")]
            )
            return self.random.choice([None, True, number, self.word(), self.text(), ""])
        size = self.random.randrange(4)
        if kind == 6:
            return [self.value(depth + 1) for _ in range(size)]
        return {self.word(): self.value(depth + 1) for _ in range(size)}

    def word(self):
        return self.random.choice(self.WORDS)

    def text(self):
        return "".join(self.random.choices(self.NOISE, k=self.random.randrange(20)))

    def frame(self):
        kind = self.random.randrange(6)
        if kind == 0:
            return self.text()
        if kind == 1:
            return self.random.randbytes(self.random.randrange(30))
        if kind == 2:
            return json.dumps({"method": "say", "data": self.value(), "request_id": self.value()})
        text = json.dumps(self.value(), ensure_ascii=self.random.random() < 0.5)
        if kind == 3:
            return self.mutated(text)
        if kind == 4:
            return self.mutated(json.dumps({"method": "say", "data": self.value()}))
        return text

    def mutated(self, text):
        position = self.random.randrange(len(text) + 1)
        return text[:position] + self.text()[:2] + text[position + self.random.randrange(3) :]


@every_view
@override_settings(REST_CHANNELS=UNBOUNDED)
async def test_each_random_frame_gets_an_answer_in_strict_json(view) -> None:
    frames = RandomFrames(view.__name__)
    async with SocketCommunicator(view.as_asgi(), timeout=10) as socket:
        for _batch in range(RANDOM_FRAMES // 200):
            for _frame in range(200):
                await send(socket, frames.frame())
            for _frame in range(200):
                frame = await receive_answer(socket)
                assert "echo" in frame or "$pong" in frame or frame["status"] in {200, 400}
            await assert_still_answers(view, socket)


@pytest.mark.parametrize("kind", [SyncMethods, AsyncMethods])
@override_settings(REST_CHANNELS=UNBOUNDED)
async def test_each_random_messagepack_frame_gets_an_answer_in_strict_json(kind) -> None:
    rng = random.Random(kind.__name__)
    frames = RandomFrames(kind.__name__)
    view = kind.as_asgi(bytes_parser_class=MessagePackParser)
    async with SocketCommunicator(view, timeout=10) as socket:
        for _batch in range(RANDOM_FRAMES // 200):
            for _frame in range(200):
                await send(socket, random_messagepack(frames, rng))
            for _frame in range(200):
                assert (await receive_answer(socket))["status"] in {200, 400}
            await assert_still_answers(kind, socket)


def random_messagepack(frames, rng):
    value = {
        "method": "say",
        "data": rng.choice([1, None, "a", [1.5, {"b": []}]]),
        "request_id": frames.word(),
    }
    frame = bytearray(msgpack.packb(value))
    for _flip in range(rng.randrange(4)):
        frame[rng.randrange(len(frame))] = rng.randrange(256)
    return bytes(frame)
