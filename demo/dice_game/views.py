"""A page and its socket in one class. The browser's side is `dice_game/game.js`."""

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


class GamePage(View):
    socket = SocketRouter()

    def get(self, request, pk):
        return render(request, "dice_game/game.html", {"game": get_object_or_404(Game, pk=pk)})

    @socket.connect
    def on_open(socket):
        send_presence(socket)
        if settings.SERVER:
            socket.send_action("SERVER", name=settings.SERVER)

    @socket.route("PING")
    def on_ping(socket, content):
        socket.send_action("PONG", ts=timezone.now().timestamp())

    @socket.gap
    @socket.route("GET_GAMESTATE")
    def on_get_gamestate(socket, content):
        socket.send_action("GAMESTATE", **game_state(socket.kwargs["pk"]))

    @socket.route(re.compile("GAME_ACTION_.+"), serializer_class=ActionSerializer)
    def on_game_action(socket, content):
        user = require_login(socket)
        with Game.locked(socket.kwargs["pk"]) as game:
            match content["action"].removeprefix("GAME_ACTION_"):
                case "SIT":
                    game.sit(user, content["seat"], sockets_at(socket.path).users())
                case "STAND":
                    game.stand(user)
                case "DEAL":
                    game.deal(user)
                case "ROLL":
                    game.roll(user)
                case "HOLD":
                    game.hold(user, sockets_at(socket.path).users())
        sockets_at(socket.path).send_action("GAMESTATE", **game_state(game.pk))

    @socket.route("CHAT", serializer_class=ChatSerializer)
    def on_chat(socket, content):
        user = require_login(socket)
        sockets_at(socket.path).send_action("CHAT", name=user.username, text=content["text"])

    @socket.default_route
    def on_unknown(socket, content):
        socket.send_action("ERROR", details=f"Got unknown message: {content}")

    @socket.disconnect
    def on_disconnect(socket):
        send_presence(socket)
        others = sockets_at(socket.path)
        if socket.user and not others.filter(user=socket.user).exists():  # no other tab is open
            others.send_action("CHAT", text=f"User {socket.user} left chat.")


def sockets_at(path):
    """Return the open sockets with this path, in all server processes."""
    return Socket.objects.online().filter(path=path)


def send_presence(socket):
    """Send the list of users to all. The page shows the list with the highest number."""
    present = sockets_at(socket.path)
    with Game.locked(socket.kwargs["pk"]) as game:
        names = list(present.users().values_list("username", flat=True).order_by("username"))
        guests = present.filter(user=None).count()
    present.send_action("PRESENCE", number=game.number, names=names, guests=guests)


def game_state(pk):
    game = get_object_or_404(Game.objects.prefetch_related("seats__user"), pk=pk)
    return GameSerializer(game).data


def require_login(socket):
    if socket.user is None:
        raise PermissionDenied("You are a spectator. Log in to play.")
    return socket.user
