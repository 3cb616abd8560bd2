"""A small project with a socket of each dialect, whose schema the tests read."""

import re
from dataclasses import dataclass
from typing import Literal, TypedDict

from django.contrib.auth import get_user_model
from django.urls import path
from rest_framework import serializers
from rest_framework.filters import SearchFilter

from rest_channels.consumers import AsyncAPIConsumer, ModelConsumer
from rest_channels.decorators import action, socket_route
from rest_channels.multiplexer import Multiplexer
from rest_channels.observer import ObserverModelListMixin, live_query, model_observer
from rest_channels.routing import SocketApplication
from rest_channels.views import SocketRouteView, SocketView
from sockets import SocketRouter

User = get_user_model()


class UserSerializer(serializers.ModelSerializer):
    """A user, as others see them."""

    class Meta:
        model = User
        fields = ["id", "username", "last_login"]


class MoveSerializer(serializers.Serializer):
    seat = serializers.IntegerField(min_value=1, help_text="From 1.")
    side = serializers.ChoiceField(["left", "right"])
    note = serializers.CharField(required=False, allow_null=True)


class Ticket(TypedDict):
    title: str
    owner: UserSerializer
    parent: "Ticket | None"


@dataclass
class Draft:
    title: str
    status: Literal["todo", "done"] = "todo"


class Search(TypedDict, total=False):
    search: str


class Users(ModelConsumer):
    """All users."""

    queryset = User.objects.all()
    serializer_class = UserSerializer


class Tickets(AsyncAPIConsumer):
    sends = {"gap": None}
    users = model_observer(User, UserSerializer)

    @action()
    def escalate(self, pk: int, reason: str = "") -> tuple[Ticket, int]:
        """Escalate a ticket."""

    @action(request=Draft, response=Ticket)
    def write(self, data): ...

    @action(request=MoveSerializer, response=None)
    def move(self, **kwargs): ...


class Lists(ObserverModelListMixin, ModelConsumer):
    queryset = User.objects.all()
    serializer_class = UserSerializer
    filter_backends = [SearchFilter]

    def get_queryset(self, shop: int, **kwargs):
        return super().get_queryset(**kwargs)

    @live_query(serializer_class=MoveSerializer)
    def active(self):
        return User.objects.filter(is_active=True)

    @action(response=active)
    async def watch_active(self, request_id, have: dict[str, str] | None = None):
        return await self.active.subscribe(request_id=request_id, have=have), 201


class Editor(SocketRouteView):
    sends = {"saved": dict[str, int]}

    @socket_route(request=MoveSerializer, response=MoveSerializer(many=True))
    def save(self, request, data, pk): ...

    @socket_route("watch")
    def watch(self, request, data, pk) -> None: ...


class Table:
    socket = SocketRouter()
    socket.sends = {"MOVED": MoveSerializer}

    @socket.route("MOVE", serializer_class=MoveSerializer)
    def on_move(socket, content): ...

    @socket.route(re.compile("BET_.+"))
    def on_bet(socket, content): ...

    @socket.live("GUESTS", serializer_class=UserSerializer, stop="STOP_GUESTS")
    def guests(socket, content: Search):
        """The users at the table."""


class Echo(SocketView):
    receives = {"text": str, "number": int}
    sends = {"echo": str | int}

    def receive(self, request): ...


application = SocketApplication(
    [
        path("users/", Users.as_asgi()),
        path("tickets/", Tickets.as_asgi()),
        path("editor/<int:pk>/", Editor.as_asgi()),
        path("table/<slug:name>/", Table.socket.as_asgi()),
        path("echo/", Echo.as_asgi()),
        path("lists/", Lists.as_asgi()),
        path("all/", Multiplexer(tickets=Tickets.as_asgi(), echo=Echo.as_asgi())),
    ]
)
