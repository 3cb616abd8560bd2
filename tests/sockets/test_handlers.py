"""`RoutedSocketHandler`, with the features of django-channels-router."""

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


def client(handler=Poker, path="/poker/1/", **kwargs):
    return SocketCommunicator(handler.as_asgi(), path, dialect="type", **kwargs)


async def reply_to(socket, **content):
    """Send a message, and return the reply without its time."""
    await socket.send_json(content)
    frame = await socket.receive_json()
    assert frame.pop("TIMESTAMP").isdecimal()
    return frame


async def test_a_type_calls_the_method_of_its_route() -> None:
    async with client() as socket:
        assert await reply_to(socket, type="GET_GAMESTATE") == {"type": "GAMESTATE", "pot": 12}


async def test_a_pattern_calls_its_method_if_the_type_matches_from_the_start() -> None:
    async with client() as socket:
        assert await reply_to(socket, type="ACT_FOLD") == {"type": "ACTED", "by": "ACT_FOLD"}
        assert (await reply_to(socket, type="REACT_FOLD"))["type"] == "ERROR"


async def test_a_callable_route_is_called_with_the_handler_and_the_content() -> None:
    class Handler(RoutedSocketHandler):
        routes = (("MOVE", lambda handler, content: handler.send_action("MOVED", x=content["x"])),)

    async with client(Handler) as socket:
        assert await reply_to(socket, type="MOVE", x=3) == {"type": "MOVED", "x": 3}


async def test_the_last_of_several_matching_routes_is_called() -> None:
    class Overriding(Poker):
        routes = (*Poker.routes, ("PING", "on_my_ping"), (re.compile("GET_"), "on_get"))

        def on_my_ping(self, content):
            self.send_action("PONG")

        def on_get(self, content):
            self.send_action("GOT")

    async with client(Overriding) as socket:
        assert await reply_to(socket, type="PING") == {"type": "PONG"}
        assert await reply_to(socket, type="GET_GAMESTATE") == {"type": "GOT"}


@pytest.mark.parametrize("name", [None, "", 0, [], ["PING"], {"a": 1}, 7, True, "P" * 10_000, "Y"])
async def test_a_type_without_a_route_is_answered_with_an_error_frame(name) -> None:
    async with client() as socket:
        message = f"Unknown action: {name!s:.64}"
        error = {"type": "ERROR", "success": False, "errors": [message], "details": message}
        assert await reply_to(socket, type=name) == error
        assert await reply_to(socket, type="GET_GAMESTATE") == {"type": "GAMESTATE", "pot": 12}


async def test_a_message_without_a_known_type_calls_the_default_route() -> None:
    class Handler(Poker):
        def default_route(self, content):
            self.send_json({"type": "WHAT", "content": content})

    async with client(Handler) as socket:
        assert (await reply_to(socket, a=1))["content"] == {"a": 1}
        assert (await reply_to(socket, type="Y"))["content"] == {"type": "Y"}


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"PING"', '{"type": NaN}', "[" * 99])
async def test_a_frame_that_is_not_a_json_object_is_answered_with_an_error_frame(text) -> None:
    async with client() as socket:
        await socket.send_to(text)
        assert (await socket.receive_json())["type"] == "ERROR"
        assert await reply_to(socket, type="GET_GAMESTATE") == {"type": "GAMESTATE", "pot": 12}


async def test_an_error_frame_for_a_server_error_hides_internal_details() -> None:
    async with client() as socket:
        error = await reply_to(socket, type="FAIL")
        assert error["details"] == "A server error occurred."
        assert (error["errors"], error["success"]) == ([error["details"]], False)


async def test_an_error_frame_shows_internal_details_with_debug_errors(settings) -> None:
    settings.REST_CHANNELS = {"DEBUG_ERRORS": True}
    async with client() as socket:
        error = await reply_to(socket, type="FAIL")
        assert error["errors"] == ["ValueError: the secret is 42"]
        assert "in on_fail" in error["details"]


async def test_an_error_frame_has_the_request_id_of_its_message() -> None:
    async with client() as socket:
        call = await socket.call("Y")
        await socket.expect_reply(call, type="ERROR")


# Built-in types.


