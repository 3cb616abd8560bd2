"""`SocketRouter`: the live half of a page."""

import re
import subprocess
import sys

import pytest
from channels.generic.websocket import AsyncWebsocketConsumer
from django.urls import path
from django.views import View
from rest_framework import serializers

from rest_channels.engine.publish import current_hub
from rest_channels.routing import SocketApplication, route_class
from rest_channels.testing import SocketCommunicator
from sockets import SocketRouter
from sockets.handlers import RoutedSocketHandler
from sockets.models import Socket
from sockets.presence import Presence

pytestmark = pytest.mark.django_db(transaction=True)


class MoveSerializer(serializers.Serializer):
    x = serializers.IntegerField()


class Table(View):
    socket = SocketRouter()

    @socket.connect
    def on_open(socket):
        socket.send_action("WELCOME", rows=Socket.objects.count())

    @socket.connect
    async def on_open_too(socket, message):
        await socket.send_action("MESSAGE", path=message["path"])

    @socket.route("MOVE", serializer_class=MoveSerializer)
    def on_move(socket, content):
        socket.send_action("MOVED", **content, pk=socket.kwargs.get("pk"))

    @socket.route(re.compile("GAME_ACTION_.+"))
    async def on_game_action(socket, content):
        await socket.send_action("DONE", what=content["type"])

    @socket.default_route
    def on_anything(socket, content=None):
        socket.send_action("WHAT", content=content)

    @socket.disconnect
    def on_close(socket):
        Socket.objects.send_action("LEFT", path=socket.path)


async def entered(socket) -> None:
    await socket.expect_event(type="WELCOME")
    await socket.expect_event(type="MESSAGE")


def client(application=None, where="/table/1/"):
    return SocketCommunicator(application or Table.socket.as_asgi(), where, dialect="type")


async def test_who_connects_has_a_row_and_is_welcomed_in_order() -> None:
    async with client() as socket:
        await socket.expect_event(type="WELCOME", rows=1)
        await socket.expect_event(type="MESSAGE", path="/table/1/")


async def test_messages_find_their_functions() -> None:
    async with client() as socket:
        await entered(socket)
        await socket.send_json({"type": "MOVE", "x": "3"})
        await socket.expect_event(type="MOVED", x=3)
        await socket.send_json({"type": "GAME_ACTION_ROLL"})
        await socket.expect_event(type="DONE", what="GAME_ACTION_ROLL")
        await socket.send_json({"type": "FLY"})
        assert (await socket.expect_event(type="WHAT"))["content"] == {"type": "FLY"}


async def test_who_leaves_is_missed_and_does_not_hear_it() -> None:
    async with client() as one:
        await entered(one)
        async with client(where="/table/2/") as two:
            await entered(two)
        await one.expect_event(type="LEFT", path="/table/2/")


async def test_after_a_gap_it_is_time_to_look_again() -> None:
    router = SocketRouter()

    @router.gap
    def on_gap(socket):
        socket.send_action("LOOK")

    @router.gap
    async def on_gap_too(socket, groups):
        await socket.send_action("GAP", mine=list(groups) == [socket.reply_channel.name])

    async with client(router.as_asgi()) as socket:
        current_hub().layer_restored()
        await socket.expect_event(type="LOOK")
        await socket.expect_event(type="GAP", mine=True)


async def test_a_ping_route_answers_and_the_sign_of_life_is_noted_all_the_same() -> None:
    router = SocketRouter()

    @router.route("PING")
    def on_ping(socket, content):
        socket.send_action("PONG")

    async with client(router.as_asgi()) as socket:
        await Socket.objects.amark_inactive()
        await socket.send_json({"type": "PING"})
        await socket.expect_event(type="PONG")
        await current_hub().get_part(Presence).heartbeat()
        assert (await Socket.objects.aget()).active


async def test_a_hook_that_fails_keeps_no_other_from_being_told() -> None:
    router, told = SocketRouter(), []

    @router.disconnect
    def on_close(socket):
        raise ValueError

    @router.disconnect
    def on_close_too(socket):
        told.append("too")

    async with client(router.as_asgi()):
        pass
    assert told == ["too"]


