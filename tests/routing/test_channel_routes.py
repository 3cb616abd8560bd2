"""The route lists of Channels 1: those in the rest_channels README, and further ones."""

from functools import wraps

import pytest
from channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from django.urls import path

from rest_channels.consumers import SocketConsumer
from rest_channels.decorators import rest_channels
from rest_channels.routing import ChannelRouter, SocketApplication, include, route, route_class
from rest_channels.sessions import channel_session
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView


def echo(message, **kwargs):
    message.reply_channel.send({"text": f'"{message.channel.name} {kwargs}"'})


async def test_a_path_with_a_receive_route_only_is_accepted() -> None:
    app = ChannelRouter([route("websocket.receive", echo, path=r"^/(?P<pk>\d+)/$")])
    async with SocketCommunicator(app, "/7/") as socket:
        await socket.send_json(None)
        await socket.expect_event("websocket.receive {'pk': '7'}")


async def test_each_event_is_routed_on_its_own_and_the_first_match_wins() -> None:
    contents = []

    def record(message, **kwargs):
        contents.append((message.content["code"], message.content["order"]))

    app = ChannelRouter(
        [
            route("websocket.connect", echo, path=r"^/a/"),
            route(["websocket.connect", "websocket.receive"], echo),
            route("websocket.receive", record),
            route("websocket.disconnect", record),
        ]
    )
    async with SocketCommunicator(app, "/b/") as socket:
        await socket.expect_event("websocket.connect {}")
        await socket.send_json(1)
        await socket.expect_event("websocket.receive {}")
    assert contents == [(1000, 2)]


async def test_nested_includes_remove_their_prefixes_from_the_path() -> None:
    inner = [route("websocket.receive", echo, path=r"^/(?P<pk>\d+)/$")]
    middle = [include(inner, path=r"^/(?P<kind>\w+)")]
    app = ChannelRouter([include(middle, path=r"^/shop")])
    async with SocketCommunicator(app, "/shop/cart/3/") as socket:
        await socket.send_json(None)
        await socket.expect_event("websocket.receive {'kind': 'cart', 'pk': '3'}")


async def test_views_functions_and_coroutines_may_be_in_one_list() -> None:
    class View(SocketView):
        async def connect(self, request):
            self.send_json("view")

    async def function(message):
        await message.reply_channel.send({"text": '"function"'})

    app = ChannelRouter(
        [route("websocket.connect", View.as_view()), route("websocket.receive", function)]
    )
    async with SocketCommunicator(app) as socket:
        await socket.expect_event("view")
        await socket.send_json(None)
        await socket.expect_event("function")


async def test_a_function_may_accept_refuse_and_close() -> None:
    def decide(message):
        if b"key" in message.content["query_string"]:
            message.reply_channel.send({"accept": True, "text": '"welcome"'})
        else:
            message.reply_channel.send({"close": True})

    app = ChannelRouter([route("websocket.connect", decide)])
    async with SocketCommunicator(app, "/?key") as socket:
        await socket.expect_event("welcome")
    socket = SocketCommunicator(app)
    assert await socket.connect() == (False, 1000)
    await socket.disconnect()


async def test_the_message_has_the_content_of_channels_1() -> None:
    contents = []
    app = ChannelRouter(
        [
            route(
                ["websocket.connect", "websocket.receive", "websocket.disconnect"],
                lambda message: contents.append(message.content),
            )
        ]
    )
    async with SocketCommunicator(app, "/x/?y=1") as socket:
        await socket.send_to("t")
        await socket.send_to(bytes_data=b"b")
    connect, text, binary, disconnect = contents
    name = connect["reply_channel"]
    assert (connect["path"], connect["order"], connect["query_string"]) == ("/x/", 0, b"y=1")
    assert text == {"reply_channel": name, "path": "/x/", "order": 1, "text": "t"}
    assert binary == {"reply_channel": name, "path": "/x/", "order": 2, "bytes": b"b"}
    assert disconnect == {"reply_channel": name, "path": "/x/", "order": 3, "code": 1000}


async def test_a_function_that_raises_is_answered_with_500_and_the_connection_stays_open(
    caplog,
) -> None:
    def fragile(message):
        message.reply_channel.send({"text": str(1 / int(message.content["text"]))})

    app = ChannelRouter([route("websocket.receive", fragile)])
    async with SocketCommunicator(app) as socket:
        await socket.send_to("0")
        await socket.expect_event(status=500)
        await socket.send_to("1")
        await socket.expect_event(1.0)


