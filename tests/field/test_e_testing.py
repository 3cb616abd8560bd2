"""Situations of people who test their sockets: other clients, unit tests, every dialect."""

from unittest.mock import ANY, AsyncMock, Mock

import pytest
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.db import transaction
from django.test import TestCase
from django.urls import path
from rest_framework.permissions import IsAdminUser
from rest_framework.serializers import ModelSerializer

from rest_channels.consumers import (
    AsyncAPIConsumer,
    ModelConsumer,
    SocketConsumer,
    view_as_consumer,
)
from rest_channels.decorators import action, socket_route
from rest_channels.observer import model_observer
from rest_channels.protocol.messages import Call
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView, SocketView


class UserSerializer(ModelSerializer):
    class Meta:
        model = User
        fields = ("id", "username")


class Users(ModelConsumer):
    queryset = User.objects.order_by("pk")
    serializer_class = UserSerializer

    @model_observer(User)
    async def watch(self, message, request_id=None, **kwargs):
        await self.send_json(message)

    @action()
    async def watch_all(self, request_id):
        await self.watch.subscribe(request_id=request_id)


class Echo(AsyncAPIConsumer):
    @action()
    async def echo(self, data):
        return data, 200


@pytest.mark.parametrize(
    "application", [Echo.as_asgi(), Echo, SocketApplication([path("ws/", Echo.as_asgi())])]
)
async def test_the_communicator_of_channels_takes_every_form_of_an_application(application) -> None:
    if application is Echo:
        application = Echo()  # an instance, as the tests of DCRF pass it
    socket = WebsocketCommunicator(application, "/ws/")
    assert (await socket.connect())[0]
    await socket.send_json_to({"action": "echo", "request_id": 1, "data": 2})
    assert (await socket.receive_json_from())["data"] == 2
    await socket.disconnect()


# Channels' WebsocketCommunicator in Django's TestCase.


class ChannelsCommunicatorTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.ada = User.objects.create(username="ada")

    async def list_users(self, app, path="/"):
        socket = WebsocketCommunicator(app, path)
        assert (await socket.connect())[0]
        await socket.send_json_to({"action": "list", "request_id": 1})
        reply = await socket.receive_json_from()
        await socket.disconnect()
        return [user["username"] for user in reply["data"]]

    async def test_a_handler_sees_the_rows_of_the_test(self):
        assert await self.list_users(Users.as_asgi()) == ["ada"]

    async def test_a_handler_behind_channels_own_router_sees_the_rows_of_the_test(self):
        app = URLRouter([path("users/", Users.as_asgi())])
        assert await self.list_users(app, "/users/") == ["ada"]

    async def test_a_handler_behind_socket_application_sees_the_rows_of_the_test(self):
        app = SocketApplication([path("users/", Users.as_asgi())])
        assert await self.list_users(app, "/users/") == ["ada"]

    async def test_a_row_that_a_handler_writes_is_rolled_back_with_the_test(self):
        socket = WebsocketCommunicator(Users.as_asgi(), "/")
        await socket.connect()
        await socket.send_json_to({"action": "create", "data": {"username": "eve"}})
        assert (await socket.receive_json_from())["response_status"] == 201
        await socket.disconnect()
        assert await User.objects.acount() == 2

    async def test_another_test_sees_only_its_own_rows(self):
        assert await User.objects.acount() == 1

    async def test_an_observer_sends_what_the_test_saves(self):
        socket = WebsocketCommunicator(Users.as_asgi(), "/")
        await socket.connect()
        frame = {"action": "subscribe_instance", "pk": self.ada.pk, "request_id": 1}
        await socket.send_json_to(frame)
        await socket.receive_json_from()
        self.ada.username = "lovelace"
        await self.ada.asave()
        assert (await socket.receive_json_from())["data"]["username"] == "lovelace"
        await socket.disconnect()

    async def test_a_view_with_an_async_and_a_sync_handler_sees_the_rows_of_the_test(self):
        class Count(SocketRouteView):
            @socket_route
            def sync(self, request, data):
                return User.objects.count()

            @socket_route
            async def unsync(self, request, data):
                return await User.objects.acount()

        socket = WebsocketCommunicator(Count.as_asgi(), "/")
        await socket.connect()
        for method in ("sync", "unsync"):
            await socket.send_json_to({"method": method})
            assert (await socket.receive_json_from())["data"] == 1
        await socket.disconnect()

    async def test_a_commit_hook_of_a_handler_runs(self):
        class Hooked(SocketConsumer):
            def receive_json(self, content):
                with transaction.atomic():
                    transaction.on_commit(lambda: self.send_json("committed"))

        socket = WebsocketCommunicator(Hooked.as_asgi(), "/")
        await socket.connect()
        await socket.send_json_to({})
        assert await socket.receive_json_from() == "committed"
        await socket.disconnect()

    async def test_a_test_that_never_disconnects_leaves_nothing_behind(self):
        socket = WebsocketCommunicator(Users.as_asgi(), "/")
        await socket.connect()
        await socket.send_json_to({"action": "create", "data": {"username": "eve"}})


