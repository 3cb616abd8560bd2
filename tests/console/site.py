"""A site with one page, two sockets and the list of the console."""

from django.http import HttpResponse
from django.urls import include, path
from rest_framework import serializers

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.routing import SocketApplication
from sockets import SocketRouter


class MoveSerializer(serializers.Serializer):
    seat = serializers.IntegerField(min_value=1, help_text="From 1 to 4.")


class Tickets(AsyncAPIConsumer):
    """The tickets of a shop."""

    @action()
    def escalate(self, pk: int, reason=""):
        """Escalate a ticket."""
        return {"pk": pk, "reason": reason}, 200


class Table:
    socket = SocketRouter()

    @socket.route("SIT", serializer_class=MoveSerializer)
    def on_sit(socket, content):
        """Take a seat."""


application = SocketApplication(
    [
        path("tickets/<slug:shop>/", Tickets.as_asgi()),
        path("table/", Table.socket.as_asgi()),
        path("page/", Table.socket.as_asgi()),
    ]
)
urlpatterns = [
    path("page/", lambda request: HttpResponse("the page")),
    path("sockets/", include("rest_channels.console.urls")),
]
