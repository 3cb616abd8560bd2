"""Run the documentation (0.3.0) and the README of djangochannelsrestframework as printed.

The import name is replaced. Code that cannot run as printed is corrected, and nothing else: status
names, data that the printed serializer accepts, `re_path`. Other modules test observers, and
tests/test_api_consumer.py, test_generics.py and test_django_views.py cover the rest.
"""

import importlib
import json
from functools import partial

import pytest
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Group, User
from django.http import HttpResponse
from django.urls import re_path
from django.views import View
from rest_framework import serializers
from rest_framework.viewsets import ModelViewSet

from rest_channels import permissions
from rest_channels.consumers import AsyncAPIConsumer, view_as_consumer
from rest_channels.decorators import action
from rest_channels.generics import GenericAsyncAPIConsumer
from rest_channels.mixins import (
    CreateModelMixin,
    DeleteModelMixin,
    ListModelMixin,
    PaginatedModelListMixin,
    PatchModelMixin,
    RetrieveModelMixin,
    StreamedPaginatedListMixin,
    UpdateModelMixin,
)
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from tests import replies

from .printed_users import UserConsumer, UserSerializer

pytestmark = pytest.mark.django_db(transaction=True)

REQUEST_ID = 1_550_050_123_456
"""`new Date().getTime()`"""

reply = partial(replies.reply, request_id=REQUEST_ID)


async def answer_to(socket, action, **frame):
    await socket.send_json({"action": action, "request_id": REQUEST_ID, **frame})
    return await socket.receive_json()


def client(application, path="/ws/", **kwargs):
    return SocketCommunicator(application, path, user=AnonymousUser(), **kwargs)


both_applications = pytest.mark.parametrize(
    "application",
    [
        SocketApplication,
        lambda routes: ProtocolTypeRouter({"websocket": AuthMiddlewareStack(URLRouter(routes))}),
    ],
    ids=["SocketApplication", "as printed"],
)


@pytest.fixture
def users():
    """`{'email': '1@example.com', 'id': 1, 'username': 'test1'}`, and so on."""
    users = [User.objects.create_user(f"test{n}", f"{n}@example.com", "x") for n in (1, 2, 3)]
    return [{"id": user.pk, "username": user.username, "email": user.email} for user in users]


# 1.3.2.1, Generic Api Consumer: routing.py. The module printed_users has the other two.

websocket_urlpatterns = [
    re_path(r"^ws/$", UserConsumer.as_asgi()),
]


@both_applications
async def test_the_documented_conversation_with_a_generic_consumer_works(
    application, users
) -> None:
    async with client(application(websocket_urlpatterns)) as socket:
        pk = users[1]["id"]
        assert await answer_to(socket, "list") == reply("list", users)
        assert await answer_to(socket, "retrieve", pk=pk) == reply("retrieve", users[1])
        edited = {**users[1], "email": "edited@example.com"}
        answer = await answer_to(socket, "patch", pk=pk, data={"email": "edited@example.com"})
        assert answer == reply("patch", edited)
        answer = await answer_to(
            socket, "update", pk=pk, data={"username": "user2", "password": "secret"}
        )
        assert answer == reply("update", {**edited, "username": "user2"})
        new = {"username": "newuser4", "email": "4@example.com"}
        answer = await answer_to(socket, "create", data={**new, "password": "testpassword123"})
        fourth = await User.objects.aget(username="newuser4")
        assert answer == reply("create", {"id": fourth.pk, **new}, 201)
        assert await answer_to(socket, "delete", pk=fourth.pk) == reply("delete", None, 204)


async def test_the_documented_data_for_create_is_answered_with_the_missing_fields() -> None:
    printed = {
        "username": "new user 4",
        "password1": "testpassword123",
        "password2": "testpassword123",
        "email": "4@example.com",
    }
    async with client(UserConsumer.as_asgi()) as socket:
        refused = await answer_to(socket, "create", data=printed)
        assert (refused["data"], refused["response_status"]) == (None, 400)
        [errors] = refused["errors"]
        assert errors.keys() == {"username", "password"}


async def test_the_documented_data_for_update_is_answered_with_the_missing_fields(users) -> None:
    async with client(UserConsumer.as_asgi()) as socket:
        answer = await answer_to(socket, "update", pk=users[1]["id"], data={"username": "user2"})
        errors = [{"password": ["This field is required."]}]
        assert answer == reply("update", None, 400, errors)