# Unit tests of instances that were never connected.


class StaffUsers(Users):
    permission_classes = [IsAdminUser]


@pytest.fixture
def ada():
    return User.objects.create(username="ada", is_staff=True)


def unit(consumer_class, user=None, **scope):
    consumer = consumer_class()
    consumer.scope = {"user": user, **scope}
    return consumer


@pytest.mark.django_db(transaction=True)
async def test_actions_of_a_consumer_can_be_called_without_a_connection(ada) -> None:
    consumer = unit(Users, ada)
    assert await consumer.list() == ([{"id": ada.pk, "username": "ada"}], 200)
    assert (await consumer.retrieve(pk=ada.pk))[0]["username"] == "ada"
    assert (await consumer.create(data={"username": "eve"}))[1] == 201
    assert (await consumer.patch(pk=ada.pk, data={"username": "a"}))[0]["username"] == "a"
    assert await consumer.delete(pk=ada.pk) == (None, 204)


@pytest.mark.django_db(transaction=True)
async def test_subscribing_without_a_connection_records_the_groups(ada) -> None:
    consumer = unit(Users, ada)
    assert await consumer.subscribe_instance(pk=ada.pk, request_id=1) == (None, 201)
    await consumer.watch_all(request_id=2)
    assert len(consumer.groups) == 2
    await consumer.unsubscribe_instance(pk=ada.pk, request_id=1)
    await consumer.watch.unsubscribe()
    assert not consumer.groups


@pytest.mark.django_db
def test_querysets_and_serializers_need_neither_connection_nor_event_loop(ada) -> None:
    consumer = unit(Users, ada)
    assert list(consumer.get_queryset()) == [ada]
    assert consumer.get_object(pk=ada.pk) == ada
    serializer = consumer.get_serializer(ada)
    assert serializer.data["username"] == "ada"
    assert serializer.context["request"].user == ada
    assert serializer.context["request"].build_absolute_uri("/x/").endswith("/x/")


@pytest.mark.django_db(transaction=True)
async def test_the_whole_of_an_action_uses_the_mocks_of_the_instance(ada) -> None:
    consumer = unit(StaffUsers, ada)
    consumer.send_json = AsyncMock()
    await consumer.handle_action("list", request_id=7)
    (frame,) = consumer.send_json.await_args.args
    assert (frame["request_id"], frame["response_status"], len(frame["data"])) == (7, 200, 1)


async def test_a_permission_is_checked_without_a_connection() -> None:
    consumer = unit(StaffUsers, User(username="eve"))
    consumer.reply = AsyncMock()
    await consumer.handle_action("list", request_id=7)
    assert consumer.reply.await_args.kwargs["status"] == 403


async def test_frames_go_to_the_base_send_that_tests_of_channels_consumers_set() -> None:
    consumer = unit(AsyncAPIConsumer)
    consumer.base_send = AsyncMock()
    await consumer.reply("x", data=1, request_id=2)
    await consumer.close(code=4000)
    sent = [call.args[0] for call in consumer.base_send.await_args_list]
    assert [message["type"] for message in sent] == ["websocket.send", "websocket.close"]


async def test_sending_without_a_connection_says_what_to_write() -> None:
    for send in (unit(SocketConsumer).send_json, SocketView().send_json):
        with pytest.raises(RuntimeError, match="SocketCommunicator"):
            await send({"x": 1})


async def test_the_channel_layer_of_an_instance_can_be_replaced() -> None:
    class Chat(SocketConsumer):
        async def receive_json(self, content):
            await self.channel_layer.group_send("room", {"type": "line", "text": content["text"]})

    chat = unit(Chat)
    chat.channel_layer, chat.channel_name = AsyncMock(), "me"
    await chat.receive_json({"text": "hi"})
    chat.channel_layer.group_send.assert_awaited_once_with("room", {"type": "line", "text": "hi"})


async def test_two_unconnected_consumers_keep_their_own_users_apart() -> None:
    one, two = unit(AsyncAPIConsumer, User(pk=1)), unit(AsyncAPIConsumer, User(pk=2))
    assert (one.request.user.pk, two.request.user.pk) == (1, 2)


@pytest.mark.django_db(transaction=True)
async def test_a_wrapped_view_can_be_called_without_a_connection(ada) -> None:
    from rest_framework.viewsets import ModelViewSet

    class UserViewSet(ModelViewSet):
        queryset = User.objects.all()
        serializer_class = UserSerializer

    consumer = unit(view_as_consumer(UserViewSet).consumer_class, ada)
    consumer.reply = AsyncMock()
    await consumer.handle_action("list", request_id=1)
    assert consumer.reply.await_args.kwargs["status"] == 200