async def test_hello_and_ping_are_built_in() -> None:
    async with client() as socket:
        await entered(socket)
        await socket.send_json({"type": "HELLO"})
        await socket.expect_event(type="GOT_HELLO")
        await socket.send_json({"type": "PING"})
        await socket.expect_nothing()


@pytest.mark.parametrize(
    "entry",
    [
        lambda: path("table/<int:pk>/", Table.socket.as_asgi()),
        lambda: path("table/<int:pk>/", Table.socket.Handler.as_asgi()),
        lambda: route_class(Table.socket.Handler, path=r"^/table/(?P<pk>\d+)/$"),
    ],
)
async def test_it_is_mounted_by_path_and_by_route_class(entry) -> None:
    async with client(SocketApplication([entry()])) as socket:
        await entered(socket)
        await socket.send_json({"type": "MOVE", "x": 3})
        moved = await socket.expect_event(type="MOVED")
        assert int(moved["pk"]) == 1


async def test_it_may_stand_at_module_level_and_serve_two_views() -> None:
    live = SocketRouter()

    @live.route("PING")
    def on_ping(socket, content):
        socket.send_action("PONG")

    class Page(View):
        socket = live

    class Other(View):
        socket = live

    assert Page.socket.Handler is Other.socket.Handler
    async with client(live.as_asgi()) as socket:
        await socket.send_json({"type": "PING"})
        await socket.expect_event(type="PONG")


def test_two_routers_never_share_a_route() -> None:
    one, two = SocketRouter(), SocketRouter()
    one.route("MOVE")(print)
    assert len(one.Handler.routes) == len(RoutedSocketHandler.routes) + 1
    assert two.Handler.routes == RoutedSocketHandler.routes


async def test_it_extends_the_handler_it_is_given() -> None:
    class Base(RoutedSocketHandler):
        routes = (*RoutedSocketHandler.routes, ("OLD", "on_old"))

        def connect(self):
            self.send_action("BASE")

        def on_old(self, content):
            self.send_action("OLD_ANSWER")

    router = SocketRouter(handler=Base)

    @router.connect
    def on_open(socket):
        socket.send_action("ROUTER")

    async with client(router.as_asgi()) as socket:
        await socket.expect_event(type="BASE")
        await socket.expect_event(type="ROUTER")
        await socket.send_json({"type": "OLD"})
        await socket.expect_event(type="OLD_ANSWER")


def test_what_is_decorated_stays_what_it_is() -> None:
    router = SocketRouter()
    decorators = (router.connect, router.disconnect, router.gap, router.default_route)
    for decorate in (router.route("A"), *decorators):
        assert decorate(print) is print


# Mistakes.


def test_a_misspelt_decorator_is_an_attribute_error_with_a_suggestion() -> None:
    code = "from sockets import SocketRouter\nSocketRouter().rout('PING')"
    result = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, check=False)
    assert b"AttributeError: 'SocketRouter' object has no attribute 'rout'. Did" in result.stderr
    assert b"'route'" in result.stderr


def test_a_route_without_its_type_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"a route takes a type, as in @socket.route\('PING'\)"):
        SocketRouter().route(lambda socket, content: None)


def test_a_handler_that_is_none_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"takes a RoutedSocketHandler, not <class .*Consumer'>"):
        SocketRouter(handler=AsyncWebsocketConsumer).Handler  # noqa: B018


def test_what_is_decorated_too_late_is_an_error() -> None:
    router = SocketRouter()
    router.Handler  # noqa: B018
    decorators = (router.connect, router.disconnect, router.gap, router.default_route)
    for decorate in (router.route("A"), *decorators):
        with pytest.raises(RuntimeError, match="already serves connections"):
            decorate(print)


def test_it_can_be_imported_before_apps_are_ready() -> None:
    code = "from sockets import SocketRouter; SocketRouter().route('PING')(print)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_says_where_it_stands() -> None:
    assert repr(Table.socket) == "<SocketRouter Table.socket>"
    assert Table.socket.Handler.__qualname__ == "Table.socket.Handler"