async def test_the_communicator_of_channels_receives_the_same_frames(users) -> None:
    socket = WebsocketCommunicator(UserConsumer.as_asgi(), "/ws/")
    assert (await socket.connect())[0]
    await socket.send_json_to({"action": "list", "request_id": REQUEST_ID})
    assert await socket.receive_json_from() == reply("list", users)
    await socket.disconnect()


# 1.3.2.2 and the README, Custom actions.


sent = []


class EmailConsumer(GenericAsyncAPIConsumer):
    queryset = get_user_model().objects.all()
    serializer_class = UserSerializer

    @action()
    async def send_email(self, pk=None, to=None, **kwargs):
        user = await database_sync_to_async(self.get_object)(pk=pk)
        sent.append((user.email, to))
        return {}, 200  # return the content and the response code.

    @action()  # if the method is not async it is already wrapped in `database_sync_to_async`
    def publish(self, pk=None, **kwargs):
        user = self.get_object(pk=pk)
        assert user.pk == pk
        return {"pk": pk}, 200


async def test_custom_actions_find_their_object_in_def_and_in_async_def(users) -> None:
    pk = users[1]["id"]
    async with client(EmailConsumer.as_asgi()) as socket:
        assert await answer_to(socket, "send_email", pk=pk, to="you") == reply("send_email", {})
        assert sent.pop() == (users[1]["email"], "you")
        assert await answer_to(socket, "publish", pk=pk) == reply("publish", {"pk": pk})


@pytest.mark.parametrize("name", ["send_email", "publish"])
@pytest.mark.parametrize("frame", [{}, {"pk": 0}, {"pk": "x"}])
async def test_custom_actions_for_a_missing_object_are_answered_with_404(
    name, frame, users
) -> None:
    async with client(EmailConsumer.as_asgi()) as socket:
        assert await answer_to(socket, name, **frame) == reply(name, None, 404, ["Not found"])
        assert await answer_to(socket, "publish", pk=users[0]["id"]) == reply(
            "publish", {"pk": users[0]["id"]}
        )


class RetrieveAndUpdate(RetrieveModelMixin, UpdateModelMixin, GenericAsyncAPIConsumer):
    queryset = get_user_model().objects.all()
    serializer_class = UserSerializer


async def test_mixins_can_be_combined_as_in_drf(users) -> None:
    async with client(RetrieveAndUpdate.as_asgi()) as socket:
        assert await answer_to(socket, "retrieve", pk=users[0]["id"]) == reply("retrieve", users[0])
        for name in ("list", "create", "patch", "delete"):
            errors = [f'Method "{name}" not allowed.']
            assert await answer_to(socket, name) == reply(name, None, 405, errors)


# 1.3.2.4 and the README, View as consumer.


class NoPasswordSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ["id", "username", "email"]


class UserViewSet(ModelViewSet):
    queryset = User.objects.all()
    serializer_class = NoPasswordSerializer


class YourDjangoView(View):
    def get(self, request):
        return HttpResponse(f"Hello, {request.user or 'nobody'}.")


views = [
    re_path(r"^user/$", view_as_consumer(UserViewSet)),
    re_path(r"^front(end)/$", view_as_consumer(YourDjangoView)),
]


@both_applications
async def test_the_viewset_answers_as_printed(application, users) -> None:
    async with client(application(views), "/user/") as socket:
        assert await answer_to(socket, "list") == reply("list", users)


@both_applications
async def test_your_django_view_answers_with_its_text(application) -> None:
    async with client(application(views), "/frontend/") as socket:
        assert await answer_to(socket, "list") == reply("list", "Hello, AnonymousUser.")
        assert await answer_to(socket, "create") == reply("create", "", 405)


@pytest.mark.parametrize(
    ("name", "mapped"), [("retrieve", {"pk": 1}), ("update", {"pk": 1}), ("create", {})]
)
async def test_a_viewset_mapped_by_hand_is_called_by_the_documented_methods(name, mapped) -> None:
    class MethodViewSet(ModelViewSet):
        def method(self, request, **kwargs):
            assert kwargs == mapped
            return HttpResponse(request.method)

    view = MethodViewSet.as_view({"get": "method", "put": "method", "patch": "method"})
    method = {"retrieve": "GET", "update": "PATCH", "create": "PUT"}[name]
    async with client(view_as_consumer(view)) as socket:
        assert await answer_to(socket, name, parameters=mapped) == reply(name, method)


# 1.3.3, Consumers: a subclass may override the listed methods.