async def test_hello_is_answered_with_the_user_row_path_and_address_of_the_client(ada) -> None:
    async with client(user=ada) as socket:
        row = await Socket.objects.aget()
        hello = await reply_to(socket, type="HELLO")
        assert hello.pop("last_ping") is not None
        expected = {
            "user_id": ada.pk,
            "session_id": row.pk,
            "path": "/poker/1/",
            "user_ip": "127.0.0.1",
        }
        assert hello == {"type": "GOT_HELLO", **expected}


async def test_hello_sends_a_ping_to_the_users_other_sockets_on_the_path(ada, bob) -> None:
    other_path, other_user = client(user=ada, path="/poker/2/"), client(user=bob)
    async with client(user=ada) as one, client(user=ada) as two, other_path, other_user:
        await reply_to(two, type="HELLO")
        await one.expect_event(type="PING")
        await other_path.expect_nothing()
        await other_user.expect_nothing()
        assert await Socket.objects.filter(active=False).acount() == 1


async def test_hello_of_an_anonymous_client_sends_no_ping() -> None:
    async with client() as one, client() as two:
        await reply_to(two, type="HELLO")
        await one.expect_nothing()


async def test_a_ping_of_a_client_is_not_answered() -> None:
    async with client() as socket:
        await socket.send_json({"type": "PING"})
        await socket.expect_nothing()


async def test_with_login_required_an_anonymous_client_receives_only_reconnect() -> None:
    class Closed(Poker):
        login_required = True
        happened = []

        def connect(self):
            self.happened.append("connect")

        def disconnect(self, code):
            self.happened.append("disconnect")

    async with client(Closed, user=AnonymousUser()) as socket:
        for content in ({"type": "HELLO"}, {"type": "GET_GAMESTATE"}, {"a": 1}):
            assert (await reply_to(socket, **content))["type"] == "RECONNECT"
        for frame in ({"text_data": "{"}, {"bytes_data": b"x"}):
            await socket.send_to(**frame)
            await socket.expect_event(type="RECONNECT")
        assert not await Socket.objects.aexists()  # so no queryset sends to it
    assert Closed.happened == []


@pytest.mark.parametrize("method", ["receive", "receive_json", "decode_json"])
async def test_frames_of_an_anonymous_client_reach_no_overridden_method(method) -> None:
    async def fail(self, *args, **kwargs):
        raise AssertionError("A frame of an anonymous client reached this method.")

    closed = type("Closed", (Poker,), {"login_required": True, method: fail})
    async with client(closed, user=AnonymousUser()) as socket:
        assert (await reply_to(socket, type="HELLO"))["type"] == "RECONNECT"


async def test_a_logged_in_user_is_served_with_login_required(ada) -> None:
    class Closed(Poker):
        login_required = True

    async with client(Closed, user=ada) as socket:
        assert (await reply_to(socket, type="GET_GAMESTATE"))["type"] == "GAMESTATE"


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
async def test_a_route_with_a_serializer_passes_the_validated_data(name, ada) -> None:
    async with client(Chess, user=ada) as socket:
        moved = {"type": "MOVED", "keys": ["by", "x"], "x": 3, "by": "ada"}
        assert await reply_to(socket, type=name, x="3", cheat=1) == moved


@pytest.mark.parametrize("name", ["MOVE", "AMOVE"])
async def test_an_invalid_message_is_answered_with_an_error_frame_that_names_the_fields(
    name, ada
) -> None:
    async with client(Chess, user=ada) as socket:
        error = await reply_to(socket, type=name, x=99)
        assert error["errors"] == [{"x": ["Ensure this value is less than or equal to 8."]}]
        assert (error["type"], error["details"]) == ("ERROR", "Invalid message.")


# Sending.


async def test_sending_adds_a_timestamp_without_changing_the_callers_dict() -> None:
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


async def test_peers_are_the_other_sockets_on_the_same_path(ada) -> None:
    class Handler(RoutedSocketHandler):
        routes = (("SAY", "on_say"),)

        def on_say(self, content):
            assert self.peers().send_action("MESSAGE", text=content["text"]) == 1

    other_path = client(Handler, "/poker/2/")
    async with client(Handler) as one, client(Handler) as two, other_path:
        await one.send_json({"type": "SAY", "text": "hi"})
        await two.expect_event(type="MESSAGE", text="hi")
        await one.expect_nothing()
        await other_path.expect_nothing()


