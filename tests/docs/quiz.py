from django.shortcuts import render
from django.views import View
from rest_framework.serializers import IntegerField, Serializer

from sockets import SocketRouter
from sockets.models import Socket


class AnswerSerializer(Serializer):
    number = IntegerField(min_value=1, max_value=4)


class Quiz(View):
    socket = SocketRouter()

    def get(self, request, pk):
        players = Socket.objects.online().filter(path=request.path).users()
        return render(request, "quiz.html", {"players": players})

    @socket.connect
    def on_connect(socket):
        socket.peers().send_action("JOINED", user=str(socket.user))

    @socket.route("ANSWER", serializer_class=AnswerSerializer)
    def on_answer(socket, content):  # {"type": "ANSWER", "number": 2}
        socket.send_action("NOTED", number=content["number"])

    @socket.disconnect
    def on_disconnect(socket):
        socket.peers().send_action("LEFT", user=str(socket.user))
