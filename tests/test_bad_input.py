"""Whatever a client sends: one answer in the dialect's shape, and the connection lives."""

import asyncio
import json
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


# The views under test: each answers a good frame with what it heard.


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


def routed(view):
    return issubclass(view, SocketRouteView)


def frame_for(view, data):
    """A good frame that says `data`."""
    return json.dumps({"method": "say", "data": data} if routed(view) else data)


def echoed(view, data):
    """The answer to it."""
    answer = {"echo": data}
    return {"method": "say", "data": answer, "status": 200} if routed(view) else answer


def strict(text):
    """The frame as a browser reads it."""
    assert isinstance(text, str)
    text.encode()
    return json.loads(text, parse_constant=no_constant)


def no_constant(name):
    raise AssertionError(f"{name} has left.")


async def send(socket, frame):
    if isinstance(frame, bytes):
        await socket.send_to(bytes_data=frame)
    else:
        await socket.send_to(frame)


async def answer(socket):
    return strict(await socket.receive_from())


async def assert_alive(view, socket):
    """A good frame is answered next: whatever was sent before had no second answer."""
    await socket.send_to(frame_for(view, "still there?"))
    assert await answer(socket) == echoed(view, "still there?")
    await socket.expect_nothing(0)


def assert_refusal(view, frame, status, **more):
    """`frame` is an error in the shape of the view's dialect."""
    assert type(frame) is dict
    assert frame["status"] == status
    assert frame.items() >= more.items()
    if routed(view):
        assert frame.keys() - {"request_id"} == {"method", "data", "status"}
        assert type(frame["data"]) is dict
    else:
        assert frame.keys() - {"request_id"} == {"detail", "status"}
        assert type(frame["detail"]) is str


@pytest.fixture(autouse=True)
def bad_input_leaves_no_traceback_in_the_log(request, caplog):
    """A handler's own error may: tests of those name `caplog`."""
    yield
    if "caplog" not in signature(request.function).parameters:
        assert [record.getMessage() for record in caplog.records if record.exc_info] == []


# What no parser takes

