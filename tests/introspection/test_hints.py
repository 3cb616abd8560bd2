"""Hints: what a project says about the content of frames, honoured or refused."""

import re
from dataclasses import dataclass
from types import NoneType
from typing import Any, NamedTuple, TypedDict

import pytest
from django.contrib.auth.models import User
from django.urls import path
from rest_framework import serializers
from rest_framework.authentication import BasicAuthentication
from rest_framework.filters import SearchFilter

from rest_channels.consumers import (
    AsyncAPIConsumer,
    GenericAsyncAPIConsumer,
    ModelConsumer,
    SocketConsumer,
)
from rest_channels.declarations.hints import LiveRows
from rest_channels.decorators import action, socket_route
from rest_channels.introspection.descriptions import LiveDiff, hint_name
from rest_channels.introspection.examples import example_frame
from rest_channels.introspection.messages import RowKey, messages_of
from rest_channels.introspection.operations import operations_of
from rest_channels.introspection.sockets import describe_sockets
from rest_channels.observer import ObserverModelListMixin, model_observer
from rest_channels.routing import SocketApplication
from rest_channels.views import SocketRouteView, SocketView
from sockets import SocketRouter
from sockets.handlers import RoutedSocketHandler


class MoveSerializer(serializers.Serializer):
    seat = serializers.IntegerField()


class UserSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ["username"]


class Ticket(TypedDict):
    title: str


class Point(NamedTuple):
    x: int


@dataclass
class Move:
    seat: int


def operation(cls, name):
    return {each.name: each for each in operations_of(cls)}[name]


def sends(target):
    (found,) = describe_sockets([SocketApplication([path("", target.as_asgi())])])
    return {each.name: each.contents for each in found.sends}, found.sends_others


def test_an_action_has_the_hints_that_it_was_given() -> None:
    class Tickets(AsyncAPIConsumer):
        @action(request=Move, response=MoveSerializer(many=True))
        def move(self, data):
            return [], 200

        @action(response=None)
        async def forget(self):
            return None, 204

    move, forget = operation(Tickets, "move"), operation(Tickets, "forget")
    assert (move.content, hint_name(move.response)) == (Move, "MoveSerializer(many=True)")
    assert (forget.content, forget.response) == (None, NoneType)


def test_without_hints_the_annotations_count() -> None:
    class Tickets(AsyncAPIConsumer):
        @action()
        def move(self, pk: int, data: "Move") -> tuple[Ticket, int] | None: ...

        @action()
        async def watch(self) -> None: ...

        @action()
        def whatever(self, data: dict) -> tuple[Any, int]: ...

    move = operation(Tickets, "move")
    assert (move.content, move.response, move.is_answered) == (Move, Ticket, True)
    assert not operation(Tickets, "watch").is_answered
    whatever = operation(Tickets, "whatever")
    assert (whatever.content, whatever.response) == (None, None)


def test_a_hint_comes_before_the_serializer_of_a_model() -> None:
    class Users(ModelConsumer):
        queryset = User.objects.all()
        serializer_class = UserSerializer

        @action(response=Ticket)
        def list(self, **kwargs): ...

    found = operation(Users, "list")
    assert (found.response, found.is_list, found.pagination) == (Ticket, False, None)


def test_a_method_has_the_hints_or_annotations_of_its_data_and_answer() -> None:
    class Editor(SocketRouteView):
        @socket_route(request=MoveSerializer, response=dict[str, int])
        def move(self, request, data): ...

        @socket_route("save")
        def save_it(self, request, data: Ticket) -> tuple[Move, int]: ...

    move, save = operation(Editor, "move"), operation(Editor, "save")
    assert (move.content, move.response) == (MoveSerializer, dict[str, int])
    assert (save.content, save.response) == (Ticket, Move)


def test_receives_describes_the_frames_of_a_view_or_a_consumer() -> None:
    class Editor(SocketView):
        receives = {"edit": Ticket, "ask": None}

        def receive(self, request): ...

    class Chat(SocketConsumer):
        receives = Move

        def receive_json(self, content): ...

    edit, ask = operations_of(Editor)
    assert [(each.label, each.content) for each in (edit, ask)] == [
        ("edit", Ticket),
        ("ask", NoneType),
    ]
    assert [each.content for each in operations_of(Chat)] == [Move]


def test_sends_lists_what_the_server_sends() -> None:
    class Editor(SocketView):
        sends = {"edited": Ticket, "closed": None}

    assert sends(Editor) == ({"edited": (Ticket,), "closed": (NoneType,)}, False)
    assert sends(SocketView) == ({}, True)


