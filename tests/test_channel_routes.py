"""Channels 1's route lists, as seed 000 prints them and beyond."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from rest_channels.routing import ChannelRouter, include, route
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView


def heard(message, **kwargs):
    message.reply_channel.send({"text": f'"{message.channel.name} {kwargs}"'})


async def test_a_path_with_a_receive_route_only_is_accepted() -> None:
    app = ChannelRouter([route("websocket.receive", heard, path=r"^/(?P<pk>\d+)/$")])
    async with SocketCommunicator(app, "/7/") as socket:
        await socket.send_json(None)
        await socket.expect_event("websocket.receive {'pk': '7'}")


async def test_each_event_finds_its_own_consumer_and_the_first_that_fits_wins() -> None:
    parted = []

    def goodbye(message, **kwargs):
        parted.append((message.content["code"], message.content["order"]))

    app = ChannelRouter(
        [
            route("websocket.connect", heard, path=r"^/a/"),
            route(["websocket.connect", "websocket.receive"], heard),
            route("websocket.receive", goodbye),
            route("websocket.disconnect", goodbye),
        ]
    )
    async with SocketCommunicator(app, "/b/") as socket:
        await socket.expect_event("websocket.connect {}")
        await socket.send_json(1)
        await socket.expect_event("websocket.receive {}")
    assert parted == [(1000, 2)]


async def test_includes_cut_their_prefix_off_and_nest() -> None:
    inner = [route("websocket.receive", heard, path=r"^/(?P<pk>\d+)/$")]
    middle = [include(inner, path=r"^/(?P<kind>\w+)")]
    app = ChannelRouter([include(middle, path=r"^/shop")])
    async with SocketCommunicator(app, "/shop/cart/3/") as socket:
        await socket.send_json(None)
        await socket.expect_event("websocket.receive {'kind': 'cart', 'pk': '3'}")


async def test_views_functions_and_coroutines_may_stand_in_one_list() -> None:
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
    def door(message):
        if b"key" in message.content["query_string"]:
            message.reply_channel.send({"accept": True, "text": '"welcome"'})
        else:
            message.reply_channel.send({"close": True})

    app = ChannelRouter([route("websocket.connect", door)])
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


async def test_a_function_that_raises_answers_500_and_the_connection_lives(caplog) -> None:
    def fragile(message):
        message.reply_channel.send({"text": str(1 / int(message.content["text"]))})

    app = ChannelRouter([route("websocket.receive", fragile)])
    async with SocketCommunicator(app) as socket:
        await socket.send_to("0")
        await socket.expect_event(status=500)
        await socket.send_to("1")
        await socket.expect_event(1.0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("http.request", heard), "not 'http.request'"),
        (("websocket.receive", "no.such.thing"), "Cannot import 'no.such.thing'"),
        (("websocket.receive", 5), "something to call"),
    ],
)
def test_a_wrong_route_says_what_is_wrong(arguments, words) -> None:
    with pytest.raises(ImproperlyConfigured, match=words):
        route(*arguments)
