import re

from django.shortcuts import render
from django.views import View
from rest_framework.serializers import CharField, Serializer

from sockets import SocketRouter


class ChatSerializer(Serializer):
    text = CharField(max_length=200)


class Table(View):
    socket = SocketRouter()

    def get(self, request, pk):
        return render(request, "table.html", {"pk": pk})

    @socket.connect
    def on_connect(socket):
        socket.send_action("WELCOME", table=socket.kwargs["pk"])

    @socket.route("CHAT", serializer_class=ChatSerializer)
    def on_chat(socket, content):
        socket.peers().send_action("CHAT", text=content["text"])

    @socket.route(re.compile("GAME_ACTION_.+"))
    def on_game_action(socket, content):
        socket.send_action("DONE", action=content["type"])

    @socket.default_route
    def on_unknown(socket, content):
        socket.send_action("ERROR", details="Unknown message type.")

    @socket.disconnect
    def on_disconnect(socket):
        socket.peers().send_action("LEFT", user=str(socket.user))