@pytest.mark.parametrize(
    ("arguments", "error_text"),
    [
        (("http.request", echo), "not 'http.request'"),
        (("websocket.receive", "no.such.thing"), "Cannot import 'no.such.thing'"),
        (("websocket.receive", 5), "something to call"),
        (("websocket.receive", SocketConsumer), r"use route_class\(SocketConsumer, …\)\.$"),
        (("websocket.receive", SocketConsumer.as_asgi()), r"use route_class\(SocketConsumer, "),
        (("websocket.receive", AsyncJsonWebsocketConsumer), "use route_class"),
        (("websocket.receive", SocketView), r"or route\(…, SocketView\.as_view\(\), …\)\."),
        (("websocket.receive", SocketView.as_asgi()), r"use route_class\(SocketView, …\)"),
    ],
)
def test_a_wrong_route_raises_an_error_that_names_it(arguments, error_text) -> None:
    with pytest.raises(ImproperlyConfigured, match=error_text):
        route(*arguments)


@pytest.mark.parametrize(
    ("filters", "error_text"),
    [
        ({"headers": "x"}, "by path, query_string, text, bytes; not by 'headers'"),
        ({"pth": "^/$"}, "not by 'pth'"),
        ({"path": "("}, r"path='\(' is no regular expression"),
        ({"path": 5}, "path=5 is no regular expression"),
    ],
)
@pytest.mark.parametrize(
    "make",
    [
        lambda filters: route("websocket.receive", echo, **filters),
        lambda filters: route_class(SocketView, **filters),
        lambda filters: include([], **filters),
    ],
)
def test_a_filter_by_an_unknown_key_raises_an_error(make, filters, error_text) -> None:
    with pytest.raises(ImproperlyConfigured, match=error_text):
        make(filters)


def test_a_list_of_paths_cannot_be_included() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"is no route\(\), route_class\(\) or include"):
        include([path("", SocketView.as_asgi())])


# Filters that are not on the path


async def test_a_frame_may_be_routed_by_its_text() -> None:
    app = ChannelRouter(
        [
            route("websocket.receive", echo, text=r"^say (?P<word>\w+)"),
            route("websocket.receive", echo, bytes=r"^\xff(?P<rest>.*)"),
            route("websocket.receive", echo),
        ]
    )
    async with SocketCommunicator(app) as socket:
        await socket.send_to("say hello")
        await socket.expect_event("websocket.receive {'word': 'hello'}")
        await socket.send_to(bytes_data=b"\xffab")
        await socket.expect_event("websocket.receive {'rest': 'ab'}")
        await socket.send_to("hello")
        await socket.expect_event("websocket.receive {}")


async def test_the_query_string_belongs_to_the_connect_only() -> None:
    where = {"path": r"^/(?P<pk>\d+)/$", "query_string": r"^key=(?P<key>\w+)$"}
    app = ChannelRouter(
        [
            route(["websocket.connect", "websocket.receive"], echo, **where),
            route("websocket.receive", echo),
        ]
    )
    async with SocketCommunicator(app, "/7/?key=x") as socket:
        await socket.expect_event("websocket.connect {'pk': '7', 'key': 'x'}")
        await socket.send_json(None)
        await socket.expect_event("websocket.receive {}")


@pytest.mark.parametrize(
    "entry",
    [
        route("websocket.connect", echo, path="^/there/"),
        route("websocket.connect", echo, query_string="^key"),
        route("websocket.receive", echo, query_string="^"),
        route("websocket.disconnect", echo, text="^"),
        include([route("websocket.receive", echo, path="^/b/")], path="^/here"),
        route_class(SocketConsumer, path="^/there/"),
        route_class(SocketView, path="^/there/"),
    ],
)
@pytest.mark.parametrize("application", [ChannelRouter, SocketApplication])
async def test_a_handshake_that_no_route_could_match_is_refused(application, entry) -> None:
    socket = SocketCommunicator(application([entry]), "/here/")
    assert await socket.connect() == (False, 1000)
    await socket.disconnect()


# Behind a prefix of a server or a setting.


@pytest.mark.parametrize("prefix", ["root_path", "setting"])
@pytest.mark.parametrize("where", ["/site/shop/3/", "/shop/3/"])
async def test_routes_match_the_path_below_the_prefix_and_messages_have_the_full_path(
    prefix, where
) -> None:
    paths = []

    def look(message, pk):
        paths.append((message["path"], pk))

    inner = [route(["websocket.connect", "websocket.receive"], look, path=r"^/(?P<pk>\d+)/$")]
    for app in (ChannelRouter, SocketApplication):
        socket = SocketCommunicator(app([include(inner, path="^/shop")]), where)
        socket.scope["root_path"] = "/site" if prefix == "root_path" else ""
        with override_settings(FORCE_SCRIPT_NAME="/site/" if prefix == "setting" else None):
            async with socket:
                await socket.send_json(None)
    assert paths == [(where, "3")] * 4


# Whole connections


class Room(SocketConsumer):
    async def connect(self):
        await self.send_json(self.scope["url_route"])

    async def receive_json(self, content):
        await self.send_json(content)


