"""`RoutedSocketHandler`: what the README of django-channels-router promises, on our engine."""

import re

import pytest
from django.contrib.auth.models import AnonymousUser
from django.urls import path
from django.views import View
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied

from rest_channels.testing import SocketCommunicator
from sockets.handlers import RoutedSocketHandler
from sockets.models import Socket

pytestmark = pytest.mark.django_db(transaction=True)


class Poker(RoutedSocketHandler):
    routes = (
        *RoutedSocketHandler.routes,
        ("GET_GAMESTATE", "on_get_gamestate"),
        (re.compile("ACT_.+"), "on_act"),
        ("FAIL", "on_fail"),
    )

    def on_get_gamestate(self, content):
        self.send_action("GAMESTATE", pot=12)

    async def on_act(self, content):
        await self.send_json({"type": "ACTED", "by": content["type"]})

    def on_fail(self, content):
        raise ValueError("the secret is 42")


def client(handler=Poker, where="/poker/1/", **kwargs):
    return SocketCommunicator(handler.as_asgi(), where, dialect="type", **kwargs)


async def answer(socket, **content):
    """What a message is answered with, without its time."""
    await socket.send_json(content)
    frame = await socket.receive_json()
    assert frame.pop("TIMESTAMP").isdecimal()
    return frame


async def test_a_type_leads_to_a_method() -> None:
    async with client() as socket:
        assert await answer(socket, type="GET_GAMESTATE") == {"type": "GAMESTATE", "pot": 12}


async def test_a_pattern_leads_to_a_method() -> None:
    async with client() as socket:
        assert await answer(socket, type="ACT_FOLD") == {"type": "ACTED", "by": "ACT_FOLD"}
        assert (await answer(socket, type="REACT_FOLD"))["type"] == "ERROR"  # it has to begin so


async def test_a_callable_gets_the_handler_and_the_content() -> None:
    class Handler(RoutedSocketHandler):
        routes = (("MOVE", lambda handler, content: handler.send_action("MOVED", x=content["x"])),)

    async with client(Handler) as socket:
        assert await answer(socket, type="MOVE", x=3) == {"type": "MOVED", "x": 3}


async def test_of_several_routes_the_last_one_has_the_message() -> None:
    class Talkative(Poker):
        routes = (*Poker.routes, ("PING", "on_my_ping"), (re.compile("GET_"), "on_get"))

        def on_my_ping(self, content):
            self.send_action("PONG")

        def on_get(self, content):
            self.send_action("GOT")

    async with client(Talkative) as socket:
        assert await answer(socket, type="PING") == {"type": "PONG"}
        assert await answer(socket, type="GET_GAMESTATE") == {"type": "GOT"}


@pytest.mark.parametrize("name", [None, "", 0, [], ["PING"], {"a": 1}, 7, True, "P" * 10_000, "Y"])
async def test_what_no_route_is_for_is_an_error_and_the_connection_lives(name) -> None:
    async with client() as socket:
        wrong = f"Unknown action: {name!s:.64}"
        error = {"type": "ERROR", "success": False, "errors": [wrong], "details": wrong}
        assert await answer(socket, type=name) == error
        assert await answer(socket, type="GET_GAMESTATE") == {"type": "GAMESTATE", "pot": 12}


async def test_what_has_no_type_goes_to_the_default_route() -> None:
    class Handler(Poker):
        def default_route(self, content):
            self.send_json({"type": "WHAT", "content": content})

    async with client(Handler) as socket:
        assert (await answer(socket, a=1))["content"] == {"a": 1}
        assert (await answer(socket, type="Y"))["content"] == {"type": "Y"}


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"PING"', '{"type": NaN}', "[" * 99])
async def test_what_is_no_object_is_an_error_and_the_connection_lives(text) -> None:
    async with client() as socket:
        await socket.send_to(text)
        assert (await socket.receive_json())["type"] == "ERROR"
        assert await answer(socket, type="GET_GAMESTATE") == {"type": "GAMESTATE", "pot": 12}


async def test_an_error_of_the_server_says_nothing_about_its_inside() -> None:
    async with client() as socket:
        error = await answer(socket, type="FAIL")
        assert error["details"] == "A server error occurred."
        assert (error["errors"], error["success"]) == ([error["details"]], False)


async def test_with_debug_errors_it_says_all(settings) -> None:
    settings.REST_CHANNELS = {"DEBUG_ERRORS": True}
    async with client() as socket:
        error = await answer(socket, type="FAIL")
        assert error["errors"] == ["ValueError: the secret is 42"]
        assert "in on_fail" in error["details"]


async def test_an_error_comes_back_with_the_id_of_its_message() -> None:
    async with client() as socket:
        call = await socket.call("Y")
        await socket.expect_reply(call, type="ERROR")


# What is built in.


