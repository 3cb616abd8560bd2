"""`Multiplexer`: many consumers on one WebSocket, each with its own permissions and end."""

import asyncio
from unittest.mock import patch

import pytest
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import IsAdminUser

from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer
from rest_channels.decorators import action
from rest_channels.exceptions import CloseCode
from rest_channels.groups import Group
from rest_channels.multiplexer import Multiplexer
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

pytestmark = pytest.mark.django_db(
    transaction=True
)  # a plain consumer closes old database connections


class People(AsyncAPIConsumer):
    groups = ["people"]

    @action()
    async def greet(self, name):
        return f"hello {name}", 200

    @action()
    async def leave(self):
        await self.close(4001, "Enough of people.")


class Echo(SocketView):
    def receive(self, request):
        self.send_json(request.data)


class Plain(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content):
        await self.send_json({"plain": content, "stream": self.scope["stream"]})


class Closed(AsyncAPIConsumer):
    permission_classes = [IsAdminUser]


class Refusing(SocketConsumer):
    def connect(self):
        raise PermissionDenied("Not you.")


STREAMS = {"people": People.as_asgi(), "echo": Echo.as_asgi(), "plain": Plain.as_asgi()}


def client(**streams):
    return SocketCommunicator(Multiplexer(STREAMS, **streams))


async def reply_of(socket, stream, payload):
    await socket.send_json({"stream": stream, "payload": payload})
    frame = await socket.receive_json()
    assert frame["stream"] == stream
    return frame["payload"]


async def test_a_frame_reaches_its_stream_and_the_answer_comes_from_it() -> None:
    async with client() as socket:
        answer = await reply_of(
            socket, "people", {"action": "greet", "name": "ada", "request_id": 1}
        )
        assert answer == {
            "errors": [],
            "data": "hello ada",
            "action": "greet",
            "response_status": 200,
            "request_id": 1,
        }
        assert await reply_of(socket, "echo", [1, {"a": None}]) == [1, {"a": None}]
        assert await reply_of(socket, "plain", 7) == {"plain": 7, "stream": "plain"}


async def test_a_group_message_is_sent_in_the_stream_of_the_member() -> None:
    async with client() as socket:
        await Group("people").asend({"text": '{"news": 1}'})
        assert await socket.receive_json() == {"stream": "people", "payload": {"news": 1}}
        await Group("people").asend({"text": "no json"})
        assert await socket.receive_json() == {"stream": "people", "payload": "no json"}
        await Group("people").asend({"bytes": b"\xff"})
        assert await socket.receive_json() == {"stream": "people", "payload": "ff"}


async def test_an_unknown_stream_is_an_error_under_the_id_of_the_frame() -> None:
    async with client() as socket:
        refused = await reply_of(socket, "unknown", {"action": "greet", "request_id": 7})
        assert (refused["response_status"], refused["request_id"]) == (404, 7)
        assert refused["errors"] == ["There is no stream 'unknown'."]
        assert await reply_of(socket, "echo", 1) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"stream": 7}', '{"payload": 1}', "[" * 99])
async def test_a_frame_that_names_no_stream_is_a_400_and_the_connection_stays_open(text) -> None:
    async with client() as socket:
        await socket.send_to(text)
        frame = await socket.receive_json()
        assert (frame["stream"], frame["payload"]["response_status"]) == (None, 400)
        assert await reply_of(socket, "echo", 1) == 1


async def test_a_stream_that_closes_does_not_close_other_streams() -> None:
    async with client() as socket:
        ended = await reply_of(socket, "people", {"action": "leave"})
        assert (ended["errors"], ended["response_status"]) == (["Enough of people."], 410)
        refused = await reply_of(socket, "people", {"action": "greet", "request_id": 2})
        assert (refused["response_status"], refused["request_id"]) == (410, 2)
        assert await reply_of(socket, "echo", 1) == 1


async def test_a_refused_stream_does_not_refuse_other_streams() -> None:
    async with client(closed=Closed.as_asgi(), no=Refusing.as_asgi()) as socket:
        payloads = {"closed": [], "no": []}
        for _ in range(3):
            frame = await socket.receive_json()
            payloads[frame["stream"]].append(frame["payload"])
        assert payloads["no"][0] == {"detail": "Not you.", "status": 403}
        assert (payloads["no"][1]["errors"], payloads["no"][1]["response_status"]) == (
            ["Not you."],
            403,
        )
        assert payloads["closed"][0]["response_status"] == 403
        assert (await reply_of(socket, "closed", {}))["response_status"] == 403
        assert await reply_of(socket, "echo", 1) == 1


async def test_a_connection_closes_with_its_last_stream() -> None:
    socket = SocketCommunicator(Multiplexer(people=People.as_asgi()))
    await socket.connect()
    await socket.send_json({"stream": "people", "payload": {"action": "leave"}})
    await socket.expect_close(4001)
    await socket.disconnect()


async def test_a_connection_whose_streams_are_all_refused_is_refused() -> None:
    socket = SocketCommunicator(Multiplexer(closed=Closed.as_asgi()))
    assert await socket.connect() == (False, 1000)
    await socket.disconnect()