class RecordSteps(AsyncAPIConsumer):
    async def receive_json(self, content, **kwargs):
        content["by"] = ["receive_json"]
        await super().receive_json(content, **kwargs)

    async def handle_action(self, action, request_id, **kwargs):
        kwargs["by"].append("handle_action")
        await super().handle_action(action.lower(), request_id=request_id, **kwargs)

    async def check_permissions(self, action, **kwargs):
        kwargs["by"].append("check_permissions")
        await super().check_permissions(action, **kwargs)

    async def get_permissions(self, action, **kwargs):
        if action != "connect":
            kwargs["by"].append("get_permissions")
        return await super().get_permissions(action, **kwargs)

    @action()
    async def steps(self, by, **kwargs):
        return by, 200


async def test_a_frame_passes_the_documented_methods_in_their_order() -> None:
    steps = ["receive_json", "handle_action", "check_permissions", "get_permissions"]
    async with client(RecordSteps.as_asgi()) as socket:
        assert await answer_to(socket, "STEPS") == reply("steps", steps)


# 1.3.4, Generics.


class OverriddenHooks(UserConsumer):
    lookup_field = "username"
    lookup_url_kwarg = "name"

    def get_queryset(self, domain="", **kwargs):
        return super().get_queryset(**kwargs).filter(email__endswith=domain)

    def filter_queryset(self, queryset, backwards=False, **kwargs):
        queryset = super().filter_queryset(queryset, **kwargs)
        return queryset.order_by("-pk" if backwards else "pk")

    def get_serializer_class(self, short=False, **kwargs):
        return ShortSerializer if short else super().get_serializer_class(**kwargs)

    def get_serializer_context(self, **kwargs):
        context = super().get_serializer_context(**kwargs)
        assert context["consumer"] is self
        assert context["scope"] is self.scope
        return {**context, "upper": kwargs.get("upper")}

    @action()
    def gte(self, value, **kwargs):
        return self.get_object(username__gte=value).pk, 200


class ShortSerializer(serializers.ModelSerializer):
    name = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = ["name"]

    def get_name(self, user):
        return user.username.upper() if self.context["upper"] else user.username


async def test_the_documented_hooks_of_generics_receive_the_arguments_of_the_client(users) -> None:
    async with client(OverriddenHooks.as_asgi()) as socket:
        assert await answer_to(socket, "list", backwards=True) == reply("list", users[::-1])
        assert await answer_to(socket, "list", domain="2@example.com") == reply("list", users[1:2])
        answer = await answer_to(socket, "retrieve", name="test3", short=True, upper=True)
        assert answer == reply("retrieve", {"name": "TEST3"})
        answer = await answer_to(socket, "retrieve", name="test3", domain="2@example.com")
        assert answer == reply("retrieve", None, 404, ["Not found"])


async def test_a_client_cannot_choose_the_lookups_of_a_query(users) -> None:
    async with client(OverriddenHooks.as_asgi()) as socket:
        errors = [{"name": ["This argument is required."]}]
        assert await answer_to(socket, "gte", value="a") == reply("gte", None, 400, errors)


# 1.3.5, Mixins: each example is a LiveConsumer of one of them.


def live(mixin):
    class LiveConsumer(mixin, GenericAsyncAPIConsumer):
        queryset = User.objects.order_by("pk")
        serializer_class = UserSerializer
        permission_classes = (permissions.AllowAny,)

    return SocketApplication([re_path(r"^ws/$", LiveConsumer.as_asgi())])


@pytest.mark.parametrize(
    ("mixin", "frame", "status", "changed"),
    [
        (RetrieveModelMixin, {"action": "retrieve"}, 200, {}),
        (
            PatchModelMixin,
            {"action": "patch", "data": {"email": "00@e.org"}},
            200,
            {"email": "00@e.org"},
        ),
        (
            UpdateModelMixin,
            {"action": "update", "data": {"username": "edited", "password": "x"}},
            200,
            {"username": "edited"},
        ),
        (DeleteModelMixin, {"action": "delete"}, 204, None),
    ],
)
async def test_the_documented_mixins_of_one_object_work(
    mixin, frame, status, changed, users
) -> None:
    async with client(live(mixin)) as socket:
        answer = await answer_to(socket, **frame, pk=users[0]["id"])
        data = None if changed is None else {**users[0], **changed}
        assert answer == reply(frame["action"], data, status)
        other = await answer_to(socket, "list")
        assert other == reply("list", None, 405, ['Method "list" not allowed.'])


async def test_the_documented_create_mixin_works(users) -> None:
    async with client(live(CreateModelMixin)) as socket:
        data = {"username": "test", "email": "t@example.com"}
        answer = await answer_to(socket, "create", data={**data, "password": "testpassword123"})
        test = await User.objects.aget(username="test")
        assert await sync_to_async(test.check_password)("testpassword123")
        assert answer == reply("create", {"id": test.pk, **data}, 201)