async def test_handlers_of_a_view_can_be_called_without_a_connection() -> None:
    class Editor(SocketView):
        async def connect(self, request, pk):
            self.join(f"note-{pk}")
            self.state["pk"] = pk

        def receive(self, request, pk):
            self.broadcast(f"note-{pk}", request.data)

    view = Editor()
    await view.connect(Mock(), pk=1)
    view.receive(Mock(data={"text": "x"}), pk=1)
    assert view.state == {"pk": 1}
    assert list(view.connection.groups) == ["note-1"]


def test_a_view_without_a_connection_has_no_call_and_may_be_given_a_connection() -> None:
    view = SocketRouteView()
    assert view.call == Call(None)
    assert view.connection is view.connection
    view.connection = connection = Mock()
    view.join("notes")
    assert connection.groups.join.call_args.args == ("notes",)


async def test_a_view_has_the_connection_and_the_call_of_its_request() -> None:
    class Editor(SocketRouteView):
        @socket_route
        async def save(self, request, data):
            same = self.connection is request.connection and self.call is request.call
            return [same, self.call.name, self.call.request_id]

    async with SocketCommunicator(Editor.as_asgi(), "/") as socket:
        await socket.expect_reply(await socket.call("save", 1), data=[True, "save", ANY])


class RoutedHandlerTests(TestCase):
    async def test_a_routed_handler_can_be_called_without_a_connection(self):
        from rest_framework.serializers import CharField, Serializer

        from sockets.handlers import RoutedSocketHandler

        class Move(Serializer):
            to = CharField()

        class Table(RoutedSocketHandler):
            routes = (*RoutedSocketHandler.routes, ("MOVE", "on_move", Move))

            def on_move(self, content):
                self.peers().send_action("MOVED", **content)
                self.send_action("OK", **content)

        handler = unit(Table, path="/table/1/")
        handler.send_json = Mock()
        await handler.receive_json({"type": "MOVE", "to": "e4"})
        handler.send_json.assert_called_once_with({"type": "OK", "to": "e4"})


# Expectations in every dialect.


@pytest.mark.django_db(transaction=True)
async def test_expect_event_finds_the_event_of_an_observer_under_its_subscriptions_id(ada) -> None:
    async with SocketCommunicator(Users.as_asgi(), user=ada, dialect="action") as socket:
        call = await socket.call("subscribe_instance", pk=ada.pk)
        await socket.expect_reply(await socket.call("list"), status=200)
        ada.username = "lovelace"
        await ada.asave()
        event = await socket.expect_event(action="update", request_id=call)
        assert event["data"]["username"] == "lovelace"
        await socket.expect_reply(call, status=201)
        await socket.expect_nothing()


@pytest.mark.django_db(transaction=True)
async def test_expect_event_finds_the_first_frame_of_a_subscription_that_replies_nothing() -> None:
    class Plain(AsyncAPIConsumer):
        watch = model_observer(User, serializer_class=UserSerializer)

        @action()
        async def watch_all(self, request_id):
            await self.watch.subscribe(request_id=request_id)

    async with SocketCommunicator(Plain.as_asgi(), dialect="action") as socket:
        call = await socket.call("watch_all")
        await socket.call("nothing")
        await socket.expect_reply(2, status=405)
        await User.objects.acreate(username="eve")
        await socket.expect_event(action="create", request_id=call)


@pytest.mark.django_db(transaction=True)
async def test_a_reply_is_never_taken_for_an_event(ada) -> None:
    async with SocketCommunicator(Users.as_asgi(), user=ada, dialect="action") as socket:
        call = await socket.call("list")
        socket.timeout = 0.2
        with pytest.raises(AssertionError, match="an event"):
            await socket.expect_event()
        await socket.expect_reply(call, action="list")


async def test_expect_reply_checks_the_status_of_every_dialect() -> None:
    class Methods(SocketRouteView):
        @socket_route
        def echo(self, request, data):
            return data, 202

    class Actions(AsyncAPIConsumer):
        @action()
        async def echo(self, data, **kwargs):
            return data, 202

    for app, dialect in ((Methods.as_asgi(), "method"), (Actions.as_asgi(), "action")):
        async with SocketCommunicator(app, dialect=dialect) as socket:
            await socket.expect_reply(await socket.call("echo", 1), status=202, data=1)
            with pytest.raises(AssertionError, match="status=200"):
                await socket.expect_reply(await socket.call("echo", 1), status=200)


@pytest.mark.django_db(transaction=True)
async def test_expect_reply_knows_an_error_of_the_type_dialect() -> None:
    from sockets.router import SocketRouter

    router = SocketRouter()
    async with SocketCommunicator(router.as_asgi(), dialect="type") as socket:
        await socket.expect_reply(await socket.call("NOTHING"), status=400)
        with pytest.raises(AssertionError, match="status=200"):
            await socket.expect_reply(await socket.call("NOTHING"), status=200)


def test_an_unknown_dialect_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="action, method, type"):
        SocketCommunicator(Users.as_asgi(), dialect="dcrf")