def test_an_observer_without_a_handler_sends_rows() -> None:
    class Users(AsyncAPIConsumer):
        users = model_observer(User, UserSerializer)
        keys = model_observer(User)

    assert sends(Users)[0] == {
        "create": (RowKey, UserSerializer),
        "update": (RowKey, UserSerializer),
        "delete": (RowKey, UserSerializer),
    }


def test_a_handler_of_routes_sends_the_answer_to_hello_and_what_it_declares() -> None:
    router = SocketRouter()
    router.sends = {"MOVED": Move}
    router.receives = {"MOVE": Move, "OTHER": Ticket}

    @router.route("MOVE")
    def on_move(socket, content): ...

    @router.default_route
    def on_other(socket, content): ...

    assert list(sends(router)[0]) == ["GOT_HELLO", "PING", "MOVED"]
    assert operation(router.Handler, "MOVE").content is Move
    assert operation(router.Handler, "OTHER").content is Ticket


def test_a_consumer_with_authenticators_takes_a_token() -> None:
    class Users(AsyncAPIConsumer):
        authentication_classes = [BasicAuthentication]

    found = operation(Users, "authenticate")
    assert example_frame(found, "action")["token"] == "text"


@pytest.mark.parametrize(
    "hint", ["Move", [Move], {"a": int}, User, SocketView, list[SocketView], type[int], 5]
)
def test_a_hint_that_describes_no_frame_is_refused(hint) -> None:
    with pytest.raises(TypeError, match=r"@action\(request="):
        action(request=hint)
    with pytest.raises(TypeError, match=r"@socket_route\(response="):
        socket_route("move", response=hint)
    with pytest.raises(TypeError, match=r"Editor.sends = .* has 'moved', which"):
        type("Editor", (SocketView,), {"sends": {"moved": hint}, "__module__": "project"})


@pytest.mark.parametrize(
    "hint", [Move, Point, int, None, list[Move], dict[str, int | None], MoveSerializer(many=True)]
)
def test_serializers_and_types_that_json_can_carry_are_hints(hint) -> None:
    action(request=hint, response=hint)


def test_a_request_that_the_action_could_not_take_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Tickets.move takes no arguments"):

        class Tickets(AsyncAPIConsumer):
            @action(request=Move)
            def move(self, request_id): ...

    with pytest.raises(TypeError, match=r"Users.move takes data, but has request=None"):

        class Users(AsyncAPIConsumer):
            @action(request=None)
            def move(self, data): ...


@pytest.mark.parametrize("base", [AsyncAPIConsumer, SocketRouteView])
def test_receives_is_refused_where_decorators_describe_frames(base) -> None:
    with pytest.raises(TypeError, match=r"has no effect: write @action\(request=…\)"):
        type("Probe", (base,), {"receives": Move, "__module__": "project"})


@pytest.mark.parametrize(
    ("receives", "message"),
    [
        (Move, "is no dict of types"),
        ({"SIT": Move}, "'SIT' has a serializer_class already"),
        ({"STAND": Move}, "there is no route 'STAND'"),
    ],
)
def test_receives_of_a_handler_describes_its_routes(receives, message) -> None:
    routes = (("SIT", "sit", MoveSerializer),)
    members = {"routes": routes, "sit": lambda self, content: None, "receives": receives}
    with pytest.raises(TypeError, match=re.escape(message)):
        type("Table", (RoutedSocketHandler,), members)


def test_hints_have_short_names() -> None:
    assert [hint_name(each) for each in (None, NoneType, Move, list[Move] | None)] == [
        None,
        "None",
        "Move",
        f"list[{__name__}.Move] | None",
    ]
    assert hint_name(LiveRows(MoveSerializer)) == "LiveRows[MoveSerializer]"
    assert hint_name(LiveDiff(MoveSerializer)) == "LiveDiff[MoveSerializer]"


def test_a_live_list_is_described_with_its_arguments_and_what_it_sends() -> None:
    class Moves(ObserverModelListMixin, GenericAsyncAPIConsumer):
        serializer_class = MoveSerializer
        filter_backends = [SearchFilter]

    begin, end = (each for each in operations_of(Moves) if each.name.endswith("subscribe_list"))
    assert [each.name for each in begin.arguments] == ["query", "have"]
    assert not any(each.is_required for each in begin.arguments)
    assert (end.takes_any, end.response) == (True, NoneType)
    assert hint_name(begin.response) == "LiveRows[MoveSerializer]"
    (diff,) = messages_of(Moves)
    assert (diff.name, diff.contents, diff.status) == ("diff", (LiveDiff(MoveSerializer),), 200)