async def test_an_overridden_send_json_receives_messages_of_querysets() -> None:
    class Overriding(RoutedSocketHandler):
        def send_json(self, content, close=False):
            return super().send_json({**content, "overridden": True}, close)

    async with client(Overriding) as socket:
        await Socket.objects.asend_action("CHAT")
        await socket.expect_event(type="CHAT", overridden=True)


# Attributes.

connected = []


class Recording(RoutedSocketHandler):
    def connect(self):
        connected.append(self)


class Page(View):
    pass


urlpatterns = [path("poker/<int:pk>/", Page.as_view(), name="poker")]


@pytest.mark.urls(__name__)
async def test_a_handler_knows_its_user_path_row_and_view(ada) -> None:
    async with client(Recording, user=ada, kwargs={"pk": 1}):
        handler = connected.pop()
        assert (handler.user, handler.path, handler.kwargs) == (ada, "/poker/1/", {"pk": 1})
        assert handler.row is handler.socket
        assert handler.row == await Socket.objects.aget()
        assert handler.reply_channel.name == handler.row.channel_name
        assert (handler.view_name, handler.session, handler.http_user) == ("poker", None, True)
        assert handler.message["path"] == "/poker/1/"
        assert handler.channel_name


@pytest.mark.urls(__name__)
async def test_user_and_view_name_are_none_for_an_anonymous_client_without_a_page() -> None:
    async with client(Recording, "/elsewhere/", user=AnonymousUser()):
        handler = connected.pop()
        assert (handler.user, handler.view_name, handler.kwargs) == (None, None, {})


# Connecting and disconnecting.


async def test_the_row_exists_during_connect_and_is_deleted_before_disconnect() -> None:
    class Handler(RoutedSocketHandler):
        rows = []

        def connect(self):
            self.rows.append(Socket.objects.count())

        def disconnect(self, code):
            self.rows.append(Socket.objects.count())

    async with client(Handler):
        pass
    assert Handler.rows == [1, 0]


async def test_a_connect_that_raises_permission_denied_leaves_no_row() -> None:
    class Handler(RoutedSocketHandler):
        def connect(self):
            raise PermissionDenied("Not today.")

    socket = client(Handler)
    await socket.connect()
    assert (await socket.receive_json())["details"] == "Not today."
    assert await socket.expect_close(4403)
    await socket.disconnect()
    assert not await Socket.objects.aexists()


@pytest.mark.parametrize("invalid_path", ["/" + "x" * 255, "/a%00b/"])
async def test_a_path_that_does_not_fit_into_a_row_is_closed_with_4404(invalid_path) -> None:
    socket = client(path=invalid_path)
    await socket.connect()
    assert (await socket.receive_json())["details"] == "Not found."
    await socket.expect_close(4404)
    await socket.disconnect()


async def test_disconnect_does_not_run_if_the_row_could_not_be_saved(ada) -> None:
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


# Errors of the author.


@pytest.mark.parametrize("text", [b"x", 7, "\ud800"])
async def test_sending_invalid_content_is_answered_with_an_error_frame(text) -> None:
    class Handler(RoutedSocketHandler):
        routes = (
            ("SELF", lambda socket, content: socket.send_str(text)),
            ("ALL", lambda socket, content: Socket.objects.send_str(text)),
            ("LIST", lambda socket, content: socket.send_json([1])),
        )

    async with client(Handler) as socket:
        for name in ("SELF", "ALL", "LIST"):
            assert (await reply_to(socket, type=name))["details"] == "A server error occurred."


@pytest.mark.parametrize(
    ("route", "message"),
    [
        (
            ("MOVE", "on_movee"),
            "'MOVE': Handler has no method 'on_movee'. Did you",
        ),
        (("MOVE",), r"\('MOVE',\) is not \(type, handler\)"),
        ("MOVE", "'MOVE' is not"),
        ((7, "on_move"), "A route is text or a compiled text pattern, not 7"),
        (("MOVE", 7), "'MOVE': 7 is not callable"),
        (("MOVE", "on_move", 7), "'MOVE': 7 is no serializer"),
    ],
)
def test_an_invalid_route_raises_a_type_error_when_the_class_is_created(route, message) -> None:
    with pytest.raises(TypeError, match=message):
        type("Handler", (RoutedSocketHandler,), {"routes": (route,), "on_move": print})
