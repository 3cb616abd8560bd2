"""What is known of the frames that a class takes, from its own code."""

import re
from types import NoneType

import pytest
from django.contrib.auth import get_user_model
from rest_framework import permissions as drf
from rest_framework import serializers, viewsets
from rest_framework.decorators import action as drf_action
from rest_framework.filters import SearchFilter

from rest_channels.consumers import (
    AsyncAPIConsumer,
    GenericAsyncAPIConsumer,
    ModelConsumer,
    SocketConsumer,
    view_as_consumer,
)
from rest_channels.decorators import action, socket_route
from rest_channels.introspection.descriptions import hint_name
from rest_channels.introspection.messages import messages_of
from rest_channels.introspection.operations import operations_of
from rest_channels.introspection.routes import class_of
from rest_channels.mixins import ListModelMixin, PaginatedModelListMixin
from rest_channels.permissions import IsAuthenticated
from rest_channels.views import SocketRouteView, SocketView
from sockets import SocketRouter
from sockets.handlers import RoutedSocketHandler

User = get_user_model()


def operation(cls, name):
    return {each.name: each for each in operations_of(cls)}[name]


def names(arguments):
    return [argument.name for argument in arguments]


class MoveSerializer(serializers.Serializer):
    seat = serializers.IntegerField()


class UserSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ["username"]


class Users(ModelConsumer):
    queryset = User.objects.all()
    serializer_class = UserSerializer


def test_an_action_takes_the_arguments_of_its_method() -> None:
    class Tickets(AsyncAPIConsumer):
        @action()
        def escalate(self, pk: int, reason="", request_id=None):
            """Escalate a ticket."""

    found = operation(Tickets, "escalate")
    assert found.description == "Escalate a ticket."
    assert [(each.name, each.annotation) for each in found.arguments] == [
        ("pk", int),
        ("reason", None),
    ]
    assert [each.is_required for each in found.arguments] == [True, False]
    assert not found.has_data
    assert not found.takes_any


def test_actions_come_in_the_order_of_their_definition() -> None:
    class Tickets(AsyncAPIConsumer):
        @action()
        def zoom(self): ...

        @action(name="close_it")
        async def close_ticket(self): ...

    assert [each.name for each in operations_of(Tickets)] == ["zoom", "close_it"]


def test_an_action_with_any_arguments_says_so() -> None:
    class Tickets(AsyncAPIConsumer):
        @action()
        def anything(self, **kwargs): ...

    assert operation(Tickets, "anything").takes_any


def test_permissions_are_those_of_the_action_with_their_operators() -> None:
    class Tickets(AsyncAPIConsumer):
        permission_classes = [IsAuthenticated]

        @action()
        def read(self): ...

        @action(permission_classes=[drf.IsAdminUser | ~drf.IsAuthenticated])
        def write(self): ...

    assert operation(Tickets, "read").permissions == ("IsAuthenticated",)
    assert operation(Tickets, "write").permissions == ("(IsAdminUser | ~IsAuthenticated)",)


def test_default_permissions_are_those_of_the_setting(settings) -> None:
    settings.REST_CHANNELS = {
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"]
    }

    class Tickets(AsyncAPIConsumer):
        @action()
        def read(self): ...

    assert operation(Tickets, "read").permissions == ("IsAdminUser",)


@pytest.mark.parametrize(
    ("name", "arguments", "content", "response"),
    [
        ("create", [], UserSerializer, UserSerializer),
        ("delete", ["pk"], None, NoneType),
        ("patch", ["pk"], UserSerializer, UserSerializer),
        ("retrieve", ["pk"], None, UserSerializer),
        ("subscribe_instance", ["pk"], None, NoneType),
        ("update", ["pk"], UserSerializer, UserSerializer),
    ],
)
def test_actions_of_a_model_have_its_serializer_and_key(name, arguments, content, response) -> None:
    found = operation(Users, name)
    assert names(found.arguments) == arguments
    assert (found.content, found.response) == (content, response)
    assert found.has_data == (content is not None)
    assert found.partial == (name == "patch")
    assert not found.takes_any


def test_a_subscription_may_be_ended_by_its_request_alone() -> None:
    (begin,) = operation(Users, "subscribe_instance").arguments
    (end,) = operation(Users, "unsubscribe_instance").arguments
    assert (begin.is_required, end.name, end.is_required) == (True, "pk", False)


def test_the_key_has_the_type_of_its_column() -> None:
    class ByName(Users):
        lookup_field = "username"

    (pk,) = operation(Users, "retrieve").arguments
    (username,) = operation(ByName, "retrieve").arguments
    assert (pk.annotation, username.name, username.annotation) == (int, "username", str)


