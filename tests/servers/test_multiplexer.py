"""A multiplexer under real servers: its streams, their ends, and its handshake."""

import asyncio

import pytest
from django.urls import path
from rest_framework.permissions import IsAuthenticated
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer
from rest_channels.decorators import action
from rest_channels.exceptions import CloseCode
from rest_channels.multiplexer import Multiplexer
from rest_channels.views import SocketView

from .conftest import TIMEOUT, logged_problems

disconnect_codes = []


class People(AsyncAPIConsumer):
    @action()
    async def greet(self, name):
        return f"hello {name}", 200

    @action()
    async def leave(self):
        await self.close(4001, "Goodbye.")


class Echo(SocketView):
    async def receive(self, request):
        self.send_json(request.data)

    async def disconnect(self, request):
        disconnect_codes.append(request.code)


class DisconnectCodes(SocketView):
    async def connect(self, request):
        self.send_json(disconnect_codes)


class Members(AsyncAPIConsumer):
    permission_classes = [IsAuthenticated]


class Refusing(SocketConsumer):
    async def connect(self):
        self.close()


class SlowView(Echo):
    async def connect(self, request):
        await asyncio.sleep(4 * TIMEOUT)


async def slow_application(scope, receive, send):
    await receive()
    await asyncio.sleep(4 * TIMEOUT)


async def unread_application(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await asyncio.sleep(2)
    while (await receive())["type"] != "websocket.disconnect":
        pass


def mounted(name, **streams):
    return path(f"{name}/", Multiplexer(streams))


urlpatterns = [
    mounted("two", people=People.as_asgi(), echo=Echo.as_asgi()),
    mounted("refused", members=Members.as_asgi(), echo=Echo.as_asgi()),
    mounted("all-refused", one=Members.as_asgi(), two=Refusing.as_asgi()),
    mounted("unread", unread=unread_application, echo=Echo.as_asgi()),
    mounted("slow-application", slow=slow_application),
    mounted("slow-view", slow=SlowView.as_asgi()),
    mounted("slow-and-fast", slow=slow_application, view=SlowView.as_asgi(), echo=Echo.as_asgi()),
    path("disconnect-codes/", DisconnectCodes.as_asgi()),
]


async def reply_of(client, stream, payload):
    """The payload of the next frame, which comes from `stream`."""
    await client.send_json({"stream": stream, "payload": payload})
    frame = await client.receive_json()
    assert frame["stream"] == stream
    return frame["payload"]


async def test_two_streams_answer_the_frames_that_name_them(server) -> None:
    async with server.connect("multiplexer/two/") as client:
        for number in range(3):
            greet = {"action": "greet", "name": "ada", "request_id": number}
            reply = await reply_of(client, "people", greet)
            assert (reply["data"], reply["request_id"]) == ("hello ada", number)
            assert await reply_of(client, "echo", [number]) == [number]


async def test_a_refused_stream_sends_an_error_frame_and_the_other_stream_answers(server) -> None:
    async with server.connect("multiplexer/refused/") as client:
        frame = await client.receive_json()
        assert (frame["stream"], frame["payload"]["response_status"]) == ("members", 403)
        assert (await reply_of(client, "members", {}))["response_status"] == 403
        assert await reply_of(client, "echo", 1) == 1


async def test_a_multiplexer_whose_streams_are_all_refused_refuses_the_handshake(server) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await server.connect("multiplexer/all-refused/")
    assert refusal.value.response.status_code == 403


async def test_a_stream_that_closes_leaves_the_connection_open_for_the_others(server) -> None:
    async with server.connect("multiplexer/two/") as client:
        closed = await reply_of(client, "people", {"action": "leave"})
        assert (closed["response_status"], closed["errors"]) == (410, ["Goodbye."])
        assert await reply_of(client, "echo", 1) == 1


async def test_a_client_that_leaves_ends_its_streams(server) -> None:
    async with server.connect("multiplexer/two/") as client:
        await client.close(4002)
    for _ in range(100):
        async with server.connect("multiplexer/disconnect-codes/") as client:
            if 4002 in await client.receive_json():
                return
        await asyncio.sleep(0.05)
    raise AssertionError("The stream was not disconnected.")


async def test_a_client_that_floods_a_stream_is_closed_with_4429(server) -> None:
    async with server.connect("multiplexer/unread/") as client:
        client.send_raw(*[Frame(Opcode.TEXT, b'{"stream": "unread", "payload": 1}')] * 2_000)
        assert (await client.receive_close())[0] == CloseCode.FLOOD
    async with server.connect("multiplexer/unread/") as client:
        assert await reply_of(client, "echo", 1) == 1


@pytest.fixture(params=["uvicorn", "daphne"])
def impatient(request, shared_server):
    """A server that waits half a second for a handler."""
    server = shared_server(request.param, TEST_HANDLER_TIMEOUT="0.5")
    server.log()
    return server


async def test_a_handshake_that_no_stream_answers_is_refused_in_time(impatient) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await impatient.connect("multiplexer/slow-application/", open_timeout=5)
    assert refusal.value.response.status_code == 403
    assert "no stream answered the handshake in time" in impatient.log()


async def test_a_stream_whose_connect_is_too_slow_sends_a_504_and_closes(impatient) -> None:
    async with impatient.connect("multiplexer/slow-view/", open_timeout=5) as client:
        timed_out = await client.receive_json()
        assert (timed_out["stream"], timed_out["payload"]["status"]) == ("slow", 504)
        assert (await client.receive_close())[0] == 4504
    assert logged_problems(impatient.log()) == []


async def test_a_slow_stream_does_not_delay_the_answers_of_a_fast_stream(impatient) -> None:
    async with impatient.connect("multiplexer/slow-and-fast/", open_timeout=5) as client:
        assert await reply_of(client, "echo", 1) == 1
        timed_out, closed = await client.receive_json(), await client.receive_json()
        assert (timed_out["stream"], timed_out["payload"]["status"]) == ("view", 504)
        assert (closed["stream"], closed["payload"]["response_status"]) == ("view", 504)
        assert await reply_of(client, "echo", 2) == 2
    assert logged_problems(impatient.log()) == []
