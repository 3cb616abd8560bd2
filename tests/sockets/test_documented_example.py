"""The examples in the README of django-channels-router. Only its errata are corrected."""

import re
from datetime import datetime

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import re_path
from django.views import View

from rest_channels.routing import SocketApplication, route_class
from rest_channels.testing import SocketCommunicator
from sockets import SocketRouter
from sockets.handlers import RoutedSocketHandler
from sockets.models import Socket

pytestmark = pytest.mark.django_db(transaction=True)


class MyPage(View):
    socket = SocketRouter()

    def get(self, request):
        return HttpResponse("my_page.html")

    @socket.connect
    def on_open(socket):
        socket.send_json({"connected": True})

    @socket.route("PING")
    def on_ping(socket, content):
        socket.send_json({"type": "PONG", "ts": datetime.now().timestamp()})  # noqa: DTZ005

    @socket.route(re.compile("GAME_ACTION_.+"))
    def on_game_action(socket, content):
        socket.send_json({"received_action": content["action"], "action_type": content["type"]})

    @socket.default_route
    def default_route(socket, content=None):
        socket.send_json({"type": "ERROR", "details": f"Got unknown message: {content}"})

    @socket.disconnect
    def on_disconnect(socket, message):
        if socket.user is not None:
            line = f"User {socket.user.username} left chat."
            Socket.objects.all().send_json({"type": "CHAT", "recvd_message": line})


class PokerSocketHandler(RoutedSocketHandler):
    login_required = False

    routes = (
        *RoutedSocketHandler.routes,
        ("GET_GAMESTATE", "on_get_gamestate"),
        (re.compile("ACT_.+"), "on_game_action"),
    )

    def on_get_gamestate(self, content):
        self.send_action("GAMESTATE")

    def on_game_action(self, content):
        self.send_action("ACTED", by=content["type"])


class PokerPage(View):
    socket = SocketRouter(handler=PokerSocketHandler)


urlpatterns = [re_path(r"^mypage/$", MyPage.as_view(), name="Table")]

socket_routing = [
    route_class(MyPage.socket.Handler, path=r"^/mypage/$"),
    route_class(PokerPage.socket.Handler, path=r"^/poker/$"),
]


def client(path="/mypage/", **kwargs):
    return SocketCommunicator(SocketApplication(socket_routing), path, **kwargs)


async def receive_frame(socket):
    """Receive a frame, and check and remove its time: milliseconds since 1970, as text."""
    content = await socket.receive_json()
    assert re.fullmatch(r"\d{13}", content.pop("TIMESTAMP"))
    return content


def test_the_page_with_a_router_is_still_a_view() -> None:
    assert MyPage.as_view()(RequestFactory().get("/mypage/")).content == b"my_page.html"


async def test_messages_are_routed_to_the_functions_in_the_view() -> None:
    async with client() as socket:
        assert await receive_frame(socket) == {"connected": True}
        await socket.send_json({"type": "PING"})
        pong = await receive_frame(socket)
        assert (pong["type"], type(pong["ts"])) == ("PONG", float)
        await socket.send_json({"type": "GAME_ACTION_BET", "action": 5})
        assert await receive_frame(socket) == {
            "received_action": 5,
            "action_type": "GAME_ACTION_BET",
        }
        await socket.send_json({"type": "FLY"})
        details = "Got unknown message: {'type': 'FLY'}"
        assert await receive_frame(socket) == {"type": "ERROR", "details": details}


async def test_remaining_clients_receive_a_message_when_a_user_leaves(ada) -> None:
    async with client() as remaining:
        await receive_frame(remaining)
        async with client(user=ada) as leaving:
            await receive_frame(leaving)
        assert await receive_frame(remaining) == {
            "type": "CHAT",
            "recvd_message": "User ada left chat.",
        }


async def test_messages_are_routed_to_the_methods_of_a_handler() -> None:
    async with client("/poker/") as socket:
        await socket.send_json({"type": "GET_GAMESTATE"})
        assert await receive_frame(socket) == {"type": "GAMESTATE"}
        await socket.send_json({"type": "ACT_FOLD"})
        assert await receive_frame(socket) == {"type": "ACTED", "by": "ACT_FOLD"}
        await socket.send_json({"type": "HELLO"})
        assert (await receive_frame(socket))["type"] == "GOT_HELLO"


def test_the_row_has_the_fields_that_the_readme_lists() -> None:
    fields = {"session", "channel_name", "user", "path", "active", "last_ping", "user_ip"}
    assert fields < {field.name for field in Socket._meta.get_fields()}
