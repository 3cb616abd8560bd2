"""`SocketView` and `SocketRouteView`, as a user writes them."""

import asyncio
import threading

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework.permissions import AllowAny, BasePermission, IsAuthenticated

from rest_channels.consumers import SocketConsumer
from rest_channels.decorators import socket_route
from rest_channels.exceptions import CloseCode
from rest_channels.groups import Group
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView, SocketView


async def test_a_view_accepts_without_a_connect_method_and_after_connect_returns() -> None:
    class Silent(SocketView):
        pass

    class Greeting(SocketView):
        def connect(self, request):
            self.send_json({"hello": request.path})

    async with SocketCommunicator(Silent.as_asgi()) as socket:
        await socket.expect_nothing()
    async with SocketCommunicator(Greeting.as_asgi(), "/room/?x=1") as socket:
        await socket.expect_event({"hello": "/room/"})


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_view_reads_data_and_answers_in_both_kinds_of_functions(kind) -> None:
    class Sync(SocketView):
        def receive(self, request):
            self.send_json({"got": request.data, "thread": threading.get_ident()})

    class Async(SocketView):
        async def receive(self, request):
            await self.send_json({"got": request.data, "thread": threading.get_ident()})

    view = Sync if kind == "def" else Async
    async with SocketCommunicator(view.as_asgi()) as socket:
        await socket.send_json([1, "ä"])
        event = await socket.expect_event(got=[1, "ä"])
    assert (event["thread"] == threading.get_ident()) is (kind == "async def")


async def test_every_event_is_a_new_instance_and_state_lives_as_long_as_the_connection() -> None:
    class Counter(SocketView):
        seen = 0

        async def receive(self, request):
            self.seen += 1
            self.state["seen"] = self.state.get("seen", 0) + 1
            self.send_json([self.seen, self.state["seen"]])

    async with SocketCommunicator(Counter.as_asgi()) as socket:
        for number in (1, 2, 3):
            await socket.send_json(None)
            await socket.expect_event([1, number])


async def test_a_broadcast_reaches_every_member_and_no_other_client() -> None:
    class Room(SocketView):
        def connect(self, request, name):
            self.join(f"room-{name}")

        def receive(self, request, name):
            self.broadcast(f"room-{name}", request.data)

    app = Room.as_asgi()
    async with (
        SocketCommunicator(app, kwargs={"name": "a"}) as one,
        SocketCommunicator(app, kwargs={"name": "a"}) as two,
        SocketCommunicator(app, kwargs={"name": "b"}) as other,
    ):
        await one.send_json("hi")
        await one.expect_event("hi")
        await two.expect_event("hi")
        await other.expect_nothing()


async def test_a_client_that_left_a_group_receives_no_more_of_its_messages() -> None:
    class Room(SocketView):
        async def connect(self, request):
            self.join("room")

        async def receive(self, request):
            self.leave("room")
            self.send_json("left")

    async with SocketCommunicator(Room.as_asgi()) as socket:
        await socket.send_json(None)
        await socket.expect_event("left")
        await Group("room").asend({"text": "gone"})
        await socket.expect_nothing()


@pytest.mark.parametrize(
    ("error", "status"), [(Http404, 404), (PermissionDenied, 403), (ZeroDivisionError, 500)]
)
@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_refused_client_receives_the_reason_and_is_closed(
    error, status, kind, caplog
) -> None:
    class Sync(SocketView):
        def connect(self, request):
            raise error

    class Async(SocketView):
        async def connect(self, request):
            raise error

    view = Sync if kind == "def" else Async
    async with SocketCommunicator(view.as_asgi()) as socket:
        await socket.expect_event(status=status)
        await socket.expect_close(4000 + status)


async def test_a_connect_that_fails_after_accepting_is_closed_too(caplog) -> None:
    class FailAfterAccept(SocketView):
        async def connect(self, request):
            self.accept()
            self.send_json("welcome")
            raise RuntimeError

    async with SocketCommunicator(FailAfterAccept.as_asgi()) as socket:
        await socket.expect_event("welcome")
        await socket.expect_event(status=500)
        await socket.expect_close(CloseCode.CONNECT_FAILED)


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_view_may_choose_a_subprotocol(kind) -> None:
    class Sync(SocketView):
        def connect(self, request):
            self.accept(request.scope["subprotocols"][-1])

    class Async(SocketView):
        async def connect(self, request):
            await self.accept(request.scope["subprotocols"][-1])

    view = Sync if kind == "def" else Async
    socket = SocketCommunicator(view.as_asgi(), subprotocols=["v1", "v2"])
    assert await socket.connect() == (True, "v2")
    await socket.disconnect()