async def test_hello_is_answered_with_who_one_is(ada) -> None:
    async with client(user=ada) as socket:
        row = await Socket.objects.aget()
        hello = await answer(socket, type="HELLO")
        assert hello.pop("last_ping") is not None
        me = {"user_id": ada.pk, "session_id": row.pk, "path": "/poker/1/", "user_ip": "127.0.0.1"}
        assert hello == {"type": "GOT_HELLO", **me}


async def test_hello_asks_ones_other_sockets_on_the_path_for_a_sign_of_life(ada, bob) -> None:
    elsewhere, his = client(user=ada, where="/poker/2/"), client(user=bob)
    async with client(user=ada) as one, client(user=ada) as two, elsewhere, his:
        await answer(two, type="HELLO")
        await one.expect_event(type="PING")
        await elsewhere.expect_nothing()
        await his.expect_nothing()
        assert await Socket.objects.filter(active=False).acount() == 1


async def test_a_strangers_hello_asks_nobody() -> None:
    async with client() as one, client() as two:
        await answer(two, type="HELLO")
        await one.expect_nothing()


async def test_a_ping_is_not_answered() -> None:
    async with client() as socket:
        await socket.send_json({"type": "PING"})
        await socket.expect_nothing()


async def test_a_stranger_is_asked_to_reconnect_where_a_login_is_required() -> None:
    class Closed(Poker):
        login_required = True
        happened = []

        def connect(self):
            self.happened.append("connect")

        def disconnect(self, code):
            self.happened.append("disconnect")

    async with client(Closed, user=AnonymousUser()) as socket:
        for content in ({"type": "HELLO"}, {"type": "GET_GAMESTATE"}, {"a": 1}):
            assert (await answer(socket, **content))["type"] == "RECONNECT"
        for frame in ({"text_data": "{"}, {"bytes_data": b"x"}):
            await socket.send_to(**frame)
            await socket.expect_event(type="RECONNECT")
        assert not await Socket.objects.aexists()  # so nobody can tell it anything
    assert Closed.happened == []


@pytest.mark.parametrize("method", ["receive", "receive_json", "decode_json"])
async def test_a_stranger_reaches_no_method_of_ones_own(method) -> None:
    async def leak(self, *args, **kwargs):
        raise AssertionError("A stranger's frame came here.")

    closed = type("Closed", (Poker,), {"login_required": True, method: leak})
    async with client(closed, user=AnonymousUser()) as socket:
        assert (await answer(socket, type="HELLO"))["type"] == "RECONNECT"


async def test_who_is_logged_in_is_not(ada) -> None:
    class Closed(Poker):
        login_required = True

    async with client(Closed, user=ada) as socket:
        assert (await answer(socket, type="GET_GAMESTATE"))["type"] == "GAMESTATE"


# Serializers.


class MoveSerializer(serializers.Serializer):
    x = serializers.IntegerField(max_value=8)
    by = serializers.HiddenField(default=serializers.CurrentUserDefault())


class Chess(RoutedSocketHandler):
    routes = (("MOVE", "on_move", MoveSerializer), ("AMOVE", "on_amove", MoveSerializer))

    def on_move(self, content):
        self.send_action("MOVED", keys=sorted(content), x=content["x"], by=content["by"].username)

    async def on_amove(self, content):
        self.on_move(content)


@pytest.mark.parametrize("name", ["MOVE", "AMOVE"])
async def test_a_handler_with_a_serializer_gets_what_was_validated(name, ada) -> None:
    async with client(Chess, user=ada) as socket:
        moved = {"type": "MOVED", "keys": ["by", "x"], "x": 3, "by": "ada"}
        assert await answer(socket, type=name, x="3", cheat=1) == moved


@pytest.mark.parametrize("name", ["MOVE", "AMOVE"])
async def test_who_sends_what_is_not_valid_is_told_which_fields(name, ada) -> None:
    async with client(Chess, user=ada) as socket:
        error = await answer(socket, type=name, x=99)
        assert error["errors"] == [{"x": ["Ensure this value is less than or equal to 8."]}]
        assert (error["type"], error["details"]) == ("ERROR", "Invalid message.")


# What it can say.


async def test_what_it_sends_is_dressed_and_the_callers_dict_is_not() -> None:
    class Handler(RoutedSocketHandler):
        def connect(self):
            content = {"a": 1}
            self.send_json(content)
            self.send_action("CHAT", text="hi", type="hidden")
            self.send_str("as it is")
            assert content == {"a": 1}

    async with client(Handler) as socket:
        one, two = await socket.receive_json(), await socket.receive_json()
        assert (one.keys(), two["type"], two["text"]) == ({"a", "TIMESTAMP"}, "CHAT", "hi")
        assert await socket.receive_from() == "as it is"