class PlainRoom(AsyncJsonWebsocketConsumer):
    async def connect(self):
        await self.accept()
        await self.send_json(self.scope["url_route"])

    async def receive_json(self, content):
        await self.send_json(content)


class PlainSyncRoom(JsonWebsocketConsumer):
    def connect(self):
        self.accept()
        self.send_json(self.scope["url_route"])

    def receive_json(self, content):
        self.send_json(content)


@pytest.mark.parametrize("consumer", [Room, PlainRoom, PlainSyncRoom, f"{__name__}.Room"])
@pytest.mark.parametrize("application", [ChannelRouter, SocketApplication])
@pytest.mark.django_db(transaction=True)  # plain consumers close old database connections
async def test_a_routed_class_serves_the_whole_connection(application, consumer) -> None:
    inner = [route_class(consumer, path=r"^/(\w)(?P<room>\d+)/$")]
    app = application([include(inner, path=r"^/(?P<kind>\w+)")])
    async with SocketCommunicator(app, "/chat/r7/") as socket:
        await socket.expect_event({"args": [], "kwargs": {"kind": "chat", "room": "7"}})
        for text in ("a", "b"):
            await socket.send_json(text)
            await socket.expect_event(text)


async def test_a_view_that_is_routed_as_a_class_gets_all_three_events() -> None:
    disconnects = []

    class Editor(SocketView):
        async def connect(self, request, pk):
            self.send_json(["connect", pk])

        async def receive(self, request, pk):
            self.send_json(["receive", pk])

        async def disconnect(self, request, pk):
            disconnects.append(pk)

    app = ChannelRouter([route_class(Editor, path=r"^/(?P<pk>\d+)/$")])
    async with SocketCommunicator(app, "/7/") as socket:
        await socket.expect_event(["connect", "7"])
        await socket.send_json(None)
        await socket.expect_event(["receive", "7"])
    assert disconnects == ["7"]


async def test_the_first_route_that_matches_the_connect_serves_the_connection() -> None:
    app = ChannelRouter(
        [
            route("websocket.receive", echo),
            route("websocket.connect", echo, query_string="^function"),
            route_class(Room, path="^/"),
        ]
    )
    async with SocketCommunicator(app, "/?function") as socket:
        await socket.expect_event("websocket.connect {}")
        await socket.send_json("by event")
        await socket.expect_event("websocket.receive {}")
    async with SocketCommunicator(app) as socket:
        await socket.expect_event({"args": [], "kwargs": {}})
        await socket.send_json("whole")
        await socket.expect_event("whole")


async def test_arguments_of_an_outer_router_are_merged_with_those_of_the_route() -> None:
    app = ChannelRouter([route_class(Room, path=r"^/(?P<pk>\d+)/$")])
    async with SocketCommunicator(app, "/7/", kwargs={"pk": "1", "outer": "x"}) as socket:
        await socket.expect_event({"args": [], "kwargs": {"pk": "7", "outer": "x"}})


@pytest.mark.parametrize(
    ("consumer", "error_text"),
    [
        (echo, "Use route.. for a function"),
        (SocketView.as_view(), "and for as_view"),
        (Room.as_asgi(), "the class itself, without .as_asgi"),
        (SocketView.as_asgi(), "the class itself, without .as_asgi"),
        (PlainRoom.as_asgi(), "the class itself, without .as_asgi"),
        (dict, "a class with as_asgi.., not <class 'dict'>"),
        (None, "a class with as_asgi.., not None"),
        ("no.such.Thing", "Cannot import 'no.such.Thing'"),
    ],
)
def test_route_class_with_something_else_raises_an_error_that_names_the_right_function(
    consumer, error_text
) -> None:
    with pytest.raises(ImproperlyConfigured, match=error_text):
        route_class(consumer)


# Decorated views


async def test_a_decorated_view_is_called_like_a_function() -> None:
    class Counter(SocketView):
        async def receive(self, request):
            seen = request.channel_session.setdefault("seen", [])
            seen.append(request.data)
            self.send_json(seen)

    app = ChannelRouter([route("websocket.receive", channel_session(Counter.as_view()))])
    async with SocketCommunicator(app) as socket:
        for text, seen in (("a", ["a"]), ("b", ["a", "b"])):
            await socket.send_json(text)
            await socket.expect_event(seen)


async def test_a_decorator_of_a_view_that_raises_is_answered_with_500(
    caplog,
) -> None:
    def fragile(view):
        @wraps(view)
        def wrapped(message, **kwargs):
            return view(message, number=1 / int(message["text"]))

        return wrapped

    class Number(SocketView):
        @rest_channels(channel_session)
        def receive(self, request, number):
            self.send_json(number)

    app = ChannelRouter([route("websocket.receive", fragile(Number.as_view()))])
    async with SocketCommunicator(app) as socket:
        await socket.send_to("0")
        await socket.expect_event(status=500)
        await socket.send_to("1")
        await socket.expect_event(1.0)