async def test_permissions_are_checked_at_connect_and_for_every_frame() -> None:
    class Quota(BasePermission):
        message = "That was the last one."

        def has_permission(self, request, view):
            view.state["checks"] = view.state.get("checks", 0) + 1
            return view.state["checks"] < 3

    class Limited(SocketView):
        permission_classes = [Quota]

        async def receive(self, request):
            self.send_json({"checks": self.state["checks"]})

    async with SocketCommunicator(Limited.as_asgi(), user=AuthenticatedUser()) as socket:
        await socket.send_json({})
        await socket.expect_event({"checks": 2})
        await socket.send_json({"request_id": 7})
        await socket.expect_reply(7, status=403, detail="That was the last one.")


async def test_an_anonymous_client_is_closed_with_4401_and_a_logged_in_client_with_4403() -> None:
    class Refused(SocketView):
        permission_classes = [~IsAuthenticated]

    class Members(SocketView):
        permission_classes = [IsAuthenticated]

    async with SocketCommunicator(Members.as_asgi()) as socket:
        await socket.expect_event(status=401)
        await socket.expect_close(CloseCode.UNAUTHENTICATED)
    async with SocketCommunicator(Refused.as_asgi(), user=AuthenticatedUser()) as socket:
        await socket.expect_event(status=403)
        await socket.expect_close(CloseCode.FORBIDDEN)


async def test_disconnect_runs_once_for_an_accepted_client_and_never_for_a_refused_client() -> None:
    disconnects = []

    class Members(SocketView):
        permission_classes = [IsAuthenticated]

        def disconnect(self, request):
            disconnects.append((request.user, request.code))

    user = AuthenticatedUser()
    async with SocketCommunicator(Members.as_asgi(), user=user) as socket:
        await socket.disconnect(4321)
    async with SocketCommunicator(Members.as_asgi()) as socket:
        await socket.expect_close(4401)
    assert disconnects == [(user, 4321)]


async def test_a_frame_for_a_view_without_receive_is_answered_with_405() -> None:
    class Silent(SocketView):
        async def connect(self, request):
            self.join("silent")

    async with SocketCommunicator(Silent.as_asgi()) as socket:
        await socket.send_json({"request_id": 1})
        await socket.expect_reply(1, status=405)
        await Group("silent").asend({"text": '"still here"'})
        await socket.expect_event("still here")


async def test_a_view_that_overrides_send_json_receives_broadcasts() -> None:
    class Shouting(SocketView):
        async def connect(self, request):
            self.join("room")

        async def receive(self, request):
            self.broadcast("room", request.data)

        async def send_json(self, data):
            await super().send_json(data.upper())

    async with SocketCommunicator(Shouting.as_asgi()) as socket:
        await socket.send_json("hear")
        await socket.expect_event("HEAR")


async def test_a_message_for_a_consumer_method_does_not_reach_the_client_of_a_view() -> None:
    class Room(SocketView):
        async def connect(self, request):
            self.join("room")

    class Chat(SocketConsumer):
        async def receive_json(self, content):
            self.channel_layer.group_send("room", {"type": "secret.method"})
            self.channel_layer.group_send("empty", {"type": "x"})

    app = Chat.as_asgi()
    async with SocketCommunicator(Room.as_asgi()) as room, SocketCommunicator(app) as chat:
        await chat.send_json(None)
        await room.expect_nothing()


async def test_an_async_override_of_a_sending_method_works_when_called_from_def() -> None:
    class Signed(SocketView):
        def receive(self, request):
            self.send_json({"content": request.data})
            self.send_json({"content": "twice"})

        async def send_json(self, data):
            await asyncio.sleep(0)
            await super().send_json({**data, "by": "me"})

    async with SocketCommunicator(Signed.as_asgi()) as socket:
        await socket.send_json(1)
        await socket.expect_event({"content": 1, "by": "me"})
        await socket.expect_event({"content": "twice", "by": "me"})


