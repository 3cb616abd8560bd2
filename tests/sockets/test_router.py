"""`SocketRouter`: the WebSocket part of a page."""

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


async def expect_welcome(socket) -> None:
    await socket.expect_event(type="WELCOME")
    await socket.expect_event(type="MESSAGE")


def client(application=None, path="/table/1/"):
    return SocketCommunicator(application or Table.socket.as_asgi(), path, dialect="type")


async def test_connect_functions_run_in_order_after_the_row_is_saved() -> None:
    async with client() as socket:
        await socket.expect_event(type="WELCOME", rows=1)
        await socket.expect_event(type="MESSAGE", path="/table/1/")


async def test_messages_call_the_functions_of_their_routes() -> None:
    async with client() as socket:
        await expect_welcome(socket)
        await socket.send_json({"type": "MOVE", "x": "3"})
        await socket.expect_event(type="MOVED", x=3)
        await socket.send_json({"type": "GAME_ACTION_ROLL"})
        await socket.expect_event(type="DONE", what="GAME_ACTION_ROLL")
        await socket.send_json({"type": "FLY"})
        assert (await socket.expect_event(type="WHAT"))["content"] == {"type": "FLY"}


async def test_a_disconnect_function_sends_only_to_the_remaining_sockets() -> None:
    async with client() as one:
        await expect_welcome(one)
        async with client(path="/table/2/") as two:
            await expect_welcome(two)
        await one.expect_event(type="LEFT", path="/table/2/")


async def test_gap_functions_are_called_after_an_outage_of_the_channel_layer() -> None:
    router = SocketRouter()

    @router.gap
    def on_gap(socket):
        socket.send_action("RELOAD")

    @router.gap
    async def on_gap_too(socket, groups):
        await socket.send_action("GAP", is_own=list(groups) == [socket.reply_channel.name])

    async with client(router.as_asgi()) as socket:
        current_hub().layer_restored()
        await socket.expect_event(type="RELOAD")
        await socket.expect_event(type="GAP", is_own=True)


async def test_a_route_for_ping_can_answer_and_the_ping_is_still_recorded() -> None:
    router = SocketRouter()

    @router.route("PING")
    def on_ping(socket, content):
        socket.send_action("PONG")

    async with client(router.as_asgi()) as socket:
        await Socket.objects.amark_inactive()
        await socket.send_json({"type": "PING"})
        await socket.expect_event(type="PONG")
        await current_hub().get_component(Presence).heartbeat()
        assert (await Socket.objects.aget()).active


async def test_disconnect_functions_run_after_another_function_has_failed() -> None:
    router, called = SocketRouter(), []

    @router.disconnect
    def on_close(socket):
        raise ValueError

    @router.disconnect
    def on_close_too(socket):
        called.append("too")

    async with client(router.as_asgi()):
        pass
    assert called == ["too"]


async def test_a_router_answers_hello_and_accepts_ping() -> None:
    async with client() as socket:
        await expect_welcome(socket)
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
async def test_a_router_can_be_mounted_by_path_and_by_route_class(entry) -> None:
    async with client(SocketApplication([entry()])) as socket:
        await expect_welcome(socket)
        await socket.send_json({"type": "MOVE", "x": 3})
        moved = await socket.expect_event(type="MOVED")
        assert int(moved["pk"]) == 1


async def test_a_router_at_module_level_can_serve_two_views() -> None:
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


def test_two_routers_do_not_share_routes() -> None:
    one, two = SocketRouter(), SocketRouter()
    one.route("MOVE")(print)
    assert len(one.Handler.routes) == len(RoutedSocketHandler.routes) + 1
    assert two.Handler.routes == RoutedSocketHandler.routes


async def test_a_router_extends_the_handler_that_it_is_given() -> None:
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


def test_the_docstring_of_a_handler_is_its_own_or_that_of_the_page() -> None:
    class Own(RoutedSocketHandler):
        """Plays poker."""

    class Page:
        """A table."""

        socket = SocketRouter()
        own = SocketRouter(Own)

    assert Page.socket.Handler.__doc__ == "A table."
    assert Page.own.Handler.__doc__ == "Plays poker."
    assert SocketRouter().Handler.__doc__ is None


def test_decorators_return_the_decorated_function() -> None:
    router = SocketRouter()
    decorators = (router.connect, router.disconnect, router.gap, router.default_route)
    for decorate in (router.route("A"), *decorators):
        assert decorate(print) is print


# Errors.


def test_a_misspelled_decorator_raises_an_attribute_error_with_a_suggestion() -> None:
    code = "from sockets import SocketRouter\nSocketRouter().rout('PING')"
    result = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, check=False)
    assert b"AttributeError: 'SocketRouter' object has no attribute 'rout'. Did" in result.stderr
    assert b"'route'" in result.stderr


def test_a_route_without_a_type_raises_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"a route takes a type, as in @socket.route\('PING'\)"):
        SocketRouter().route(lambda socket, content: None)


def test_a_base_class_that_is_not_a_routed_handler_raises_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"takes a RoutedSocketHandler, not <class .*Consumer'>"):
        SocketRouter(handler=AsyncWebsocketConsumer).Handler  # noqa: B018


def test_decorating_after_the_handler_is_built_raises_a_runtime_error() -> None:
    router = SocketRouter()
    router.Handler  # noqa: B018
    decorators = (router.connect, router.disconnect, router.gap, router.default_route)
    for decorate in (router.route("A"), *decorators):
        with pytest.raises(RuntimeError, match="already serves connections"):
            decorate(print)


def test_a_router_can_be_imported_and_used_before_apps_are_ready() -> None:
    code = "from sockets import SocketRouter; SocketRouter().route('PING')(print)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_repr_of_a_router_names_its_view_and_attribute() -> None:
    assert repr(Table.socket) == "<SocketRouter Table.socket>"
    assert Table.socket.Handler.__qualname__ == "Table.socket.Handler"
