import re

from django.views import View

from sockets import SocketRouter
from sockets.handlers import RoutedSocketHandler


class PokerHandler(RoutedSocketHandler):
    login_required = True

    routes = (
        *RoutedSocketHandler.routes,
        ("GET_GAMESTATE", "on_get_gamestate"),
        (re.compile("ACT_.+"), "on_act"),
    )

    def on_get_gamestate(self, content):
        self.send_action("GAMESTATE", table=self.kwargs["pk"], players=self.names())

    def on_act(self, content):
        self.peers().send_action("ACTED", user=self.user.get_username(), action=content["type"])

    def names(self):
        players = self.peers() | type(self.row).objects.filter(pk=self.row.pk)
        return sorted(user.get_username() for user in players.users())


class PokerPage(View):
    socket = SocketRouter(handler=PokerHandler)
