"""The setting `VALIDATE_TEST_FRAMES`: frames of tests are compared with the schema."""

import sys

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.urls import path
from rest_framework.filters import SearchFilter

from rest_channels.consumers import AsyncAPIConsumer, ModelConsumer, SocketConsumer
from rest_channels.decorators import action, socket_route
from rest_channels.multiplexer import Multiplexer
from rest_channels.observer import ObserverModelListMixin, live_query
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView, SocketView
from sockets import SocketRouter

from .site import UserSerializer


@pytest.fixture(autouse=True)
def validated(settings):
    settings.REST_CHANNELS = {"VALIDATE_TEST_FRAMES": True}


class Tickets(AsyncAPIConsumer):
    sends = {"moved": int}

    @action(request=int, response=int)
    async def double(self, data):
        return data * 2, 200

    @action(request=int)
    async def count(self, data):
        return len(data), 200

    @action(response=int)
    async def fail(self):
        return "wrong", 200

    @action()
    async def tell(self, value):
        await self.reply("moved", data=value)

    @action()
    async def surprise(self):
        await self.reply("surprise!", data=1)


async def test_frames_of_the_schema_pass() -> None:
    async with SocketCommunicator(Tickets.as_asgi(), dialect="action") as socket:
        call = await socket.call("double", data=2)
        assert (await socket.expect_reply(call))["data"] == 4
        await socket.call("tell", value=1)
        await socket.expect_event(action="moved")
        await socket.send_json({"$ping": 1})
        await socket.expect_event({"$pong": 1})


async def test_errors_pass_and_so_does_what_caused_them() -> None:
    async with SocketCommunicator(Tickets.as_asgi(), dialect="action") as socket:
        call = await socket.call("double", wrong=2)
        await socket.expect_reply(call, status=400)
        call = await socket.call("no_such_action")
        await socket.expect_reply(call, status=405)


async def test_an_answer_that_the_schema_does_not_have_fails_the_test() -> None:
    message = r"the schema does not have. / \(.*Tickets\): data: 'wrong' is not of type"
    async with SocketCommunicator(Tickets.as_asgi(), dialect="action") as socket:
        call = await socket.call("fail")
        with pytest.raises(AssertionError, match=message):
            await socket.expect_reply(call)


async def test_a_message_that_the_schema_does_not_have_fails_the_test() -> None:
    async with SocketCommunicator(Tickets.as_asgi(), dialect="action") as socket:
        await socket.call("surprise")
        with pytest.raises(AssertionError, match="has no message 'surprise!'"):
            await socket.receive_json()


async def test_a_request_that_the_schema_does_not_have_fails_once_it_is_answered() -> None:
    async with SocketCommunicator(Tickets.as_asgi(), dialect="action") as socket:
        call = await socket.call("count", data=[2])
        with pytest.raises(AssertionError, match=r"took a frame .* data: \[2\] is not of type"):
            await socket.expect_reply(call)


async def test_a_frame_that_no_test_waits_for_is_compared_at_the_end() -> None:
    socket = SocketCommunicator(Tickets.as_asgi(), dialect="action")
    await socket.connect()
    await socket.call("surprise")
    await socket.call("double", data=1)
    with pytest.raises(AssertionError, match="surprise!"):
        await socket.disconnect()


class Editor(SocketRouteView):
    @socket_route(response=int)
    async def save(self, request, data):
        return data


async def test_a_class_that_does_not_declare_what_it_sends_may_send_more() -> None:
    class Chat(SocketConsumer):
        async def receive_json(self, content):
            await self.send_json(content)

    async with SocketCommunicator(Chat.as_asgi()) as socket:
        await socket.send_json({"any": "thing"})
        await socket.expect_event({"any": "thing"})


async def test_methods_and_frames_without_a_name_are_compared() -> None:
    class Echo(SocketView):
        receives = sends = {"number": int}

        async def receive(self, request):
            await self.send_json(request.data)

    async with SocketCommunicator(Editor.as_asgi()) as socket:
        call = await socket.call("save", "text")
        with pytest.raises(AssertionError, match="'text' is not of type 'integer'"):
            await socket.expect_reply(call)
    async with SocketCommunicator(Echo.as_asgi()) as socket:
        await socket.send_json("text")
        with pytest.raises(AssertionError, match="the frame: 'text' is not of type 'integer'"):
            await socket.receive_json()