@pytest.mark.parametrize("mixin", [ListModelMixin, PaginatedModelListMixin])
async def test_the_documented_list_mixins_without_limits_answer_with_the_whole_list(
    mixin, users
) -> None:
    async with client(live(mixin)) as socket:
        assert await answer_to(socket, "list") == reply("list", users)


async def test_a_paginated_list_has_a_count_limit_and_offset_beside_its_results(users) -> None:
    async with client(live(PaginatedModelListMixin)) as socket:
        page = {"count": 3, "limit": 1, "offset": 2, "results": users[2:]}
        assert await answer_to(socket, "list", limit=1, offset=2) == reply("list", page)


async def test_a_streamed_list_is_sent_as_one_frame_for_each_page(users) -> None:
    async with client(live(StreamedPaginatedListMixin)) as socket:
        bounds = {"count": 3, "limit": 2}
        assert await answer_to(socket, "list", limit=2) == reply(
            "list", {**bounds, "offset": 0, "results": users[:2]}
        )
        rest = {**bounds, "offset": 2, "results": users[2:]}
        assert await socket.receive_json() == reply("list", rest)
        await socket.expect_nothing()


# 1.3.7 and 1.3.8, Decorators and Permissions.


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("consumers", "AsyncAPIConsumer DjangoViewAsConsumer view_as_consumer"),
        ("generics", "GenericAsyncAPIConsumer AsyncAPIConsumer"),
        ("decorators", "action detail_action list_action"),
        ("permissions", "AllowAny BasePermission IsAuthenticated"),
    ],
)
def test_every_module_has_the_names_of_its_index(module, names) -> None:
    found = importlib.import_module(f"rest_channels.{module}")
    assert all(hasattr(found, name) for name in names.split())


async def test_is_authenticated_lets_anonymous_clients_connect_and_refuses_their_actions(
    users,
) -> None:
    class Guarded(UserConsumer):
        permission_classes = (permissions.IsAuthenticated,)

    async with client(Guarded.as_asgi()) as socket:
        errors = ["You do not have permission to perform this action."]
        assert await answer_to(socket, "list") == reply("list", None, 403, errors)
    ada = await User.objects.aget(username="test1")
    async with SocketCommunicator(Guarded.as_asgi(), user=ada) as socket:
        assert await answer_to(socket, "list") == reply("list", users)


# 1.3.9, Tutorial: the part of its consumer without observers. A group of users is the room here.


class RoomConsumer(GenericAsyncAPIConsumer):
    queryset = Group.objects.all()
    groups = ("rooms",)

    async def disconnect(self, code):
        if hasattr(self, "room_subscribe"):
            await self.remove_user_from_room(self.room_subscribe)
            await self.notify_users()
        await super().disconnect(code)

    @action()
    async def join_room(self, pk, **kwargs):
        self.room_subscribe = pk
        await self.add_user_to_room(pk)
        await self.notify_users()

    async def notify_users(self):
        room = await self.get_room(self.room_subscribe)
        for group in self.groups:
            await self.channel_layer.group_send(
                group, {"type": "update_users", "usuarios": await self.current_users(room)}
            )

    async def update_users(self, event):
        await self.send(text_data=json.dumps({"usuarios": event["usuarios"]}))

    @database_sync_to_async
    def get_room(self, pk):
        return Group.objects.get(pk=pk)

    @database_sync_to_async
    def current_users(self, room):
        users = room.user_set.order_by("pk")
        return [NoPasswordSerializer(user).data for user in users]

    @database_sync_to_async
    def remove_user_from_room(self, room):
        self.scope["user"].groups.remove(room)

    @database_sync_to_async
    def add_user_to_room(self, pk):
        self.scope["user"].groups.add(Group.objects.get(pk=pk))


async def test_the_room_of_the_tutorial_sends_its_users_after_each_join_and_leave(users) -> None:
    room = await Group.objects.acreate(name="room")
    rooms = RoomConsumer.as_asgi()
    ada, eve = [user async for user in User.objects.order_by("pk")[:2]]
    async with SocketCommunicator(rooms, user=ada) as first:
        await first.send_json({"action": "join_room", "pk": room.pk, "request_id": "session key"})
        await first.expect_event({"usuarios": users[:1]})
        async with SocketCommunicator(rooms, user=eve) as second:
            await second.send_json({"action": "join_room", "pk": room.pk, "request_id": "second"})
            await first.expect_event({"usuarios": users[:2]})
        await first.expect_event({"usuarios": users[:1]})
        await first.expect_nothing()