def test_a_list_answers_rows_and_takes_what_its_pages_and_filters_need() -> None:
    class Plain(ListModelMixin, GenericAsyncAPIConsumer):
        serializer_class = UserSerializer
        filter_backends = [SearchFilter]

    class Pages(PaginatedModelListMixin, GenericAsyncAPIConsumer):
        serializer_class = UserSerializer

    assert names(operation(Plain, "list").arguments) == ["query"]
    assert operation(Plain, "list").is_list
    assert names(operation(Pages, "list").arguments) == ["limit", "offset"]


def test_an_overridden_action_of_a_model_has_its_own_arguments_too() -> None:
    class Own(Users):
        @action()
        def retrieve(self, pk, deep: bool = False):
            """Retrieve it with its groups."""

    found = operation(Own, "retrieve")
    assert found.description == "Retrieve it with its groups."
    assert names(found.arguments) == ["pk", "deep"]


def test_methods_of_a_route_view_take_data() -> None:
    class Editor(SocketRouteView):
        @socket_route("save")
        def save_it(self, request, data, pk):
            """Save the text."""

    (found,) = operations_of(Editor)
    assert (found.name, found.has_data, found.description) == ("save", True, "Save the text.")


def test_a_view_takes_frames_without_a_name() -> None:
    class Editor(SocketView):
        def receive(self, request):
            """Send the text to all."""

    class Silent(SocketView):
        pass

    (found,) = operations_of(Editor)
    assert (found.name, found.description) == (None, "Send the text to all.")
    assert operations_of(Silent) == ()


@pytest.mark.parametrize("method", ["receive", "receive_json", "websocket_receive"])
def test_a_consumer_takes_frames_if_it_has_a_method_for_them(method) -> None:
    cls = type("Chat", (SocketConsumer,), {method: lambda self, *args, **kwargs: None})
    assert [each.name for each in operations_of(cls)] == [None]
    assert operations_of(SocketConsumer) == ()


def test_routes_take_the_fields_of_their_serializer() -> None:
    router = SocketRouter()

    @router.route(re.compile("ACT_.+"), serializer_class=MoveSerializer)
    def on_act(socket, content):
        """Move to a seat."""

    found = operation(router.Handler, "ACT_.+")
    assert (found.content, found.is_pattern) == (MoveSerializer, True)
    assert found.description == "Move to a seat."


def test_a_live_list_of_a_router_is_a_route_with_its_rows() -> None:
    router = SocketRouter()

    @router.live("USERS", serializer_class=UserSerializer, stop="STOP_USERS")
    def users(socket, content):
        """The users of the page."""

    found = operation(router.Handler, "USERS")
    assert hint_name(found.response) == "LiveRows[UserSerializer]"
    assert (names(found.arguments), found.takes_any) == (["have"], True)
    assert found.description == "The users of the page."
    assert operation(router.Handler, "STOP_USERS").response is None
    (sent,) = [each for each in messages_of(router.Handler) if each.name == "USERS"]
    assert sent.contents == (found.response,)


def test_of_two_routes_with_one_type_the_last_counts() -> None:
    class Table(RoutedSocketHandler):
        routes = (("SIT", "sit"), ("SIT", "sit_down"))

        def sit(self, content): ...

        def sit_down(self, content): ...

    (found,) = operations_of(Table)
    assert found.function is Table.sit_down


class UserViewSet(viewsets.ModelViewSet):
    queryset = User.objects.all()
    serializer_class = UserSerializer
    permission_classes = [drf.IsAdminUser]

    @drf_action(detail=True, methods=["post"], serializer_class=MoveSerializer)
    def move(self, request, pk):
        """Move a user."""


def test_a_wrapped_viewset_has_its_actions_with_their_serializers() -> None:
    cls = class_of(view_as_consumer(UserViewSet))
    found = operation(cls, "move")
    assert (found.content, found.description) == (MoveSerializer, "Move a user.")
    assert [(each.name, each.is_required) for each in found.arguments] == [
        ("query", False),
        ("parameters", True),
    ]
    assert found.permissions == ("IsAdminUser",)
    assert operation(cls, "list").is_list
    assert operation(cls, "destroy").response is None


def test_only_the_actions_that_frames_may_name_are_described() -> None:
    cls = class_of(view_as_consumer(UserViewSet, {"list": "GET"}))
    assert [each.name for each in operations_of(cls)] == ["list"]


def test_a_class_of_another_library_has_no_operations() -> None:
    assert operations_of(object) == ()