async def test_as_asgi_takes_class_attributes_and_nothing_else() -> None:
    class Greeting(SocketView):
        greeting = "hi"

        async def connect(self, request):
            self.send_json(self.greeting)

    async with SocketCommunicator(Greeting.as_asgi(greeting="hello")) as socket:
        await socket.expect_event("hello")
    with pytest.raises(TypeError, match="'greting'"):
        Greeting.as_asgi(greting="typo")
    with pytest.raises(TypeError, match="'connect'"):
        Greeting.as_asgi(connect="no")


async def test_the_documented_send_renders_text_or_binary_for_a_channel_or_a_group() -> None:
    class DocumentedSend(SocketView):
        async def receive(self, request):
            Group("old").add(request.reply_channel)
            self.send(request.reply_channel, {"to": "me"})
            self.send(Group("old"), {"to": "all"})
            self.send(request.reply_channel, b"\x00", content_type="binary", close=True)

    async with SocketCommunicator(DocumentedSend.as_asgi()) as socket:
        await socket.send_json(None)
        await socket.expect_event({"to": "me"})
        await socket.expect_event({"to": "all"})
        assert await socket.receive_from() == b"\x00"
        await socket.expect_close(1000)


# SocketRouteView


class Game(SocketRouteView):
    @socket_route
    def move(self, request, data, **kwargs):
        return {"moved": data, **kwargs}

    @socket_route("give-up")
    async def resign(self, request, data):
        return "lost", 202

    @socket_route
    async def wait(self, request, data):
        return None

    @socket_route
    async def tell(self, request, data):
        self.route_send(request.reply_channel, data, status=201)

    def not_routed(self, request, data):
        raise AssertionError


async def test_a_frame_is_answered_by_the_method_that_it_names() -> None:
    async with SocketCommunicator(Game.as_asgi()) as socket:
        call = await socket.call("move", [1, 2])
        reply = await socket.expect_reply(call)
        assert reply == {
            "method": "move",
            "data": {"moved": [1, 2]},
            "status": 200,
            "request_id": call,
        }
        await socket.expect_reply(await socket.call("give-up"), data="lost", status=202)
        await socket.call("wait")
        await socket.call("tell", 5)
        await socket.expect_event({"method": "tell", "data": 5, "status": 201})


@pytest.mark.parametrize("name", ["not_routed", "__class__", "send", "self", "receive", "", 5])
async def test_a_frame_can_only_call_marked_methods(name) -> None:
    async with SocketCommunicator(Game.as_asgi()) as socket:
        await socket.send_json({"method": name, "data": {}})
        frame = await socket.expect_event(status=400)
        assert list(frame["data"]) == ["method"]


def test_a_route_may_not_hide_a_method_of_the_view() -> None:
    with pytest.raises(TypeError, match=r"would hide SocketRouteView\.send"):

        class Wrong(SocketRouteView):
            @socket_route
            def send(self, request, data):
                pass


async def test_a_subclass_adds_routes_and_overrides_them() -> None:
    class Chess(Game):
        @socket_route
        async def move(self, request, data):
            return "chess"

    async with SocketCommunicator(Chess.as_asgi()) as socket:
        await socket.expect_reply(await socket.call("move"), data="chess")
        await socket.expect_reply(await socket.call("give-up"), data="lost")


class AuthenticatedUser:
    is_authenticated = True
    is_staff = False


class AsyncConnectOnly(BasePermission):
    async def has_permission(self, request, view):
        return request.event == "connect"


class ReturnsCoroutine(BasePermission):
    def has_permission(self, request, view):
        return AsyncConnectOnly().has_permission(request, view)


class AsyncFramesOnly(BasePermission):
    async def has_permission(self, request, view):
        return request.event != "connect"


@pytest.mark.parametrize(
    "permission",
    [
        AsyncConnectOnly,
        ReturnsCoroutine,
        ReturnsCoroutine & AllowAny,
        AllowAny & AsyncConnectOnly,
        AsyncConnectOnly | IsAuthenticated,
        ~AsyncFramesOnly,
    ],
)
async def test_an_async_permission_is_awaited(permission) -> None:
    class Guarded(SocketView):
        permission_classes = [permission]

        def receive(self, request):
            self.send_json("the secret")

    async with SocketCommunicator(Guarded.as_asgi()) as socket:
        await socket.expect_reply(await socket.call("x"), status=401)