NO_JSON = [
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

BINARY = [
    b"", b"\x00", b"\xff", b"\xc3\x28", b"{}", b'{"method": "say"}', b"\x81\xa1a\x01",
    b"\xff" * 65_536,
    b'{"$ping": 1}',
]  # fmt: skip


@every_view
async def test_what_is_not_json_is_a_400_each_and_the_connection_lives(view) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        for frame in NO_JSON:
            await send(socket, frame)
            assert_refusal(view, await answer(socket), 400)
        await assert_alive(view, socket)


@every_view
async def test_what_is_nested_too_deep_is_a_400_each_and_the_connection_lives(view) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        for frame in TOO_DEEP:
            await send(socket, frame)
            assert_refusal(view, await answer(socket), 400)
            await assert_alive(view, socket)


@every_view
async def test_a_binary_frame_without_a_parser_is_a_400_and_the_connection_lives(view) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        for frame in BINARY:
            await send(socket, frame)
            assert_refusal(view, await answer(socket), 400)
            await assert_alive(view, socket)


@every_view
async def test_64_levels_are_not_too_deep(view) -> None:
    inner = json.loads("[" * 63 + "]" * 63)
    async with SocketCommunicator(view.as_asgi()) as socket:
        await socket.send_to(frame_for(view, inner))
        assert await answer(socket) == echoed(view, inner)


@every_view
async def test_a_message_with_neither_text_nor_bytes_is_a_400(view) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        await socket.send_to(None)
        assert_refusal(view, await answer(socket), 400)
        await assert_alive(view, socket)


# Names and values that a dialect does not take

NO_OBJECTS = [None, True, False, 0, -1.5, "", "say", [], [1], [{"method": "say"}], ["say", 1]]
NO_NAMES = [
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
methods = pytest.mark.parametrize("view", [SyncMethods, AsyncMethods])
others = pytest.mark.parametrize("view", [view for view in VIEWS if not routed(view)])


@methods
async def test_what_is_no_object_is_a_400_each_to_a_view_with_methods(view) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        for content in NO_OBJECTS:
            await socket.send_json(content)
            assert_refusal(view, await answer(socket), 400, method=None)
        await assert_alive(view, socket)


@others
async def test_what_is_no_object_is_content_like_any_other_without_a_dialect(view) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        for content in NO_OBJECTS:
            await socket.send_json(content)
            assert await answer(socket) == {"echo": content}


@methods
async def test_what_is_no_method_is_a_400_on_method(view) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        for name in NO_NAMES:
            await socket.send_json({"method": name, "data": {}})
            frame = await answer(socket)
            assert_refusal(view, frame, 400)
            assert frame["data"].keys() == {"method"}
            assert len(json.dumps(frame)) < 1_000
        await assert_alive(view, socket)


@methods
async def test_names_of_attributes_reach_nothing(view) -> None:
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
            frame = await answer(socket)
            assert_refusal(view, frame, 400, method=name, request_id=name)
            assert frame["data"].keys() == {"method"}
        await assert_alive(view, socket)


@others
async def test_names_of_attributes_are_content_like_any_other_without_a_dialect(view) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        for name in dir(view):
            content = {"type": name, "method": name, "action": name}
            await socket.send_json(content)
            assert await answer(socket) == {"echo": content}


KEYS = [
    "self", "request", "scope", "__class__", "kwargs", "args", "data", "content", "view", "cls",
    "call",
    "connection", "socket", "message", "text_data", "bytes_data", "code", "event", "handler",
    "user",
    "session", "state", "dialect", "routes", "close", "type", "action", "pk", "__init__",
    "__dict__",
    "path", "url_route", "data__in", "password__startswith", "status", "detail", "errors", "echo",
]  # fmt: skip


@every_view
async def test_keys_that_collide_are_content_and_nothing_more(view) -> None:
    content = dict.fromkeys(KEYS, "x")
    async with SocketCommunicator(view.as_asgi()) as socket:
        frame = {**content, "method": "say", "data": content} if routed(view) else content
        await socket.send_json(frame)
        assert await answer(socket) == echoed(view, content)
        for key in KEYS:
            frame = {"method": "say", key: "x"} if routed(view) else {key: "x"}
            await socket.send_json(frame)
            heard = frame.get("data") if routed(view) else frame
            assert await answer(socket) == echoed(view, heard)


@pytest.mark.parametrize("key", ["self", "request", "kwargs", "__class__"])
@every_view
async def test_keys_of_the_url_come_from_the_url_only(view, key) -> None:
    async with SocketCommunicator(view.as_asgi(), kwargs={}) as socket:
        await socket.send_json({"method": "say", "data": None, key: {"pk": 1}})
        assert (await answer(socket)).keys() & {"echo", "data"}


# Ids

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
async def test_a_refusal_comes_under_the_id_of_the_request_whatever_it_is(view) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        for request_id in IDS:
            await socket.send_json({"method": "fly", "request_id": request_id})
            frame = await answer(socket)
            assert_refusal(view, frame, 400 if routed(view) else 403)
            assert frame.get("request_id") == request_id
            assert type(frame.get("request_id")) is type(request_id)


PACKED_IDS = [None, 1, "a", b"a", b"\xff", [b"\xff"], {"a": b"\xff"}, msgpack.Timestamp(1, 2)]


@pytest.mark.parametrize("request_id", PACKED_IDS, ids=repr)
@pytest.mark.parametrize("kind", [Failing, AsyncMethods])
async def test_an_id_that_json_does_not_have_costs_nobody_the_answer(kind, request_id) -> None:
    view = kind.as_asgi(bytes_parser_class=MessagePackParser)
    async with SocketCommunicator(view) as socket:
        await send(socket, msgpack.packb({"method": "fly", "request_id": request_id}))
        frame = await answer(socket)
        assert frame["status"] in {400, 403}
        await socket.expect_nothing()


HOSTILE_PACKS = [
    b"", b"\xc1", b"\xff", b"\x91" * 60_000, b"\xdd\xff\xff\xff\xff", b"\xd4\x05\x00",
    b"\xcb\x7f\xf8" + b"\x00" * 6,
    b"\x81\xa1\xff\x01", b"\x81\x01\x02", b"\x92\x01", b"\x01\x02", b"\xc0", b"\x90",
    b'{"method": "say"}',
    b"\x81\xc4\x01a\x01", msgpack.packb({"method": b"say"}), msgpack.packb({b"method": "say"}),
    msgpack.packb(msgpack.Timestamp(1)),
    msgpack.packb({"method": "say", "data": msgpack.Timestamp(1)}),
]  # fmt: skip


@pytest.mark.parametrize("kind", [SyncMethods, AsyncMethods])
async def test_hostile_messagepack_is_a_400_each_and_the_connection_lives(kind) -> None:
    view = kind.as_asgi(bytes_parser_class=MessagePackParser)
    async with SocketCommunicator(view) as socket:
        for frame in HOSTILE_PACKS:
            await send(socket, frame)
            assert_refusal(kind, await answer(socket), 400)
            await assert_alive(kind, socket)


# Size and number


@pytest.mark.parametrize("frame", ["x" * 10_000_000, b"x" * 10_000_000, "x" * 65_537, "€" * 21_846])
@every_view
async def test_a_frame_that_is_too_big_closes_with_4413(view, frame) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        await send(socket, frame)
        await socket.expect_close(CloseCode.MESSAGE_TOO_BIG)


@every_view
async def test_a_frame_of_exactly_the_limit_is_handled(view) -> None:
    text = "x" * (65_536 - len(frame_for(view, "")))
    async with SocketCommunicator(view.as_asgi()) as socket:
        await socket.send_to(frame_for(view, text))
        assert await answer(socket) == echoed(view, text)


@every_view
async def test_of_a_thousand_frames_at_once_none_is_lost_and_the_order_stays(view) -> None:
    async with SocketCommunicator(view.as_asgi(), timeout=10) as socket:
        for number in range(1_000):
            await socket.send_to(frame_for(view, number))
        for number in range(1_000):
            assert await answer(socket) == echoed(view, number)
        await socket.expect_nothing(0)


@every_view
async def test_a_thousand_bad_frames_at_once_have_a_thousand_answers(view) -> None:
    async with SocketCommunicator(view.as_asgi(), timeout=10) as socket:
        for _number in range(1_000):
            await socket.send_to("{")
        for _number in range(1_000):
            assert_refusal(view, await answer(socket), 400)
        await socket.expect_nothing(0)


def hanging(kind):
    """A view whose handler hangs, what it set when it began, and how to let it go."""
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
async def test_more_than_a_thousand_frames_at_once_are_a_flood(kind, settle) -> None:
    view, began, release = hanging(kind)
    async with SocketCommunicator(view.as_asgi()) as socket:
        for number in range(1_030):
            await socket.send_json(number)
        await settle(began.is_set)
        await socket.expect_close(CloseCode.FLOOD)
        release.set()


@kinds
@override_settings(REST_CHANNELS=UNBOUNDED)
async def test_1024_frames_may_wait_and_the_next_is_a_flood(kind, settle) -> None:
    view, began, release = hanging(kind)
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
async def test_a_mebibyte_may_wait_and_more_is_a_flood(kind, settle) -> None:
    view, began, release = hanging(kind)
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


def types(messages):
    return [message["type"] for message in messages]


async def unread(view, frames, settle):
    """What the server sends to a client that says `frames` and begins to read afterwards."""
    incoming, sent = asyncio.Queue(), []
    accepted, reads = asyncio.Event(), asyncio.Event()

    async def send(message):
        if message["type"] == "websocket.accept":
            accepted.set()
        else:
            await reads.wait()
            sent.append(message)

    scope = SocketCommunicator(view).scope
    serving = asyncio.create_task(view(scope, incoming.get, send))
    incoming.put_nowait({"type": "websocket.connect"})
    await accepted.wait()
    for frame in frames:
        incoming.put_nowait({"type": "websocket.receive", "text": frame})
    await settle(lambda: serving.done() or incoming.empty())
    await asyncio.sleep(0.05)
    reads.set()
    await settle(lambda: serving.done() or len(sent) >= len(frames) or CLOSE in types(sent))
    incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await asyncio.wait_for(serving, 5)
    return sent


@pytest.mark.parametrize("frame", ["{", '{"$ping": 12345}', '{"method": "say", "data": 1}'])
@pytest.mark.parametrize("view", [AsyncMethods, SyncMethods, AsyncView, AsyncConsumer])
@override_settings(REST_CHANNELS={"OUTBOX_BYTES": 1_000})
async def test_who_asks_and_does_not_read_gets_every_answer_or_is_told_to_return(
    view, frame, settle
) -> None:
    sent = await unread(view.as_asgi(), [frame] * 200, settle)
    frames = [message for message in sent if message["type"] == "websocket.send"]
    closed = [message["code"] for message in sent if message["type"] == CLOSE]
    assert len(frames) == 200 or closed == [CloseCode.TOO_SLOW]


# What a handler's error tells

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
    core.SuspiciousOperation(MARK), core.FieldError(MARK), User.MultipleObjectsReturned(MARK),
    subprocess.CalledProcessError(1, [MARK], MARK, MARK), Chained(MARK), Unprintable(MARK),
    ValueError(f"{MARK} \ud800"), ValueError({"detail": MARK}), ValueError(MARK, 404), Exception(),
]  # fmt: skip


def raising(error):
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
async def test_a_handler_that_raises_is_a_500_that_tells_nothing(error, caplog) -> None:
    for view in raising(error):
        async with SocketCommunicator(view.as_asgi()) as socket:
            await socket.send_to(frame_for(view, "fail"))
            text = await socket.receive_from()
            assert_refusal(view, strict(text), 500)
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
            assert (await answer(socket)).keys() & {"echo", "data"}
            await socket.expect_nothing(0)
    assert len([record for record in caplog.records if record.exc_info]) == 4


@pytest.mark.parametrize("error", ERRORS, ids=name_of)
@override_settings(
    REST_CHANNELS={"DEBUG_ERRORS": True}, SECRET_KEY="hush-hush", SHOP_API_TOKEN="hush"
)
async def test_a_handler_that_raises_shows_its_traceback_where_debug_errors_is_on(
    error, caplog
) -> None:
    for view in raising(error):
        async with SocketCommunicator(view.as_asgi()) as socket:
            await socket.send_to(frame_for(view, "fail"))
            text = await socket.receive_from()
            frame = strict(text)
            shown = frame["data"] if routed(view) else frame
            assert frame["status"] == 500
            assert "Traceback (most recent call last)" in shown["traceback"]
            assert type(error).__name__ in shown["traceback"]
            assert "hush" not in text


async def test_a_handler_that_raises_because_its_own_task_was_cancelled_is_a_500(caplog) -> None:
    class Careless(SocketView):
        async def receive(self, request):
            task = asyncio.ensure_future(asyncio.sleep(10))
            task.cancel()
            await task

    async with SocketCommunicator(Careless.as_asgi()) as socket:
        for _time in range(2):
            await socket.send_to("1")
            assert_refusal(Careless, await answer(socket), 500)


@pytest.mark.parametrize(
    "error", [User.DoesNotExist(MARK), core.ObjectDoesNotExist(MARK), core.PermissionDenied(MARK)]
)
async def test_a_refusal_that_a_handler_raises_tells_nothing_either(error, caplog) -> None:
    for view in raising(error):
        async with SocketCommunicator(view.as_asgi()) as socket:
            await socket.send_to(frame_for(view, "fail"))
            text = await socket.receive_from()
            assert strict(text)["status"] in {403, 404, 500}
            assert MARK not in text


async def test_a_handler_that_raises_what_cannot_be_rendered_is_a_500(caplog) -> None:
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


class Odd(APIException):
    def __init__(self) -> None:
        self.detail = object()


REFUSALS = [ValidationError("\ud800"), ValidationError({"name": ["\udfff"]}), Odd()]


@pytest.mark.parametrize("error", REFUSALS, ids=range(3))
async def test_a_refusal_that_cannot_be_rendered_is_a_500(error, caplog) -> None:
    for view in raising(error):
        async with SocketCommunicator(view.as_asgi()) as socket:
            await socket.send_to(frame_for(view, "fail"))
            assert_refusal(view, await answer(socket), 500)


@pytest.mark.parametrize("error", REFUSALS, ids=range(3))
async def test_a_connect_that_is_refused_with_what_cannot_be_rendered_is_closed(
    error, caplog
) -> None:
    class Refused(SocketView):
        async def connect(self, request):
            raise error

    async with SocketCommunicator(Refused.as_asgi()) as socket:
        await socket.expect_close()


def failing_handler(error, invocation):
    raise LookupError(MARK)


@override_settings(REST_CHANNELS={"EXCEPTION_HANDLER": failing_handler})
async def test_an_exception_handler_of_ones_own_that_fails_is_a_500(caplog) -> None:
    async with SocketCommunicator(AsyncView.as_asgi()) as socket:
        await socket.send_to("{")
        assert_refusal(AsyncView, await answer(socket), 500)
        await assert_alive(AsyncView, socket)


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_connect_that_raises_tells_nothing(kind, caplog) -> None:
    class Sync(SocketView):
        def connect(self, request):
            raise ValueError(MARK)

    class Async(SocketView):
        async def connect(self, request):
            raise ValueError(MARK)

    async with SocketCommunicator((Sync if kind == "def" else Async).as_asgi()) as socket:
        text = await socket.receive_from()
        assert strict(text) == {"detail": "A server error occurred.", "status": 500}
        closing = await socket._next("a close")
        socket._in.put_nowait({"type": "websocket.disconnect", "code": closing["code"]})
        assert closing["code"] == 4500
        assert MARK not in str(closing)


# Fuzz


class Fuzz:
    """Frames from nowhere, the same ones every time."""

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
        place = self.random.randrange(len(text) + 1)
        return text[:place] + self.text()[:2] + text[place + self.random.randrange(3) :]


@every_view
@override_settings(REST_CHANNELS=UNBOUNDED)
async def test_3000_frames_from_nowhere_have_3000_answers_in_strict_json(view) -> None:
    fuzz = Fuzz(view.__name__)
    async with SocketCommunicator(view.as_asgi(), timeout=10) as socket:
        for _batch in range(15):
            for _frame in range(200):
                await send(socket, fuzz.frame())
            for _frame in range(200):
                frame = await answer(socket)
                assert "echo" in frame or "$pong" in frame or frame["status"] in {200, 400}
            await assert_alive(view, socket)


@pytest.mark.parametrize("kind", [SyncMethods, AsyncMethods])
@override_settings(REST_CHANNELS=UNBOUNDED)
async def test_3000_packs_from_nowhere_have_3000_answers_in_strict_json(kind) -> None:
    chance = random.Random(kind.__name__)
    fuzz = Fuzz(kind.__name__)
    view = kind.as_asgi(bytes_parser_class=MessagePackParser)
    async with SocketCommunicator(view, timeout=10) as socket:
        for _batch in range(15):
            for _frame in range(200):
                await send(socket, packed(fuzz, chance))
            for _frame in range(200):
                assert (await answer(socket))["status"] in {200, 400}
            await assert_alive(kind, socket)


def packed(fuzz, chance):
    value = {
        "method": "say",
        "data": chance.choice([1, None, "a", [1.5, {"b": []}]]),
        "request_id": fuzz.word(),
    }
    frame = bytearray(msgpack.packb(value))
    for _flip in range(chance.randrange(4)):
        frame[chance.randrange(len(frame))] = chance.randrange(256)
    return bytes(frame)