async def test_an_error_in_one_stream_leaves_the_others_open(caplog) -> None:
    async def broken(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        raise ValueError

    async with client(broken=broken) as socket:
        ended = await reply_of(socket, "broken", 1)
        assert (ended["response_status"], ended["errors"]) == (500, ["The stream is closed."])
        assert "The stream 'broken' failed." in caplog.text
        assert await reply_of(socket, "echo", 1) == 1


@pytest.mark.parametrize("error", [SystemExit(), asyncio.CancelledError(), BaseException()])
async def test_a_stream_that_exits_does_not_end_the_process(error) -> None:
    async def exiting(scope, receive, send):
        await receive()
        raise error

    async with client(exiting=exiting) as socket:
        while (frame := await socket.receive_json())["stream"] != "exiting":
            pass
        assert frame["payload"]["response_status"] == 500
        assert await reply_of(socket, "echo", 1) == 1


async def test_frames_to_a_stream_that_is_still_connecting_wait_for_it() -> None:
    going_on = asyncio.Event()

    class Slow(Echo):
        async def connect(self, request):
            await going_on.wait()
            if request.scope["path"] == "/no/":
                raise PermissionDenied

    for path, expected in {"/": 7, "/no/": 403}.items():
        going_on.clear()
        streams = {"fast": Echo.as_asgi(), "slow": Slow.as_asgi()}
        async with SocketCommunicator(Multiplexer(streams), path) as socket:
            await socket.send_json({"stream": "slow", "payload": {"request_id": 7}})
            assert await reply_of(socket, "fast", 1) == 1
            going_on.set()
            frames = [await socket.receive_json() for _ in range(1 if path == "/" else 2)]
            last = frames[-1]["payload"]
            assert expected in (last["request_id"], last.get("response_status"))


async def test_a_stream_that_does_not_read_closes_the_connection_and_all_streams(settings) -> None:
    settings.REST_CHANNELS = {"INBOX_FRAMES": 10}
    codes = []

    async def unread(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.Event().wait()

    class RecordDisconnect(Echo):
        async def disconnect(self, request):
            codes.append(request.code)

    socket = SocketCommunicator(Multiplexer(unread=unread, other=RecordDisconnect.as_asgi()))
    with patch("rest_channels.multiplexer.multiplexer.STREAM_GRACE", 0.1):
        await socket.connect()
        for number in range(20):
            await socket.send_json({"stream": "unread", "payload": number})
        await socket.expect_close(CloseCode.FLOOD)
        await socket.disconnect()
    assert codes == [CloseCode.FLOOD]


async def test_when_the_client_leaves_every_stream_ends() -> None:
    ended = []

    class Ending(SocketView):
        def disconnect(self, request):
            ended.append(request.code)

    async with client(one=Ending.as_asgi(), two=Ending.as_asgi()):
        pass
    assert ended == [1000, 1000]


async def test_the_frame_size_limit_applies_to_the_whole_connection(settings) -> None:
    settings.REST_CHANNELS = {"MAX_FRAME_SIZE": 100}
    socket = client()
    await socket.connect()
    await socket.send_json({"stream": "echo", "payload": "x" * 100})
    await socket.expect_close(CloseCode.MESSAGE_TOO_BIG)
    await socket.disconnect()


async def test_a_ping_is_answered_by_the_connection() -> None:
    async with client() as socket:
        await socket.send_json({"$ping": 1})
        assert await socket.receive_json() == {"$pong": 1}


async def test_a_third_party_multiplexer_can_wrap_consumers_by_plain_asgi() -> None:
    async def outer_multiplexer(scope, receive, send):
        inside = asyncio.Queue()

        async def out(message):
            if message["type"] == "websocket.send":
                message = {**message, "text": f'["outer", {message["text"]}]'}
            await send(message)

        task = asyncio.create_task(People.as_asgi()(scope, inside.get, out))
        while (message := await receive())["type"] != "websocket.disconnect":
            inside.put_nowait(message)
        inside.put_nowait(message)
        await task

    async with SocketCommunicator(outer_multiplexer) as socket:
        await socket.send_json({"action": "greet", "name": "ada"})
        name, frame = await socket.receive_json()
        assert (name, frame["data"]) == ("outer", "hello ada")


async def test_the_server_notices_the_disconnect_of_a_client_that_does_not_read() -> None:
    may_read, frames = asyncio.Event(), asyncio.Queue()

    async def send(message):
        if message["type"] != "websocket.accept":
            await may_read.wait()

    frames.put_nowait({"type": "websocket.connect"})
    socket = client()
    running = asyncio.create_task(socket.application(socket.scope, frames.get, send))
    for text in ('{"$ping": 1}', "no JSON", '{"stream": "echo", "payload": 1}'):
        frames.put_nowait({"type": "websocket.receive", "text": text})
    frames.put_nowait({"type": "websocket.disconnect", "code": 1006})
    await asyncio.wait_for(running, 3)


async def test_a_client_that_sends_and_does_not_read_is_closed(settings, settle) -> None:
    settings.REST_CHANNELS = {"OUTBOX_BYTES": 1_000, "FRAME_RATE": None}
    sent, may_read, frames = [], asyncio.Event(), asyncio.Queue()

    async def send(message):
        if message["type"] == "websocket.send":
            await may_read.wait()
        sent.append(message)
        if message["type"] == "websocket.close":
            frames.put_nowait({"type": "websocket.disconnect", "code": 1006})

    frames.put_nowait({"type": "websocket.connect"})
    socket = client()
    running = asyncio.create_task(socket.application(socket.scope, frames.get, send))
    await settle(lambda: sent)  # no server has frames before it has accepted
    for _ in range(100):
        frames.put_nowait({"type": "websocket.receive", "text": '{"$ping": 1}'})
    await asyncio.sleep(0.1)
    may_read.set()
    await asyncio.wait_for(running, 3)
    assert (sent[-1]["code"], 10 < len(sent) < 100) == (CloseCode.TOO_SLOW, True)