async def test_its_peers_are_the_other_sockets_on_its_path(ada) -> None:
    class Handler(RoutedSocketHandler):
        routes = (("SAY", "on_say"),)

        def on_say(self, content):
            assert self.peers().send_action("SAID", text=content["text"]) == 1

    elsewhere = client(Handler, "/poker/2/")
    async with client(Handler) as one, client(Handler) as two, elsewhere:
        await one.send_json({"type": "SAY", "text": "hi"})
        await two.expect_event(type="SAID", text="hi")
        await one.expect_nothing()
        await elsewhere.expect_nothing()


async def test_who_overrides_send_json_sees_what_querysets_send() -> None:
    class Loud(RoutedSocketHandler):
        def send_json(self, content, close=False):
            return super().send_json({**content, "loud": True}, close)

    async with client(Loud) as socket:
        await Socket.objects.asend_action("CHAT")
        await socket.expect_event(type="CHAT", loud=True)


# Who and where it is.

seen = []


class Curious(RoutedSocketHandler):
    def connect(self):
        seen.append(self)


class Page(View):
    pass


urlpatterns = [path("poker/<int:pk>/", Page.as_view(), name="poker")]


@pytest.mark.urls(__name__)
async def test_it_knows_who_and_where_it_is(ada) -> None:
    async with client(Curious, user=ada, kwargs={"pk": 1}):
        handler = seen.pop()
        assert (handler.user, handler.path, handler.kwargs) == (ada, "/poker/1/", {"pk": 1})
        assert handler.row is handler.socket
        assert handler.row == await Socket.objects.aget()
        assert handler.reply_channel.name == handler.row.channel_name
        assert (handler.view_name, handler.session, handler.http_user) == ("poker", None, True)
        assert handler.message["path"] == "/poker/1/"
        assert handler.channel_name


@pytest.mark.urls(__name__)
async def test_a_stranger_is_none_and_a_path_without_page_has_no_name() -> None:
    async with client(Curious, "/elsewhere/", user=AnonymousUser()):
        handler = seen.pop()
        assert (handler.user, handler.view_name, handler.kwargs) == (None, None, {})


# Its life.


async def test_its_row_is_gone_when_disconnect_runs() -> None:
    class Handler(RoutedSocketHandler):
        rows = []

        def connect(self):
            self.rows.append(Socket.objects.count())

        def disconnect(self, code):
            self.rows.append(Socket.objects.count())

    async with client(Handler):
        pass
    assert Handler.rows == [1, 0]


async def test_a_connect_that_refuses_leaves_no_row() -> None:
    class Handler(RoutedSocketHandler):
        def connect(self):
            raise PermissionDenied("Not today.")

    socket = client(Handler)
    await socket.connect()
    assert (await socket.receive_json())["details"] == "Not today."
    assert await socket.expect_close(4403)
    await socket.disconnect()
    assert not await Socket.objects.aexists()


@pytest.mark.parametrize("where", ["/" + "x" * 255, "/a%00b/"])
async def test_a_path_that_no_row_can_hold_is_not_found(where) -> None:
    socket = client(where=where)
    await socket.connect()
    assert (await socket.receive_json())["details"] == "Not found."
    await socket.expect_close(4404)
    await socket.disconnect()


async def test_who_never_arrived_is_not_said_to_have_left(ada) -> None:
    class Handler(RoutedSocketHandler):
        happened = []

        def connect(self):
            self.happened.append("connect")

        def disconnect(self, code):
            self.happened.append("disconnect")

    await ada.adelete()
    ada.pk = 1_000_000
    socket = client(Handler, user=ada)
    await socket.connect()
    await socket.expect_close(4401)
    await socket.disconnect()
    assert Handler.happened == []


# Mistakes of its author.


@pytest.mark.parametrize("text", [b"x", 7, "\ud800"])
async def test_what_no_frame_can_carry_is_an_error_and_the_connection_lives(text) -> None:
    class Handler(RoutedSocketHandler):
        routes = (
            ("SELF", lambda socket, content: socket.send_str(text)),
            ("ALL", lambda socket, content: Socket.objects.send_str(text)),
            ("LIST", lambda socket, content: socket.send_json([1])),
        )

    async with client(Handler) as socket:
        for name in ("SELF", "ALL", "LIST"):
            assert (await answer(socket, type=name))["details"] == "A server error occurred."


@pytest.mark.parametrize(
    ("route", "words"),
    [
        (
            ("MOVE", "on_movee"),
            "the handler of 'MOVE' is 'on_movee', but Handler has no method of that name. Did you",
        ),
        (("MOVE",), r"\('MOVE',\) is not \(type, handler\)"),
        ("MOVE", "'MOVE' is not"),
        ((7, "on_move"), "A route is text or a compiled text pattern, not 7"),
        (("MOVE", 7), "the handler of 'MOVE' is 7. Write"),
        (("MOVE", "on_move", 7), "'MOVE': 7 is not a serializer class"),
    ],
)
def test_a_wrong_route_is_an_error_when_the_class_is_made(route, words) -> None:
    with pytest.raises(TypeError, match=words):
        type("Handler", (RoutedSocketHandler,), {"routes": (route,), "on_move": print})