class Users(ObserverModelListMixin, ModelConsumer):
    sends = {}
    queryset = User.objects.order_by("pk")
    serializer_class = UserSerializer
    filter_backends = [SearchFilter]
    search_fields = ["username"]

    @live_query(serializer_class=UserSerializer)
    def active(self):
        return User.objects.filter(is_active=True)

    @action(response=active)
    async def watch_active(self, request_id):
        return await self.active.subscribe(request_id=request_id), 201


@pytest.mark.django_db(transaction=True)
async def test_the_frames_of_live_lists_pass() -> None:
    async with SocketCommunicator(Users.as_asgi(), dialect="action") as socket:
        for name, rest in (("subscribe_list", {"query": {"search": "a"}}), ("watch_active", {})):
            call = await socket.call(name, **rest)
            await socket.expect_reply(call, status=201)
        ada = await User.objects.acreate_user("ada")
        for _list in range(2):
            await socket.expect_event(action="diff")
        have = {str(ada.pk): "00", "7": "00"}
        call = await socket.call("subscribe_list", query={"search": "a"}, have=have)
        assert (await socket.expect_reply(call, status=201))["data"]["leave"] == [7]
        call = await socket.call("unsubscribe_list", query={"search": "a"})
        await socket.expect_reply(call, status=204)


page = SocketRouter()
page.sends = {}


@page.live("USERS", serializer_class=UserSerializer, stop="STOP_USERS")
def users_of_page(socket, content):
    return User.objects.order_by("pk")


@pytest.mark.django_db(transaction=True)
async def test_the_frames_of_a_live_list_of_a_router_pass() -> None:
    async with SocketCommunicator(page.as_asgi(), dialect="type") as socket:
        await socket.send_json({"type": "USERS"})
        await socket.expect_event(type="USERS", rows=[])
        ada = await User.objects.acreate_user("ada")
        assert len((await socket.expect_event(type="USERS"))["enter"]) == 1
        await socket.send_json({"type": "USERS", "have": {str(ada.pk): "00", "7": "00"}})
        await socket.expect_event(type="USERS", leave=[7])
        await socket.send_json({"type": "STOP_USERS"})


async def test_a_stream_that_refuses_a_client_sends_a_frame_of_the_schema() -> None:
    class Staff(SocketRouteView):
        sends = {}

        def connect(self, request):
            self.close()

        @socket_route
        def greet(self, request, data): ...

    streams = Multiplexer(tickets=Tickets.as_asgi(), staff=Staff.as_asgi())
    application = SocketApplication([path("all/", streams)])
    async with SocketCommunicator(application, "/all/") as socket:
        frame = await socket.receive_json()
        assert (frame["stream"], frame["payload"]["response_status"]) == ("staff", 403)


async def test_the_socket_is_found_by_its_path_and_its_stream() -> None:
    streams = Multiplexer(editor=Editor.as_asgi(), tickets=Tickets.as_asgi())
    application = SocketApplication([path("all/", streams), path("own/", Editor.as_asgi())])
    async with SocketCommunicator(application, "/own/") as socket:
        call = await socket.call("save", 1)
        await socket.expect_reply(call)
    async with SocketCommunicator(application, "/all/") as socket:
        frame = {"method": "save", "data": "text", "request_id": 1}
        await socket.send_json({"stream": "editor", "payload": frame})
        with pytest.raises(AssertionError, match=r"payload.data: 'text' is not of type"):
            await socket.receive_json()


async def test_an_application_of_another_library_is_not_compared() -> None:
    async def echo(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "[1]"})

    async with SocketCommunicator(echo) as socket:
        await socket.expect_event([1])


async def test_a_missing_dependency_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "rest_channels.schema.validation", None)
    with pytest.raises(ImproperlyConfigured, match=r"pip install drf-spectacular"):
        await SocketCommunicator(Tickets.as_asgi()).connect()
