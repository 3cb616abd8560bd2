"""A page and its socket in one class. The other half is the page's `table/table.js`."""

import re

from django.conf import settings
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views import View
from rest_framework.exceptions import PermissionDenied

from sockets import SocketRouter
from sockets.models import Socket

from .models import Game
from .serializers import ActionSerializer, ChatSerializer, GameSerializer


class Table(View):
    socket = SocketRouter()

    def get(self, request, pk):
        return render(request, "table/table.html", {"game": get_object_or_404(Game, pk=pk)})

    @socket.connect
    def on_open(socket):
        tell_who_is_here(socket)
        if settings.SERVER:
            socket.send_action("SERVER", name=settings.SERVER)

    @socket.route("PING")
    def on_ping(socket, content):
        socket.send_action("PONG", ts=timezone.now().timestamp())

    @socket.gap
    @socket.route("GET_GAMESTATE")
    def on_get_gamestate(socket, content):
        socket.send_action("GAMESTATE", **state_of(socket.kwargs["pk"]))

    @socket.route(re.compile("GAME_ACTION_.+"), serializer_class=ActionSerializer)
    def on_game_action(socket, content):
        user = logged_in(socket)
        with Game.changing(socket.kwargs["pk"]) as game:
            match content["action"].removeprefix("GAME_ACTION_"):
                case "SIT":
                    game.sit(user, content["seat"], here(socket).users())
                case "STAND":
                    game.stand(user)
                case "DEAL":
                    game.deal(user)
                case "ROLL":
                    game.roll(user)
                case "HOLD":
                    game.hold(user, here(socket).users())
        here(socket).send_action("GAMESTATE", **state_of(game.pk))

    @socket.route("CHAT", serializer_class=ChatSerializer)
    def on_chat(socket, content):
        user = logged_in(socket)
        here(socket).send_action("CHAT", name=user.username, text=content["text"])

    @socket.default_route
    def on_unknown(socket, content):
        socket.send_action("ERROR", details=f"Got unknown message: {content}")

    @socket.disconnect
    def on_disconnect(socket):
        tell_who_is_here(socket)
        if socket.user and not here(socket).filter(user=socket.user).exists():  # in no other tab
            here(socket).send_action("CHAT", text=f"User {socket.user} left chat.")


def here(socket):
    """All sockets at the table, whichever process serves them."""
    return Socket.objects.online().filter(path=socket.path)


def tell_who_is_here(socket):
    """Tell everybody, with a number: of two such lists the higher one is the later."""
    with Game.changing(socket.kwargs["pk"]) as game:
        names = list(here(socket).users().values_list("username", flat=True).order_by("username"))
        guests = here(socket).filter(user=None).count()
    here(socket).send_action("PRESENCE", number=game.number, names=names, guests=guests)


def state_of(pk):
    game = get_object_or_404(Game.objects.prefetch_related("seats__user"), pk=pk)
    return GameSerializer(game).data


def logged_in(socket):
    if socket.user is None:
        raise PermissionDenied("You are watching. Log in to take part.")
    return socket.user
